"""What the training of counterfactual generators looks like: a sheet of samples, and curves."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

from seewhy.plots.charts import COLOURS, panels, title
from seewhy.plots.figures import QUIET, fit, png, style
from seewhy.plots.sheets import Row, Tile, sheet
from seewhy.results.report_data import Photo

Images = Float[np.ndarray, "n 3 h w"]
"""Images beside each other, in [0, 1]."""

Block = Mapping[str, Images]
"""Name of a row → its images."""

_TILE, _NAME = 68.0, 100.0
"""Longer side of an image with the gap beside it, and width of the names of the rows, points."""


_PANELS = (
    (
        "Share of held-out images",
        (("flip", "adversarial: flips"), ("stable", "stable: keeps"), ("cycle", "reconstruction")),
    ),
    ("Difference from the input", (("change", "adversarial"), ("kept", "stable"), ("cycled", "reconstruction"))),
    ("Loss", (("loss", "generators"), ("critic", "critics"), ("held_out", "generators, held out"))),
)


def curves_png(evaluations: Sequence[Mapping[str, float]], length: int) -> bytes:
    """Draw rates, differences and losses against epochs as a PNG file.

    Args:
        evaluations: for each epoch the iterations so far (`step`) and the figures, NaN for what was not measured.
        length: iterations per epoch.
    """
    epochs = [each["step"] / length for each in evaluations]
    with style():
        figure, axes = panels(len(_PANELS))
        for panel, (name, curves) in zip(axes, _PANELS, strict=True):
            title(panel, name)
            panel.set_xlabel("epoch")
            for colour, (field, label) in zip(COLOURS, curves, strict=False):
                values = [each[field] for each in evaluations]
                if any(map(math.isfinite, values)):
                    panel.plot(epochs, values, marker="o", markersize=3.5, color=colour, label=label)
            if panel.has_data():
                panel.legend()
        axes[0].set_ylim(0, 1.02)
    return png(figure)


def samples_png(blocks: Mapping[str, Block], heading: str) -> bytes:
    """Draw rows of images that belong together column by column, as a PNG file.

    Args:
        blocks: title of a block → its rows; those of a block have the same number of images, all of one size.
        heading: heading of the sheet.
    """
    return png(sheet([_row(title, block) for title, block in blocks.items()], title=heading))


def _row(title: str, block: Block) -> Row:
    """Return a block as one picture, with the names of its rows at the left."""
    picture = np.concatenate([np.concatenate(_framed(images), axis=1) for images in block.values()])
    count, _, *sides = next(iter(block.values())).shape
    height = len(block) * _TILE * sides[0] / max(sides)
    width = _NAME + count * _TILE * sides[1] / max(sides)

    def draw(axes: Axes) -> None:  # a unit of the axes is a point
        axes.spines[:].set_visible(False)
        axes.imshow(picture, extent=(_NAME, width, height, 0), aspect="auto")
        axes.set_xlim(0, width)
        for place, name in enumerate(block):
            (line,) = fit(name, width=_NAME - 8, most=1)
            axes.text(0, height * (place + 0.46) / len(block), line.text, color=QUIET, va="center")

    return Row([Tile(title, "", draw)], height, width)


def _framed(images: Images) -> list[Photo]:
    """Bring images to 8 bits, colours last, each with white at its right and below it."""
    gap = max(1, round(0.06 * max(images.shape[2:])))
    padded = np.pad(images.clip(0, 1), ((0, 0), (0, 0), (0, gap), (0, gap)), constant_values=1)
    return list((255 * padded).round().astype(np.uint8).transpose(0, 2, 3, 1))
