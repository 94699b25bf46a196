"""Results of an audit of counterfactual generators: the content of ``counterfactuals.json``."""

from collections.abc import Mapping
from dataclasses import dataclass

from seewhy.core.intervals import Interval
from seewhy.results.codec import SCHEMA_VERSION
from seewhy.results.record import ClassifierInfo

FILE = "counterfactuals.json"


@dataclass(frozen=True)
class ClassName:
    """A class of the classifier.

    Args:
        index: index of the class, from 0.
        label: its name, or ``class INDEX`` where the classifier has no names.
    """

    index: int
    label: str


@dataclass(frozen=True)
class Figures:
    """Measurements over a set of images, flipped or not; None where nothing was measured.

    Fractions have Wilson's 95 % intervals, means have bootstrap intervals.

    Args:
        n: the number of images.
        flip: fraction of adversarial images that the classifier predicts as the target class.
        stable: fraction of stable images that it predicts as the source class.
        cycle: fraction of cycle images that it predicts as the source class.
        oracle_flip: fraction of adversarial images that the oracle predicts as the target class.
        oracle_agrees: fraction of input images that the oracle predicts as the source class.
        l1: mean absolute difference between input and adversarial image, 0 to 1.
        l2: root mean squared difference between input and adversarial image, 0 to 1.
        sparsity: fraction of pixels where the stable and the adversarial image differ by more than ``tau``.
        error_stable: mean absolute difference between input and stable image, 0 to 1.
        error_cycle: mean absolute difference between input and cycle image, 0 to 1.
        iou: overlap of the map with the true region at matched area, over the images with a region.
        ncc: correlation of the map with the true region, over the images with a region.
        iou_by_chance: overlap that a random map would have with the true region.
        shift: fraction of the squared change that is the same at every pixel of an image.
    """

    n: int
    flip: Interval | None
    stable: Interval | None
    cycle: Interval | None
    oracle_flip: Interval | None
    oracle_agrees: Interval | None
    l1: Interval | None
    l2: Interval | None
    sparsity: Interval | None
    error_stable: Interval | None
    error_cycle: Interval | None
    iou: Interval | None
    ncc: Interval | None
    iou_by_chance: Interval | None
    shift: Interval | None


@dataclass(frozen=True)
class FrechetDistances:
    """Squared Fréchet distances between adversarial images and real images of two classes.

    Args:
        to_target: between the adversarial images and real images of the target class.
        to_source: between the adversarial images and real images of the source class.
        real: between real images of the two classes.
        floor: between two halves of the real images of the target class: the distance that the sample size alone causes.
        ratio: ``to_target`` divided by ``real``: 0 = like real images, 1 = as far as without an edit; None if ``real`` is 0.
    """

    to_target: float
    to_source: float
    real: float
    floor: float
    ratio: float | None


@dataclass(frozen=True)
class Diversity:
    """How much images of one class differ from each other; None for fewer than two images.

    Args:
        generated: mean absolute difference between two adversarial images, 0 to 1.
        real: mean absolute difference between two real images of the target class, 0 to 1.
        ratio: ``generated`` divided by ``real``.
    """

    generated: float | None
    real: float | None
    ratio: float | None


@dataclass(frozen=True)
class Restored:
    """Fractions of adversarial images that return to the source class; None where there is no such route.

    Args:
        back: after the generator of the opposite direction.
        undo: after a second pass of the generator that made them.
    """

    back: float | None
    undo: float | None


@dataclass(frozen=True)
class DirectionResult:
    """What happened to the images of one class when they were translated to another class.

    Args:
        source: the class that the images are predicted as.
        target: the class that they are translated to.
        figures: measurements over all of them.
        frechet: distances to real images; None without an embedding, or with too few images.
        diversity: differences among the adversarial images, compared with those among real images.
        classes_apart: mean absolute difference between a real image of the source and one of the target class.
        restored: disturbance of the adversarial images → the fractions that return to the source class.
        undone_real: fraction of real images of the target class that the undoing generator translates to the source class;
            None where nothing is undone.
        correct: the same measurements over the images that the classifier predicts correctly; None without labels.
        incorrect: the same over those that it predicts incorrectly; None without labels.
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
    """Measurements over all directions.

    Args:
        figures: over the images of all directions.
        worst: name of a figure → its value in the worst direction; ``ratio`` is that of `FrechetDistances`.
    """

    figures: Figures
    worst: Mapping[str, float]


@dataclass(frozen=True)
class GeneratorsInfo:
    """The generators that were audited.

    Args:
        folder: the folder that they were loaded from; None for generators that were passed as an object.
        arm: ``syce``, ``cyce`` or ``sagen``.
        classes: the classes that they were trained for.
        size: height and width of their images, in pixels.
    """

    folder: str | None
    arm: str
    classes: tuple[ClassName, ...]
    size: tuple[int, int]


@dataclass(frozen=True)
class OracleInfo:
    """A second classifier, trained separately.

    Args:
        classifier: the oracle.
        accuracy: its accuracy on the input images, 0 to 1; None without labels.
        agreement: fraction of the input images on which its prediction equals the classifier's.
    """

    classifier: ClassifierInfo
    accuracy: float | None
    agreement: float


@dataclass(frozen=True)
class CounterfactualRecord:
    """The content of ``counterfactuals.json``.

    Args:
        source: where the images come from.
        images: the number of images.
        left_out: the number of images whose predicted class is unknown to the generators; they are skipped.
        tau: change of intensity above which a pixel counts as changed.
        seed: the seed of the choice of images and of the noise.
        classifier: the classifier that the generators were trained for.
        view: how an image is resized and cropped for the classifier, in words.
        generators: the generators that were audited.
        oracle: the second classifier; None without one.
        directions: one result for each pair of source and target class.
        overall: the measurements over all directions.
        findings: sentences for the reader.
        warnings: sentences that the user should read first.
        seconds_per_explanation: median time per image, one image at a time; None for fewer than two images.
        queries: the number of images that classifier and oracle were queried with.
        seconds: the duration of the audit.
        schema_version: the version of this record's schema.
    """

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
