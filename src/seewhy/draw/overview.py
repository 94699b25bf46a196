"""One image that answers at a glance: the photo, each map over it, the scales, and how it was made."""

from PIL import Image

from seewhy.core.view import Frame
from seewhy.draw import words
from seewhy.draw.outline import draw_outlines
from seewhy.draw.page import (
    ABOVE_FOOT,
    GAP,
    LINE,
    MARGIN,
    NARROWEST,
    PAPER,
    Tile,
    best_grid,
    draw_foot,
    draw_tile,
    png,
    resize,
    tile_size,
    typeface,
    wrap,
)
from seewhy.draw.scene import Panel, Picture, Scene
from seewhy.plots.overlay import draw_map, fade_outside, lay_in, resize_frame
from seewhy.plots.scales import Scale, scales_of


def overview_png(scene: Scene) -> bytes:
    """Draw the overview.

    Args:
        scene: what is shown.

    Returns:
        a PNG file; the same bytes for the same scene.
    """
    return png(overview_image(scene))


def overview_image(scene: Scene) -> Image.Image:
    """Draw the overview as a Pillow image.

    Args:
        scene: what is shown.
    """
    tiles = _tiles(scene)
    grid = best_grid(scene.frame.picture, len(tiles))
    width = max(NARROWEST, grid.width) + 2 * MARGIN
    prose = wrap(words.caption(scene.panels), typeface(20), width - 2 * MARGIN)
    height = 2 * MARGIN + grid.height + ABOVE_FOOT + LINE * (len(prose) + 1) + 8
    image = Image.new("RGB", (width, height), PAPER)
    left = (width - grid.width) // 2
    for place, tile in enumerate(tiles):
        row, column = divmod(place, grid.columns)
        draw_tile(image, tile, grid, left + column * (grid.cell + GAP), MARGIN + row * grid.step)
    draw_foot(image, prose, words.footer(scene.manifest), MARGIN + grid.height + ABOVE_FOOT)
    return image


def _tiles(scene: Scene) -> list[Tile]:
    """The photo first, then the pictures that belong to the answer, then the maps."""
    height, width = tile_size(scene.frame.picture, len(scene.panels) + max(1, len(scene.plates)))
    picture = resize(scene.picture, height, width)
    frame = resize_frame(scene.frame, height, width)
    scales = scales_of(scene.panels)
    maps = [map_tile(panel, picture, frame, scales[panel.key]) for panel in scene.panels]
    plates = sorted(scene.plates[1:], key=lambda plate: plate.name != "stable")  # from what stays to what turns
    others = [Tile(words.plate_title(each.name), each.said, lay_in(picture, frame, each.pixels)) for each in plates]
    return [photo_tile(scene.manifest, fade_outside(picture, frame)), *others, *maps]


def map_tile(panel: Panel, picture: Picture, frame: Frame, scale: Scale) -> Tile:
    """A map over the photo; the scale stands under its title."""
    subtitle = " · ".join(filter(None, (panel.subtitle, scale.statement)))
    drawn = draw_outlines(draw_map(picture, frame, panel.values, scale), frame, panel.outlines)
    return Tile(panel.title, subtitle, drawn, scale)


def photo_tile(manifest: words.Fields, picture: Picture) -> Tile:
    """The photo under its file name and what the classifier says of it."""
    said = [
        f"{words.text(row, 'label')} {words.probability(row.get('probability'))}".strip()
        for row in words.rows(manifest, "predicted")
    ]
    name = words.text(words.section(manifest, "image"), "name")
    return Tile(name or "Picture", " · ".join(said[:3]) or "what the classifier saw", picture)
