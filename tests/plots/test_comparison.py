"""One page for several in-fills, whatever their number and the image's shape."""

from dataclasses import replace
from itertools import chain

import numpy as np
import pytest

from reading_figures import kept, pixels, shown
from records import SIZE, comparison_record, maps, report_data
from seewhy.core.attribution import BoolMap
from seewhy.plots import comparison
from seewhy.results.infill_comparison import InfillComparisonRecord
from seewhy.results.report_data import Photo

TITLES = ("mean", "blur:sigma=10", "patch:bank=64", "gaussian", "noise", "telea", "gray", "donor")
NOTHING = np.zeros((SIZE, SIZE), dtype=bool)


def page(record: InfillComparisonRecord, *, conflict: BoolMap = NOTHING, height: int = 60, width: int = 80) -> Photo:
    """Draw a comparison in which all in-fills gave the same maps."""
    data = [report_data(height, width)] * len(record.infills)
    spread = {panel.key: np.abs(panel.values) for panel in maps()}
    return pixels(comparison.comparison_png(record, data, spread, {"class:7": conflict}))


@pytest.mark.parametrize("count", [2, 3, 8])
@pytest.mark.parametrize(("height", "width"), [(60, 80), (40, 240), (240, 40)])
def test_nothing_is_cut_off(count: int, height: int, width: int) -> None:
    """Two to eight in-fills on any shape: the margins stay white."""
    drawn = page(comparison_record(TITLES[:count]), height=height, width=width)
    assert (drawn[:, :40] == 255).all()
    assert (drawn[:, -40:] == 255).all()
    assert (drawn[:40] == 255).all()
    assert (drawn[-40:] == 255).all()


def test_the_same_page_twice() -> None:
    """The bytes depend on what is shown and on nothing else."""
    assert (page(comparison_record()) == page(comparison_record())).all()


def test_conflicts_are_hatched() -> None:
    """Where signs differ there is ink that is not there without a conflict."""
    conflict = NOTHING.copy()
    conflict[8:16, 8:16] = True
    hatched, plain = page(comparison_record(), conflict=conflict), page(comparison_record())
    ink = [(drawn < 60).all(2).sum() for drawn in (hatched, plain)]
    assert ink[0] > ink[1] + 100


def test_a_very_long_name_and_missing_numbers_are_drawn() -> None:
    """Names are shortened; a correlation that is not known is a dash."""
    record = comparison_record(("a-very-long-name" * 9, "mean"))
    unknown = replace(record.targets[0], correlations=((1.0, None), (None, 1.0)), reliability=(None, None))
    drawn = page(replace(record, targets=(unknown,)))
    assert (drawn[:, -40:] == 255).all()


def test_the_page_says_how_far_in_fills_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """The conclusion and its numbers for each target, in-fills with numbers, and how the maps were made."""
    record, figures = comparison_record(), kept(monkeypatch, comparison)
    spread = {panel.key: np.abs(panel.values) for panel in maps()}
    comparison.comparison_png(record, [report_data()] * len(record.infills), spread, {})
    tables = [table.get_celld().values() for axes in figures[0].axes for table in axes.tables]
    said = [text.get_text() for text in shown(figures[0])] + [cell.get_text().get_text() for cell in chain(*tables)]
    for part in (
        "espresso: partly robust",
        "Information: partly robust",
        "Mean rank correlation 0.55; noise alone would limit it to 0.90",
        "2 blur:sigma=10",
        "0.90",
        "of maps scaled to one height",
        "tiny-net · pmi:window=8 · in-fills mean, blur:sigma=10, patch:bank=64 · 1,200 queries · 4.5 s · seed 3",
    ):
        assert part in said
