"""One page that answers at a glance: the photo, each map over it, the scales, and how it was made."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from seewhy.core.errors import RequestError
from seewhy.core.view import Frame
from seewhy.plots import _wording as wording
from seewhy.plots.figures import (
    HEADLINE,
    LEADING,
    QUIET,
    SMALL,
    TEXT,
    Heading,
    colour_bar,
    foot,
    foot_height,
    image_tile,
    page,
    png,
    style,
    write_lines,
)
from seewhy.plots.layout import MARGIN, NARROWEST, Grid, best_grid
from seewhy.plots.outlines import draw_outlines
from seewhy.plots.overlay import draw_map, fade_outside, lay_in, resize, resize_frame, seen
from seewhy.plots.scales import Scale, scales_of
from seewhy.plots.typesetting import wrap
from seewhy.results.report_data import ImagePanel, MapPanel, Photo, ReportData

_BELOW_HEADER = 16.0
_LONGEST_LINE = 800.0

Draw = Callable[[Axes], None]
"""Draws the image of a tile on its axes."""


@dataclass(frozen=True)
class Tile:
    """An image of a page before it is drawn.

    Args:
        title: what stands above it.
        subtitle: a quieter line.
        draw: draws it.
        scale: of its colours, for a map.
    """

    title: str
    subtitle: str
    draw: Draw
    scale: Scale | None = None


def overview_png(data: ReportData) -> bytes:
    """Draw the overview as a PNG file.

    Args:
        data: what is shown.

    Returns:
        The same bytes for the same data.
    """
    return png(overview_figure(data))


def overview_figure(data: ReportData, targets: Sequence[str] | None = None) -> Figure:
    """Draw the overview of an explanation.

    Args:
        data: what is shown.
        targets: keys of the maps to show, in this order; None for all of them.

    Returns:
        A figure for `figure.savefig`; it belongs to no window.

    Raises:
        RequestError: there is no map of such a key.
    """
    record = data.record
    classes = [f"{each.label} {wording.probability(each.probability)}" for each in record.predicted[:3]]
    return contact_sheet(
        data.photo,
        data.frame,
        _chosen(data.maps, targets),
        title=wording.headline(record),
        subtitle="  ·  ".join([record.image.name, *classes]),
        footer=wording.footer(record),
        images=data.images,
    )


def _chosen(maps: Sequence[MapPanel], targets: Sequence[str] | None) -> Sequence[MapPanel]:
    """Return the maps of some keys."""
    if targets is None:
        return maps
    named = {panel.key: panel for panel in maps}
    if unknown := [key for key in targets if key not in named]:
        raise RequestError(f"expected targets among {', '.join(named)}, got {unknown[0]!r}")
    return [named[key] for key in targets]


def contact_sheet(
    photo: Photo,
    frame: Frame,
    maps: Sequence[MapPanel],
    *,
    title: str,
    subtitle: str,
    footer: str,
    images: Sequence[ImagePanel] = (),
) -> Figure:
    """Draw a photo and maps of it side by side.

    Args:
        photo: the user's own image.
        frame: the part of it that the classifier saw.
        maps: at least one; each has its own scale.
        title: of the page.
        subtitle: a quieter line below the title.
        footer: how the maps were made, the last line of the page.
        images: the image in the classifier's view, which is not shown, then those that the method made.
    """
    scales = scales_of(maps)
    others = sorted((each for each in images if each.name != "input"), key=lambda each: each.name != "stable")
    tiles = [
        photo_tile(photo, frame),
        *(_generated_tile(photo, frame, panel) for panel in others),
        *(map_tile(photo, frame, panel, scales[panel.key]) for panel in maps),
    ]
    return _sheet(tiles, photo.shape[:2], title=title, subtitle=subtitle, prose=wording.caption(maps), footer=footer)


def _sheet(
    tiles: Sequence[Tile], shape: tuple[int, ...], *, title: str, subtitle: str, prose: str, footer: str
) -> Figure:
    """Set a page: header, tiles, foot."""
    grid, headings = fit_headings(best_grid((shape[0], shape[1]), len(tiles)), tiles)
    width = max(NARROWEST, grid.full_width)
    header = [wrap(title, HEADLINE, width, bold=True, most=2), wrap(subtitle, TEXT + 1, width, most=2)]
    top = MARGIN + LEADING * (len(header[0]) * HEADLINE + len(header[1]) * (TEXT + 1)) + _BELOW_HEADER
    lines = wrap(prose, TEXT, min(width, _LONGEST_LINE)), wrap(footer, SMALL, width, most=3)
    with style():
        figure = page(width + 2 * MARGIN, top + grid.full_height + foot_height(*lines) + MARGIN)
        below = write_lines(figure, MARGIN, MARGIN, header[0], size=HEADLINE, bold=True)
        write_lines(figure, MARGIN, below, header[1], size=TEXT + 1, colour=QUIET)
        draw_tiles(figure, tiles, headings, grid, MARGIN, top)
        foot(figure, *lines, MARGIN, top + grid.full_height)
    return figure


def fit_headings(grid: Grid, tiles: Sequence[Tile]) -> tuple[Grid, list[Heading]]:
    """Break the tiles' headings into lines, and return a grid whose rows have room for the highest."""
    headings = [Heading.fit(tile.title, tile.subtitle, grid.cell) for tile in tiles]
    rows = [headings[start : start + grid.columns] for start in range(0, len(headings), grid.columns)]
    return replace(grid, heads=tuple(max(heading.height for heading in row) for row in rows)), headings


