"""Samples and curves of generators in training."""

import math

import numpy as np
import pytest
from matplotlib.figure import Figure

from reading_figures import cut_off, image_axes, kept, words
from seewhy.plots import generated


def epoch(step: int, **figures: float) -> dict[str, float]:
    """An evaluation whose every other figure is the same, but for the cycle, which was not measured."""
    names = ("flip", "stable", "change", "kept", "loss", "critic", "held_out")
    return dict.fromkeys(names, 0.5) | {"cycle": math.nan, "cycled": math.nan, "step": step} | figures


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are drawn, before they become bytes."""
    return kept(monkeypatch, generated)


def test_curves_stand_at_their_epochs(figures: list[Figure]) -> None:
    """Rates, differences and losses over epochs; what is NaN throughout has no curve."""
    generated.curves_png([epoch(100, flip=0.25), epoch(200, flip=0.75)], 100)
    rates, differences, losses = figures[0].axes
    assert rates.lines[0].get_xdata().tolist() == [1, 2]  # type: ignore[union-attr]
    assert rates.lines[0].get_ydata().tolist() == [0.25, 0.75]  # type: ignore[union-attr]
    assert [len(axes.lines) for axes in (rates, differences, losses)] == [2, 2, 3]
    assert "generators, held out" in words(figures[0])


def test_samples_stand_in_rows(figures: list[Figure]) -> None:
    """Each image in its own shape and order, with a gap of a pixel, beside the name of its row; nothing is cut off."""
    shades = np.linspace(0, 1, 5)[:, None, None, None] * np.ones((1, 3, 4, 8))
    generated.samples_png({"3 to 8": {"input": shades, "stable": 1 - shades}}, "epoch 2")
    (axes,) = image_axes(figures[0])
    picture = np.asarray(axes.images[0].get_array())
    assert picture[::5, ::9, 0].tolist() == [[0, 64, 128, 191, 255], [255, 191, 128, 64, 0]]
    left, right, bottom, top = axes.images[0].get_extent()
    assert picture.shape[1] / picture.shape[0] == pytest.approx((right - left) / (bottom - top), rel=0.1)
    for part in ("epoch 2", "3 to 8", "input", "stable"):
        assert part in words(figures[0])
    assert cut_off(figures[0]) == []


def test_the_same_bytes_every_time() -> None:
    """Neither sheet nor curves depend on anything but what is shown."""
    block = {"3 to 8": {"input": np.zeros((2, 3, 28, 28))}}
    assert generated.samples_png(block, "epoch 1") == generated.samples_png(block, "epoch 1")
    assert generated.curves_png([epoch(100)], 100) == generated.curves_png([epoch(100)], 100)
