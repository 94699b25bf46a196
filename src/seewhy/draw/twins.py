"""What a training of generators looks like: a sheet of samples, and curves."""

import io
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw

from seewhy.draw.page import GAP, INK, MARGIN, PAPER, QUIET, png, resize, typeface

Row = Float[np.ndarray, "n 3 h w"]
"""Pictures beside each other, in [0, 1]."""

_TILE, _BETWEEN, _NAME = 112, 8, 150


def samples_png(blocks: Mapping[str, Mapping[str, Row]], title: str) -> bytes:
    """Draw rows of pictures that belong together column by column.

    Args:
        blocks: title of a block → name of a row → its pictures; those of a block are as many in each row.
        title: of the sheet.

    Returns:
        a PNG file.
    """
    columns = max(len(row) for rows in blocks.values() for row in rows.values())
    lines = sum(len(rows) for rows in blocks.values())
    width = 2 * MARGIN + _NAME + columns * (_TILE + _BETWEEN)
    height = 2 * MARGIN + 60 + lines * (_TILE + _BETWEEN) + len(blocks) * (GAP + 40)
    sheet = Image.new("RGB", (width, height), PAPER)
    pen, top = ImageDraw.Draw(sheet), MARGIN
    pen.text((MARGIN, top), title, INK, typeface(27, bold=True))
    top += 60
    for name, rows in blocks.items():
        pen.text((MARGIN, top), name, INK, typeface(21, bold=True))
        top += 40
        for label, pictures in rows.items():
            pen.text((MARGIN, top + _TILE // 2), label, QUIET, typeface(18), anchor="lm")
            for column, picture in enumerate(pictures):
                tile = resize(_pixels(picture), *_fitting(picture.shape[1:]))
                sheet.paste(Image.fromarray(tile), (MARGIN + _NAME + column * (_TILE + _BETWEEN), top))
            top += _TILE + _BETWEEN
        top += GAP
    return png(sheet)


def _fitting(size: Sequence[int]) -> tuple[int, int]:
    """Height and width of a tile."""
    height, width = size
    scale = _TILE / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def _pixels(picture: Float[np.ndarray, "3 h w"]) -> np.ndarray:
    """Bring a picture to 8 bits."""
    return np.ascontiguousarray((picture.clip(0, 1) * 255).round().astype(np.uint8).transpose(1, 2, 0))


_PANELS = (
    ("share of held-out pictures", ("flip", "stable", "cycle"), (0.0, 1.02)),
    ("mean absolute difference from the input", ("change", "kept", "cycled"), None),
    ("loss", ("loss", "critic", "held_out"), None),
)
_WORDS = {
    "flip": "adversarial flips",
    "stable": "stable stays",
    "cycle": "brought back",
    "change": "adversarial",
    "kept": "stable",
    "cycled": "brought back",
    "loss": "generators",
    "critic": "critics",
    "held_out": "generators, held out",
}


def curves_png(looks: Sequence[Mapping[str, float]], length: int) -> bytes:
    """Draw rates, differences and losses against epochs.

    Args:
        looks: one an epoch, as `seewhy.training.counterfactual.run.Look` has them.
        length: iterations an epoch.

    Returns:
        a PNG file.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - takes a while, and most runs draw no curves

    epochs = [seen["step"] / length for seen in looks]
    with mpl.rc_context({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(13.5, 3.8), dpi=110, layout="constrained")
        for panel, (title, names, limits) in zip(figure.subplots(1, len(_PANELS)), _PANELS, strict=True):
            for name in names:
                values = np.array([seen[name] for seen in looks], dtype=np.float64)
                if np.isfinite(values).any():
                    panel.plot(epochs, values, marker="o", markersize=3, label=_WORDS[name])
            panel.set_title(title, fontsize=11)
            panel.set_xlabel("epoch")
            panel.grid(visible=True, axis="y", color="0.92")
            panel.legend(frameon=False)
            if limits:
                panel.set_ylim(*limits)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png")
    return buffer.getvalue()
