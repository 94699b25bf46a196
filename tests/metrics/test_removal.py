"""Deletion, insertion and degradation on a classifier that counts bright pixels, for which the curves are known."""

import math

import numpy as np
import pytest
import torch

from games import Game, picture, small_cnn
from seewhy.core.budget import Budget
from seewhy.core.errors import RequestError
from seewhy.core.metric import MetricInput
from seewhy.core.probe import Probe
from seewhy.infills.plain import constant, noise
from seewhy.metrics import curves
from seewhy.metrics.degradation import degradation, pooled
from seewhy.metrics.removal import deletion, insertion

SIDE = 8
RANKED = np.arange(SIDE * SIDE, dtype=np.float32).reshape(SIDE, SIDE)


def share(images: torch.Tensor) -> torch.Tensor:
    """Return logits whose softmax gives class 0 the mean brightness of the image, scaled to 0.1 … 0.9."""
    p = 0.1 + 0.8 * images.mean((1, 2, 3))
    return torch.stack([p, 1 - p], 1).log()


def probe(infill: float = 0.0, **settings: object) -> Probe:
    """Return a probe for a white image whose removed pixels become black."""
    return Probe(Game(share), constant(value=infill), torch.ones(3, SIDE, SIDE), **settings)  # type: ignore[arg-type]


def weighted() -> Probe:
    """Return a probe in which pixel n adds n to the score of class 0, so that the order matters."""
    image = torch.arange(SIDE * SIDE).float().view(1, SIDE, SIDE).expand(3, -1, -1) / 255
    return Probe(Game(share), constant(value=0.0), image.contiguous())


def test_the_order_is_descending_and_ties_are_reversed() -> None:
    """The order is a reversed stable sort."""
    assert curves.order(np.array([[1.0, 3.0, 1.0, 2.0]])).tolist() == [1, 3, 2, 0]
    assert curves.places(np.array([[1.0, 3.0], [1.0, 2.0]])).tolist() == [[3, 0], [2, 1]]


