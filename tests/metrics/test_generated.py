"""Metrics for generated images and true regions, against formulas and hand-computed values."""

import math

import numpy as np
import pytest
import torch

from games import Game
from seewhy.core.errors import RequestError
from seewhy.core.metric import MetricInput
from seewhy.core.probe import Probe
from seewhy.infills.plain import constant
from seewhy.metrics.cout import cout
from seewhy.metrics.localisation import iou_percentiles, ncc

SIDE = 10
REGION = np.zeros((SIDE, SIDE), bool)
REGION[2:4, 2:7] = True  # ten pixels


def probe() -> Probe:
    """Return a probe for a black image; class 1 has the fraction of white pixels as probability, scaled to 0.1 … 0.9."""

    def share(images: torch.Tensor) -> torch.Tensor:
        p = 0.1 + 0.8 * images.mean((1, 2, 3))
        return torch.stack([1 - p, p], 1).log()

    return Probe(Game(share), constant(value=0.0), torch.zeros(3, SIDE, SIDE))


def test_ncc_is_pearsons_formula() -> None:
    """The region itself scores 1; a constant map scores NaN."""
    values = np.random.default_rng(0).random((SIDE, SIDE)).astype(np.float32)
    x, y = values.astype(np.float64) - values.mean(dtype=np.float64), REGION - REGION.mean()
    expected = (x * y).sum() / math.sqrt((x * x).sum() * (y * y).sum())
    assert ncc(probe(), values, MetricInput(0, REGION)).value == pytest.approx(expected)
    assert ncc(probe(), 5 * REGION.astype(np.float32) - 2, MetricInput(0, REGION)).value == pytest.approx(1)
    assert math.isnan(ncc(probe(), np.ones((SIDE, SIDE), np.float32), MetricInput(0, REGION)).value)


def test_overlap_at_percentiles() -> None:
    """If the region of ten pixels is ranked first, k pixels overlap by k/10 up to ten, and by 10/k beyond."""
    found = iou_percentiles(probe(), REGION.astype(np.float32), MetricInput(0, REGION))
    taken = [30 - number for number in range(30)]
    assert found.value == pytest.approx(np.mean([min(k, 10) / max(k, 10) for k in taken]))
    assert found.curve is not None
    assert found.curve.y[20] == 1
    with pytest.raises(RequestError, match="start"):
        iou_percentiles(probe(), REGION.astype(np.float32), MetricInput(0, REGION), start=100)


def test_a_mostly_zero_map_does_not_select_the_full_image() -> None:
    """Only one pixel is highlighted; a threshold at the 70th percentile, 0, would select all hundred pixels."""
    values = np.zeros((SIDE, SIDE), np.float32)
    values[2, 2] = 1
    found = iou_percentiles(probe(), values, MetricInput(0, REGION), start=99)
    assert found.value == pytest.approx(0.1)


def counterfactual() -> np.ndarray:
    """Return an image that is white in the region, light gray in the upper left corner, and black elsewhere."""
    picture = np.zeros((3, SIDE, SIDE), np.float32)
    picture[:, REGION] = 1
    picture[:, 0, 0] = 0.5
    return picture


def test_cout_is_the_area_between_two_curves() -> None:
    """Pixels are replaced by the size of their change; all probabilities and trapezoids are computed by hand."""
    case = MetricInput(0, generated={"adversarial": counterfactual()})
    found = cout(probe(), np.zeros((SIDE, SIDE), np.float32), case, steps=100)
    white = [min(k, 10) + (0.5 if k > 10 else 0) for k in range(101)]
    difference = np.array([2 * (0.1 + 0.8 * w / 100) - 1 for w in white])
    assert found.curve is not None
    np.testing.assert_allclose(found.curve.y, difference, atol=1e-6)
    assert found.value == pytest.approx(np.trapezoid(difference, dx=0.01), abs=1e-6)


def test_cout_of_a_perfect_swap_is_one_and_of_none_minus_one() -> None:
    """The classifier uses one pixel, and the counterfactuals change that pixel first or not at all."""

    def one_pixel(images: torch.Tensor) -> torch.Tensor:
        return torch.stack([torch.zeros(len(images)).double(), 200 * images[:, 0, 3, 3] - 100], 1)

    asked = Probe(Game(one_pixel), constant(value=0.0), torch.zeros(3, SIDE, SIDE))
    swapped, missed = counterfactual(), counterfactual()
    missed[:, 3, 3] = 0
    maps = np.zeros((SIDE, SIDE), np.float32)
    maps[3, 3] = 1
    good = cout(asked, maps, MetricInput(0, generated={"counterfactual": swapped}), order="map", steps=100)
    assert good.value == pytest.approx(1 - 0.01)  # the first trapezoid
    late = cout(asked, -maps, MetricInput(0, generated={"counterfactual": swapped}), order="map", steps=100)
    assert late.value == pytest.approx(-1 + 0.01)
    assert cout(asked, maps, MetricInput(0, generated={"counterfactual": missed}), order="map").value == pytest.approx(
        -1
    )


def test_without_a_counterfactual_there_is_no_cout() -> None:
    """The value is NaN with a note and no query; other generated images are ignored."""
    asked = probe()
    found = cout(asked, np.zeros((SIDE, SIDE), np.float32), MetricInput(0, generated={"stable": counterfactual()}))
    assert math.isnan(found.value)
    assert found.note
    assert asked.queries.forward_images == 0
    with pytest.raises(RequestError, match="steps"):
        cout(asked, np.zeros((SIDE, SIDE), np.float32), MetricInput(0), steps=101)
