"""What an audit of counterfactual generators found: figures with intervals, findings in words, and their folder."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seewhy.audit.counterfactual_work import RATES, UNDISTURBED, Direction
from seewhy.core.intervals import Interval
from seewhy.nets.counterfactual_generators import LOWEST_VARIETY
from seewhy.results.audit_counterfactual import FILE, CounterfactualRecord, DirectionResult
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


@dataclass(frozen=True, eq=False)
class CounterfactualReport:
    """What an audit of counterfactual generators found.

    Args:
        record: all that is written to ``counterfactuals.json``.
        directions: the measurements of each direction, image by image.
    """

    record: CounterfactualRecord
    directions: Sequence[Direction]

    def sheet(self) -> bytes:
        """Draw example images of each direction, some that flipped and some that did not; PNG."""
        from seewhy.plots.generated import samples_png  # noqa: PLC0415 - matplotlib is loaded when something is drawn

        blocks = {}
        for each in self.directions:
            for flipped, rows in each.shown.items():
                count = int((each.columns["flip"] == flipped).sum())
                words = f"{'flipped' if flipped else 'not flipped'} ({count:,} of {len(each.places):,})"
                blocks[f"{each.result.title}: {words}"] = rows
        return samples_png(blocks, "Counterfactuals: white is no difference")

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


def findings(directions: Sequence[DirectionResult]) -> tuple[str, ...]:
    """Describe in words what is wrong with the generators, direction by direction; the thresholds are our own."""
    found = []
    for each in directions:
        if each.figures.n < FEW:
            found.append(f"{each.title}: {each.figures.n} images are too few for reliable figures.")
        sentences = (*_edits(each), *_controls(each))
        found += [f"{each.title}: {sentence}" for sentence in sentences]
    return tuple(found)


def _edits(each: DirectionResult) -> Iterator[str]:
    """Report generators that make no edit, the same edit for every image, or a change that only one thing explains."""
    figures, apart, variety = each.figures, each.classes_apart, each.diversity.ratio
    flip, change = _value(figures.flip), _value(figures.l1)
    if flip < HALF and apart and change < UNMOVED * apart:
        yield (
            f"identity collapse: the generator hardly edits (mean change {change:.3f}, {change / apart:.0%} of the difference "
            f"between the classes) and {flip:.0%} of the images flip."
        )
    elif flip < RELIABLE:
        yield f"{flip:.0%} of the images flip; for the others the map shows a change that does not change the prediction."
    if (stable := _value(figures.stable)) < RELIABLE:
        yield f"{stable:.0%} of the stable images keep their class; use the input instead (counterfactual:definition=input)."
    if variety is not None and variety < LOWEST_VARIETY:
        yield (
            f"mode collapse: the adversarial images differ from each other {variety:.0%} as much as real images do, so the map "
            "shows more than this image needs."
        )
    if (shift := _value(figures.shift)) > SHIFTED:
        yield f"{shift:.0%} of the change is a change of overall brightness, not of any place."
    if flip - (oracle := _value(figures.oracle_flip)) > NOISE:
        yield (
            f"the classifier predicts the other class for {flip:.0%} of the adversarial images, the oracle for {oracle:.0%} (it "
            f"agrees on {_value(figures.oracle_agrees):.0%} of the inputs): much of the change is visible only to this classifier."
        )


def _controls(each: DirectionResult) -> Iterator[str]:
    """Report generators that undo or restore images by recognising their own output."""
    if _value(each.figures.flip) < HALF or not each.restored:  # images that did not flip need no way back
        return
    clean = each.restored[UNDISTURBED]
    if clean.undo is not None and each.undone_real is not None and clean.undo - each.undone_real > HALF:
        yield (
            f"the generator undoes {clean.undo:.0%} of its own images and {each.undone_real:.0%} of real images of that class: "
            "the stable image shows that the edit can be reversed, and is not independent evidence."
        )
    yield from _hidden_signal("translated back", {name: shares.back for name, shares in each.restored.items()})
    yield from _hidden_signal("undone", {name: shares.undo for name, shares in each.restored.items()})


def _hidden_signal(words: str, shares: Mapping[str, float | None]) -> Iterator[str]:
    """Report a way back that a disturbance closes; the shares are None where there is no such way."""
    clean = shares[UNDISTURBED]
    if clean is None:
        return
    lost = {name: share for name, share in shares.items() if share is not None and share < FRAGILE * clean}
    if lost:
        worst = min(lost, key=lost.__getitem__)
        yield (
            f"{clean:.0%} of the images are {words}, but only {lost[worst]:.0%} after {worst}: the way back relies on a signal "
            f"that is hardly visible (lost with {', '.join(lost)})."
        )


def _value(figure: Interval | None) -> float:
    """Return the value of a figure; NaN, for which no threshold is met, where nothing was measured."""
    return math.nan if figure is None else figure.value


def worst(directions: Sequence[DirectionResult]) -> dict[str, float]:
    """Return each figure that has a better and a worse side, in its worst direction."""
    rates = {name: [_value(getattr(each.figures, name)) for each in directions] for name in RATES}
    ratios = [each.frechet.ratio for each in directions if each.frechet and each.frechet.ratio is not None]
    lowest = {name: float(np.nanmin(values)) for name, values in rates.items() if not np.isnan(values).all()}
    return {**lowest, "ratio": max(ratios)} if ratios else lowest


def as_csv(directions: Sequence[Direction]) -> bytes:
    """Write one line per image; unknown values are empty."""
    names = list(directions[0].columns)
    rows: list[dict[str, Json]] = []
    for each in directions:
        way = {"source": each.result.source.index, "target": each.result.target.index}
        for place, *values in zip(each.places.tolist(), *each.columns.values(), strict=True):
            cells = {name: f"{value:.6g}" for name, value in zip(names, values, strict=True) if not math.isnan(value)}
            rows.append({"image": place, **way, **cells})
    return table_csv(["image", "source", "target", *names], rows)


LINES = {
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
    rows = {title: [getattr(each, name) for each in columns] for title, name in LINES.items()}
    distances = [each.frechet for each in directions]
    rows["Fréchet to target / real-real"] = [each and each.ratio for each in distances]
    rows["the same for two halves"] = [each and each.floor_ratio for each in distances]
    rows["diversity, generated / real"] = [each.diversity.ratio for each in directions]
    table = [("", *(each.title for each in directions), "all"), ("images", *(f"{each.n:,}" for each in columns))]
    for title, row in rows.items():
        if any(each is not None for each in row):
            overall = [""] * (len(columns) - len(row))  # some figures are of a direction only
            table.append((title, *map(_cell, row), *overall))
    return table


def _cell(figure: float | Interval | None) -> str:
    """Return one figure as text, with its interval if it has one."""
    if figure is None:
        return "–"
    if isinstance(figure, Interval):
        return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"
    return f"{figure:.3f}"


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
