"""A benchmark: its rows, and what they say in means, paired differences and costs, with intervals."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from seewhy.core.errors import RequestError
from seewhy.core.intervals import Interval, mean
from seewhy.core.metric import plain
from seewhy.results.codec import SCHEMA_VERSION, JsonObject, from_json
from seewhy.results.folder import read_csv, read_record
from seewhy.results.tables import as_frame

if TYPE_CHECKING:
    from pandas import DataFrame

FILE, ROWS, TABLE = "benchmark.json", "rows.csv", "table.csv"

SURE = 0.5
"""Images whose predicted class has a lower probability are flagged: the classifier itself gives the others more."""

DIRECTIONS = {True: "higher", False: "lower", None: ""}
"""Whether higher is better → what the tables call better."""


@dataclass(frozen=True)
class ScoreRow:
    """One score of one map, or what went wrong; a line of ``rows.csv``. Methods and metrics are Specs as the user wrote them.

    Args:
        value: the score; NaN where there is none.
        target: the class that was explained; -1 where there is none.
        probability: probability of that class on the full image; NaN where there is none.
        right: ``true`` if the prediction matches the image's label, ``false`` if not; empty for an image without a label.
        forward_images: images that the explanation showed to the classifier; the metric's own queries are not counted.
        note: why a score is not defined.
        error: why there is no map or no score; empty if all went well.
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
    def cost(self) -> float:
        """Forward-pass equivalents: the images shown, plus two for each gradient."""
        return float(self.forward_images + 2 * self.backward_images)


@dataclass(frozen=True)
class SummaryRow:
    """How one method scored on one metric; a line of ``table.csv``.

    Args:
        difference: the mean paired difference to the first method; None for the first itself.
        pairs: the number of images that both methods have a score for.
        cost: mean forward-pass equivalents of an explanation; see `ScoreRow.cost`.
    """

    metric: str
    method: str
    direction: str
    protocol: str
    control: bool
    images: int
    mean: Interval
    difference: Interval | None
    pairs: int
    cost: float
    seconds: float


@dataclass(frozen=True)
class PlanRecord:
    """The content of ``benchmark.json``: each method and metric as the user wrote it → the same with every setting, and the in-fill."""

    classifier: str
    spec: str | None
    fingerprint: str
    methods: Mapping[str, str]
    metrics: Mapping[str, str]
    controls: tuple[str, ...]
    seed: int
    runtime: str
    version: str | None
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True, eq=False)
class BenchmarkResult:
    """The result of a benchmark.

    Args:
        folder: where everything is kept.
        rows: one for each image, method and metric; see ``rows.csv``.
        summary: one row for each metric and method; see ``table.csv``.
        warnings: what the scores cannot say; and, of a benchmark that was just run, those of the classifier's self-test.
    """

    folder: Path
    rows: tuple[ScoreRow, ...]
    summary: tuple[SummaryRow, ...]
    warnings: tuple[str, ...]

    def to_frame(self) -> "DataFrame":
        """Return the summary as a ``pandas.DataFrame``: one row per metric and method. Needs the extra ``notebook``.

        Raises:
            RequestError: pandas is not installed.
        """
        return as_frame([flat(row) for row in self.summary])

    @property
    def failures(self) -> tuple[ScoreRow, ...]:
        """The rows of what could not be done."""
        return tuple(row for row in self.rows if row.error)


def read_benchmark(folder: Path) -> BenchmarkResult:
    """Read a finished benchmark back from its plan and its rows."""
    plan = read_record(PlanRecord, folder / FILE)
    if not (folder / ROWS).exists():
        raise RequestError(f"expected a finished benchmark in {folder}, got no {ROWS}; run it again to resume")
    rows = tuple(from_json(ScoreRow, row, str(folder / ROWS)) for row in read_csv(folder / ROWS))
    summary = summarise(rows, next(iter(plan.methods)), plan.controls)
    return BenchmarkResult(folder, rows, tuple(summary), tuple(caveats(rows)))


def caveats(rows: Sequence[ScoreRow]) -> list[str]:
    """Say what a reader of the table should know: images of which the classifier is unsure, and scores that are missing."""
    images = len({row.image for row in rows})
    unsure = len({row.image for row in rows if row.unsure})
    known = (
        [f"{unsure} of {images} images: the classifier gives its predicted class less than {SURE}"] if unsure else []
    )
    for metric in dict.fromkeys(row.metric for row in rows if row.note):
        notes = {row.image: row.note for row in rows if row.metric == metric and row.note}
        known.append(f"{metric} has no score for {len(notes)} of {images} images: {next(iter(notes.values()))}")
    return known


def summarise(rows: Iterable[ScoreRow], first: str, controls: Iterable[str] = ()) -> list[SummaryRow]:
    """Summarise each metric and method, in the order in which they first appear in the rows.

    Intervals are 95 % bootstrap intervals over images; see `seewhy.core.intervals.bootstrap`. Rows without a finite value
    are left out, so two means may cover different images: compare methods by the paired difference to ``first``.
    """
    scored, ignorant = [row for row in rows if row.metric], set(controls)
    pairs = {(row.metric, row.method) for row in scored}
    return [
        _summary_row(scored, metric, method, first, control=method in ignorant)
        for metric in dict.fromkeys(row.metric for row in scored)
        for method in dict.fromkeys(row.method for row in scored)
        if (metric, method) in pairs
    ]


def _summary_row(rows: Sequence[ScoreRow], metric: str, method: str, first: str, *, control: bool) -> SummaryRow:
    """Summarise one method on one metric."""
    own = [row for row in rows if (row.metric, row.method) == (metric, method)]
    values = np.array([row.value for row in own if math.isfinite(row.value)])
    gap, pairs = (None, 0) if method == first else difference(rows, metric, method, first)
    return SummaryRow(
        metric=metric,
        method=method,
        direction=own[0].direction,
        protocol=own[0].protocol,
        control=control,
        images=len(values),
        mean=mean(values),
        difference=gap,
        pairs=pairs,
        cost=_average([row.cost for row in own if not row.error]),
        seconds=_average([row.seconds for row in own if not row.error]),
    )


def difference(rows: Iterable[ScoreRow], metric: str, method: str, other: str) -> tuple[Interval, int]:
    """Return the mean paired difference between two methods, and the number of images that both have a score for.

    Example:
        >>> rows = [ScoreRow("a", "one", "m", 1.0), ScoreRow("a", "two", "m", 3.0), ScoreRow("b", "one", "m", 5.0)]
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


def _average(values: Sequence[float]) -> float:
    """Return the mean, NaN of nothing."""
    return float(np.mean(values)) if values else math.nan


def flat(row: SummaryRow) -> JsonObject:
    """Return a row as plain values: intervals as ``NAME``, ``NAME_low``, ``NAME_high``; None where there is no number."""
    cells: JsonObject = {}
    for name, value in ((field.name, getattr(row, field.name)) for field in fields(SummaryRow)):
        if isinstance(value, Interval) or name == "difference":
            ends = (value.value, value.low, value.high) if isinstance(value, Interval) else (math.nan,) * 3
            cells |= dict(zip((name, f"{name}_low", f"{name}_high"), map(plain, ends), strict=True))
        else:
            cells[name] = plain(value) if isinstance(value, float) else value
    return cells
