"""Results of an audit with rules: the content of ``rules.json``."""

from dataclasses import dataclass
from typing import Literal

from seewhy.results.codec import SCHEMA_VERSION
from seewhy.results.record import ClassifierInfo, RuntimeInfo
from seewhy.results.report_data import Photo

FILE = "rules.json"


@dataclass(frozen=True)
class RuleRow:
    """One rule at one strength on one image; a line of ``rows.csv``.

    Args:
        file: name of the image.
        rule: the Spec of the rule.
        strength: the strength of the change, in the rule's unit.
        holds: whether the rule held; None where it could not be tested.
        predicted: the most probable class before the change.
        p: its probability.
        predicted_after: the most probable class after the change.
        p_after: the probability, after the change, of the class predicted before.
        note: why the rule was not tested.
    """

    file: str
    rule: str = ""
    strength: float | None = None
    holds: bool | None = None
    predicted: str = ""
    p: float | None = None
    predicted_after: str = ""
    p_after: float | None = None
    note: str = ""


@dataclass(frozen=True, eq=False)
class CounterExample:
    """An image that contradicts a rule.

    Args:
        file: its name.
        strength: the strength of the change, in the rule's unit.
        before: the image as the classifier sees it.
        after: the changed image.
        predicted: the most probable class before, and its probability.
        predicted_after: the most probable class after, and its probability.
        badness: how strongly it contradicts the rule; the strongest are shown first.
    """

    file: str
    strength: float
    before: Photo
    after: Photo
    predicted: tuple[str, float]
    predicted_after: tuple[str, float]
    badness: float


@dataclass(frozen=True)
class ErrorRate:
    """How often a rule failed.

    Args:
        tested: the number of images that it was tested on.
        failed: the number of those on which it failed.
        error: their ratio; None where nothing was tested.
        low: lower end of the 95 % Wilson interval.
        high: its upper end.
        mean_change: mean absolute change of the probability.
    """

    tested: int
    failed: int
    error: float | None
    low: float | None
    high: float | None
    mean_change: float | None


@dataclass(frozen=True)
class ClassErrorRate:
    """How often a rule failed on the images of one class.

    Args:
        label: the name of the class that was predicted before the change.
        rate: the failure rate on images of this class.
    """

    label: str
    rate: ErrorRate


@dataclass(frozen=True)
class StrengthResult:
    """How often a rule failed at one strength.

    Args:
        strength: the strength of the change, in the rule's unit.
        rate: the failure rate over all tested images.
        not_tested: the number of images that it could not be tested on.
        classes: the same for each class with enough images, the worst first.
    """

    strength: float
    rate: ErrorRate
    not_tested: int
    classes: tuple[ClassErrorRate, ...]


@dataclass(frozen=True)
class RuleResult:
    """How often a rule failed.

    Args:
        spec: the Spec of the rule.
        summary: the rule as a sentence.
        claim: whether the prediction ``stays`` or ``changes``.
        unit: the unit of the strength; empty where it has none.
        strengths: one result per strength.
    """

    spec: str
    summary: str
    claim: Literal["stays", "changes"]
    unit: str
    strengths: tuple[StrengthResult, ...]


@dataclass(frozen=True)
class Unreadable:
    """An image that could not be read.

    Args:
        file: its name.
        error: the reason.
    """

    file: str
    error: str


@dataclass(frozen=True)
class RulesRecord:
    """The content of ``rules.json``.

    Args:
        source: the folder of images.
        images: the number of images.
        infill: the Spec of the in-fill that replaced what a rule removed.
        seed: the seed of all random numbers.
        failed: the images that could not be read.
        classifier: the classifier that was tested.
        view: how an image is resized and cropped for the classifier, in words.
        runtime: the runtime of the classifier.
        warnings: sentences that the user should read first.
        rules: one result per rule.
        queries: the number of images that the classifier was queried with.
        seconds: the duration of the audit.
        schema_version: the version of this record's schema.
    """

    source: str
    images: int
    infill: str
    seed: int
    failed: tuple[Unreadable, ...]
    classifier: ClassifierInfo
    view: str
    runtime: RuntimeInfo
    warnings: tuple[str, ...]
    rules: tuple[RuleResult, ...]
    queries: int
    seconds: float
    schema_version: int = SCHEMA_VERSION
