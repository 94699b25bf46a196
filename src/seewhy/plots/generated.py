"""What the training of counterfactual generators looks like: a sheet of samples, and curves."""

import math
from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from seewhy.plots.charts import COLOURS, panels, title
from seewhy.plots.figures import HEADLINE, LEADING, QUIET, TEXT, TITLE, page, place_axes, png, style, write, write_lines
from seewhy.plots.layout import MARGIN
from seewhy.plots.overlay import resize
from seewhy.plots.typesetting import shorten, wrap
from seewhy.results.report_data import Photo

Images = Float[np.ndarray, "n 3 h w"]
"""Images beside each other, in [0, 1]."""

Block = Mapping[str, Images]
"""Name of a row → its images."""

_TILE, _BETWEEN, _NAME, _NARROWEST = 64.0, 4.0, 100.0, 380.0
_BLOCK_TITLE, _BLOCK_GAP = 24.0, 16.0
_PIXELS = 2


@runtime_checkable
class Evaluation(Protocol):
    """The figures of generators after one epoch, on held-out images; rates and errors are those of the worse direction."""

    @property
    def step(self) -> int:
        """Iterations so far."""

    @property
    def flip(self) -> float:
        """Share of adversarial images that are predicted as the other class."""

    @property
    def stable(self) -> float:
        """Share of stable images that keep their class."""

    @property
    def cycle(self) -> float:
        """Share of reconstructions that keep their class; NaN where there are none."""

    @property
    def change(self) -> float:
        """Mean absolute difference of the adversarial image from the input."""

    @property
    def kept(self) -> float:
        """Mean absolute difference of the stable image from the input."""

    @property
    def cycled(self) -> float:
        """Mean absolute difference of the reconstruction from the input; NaN where there are none."""

    @property
    def loss(self) -> float:
        """Of the generators in training."""

    @property
    def critic(self) -> float:
        """Of the critics in training."""

    @property
    def held_out(self) -> float:
        """Of the generators on held-out images."""


_PANELS = (
    (
        "Share of held-out images",
        (("flip", "adversarial: flips"), ("stable", "stable: keeps"), ("cycle", "reconstruction")),
    ),
    ("Difference from the input", (("change", "adversarial"), ("kept", "stable"), ("cycled", "reconstruction"))),
    ("Loss", (("loss", "generators"), ("critic", "critics"), ("held_out", "generators, held out"))),
)


def curves_png(evaluations: Sequence[Evaluation], length: int) -> bytes:
    """Draw rates, differences and losses against epochs as a PNG file.

    Args:
        evaluations: one for each epoch.
        length: iterations per epoch.

    Returns:
        The same bytes for the same evaluations.
    """
    epochs = [each.step / length for each in evaluations]
    with style():
        figure, axes = panels(len(_PANELS))
        for panel, (name, curves) in zip(axes, _PANELS, strict=True):
            title(panel, name)
            panel.set_xlabel("epoch")
            for colour, (field, label) in zip(COLOURS, curves, strict=False):
                values = [float(getattr(each, field)) for each in evaluations]
                if any(map(math.isfinite, values)):
                    panel.plot(epochs, values, marker="o", markersize=3.5, color=colour, label=label)
            if panel.has_data():
                panel.legend()
        axes[0].set_ylim(0, 1.02)
    return png(figure)


def samples_png(blocks: Mapping[str, Block], heading: str) -> bytes:
    """Draw rows of images that belong together column by column, as a PNG file.

    Args:
        blocks: title of a block → its rows; those of a block have the same number of images.
        heading: heading of the sheet.

    Returns:
        The same bytes for the same images.
    """
    columns = max((len(row) for rows in blocks.values() for row in rows.values()), default=0)
    width = max(_NARROWEST, _NAME + columns * (_TILE + _BETWEEN))
    lines = wrap(heading, HEADLINE, width, bold=True, most=2)
    top = MARGIN + len(lines) * HEADLINE * LEADING + _BLOCK_GAP
    body = sum(_height(rows) + _BLOCK_GAP for rows in blocks.values())
    with style():
        figure = page(width + 2 * MARGIN, top + body + MARGIN - _BLOCK_GAP)
        write_lines(figure, MARGIN, MARGIN, lines, size=HEADLINE, bold=True)
        for name, rows in blocks.items():
            write_lines(figure, MARGIN, top, [shorten(name, TITLE, width, bold=True)], size=TITLE, bold=True)
            _draw_rows(figure, rows, top + _BLOCK_TITLE)
            top += _height(rows) + _BLOCK_GAP
    return png(figure)


def _height(rows: Block) -> float:
    """Return the height of a block, points."""
    return _BLOCK_TITLE + sum(_fit(images)[0] + _BETWEEN for images in rows.values())


def _fit(images: Images) -> tuple[float, float]:
    """Return the height and width of an image, points."""
    height, width = images.shape[2:]
    scale = _TILE / max(height, width)
    return max(1.0, height * scale), max(1.0, width * scale)


def _draw_rows(figure: Figure, rows: Block, top: float) -> None:
    """Draw one block: names at the left, images beside them."""
    for name, images in rows.items():
        height, width = _fit(images)
        label = shorten(name, TEXT, _NAME - 8)
        write(figure, MARGIN, top + height / 2 + TEXT / 3, label, colour=QUIET)
        for column, image in enumerate(images):
            axes = place_axes(figure, MARGIN + _NAME + column * (_TILE + _BETWEEN), top, width, height)
            shown = resize(_pixels(image), round(_PIXELS * height), round(_PIXELS * width))
            axes.imshow(shown, aspect="auto", interpolation="nearest")
        top += height + _BETWEEN


def _pixels(image: Float[np.ndarray, "3 h w"]) -> Photo:
    """Bring an image to 8 bits, colours last."""
    pixels: Photo = np.ascontiguousarray((image.clip(0, 1) * 255).round().astype(np.uint8).transpose(1, 2, 0))
    return pixels
