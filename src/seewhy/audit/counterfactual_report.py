"""What an audit of counterfactual generators found: figures with intervals, findings in words, and their folder."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from seewhy.audit.counterfactual_work import UNDISTURBED, Columns, Direction, Examples
from seewhy.core.intervals import NOTHING, Interval, bootstrap, mean, wilson
from seewhy.core.metric import plain
from seewhy.nets.counterfactual_generators import LOWEST_VARIETY
from seewhy.results.audit_counterfactual import (
    FILE,
    ClassName,
    CounterfactualRecord,
    DirectionResult,
    Diversity,
    Figures,
    FrechetDistances,
    Restored,
)
from seewhy.results.codec import Json, json_bytes
from seewhy.results.folder import check_free, table_csv, write_files

HALF = 0.5
"""A direction with a lower flip rate counts as unedited. Also the excess of a generator's undone images over real ones."""

UNMOVED = 0.05
"""Identity collapse is reported if the change is below this fraction of the difference between the classes."""

NOISE = 0.3
"""A flip rate that exceeds the oracle's by more than this is reported as specific to the classifier."""

FRAGILE = 0.7
"""A hidden signal is reported if a disturbance leaves less than this fraction of the restored images."""

SHIFTED = 0.5
"""A brightness shift is reported if it explains more than this fraction of the change."""

RELIABLE = 0.9
"""Fractions of flipped or of stable images below this are reported."""

FEW = 30
"""A direction with fewer images is reported as too small."""

_RATES = {
    "flip": "flipped",
    "stable": "stays",
    "cycle": "returns",
    "oracle_flip": "oracle_flipped",
    "oracle_agrees": "oracle_agrees",
}
_MEANS = {
    "l1": "l1",
    "l2": "l2",
    "sparsity": "changed",
    "error_stable": "error_stable",
    "error_cycle": "error_cycle",
    "iou": "iou",
    "ncc": "ncc",
    "iou_by_chance": "chance",
}


@dataclass(frozen=True, eq=False)
class CounterfactualReport:
    """What an audit of counterfactual generators found.

    Args:
        record: all that is written to ``counterfactuals.json``.
        directions: the measurements of each direction, image by image.
        names: class index → name.
    """

    record: CounterfactualRecord
    directions: Sequence[Direction]
    names: Mapping[int, str]

    def sheet(self) -> bytes:
        """Draw example images of each direction, some that flipped and some that did not; PNG."""
        from seewhy.plots.generated import samples_png  # noqa: PLC0415 - matplotlib is loaded when something is drawn

        return samples_png(
            {title: rows for each in self.directions for title, rows in _blocks(each, self.names).items()},
            "Counterfactuals: white is no difference",
        )

    def save(self, folder: str | Path) -> Path:
        """Write ``counterfactuals.json``, ``rows.csv``, ``examples.png`` and ``report.md``, each whole or not at all.

        Raises:
            RequestError: the folder cannot be written, or holds something other than an earlier audit.
        """
        check_free(Path(folder), FILE)
        files = {
            "rows.csv": as_csv(self.directions),
            "examples.png": self.sheet(),
            "report.md": as_page(self.record).encode(),
            FILE: json_bytes(self.record),
        }
        return write_files(Path(folder), files)


def summarise(columns: Columns) -> Figures:
    """Summarise a set of images, flipped or not: fractions with Wilson intervals, means with bootstrap intervals.

    ``shift`` is the fraction of the squared change that is the same at every pixel of an image; a figure is None where
    nothing was measured.

    Example:
        >>> summarise({"flipped": np.array([1.0, 0.0]), "even": np.ones(2), "every": np.ones(2)}).flip.value
        0.5
    """
    nothing = np.zeros(0)
    found = {name: _fraction(columns.get(column, nothing)) for name, column in _RATES.items()}
    for name, column in _MEANS.items():
        values = columns.get(column, nothing)
        found[name] = mean(values[np.isfinite(values)])
    pair = np.stack([columns["even"], columns["every"]], 1)
    found["shift"] = bootstrap(pair, lambda means: means[..., 0] / means[..., 1])
    measured = {name: None if math.isnan(each.value) else each for name, each in found.items()}
    return Figures(n=len(columns["flipped"]), **measured)


def _fraction(values: np.ndarray) -> Interval:
    """Return the fraction of ones among the values that are known."""
    known = values[np.isfinite(values)]
    return wilson(int(known.sum()), len(known)) if len(known) else NOTHING


