"""The record of an explanation: all that is needed to read it, to check it and to run it again.

The fields are those of ``explanation.json``, which ``docs/reference/files.md`` explains one by one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from seewhy.core.attribution import Region
from seewhy.core.budget import Budget, Queries
from seewhy.core.view import Frame
from seewhy.results.codec import SCHEMA_VERSION, Setting
from seewhy.results.diagnostics import Diagnostics
from seewhy.runtime.tune import Timing


@dataclass(frozen=True)
class ImageInfo:
    """The image that was explained: sizes are in pixels, ``notes`` say what was done to open it, ``source`` is its path, if any.

    ``window`` are the values of black and white, if the user gave them.
    """

    name: str
    sha256: str
    width: int
    height: int
    notes: tuple[str, ...] = ()
    source: str | None = None
    window: tuple[float, float] | None = None


@dataclass(frozen=True)
class ViewInfo:
    """The part of the image that the classifier saw: ``box`` is its left, top, right and bottom in the image's own pixels.

    Where the box reaches beyond the image, the classifier saw ``pad_color``, RGB in [0, 1]; None for black.
    """

    rule: str
    size: tuple[int, int]
    box: tuple[float, float, float, float]
    pad_color: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class ClassifierInfo:
    """The classifier that was explained."""

    name: str
    spec: str | None
    fingerprint: str
    classes: int
    access: str


@dataclass(frozen=True)
class RuntimeInfo:
    """How the classifier was run."""

    name: str
    precision: str
    batch_size: int
    queries_per_second: float | None
    agreement: float
    why: str
    cached: bool
    tried: tuple[Timing, ...]
    engine: str
    alone_or_in_batch: float
    device: str
    threads: int


@dataclass(frozen=True)
class ClassProbability:
    """A class, by its index and its name (``class INDEX`` where the classifier has none), and its probability, 0 to 1."""

    index: int
    label: str
    probability: float


@dataclass(frozen=True)
class Extreme:
    """A point of a map, by its row and column in the classifier's view; value and standard error are in the map's unit."""

    value: float
    stderr: float | None
    row: int
    column: int


@dataclass(frozen=True)
class TargetInfo:
    """What one map explains; a contrast compares the class ``index`` with the class ``other``. ``unit`` and ``signed`` where they differ from the record's."""

    key: str
    label: str
    kind: Literal["class", "contrast", "woe", "information"]
    highest: Extreme
    lowest: Extreme
    index: int | None = None
    other: int | None = None
    probability: float | None = None
    unit: str | None = None
    signed: bool | None = None


@dataclass(frozen=True)
class MethodInfo:
    """The method that made the maps; those of a ``signed`` one are positive for and negative against."""

    name: str
    spec: str
    settings: Mapping[str, Setting]
    paper: str
    signed: bool


@dataclass(frozen=True)
class InfillInfo:
    """What stood where something was removed; one that was an object has no ``spec``, one without weights no ``checksum``."""

    name: str
    spec: str | None
    checksum: str | None
    stochastic: bool

    def __str__(self) -> str:
        return self.spec or self.name


@dataclass(frozen=True)
class GeneratedImage:
    """The classifier's answer to an image that the method made, such as a counterfactual."""

    name: str
    predicted: ClassProbability
    probabilities: tuple[ClassProbability, ...]


@dataclass(frozen=True)
class GeneratedImages:
    """The classifier's answers to the image itself and to all that the method made; its queries are beyond the budget."""

    input: tuple[ClassProbability, ...] = ()
    images: tuple[GeneratedImage, ...] = ()
    queries: int = 0


@dataclass(frozen=True)
class Record:
    """All facts about an explanation but its maps."""

    image: ImageInfo
    view: ViewInfo
    classifier: ClassifierInfo
    runtime: RuntimeInfo
    predicted: tuple[ClassProbability, ...]
    method: MethodInfo
    infill: InfillInfo
    targets: tuple[TargetInfo, ...]
    requested: tuple[str, ...] | None
    seed: int
    budget: Budget
    unit: str
    queries: Queries
    seconds: float
    stopped_because: str
    diagnostics: Diagnostics
    sampled: tuple[ClassProbability, ...]
    generated: GeneratedImages
    traces: Mapping[str, tuple[float, ...]]
    warnings: tuple[str, ...]
    versions: Mapping[str, str | None]
    regions: tuple[Region, ...] = ()
    schema_version: int = SCHEMA_VERSION

    def unit_of(self, target: TargetInfo) -> str:
        """Return the unit of a map."""
        return self.unit if target.unit is None else target.unit

    def diverging(self, target: TargetInfo) -> bool:
        """Return whether a map has a sign, for and against, or only a strength."""
        signed = self.method.signed if target.signed is None else target.signed
        return (target.kind == "contrast" and target.signed is None) or (signed and target.kind != "information")

    @property
    def frame(self) -> Frame:
        """The part of the image that the classifier saw, and the size it was brought to."""
        return Frame(self.view.box, self.view.size, (self.image.height, self.image.width))

    def target(self, key: str) -> TargetInfo:
        """Return the facts about one map."""
        return next(target for target in self.targets if target.key == key)
