"""What the scores of a contest say: means, paired differences and prices, with intervals. Pure functions of rows."""

import csv
import io
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np

from seewhy.core.intervals import Interval, mean

DIRECTIONS = {True: "higher", False: "lower", None: ""}
"""Whether higher is better → what the tables call better."""


@dataclass(frozen=True)
class Row:
    """One score of one map, or what went wrong; a line of ``rows.csv``.

    Args:
        image: the picture's name.
        method: Spec as it was asked for; empty where the picture could not be read.
        metric: Spec as it was asked for; empty where there is no map.
        value: the score; NaN where there is none.
        direction: ``higher`` or ``lower`` is better; empty where neither is.
        protocol: the metric with every setting, and its in-fill.
        target: the class that was explained; -1 where there is none.
        label: its name.
        probability: what the classifier said of it; NaN where there is none.
        unsure: whether that is below one half.
        right: whether it is the picture's own class; empty where nobody said.
        forward_images: pictures that the explanation showed to the classifier, and so on; what the metric asked is not in it.
        forward_calls: batches of those.
        backward_images: pictures that it took a gradient for.
        backward_calls: batches of those.
        seconds: wall clock of the explanation.
        note: why a score is not defined.
        error: why there is no map or no score; empty where all is well.
    """

    image: str
    method: str = ""
    metric: str = ""
    value: float = math.nan
    direction: str = ""
    protocol: str = ""
    target: int = -1
    label: str = ""
    probability: float = math.nan
    unsure: bool = False
    right: str = ""
    forward_images: int = 0
    forward_calls: int = 0
    backward_images: int = 0
    backward_calls: int = 0
    seconds: float = math.nan
    note: str = ""
    error: str = ""

    @property
    def price(self) -> float:
        """Pictures shown, and two for each that a gradient was taken for."""
        return float(self.forward_images + 2 * self.backward_images)


@dataclass(frozen=True)
class Line:
    """How one method did by one metric; a line of ``table.csv``.

    Args:
        metric: Spec.
        method: Spec.
        direction: as in `Row`.
        protocol: as in `Row`.
        control: whether the method knows nothing of the classifier.
        pictures: how many have a score.
        mean: over those.
        difference: to the first method, over the pictures that both have a score for; None for the first itself.
        pairs: how many those are.
        price: mean pictures of an explanation, a gradient counted twice; see `Row.price`.
        seconds: mean wall clock of an explanation.
    """

    metric: str
    method: str
    direction: str
    protocol: str
    control: bool
    pictures: int
    mean: Interval
    difference: Interval | None
    pairs: int
    price: float
    seconds: float


def standings(rows: Iterable[Row], first: str, controls: Iterable[str] = ()) -> list[Line]:
    """Work out a line for each metric and method, in the order in which they first stand in the rows.

    Intervals are 95 % bootstrap intervals over pictures; see `seewhy.core.intervals.bootstrap`. Rows without a finite value
    are left out, so means over different pictures can stand side by side: compare by the paired difference.

    Args:
        rows: of a contest.
        first: the method that the others are held against.
        controls: the methods among them that know nothing of the classifier.

    Example:
        >>> rows = [Row("a.jpg", "one", "m", 0.5), Row("a.jpg", "two", "m", 0.75)]
        >>> [(line.method, line.mean.value, line.difference and line.difference.value) for line in standings(rows, "one")]
        [('one', 0.5, None), ('two', 0.75, 0.25)]
    """
    judged = [row for row in rows if row.metric]
    pairs = sorted(dict.fromkeys((row.metric, row.method) for row in judged), key=_place(judged))
    known = frozenset(controls)
    return [_line(judged, metric, method, first, control=method in known) for metric, method in pairs]


