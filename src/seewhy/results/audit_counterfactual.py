"""Results of an audit of counterfactual generators: the content of ``counterfactuals.json``.

What each figure measures is told in ``docs/explanation/metrics.md``.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from seewhy.core.intervals import Interval
from seewhy.results.codec import SCHEMA_VERSION
from seewhy.results.record import ClassifierInfo

FILE = "counterfactuals.json"


@dataclass(frozen=True)
class ClassName:
    """A class of the classifier."""

    index: int
    label: str


@dataclass(frozen=True)
class Figures:
    """Measurements over a set of images, flipped or not; None where nothing was measured.

    Fractions have Wilson's 95 % intervals, means have bootstrap intervals.
    """

    n: int
    flip: Interval | None = None
    stable: Interval | None = None
    cycle: Interval | None = None
    oracle_flip: Interval | None = None
    oracle_agrees: Interval | None = None
    l1: Interval | None = None
    l2: Interval | None = None
    sparsity: Interval | None = None
    error_stable: Interval | None = None
    error_cycle: Interval | None = None
    iou: Interval | None = None
    ncc: Interval | None = None
    iou_by_chance: Interval | None = None
    shift: Interval | None = None


@dataclass(frozen=True)
class FrechetDistances:
    """Squared Fréchet distances of adversarial images to real images; ``floor`` is what the sample size alone causes."""

    to_target: float
    to_source: float
    real: float
    floor: float
    ratio: float | None

    @property
    def floor_ratio(self) -> float | None:
        """The floor in units of the distance between real images of the two classes, like ``ratio``."""
        return self.floor / self.real if self.real > 0 else None


@dataclass(frozen=True)
class Diversity:
    """Mean absolute difference between two images of one class, 0 to 1; None for fewer than two images."""

    generated: float | None
    real: float | None
    ratio: float | None


@dataclass(frozen=True)
class Restored:
    """Fractions of adversarial images that return to the source class; None where there is no such route."""

    back: float | None
    undo: float | None


@dataclass(frozen=True)
class DirectionResult:
    """What happened to the images of one class when they were translated to another class.

    Args:
        restored: disturbance of the adversarial images → the fractions that return to the source class.
        correct: figures over the images that the classifier predicts correctly; None without labels.
        incorrect: figures over the others; None without labels.
    """

    source: ClassName
    target: ClassName
    figures: Figures
    frechet: FrechetDistances | None
    diversity: Diversity
    classes_apart: float | None
    restored: Mapping[str, Restored]
    undone_real: float | None
    correct: Figures | None
    incorrect: Figures | None

    @property
    def title(self) -> str:
        """Source and target class, for people."""
        return f"{self.source.label} → {self.target.label}"


@dataclass(frozen=True)
class OverallResult:
    """Measurements over all directions."""

    figures: Figures
    worst: Mapping[str, float]


@dataclass(frozen=True)
class GeneratorsInfo:
    """The generators that were audited."""

    folder: str | None
    arm: str
    classes: tuple[ClassName, ...]
    size: tuple[int, int]


@dataclass(frozen=True)
class OracleInfo:
    """A second classifier, trained separately."""

    classifier: ClassifierInfo
    accuracy: float | None
    agreement: float


@dataclass(frozen=True)
class CounterfactualRecord:
    """The content of ``counterfactuals.json``."""

    source: str
    images: int
    left_out: int
    tau: float
    seed: int
    classifier: ClassifierInfo
    view: str
    generators: GeneratorsInfo
    oracle: OracleInfo | None
    directions: tuple[DirectionResult, ...]
    overall: OverallResult
    findings: tuple[str, ...]
    warnings: tuple[str, ...]
    seconds_per_explanation: float | None
    queries: int
    seconds: float
    schema_version: int = SCHEMA_VERSION
