"""The record of an explanation: all that is needed to read it, to check it and to run it again."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from seewhy.core.budget import Budget, Queries
from seewhy.core.view import Frame
from seewhy.results.codec import SCHEMA_VERSION, Setting
from seewhy.results.diagnostics import Diagnostics
from seewhy.runtime.tune import Timing


@dataclass(frozen=True)
class ImageInfo:
    """The image that was explained.

    Args:
        name: its file name, or a description.
        sha256: of its content.
        width: in pixels.
        height: in pixels.
        notes: what was done to open it, such as dropping an alpha channel.
        source: its path as the user wrote it; None for an image that did not come from a file.
    """

    name: str
    sha256: str
    width: int
    height: int
    notes: tuple[str, ...] = ()
    source: str | None = None


@dataclass(frozen=True)
class ViewInfo:
    """The part of the image that the classifier saw.

    Args:
        rule: how any image becomes the classifier's input, in words.
        size: height and width of the input, pixels.
        box: left, top, right and bottom of the part that was seen, in the image's own pixels.
    """

    rule: str
    size: tuple[int, int]
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class ClassifierInfo:
    """The classifier that was explained.

    Args:
        name: what results call it.
        spec: the text that opens it again with `seewhy.classifier`; None for an object that only its caller has.
        fingerprint: changes when the weights or the preprocessing do.
        classes: the number of its classes.
        access: what it lets us see; a name of `seewhy.core.access.Access`.
    """

    name: str
    spec: str | None
    fingerprint: str
    classes: int
    access: str


@dataclass(frozen=True)
class RuntimeInfo:
    """How the classifier was run.

    Args:
        name: as ``--runtime`` takes it.
        precision: of its multiplications.
        batch_size: images per call.
        queries_per_second: as measured when the runtime was chosen; None where it was not.
        agreement: largest difference of a probability to the classifier as the user gave it.
        why: the reason why the runtime was chosen.
        cached: whether an earlier run had made the choice.
        tried: every candidate of the search.
        engine: the library, its version, device and precision.
        alone_or_in_batch: largest difference of a probability between an image alone and in a batch.
        device: where the classifier takes its images.
        threads: number of threads that torch uses.
    """

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
    """What one map explains.

    Args:
        key: key of the map.
        label: its name for people.
        kind: kind of target.
        highest: point of the map.
        lowest: point of the map.
        index: index of the class; None for the information.
        other: the class that a contrast compares with.
        probability: probability of the class on the full image; for ``class`` and ``woe``.
    """

    key: str
    label: str
    kind: Literal["class", "contrast", "woe", "information"]
    highest: Extreme
    lowest: Extreme
    index: int | None = None
    other: int | None = None
    probability: float | None = None


@dataclass(frozen=True)
class MethodInfo:
    """The method that made the maps.

    Args:
        name: in the registry.
        spec: with every setting written out.
        settings: as they were run.
        paper: author, venue, year.
        signed: whether 0 means neither for nor against.
    """

    name: str
    spec: str
    settings: Mapping[str, Setting]
    paper: str
    signed: bool


@dataclass(frozen=True)
class InfillInfo:
    """What stood where something was removed.

    Args:
        name: in the registry, or the type of an object.
        spec: with every setting written out; None for an object that only its caller has.
        checksum: of its weights; None where it has none.
        stochastic: whether two seeds give two in-fills.
    """

    name: str
    spec: str | None
    checksum: str | None
    stochastic: bool

    def __str__(self) -> str:
        return self.spec or self.name


@dataclass(frozen=True)
class GeneratedImage:
    """The classifier's answer to an image that the method made, such as a counterfactual.

    Args:
        name: as the method calls it.
        predicted: its most probable class.
        probabilities: probabilities of the watched classes.
    """

    name: str
    predicted: ClassProbability
    probabilities: tuple[ClassProbability, ...]


@dataclass(frozen=True)
class GeneratedImages:
    """The classifier's answers to all images that the method made.

    Args:
        input: probabilities of the watched classes on the image itself.
        images: one for each image that was made.
        queries: the queries that it took to ask, beyond the budget.
    """

    input: tuple[ClassProbability, ...] = ()
    images: tuple[GeneratedImage, ...] = ()
    queries: int = 0


@dataclass(frozen=True)
class Record:
    """All facts about an explanation but its maps.

    Args:
        image: the image that was explained.
        view: the part of it that the classifier saw.
        classifier: the classifier that was explained.
        runtime: how it was run.
        predicted: its most probable classes, best first.
        method: the method that made the maps.
        infill: what stood where something was removed.
        targets: one for each map, in order.
        requested: the targets as the user wrote them; None for the usual ones.
        seed: seed of the run.
        budget: budget of the run.
        unit: unit of the maps and their standard errors.
        queries: what the explanation asked of the classifier.
        seconds: wall-clock seconds of explaining; start-up and drawing excluded.
        stopped_because: ``complete``, ``queries``, ``seconds`` or ``tolerance``.
        diagnostics: how far to trust the maps.
        sampled: the classes that the sampled queries hold probabilities of.
        generated: the classifier's answers to images that the method made.
        traces: name → numbers in the order in which the method found them, such as the loss of each step.
        warnings: the warnings that the user should read first.
        versions: versions of the packages behind the numbers; None for one that is run from its source tree.
        schema_version: version of this record.
    """

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
    schema_version: int = SCHEMA_VERSION

    @property
    def frame(self) -> Frame:
        """The part of the image that the classifier saw, and the size it was brought to."""
        return Frame(self.view.box, self.view.size, (self.image.height, self.image.width))

    def target(self, key: str) -> TargetInfo:
        """Return the facts about one map."""
        return next(target for target in self.targets if target.key == key)
