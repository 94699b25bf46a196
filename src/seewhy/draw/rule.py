"""Rules about a classifier, drawn: the error over the strength, and the worst counter-examples before and after."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from seewhy.draw.page import (
    GAP,
    INK,
    MARGIN,
    PAPER,
    QUIET,
    Grid,
    Tile,
    draw_tile,
    png,
    resize,
    shorten,
    typeface,
)
from seewhy.draw.scene import Picture

_COLUMNS = 2
_WIDE = 660
_BETWEEN = 8
_HEADING = 60
_NONE = "No tested picture contradicts it."


@dataclass(frozen=True)
class Curve:
    """The error of one rule.

    Args:
        title: the rule.
        unit: of its strength; empty where it has none.
        points: strength, error, and the two ends of the error's interval.
    """

    title: str
    unit: str
    points: tuple[tuple[float, float, float, float], ...]


@dataclass(frozen=True, eq=False)
class Example:
    """A picture that contradicts a rule.

    Args:
        file: its name.
        strength: of the change.
        before: what the classifier was shown.
        after: the changed picture.
        said: the likeliest class before, and its probability.
        said_after: the likeliest class after, and its probability.
        badness: how strongly it contradicts the rule; the greatest are shown first.
    """

    file: str
    strength: float
    before: Picture
    after: Picture
    said: tuple[str, float]
    said_after: tuple[str, float]
    badness: float


def curves_png(curves: Sequence[Curve]) -> bytes:
    """Draw the error of each rule over its strength, with 95 % intervals, one panel a rule.

    Args:
        curves: at least one; a rule that was never tested has no points and an empty panel.

    Returns:
        a PNG file.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - the package's import stays light

    columns = min(3, len(curves))
    rows = -(-len(curves) // columns)
    figure = Figure(figsize=(4.2 * columns, 3.2 * rows), dpi=120, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).flatten()
    for panel, curve in zip(panels, curves, strict=False):
        panel.set_title(curve.title, fontsize=10)
        panel.set_ylim(0, 1)
        panel.set_ylabel("share of pictures that break it", fontsize=8)
        panel.set_xlabel(curve.unit, fontsize=8)
        panel.grid(axis="y", color="#dadce0", linewidth=0.6)
        _plot(panel, curve)
    for empty in panels[len(curves) :]:
        empty.set_axis_off()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _plot(panel: object, curve: Curve) -> None:
    """Points with their intervals; strengths stand at even distances, for they grow by factors."""
    if not curve.points:
        return
    strengths, errors, lows, highs = map(np.array, zip(*curve.points, strict=True))
    places = np.arange(len(strengths))
    reach = np.clip([errors - lows, highs - errors], 0, None)
    panel.errorbar(places, errors, reach, fmt="o-", color="#1c5d99", capsize=3, markersize=4)  # type: ignore[attr-defined]
    panel.set_xticks(places, [f"{strength:g}" for strength in strengths] if curve.unit else [""])  # type: ignore[attr-defined]
    panel.set_xlim(-0.5, len(places) - 0.5)  # type: ignore[attr-defined]


def examples_png(examples: Mapping[str, Sequence[Example]]) -> bytes:
    """Draw the worst counter-examples of each rule: before, after, and what the classifier said.

    Args:
        examples: rule → its counter-examples, the worst first.

    Returns:
        a PNG file; the same bytes for the same examples.
    """
    blocks = [(rule, [_tile(example) for example in some]) for rule, some in examples.items()]
    grids = [_grid(tiles) for _, tiles in blocks]
    heights = [_HEADING + (grid.height if grid.count else 40) for grid in grids]
    width = 2 * MARGIN + _COLUMNS * (_WIDE + GAP) - GAP
    image = Image.new("RGB", (width, 2 * MARGIN + sum(heights)), PAPER)
    top = MARGIN
    for (rule, tiles), grid, height in zip(blocks, grids, heights, strict=True):
        _draw_block(image, rule, tiles, grid, top)
        top += height
    return png(image)


def _grid(tiles: Sequence[Tile]) -> Grid:
    """Tiles in rows of two, as high as the highest."""
    tall = max((tile.picture.shape[0] for tile in tiles), default=0)
    return Grid(len(tiles), _COLUMNS, (tall, _WIDE))


def _draw_block(image: Image.Image, rule: str, tiles: Sequence[Tile], grid: Grid, top: int) -> None:
    """A rule's name and its counter-examples."""
    pen = ImageDraw.Draw(image)
    pen.text(
        (MARGIN, top), shorten(rule, typeface(30, bold=True), image.width - 2 * MARGIN), INK, typeface(30, bold=True)
    )
    if not tiles:
        pen.text((MARGIN, top + 44), _NONE, QUIET, typeface(21))
    for place, tile in enumerate(tiles):
        row, column = divmod(place, _COLUMNS)
        draw_tile(image, tile, grid, MARGIN + column * (_WIDE + GAP), top + _HEADING + row * grid.step)


def _tile(example: Example) -> Tile:
    """Before and after side by side, under what was said of them."""
    side = (_WIDE - _BETWEEN) // 2
    height = round(side * example.before.shape[0] / example.before.shape[1])
    gap = np.full((height, _BETWEEN, 3), 255, np.uint8)
    pair = np.concatenate([resize(example.before, height, side), gap, resize(example.after, height, side)], axis=1)
    (before, p), (after, q) = example.said, example.said_after
    return Tile(f"{before} {p:.2f} → {after} {q:.2f}", f"{example.file} · strength {example.strength:g}", pair)
