"""How often rules about a classifier fail: the error over the strength, and the strongest counter-examples."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seewhy.plots.charts import panels, title
from seewhy.plots.figures import ACCENT, QUIET, TEXT, page, png, style, write_lines
from seewhy.plots.layout import GAP, MARGIN, ROW_GAP, Grid
from seewhy.plots.overlay import resize
from seewhy.plots.tiles import Heading, Tile, draw_tiles, fit_headings
from seewhy.plots.typesetting import wrap
from seewhy.results.audit_rules import CounterExample, RuleResult
from seewhy.results.report_data import Photo

_COLUMNS = 2
_WIDE, _TALLEST, _BETWEEN = 330.0, 240.0, 4.0
_RULE_SIZE = 15.0
_RULE, _BETWEEN_RULES = 30.0, 32.0
_NONE = "No tested image contradicts this rule."
_PIXELS = 2


def curves_png(rules: Sequence[RuleResult]) -> bytes:
    """Draw the error of each rule over its strength as a PNG file, with 95 % intervals.

    Args:
        rules: at least one; a rule that was never tested has an empty panel.

    Returns:
        The same bytes for the same rules.
    """
    with style():
        figure, axes = panels(len(rules))
        for panel, rule in zip(axes, rules, strict=True):
            title(panel, rule.spec)
            panel.set_ylim(0, 1)
            panel.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
            panel.set_ylabel("images that contradict the rule")
            panel.set_xlabel(f"strength, {rule.unit}" if rule.unit else "")
            _draw(panel, rule)
    return png(figure)


def _draw(axes: Axes, rule: RuleResult) -> None:
    """Draw points with their intervals; strengths stand at even distances, since they grow by factors."""
    rows = [
        (result.strength, rate.error, rate.low, rate.high)
        for result in rule.strengths
        if (rate := result.rate).error is not None
    ]
    if not rows:
        axes.set_xticks([])
        axes.text(0.5, 0.5, "not tested", transform=axes.transAxes, ha="center", va="center", color=QUIET)
        return
    strengths, errors, lows, highs = np.array(rows, dtype=np.float64).T
    places = np.arange(len(rows))
    reach = np.clip([errors - lows, highs - errors], 0, None)
    axes.errorbar(places, errors, reach, fmt="o-", color=ACCENT, capsize=3, markersize=5, clip_on=False)
    axes.set_xticks(places, [f"{strength:g}" if rule.unit else "" for strength in strengths])
    axes.set_xlim(-0.5, len(rows) - 0.5)


def examples_png(examples: Mapping[str, Sequence[CounterExample]]) -> bytes:
    """Draw the strongest counter-examples of each rule as a PNG file: before and after, with the predictions.

    Args:
        examples: rule → its counter-examples, the strongest first.

    Returns:
        The same bytes for the same examples.
    """
    blocks = [_Block(rule, tuple(_rows(some))) for rule, some in examples.items()]
    width = _COLUMNS * (_WIDE + GAP) - GAP
    with style():
        body = sum(block.height + _BETWEEN_RULES for block in blocks) - _BETWEEN_RULES
        figure, top = page(width + 2 * MARGIN, 2 * MARGIN + body), MARGIN
        for block in blocks:
            _draw_block(figure, block, top, width)
            top += block.height + _BETWEEN_RULES
    return png(figure)


@dataclass(frozen=True)
class _Row:
    """Two counter-examples beside each other, or one.

    Args:
        tiles: the counter-examples.
        headings: above them.
        grid: as high as the higher of the two.
    """

    tiles: Sequence[Tile]
    headings: Sequence[Heading]
    grid: Grid


@dataclass(frozen=True)
class _Block:
    """A rule with its counter-examples in rows.

    Args:
        rule: Spec.
        rows: from top to bottom.
    """

    rule: str
    rows: tuple[_Row, ...]

    @property
    def height(self) -> float:
        """Of the rule and its rows, points."""
        return _RULE + (sum(row.grid.full_height + ROW_GAP for row in self.rows) - ROW_GAP if self.rows else 2 * TEXT)


def _rows(examples: Sequence[CounterExample]) -> Iterator[_Row]:
    """Yield the counter-examples of a rule in rows."""
    for start in range(0, len(examples), _COLUMNS):
        some = examples[start : start + _COLUMNS]
        tall = max(_pair_size(example)[0] for example in some)
        tiles = [_tile(example) for example in some]
        grid, headings = fit_headings(Grid(len(some), _COLUMNS, tall, _WIDE, bar=0.0), tiles)
        yield _Row(tiles, headings, grid)


def _draw_block(figure: Figure, block: _Block, top: float, width: float) -> None:
    """Write the rule, and draw its rows below."""
    name = wrap(block.rule, _RULE_SIZE, width, bold=True, most=1)
    write_lines(figure, MARGIN, top, name, size=_RULE_SIZE, bold=True)
    top += _RULE
    if not block.rows:
        write_lines(figure, MARGIN, top - 4, [_NONE], colour=QUIET)
    for row in block.rows:
        draw_tiles(figure, row.tiles, row.headings, row.grid, (MARGIN, top))
        top += row.grid.full_height + ROW_GAP


def _pair_size(example: CounterExample) -> tuple[float, float]:
    """Return the height and width of one of the two images, points."""
    height, width = example.before.shape[:2]
    scale = min((_WIDE - _BETWEEN) / 2 / width, _TALLEST / height)
    return max(1.0, height * scale), max(1.0, width * scale)


def _tile(example: CounterExample) -> Tile:
    """Return before and after side by side, below the predictions."""
    (before, p), (after, q) = example.predicted, example.predicted_after
    strength = f"strength {example.strength:g}"
    return Tile(
        f"{before} {p:.2f} → {after} {q:.2f}", f"{example.file} · {strength}", lambda axes: _show(axes, example)
    )


def _show(axes: Axes, example: CounterExample) -> None:
    """Draw both images at the top left of a tile. One unit of the axes is a pixel of the page."""
    box = axes.get_window_extent()
    height, width = (round(_PIXELS * side) for side in _pair_size(example))
    axes.spines[:].set_visible(False)
    for place, pixels in enumerate((example.before, example.after)):
        left = place * (width + round(_PIXELS * _BETWEEN))
        shown: Photo = resize(pixels, height, width)
        axes.imshow(shown, extent=(left, left + width, height, 0), interpolation="nearest")
    axes.set(xlim=(0, box.width), ylim=(box.height, 0))
