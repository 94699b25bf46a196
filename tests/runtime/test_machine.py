"""Freed memory stays in the process."""

import resource
import subprocess
import sys

import pytest

SCRIPT = """
import ctypes, resource, sys
from seewhy.runtime.machine import keep_freed_memory
kept = keep_freed_memory() if sys.argv[1] == "keep" else None
library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p
def use():
    blocks = [library.malloc(ctypes.c_size_t(16 * 2**20)) for _ in range(4)]
    for block in blocks:
        ctypes.memset(block, 1, 16 * 2**20)
    for block in blocks:
        library.free(ctypes.c_void_p(block))
use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    use()
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(mode: str) -> tuple[str, int]:
    """Return whether the setting took effect, and the page faults of using 64 MB twenty times in a fresh process."""
    words = [sys.executable, "-c", SCRIPT, mode]
    kept, count = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    return kept, int(count)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc only")
def test_memory_that_was_freed_is_used_again() -> None:
    """With the setting, pages are reused for twenty allocations of 64 MB; without it, each allocation faults again."""
    kept, count = faults("keep")
    if kept == "False":
        pytest.skip("not glibc")
    pages = 16 * 2**20 // resource.getpagesize()
    assert count < pages
    assert faults("default")[1] > 20 * pages
