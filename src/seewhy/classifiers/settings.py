"""Settings shared by the classifier adapters, given as values or text."""

import hashlib
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from seewhy.core.classifier import Color
from seewhy.core.errors import RequestError
from seewhy.core.view import View

Channels = Literal["rgb", "bgr"]

CPU = torch.device("cpu")


@dataclass(frozen=True, eq=False, kw_only=True)
class Described(Protocol):
    """What every classifier states about itself; see `seewhy.core.classifier.Classifier`."""

    name: str
    labels: tuple[str, ...] | None
    view: View
    fingerprint: str
    mean_color: Color
    device: torch.device = CPU
    spec: str | None = None


def check_choice(setting: str, value: str, choices: Sequence[str]) -> None:
    """Reject a value that is not one of the choices."""
    if value not in choices:
        raise RequestError(f"expected {setting}={' or '.join(choices)}, got {value!r}; choose one of them")


def read_device(device: str | torch.device | None) -> torch.device | None:
    """Return the device; one that is not available is an error, with no fallback."""
    if device is None:
        return None
    try:
        wanted = torch.device(device)
        torch.zeros(1, device=wanted)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise RequestError(f"expected an available device, got {str(device)!r}: {reason}; try device=cpu") from error
    return wanted


def digest(*parts: object) -> str:
    """Return the hexadecimal SHA-256 of the parts; bytes are hashed directly, everything else by its ``repr``."""
    total = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes | bytearray | memoryview) else repr(part).encode()
        total.update(len(data).to_bytes(8, "little"))
        total.update(data)
    return total.hexdigest()


def tensor_bytes(tensor: Tensor) -> bytes:
    """Return the bytes of a tensor of any type on any device."""
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def source_of(code: object) -> str:
    """Return the source of a class or a function, or its bytecode where there is none to read."""
    try:
        return inspect.getsource(code)  # type: ignore[arg-type]
    except (OSError, TypeError):
        return getattr(getattr(code, "__code__", None), "co_code", b"").hex()
