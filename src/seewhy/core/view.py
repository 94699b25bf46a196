"""How a user's picture becomes the classifier's input, and where the input's pixels lie on the picture."""

from dataclasses import dataclass
from typing import Literal

from seewhy.core.errors import RequestError

Fit = Literal["crop", "stretch", "native"]


@dataclass(frozen=True)
class Frame:
    """The part of a picture that a classifier sees: a box on the picture, and the size it is brought to.

    Args:
        box: left, top, right, bottom in the picture's pixels (fractions allowed).
        size: height, width of the classifier's input.
        picture: height, width of the picture.

    Example:
        >>> Frame((0.0, 0.0, 448.0, 448.0), (224, 224), (448, 448)).size
        (224, 224)
    """

    box: tuple[float, float, float, float]
    size: tuple[int, int]
    picture: tuple[int, int]


@dataclass(frozen=True)
class View:
    """The rule by which any picture is framed.

    Args:
        size: height, width of the input; None takes the picture as it comes (``fit="native"``).
        fit: ``crop`` scales the short side to ``short_side`` and takes the centre; ``stretch`` ignores the aspect;
            ``native`` leaves the picture alone.
        short_side: for ``crop``; the length the short side is scaled to before the crop.

    Raises:
        RequestError: the three do not fit together.

    Example:
        >>> View((224, 224), short_side=256).frame(512, 512).box
        (32.0, 32.0, 480.0, 480.0)
    """

    size: tuple[int, int] | None = None
    fit: Fit = "crop"
    short_side: int | None = None

    def __post_init__(self) -> None:
        if self.fit not in {"crop", "stretch", "native"}:
            raise RequestError(f"expected fit crop, stretch or native, got {self.fit!r}")
        if (self.size is None) != (self.fit == "native"):
            raise RequestError(f"expected a size for fit={self.fit!r} and none for native, got size={self.size}")
        if self.size is not None and min(self.size) < 1:
            raise RequestError(f"expected a positive input size, got {self.size}")
        if self.fit == "crop" and self._short() < max(self.size or (0,)):
            raise RequestError(f"expected short_side >= {max(self.size or (0,))}, got {self.short_side}")

    @classmethod
    def native(cls) -> "View":
        """Leave every picture at its own size."""
        return cls(None, "native")

    def _short(self) -> int:
        """The short side before the crop: as given, or just enough for the input."""
        return self.short_side or max(self.size or (0,))

    def frame(self, height: int, width: int) -> Frame:
        """Say what part of a picture of this size is seen.

        Args:
            height: of the picture, pixels.
            width: of the picture, pixels.
        """
        picture = (height, width)
        if self.size is None or self.fit == "stretch":
            return Frame((0.0, 0.0, float(width), float(height)), self.size or picture, picture)
        factor = self._short() / min(picture)
        scaled = tuple(max(self._short(), round(side * factor)) for side in picture)
        top, left = ((side - need) // 2 for side, need in zip(scaled, self.size, strict=True))
        per_y, per_x = height / scaled[0], width / scaled[1]
        right, bottom = (left + self.size[1]) * per_x, (top + self.size[0]) * per_y
        return Frame((left * per_x, top * per_y, right, bottom), self.size, picture)

    def describe(self) -> str:
        """Say the rule in words for the manifest and the report."""
        if self.size is None:
            return "the picture at its own size"
        size = f"{self.size[0]} × {self.size[1]}"
        return f"short side {self._short()}, centre crop {size}" if self.fit == "crop" else f"stretched to {size}"
