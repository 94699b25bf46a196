"""Describe what determines the speed of a network on this machine: processor, device, threads and versions."""

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

_FACTS = Path("/proc/cpuinfo")


def machine(device: torch.device) -> dict[str, str]:
    """Describe the machine. A runtime choice is reused only for the same description.

    Args:
        device: device on which torch computes.

    Example:
        >>> machine(torch.device("cpu"))["device"]
        'cpu'
    """
    packages = ("torch", "openvino", "onnxruntime")
    return {
        "processor": _processor(),
        "instructions": " ".join(sorted(instructions())),
        "threads": str(torch.get_num_threads()),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        **{name: installed(name) or "none" for name in packages},
    }


def instructions() -> set[str]:
    """Return the processor's instruction sets under Linux's names; on other systems, the one that torch uses.

    Example:
        >>> len(instructions()) > 0
        True
    """
    return set(_fact("flags").split()) or {torch.backends.cpu.get_cpu_capability().lower()}


def installed(package: str) -> str | None:
    """Return the version of a package without importing it, or None if it is not installed.

    Example:
        >>> installed("no-such-package") is None
        True
    """
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    """Return the name of the processor, or the platform's description."""
    return _fact("model name") or f"{platform.processor()} {platform.machine()}"


def _fact(name: str) -> str:
    """Return an entry about the first core, or an empty string if there is none."""
    lines = _FACTS.read_text(encoding="utf-8").splitlines() if _FACTS.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == name), "")
