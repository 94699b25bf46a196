"""One image that answers at a glance: the photo, each map over it, the scales, and how it was made.

Drawn with Pillow and a typeface that comes with matplotlib, so that the bytes depend on nothing but the scene.
"""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import matplotlib as mpl
import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from seewhy.core.view import Frame
from seewhy.draw import words
from seewhy.draw.overlay import draw_map, fade_outside, resize_frame
from seewhy.draw.scales import Scale, scales_of
from seewhy.draw.scene import Panel, Picture, Scene

_PAPER = (255, 255, 255)
_INK = (28, 30, 33)
_QUIET = (95, 99, 104)
_RULE = (218, 220, 224)

_MARGIN = 48
_GAP = 36
_TITLE = 80
_ROW_GAP = 28
_BAR = 62
_ABOVE_FOOT = 30
_LINE = 30
_NARROWEST = 1100
_NARROWEST_TILE = 340


def overview_png(scene: Scene) -> bytes:
    """Draw the overview.

    Args:
        scene: what is shown.

    Returns:
        a PNG file; the same bytes for the same scene.
    """
    buffer = io.BytesIO()
    overview_image(scene).save(buffer, "PNG")
    return buffer.getvalue()


def overview_image(scene: Scene) -> Image.Image:
    """Draw the overview as a Pillow image.

    Args:
        scene: what is shown.
    """
    tiles = _tiles(scene)
    grid = _grid(scene.frame.picture, len(tiles))
    width = max(_NARROWEST, grid.width) + 2 * _MARGIN
    prose = _wrap(words.caption(scene.panels), _font(20), width - 2 * _MARGIN)
    height = 2 * _MARGIN + grid.height + _ABOVE_FOOT + _LINE * (len(prose) + 1) + 8
    image = Image.new("RGB", (width, height), _PAPER)
    left = (width - grid.width) // 2
    for place, tile in enumerate(tiles):
        row, column = divmod(place, grid.columns)
        _draw_tile(image, tile, grid, left + column * (grid.cell + _GAP), _MARGIN + row * grid.step)
    _draw_foot(image, prose, words.footer(scene.manifest), _MARGIN + grid.height + _ABOVE_FOOT)
    return image


@dataclass(frozen=True, eq=False)
class _Tile:
    """One picture with its two lines of text, and its scale if it is a map."""

    title: str
    subtitle: str
    picture: Picture
    scale: Scale | None = None


@dataclass(frozen=True)
class _Grid:
    """How tiles of one size are put in rows."""

    count: int
    columns: int
    tile: tuple[int, int]

    @property
    def cell(self) -> int:
        """The width of a column: of a tile, but never too narrow for its title."""
        return max(self.tile[1], _NARROWEST_TILE)

    @property
    def step(self) -> int:
        """From the top of one row to the top of the next."""
        return self.tile[0] + _TITLE + _BAR + _ROW_GAP

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return math.ceil(self.count / self.columns)

    @property
    def width(self) -> int:
        """Of all columns."""
        return self.columns * (self.cell + _GAP) - _GAP

    @property
    def height(self) -> int:
        """Of all rows."""
        return self.rows * self.step - _ROW_GAP


def _tile_size(picture: tuple[int, int], count: int) -> tuple[int, int]:
    """Height and width of a tile: of about one area whatever the shape, larger when there are few."""
    area = min(max(1_300_000 / count, 400**2), 580**2)
    aspect = picture[1] / picture[0]
    width = min(max(math.sqrt(area * aspect), 60), 1500)
    height = min(max(width / aspect, 60), 1100)
    return round(height), round(min(width, max(height * aspect, 60)))


def _grid(picture: tuple[int, int], count: int) -> _Grid:
    """Choose the number of columns that fills a landscape page best."""
    grids = [_Grid(count, columns, _tile_size(picture, count)) for columns in range(1, count + 1)]
    return min(grids, key=_ugliness)


def _ugliness(grid: _Grid) -> float:
    """How far a grid is from a page of 3:2, plus a price for places left empty."""
    empty = grid.rows * grid.columns - grid.count
    return abs(math.log(grid.width / grid.height / 1.5)) + 3 * empty / grid.count


def _tiles(scene: Scene) -> list[_Tile]:
    """The photo first, then the maps."""
    height, width = _tile_size(scene.frame.picture, len(scene.panels) + 1)
    picture = resize(scene.picture, height, width)
    frame = resize_frame(scene.frame, height, width)
    scales = scales_of(scene.panels)
    maps = [_map_tile(panel, picture, frame, scales[panel.key]) for panel in scene.panels]
    return [_photo_tile(scene, fade_outside(picture, frame)), *maps]


