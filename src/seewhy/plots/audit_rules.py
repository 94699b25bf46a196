"""How often rules about a classifier fail: the error over the strength, and the strongest counter-examples."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from seewhy.plots.charts import panels, title
from seewhy.plots.figures import ACCENT, QUIET, png, style
from seewhy.plots.sheets import Heading, Row, Tile, section, sheet
from seewhy.results.audit_rules import CounterExample, RuleResult
from seewhy.results.report_data import Photo

_COLUMNS = 2
_PAIR, _TALLEST = 330.0, 240.0
"""Width and largest height of two images beside each other, points."""


def curves_png(rules: Sequence[RuleResult]) -> bytes:
    """Draw the error of each rule over its strength as a PNG file, with 95 % intervals; a rule that was never tested has none."""
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
    axes.errorbar(places, errors, reach, fmt="o-", color=ACCENT, capsize=3, markersize=5, clip_on=False, zorder=3)
    axes.set_xticks(places, [f"{strength:g}" if rule.unit else "" for strength in strengths])
    axes.set_xlim(-0.5, len(rows) - 0.5)


def examples_png(examples: Mapping[str, Sequence[CounterExample]]) -> bytes:
    """Draw the strongest counter-examples of each rule as a PNG file: before and after, with the predictions."""
    blocks: list[Row | Heading] = []
    for rule, shown in examples.items():
        blocks.append(section(rule, "" if shown else "No tested image contradicts this rule.", _PAIR))
        blocks += [_row(shown[start : start + _COLUMNS]) for start in range(0, len(shown), _COLUMNS)]
    return png(sheet(blocks))


def _row(examples: Sequence[CounterExample]) -> Row:
    """Return counter-examples beside each other, as high as the highest."""
    pairs = [_pair(example) for example in examples]
    height = min(_TALLEST, max(_PAIR * len(pair) / pair.shape[1] for pair in pairs))
    tiles = [_tile(example, pair) for example, pair in zip(examples, pairs, strict=True)]
    return Row(tiles, height, _PAIR)


def _pair(example: CounterExample) -> Photo:
    """Return before and after side by side, with white between them."""
    between = max(1, round(0.03 * example.before.shape[1]))
    padded = np.pad(example.before, ((0, 0), (0, between), (0, 0)), constant_values=255)
    return np.hstack([padded, example.after])


def _tile(example: CounterExample, pair: Photo) -> Tile:
    """Return a pair of images below its predictions."""
    (before, p), (after, q) = example.predicted, example.predicted_after

    def draw(axes: Axes) -> None:
        axes.spines[:].set_visible(False)
        axes.imshow(pair)

    return Tile(f"{before} {p:.2f} → {after} {q:.2f}", f"{example.file} · strength {example.strength:g}", draw)
