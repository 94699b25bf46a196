"""Quality against cost."""

import math
from typing import Literal

import numpy as np

from reading_figures import pixels
from seewhy.core.intervals import NOTHING, Interval
from seewhy.plots.benchmark import quality_png
from seewhy.plots.charts import COLOURS
from seewhy.results.benchmark import SummaryRow


def row(
    method: str,
    mean: float,
    cost: float = 40.0,
    *,
    metric: str = "deletion",
    direction: Literal["lower", "higher"] = "lower",
) -> SummaryRow:
    """A row of ``table.csv``."""
    spread = NOTHING if math.isnan(mean) else Interval(mean, mean - 0.1, mean + 0.1)
    return SummaryRow(metric, method, direction, "deletion:steps=28", False, 3, spread, None, 0, cost, 0.5)


def heights(rows: list[SummaryRow]) -> list[float]:
    """Return the mean row of the marks of the first two methods, from the top of the page."""
    page = pixels(quality_png(rows))
    upper = page[: len(page) * 3 // 4].astype(int)  # without the legend
    tones = [tuple(int(colour[place : place + 2], 16) for place in (1, 3, 5)) for colour in COLOURS[:2]]
    return [float(np.argwhere((abs(upper - tone) < 30).all(2))[:, 0].mean()) for tone in tones]


def test_up_is_better_in_every_panel() -> None:
    """The method with the lower deletion stands higher, and so does the one with the higher insertion."""
    good, bad = heights([row("good", 0.2), row("bad", 0.8)])
    assert good < bad
    good, bad = heights([row("good", 0.8, direction="higher"), row("bad", 0.2, direction="higher")])
    assert good < bad


def test_what_has_no_number_is_left_out() -> None:
    """No mean, no cost, a cost of zero, no rows at all: still a figure."""
    for rows in ([row("one", math.nan), row("two", 0.5, math.nan)], [row("one", 0.5, 0.0)], []):
        assert pixels(quality_png(rows)).shape[1] > 100


def test_there_is_a_panel_for_each_metric() -> None:
    """Four metrics stand in two rows; the bytes are the same every time."""
    four = [row("one", 0.5, metric=name) for name in ("a", "b", "c", "d")]
    assert quality_png(four) == quality_png(four)
    assert len(pixels(quality_png(four))) > 1.5 * len(pixels(quality_png(four[:1])))