def _map_tile(panel: Panel, picture: Picture, frame: Frame, scale: Scale) -> _Tile:
    """A map over the photo; the scale stands under its title."""
    subtitle = " · ".join(filter(None, (panel.subtitle, scale.statement)))
    return _Tile(panel.title, subtitle, draw_map(picture, frame, panel.values, scale), scale)


def _photo_tile(scene: Scene, picture: Picture) -> _Tile:
    """The photo under its file name and what the classifier says of it."""
    said = [
        f"{words.text(row, 'label')} {words.probability(row.get('probability'))}".strip()
        for row in words.rows(scene.manifest, "predicted")
    ]
    name = words.text(words.section(scene.manifest, "image"), "name")
    return _Tile(name or "Picture", " · ".join(said[:3]) or "what the classifier saw", picture)


def resize(picture: Picture, height: int, width: int) -> UInt8[np.ndarray, "tall wide 3"]:
    """Bring a picture to a size, smoothly; one that is much smaller keeps its square pixels.

    Args:
        picture: the photo.
        height: wanted, pixels.
        width: wanted, pixels.
    """
    enlarged = height / picture.shape[0]
    how = Image.Resampling.NEAREST if enlarged >= 4 else Image.Resampling.LANCZOS
    return np.asarray(Image.fromarray(picture).resize((width, height), how))


def _draw_tile(image: Image.Image, tile: _Tile, grid: _Grid, left: int, top: int) -> None:
    """Two lines of text, then the picture in a hairline frame."""
    pen = ImageDraw.Draw(image)
    pen.text((left, top), shorten(tile.title, _font(27, bold=True), grid.cell), _INK, _font(27, bold=True))
    pen.text((left, top + 39), shorten(tile.subtitle, _font(21), grid.cell), _QUIET, _font(21))
    height, width = tile.picture.shape[:2]
    pen.rectangle((left - 1, top + _TITLE - 1, left + width, top + _TITLE + height), outline=_RULE)
    image.paste(Image.fromarray(tile.picture), (left, top + _TITLE))
    if tile.scale is not None:
        _draw_bar(image, tile.scale, (left, top + _TITLE + height + 8), max(width, 240))


def _draw_bar(image: Image.Image, scale: Scale, corner: tuple[int, int], width: int) -> None:
    """The bar of a scale, and round values beneath."""
    (left, top), pen, font = corner, ImageDraw.Draw(image), _font(17)
    bar = np.broadcast_to(scale.bar(width), (22, width, 3))
    image.paste(Image.fromarray(np.ascontiguousarray(bar)), (left, top))
    if scale.diverging:
        pen.text((left + 8, top + 11), "opposes", _PAPER, font, anchor="lm")
        pen.text((left + width - 8, top + 11), "supports", _PAPER, font, anchor="rm")
    for value, label in scale.ticks(4):
        share = (value - scale.low) / (scale.high - scale.low)
        across = left + round(share * (width - 1))
        pen.line((across, top + 22, across, top + 27), _QUIET)
        pen.text(
            (across, top + 30), label, _QUIET, font, anchor="la" if share < 0.02 else "ra" if share > 0.98 else "ma"
        )


def _draw_foot(image: Image.Image, prose: Sequence[str], footer: str, top: int) -> None:
    """How to read the maps, and how they were made."""
    pen, width = ImageDraw.Draw(image), image.width - 2 * _MARGIN
    for line, sentence in enumerate(prose):
        pen.text((_MARGIN, top + line * _LINE), sentence, _INK, _font(20))
    below = top + len(prose) * _LINE + 12
    pen.line((_MARGIN, below - 4, image.width - _MARGIN, below - 4), _RULE)
    pen.text((_MARGIN, below + 8), shorten(footer, _font(18), width), _QUIET, _font(18))


@cache
def _font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """The typeface that comes with matplotlib, laid out the same way on every machine."""
    folder = Path(mpl.get_data_path()) / "fonts" / "ttf"
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(folder / name), size, layout_engine=ImageFont.Layout.BASIC)


def shorten(line: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """Cut a line with an ellipsis so that it is at most so wide.

    Args:
        line: the text; line breaks become spaces.
        font: in which it is measured.
        width: in pixels.
    """
    flat = " ".join(line.split())
    if font.getlength(flat) <= width:
        return flat
    kept = len(flat)
    while kept and font.getlength(flat[:kept].rstrip(" ,·") + "…") > width:
        kept -= 1
    return flat[:kept].rstrip(" ,·") + "…"


def _wrap(prose: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """Break prose into lines that are at most so wide."""
    lines: list[str] = []
    for word in prose.split():
        if lines and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] = f"{lines[-1]} {word}"
        else:
            lines.append(word)
    return lines
