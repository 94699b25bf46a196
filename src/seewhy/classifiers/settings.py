"""What the back-ends have in common: their settings, read from values or from text, and how answers become probabilities."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from seewhy.core.arrays import Probabilities
from seewhy.core.classifier import IMAGENET_MEAN, Color
from seewhy.core.errors import ClassifierError, RequestError
from seewhy.core.view import Fit, View

Size = int | str | tuple[int, int]
"""A side, (height, width), or text: ``224`` or ``224x320``."""

Triple = float | str | Sequence[float]
"""One number for all channels, three, or text: ``0.5`` or ``0.485/0.456/0.406``."""

Labels = str | Path | Sequence[str]
"""One name a class, or the path of a text file with one a line."""

Outputs = Literal["logits", "probabilities"]
Channels = Literal["rgb", "bgr"]


def check_choice(setting: str, value: str, choices: Sequence[str]) -> None:
    """Refuse a value that is not one of the few there are.

    Raises:
        RequestError: it is not.

    Example:
        >>> check_choice("channels", "rgb", ("rgb", "bgr"))
    """
    if value not in choices:
        raise RequestError(f"expected {setting} {' or '.join(choices)}, got {value!r}; choose one of them")


def read_size(size: Size) -> tuple[int, int]:
    """Return height and width in pixels.

    Raises:
        RequestError: the text is not a number, nor two with an ``x`` between.

    Example:
        >>> read_size(224), read_size("224x320")
        ((224, 224), (224, 320))
    """
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
    """Say how a picture is framed; without a size it is left alone.

    Raises:
        RequestError: the settings do not fit together.

    Example:
        >>> make_view(224, 256, "crop").describe()
        'short side 256, centre crop 224 × 224'
    """
    if size is not None:
        return View(read_size(size), fit, short_side)
    if short_side is not None or fit == "stretch":
        raise RequestError(f"expected a size for short_side={short_side}, fit={fit!r}, got none; add size=")
    return View.native()


def read_triple(setting: str, value: Triple) -> Color:
    """Return three finite numbers, one a channel.

    Raises:
        RequestError: there are neither one nor three, or one is not a finite number.

    Example:
        >>> read_triple("std", "0.5")
        (0.5, 0.5, 0.5)
    """
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
    """What the network's own preprocessing does to its input: ``(x - mean) / std``, channel by channel.

    Args:
        mean: taken off, one number a channel, in the order of the network's channels.
        std: divided by.

    Raises:
        RequestError: a ``std`` is not positive.

    Example:
        >>> Scaling((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)).apply(torch.ones(1, 3, 1, 1)).flatten().tolist()
        [1.0, 1.0, 1.0]
    """

    mean: Color = (0.0, 0.0, 0.0)
    std: Color = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        if min(self.std) <= 0:
            raise RequestError(f"expected std > 0, got {self.std}; leave it out for no division")

    def apply(self, images: Tensor) -> Tensor:
        """Scale ``(n, 3, h, w)`` pictures, in float32."""
        column = images.new_tensor([self.mean, self.std])[:, :, None, None]
        return (images - column[0]) / column[1]


def make_scaling(mean: Triple | None, std: Triple | None, *, top: float = 1.0) -> Scaling:
    """Read ``mean`` and ``std``.

    Args:
        mean: in the scale of the pictures, 0 to ``top``; None for 0.
        std: in the same scale; None for 1.
        top: the value of white: 1 or 255.

    Raises:
        RequestError: a number does not fit the scale.

    Example:
        >>> make_scaling(0.5, None).mean
        (0.5, 0.5, 0.5)
    """
    middle = (0.0, 0.0, 0.0) if mean is None else read_triple("mean", mean)
    spread = (1.0, 1.0, 1.0) if std is None else read_triple("std", std)
    if max(middle) > top:
        raise RequestError(
            f"expected mean in the scale of pictures in [0, {top:g}], got {middle}; divide mean and std by 255"
        )
    return Scaling(middle, spread)


def make_mean_color(mean_color: Triple | None, scaling: Scaling, channels: Channels, *, top: float = 1.0) -> Color:
    """Settle the mean colour of the training pictures, RGB in [0, 1].

    As given; else what the preprocessing takes off, when that is a colour; else ImageNet's.

    Raises:
        RequestError: a given colour is not in [0, 1].

    Example:
        >>> make_mean_color(None, Scaling((0.2, 0.4, 0.6)), "bgr")
        (0.6, 0.4, 0.2)
    """
    if mean_color is not None:
        color = read_triple("mean_color", mean_color)
        if not 0 <= min(color) <= max(color) <= 1:
            raise RequestError(f"expected mean_color in [0, 1], got {color}; divide by 255")
        return color
    red, green, blue = (value / top for value in scaling.mean)
    color = (red, green, blue) if channels == "rgb" else (blue, green, red)
    return color if min(color) >= 0 and max(color) > 0 else IMAGENET_MEAN


def read_labels(labels: Labels | None) -> tuple[str, ...] | None:
    """Return one name a class.

    Args:
        labels: the names, or the path of a UTF-8 text file with one a line; blank lines at its end do not count.

    Raises:
        RequestError: the file cannot be read.

    Example:
        >>> read_labels(["cat", "dog"])
        ('cat', 'dog')
    """
    if labels is None or not isinstance(labels, str | Path):
        return None if labels is None else tuple(str(name) for name in labels)
    try:
        text = Path(labels).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(
            f"expected labels in a text file, one a line, got {labels}: {error}; check the path"
        ) from error
    return tuple(line.strip() for line in text.rstrip().splitlines())


def read_device(device: str | torch.device | None) -> torch.device | None:
    """Return the device, if this machine has it.

    Raises:
        RequestError: there is no such device here; another one is never taken instead.

    Example:
        >>> read_device("cpu")
        device(type='cpu')
    """
    if device is None:
        return None
    try:
        wanted = torch.device(device)
        torch.zeros(1, device=wanted)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise RequestError(f"expected a device that is here, got {str(device)!r}: {reason}; try device=cpu") from error
    return wanted


def as_probabilities(scores: Tensor, rows: int, outputs: Outputs) -> Probabilities:
    """Turn a network's answer into probabilities; a distribution that is wrong is left for the self-test to name.

    Args:
        scores: what the network returned.
        rows: how many pictures it was shown.
        outputs: ``logits`` get a soft-max; ``probabilities`` are taken as they are.

    Returns:
        ``(rows, k)`` float32.

    Raises:
        ClassifierError: the shape is not ``(rows, k)`` with at least two classes.

    Example:
        >>> as_probabilities(torch.zeros(1, 4), 1, "logits").tolist()
        [[0.25, 0.25, 0.25, 0.25]]
    """
    if scores.ndim == 4 and scores.shape[2:] == (1, 1):
        scores = scores.flatten(1)
    if scores.ndim != 2 or len(scores) != rows:
        raise ClassifierError(
            f"expected outputs of shape ({rows}, classes), got {tuple(scores.shape)}; return one row a picture"
        )
    if scores.shape[1] < 2:
        raise ClassifierError(
            "expected at least 2 classes, got 1 number a picture; "
            "return (1 - p, p) as outputs='probabilities', or (0, z) as outputs='logits'"
        )
    return scores.float().softmax(1) if outputs == "logits" else scores.float()


def digest(*parts: object) -> str:
    """Return the SHA-256 of the parts, in hexadecimal; bytes as they are, all else by ``repr``.

    Example:
        >>> len(digest("a", b"b"))
        64
    """
    total = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes | bytearray | memoryview) else repr(part).encode()
        total.update(len(data).to_bytes(8, "little"))
        total.update(data)
    return total.hexdigest()


def tensor_bytes(tensor: Tensor) -> bytes:
    """Return the bytes of a tensor of any type, wherever it is.

    Example:
        >>> list(tensor_bytes(torch.tensor([1, 2], dtype=torch.uint8)))
        [1, 2]
    """
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
