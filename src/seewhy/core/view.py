"""How a user's image is mapped to the classifier's input, and where the input's pixels lie on the original image."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal, get_args

from seewhy.core.errors import RequestError

Sides = tuple[int, int]
"""Height and width in pixels."""

Fit = Literal["crop", "stretch", "pad", "pad-right", "native"]
Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"]
CropOffset = Literal["round", "floor"]

_FEW_TAPS = ("nearest", "bilinear", "bicubic")
_APPLIES: dict[Fit, frozenset[str]] = {
    "crop": frozenset({"short_side", "resize", "crop_pct", "crop_offset", "pad_color", "interpolation", "antialias"}),
    "stretch": frozenset({"interpolation", "antialias"}),
    "pad": frozenset({"crop_pct", "pad_color", "interpolation", "antialias"}),
    "pad-right": frozenset({"pad_color", "interpolation", "antialias"}),
    "native": frozenset(),
}
"""The settings that each fit has, besides the size."""


def check_choices(settings: Mapping[str, object]) -> None:
    """Reject settings of a view that are none of the words to choose from.

    Raises:
        RequestError: the message lists the words.
    """
    for name, choices in (("fit", Fit), ("interpolation", Interpolation), ("crop_offset", CropOffset)):
        if name in settings and settings[name] not in get_args(choices):
            expected = " or ".join(get_args(choices))
            raise RequestError(f"expected {name}={expected}, got {settings[name]!r}; choose one of them")


@dataclass(frozen=True)
class Frame:
    """The part of an image that a classifier sees: a box on the original image and the size it is resized to.

    Args:
        box: left, top, right, bottom in pixels of the original image; may be fractional, and beyond the image, which is
            padded there.
        size: height and width of the classifier's input.
        image_size: height and width of the original image.
    """

    box: tuple[float, float, float, float]
    size: Sides
    image_size: Sides

    @property
    def resized(self) -> Sides:
        """Height and width to which the whole image is resized."""
        left, top, right, bottom = self.box
        height, width = self.image_size
        return round(height * self.size[0] / (bottom - top)), round(width * self.size[1] / (right - left))

    @property
    def offset(self) -> tuple[int, int]:
        """Row and column of the resized image at which the input begins; negative where it begins with padding."""
        left, top, right, bottom = self.box
        return round(top * self.size[0] / (bottom - top)), round(left * self.size[1] / (right - left))

    @property
    def visible(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """First and last rows, then columns, of the resized image that are seen; the last ones are exclusive."""
        rows, columns = (
            (max(0, start), min(side, start + need))
            for start, side, need in zip(self.offset, self.resized, self.size, strict=True)
        )
        return rows, columns

    @property
    def shown(self) -> float:
        """The share of the image that the classifier sees, 0 to 1."""
        shares = [(stop - start) / side for (start, stop), side in zip(self.visible, self.resized, strict=True)]
        return math.prod(shares)

    @property
    def padding(self) -> float:
        """The share of the input that shows nothing of the image, 0 to 1."""
        shares = [(stop - start) / side for (start, stop), side in zip(self.visible, self.size, strict=True)]
        return 1 - math.prod(shares)

    def scaled(self, height: int, width: int) -> "Frame":
        """Return the same view of the same image after the image is resized to a height and width in pixels.

        Example:
            >>> Frame((10.0, 0.0, 110.0, 100.0), (224, 224), (100, 120)).scaled(50, 60).box
            (5.0, 0.0, 55.0, 50.0)
        """
        down, across = height / self.image_size[0], width / self.image_size[1]
        left, top, right, bottom = self.box
        return Frame((left * across, top * down, right * across, bottom * down), self.size, (height, width))


@dataclass(frozen=True, repr=False)
class View:
    """The rule that determines the frame of an image: as torchvision, timm, transformers and OpenCV code prepare images.

    Args:
        size: height and width of the input; None uses the image at its native size (``fit="native"``).
        fit: ``crop`` resizes the image and takes the centre; ``stretch`` ignores the aspect ratio; ``pad`` shows the whole
            image, centred between two margins (letterbox); ``pad-right`` resizes it to the input's height, with a margin
            at the right, and squeezes an image that is wider (text recognisers); ``native`` leaves the image unchanged.
        short_side: ``crop``: length to which the short side is resized, the long side in proportion, truncated.
        resize: ``crop``: height and width to which the image is resized, whatever its aspect ratio.
        crop_pct: ``crop`` and ``pad``: the image is resized to cover, or fit inside, ``floor(size / crop_pct)``, over 0 to
            1. Without any of these three settings, ``crop`` and ``pad`` take 1: as much of the image as possible is seen.
        interpolation: kernel of the resize.
        antialias: whether the kernel widens when an image is reduced, as in Pillow. False samples the image at single
            points, as ``cv2.resize`` and ``torch.nn.functional.interpolate`` do; ``nearest`` (torch's), ``bilinear``
            (OpenCV's, which torch's equals to a level of 255), ``bicubic``.
        pad_color: RGB in [0, 1] around an image that does not fill the input; None for black.
        crop_offset: how half a pixel is rounded where the crop cannot be centred exactly: ``round`` to even, as
            torchvision does, or ``floor``, as transformers and most own code do.

    Raises:
        RequestError: the settings are inconsistent, or one does not apply to the fit.

    Example:
        >>> View((224, 224), short_side=256).frame(512, 512).box
        (32.0, 32.0, 480.0, 480.0)
        >>> View((96, 160)).frame(48, 80).box, View((10, 20), "pad").frame(10, 10).box
        ((0.0, 0.0, 80.0, 48.0), (-5.0, 0.0, 15.0, 10.0))
    """

    size: Sides | None = None
    fit: Fit = "crop"
    short_side: int | None = None
    resize: Sides | None = None
    crop_pct: float | None = None
    interpolation: Interpolation = "bicubic"
    antialias: bool = True
    pad_color: tuple[float, float, float] | None = None
    crop_offset: CropOffset = "round"

    def __post_init__(self) -> None:
        self._check_values()
        self._check_use()

    def __repr__(self) -> str:
        """Return a text that earlier versions would give where the rule is theirs: it is part of fingerprints.

        They resized to the longer side of an input, so that one that is not square needs another text.
        """
        scaled = self.short_side or self.resize or self.crop_pct
        oblong = self.fit == "crop" and not scaled and len(set(self.size or ())) == 2
        rest = [f"{name}={getattr(self, name)!r}" for name in self._given() if name != "short_side"]
        rest += ["crop_pct=1.0"] if oblong else []
        shared = [f"size={self.size!r}", f"fit={self.fit!r}", f"short_side={self.short_side!r}"]
        return f"View({', '.join(shared + rest)})"

    @classmethod
    def native(cls) -> "View":
        """Return a view that leaves every image at its native size."""
        return cls(None, "native")

    def _given(self) -> list[str]:
        """List the settings, besides size and fit, that differ from their defaults."""
        return [field.name for field in fields(self)[2:] if getattr(self, field.name) != field.default]

    def _check_values(self) -> None:
        """Reject values that no fit could have."""
        check_choices(vars(self))
        for name in ("size", "resize", "short_side"):
            value = getattr(self, name)
            if value is not None and min(value if isinstance(value, tuple) else (value,)) < 1:
                raise RequestError(f"expected {name} > 0 in pixels, got {value}")
        if self.crop_pct is not None and not 0 < self.crop_pct <= 1:
            raise RequestError(f"expected 0 < crop_pct <= 1, got {self.crop_pct}; write crop_pct=0.875 for 87.5 %")
        if self.pad_color is not None and not 0 <= min(self.pad_color) <= max(self.pad_color) <= 1:
            raise RequestError(f"expected pad_color in [0, 1], got {self.pad_color}; divide by 255")

    def _check_use(self) -> None:
        """Reject settings that would be ignored, or that contradict each other."""
        if (self.size is None) != (self.fit == "native"):
            raise RequestError(f"expected a size for fit={self.fit!r} and none for native, got size={self.size}")
        given = self._given()
        for name in given:
            if name not in _APPLIES[self.fit]:
                others = " or ".join(fit for fit, settings in _APPLIES.items() if name in settings)
                raise RequestError(f"expected {name} only with fit={others}, got fit={self.fit}; omit one of the two")
        scales = [name for name in ("short_side", "resize", "crop_pct") if name in given]
        if len(scales) > 1:
            raise RequestError(f"expected one of short_side, resize and crop_pct, got {' and '.join(scales)}; omit one")
        if self.pad_color is not None and not self._may_pad():
            raise RequestError("expected pad_color only where the image may be smaller than the input; omit it")
        if not self.antialias and self.interpolation not in _FEW_TAPS:
            raise RequestError(f"expected antialias=True for interpolation={self.interpolation}, got False; omit it")

    def _may_pad(self) -> bool:
        """Return whether an image can be smaller than the input after the resize."""
        smallest = self.resize or (self.short_side, self.short_side)
        return self.fit in {"pad", "pad-right"} or any(
            side is not None and side < need for side, need in zip(smallest, self.size or (), strict=False)
        )

    def frame(self, height: int, width: int) -> Frame:
        """Return the frame of an image of the given size in pixels."""
        image_size = (height, width)
        if self.size is None:
            return Frame((0.0, 0.0, float(width), float(height)), image_size, image_size)
        resized = self._resized(height, width)
        top, left = (self._start(side - need) for side, need in zip(resized, self.size, strict=True))
        first, last = (left * width / resized[1], (left + self.size[1]) * width / resized[1])
        upper, lower = (top * height / resized[0], (top + self.size[0]) * height / resized[0])
        return Frame((first, upper, last, lower), self.size, image_size)

    def _resized(self, height: int, width: int) -> Sides:
        """Return the height and width to which an image is resized before the crop or the padding."""
        size = self.size or (height, width)
        if self.fit == "stretch":
            return size
        if self.fit == "pad-right":  # as PaddleOCR computes it, in floats
            return size[0], min(size[1], math.ceil(size[0] * (width / height)))
        if self.resize is not None:
            return self.resize
        target = self._target(size)
        if self.fit == "crop" and target[0] == target[1]:  # torchvision.transforms.Resize(side)
            short, long = sorted((height, width))
            scaled = int(target[0] * long / short)
            return (target[0], scaled) if height <= width else (scaled, target[0])
        ratios = (height / target[0], width / target[1])  # timm.data.transforms.ResizeKeepRatio
        ratio = min(ratios) if self.fit == "crop" else max(ratios)
        return max(1, round(height / ratio)), max(1, round(width / ratio))

    def _target(self, size: Sides) -> Sides:
        """Return the height and width that the resized image covers, or fits into."""
        if self.short_side is not None:
            return self.short_side, self.short_side
        share = 1.0 if self.crop_pct is None else self.crop_pct
        return max(1, math.floor(size[0] / share)), max(1, math.floor(size[1] / share))

    def _start(self, surplus: int) -> int:
        """Return where the input begins on a side of the resized image that is so much longer than the input."""
        if self.fit == "pad-right":
            return 0
        if surplus < 0:
            return -(-surplus // 2)
        return surplus // 2 if self.crop_offset == "floor" else round(surplus / 2)

    def describe(self) -> str:
        """Describe the rule in words, for the record and the report."""
        if self.size is None:
            return "the image at its native size"
        kernel = self.interpolation + ("" if self.antialias else " without antialiasing")
        return ", ".join([*self._geometry(*self.size), kernel, *([self._margin()] if self._may_pad() else [])])

    def _geometry(self, height: int, width: int) -> list[str]:
        """Say what is resized to what, and what is cut off."""
        size, target = f"{height} × {width}", self._target((height, width))
        if self.fit == "crop":
            centre = f"centre crop {size}" + (" (offset rounded down)" if self.crop_offset == "floor" else "")
            if self.resize is not None:
                return [f"resized to {self.resize[0]} × {self.resize[1]}", centre]
            return [f"short side {target[0]}" if target[0] == target[1] else f"cover {target[0]} × {target[1]}", centre]
        if self.fit == "pad":
            inside = [] if self.crop_pct is None else [f"centre {size}"]
            return [f"resized to fit inside {target[0]} × {target[1]}", *inside]
        return [f"stretched to {size}" if self.fit == "stretch" else f"height {height}, width at most {width}"]

    def _margin(self) -> str:
        """Say where and with which colour the input is padded."""
        color = "black" if self.pad_color is None else "RGB " + "/".join(f"{value:.3g}" for value in self.pad_color)
        return f"padded with {color}" + (" at the right" if self.fit == "pad-right" else "")
