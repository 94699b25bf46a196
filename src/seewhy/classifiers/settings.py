"""Settings shared by the classifier adapters, given as values or text, and conversion of outputs to probabilities."""

import hashlib
import inspect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from seewhy.core.arrays import Probabilities
from seewhy.core.classifier import IMAGENET_MEAN, Color
from seewhy.core.errors import ClassifierError, RequestError
from seewhy.core.view import Fit, View

Size = int | str | tuple[int, int]
"""One side, (height, width), or text: ``224`` or ``224x320``."""

Triple = float | str | Sequence[float]
"""One number for all channels, three numbers, or text: ``0.5`` or ``0.485/0.456/0.406``."""

Outputs = Literal["logits", "probabilities"]
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


def read_size(size: Size) -> tuple[int, int]:
    """Return height and width in pixels."""
    if isinstance(size, tuple):
        return size
    try:
        sides = [int(part) for part in str(size).split("x")]
    except ValueError:
        sides = []
    if len(sides) not in {1, 2}:
        raise RequestError(f"expected size=SIDE or size=HEIGHTxWIDTH in pixels, got {size!r}; write size=224")
    return sides[0], sides[-1]


def make_view(size: Size | None, short_side: int | None, fit: Fit) -> View:
    """Return the view for the settings; without a size, images are left unchanged."""
    if size is not None:
        return View(read_size(size), fit, short_side)
    if short_side is not None or fit == "stretch":
        raise RequestError(f"expected a size for short_side={short_side}, fit={fit!r}, got none; set size=")
    return View.native()


def read_triple(setting: str, value: Triple) -> Color:
    """Return three finite numbers, one per channel."""
    parts: Iterable[str | float] = (
        value.split("/") if isinstance(value, str) else [value] if isinstance(value, int | float) else value
    )
    try:
        numbers = [float(part) for part in parts]
    except (TypeError, ValueError):
        numbers = []
    if len(numbers) == 1:
        numbers *= 3
    if len(numbers) != 3 or not bool(torch.tensor(numbers).isfinite().all()):
        raise RequestError(f"expected {setting} as one or three numbers, got {value!r}; write 0.485/0.456/0.406")
    return numbers[0], numbers[1], numbers[2]


@dataclass(frozen=True)
class Scaling:
    """Input normalisation of a network: ``(x - mean) / std`` per channel, in the network's channel order.

    Raises:
        RequestError: a ``std`` is not positive.
    """

    mean: Color = (0.0, 0.0, 0.0)
    std: Color = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        if min(self.std) <= 0:
            raise RequestError(f"expected std > 0, got {self.std}; omit it for no division")

    def apply(self, images: Tensor) -> Tensor:
        """Normalise ``(n, 3, h, w)`` images in float32."""
        column = images.new_tensor([self.mean, self.std])[:, :, None, None]
        return (images - column[0]) / column[1]


def make_scaling(mean: Triple | None, std: Triple | None, *, top: float = 1.0) -> Scaling:
    """Read ``mean`` (None for 0) and ``std`` (None for 1), in the range of the images from 0 to ``top``, white."""
    middle = (0.0, 0.0, 0.0) if mean is None else read_triple("mean", mean)
    spread = (1.0, 1.0, 1.0) if std is None else read_triple("std", std)
    if max(middle) > top:
        raise RequestError(
            f"expected mean in the range of images in [0, {top:g}], got {middle}; divide mean and std by 255"
        )
    return Scaling(middle, spread)


def make_mean_color(mean_color: Triple | None, scaling: Scaling, channels: Channels, *, top: float = 1.0) -> Color:
    """Determine the mean colour of the training images, RGB in [0, 1].

    The given colour takes precedence, then the normalisation mean if it is a valid colour, then the ImageNet mean.
    """
    if mean_color is not None:
        color = read_triple("mean_color", mean_color)
        if not 0 <= min(color) <= max(color) <= 1:
            raise RequestError(f"expected mean_color in [0, 1], got {color}; divide by 255")
        return color
    red, green, blue = (value / top for value in scaling.mean)
    color = (red, green, blue) if channels == "rgb" else (blue, green, red)
    return color if min(color) >= 0 and max(color) > 0 else IMAGENET_MEAN


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


def as_probabilities(scores: Tensor, rows: int, outputs: Outputs) -> Probabilities:
    """Check the shape of the output for ``rows`` images, and apply a softmax to logits.

    An invalid distribution is left for the self-test to report.
    """
    if scores.ndim == 4 and scores.shape[2:] == (1, 1):
        scores = scores.flatten(1)
    if scores.ndim != 2 or len(scores) != rows:
        raise ClassifierError(
            f"expected outputs of shape ({rows}, classes), got {tuple(scores.shape)}; return one row per image"
        )
    if scores.shape[1] < 2:
        raise ClassifierError(
            "expected at least 2 classes, got 1 number per image; "
            "return (1 - p, p) as outputs='probabilities', or (0, z) as outputs='logits'"
        )
    return scores.float().softmax(1) if outputs == "logits" else scores.float()


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
