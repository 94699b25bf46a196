"""Looking into figures: their texts, their images, and the pixels of a page."""

import io
from types import ModuleType

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from seewhy.plots.figures import png
from seewhy.results.report_data import Photo

EDGE = 20
"""Pixels at the edge of a page that stay free."""


def kept(monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> list[Figure]:
    """Return the list to which figures are added that a module makes, instead of being turned into bytes."""
    figures: list[Figure] = []

    def keep(figure: Figure) -> bytes:
        figures.append(figure)
        return b""

    monkeypatch.setattr(module, "png", keep)
    return figures


def shown(figure: Figure) -> list[Text]:
    """Return all texts that a figure shows."""
    figure.draw_without_rendering()
    return [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_visible() and text.get_text()]


def words(figure: Figure) -> str:
    """Return what a figure says, in one line."""
    return " | ".join(text.get_text() for text in shown(figure))


def cut_off(figure: Figure) -> list[str]:
    """Return the texts that reach into the edge of the page or beyond."""
    inner = figure.bbox.padded(-EDGE)
    boxes = {text.get_text(): text.get_window_extent() for text in shown(figure)}
    return [
        word
        for word, box in boxes.items()
        if box.x0 < inner.x0 or box.x1 > inner.x1 or box.y0 < inner.y0 or box.y1 > inner.y1
    ]


def overlapping(figure: Figure) -> list[tuple[str, str]]:
    """Return the pairs of texts that lie over each other."""
    boxes = [(text.get_text(), text.get_window_extent().padded(-1)) for text in shown(figure)]
    return [
        (one, other)
        for place, (one, box) in enumerate(boxes)
        for other, second in boxes[place + 1 :]
        if box.overlaps(second)
    ]


def image_axes(figure: Figure) -> list[Axes]:
    """Return the axes of photos and maps, and not those of colour bars, which are low and wide."""
    return [axes for axes in figure.axes if axes.images and not axes.xaxis.get_ticklabels()]


def pixels(page: bytes | Figure) -> Photo:
    """Return a page as an array."""
    content = png(page) if isinstance(page, Figure) else page
    array: Photo = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    return array


def image_pixels(figure: Figure, place: int) -> Photo:
    """Return what one of the `image_axes` shows, cut out of the page."""
    box, page = image_axes(figure)[place].get_window_extent(), pixels(figure)
    top, bottom = round(len(page) - box.y1), round(len(page) - box.y0)
    return page[top:bottom, round(box.x0) : round(box.x1)]