def draw_tiles(
    figure: Figure, tiles: Sequence[Tile], headings: Sequence[Heading], grid: Grid, left: float, top: float
) -> None:
    """Draw tiles in rows, each with its heading and its colour bar."""
    for place, (tile, heading) in enumerate(zip(tiles, headings, strict=True)):
        across, down = grid.corner(place)
        axes = image_tile(figure, heading, grid, left + across, top + down)
        tile.draw(axes)
        axes.set_aspect("auto")
        if tile.scale is not None:
            colour_bar(figure, tile.scale, grid, left + across, top + down)


def photo_tile(photo: Photo, frame: Frame) -> Tile:
    """Return the tile of the photo itself."""
    height, width = photo.shape[:2]
    part = "" if seen(frame).all() else ", input framed"
    return Tile("Image", f"{width} × {height} pixels{part}", lambda axes: photo_on_axes(axes, photo, frame))


def map_tile(photo: Photo, frame: Frame, panel: MapPanel, scale: Scale) -> Tile:
    """Return the tile of a map; where its scale ends is the last thing in its subtitle."""
    subtitle = " · ".join(part.replace(" ", "\N{NO-BREAK SPACE}") for part in (panel.subtitle, scale.statement) if part)
    return Tile(panel.title, subtitle, lambda axes: map_on_axes(axes, photo, frame, panel, scale), scale)


def _generated_tile(photo: Photo, frame: Frame, panel: ImagePanel) -> Tile:
    """Return the tile of an image that the method made, in its place on the photo."""

    def draw(axes: Axes) -> None:
        shown, small = _fit(axes, photo, frame)
        _show(axes, lay_in(shown, small, panel.pixels), frame)

    return Tile(wording.image_title(panel.name), wording.answer(panel), draw)


def photo_on_axes(ax: Axes, photo: Photo, frame: Frame) -> None:
    """Draw a photo on axes; what the classifier did not see is faded.

    Args:
        ax: matplotlib axes.
        photo: the image.
        frame: the part of it that the classifier saw.
    """
    shown, small = _fit(ax, photo, frame)
    _show(ax, fade_outside(shown, small), frame)


def map_on_axes(ax: Axes, photo: Photo, frame: Frame, panel: MapPanel, scale: Scale) -> None:
    """Draw a map over the greyed photo on axes, with its outlines.

    The coordinates of the axes become the pixels of the photo. The map is drawn at the resolution that the axes have now:
    choose the size and the dpi of the figure first.

    Args:
        ax: matplotlib axes.
        photo: the image.
        frame: the part of it that the classifier saw.
        panel: the map.
        scale: from `seewhy.plots.scales.scales_of`.
    """
    shown, small = _fit(ax, photo, frame)
    _show(ax, draw_map(shown, small, panel.values, scale), frame)
    draw_outlines(ax, frame, panel.outlines)


def _fit(ax: Axes, photo: Photo, frame: Frame) -> tuple[Photo, Frame]:
    """Resize a photo to the pixels of axes; the frame with it."""
    box, (height, width) = ax.get_window_extent(), photo.shape[:2]
    down, across = box.height / height, box.width / width
    if abs(down / across - 1) > 0.02:  # more than rounding: the axes have another shape than the photo
        down = across = min(down, across)
    size = max(1, round(height * down)), max(1, round(width * across))
    return resize(photo, *size), resize_frame(frame, *size)


def _show(ax: Axes, pixels: Photo, frame: Frame) -> None:
    """Show pixels on axes whose coordinates are those of the whole photo, with a line around what the classifier saw."""
    height, width = frame.picture
    ax.imshow(pixels, extent=(0, width, height, 0), interpolation="antialiased")
    ax.set(xticks=[], yticks=[])
    if seen(frame).all():
        return
    left, top, right, bottom = frame.box
    for line_width, colour in ((2.4, "white"), (0.9, "#282828")):  # dark inside light, so that it is seen on any photo
        edge = Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=colour, linewidth=line_width)
        ax.add_patch(edge)