def _place(rows: Sequence[Row]) -> Callable[[tuple[str, str]], tuple[int, int]]:
    """Order by metric, then by method, as they first came."""
    metrics = {name: place for place, name in enumerate(dict.fromkeys(row.metric for row in rows))}
    methods = {name: place for place, name in enumerate(dict.fromkeys(row.method for row in rows))}
    return lambda pair: (metrics[pair[0]], methods[pair[1]])


def _line(rows: Sequence[Row], metric: str, method: str, first: str, *, control: bool) -> Line:
    """Work out one line."""
    own = [row for row in rows if (row.metric, row.method) == (metric, method)]
    scored = [row for row in own if math.isfinite(row.value)]
    gap, pairs = (None, 0) if method == first else difference(rows, metric, method, first)
    return Line(
        metric=metric,
        method=method,
        direction=own[0].direction,
        protocol=own[0].protocol,
        control=control,
        pictures=len(scored),
        mean=mean(np.array([row.value for row in scored])),
        difference=gap,
        pairs=pairs,
        price=_average([row.price for row in own if not row.error]),
        seconds=_average([row.seconds for row in own if not row.error]),
    )


def difference(rows: Iterable[Row], metric: str, method: str, other: str) -> tuple[Interval, int]:
    """Return by how much a method's score is above another's, over the pictures that both have one for, and their number.

    Example:
        >>> rows = [Row("a", "one", "m", 1.0), Row("a", "two", "m", 3.0), Row("b", "one", "m", 5.0)]
        >>> difference(rows, "m", "two", "one")
        (Interval(value=2.0, low=2.0, high=2.0), 1)
    """
    scores: dict[str, dict[str, float]] = {method: {}, other: {}}
    for row in rows:
        if row.metric == metric and row.method in scores and math.isfinite(row.value):
            scores[row.method][row.image] = row.value
    both = [image for image in scores[method] if image in scores[other]]
    gaps = np.array([scores[method][image] - scores[other][image] for image in both])
    return mean(gaps), len(both)


def not_inferior(gap: Interval, direction: str, margin: float) -> bool:
    """Say whether a difference shows that a method is worse than another by less than a margin, at one-sided 97.5 %.

    Args:
        gap: the method's score less the other's.
        direction: ``higher`` or ``lower`` is better.
        margin: declared before the scores were looked at; positive.

    Example:
        >>> not_inferior(Interval(0.0, -0.005, 0.02), "higher", 0.01), not_inferior(Interval(0.0, -0.005, 0.02), "lower", 0.01)
        (True, False)
    """
    return gap.low > -margin if direction == "higher" else gap.high < margin


def _average(values: Sequence[float]) -> float:
    """Return the mean, NaN of nothing."""
    return float(np.mean(values)) if values else math.nan


def rows_csv(rows: Iterable[Row]) -> bytes:
    """Write ``rows.csv``; numbers with all their digits, NaN left empty."""
    return _csv([field.name for field in fields(Row)], (asdict(row) for row in rows))


def table_csv(lines: Iterable[Line]) -> bytes:
    """Write ``table.csv``; an interval takes three columns."""
    plain = [flat(line) for line in lines]
    return _csv(list(plain[0]) if plain else [field.name for field in fields(Line)], plain)


def flat(line: Line) -> dict[str, object]:
    """Return a line as plain values: intervals as ``NAME``, ``NAME_low``, ``NAME_high``; None where there is no number."""
    found: dict[str, object] = {}
    for name, value in ((field.name, getattr(line, field.name)) for field in fields(Line)):
        if isinstance(value, Interval) or name == "difference":
            ends = (value.value, value.low, value.high) if isinstance(value, Interval) else (math.nan,) * 3
            found |= dict(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True))
        else:
            found[name] = value
    return {name: _number(value) for name, value in found.items()}


def _number(value: object) -> object:
    """Leave out a number that there is not."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _csv(columns: Sequence[str], rows: Iterable[dict[str, object]]) -> bytes:
    """Write a table as UTF-8."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _number(value) for name, value in row.items()})
    return text.getvalue().encode()
