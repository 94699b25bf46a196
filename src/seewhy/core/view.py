"""How a user's image is mapped to the classifier's input, and where the input's pixels lie on the original image."""

from dataclasses import dataclass
from typing import Literal

from seewhy.core.errors import RequestError

Fit = Literal["crop", "stretch", "native"]


@dataclass(frozen=True)
class Frame:
    """The part of an image that a classifier sees: a box on the original image and the size it is resized to.

    Args:
        box: left, top, right, bottom in pixels of the original image; may be fractional.
        size: height and width of the classifier's input.
        image_size: height and width of the original image.
    """

    box: tuple[float, float, float, float]
    size: tuple[int, int]
    image_size: tuple[int, int]


@dataclass(frozen=True)
class View:
    """The rule that determines the frame of an image.

    Args:
        size: height and width of the input; None uses the image at its native size (``fit="native"``).
        fit: ``crop`` resizes the short side to ``short_side`` and takes the centre crop; ``stretch`` ignores the aspect
            ratio; ``native`` leaves the image unchanged.
        short_side: length to which ``crop`` resizes the short side before cropping.

    Raises:
        RequestError: the three settings are inconsistent.

    Example:
        >>> View((224, 224), short_side=256).frame(512, 512).box
        (32.0, 32.0, 480.0, 480.0)
    """

    size: tuple[int, int] | None = None
    fit: Fit = "crop"
    short_side: int | None = None

    def __post_init__(self) -> None:
        if self.fit not in {"crop", "stretch", "native"}:
            raise RequestError(f"expected fit=crop, stretch or native, got {self.fit!r}")
        if (self.size is None) != (self.fit == "native"):
            raise RequestError(f"expected a size for fit={self.fit!r} and none for native, got size={self.size}")
        if self.size is not None and min(self.size) < 1:
            raise RequestError(f"expected a positive input size, got {self.size}")
        if self.fit == "crop" and self._short() < max(self.size or (0,)):
            raise RequestError(f"expected short_side >= {max(self.size or (0,))}, got {self.short_side}")

    @classmethod
    def native(cls) -> "View":
        """Return a view that leaves every image at its native size."""
        return cls(None, "native")

    def _short(self) -> int:
        """Return the length of the short side before the crop: as given, or the minimum for the input."""
        return self.short_side or max(self.size or (0,))

    def frame(self, height: int, width: int) -> Frame:
        """Return the frame of an image of the given size in pixels."""
        image_size = (height, width)
        if self.size is None or self.fit == "stretch":
            return Frame((0.0, 0.0, float(width), float(height)), self.size or image_size, image_size)
        factor = self._short() / min(image_size)
        scaled = tuple(max(self._short(), round(side * factor)) for side in image_size)
        top, left = ((side - need) // 2 for side, need in zip(scaled, self.size, strict=True))
        per_y, per_x = height / scaled[0], width / scaled[1]
        right, bottom = (left + self.size[1]) * per_x, (top + self.size[0]) * per_y
        return Frame((left * per_x, top * per_y, right, bottom), self.size, image_size)

    def describe(self) -> str:
        """Describe the rule in words, for the record and the report."""
        if self.size is None:
            return "the image at its native size"
        size = f"{self.size[0]} × {self.size[1]}"
        return f"short side {self._short()}, centre crop {size}" if self.fit == "crop" else f"stretched to {size}"
