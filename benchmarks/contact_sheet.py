"""What do in-fills look like? One sheet shows hidden patches of some photos and how each in-fill replaces them.

Protocol: ten windows of each photo's view are chosen by a seed, among the two fifths of all positions with the highest
contrast inside the window, each new one far from the previous ones. Every tile shows the window with its ring, 3K × 3K
pixels, enlarged without smoothing. A deterministic in-fill has one tile. With five in-fills, a PNG file has about 400
kB, and a lossless WebP file about 270 kB.

``python benchmarks/contact_sheet.py PHOTO... --out sheet.png [--infill SPEC]... [--size 8] [--windows 10] [--samples
8]``
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import click
import matplotlib as mpl
import numpy as np
import torch
from common import Row, build_infills, classifier_option, compared_option, json_option, publish
from jaxtyping import Float, Int, UInt8
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image, ImageDraw, ImageFont
from questions import removed
from torch import Tensor

import seewhy
from seewhy.core.infill import Infill
from seewhy.images.open import open_image
from seewhy.images.view import apply_view

PAPER, INK, QUIET, MARK = (255, 255, 255), (28, 30, 33), (95, 99, 104), (255, 214, 10)
MARGIN, GAP, ROOM, HEAD = 36, 4, 16, 26
"""Pixels around the sheet, between tiles, between in-fills, and for a line of text."""

TILE = 48
"""Approximate width of a tile, in pixels."""

STEP = 5
"""Grey levels, out of 255, are rounded to multiples of this."""

Tile = UInt8[np.ndarray, "a b 3"]


@dataclass(frozen=True, eq=False)
class Section:
    """One photo: its view, its windows, and the tiles of each window by column."""

    name: str
    view: Tile
    positions: Int[np.ndarray, "m 2"]
    rows: list[dict[str, list[Tile]]]


def choose(image: Float[Tensor, "3 h w"], size: int, count: int, seed: int) -> Int[np.ndarray, "m 2"]:
    """Choose windows with some contrast, far from each other, whose ring lies inside the image, in row order."""
    ringed = image.mean(0).numpy()[size:-size, size:-size]
    contrast = sliding_window_view(ringed, (size, size)).std((2, 3))
    places = np.argwhere(contrast >= np.quantile(contrast, 0.6)) + size
    rng = np.random.default_rng(seed)
    chosen = [rng.choice(places)]
    while len(chosen) < count:
        offered = rng.choice(places, 32)
        gaps = np.linalg.norm(offered[:, None] - np.array(chosen), axis=2).min(1)
        chosen.append(offered[gaps.argmax()])
    return np.array(sorted(map(tuple, chosen)))


def levels(picture: Float[Tensor, "3 a b"]) -> Tile:
    """Convert an image to 8-bit pixels."""
    pixels: Tile = (picture * 255).round().byte().permute(1, 2, 0).numpy()
    return pixels


def section(
    classifier: seewhy.Classifier, photo: Path, infills: Mapping[str, Infill], *, size: int, windows: int, samples: int
) -> Section:
    """Choose the windows of a photo and fill them in."""
    image, _ = apply_view(open_image(photo), classifier.view)
    height, width = image.shape[1:]
    positions = choose(image, size, windows, seed=0)
    rows = []
    for position in torch.from_numpy(positions):
        top, left = (position - size).tolist()
        here = (slice(None), slice(top, top + 3 * size), slice(left, left + 3 * size))
        hidden = levels(image[here]).copy()
        hidden[size : 2 * size, size : 2 * size] = PAPER
        row = {"removed": [hidden], "truth": [levels(image[here])]}
        for name, infill in infills.items():
            keep, seeds = removed(position[None], samples if infill.stochastic else 1, size, (height, width))
            row[name] = [levels(filled[here]) for filled in infill(image, keep, seeds)]
        rows.append(row)
    return Section(photo.stem, levels(image), positions, rows)


@cache
def font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Return the typeface bundled with matplotlib, laid out identically on every machine."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    path = Path(mpl.get_data_path()) / "fonts" / "ttf" / name
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)


def columns(row: Mapping[str, Sequence[Tile]], tile: int, start: int) -> tuple[dict[str, int], int]:
    """Return where each column begins, none narrower than its name, and where the last one ends."""
    begins = {}
    for name, tiles in row.items():
        begins[name] = start
        start += max(len(tiles) * (tile + GAP) - GAP, round(font(14).getlength(name))) + ROOM
    return begins, start - ROOM


def draw_view(shown: Section, size: int, zoom: int) -> Image.Image:
    """Draw a photo's view with its windows outlined and numbered."""
    height, width = shown.view.shape[:2]
    image = Image.fromarray(shown.view).resize((width * zoom, height * zoom), Image.Resampling.NEAREST)
    pen = ImageDraw.Draw(image)
    for number, (top, left) in enumerate(shown.positions * zoom, 1):
        right, bottom = left + size * zoom, top + size * zoom
        pen.rectangle((left - 3, top - 3, right + 2, bottom + 2), outline=INK)
        pen.rectangle((left - 2, top - 2, right + 1, bottom + 1), outline=MARK)
        beside, anchor = (right + 6, "la") if right + 30 < image.width else (left - 6, "ra")
        pen.text((beside, top - 3), str(number), MARK, font(15, bold=True), anchor, stroke_width=2, stroke_fill=INK)
    return image


