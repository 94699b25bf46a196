"""Everything that the overview and the report show, as plain values: drawing needs neither a classifier nor a method."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Float32, Int, UInt8

from seewhy.core.attribution import BoolMap
from seewhy.core.errors import RequestError
from seewhy.core.view import Frame
from seewhy.results.record import ClassProbability, Record

Photo = UInt8[np.ndarray, "height width 3"]
"""RGB, 0 to 255."""

INTENSITY = "intensity"
"""The unit of maps that show how far a pixel changes, from 0 (black) to 1 (white)."""


@dataclass(frozen=True, eq=False)
class MapPanel:
    """One map and what a reader needs to know about it.

    Args:
        key: key of the target: ``information``, ``class:967``, ``contrast:967/968``.
        title: what stands above the map, such as the class's name.
        subtitle: a second, quieter line, such as the class's probability.
        values: ``(h, w)`` in the classifier's view; NaN where nothing is known.
        stderr: the standard error of each value; None where the method has none.
        diverging: whether the values have a sign (for and against) or only a strength.
        unit: unit of values and errors, such as ``nats``.
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
class SampleTable:
    """Some of the queries behind the maps, ready to be shown: window by window, sample by sample.

    Args:
        size: side of a window, pixels of the view.
        positions: ``(m, 2)`` top and left of each window in the view.
        patches: ``(m, s, size, size, 3)`` what was put into the window.
        originals: ``(m, size, size, 3)`` what stood there.
        probabilities: ``(m, s, c)`` the classifier's answers to each filled image.
        labels: the names of the ``c`` classes.
        baseline: ``(c,)`` its answer to the full image.

    Raises:
        RequestError: the parts do not fit together.
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
            raise RequestError(f"expected {len(self.baseline)} labels, one per probability, got {len(self.labels)}")


@dataclass(frozen=True, eq=False)
class ImagePanel:
    """An image as the classifier sees it: the one that was explained, or one that the method made.

    Args:
        name: ``input``, or as the method calls it.
        pixels: in the classifier's view.
        answer: the class that it is given.
        flipped: whether that is another class than that of the image itself; None for the image itself.
        probabilities: probabilities of the watched classes, the same classes for every panel.
    """

    name: str
    pixels: Photo
    answer: ClassProbability
    flipped: bool | None
    probabilities: tuple[ClassProbability, ...]


@dataclass(frozen=True, eq=False)
class ReportData:
    """Everything that the overview and the report show.

    Args:
        photo: the user's own image.
        frame: the part of it that the classifier saw.
        maps: in the order in which they are shown.
        record: all facts.
        samples: some of the queries behind the maps, where the method has windows.
        images: the image itself, then those that the method made; empty where it makes none.

    Raises:
        RequestError: there is no map, or photo, frame and maps do not belong together.
    """

    photo: Photo
    frame: Frame
    maps: tuple[MapPanel, ...]
    record: Record
    samples: SampleTable | None = None
    images: tuple[ImagePanel, ...] = ()

    def __post_init__(self) -> None:
        if not self.maps:
            raise RequestError("expected at least one map, got none")
        if self.photo.shape[:2] != self.frame.picture:
            raise RequestError(f"expected a photo of {self.frame.picture}, got {self.photo.shape[:2]}")
        for panel in self.maps:
            if panel.values.shape != self.frame.size:
                raise RequestError(f"expected {panel.key} to be {self.frame.size}, got {panel.values.shape}")
