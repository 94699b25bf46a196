"""The picture and the tables of a contest."""

import io
from typing import Any

import numpy as np
from PIL import Image
from rich.console import Console
from seewhy.draw.contest import quality_png, standings_table


def line(method: str, mean: float | None, price: float | None = 40.0, **more: Any) -> dict[str, Any]:
    """A line of ``table.csv``."""
    ends = {"mean_low": mean and mean - 0.1, "mean_high": mean and mean + 0.1}
    gap = {"difference": None, "difference_low": None, "difference_high": None}
    plain = {"metric": "deletion", "direction": "lower", "protocol": "deletion:steps=28", "control": False}
    return plain | {"method": method, "mean": mean, **ends, **gap, "pictures": 3, "price": price, "seconds": 0.5} | more


def test_up_is_better_in_every_panel() -> None:
    """The method with the lower deletion stands higher: the axis is turned over."""
    pixels = np.asarray(Image.open(io.BytesIO(quality_png([line("good", 0.2), line("bad", 0.8)]))).convert("RGB"))
    half = pixels[: pixels.shape[0] * 2 // 3].astype(int)  # without the legend
    rows = [np.argwhere((abs(half - colour) < 40).all(2))[:, 0].mean() for colour in ((31, 119, 180), (255, 127, 14))]
    assert rows[0] < rows[1]


def test_what_has_no_number_is_left_out() -> None:
    """No mean, no price, no lines at all: still a picture."""
    for lines in ([line("one", None), line("two", 0.5, None)], [line("one", 0.5, 0.0)], []):
        assert Image.open(io.BytesIO(quality_png(lines))).size[0] > 100


def test_the_table_fits_a_terminal_of_80_columns() -> None:
    """Names are folded, numbers are whole."""
    console = Console(width=80, file=io.StringIO())
    gap = {"difference": -0.125, "difference_low": -0.25, "difference_high": 0.0625}
    lines = [line("rise:masks=4000", 0.5, 4001.0), line("center", None, control=True), line("pmi", 0.25, **gap)]
    console.print(standings_table(lines, "deletion"))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    for words in (
        "deletion (lower is better)",
        "4,001",
        "[0.400, 0.600]",
        "−0.125",
        "[−0.250, +0.062]",
        "center *",
        "0.5",
    ):
        assert words in text
    assert "…" not in text
