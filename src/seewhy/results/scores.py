"""Scores of the maps of one explanation: the content of ``scores.json``."""

from dataclasses import dataclass

from seewhy.core.budget import Queries
from seewhy.core.metric import Curve
from seewhy.results.codec import SCHEMA_VERSION
from seewhy.results.record import ClassifierInfo, InfillInfo, MethodInfo

FILE = "scores.json"


@dataclass(frozen=True, eq=False)
class Score:
    """The score of a map under one metric, and how it was measured.

    Args:
        metric: its Spec with every setting.
        target: the key of the map.
        value: the score; NaN where it is not defined, with the reason in ``note``.
        higher_is_better: whether a higher value is better; None where neither direction is.
        infill: the Spec of the metric's own in-fill; None where the metric makes no queries.
        curve: the curve that the value summarises, where there is one.
        queries: the classifier queries that the metric made.
        note: the reason why there is no value; empty where there is one.

    Example:
        ``seewhy.score(classifier, explanation, ["deletion"])[0].value``
    """

    metric: str
    target: str
    value: float
    higher_is_better: bool | None
    infill: str | None
    curve: Curve | None
    queries: Queries
    note: str


@dataclass(frozen=True, eq=False)
class ScoresRecord:
    """The content of ``scores.json``."""

    classifier: ClassifierInfo
    method: MethodInfo
    infill: InfillInfo
    seed: int
    scores: tuple[Score, ...]
    schema_version: int = SCHEMA_VERSION