def test_curves_of_a_linear_classifier_are_straight() -> None:
    """Every pixel has the same weight, so the probability falls or rises linearly."""
    gone, come = deletion(probe(), RANKED, MetricInput(0), steps=4), insertion(probe(), RANKED, MetricInput(0), steps=4)
    assert gone.curve is not None
    assert come.curve is not None
    np.testing.assert_allclose(gone.curve.x, [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(gone.curve.y, [0.9, 0.7, 0.5, 0.3, 0.1], atol=1e-6)
    np.testing.assert_allclose(come.curve.y, [0.1, 0.3, 0.5, 0.7, 0.9], atol=1e-6)
    assert gone.value == pytest.approx(0.5)
    assert come.value == pytest.approx(0.5)


def test_until_limits_the_curve_to_its_beginning() -> None:
    """Over half of the image the probability falls from 0.9 to 0.5, with mean 0.7."""
    gone = deletion(probe(), RANKED, MetricInput(0), steps=4, until=0.5)
    assert gone.curve is not None
    assert gone.curve.x[-1] == 0.5
    assert gone.value == pytest.approx(0.7)
    assert insertion(probe(), RANKED, MetricInput(0), steps=4, until=0.5).value == pytest.approx(0.3)


def test_the_best_map_of_an_additive_classifier_has_the_known_area() -> None:
    """With weight n for pixel n, removing the k largest leaves the sum of the others; the area is computed by hand."""
    total = SIDE * SIDE
    left = np.array([sum(range(total - count)) / total / 255 for count in range(0, total + 1, 8)])
    heights = 0.1 + 0.8 * left
    found = deletion(weighted(), RANKED, MetricInput(0), steps=8)
    assert found.value == pytest.approx(float((heights[:-1] + heights[1:]).sum() / 16), abs=1e-6)
    assert found.value < deletion(weighted(), -RANKED, MetricInput(0), steps=8).value


def test_degradation_is_the_area_between_the_two_orders() -> None:
    """Four tiles, recorded after removing 1, 2 and 3 of them and at both ends; the difference is computed by hand."""
    found = degradation(weighted(), RANKED, MetricInput(0), tile=4, steps=5)
    tiles = RANKED.reshape(2, 4, 2, 4).sum((1, 3)).ravel()
    ascending = np.sort(tiles)

    def answer(removed: np.ndarray) -> float:
        return 0.1 + 0.8 * float(tiles.sum() - removed.sum()) / RANKED.size / 255

    lerf = [answer(ascending[:count]) for count in range(5)]
    morf = [answer(ascending[::-1][:count]) for count in range(5)]
    np.testing.assert_allclose(found.parts["lerf"], lerf, atol=1e-6)
    np.testing.assert_allclose(found.parts["morf"], morf, atol=1e-6)
    assert found.value == pytest.approx((np.array(lerf) - morf).sum() / 4, abs=1e-6)
    assert degradation(weighted(), -RANKED, MetricInput(0), tile=4, steps=5).value == pytest.approx(
        -found.value, abs=1e-6
    )


def test_degradation_records_where_the_authors_do() -> None:
    """Points for 784 tiles: 1, 9, 17 … 777; for 256 tiles: 1, 4, 6, 9 … 254; and both ends."""
    wide = Probe(Game(share), constant(value=0.0), torch.ones(3, 28, 28))
    found = degradation(wide, np.arange(784, dtype=np.float32).reshape(28, 28), MetricInput(0), tile=1)
    assert found.curve is not None
    removed = np.rint(found.curve.x * 784).astype(int).tolist()
    assert removed[:4] == [0, 1, 9, 17]
    assert removed[-2:] == [777, 784]
    assert len(removed) == 101
    assert wide.queries.forward_images == 200


def test_pooled_images_are_scaled_by_their_mean_fall() -> None:
    """The pooled value is the ratio of the means, not the mean of the ratios."""
    one = degradation(weighted(), RANKED, MetricInput(0), tile=4, steps=5)
    other = degradation(probe(), RANKED, MetricInput(0), tile=4, steps=5)
    falls = [float(each.parts["morf"][0] - each.parts["morf"][-1]) for each in (one, other)]
    assert pooled([one, other]) == pytest.approx((one.value + other.value) / sum(falls))
    assert math.isnan(pooled([degradation(probe(infill=1.0), RANKED, MetricInput(0), tile=4, steps=5)]))


@pytest.mark.parametrize("metric", [deletion, insertion, degradation])
def test_each_step_of_a_random_infill_has_its_own_seed(metric: object) -> None:
    """The same seed gives the same curve for any batch size, and another seed a different one."""

    def value(seed: int, batch: int) -> float:
        asked = Probe(Game(small_cnn().double()), noise(), picture(), seed=seed, batch_size=batch)
        saliency = np.random.default_rng(0).random((20, 17))
        return float(metric(asked, saliency, MetricInput(1)).value)  # type: ignore[operator]

    assert value(0, 4) == pytest.approx(value(0, 7), abs=1e-9)
    assert abs(value(0, 4) - value(1, 4)) > 1e-7


def test_invalid_requests_are_refused() -> None:
    """Settings out of range, maps of another size or not finite, and insufficient budgets are refused."""
    for wrong in ({"until": 0.0}, {"until": 1.5}, {"steps": 0}, {"steps": 65}):
        with pytest.raises(RequestError, match="expected"):
            deletion(probe(), RANKED, MetricInput(0), **wrong)
    for tile in (0, 8):
        with pytest.raises(RequestError, match="tile"):
            degradation(probe(), RANKED, MetricInput(0), tile=tile)
    with pytest.raises(RequestError, match="steps >= 2"):
        degradation(probe(), RANKED, MetricInput(0), steps=1, tile=2)
    with pytest.raises(RequestError, match="8 × 8 pixels"):
        insertion(probe(), RANKED[:4], MetricInput(0))
    with pytest.raises(RequestError, match="finite"):
        deletion(probe(), np.where(RANKED > 3, RANKED, np.nan), MetricInput(0))
    with pytest.raises(RequestError, match="budget of 10"):
        deletion(probe(budget=Budget(queries=10)), RANKED, MetricInput(0))