def summarise_direction(
    found: Direction,
    names: Mapping[int, str],
    frechet: FrechetDistances | None,
    correct: np.ndarray | None,
) -> DirectionResult:
    """Summarise one direction; `correct` says for each image whether the classifier predicts its label."""
    generated, real = found.spread
    return DirectionResult(
        source=ClassName(found.source, names[found.source]),
        target=ClassName(found.target, names[found.target]),
        figures=summarise(found.columns),
        frechet=frechet,
        diversity=Diversity(plain(generated), plain(real), plain(generated / real) if real > 0 else None),
        classes_apart=plain(found.apart),
        restored=dict(found.restored),
        undone_real=plain(found.undone_real),
        correct=None if correct is None else summarise({name: each[correct] for name, each in found.columns.items()}),
        incorrect=None
        if correct is None
        else summarise({name: each[~correct] for name, each in found.columns.items()}),
    )


def findings(directions: Sequence[DirectionResult]) -> tuple[str, ...]:
    """Describe in words what is wrong with the generators, direction by direction; the thresholds are our own."""
    found = []
    for each in directions:
        if each.figures.n < FEW:
            found.append(f"{each.title}: {each.figures.n} images are too few for reliable figures.")
        sentences = (*_collapse(each), *_noise(each), *_controls(each))
        found += [f"{each.title}: {sentence}" for sentence in sentences]
    return tuple(found)


def _collapse(each: DirectionResult) -> Iterator[str]:
    """Report generators that make no edit, the same edit for every image, or a uniform change."""
    figures, apart, variety = each.figures, each.classes_apart, each.diversity.ratio
    flip, change = _value(figures.flip), _value(figures.l1)
    if flip < HALF and apart and change < UNMOVED * apart:
        yield (
            f"identity collapse: the generator hardly edits (mean change {change:.3f}, {change / apart:.0%} of the difference "
            f"between the classes) and {flip:.0%} of the images flip."
        )
    elif flip < RELIABLE:
        yield f"{flip:.0%} of the images flip; for the others the map shows a change that does not change the prediction."
    if figures.stable and figures.stable.value < RELIABLE:
        yield (
            f"{figures.stable.value:.0%} of the stable images keep their class; use the input instead "
            "(counterfactual:definition=input)."
        )
    if variety is not None and variety < LOWEST_VARIETY:
        yield (
            f"mode collapse: the adversarial images differ from each other {variety:.0%} as much as real images do, so the map "
            "shows more than this image needs."
        )
    if figures.shift and figures.shift.value > SHIFTED:
        yield f"{figures.shift.value:.0%} of the change is a change of overall brightness, not of any place."


def _noise(each: DirectionResult) -> Iterator[str]:
    """Report a change that the oracle does not see."""
    flip, oracle = _value(each.figures.flip), each.figures.oracle_flip
    if oracle is not None and flip - oracle.value > NOISE:
        yield (
            f"the classifier predicts the other class for {flip:.0%} of the adversarial images, the oracle for "
            f"{oracle.value:.0%} (it agrees on {_value(each.figures.oracle_agrees):.0%} of the inputs): much of the change is "
            "visible only to this classifier."
        )


def _controls(each: DirectionResult) -> Iterator[str]:
    """Report generators that undo or restore images by recognising their own output."""
    if _value(each.figures.flip) < HALF:  # images that did not flip need no way back
        return
    clean = each.restored.get(UNDISTURBED, Restored(None, None))
    if clean.undo is not None and each.undone_real is not None and clean.undo - each.undone_real > HALF:
        yield (
            f"the generator undoes {clean.undo:.0%} of its own images and {each.undone_real:.0%} of real images of that class: "
            "the stable image shows that the edit can be reversed, and is not independent evidence."
        )
    for words, route in (
        ("translated back", {name: shares.back for name, shares in each.restored.items()}),
        ("undone", {name: shares.undo for name, shares in each.restored.items()}),
    ):
        known = {name: share for name, share in route.items() if share is not None}
        lost = {name: share for name, share in known.items() if share < FRAGILE * known.get(UNDISTURBED, 0.0)}
        if lost:
            worst = min(lost, key=lost.__getitem__)
            yield (
                f"{known[UNDISTURBED]:.0%} of the images are {words}, but only {lost[worst]:.0%} after {worst}: the way back "
                f"relies on a signal that is hardly visible (lost with {', '.join(lost)})."
            )


def _value(figure: Interval | None) -> float:
    """Return the value of a figure; NaN, for which no threshold is met, where nothing was measured."""
    return math.nan if figure is None else figure.value


