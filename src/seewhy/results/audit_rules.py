"""Results of an audit with rules: the content of ``rules.json``."""

from dataclasses import dataclass
from typing import Literal

from seewhy.results.codec import SCHEMA_VERSION
from seewhy.results.record import ClassifierInfo, RuntimeInfo
from seewhy.results.report_data import Photo

FILE = "rules.json"


@dataclass(frozen=True)
class RuleRow:
    """One rule at one strength on one image; a line of ``rows.csv``. Where it could not be tested, ``holds`` is None.

    ``p_after`` is the probability, after the change, of the class that was predicted before.
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
    """An image that contradicts a rule, and how strongly (``badness``); with both predictions and their probabilities."""

    file: str
    strength: float
    before: Photo
    after: Photo
    predicted: tuple[str, float]
    predicted_after: tuple[str, float]
    badness: float


@dataclass(frozen=True)
class ErrorRate:
    """How often a rule failed, with the 95 % Wilson interval, and the mean absolute change of the probability."""

    tested: int
    failed: int
    error: float | None
    low: float | None
    high: float | None
    mean_change: float | None


@dataclass(frozen=True)
class ClassErrorRate:
    """How often a rule failed on the images of one class."""

    label: str
    rate: ErrorRate


@dataclass(frozen=True)
class StrengthResult:
    """How often a rule failed at one strength, over all images and for each class with enough of them, the worst first."""

    strength: float
    rate: ErrorRate
    not_tested: int
    classes: tuple[ClassErrorRate, ...]


@dataclass(frozen=True)
class RuleResult:
    """How often a rule failed that claims that the prediction stays or changes; ``unit`` is that of its strengths."""

    spec: str
    summary: str
    claim: Literal["stays", "changes"]
    unit: str
    strengths: tuple[StrengthResult, ...]


@dataclass(frozen=True)
class Unreadable:
    """An image that could not be read, and the reason."""

    file: str
    error: str


@dataclass(frozen=True)
class RulesRecord:
    """The content of ``rules.json``."""

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
