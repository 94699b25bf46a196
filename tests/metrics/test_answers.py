"""Metrics based on masked images, random sets and re-explained maps, against values known by construction."""

import math
from itertools import count

import numpy as np
import pytest
import torch

from games import Game, picture, small_cnn
from seewhy.classifiers.module import from_module
from seewhy.classifiers.randomised import randomised
from seewhy.core.attribution import Map
from seewhy.core.errors import RequestError
from seewhy.core.metric import MetricInput
from seewhy.core.probe import Probe
from seewhy.core.ranks import spearman
from seewhy.infills.plain import constant
from seewhy.metrics.confidence import average_drop, average_increase
from seewhy.metrics.robustness import parameter_randomisation, seed_reproducibility
from seewhy.metrics.sensitivity import pooled, sensitivity_n

SIDE = 8
RANKED = np.arange(SIDE * SIDE, dtype=np.float32).reshape(SIDE, SIDE)


def left_half(images: torch.Tensor) -> torch.Tensor:
    """Give class 0 probability 0.5, plus 0.4 times the brightness of the left half minus that of the right half."""
    bright = images.mean(1)
    p = 0.5 + 0.4 * (bright[:, :, : SIDE // 2].mean((1, 2)) - bright[:, :, SIDE // 2 :].mean((1, 2)))
    return torch.stack([p, 1 - p], 1).log()


def additive(images: torch.Tensor) -> torch.Tensor:
    """Give class 0 a probability that is a weighted sum over the pixels, with weight n for pixel n."""
    weight = torch.from_numpy(RANKED).double() / RANKED.sum()
    p = 0.1 + 0.8 * (images.mean(1) * weight).sum((1, 2))
    return torch.stack([p, 1 - p], 1).log()


def white(logits: object, seed: int = 0) -> Probe:
    """Return a probe for a white image whose removed pixels become black."""
    return Probe(Game(logits), constant(value=0.0), torch.ones(3, SIDE, SIDE), seed=seed)


def half(*, left: bool) -> Map:
    """Return a map that highlights one half, with values outside [0, 1]."""
    values = np.full((SIDE, SIDE), -3.0, np.float32)
    values[:, : SIDE // 2] += 10 * left
    values[:, SIDE // 2 :] += 10 * (not left)
    return values


def test_drop_and_increase_use_the_image_times_the_map() -> None:
    """From 0.5, the left half alone gives 0.9 and the right half alone gives 0.1."""
    assert average_drop(white(left_half), half(left=True), MetricInput(0)).value == 0
    assert average_increase(white(left_half), half(left=True), MetricInput(0)).value == 1
    assert average_drop(white(left_half), half(left=False), MetricInput(0)).value == pytest.approx(0.8)
    assert average_increase(white(left_half), half(left=False), MetricInput(0)).value == 0


def test_the_map_is_a_soft_mask() -> None:
    """Half-way between the map's minimum and maximum, half of the pixel is kept."""
    values = half(left=True)
    values[:, SIDE // 2 :] = 2.0  # the range was -3 … 7; now the minimum is 2
    values[0, SIDE - 1] = -3.0
    probe = white(left_half)
    average_drop(probe, values, MetricInput(0))
    game = probe.classifier
    assert isinstance(game, Game)
    shown = game.seen[-1][-1, 0]
    np.testing.assert_allclose(shown, np.where(values == 7, 1, np.where(values == 2, 128 / 255, 0)), atol=1e-6)


def test_a_constant_map_has_no_value() -> None:
    """Both metrics return NaN with a note."""
    for metric in (average_drop, average_increase):
        found = metric(white(left_half), np.ones((SIDE, SIDE), np.float32), MetricInput(0))
        assert math.isnan(found.value)
        assert "constant" in found.note


def test_the_true_weights_of_a_sum_correlate_perfectly() -> None:
    """Each fall is the set's sum of weights: correlation 1, -1 for the negated map, and 1 for pooled images."""
    ask = {"tile": 1, "sizes": 3, "sets": 12, "score": "probability"}
    found = sensitivity_n(white(additive), RANKED, MetricInput(0), **ask)  # type: ignore[arg-type]
    assert found.value == pytest.approx(1)
    assert found.parts["sums"].shape == found.parts["falls"].shape == (3, 12)
    assert sensitivity_n(white(additive), -RANKED, MetricInput(0), **ask).value == pytest.approx(-1)  # type: ignore[arg-type]
    other = sensitivity_n(white(additive, seed=1), RANKED * 50, MetricInput(0), **ask)  # type: ignore[arg-type]
    assert not np.array_equal(other.parts["falls"], found.parts["falls"])
    assert pooled([found, other]) == pytest.approx(1)


def test_the_sets_have_the_sizes_of_the_protocol() -> None:
    """For 784 tiles the sizes are 1, 2, 2, 4 … 408, 627, as in the authors' code, and each set has its size."""
    wide = Probe(Game(additive_share), constant(value=0.0), torch.ones(3, 28, 28))
    values = np.random.default_rng(0).random((28, 28))
    found = sensitivity_n(wide, values, MetricInput(0), tile=1, sets=2, score="probability")
    assert found.curve is not None
    sizes = np.rint(found.curve.x * 784).astype(int).tolist()
    assert sizes == [1, 2, 2, 4, 6, 9, 13, 20, 31, 48, 73, 113, 173, 266, 408, 627]
    np.testing.assert_allclose(found.parts["falls"], 0.8 * np.repeat(found.curve.x[:, None], 2, 1), atol=1e-6)
    assert math.isnan(found.value)  # all sets of one size have the same fall: the correlation is undefined
    assert found.note


def additive_share(images: torch.Tensor) -> torch.Tensor:
    """Give class 0 the mean brightness as probability, scaled to 0.1 … 0.9."""
    p = 0.1 + 0.8 * images.mean((1, 2, 3))
    return torch.stack([p, 1 - p], 1).log()


def test_falls_use_the_logarithm_by_default() -> None:
    """The probability falls from 0.9 to at least 0.1, and its logarithm by at most log 9."""
    found = sensitivity_n(white(additive), RANKED, MetricInput(0), tile=1, sizes=1, sets=4)
    plain = sensitivity_n(white(additive), RANKED, MetricInput(0), tile=1, sizes=1, sets=4, score="probability")
    np.testing.assert_allclose(found.parts["falls"], np.log(0.9) - np.log(0.9 - plain.parts["falls"]), atol=1e-6)
    for wrong in ({"sizes": 0}, {"sets": 1}):
        with pytest.raises(RequestError, match="expected sizes"):
            sensitivity_n(white(additive), RANKED, MetricInput(0), **wrong)  # type: ignore[arg-type]


def test_a_map_independent_of_the_weights_fails_the_sanity_check() -> None:
    """An identical or negated map scores 1, and an unrelated map about 0."""
    shuffled = np.random.default_rng(0).permutation(RANKED.ravel()).reshape(SIDE, SIDE)
    for again, expected in ((RANKED, 1.0), (-RANKED, 1.0), (shuffled, abs(spearman(RANKED, shuffled) or 0))):
        case = MetricInput(0, reexplain=lambda *, randomise, made=again: made if randomise else RANKED)
        assert parameter_randomisation(white(additive), RANKED, case).value == pytest.approx(expected)
    assert abs(spearman(RANKED, shuffled) or 0) < 0.3
    even = parameter_randomisation(white(additive), RANKED, MetricInput(0, reexplain=lambda **_: np.ones_like(RANKED)))
    assert math.isnan(even.value)


def test_stability_is_the_mean_over_all_pairs() -> None:
    """The map, its negation and the map again give pairs of -1, 1 and -1, each with its own seed."""
    seeds: list[int] = []
    turn = count()

    def again(*, seed: int) -> Map:
        seeds.append(seed)
        return -RANKED if next(turn) == 0 else RANKED

    found = seed_reproducibility(white(additive, seed=5), RANKED, MetricInput(0, reexplain=again))
    assert found.value == pytest.approx(-1 / 3)
    assert len({5, *seeds}) == 3
    assert math.isnan(seed_reproducibility(white(additive), 0 * RANKED, MetricInput(0, reexplain=again)).value)


@pytest.mark.parametrize("metric", [parameter_randomisation, seed_reproducibility])
def test_a_case_without_again_is_refused(metric: object) -> None:
    """The metric needs a way to re-explain the image."""
    with pytest.raises(RequestError, match="reexplain"):
        metric(white(additive), RANKED, MetricInput(0))  # type: ignore[operator]


def test_shuffled_weights_keep_their_values_only() -> None:
    """Shuffling keeps each parameter's values, changes the outputs, leaves the original alone, and is seeded."""
    net = from_module(small_cnn())
    before = net(picture()[None])
    one, same, other = (randomised(net, seed) for seed in (0, 0, 1))
    for old, new in zip(net.module.parameters(), one.module.parameters(), strict=True):
        assert torch.equal(old.flatten().sort().values, new.flatten().sort().values)
    assert torch.equal(net(picture()[None]), before)
    assert torch.equal(one(picture()[None]), same(picture()[None]))
    assert (one(picture()[None]) - before).abs().max() > 0.01
    assert (one(picture()[None]) - other(picture()[None])).abs().max() > 0.01
    assert one.fingerprint != net.fingerprint
    with pytest.raises(RequestError, match="torch module"):
        randomised(Game(additive), 0)
