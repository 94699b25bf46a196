"""A page of pictures in rows: tiles with titles and colour bars, a typeface, and the lines at the foot.

Drawn with Pillow and a typeface that comes with matplotlib, so that the bytes depend on nothing but what is shown.
"""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import matplotlib as mpl
import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont

from seewhy.draw.scene import Picture
from seewhy.plots.scales import Scale

PAPER = (255, 255, 255)
INK = (28, 30, 33)
QUIET = (95, 99, 104)
RULE = (218, 220, 224)

MARGIN = 48
GAP = 36
TITLE = 80
ROW_GAP = 28
BAR = 62
ABOVE_FOOT = 30
LINE = 30
NARROWEST = 1100
NARROWEST_TILE = 340


@dataclass(frozen=True, eq=False)
class Tile:
    """One picture with its two lines of text, and its scale if it is a map."""

    title: str
    subtitle: str
    picture: Picture
    scale: Scale | None = None


@dataclass(frozen=True)
class Grid:
    """How tiles of one size are put in rows."""

    count: int
    columns: int
    tile: tuple[int, int]

    @property
    def cell(self) -> int:
        """The width of a column: of a tile, but never too narrow for its title."""
        return max(self.tile[1], NARROWEST_TILE)

    @property
    def step(self) -> int:
        """From the top of one row to the top of the next."""
        return self.tile[0] + TITLE + BAR + ROW_GAP

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return math.ceil(self.count / self.columns)

    @property
    def width(self) -> int:
        """Of all columns."""
        return self.columns * (self.cell + GAP) - GAP

    @property
    def height(self) -> int:
        """Of all rows."""
        return self.rows * self.step - ROW_GAP


def tile_size(picture: tuple[int, int], count: int) -> tuple[int, int]:
    """Choose height and width of a tile: of about one area whatever the shape, larger when there are few."""
    area = min(max(1_300_000 / count, 400**2), 580**2)
    aspect = picture[1] / picture[0]
    width = min(max(math.sqrt(area * aspect), 60), 1500)
    height = min(max(width / aspect, 60), 1100)
    return round(height), round(min(width, max(height * aspect, 60)))


def best_grid(picture: tuple[int, int], count: int, *, stacked: int = 1) -> Grid:
    """Choose the number of columns that fills a landscape page best.

    Args:
        picture: height and width of what is on the tiles.
        count: tiles of one grid.
        stacked: such grids below each other on the page.
    """
    tile = tile_size(picture, count * stacked)
    grids = [Grid(count, columns, tile) for columns in range(1, count + 1)]
    return min(grids, key=lambda grid: _ugliness(grid, stacked))


def _ugliness(grid: Grid, stacked: int) -> float:
    """How far a page of grids is from 3:2, plus a price for places left empty."""
    empty = grid.rows * grid.columns - grid.count
    return abs(math.log(grid.width / (stacked * grid.height) / 1.5)) + 3 * empty / grid.count


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


def as_pixels(picture: Float[np.ndarray, "3 h w"]) -> Picture:
    """Bring a picture in [0, 1], colours first, to 8 bits, colours last.

    Example:
        >>> as_pixels(np.ones((3, 1, 1))).tolist()
        [[[255, 255, 255]]]
    """
    return np.ascontiguousarray(np.rint(picture * 255).astype(np.uint8).transpose(1, 2, 0))


def png(image: Image.Image) -> bytes:
    """Write a page as a PNG file."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def draw_tile(image: Image.Image, tile: Tile, grid: Grid, left: int, top: int) -> None:
    """Two lines of text, then the picture in a hairline frame."""
    pen = ImageDraw.Draw(image)
    pen.text((left, top), shorten(tile.title, typeface(27, bold=True), grid.cell), INK, typeface(27, bold=True))
    pen.text((left, top + 39), shorten(tile.subtitle, typeface(21), grid.cell), QUIET, typeface(21))
    height, width = tile.picture.shape[:2]
    pen.rectangle((left - 1, top + TITLE - 1, left + width, top + TITLE + height), outline=RULE)
    image.paste(Image.fromarray(tile.picture), (left, top + TITLE))
    if tile.scale is not None:
        _draw_bar(image, tile.scale, (left, top + TITLE + height + 8), max(width, 240))


def _draw_bar(image: Image.Image, scale: Scale, corner: tuple[int, int], width: int) -> None:
    """The bar of a scale, and round values beneath."""
    (left, top), pen, font = corner, ImageDraw.Draw(image), typeface(17)
    bar = np.broadcast_to(scale.bar(width), (22, width, 3))
    image.paste(Image.fromarray(np.ascontiguousarray(bar)), (left, top))
    if scale.ends:
        pen.text((left + 8, top + 11), scale.ends[0], PAPER, font, anchor="lm")
        pen.text((left + width - 8, top + 11), scale.ends[1], PAPER, font, anchor="rm")
    for value, label in _ticks(scale, width):
        share = (value - scale.low) / (scale.high - scale.low)
        across = left + round(share * (width - 1))
        pen.line((across, top + 22, across, top + 27), QUIET)
        pen.text(
            (across, top + 30), label, QUIET, font, anchor="la" if share < 0.02 else "ra" if share > 0.98 else "ma"
        )


def _ticks(scale: Scale, width: int) -> list[tuple[float, str]]:
    """As many round values as stand beside each other without touching."""
    wanted = (scale.ticks(count) for count in (4, 3, 2, 1))
    fitting = (ticks for ticks in wanted if sum(typeface(17).getlength(f"{label}   ") for _, label in ticks) <= width)
    return next(fitting, [])


def draw_foot(image: Image.Image, prose: Sequence[str], footer: str, top: int) -> None:
    """How to read the maps, and how they were made."""
    pen, width = ImageDraw.Draw(image), image.width - 2 * MARGIN
    for line, sentence in enumerate(prose):
        pen.text((MARGIN, top + line * LINE), sentence, INK, typeface(20))
    below = top + len(prose) * LINE + 12
    pen.line((MARGIN, below - 4, image.width - MARGIN, below - 4), RULE)
    pen.text((MARGIN, below + 8), shorten(footer, typeface(18), width), QUIET, typeface(18))


@cache
def typeface(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
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


def wrap(prose: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """Break prose into lines that are at most so wide."""
    lines: list[str] = []
    for word in prose.split():
        if lines and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] = f"{lines[-1]} {word}"
        else:
            lines.append(word)
    return lines
