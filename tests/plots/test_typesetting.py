"""Text that fits its place, and tiles that fill a page."""

import pytest

from seewhy.plots.figures import page, write
from seewhy.plots.layout import Grid, best_grid, tile_size
from seewhy.plots.typesetting import shorten, text_width, wrap


@pytest.mark.parametrize("bold", [False, True])
@pytest.mark.parametrize("size", [8.5, 10.0, 17.0])
def test_width_is_what_matplotlib_draws(size: float, *, bold: bool) -> None:
    """Within three per cent, and never less than what is drawn."""
    line = "Why did the classifier predict “chocolate sauce, chocolate syrup”? +0.69 nats"
    figure = page(900.0, 60.0)
    write(figure, 10.0, 40.0, line, size=size, bold=bold)
    drawn = figure.texts[0].get_window_extent().width / 2
    assert drawn - 0.5 <= text_width(line, size, bold=bold) <= 1.03 * drawn


def test_names_are_shortened_with_an_ellipsis() -> None:
    """A name that fits stays; a longer one ends in an ellipsis and fits."""
    assert shorten("cup", 10.0, 500.0) == "cup"
    cut = shorten("chocolate sauce, chocolate syrup", 10.0, 60.0)
    assert cut.endswith("…")
    assert text_width(cut, 10.0) <= 60
    assert shorten("cup", 10.0, 1.0) == "…"


def test_lines_break_between_words() -> None:
    """Every line fits; no word is lost; parts joined by no-break spaces stay together."""
    prose = "Red supports the class, blue opposes it; each map has its own scale."
    lines = wrap(prose, 10.0, 120.0)
    assert all(text_width(line, 10.0) <= 120 for line in lines)
    assert " ".join(lines) == prose
    assert wrap("p\u00a0=\u00a00.7 scale\u00a0±2\u00a0nats", 10.0, 80.0) == ["p = 0.7", "scale ±2 nats"]
    assert wrap("", 10.0, 60.0) == []


def test_a_long_spec_breaks_after_its_settings() -> None:
    """A word that does not fit breaks after a comma or colon; a last line that is still too long is cut."""
    assert wrap("3 patch:bank=64,steps=30,seed=1", 10.0, 110.0) == ["3 patch:bank=64,", "steps=30,seed=1"]
    assert wrap("one two three four", 10.0, 40.0, most=2)[-1].endswith("…")


@pytest.mark.parametrize("shape", [(100, 100), (400, 600), (200, 1400), (1400, 200)])
def test_tiles_keep_the_shape_of_the_image(shape: tuple[int, int]) -> None:
    """Whatever their number."""
    for count in (1, 4, 12):
        height, width = tile_size(shape, count)
        assert width / height == pytest.approx(shape[1] / shape[0], rel=0.02)


def test_rows_are_as_high_as_their_headings() -> None:
    """A tall heading moves its own row down and all that follow, and no other."""
    low, high = Grid(4, 2, 100.0, 100.0, heads=(20.0, 20.0)), Grid(4, 2, 100.0, 100.0, heads=(20.0, 50.0))
    assert low.corner(1) == high.corner(1)
    assert high.corner(3)[1] - low.corner(3)[1] == 30
    assert best_grid((100, 100), 7).count == 7
