"""One page that shows how far in-fills agree: a map for each in-fill, where they disagree, and the correlations."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float32
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from seewhy.core.attribution import BoolMap
from seewhy.core.view import Frame
from seewhy.plots.figures import INK, PAPER, QUIET, TICK, fit, png
from seewhy.plots.outlines import hatch
from seewhy.plots.overview import map_on_axes, map_tile, photo_tile
from seewhy.plots.scales import Scale
from seewhy.plots.sheets import Heading, Row, Tile, page_width, rows, section, sheet
from seewhy.results import wording
from seewhy.results.infill_comparison import ComparedTarget, InfillComparisonRecord
from seewhy.results.report_data import MapPanel, Photo, ReportData

_DISAGREEMENT = Scale("disagreement", "", 0.0, 2.0, diverging=False)
_STRONG = np.array([198, 205, 212]) / 255
"""Behind a correlation of 1; paler below, nothing from 0 down."""

_LINE, _NAME, _NUMBER = 20.0, 150.0, 42.0
"""Height of a line of the table, and the widths of its columns, points."""

_READING = (
    "Disagreement: how far the maps are apart once each is scaled to the same average height (1 = by that height); hatched "
    "where one in-fill says that a pixel supports the class and another that it opposes it. Table: rank correlations; on the "
    "diagonal, in bold, the reliability of each map (1 = no noise)."
)


def comparison_png(
    record: InfillComparisonRecord,
    data: Sequence[ReportData],
    disagreement: Mapping[str, Float32[np.ndarray, "h w"]],
    sign_conflict: Mapping[str, BoolMap],
) -> bytes:
    """Draw the parts of a `seewhy.InfillComparison` as a PNG file; the same bytes for the same arguments."""
    photo, frame, image = data[0].photo, data[0].frame, data[0].record.image
    blocks: list[Row | Heading] = []
    for target in record.targets:
        panels = _numbered(record, data, target.key)
        tiles = [
            photo_tile(photo, frame, (image.height, image.width)),
            *(map_tile(photo, frame, panel) for panel in panels),
            _disagreement_tile(photo, frame, disagreement[target.key], sign_conflict.get(target.key)),
        ]
        images = rows(tiles, frame.image_size, stacked=len(record.targets))
        table = _table(target, [panel.title for panel in panels])
        blocks += [_heading(target, page_width(images)), *images, table]
    return png(_page(record, blocks, wording.caption([panel for each in data for panel in each.maps])))


def _numbered(record: InfillComparisonRecord, data: Sequence[ReportData], key: str) -> list[MapPanel]:
    """Return the maps of a target; each carries the number and the name of its in-fill."""
    titles = (f"{number} {infill.title}" for number, infill in enumerate(record.infills, 1))
    maps = (next(panel for panel in each.maps if panel.key == key) for each in data)
    return [replace(panel, title=title, subtitle="") for panel, title in zip(maps, titles, strict=True)]


def _heading(target: ComparedTarget, width: float) -> Heading:
    """Say how far the in-fills agree about a target."""
    noise = "" if target.expected is None else f"; noise alone would limit it to {wording.correlation(target.expected)}"
    subtitle = f"Mean rank correlation {wording.correlation(target.correlation)}{noise}"
    return section(f"{target.label}: {wording.agreement(target.level)}", subtitle, width)


def _page(record: InfillComparisonRecord, blocks: Sequence[Row | Heading], caption: str) -> Figure:
    """Set the sections below each other."""
    predicted = [f"{each.label} {wording.probability(each.probability)}" for each in record.predicted[:3]]
    infills = ", ".join(infill.title for infill in record.infills)
    facts = [record.classifier.spec or record.classifier.name, record.method, f"in-fills {infills}"]
    costs = [f"{record.queries:,} queries", f"{record.seconds:.3g} s", f"seed {record.seed}"]
    return sheet(
        blocks,
        title="Do the maps depend on the in-fill?",
        subtitle=" · ".join([record.image.name, *predicted]),
        reading=f"{caption} {_READING}",
        footer=" · ".join([*facts, *costs]),
    )


def _disagreement_tile(
    photo: Photo, frame: Frame, values: Float32[np.ndarray, "h w"], conflict: BoolMap | None
) -> Tile:
    """Return the tile that shows where in-fills disagree; what they disagree on in sign is hatched."""
    panel = MapPanel("disagreement", "Disagreement", "", values, None, diverging=False, unit="")
    share = 0.0 if conflict is None else float(conflict.mean())

    def draw(axes: Axes) -> None:
        map_on_axes(axes, photo, frame, panel, _DISAGREEMENT)
        if conflict is not None and share > 0:
            hatch(axes, frame, conflict)

    subtitle = f"hatched: signs differ, {share:.1%}" if share > 0 else "of maps scaled to one height"
    return Tile("Disagreement", subtitle, draw, _DISAGREEMENT)


def _table(target: ComparedTarget, names: Sequence[str]) -> Row:
    """Return the table of the correlations of each pair: rows carry the names, columns their numbers."""
    values = [list(line) for line in target.correlations]
    for number, reliability in enumerate(target.reliability):
        values[number][number] = reliability
    lines = [["", *(str(number) for number in range(1, len(names) + 1))]]
    for name, line in zip(names, values, strict=True):
        lines.append([fit(name, TICK, width=_NAME, most=1)[0].text, *map(wording.correlation, line)])
    height, width = _LINE * len(lines), _NAME + _NUMBER * len(names)

    def draw(axes: Axes) -> None:
        axes.set_axis_off()
        table = axes.table(lines, bbox=Bbox.unit(), cellLoc="center")
        table.auto_set_font_size(False)
        for (row, column), cell in table.get_celld().items():
            cell.set(width=(_NUMBER if column else _NAME) / width, edgecolor=PAPER, linewidth=2)
            cell.set_text_props(size=TICK, color=INK if row else QUIET, weight="bold" if row == column else "normal")
            if column == 0:
                cell.PAD = 0
                cell.set_text_props(ha="left")
            elif row not in {0, column}:
                cell.set_facecolor(_tint(values[row - 1][column - 1]))

    return Row([Tile("Rank correlation", "in bold: reliability", draw)], height, width)


def _tint(value: float | None) -> tuple[float, float, float]:
    """Return a pale tone, darker the higher the correlation."""
    share = min(max(value or 0.0, 0.0), 1.0)
    red, green, blue = 1 - share * (1 - _STRONG)
    return float(red), float(green), float(blue)
