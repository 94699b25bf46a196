"""Text that fits its place, and tiles that fill a page."""

from itertools import pairwise

import pytest
from matplotlib.figure import Figure

from reading_figures import words
from seewhy.plots.figures import DPI, fit, style, write
from seewhy.plots.sheets import Heading, Row, Tile, rows, section, sheet


def tiles(count: int, title: str = "cup") -> list[Tile]:
    """Tiles that draw nothing."""
    return [Tile(title, "p = 0.2", lambda _: None)] * count


@pytest.mark.parametrize("bold", [False, True])
@pytest.mark.parametrize("size", [8.5, 10.0, 17.0])
def test_running_text_fits_its_width(size: float, *, bold: bool) -> None:
    """Every line is at most as wide as its place, and no more than a quarter of the place is lost."""
    prose = (
        "Why did the classifier predict “chocolate sauce, chocolate syrup”? Red supports the class, blue opposes it."
    )
    lines = fit(prose * 3, size, width=300.0, bold=bold, most=99)
    with style():
        figure = Figure(figsize=(10, 10), dpi=DPI)
        write(figure, 0.0, 0.0, lines)
        drawn = [text.get_window_extent().width / 2 for text in figure.texts]
    assert max(drawn) <= 300
    assert max(drawn) >= 225


def test_lines_break_between_words() -> None:
    """No word is lost; parts joined by no-break spaces stay together; a dot at the end of a line goes."""
    prose = "Red supports the class, blue opposes it; each map has its own scale."
    assert " ".join(line.text for line in fit(prose, width=120.0, most=9)) == prose
    parts = fit("p\u00a0=\u00a00.7 · scale\u00a0±2\u00a0nats", width=80.0)
    assert [line.text for line in parts] == ["p\u00a0=\u00a00.7", "scale\u00a0±2\u00a0nats"]
    assert fit("", width=60.0) == []


def test_what_does_not_fit_is_cut_with_an_ellipsis() -> None:
    """Also a single word."""
    assert fit("one two three four", width=40.0)[-1].text.endswith("…")
    assert fit("a" * 99, width=60.0, most=1)[0].text.endswith("…")


@pytest.mark.parametrize("shape", [(100, 100), (400, 600), (200, 1400), (1400, 200)])
def test_tiles_keep_the_shape_of_the_image(shape: tuple[int, int]) -> None:
    """Whatever their number."""
    for count in (1, 4, 12):
        row = rows(tiles(count), shape)[0]
        assert row.width / row.height == pytest.approx(shape[1] / shape[0], rel=0.02)


def test_tiles_fill_a_page() -> None:
    """Few places stay empty, and the fewer the tiles, the larger they are."""
    assert [len(rows(tiles(count), (100, 100))[0].tiles) for count in (2, 3, 4, 6, 8)] == [2, 3, 2, 3, 4]
    assert [rows(tiles(count), (9, 9))[0].height for count in (3, 20)] == pytest.approx([300, 205])


def test_rows_are_as_high_as_their_headings() -> None:
    """A long title makes its own row higher, and no other."""
    low, high = Row(tiles(2), 100.0, 100.0), Row([*tiles(1), *tiles(1, "a very long title, " * 3)], 100.0, 100.0)
    assert high.full_height - low.full_height == pytest.approx(12 * 1.4)


def test_blocks_stand_below_each_other() -> None:
    """In the order in which they are given, between the title and the footer."""
    blocks: list[Row | Heading] = [
        section("first", "quiet", 500.0),
        *rows(tiles(1), (9, 9)),
        section("second", "", 500.0),
    ]
    page = sheet(blocks, title="title", reading="how to read it", footer="seed 1")
    names = ["title", "first", "quiet", "cup", "p = 0.2", "second", "how to read it", "seed 1"]
    assert words(page) == " | ".join(names)
    heights = [text.get_position()[1] for text in page.texts]
    assert all(upper > lower for upper, lower in pairwise(heights))
