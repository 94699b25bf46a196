"""Keep freed memory in the process instead of returning it to the system after every batch.

On a CPU, torch requests memory for the output of each layer from the C library and frees it again. With glibc's
defaults, a block of several megabytes is returned to the system at once, and the next batch gets it back page by page,
zeroed. For a small network this costs a third of the run time or more (``benchmarks/allocator.py``).
"""

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # constants from glibc's malloc.h
_LARGEST_BLOCK = 32 * 2**20  # the maximum that glibc accepts on 64-bit machines


def keep_freed_memory() -> bool:
    """Tell glibc to keep freed memory.

    This affects the whole process, so programs should call it, not libraries. The command line does. The process then
    holds its peak memory until it exits.

    Returns:
        whether it took effect; False if the C library is not glibc.

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
