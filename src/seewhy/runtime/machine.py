"""What determines the speed of a network on this machine: processor, threads, versions, and how memory is reused."""

import ctypes
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

_FACTS = Path("/proc/cpuinfo")
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # constants from glibc's malloc.h
_LARGEST_BLOCK = 32 * 2**20  # the maximum that glibc accepts on 64-bit machines


def machine(device: torch.device) -> dict[str, str]:
    """Describe the machine on which torch computes; a runtime choice is reused only for the same description."""
    packages = ("torch", "openvino", "onnxruntime")
    return {
        "processor": _processor(),
        "threads": str(torch.get_num_threads()),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        **{name: installed(name) or "none" for name in packages},
    }


def installed(package: str) -> str | None:
    """Return the version of a package without importing it, or None if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def keep_freed_memory() -> bool:
    """Tell glibc to keep freed memory; return whether it took effect, which it does not with another C library.

    By default glibc returns a freed block of several megabytes to the system at once, and the next layer's output gets
    it back page by page, zeroed. For a small network this costs a third of the run time (``benchmarks/allocator.py``).
    The setting affects the whole process, which holds its peak memory until it exits: programs should call this, as the
    command line does, and libraries should not.
    """
    if not sys.platform.startswith("linux"):
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallopt"):
        return False
    return bool(library.mallopt(_TRIM_THRESHOLD, 2**31 - 1)) and bool(library.mallopt(_MMAP_THRESHOLD, _LARGEST_BLOCK))


def _processor() -> str:
    """Return the name of the processor."""
    lines = _FACTS.read_text(encoding="utf-8").splitlines() if _FACTS.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else f"{platform.processor()} {platform.machine()}"
