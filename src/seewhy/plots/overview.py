"""One page that answers at a glance: the photo, each map over it, the scales, and how it was made."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from seewhy.core.view import Frame
from seewhy.plots.figures import png
from seewhy.plots.outlines import draw_outlines
from seewhy.plots.overlay import at_display_size, draw_map, fade_outside, lay_in, seen
from seewhy.plots.scales import Scale, scale_of
from seewhy.plots.sheets import Tile, rows, sheet
from seewhy.results import wording
from seewhy.results.report_data import ImagePanel, MapPanel, Photo, ReportData


def overview_png(data: ReportData) -> bytes:
    """Draw the overview as a PNG file; the same bytes for the same data."""
    return png(overview_figure(data))


def overview_figure(data: ReportData, targets: Sequence[str] | None = None) -> Figure:
    """Draw the maps of some targets, in their order, or of all of them; the figure belongs to no window."""
    record, maps = data.record, data.maps if targets is None else [_panel(data, key) for key in targets]
    classes = [f"{each.label} {wording.probability(each.probability)}" for each in record.predicted[:3]]
    return contact_sheet(
        data.photo,
        data.frame,
        maps,
        title=wording.headline(record),
        subtitle="  ·  ".join([record.image.name, *classes]),
        footer=wording.footer(record),
        images=data.images,
        size=(record.image.height, record.image.width),
    )


def plot_on_axes(axes: Axes, data: ReportData, key: str) -> Axes:
    """Draw the map of a target over the photo on the caller's axes, with its title."""
    panel = _panel(data, key)
    map_on_axes(axes, data.photo, data.frame.scaled(*data.photo.shape[:2]), panel, scale_of(panel))
    axes.set_title(panel.title)
    return axes


def overlay(data: ReportData, key: str) -> Photo:
    """Return the map of a target in colour over the greyed photo, at the photo's size."""
    panel = _panel(data, key)
    return draw_map(data.photo, data.frame, panel.values, scale_of(panel))


def _panel(data: ReportData, key: str) -> MapPanel:
    """Return the map of a key, which `seewhy.Explanation` has checked."""
    return next(panel for panel in data.maps if panel.key == key)


def contact_sheet(
    photo: Photo,
    frame: Frame,
    maps: Sequence[MapPanel],
    *,
    title: str,
    subtitle: str,
    footer: str,
    images: Sequence[ImagePanel] = (),
    size: tuple[int, int] | None = None,
) -> Figure:
    """Draw a photo, or a smaller copy of it, and at least one map of it side by side, each on its own scale.

    Of `images` those that the method made are shown, and not the input in the classifier's view. `size` is the height and
    width of the picture, None for those of the photo.
    """
    frame = frame.scaled(*photo.shape[:2])
    others = sorted((each for each in images if each.name != "input"), key=lambda each: each.name != "stable")
    tiles = [
        photo_tile(photo, frame, size),
        *(_generated_tile(photo, frame, panel) for panel in others),
        *(map_tile(photo, frame, panel) for panel in maps),
    ]
    blocks = rows(tiles, frame.image_size)
    return sheet(blocks, title=title, subtitle=subtitle, reading=wording.caption(maps), footer=footer)


def photo_tile(photo: Photo, frame: Frame, size: tuple[int, int] | None = None) -> Tile:
    """Return the tile of the photo itself; ``size`` as in `contact_sheet`."""
    height, width = size or photo.shape[:2]
    part = "" if seen(frame).all() else ", input framed"

    def draw(axes: Axes) -> None:
        _show(axes, fade_outside(*at_display_size(photo, frame)), frame)

    return Tile("Image", f"{width} × {height} pixels{part}", draw)


def map_tile(photo: Photo, frame: Frame, panel: MapPanel) -> Tile:
    """Return the tile of a map; where its scale ends is the last thing in its subtitle."""
    scale = scale_of(panel)
    subtitle = " · ".join(part for part in (panel.subtitle, scale.statement) if part)
    return Tile(panel.title, subtitle, lambda axes: map_on_axes(axes, photo, frame, panel, scale), scale)


def _generated_tile(photo: Photo, frame: Frame, panel: ImagePanel) -> Tile:
    """Return the tile of an image that the method made, in its place on the photo."""

    def draw(axes: Axes) -> None:
        _show(axes, lay_in(*at_display_size(photo, frame), panel.pixels), frame)

    return Tile(wording.image_title(panel.name), wording.answer(panel), draw)


def map_on_axes(axes: Axes, photo: Photo, frame: Frame, panel: MapPanel, scale: Scale) -> None:
    """Draw a map over the greyed photo, with its outlines; the coordinates of the axes become the pixels of the photo."""
    _show(axes, draw_map(*at_display_size(photo, frame), panel.values, scale), frame)
    draw_outlines(axes, frame, panel.outlines)


def _show(axes: Axes, pixels: Photo, frame: Frame) -> None:
    """Show pixels on axes whose coordinates are those of the whole photo, with a line around what the classifier saw."""
    height, width = frame.image_size
    axes.imshow(pixels, extent=(0, width, height, 0), interpolation="antialiased")
    axes.set(xticks=[], yticks=[])
    if seen(frame).all():
        return
    left, top, right, bottom = frame.box
    for line_width, colour in ((2.4, "white"), (0.9, "#282828")):  # dark inside light, so that it is seen on any photo
        edge = Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=colour, linewidth=line_width)
        axes.add_patch(edge)
