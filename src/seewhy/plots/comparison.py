"""One page that shows how far in-fills agree: a map for each in-fill, where they disagree, and the correlations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from seewhy.core.attribution import BoolMap
from seewhy.core.view import Frame
from seewhy.plots.figures import (
    INK,
    LEADING,
    PAPER,
    QUIET,
    TEXT,
    TICK,
    Foot,
    Header,
    page,
    place_axes,
    png,
    style,
    write_lines,
)
from seewhy.plots.layout import BAR, GAP, MARGIN, NARROWEST, Grid, best_grid
from seewhy.plots.overlay import place, resize_frame
from seewhy.plots.overview import map_on_axes, map_tile, photo_tile
from seewhy.plots.scales import Scale, scales_of
from seewhy.plots.tiles import Heading, Tile, draw_tiles, fit_headings
from seewhy.plots.typesetting import shorten, text_width, typeface
from seewhy.results import wording
from seewhy.results.infill_comparison import ComparedTarget, InfillComparisonRecord
from seewhy.results.report_data import MapPanel, Photo, ReportData

_DISAGREEMENT = Scale("disagreement", "", 0.0, 2.0, diverging=False)
_STRONG = (198, 205, 212)
"""Behind a correlation of 1; paler below, nothing from 0 down."""

_SECTION_TITLE = 14.0
_BELOW_TITLE, _BETWEEN = 12.0, 30.0
_ROW, _NARROWEST_CELL, _WIDEST_CELL = 20.0, 24.0, 42.0
_HATCHED = 400

_READING = (
    "Disagreement: how far the maps are apart once each is scaled to the same average height (1 = by that height); hatched "
    "where one in-fill says that a pixel supports the class and another that it opposes it. Table: rank correlations; on the "
    "diagonal, in bold, the reliability of each map (1 = no noise)."
)


@dataclass(frozen=True, eq=False)
class _Section:
    """One target under several in-fills, ready to be drawn.

    Args:
        title: line above the section.
        subtitle: quieter line.
        tiles: photo, maps, disagreement.
        headings: headings of the tiles, then that of the table.
        grid: grid of the tiles and the table.
        names: names of the in-fills, with their numbers.
        target: with the correlations.
    """

    title: str
    subtitle: str
    tiles: tuple[Tile, ...]
    headings: tuple[Heading, ...]
    grid: Grid
    names: tuple[str, ...]
    target: ComparedTarget

    @property
    def top(self) -> float:
        """From the top of the section to that of its tiles, points."""
        return LEADING * (_SECTION_TITLE + TEXT) + _BELOW_TITLE

    @property
    def height(self) -> float:
        """Of the whole section; a long table may end below the tiles."""
        table = _ROW * (len(self.names) + 1)
        return self.top + self.grid.full_height + max(0.0, table - self.grid.height - BAR)


def comparison_png(
    record: InfillComparisonRecord,
    data: Sequence[ReportData],
    disagreement: Mapping[str, Float32[np.ndarray, "h w"]],
    sign_conflict: Mapping[str, BoolMap],
) -> bytes:
    """Draw a comparison of in-fills as a PNG file.

    Args:
        record: record of the comparison.
        data: one for each in-fill, in the order of the record; all of the same image.
        disagreement: target → how far the in-fills are apart at each pixel, ``(h, w)`` from 0 on.
        sign_conflict: target → where signs differ; a target whose maps have no sign is left out.

    Returns:
        The same bytes for the same arguments.
    """
    photo, frame = data[0].photo, data[0].frame
    panels = {target.key: _numbered(record, data, target.key) for target in record.targets}
    sections = [
        _section(
            target,
            [_map_tile(photo, frame, panel) for panel in panels[target.key]],
            photo_tile(photo, frame),
            _disagreement_tile(photo, frame, disagreement[target.key], sign_conflict.get(target.key)),
            best_grid(frame.picture, len(data) + 3, stacked=len(record.targets)),
        )
        for target in record.targets
    ]
    return png(_page(record, sections, wording.caption([panel for each in panels.values() for panel in each])))


def _numbered(record: InfillComparisonRecord, data: Sequence[ReportData], key: str) -> list[MapPanel]:
    """Return the maps of a target; each carries the number and the name of its in-fill."""
    titles = (f"{number} {infill.title}" for number, infill in enumerate(record.infills, 1))
    maps = (next(panel for panel in each.maps if panel.key == key) for each in data)
    return [replace(panel, title=title, subtitle="") for panel, title in zip(maps, titles, strict=True)]


def _map_tile(photo: Photo, frame: Frame, panel: MapPanel) -> Tile:
    """Return the tile of a map on its own scale."""
    return map_tile(photo, frame, panel, scales_of([panel])[panel.key])


def _page(record: InfillComparisonRecord, sections: Sequence[_Section], caption: str) -> Figure:
    """Set the sections below each other."""
    width = max(NARROWEST, *(section.grid.full_width for section in sections))
    predicted = [f"{each.label} {wording.probability(each.probability)}" for each in record.predicted[:3]]
    subtitle = "  ·  ".join([record.image.name, *predicted])
    header = Header.fit("Do the maps depend on the in-fill?", subtitle, width)
    foot = Foot.fit(f"{caption} {_READING}", _footer(record), width)
    body = sum(section.height + _BETWEEN for section in sections) - _BETWEEN
    with style():
        figure, top = page(width + 2 * MARGIN, header.height + body + foot.height), header.height
        header.draw(figure)
        for section in sections:
            _draw_section(figure, section, top, width)
            top += section.height + _BETWEEN
        foot.draw(figure)
    return figure


def _footer(record: InfillComparisonRecord) -> str:
    """Return one line: classifier, method, in-fills, queries, seconds and seed."""
    infills = ", ".join(infill.title for infill in record.infills)
    asked, name = f"{record.queries:,} queries", record.classifier.spec or record.classifier.name
    return "  ·  ".join(
        [name, record.method, f"in-fills {infills}", asked, f"{record.seconds:.3g} s", f"seed {record.seed}"]
    )


def _section(target: ComparedTarget, maps: Sequence[Tile], photo: Tile, disagreement: Tile, grid: Grid) -> _Section:
    """Arrange one target."""
    tiles, table = (photo, *maps, disagreement), Tile("Rank correlation", "in bold: reliability", lambda _: None)
    fitted, headings = fit_headings(grid, [*tiles, table])
    noise = "" if target.expected is None else f"; noise alone would leave {wording.correlation(target.expected)}"
    subtitle = f"Mean rank correlation {wording.correlation(target.correlation)}{noise}"
    names = tuple(tile.title for tile in maps)
    title = f"{target.label}: {wording.agreement(target.level)}"
    return _Section(title, subtitle, tiles, tuple(headings), fitted, names, target)


def _disagreement_tile(
    photo: Photo, frame: Frame, values: Float32[np.ndarray, "h w"], conflict: BoolMap | None
) -> Tile:
    """Return the tile that shows where in-fills disagree; what they disagree on in sign is hatched."""
    panel = MapPanel("disagreement", "Disagreement", "", values, None, diverging=False, unit="")
    share = 0.0 if conflict is None else float(conflict.mean())

    def draw(axes: Axes) -> None:
        map_on_axes(axes, photo, frame, panel, _DISAGREEMENT)
        if conflict is not None and share > 0:
            _hatch(axes, frame, conflict)

    subtitle = f"hatched: signs differ, {share:.1%}" if share > 0 else "of maps scaled to one height"
    return Tile("Disagreement", subtitle, draw, _DISAGREEMENT)


def _hatch(axes: Axes, frame: Frame, conflict: BoolMap) -> None:
    """Draw thin diagonals over a region."""
    height, width = frame.picture
    factor = _HATCHED / max(height, width)
    small = resize_frame(frame, max(2, round(height * factor)), max(2, round(width * factor)))
    rows, columns = small.picture
    inside = np.nan_to_num(place(conflict.astype(np.float32), small))
    across = (np.arange(columns) + 0.5) * width / columns
    down = (np.arange(rows) + 0.5) * height / rows
    limits = axes.axis()
    axes.contourf(across, down, inside, levels=[0.5, 1.5], colors="none", hatches=["//////"])
    axes.axis(limits)


def _draw_section(figure: Figure, section: _Section, top: float, width: float) -> None:
    """Draw two lines of text, the tiles in rows, and the table in what is left of the last row."""
    title = shorten(section.title, _SECTION_TITLE, width, bold=True)
    below = write_lines(figure, MARGIN, top, [title], size=_SECTION_TITLE, bold=True)
    write_lines(figure, MARGIN, below, [shorten(section.subtitle, TEXT, width)], colour=QUIET)
    grid, count, start = section.grid, len(section.tiles), top + section.top
    draw_tiles(figure, section.tiles, section.headings[:count], grid, (MARGIN, start))
    across, down = grid.corner(count)
    section.headings[count].draw(figure, MARGIN + across, start + down)
    room = (grid.columns - count % grid.columns) * (grid.cell + GAP) - GAP
    axes = place_axes(figure, MARGIN + across, start + down, room, _ROW * (len(section.names) + 1))
    _draw_table(axes, section, room)


def _draw_table(axes: Axes, section: _Section, room: float) -> None:
    """Write the correlations of each pair; rows carry the names, columns their numbers. One unit of the axes is a point."""
    names, target = section.names, section.target
    count = len(names)
    axes.set(xlim=(0, room), ylim=(_ROW * (count + 1), 0))
    axes.spines[:].set_visible(False)
    longest = max(text_width(name, TICK) for name in names) + 10
    start = min(longest, room - count * _NARROWEST_CELL)
    cell = min((room - start) / count, _WIDEST_CELL)
    for row, name in enumerate(names):
        middle = _ROW * (row + 1.5)
        _put(axes, (0.0, middle), shorten(name, TICK, start - 6), side="left")
        _put(axes, (start + cell * (row + 0.5), _ROW / 2), str(row + 1), colour=QUIET)
        for column in range(count):
            own = row == column
            value = target.reliability[row] if own else target.correlations[row][column]
            corner = (start + cell * column + 1, _ROW * (row + 1) + 1)
            axes.add_patch(Rectangle(corner, cell - 2, _ROW - 2, color=PAPER if own else _tint(value)))
            _put(axes, (start + cell * (column + 0.5), middle), wording.correlation(value), bold=own)


def _put(
    axes: Axes, where: tuple[float, float], text: str, *, side: str = "center", bold: bool = False, colour: str = INK
) -> None:
    """Write a cell of the table."""
    face = typeface(TICK, bold=bold)
    axes.text(*where, text, ha=side, va="center_baseline", color=colour, fontproperties=face, parse_math=False)


def _tint(value: float | None) -> tuple[float, float, float]:
    """Return a pale tone, darker the higher the correlation."""
    share = min(max(value or 0.0, 0.0), 1.0)
    red, green, blue = ((255 - share * (255 - tone)) / 255 for tone in _STRONG)
    return red, green, blue
