"""What is drawn: plain values, so that drawing needs neither a classifier nor a method."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Float32, Int, UInt8

from seewhy.core.errors import RequestError
from seewhy.core.maps import BoolMap
from seewhy.core.view import Frame

Picture = UInt8[np.ndarray, "height width 3"]
"""A photo, RGB, 0 … 255."""


@dataclass(frozen=True, eq=False)
class Panel:
    """One map and what a reader needs to know about it.

    Args:
        key: the target's name in the explanation: ``information``, ``class:967``, ``contrast:967/968``.
        title: what stands above the map, such as the class's name.
        subtitle: a second, quieter line, such as the class's probability.
        values: ``(h, w)`` in the classifier's view; NaN where nothing is known.
        stderr: the standard error of each value, or None where the method has none.
        diverging: whether the values have a sign (for and against) or only a strength.
        unit: of values and errors, such as ``nats``.
        outlines: name → a region in the classifier's view that is drawn as a line around it.
    """

    key: str
    title: str
    subtitle: str
    values: Float32[np.ndarray, "h w"]
    stderr: Float32[np.ndarray, "h w"] | None
    diverging: bool
    unit: str
    outlines: Mapping[str, BoolMap] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Exhibits:
    """Some of the questions behind the maps, to be looked at: window by window, sample by sample.

    Args:
        size: side of a window, pixels of the view.
        positions: ``(m, 2)`` top and left of each window in the view.
        patches: ``(m, s, size, size, 3)`` what was put in the window's place.
        originals: ``(m, size, size, 3)`` what stood there.
        probabilities: ``(m, s, c)`` what the classifier said of each filled picture.
        labels: the names of the ``c`` classes.
        baseline: ``(c,)`` what it said of the whole picture.
    """

    size: int
    positions: Int[np.ndarray, "m 2"]
    patches: UInt8[np.ndarray, "m s side side 3"]
    originals: UInt8[np.ndarray, "m side side 3"]
    probabilities: Float[np.ndarray, "m s c"]
    labels: tuple[str, ...]
    baseline: Float[np.ndarray, " c"]

    def __post_init__(self) -> None:
        if self.originals.shape[1] != self.size:
            raise RequestError(f"expected patches of side {self.size}, got {self.originals.shape[1]}")
        if len(self.labels) != len(self.baseline):
            raise RequestError(f"expected {len(self.baseline)} labels, one a probability, got {len(self.labels)}")


@dataclass(frozen=True, eq=False)
class Plate:
    """A picture that belongs to the answer, or the picture itself, as the classifier sees it.

    Args:
        name: ``input``, or as the method calls it.
        pixels: in the classifier's view.
        said: what the classifier says of it, in words.
        chances: the watched classes' names and probabilities, the same classes for every plate.
    """

    name: str
    pixels: Picture
    said: str
    chances: tuple[tuple[str, float], ...]


@dataclass(frozen=True, eq=False)
class Scene:
    """Everything that the overview and the report show.

    Args:
        picture: the user's own picture.
        frame: the part of it that the classifier saw.
        panels: the maps, in the order in which they are shown.
        manifest: the content of ``explanation.json``; what is absent is not shown.
        exhibits: some of the questions behind the maps, where the method has windows.
        plates: the picture and those that belong to the answer, where the method makes any; the first two are compared first.

    Raises:
        RequestError: there is no panel, or picture, frame and maps do not belong together.
    """

    picture: Picture
    frame: Frame
    panels: tuple[Panel, ...]
    manifest: Mapping[str, object]
    exhibits: Exhibits | None = None
    plates: tuple[Plate, ...] = ()

    def __post_init__(self) -> None:
        if not self.panels:
            raise RequestError("expected at least one panel, got none")
        if self.picture.shape[:2] != self.frame.picture:
            raise RequestError(f"expected a picture of {self.frame.picture}, got {self.picture.shape[:2]}")
        for panel in self.panels:
            if panel.values.shape != self.frame.size:
                raise RequestError(f"expected {panel.key} to be {self.frame.size}, got {panel.values.shape}")