def worst(directions: Sequence[DirectionResult]) -> dict[str, float]:
    """Return each figure that has a better and a worse side, in its worst direction."""
    found = {}
    for name in _RATES:
        figures: list[Interval | None] = [getattr(each.figures, name) for each in directions]
        if known := [figure.value for figure in figures if figure is not None]:
            found[name] = min(known)
    ratios = [each.frechet.ratio for each in directions if each.frechet and each.frechet.ratio is not None]
    return {**found, "ratio": max(ratios)} if ratios else found


def as_csv(directions: Sequence[Direction]) -> bytes:
    """Write one line per image; unknown values are empty."""
    names = list(directions[0].columns)
    rows: list[dict[str, Json]] = []
    for each in directions:
        for row, place in enumerate(each.places.tolist()):
            values = {name: float(each.columns[name][row]) for name in names}
            cells = {name: None if math.isnan(value) else f"{value:.6g}" for name, value in values.items()}
            rows.append({"image": place, "source": each.source, "target": each.target, **cells})
    return table_csv(["image", "source", "target", *names], rows)


def _blocks(found: Direction, names: Mapping[int, str]) -> dict[str, Examples]:
    """Return the first images that flipped and the first that did not, each set with a title."""
    way, total = f"{names[found.source]} → {names[found.target]}", len(found.places)
    blocks: dict[str, Examples] = {}
    for outcome, words in ((True, "flipped"), (False, "not flipped")):
        count = int((found.columns["flipped"] == outcome).sum())
        if count:
            blocks[f"{way}: {words} ({count:,} of {total:,})"] = found.shown[outcome]
    return blocks


LINES = {
    "images": "n",
    "flip": "flip",
    "oracle flip": "oracle_flip",
    "oracle agrees on inputs": "oracle_agrees",
    "stable keeps class": "stable",
    "cycle returns": "cycle",
    "input to stable, L1": "error_stable",
    "input to cycle, L1": "error_cycle",
    "input to adversarial, L1": "l1",
    "input to adversarial, L2": "l2",
    "pixels changed": "sparsity",
    "change of brightness": "shift",
    "IoU with the true region": "iou",
    "IoU by chance": "iou_by_chance",
    "NCC with the true region": "ncc",
}
"""Rows of the tables: title → field of `seewhy.results.audit_counterfactual.Figures`."""


def table_rows(record: CounterfactualRecord) -> list[tuple[str, ...]]:
    """Return the figures as a table: the head, then one row per figure with one column per direction."""
    directions = record.directions
    columns = [*(each.figures for each in directions), record.overall.figures]
    table = [("", *(each.title for each in directions), "all")]
    for title, name in LINES.items():
        figures = [getattr(each, name) for each in columns]
        if any(figure is not None for figure in figures):
            table.append((title, *map(_cell, figures)))
    distances = [each.frechet for each in directions]
    if any(distances):
        table.append(("Fréchet to target / real-real", *(_ratio(each, "to_target") for each in distances), ""))
        table.append(("the same for two halves", *(_ratio(each, "floor") for each in distances), ""))
    ratios = (each.diversity.ratio for each in directions)
    table.append(("diversity, generated / real", *("–" if each is None else f"{each:.2f}" for each in ratios), ""))
    return table


def _cell(figure: int | Interval | None) -> str:
    """Return one figure with its interval as text."""
    if figure is None:
        return "–"
    if isinstance(figure, int):
        return f"{figure:,}"
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"


def _ratio(frechet: FrechetDistances | None, name: Literal["to_target", "floor"]) -> str:
    """Return a Fréchet distance as text, in units of that between real images of the two classes."""
    distance: float | None = getattr(frechet, name, None)
    return f"{distance / frechet.real:.3f}" if frechet and frechet.real and distance is not None else "–"


def as_page(record: CounterfactualRecord) -> str:
    """Write the figures and the findings as Markdown."""
    head, *rows = table_rows(record)
    about = (
        f"{record.images} images of {record.source}; {record.left_out} of them are left out, as the classifier predicts a class "
        "that the generators do not know. Every figure is over all images of its column, flipped or not, with 95 % intervals in "
        "brackets."
    )
    table = ["| " + " | ".join(row) + " |" for row in (head, tuple("---" for _ in head), *rows)]
    found = [f"- {sentence}" for sentence in record.findings] or ["No problem was found."]
    title = f"# Counterfactuals of {record.classifier.name}"
    return "\n".join([title, "", about, "", *table, "", *found, ""])
