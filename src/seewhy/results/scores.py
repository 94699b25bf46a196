"""What metrics say about the maps of one explanation."""

from dataclasses import dataclass

from seewhy.core.budget import Queries
from seewhy.core.metric import Curve
from seewhy.results.record import ClassifierInfo, InfillInfo, MethodInfo

FILE = "scores.json"
SCHEMA_VERSION = 2


@dataclass(frozen=True, eq=False)
class Score:
    """What a metric says about a map, and how it was measured.

    Args:
        metric: its Spec with every setting.
        target: the key of the map.
        value: the score; NaN where it is not defined, with the reason in ``note``.
        higher_is_better: the direction; None where neither is.
        infill: the Spec of the metric's own in-fill; None where the metric asks no queries of its own.
        curve: the curve that the value summarises, where there is one.
        queries: what the metric asked of the classifier.
        note: why there is no value.

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
    """The content of ``scores.json``.

    Args:
        classifier: that was explained.
        method: that made the maps.
        infill: of the explanation.
        seed: of the explanation.
        scores: target by target, metric by metric.
        schema_version: of this record.
    """

    classifier: ClassifierInfo
    method: MethodInfo
    infill: InfillInfo
    seed: int
    scores: tuple[Score, ...]
    schema_version: int = SCHEMA_VERSION