def draw_tiles(sheet: Image.Image, shown: Section, begins: Mapping[str, int], top: int, tile: int) -> None:
    """Draw the windows of a photo, one row each, under the columns' names."""
    pen = ImageDraw.Draw(sheet)
    for number, row in enumerate(shown.rows, 1):
        pen.text((min(begins.values()) - 10, top + tile // 2), str(number), QUIET, font(14), anchor="rm")
        for name, tiles in row.items():
            for place, pixels in enumerate(tiles):
                large = Image.fromarray(pixels).resize((tile, tile), Image.Resampling.NEAREST)
                sheet.paste(large, (begins[name] + place * (tile + GAP), top))
        top += tile + GAP


def draw_sheet(sections: Sequence[Section], size: int) -> Image.Image:
    """Stack the sections, with the view on the left and its windows in rows on the right."""
    tile = 3 * size * max(1, round(TILE / (3 * size)))
    views = [draw_view(shown, size, zoom=2) for shown in sections]
    begins, end = columns(sections[0].rows[0], tile, MARGIN + max(view.width for view in views) + 2 * ROOM + HEAD)
    rows = len(sections[0].rows) * (tile + GAP)
    heights = [max(view.height + HEAD, rows) + 2 * ROOM for view in views]
    top = MARGIN + 3 * HEAD
    sheet = Image.new("RGB", (end + MARGIN, top + sum(heights) - 2 * ROOM + MARGIN), PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((MARGIN, MARGIN - 8), f"How in-fills replace {size} × {size} removed pixels", INK, font(24, bold=True))
    for name, left in begins.items():
        pen.text((left, top - 10), name, INK, font(14), anchor="ls")
    for shown, view, height in zip(sections, views, heights, strict=True):
        sheet.paste(view, (MARGIN, top))
        pen.text((MARGIN, top + view.height + 8), shown.name, QUIET, font(15))
        draw_tiles(sheet, shown, begins, top, tile)
        top += height
    return sheet


def save(sheet: Image.Image, out: Path) -> None:
    """Write the sheet with levels rounded to multiples of `STEP`: invisible, but the file is a third smaller."""
    rounded = np.rint(np.asarray(sheet) / STEP) * STEP
    Image.fromarray(rounded.astype(np.uint8)).save(out, optimize=True, lossless=True, quality=100, method=6)


@click.command()
@click.argument("photos", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="PNG or WebP file to write."
)
@classifier_option("efficientnet-lite0")
@compared_option
@click.option("--size", default=8, show_default=True, type=click.IntRange(min=1), help="Side K of a window, in pixels.")
@click.option("--windows", default=10, show_default=True, type=click.IntRange(min=1), help="Windows per photo.")
@click.option(
    "--samples", default=8, show_default=True, type=click.IntRange(min=1), help="Samples of a stochastic in-fill."
)
@json_option
def main(
    photos: tuple[Path, ...],
    *,
    out: Path,
    classifier: str,
    infills: tuple[str, ...],
    size: int,
    windows: int,
    samples: int,
    as_json: bool,
) -> None:
    """Draw how in-fills replace hidden patches."""
    model = seewhy.classifier(classifier)
    built = build_infills(infills, model)
    sections = [section(model, photo, built, size=size, windows=windows, samples=samples) for photo in photos]
    save(draw_sheet(sections, size), out)
    figures: Row = {
        "benchmark": "contact_sheet",
        "windows": {shown.name: shown.positions.tolist() for shown in sections},
        "kilobytes": round(out.stat().st_size / 1000),
        "protocol": (
            f"{len(photos)} photos, {model.view.describe()}; {windows} windows of {size} × {size} per photo, by seed 0 "
            f"among the two fifths of all positions with the highest contrast, far from each other; {samples} samples "
            "of a stochastic in-fill, with the seeds of pmi; tiles show 3 × the window, not smoothed, levels in "
            f"steps of {STEP}"
        ),
    }
    publish(figures, as_json=as_json)


if __name__ == "__main__":
    main()
