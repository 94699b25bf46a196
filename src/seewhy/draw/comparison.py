"""One page that shows how far in-fills agree: for each target a map an in-fill, where they disagree, and the correlations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32
from PIL import Image, ImageDraw

from seewhy.core.view import Frame
from seewhy.draw import words
from seewhy.draw.overview import map_tile, photo_tile
from seewhy.draw.page import (
    ABOVE_FOOT,
    GAP,
    INK,
    LINE,
    MARGIN,
    NARROWEST,
    PAPER,
    QUIET,
    TITLE,
    Grid,
    Tile,
    best_grid,
    draw_foot,
    draw_tile,
    png,
    resize,
    shorten,
    typeface,
    wrap,
)
from seewhy.draw.scene import Panel, Picture
from seewhy.plots.overlay import draw_map, fade_outside, place, resize_frame
from seewhy.plots.scales import Scale, scales_of

Matrix = Sequence[Sequence[float | None]]

_HEADING = 96
_BETWEEN = 44
_ROW = 40
_NARROW = 40
_SPREAD = Scale("disagreement", "", 0.0, 2.0, diverging=False)
_STRONG = (198, 205, 212)
"""Behind a correlation of 1; paler below, nothing from 0 down."""

_READING = (
    "Disagreement: how far the maps are apart once each is brought to the same average height (1 = by that height); hatched "
    "where one says supports and another opposes. In the table: rank correlations, and on the diagonal in bold the "
    "reliability of each map (1 = no noise)."
)


@dataclass(frozen=True, eq=False)
class Section:
    """One target under several in-fills.

    Args:
        title: the target, and the number that says how far the in-fills agree.
        verdict: the number in words.
        panels: one map an in-fill; the title is the in-fill's name.
        disagreement: ``(h, w)`` from 0 on.
        conflict: where signs differ; all false where the map has no sign.
        correlations: in-fill by in-fill; None where there is none.
        reliability: of each map; None where it is not known.
    """

    title: str
    verdict: str
    panels: tuple[Panel, ...]
    disagreement: Float32[np.ndarray, "h w"]
    conflict: Bool[np.ndarray, "h w"]
    correlations: Matrix
    reliability: Sequence[float | None]


def comparison_png(
    picture: Picture, frame: Frame, sections: Sequence[Section], manifest: Mapping[str, object]
) -> bytes:
    """Draw the comparison.

    Args:
        picture: the photo.
        frame: the part of it that the classifier saw.
        sections: at least one target, each with the same number of in-fills.
        manifest: for the photo's caption and the footer; what is absent is not shown.

    Returns:
        a PNG file; the same bytes for the same arguments.
    """
    count = len(sections[0].panels) + 3
    grid = best_grid(frame.picture, count, stacked=len(sections))
    photo, shown = resize(picture, *grid.tile), resize_frame(frame, *grid.tile)
    table = _ROW * (len(sections[0].panels) + 1)
    tall = _HEADING + grid.height + max(0, table - grid.tile[0])
    width = max(NARROWEST, grid.width) + 2 * MARGIN
    prose = wrap(
        f"{words.caption([panel for section in sections for panel in section.panels])} {_READING}",
        typeface(20),
        width - 2 * MARGIN,
    )
    below = MARGIN + len(sections) * (tall + _BETWEEN)
    image = Image.new("RGB", (width, below + ABOVE_FOOT + LINE * (len(prose) + 1) + 8 + MARGIN), PAPER)
    for number, section in enumerate(sections):
        tiles = [photo_tile(manifest, fade_outside(photo, shown)), *_tiles(section, photo, shown)]
        _draw_section(image, section, tiles, grid, MARGIN + number * (tall + _BETWEEN))
    draw_foot(image, prose, words.footer(manifest), below)
    return png(image)


def _tiles(section: Section, photo: Picture, frame: Frame) -> list[Tile]:
    """The maps, numbered as in the table, then where they disagree."""
    scales = [scales_of([panel])[panel.key] for panel in section.panels]
    maps = [map_tile(panel, photo, frame, scale) for panel, scale in zip(section.panels, scales, strict=True)]
    spread = draw_map(photo, frame, section.disagreement, _SPREAD)
    hatched = _hatch(spread, place(section.conflict.astype(np.float32), frame) > 0.5)
    share = section.conflict.mean()
    subtitle = f"hatched: signs differ, {share:.1%}" if share > 0 else "of maps brought to one height"
    return [*maps, Tile("Disagreement", subtitle, hatched, _SPREAD)]


def _hatch(picture: Picture, where: Bool[np.ndarray, "height width"]) -> Picture:
    """Draw thin dark diagonals over a part of a picture."""
    rows, columns = np.indices(where.shape)
    lines = where & ((rows + columns) % 8 < 2)
    return np.where(lines[:, :, None], np.array(INK, np.uint8), picture)


def _draw_section(image: Image.Image, section: Section, tiles: Sequence[Tile], grid: Grid, top: int) -> None:
    """Two lines of text, the tiles in rows, and the table in what is left of the last row."""
    pen, width = ImageDraw.Draw(image), image.width - 2 * MARGIN
    left = (image.width - grid.width) // 2
    pen.text((left, top), shorten(section.title, typeface(32, bold=True), width), INK, typeface(32, bold=True))
    pen.text((left, top + 46), shorten(section.verdict, typeface(22), width), QUIET, typeface(22))
    for number in range(len(tiles) + 1):
        row, column = divmod(number, grid.columns)
        corner = (left + column * (grid.cell + GAP), top + _HEADING + row * grid.step)
        if number < len(tiles):
            draw_tile(image, tiles[number], grid, *corner)
        else:
            room = (grid.columns - column) * (grid.cell + GAP) - GAP
            _draw_table(image, section, corner, room)


def _draw_table(image: Image.Image, section: Section, corner: tuple[int, int], room: int) -> None:
    """The correlations of each pair; rows carry the names, columns their numbers."""
    (left, top), pen, count = corner, ImageDraw.Draw(image), len(section.panels)
    pen.text((left, top), "Rank correlation", INK, typeface(27, bold=True))
    pen.text((left, top + 39), "in bold: reliability", QUIET, typeface(21))
    names = [panel.title for panel in section.panels]
    longest = round(max(typeface(17).getlength(name) for name in names)) + 16
    start = left + min(longest, room // 2, room - count * _NARROW)
    cell = min((left + room - start) // count, 72)
    size = 17 if cell >= 48 else 14
    for row, name in enumerate(names):
        middle = top + TITLE + _ROW * (row + 1) + _ROW // 2
        pen.text((left, middle), shorten(name, typeface(size), start - left - 8), INK, typeface(size), anchor="lm")
        pen.text(
            (start + cell * row + cell // 2, top + TITLE + _ROW // 2), str(row + 1), QUIET, typeface(size), anchor="mm"
        )
        for column in range(count):
            own = row == column
            value = section.reliability[row] if own else section.correlations[row][column]
            box = (start + cell * column, middle - _ROW // 2, start + cell * (column + 1) - 3, middle + _ROW // 2 - 3)
            pen.rectangle(box, fill=PAPER if own else _tint(value))
            centre = ((box[0] + box[2]) // 2, (box[1] + box[3]) // 2)
            pen.text(centre, words.correlation(value), INK, typeface(size, bold=own), anchor="mm")


def _tint(value: float | None) -> tuple[int, int, int]:
    """A pale tone, darker the higher the correlation."""
    share = min(max(value or 0.0, 0.0), 1.0)
    red, green, blue = (round(255 - share * (255 - tone)) for tone in _STRONG)
    return red, green, blue
