"""Keep freed memory in the process instead of handing it back after every batch.

Torch on a CPU asks the C library for each layer's output and frees it again. Under glibc's defaults a block of some
megabytes goes back to the system at once and comes back page by page, zeroed, with the next batch: for a small network
that is a third of the time and more (``benchmarks/allocator.py``).
"""

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc's own numbers, malloc.h
_LARGEST_BLOCK = 32 * 2**20  # the most that glibc accepts on 64-bit machines


def keep_freed_memory() -> bool:
    """Tell glibc to keep what is freed; for the whole process, so it is for programs to call and not for libraries.

    The command line calls it. The process then holds on to its peak memory until it ends.

    Returns:
        whether it took effect; False where the C library is not glibc.

    Example:
        >>> keep_freed_memory() in {True, False}
        True
    """
    if not sys.platform.startswith("linux"):
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallopt"):
        return False
    return bool(library.mallopt(_TRIM_THRESHOLD, 2**31 - 1)) and bool(library.mallopt(_MMAP_THRESHOLD, _LARGEST_BLOCK))
