"""Test KernelSHAP, LIME and faded RISE against games with known answers and slow reference implementations."""

from collections.abc import Callable
from itertools import combinations
from math import factorial
from typing import get_args

import numpy as np
import pytest
import torch

from games import Game, picture, small_cnn
from seewhy.core.attribution import Attribution
from seewhy.core.budget import Budget
from seewhy.core.errors import RequestError
from seewhy.core.probe import Probe
from seewhy.core.target import ClassEvidence, Contrast
from seewhy.images.regions import Shape, split
from seewhy.infills.plain import constant
from seewhy.methods.sampling._sampling_designs import coin_tosses
from seewhy.methods.sampling._segments import fade
from seewhy.methods.sampling.faded_rise import effects, faded_rise
from seewhy.methods.sampling.kernel_shap import drawn_sets, every_set, kernel_shap
from seewhy.methods.sampling.lime import lime, local_model
from sharing import additive, product, shares, white

BLACK = constant(value=0.0)


def value_of(labels: torch.Tensor, image: torch.Tensor, game: Game) -> Callable[[tuple[int, ...]], float]:
    """Return the probability of class 0 with a set of segments kept and the rest black."""
    return lambda kept: float(game((image * torch.isin(labels, torch.tensor(kept, dtype=torch.int64)))[None])[0, 0])


def shapley(worth: Callable[[tuple[int, ...]], float], players: int) -> list[float]:
    """Return Shapley values by definition."""
    values = []
    for player in range(players):
        others = [other for other in range(players) if other != player]
        total = 0.0
        for size in range(players):
            weight = factorial(size) * factorial(players - size - 1) / factorial(players)
            total += sum(weight * (worth((*kept, player)) - worth(kept)) for kept in combinations(others, size))
        values.append(total)
    return values


def of_segments(maps: Attribution, labels: torch.Tensor, key: str = "class:0") -> np.ndarray:
    """Return the value of each segment."""
    values = torch.from_numpy(maps.values[key])
    return np.array([float(values[labels == number][0]) for number in range(int(labels.max()) + 1)])


def test_kernel_shap_is_exact_with_all_sets() -> None:
    """For a random network's game of nine players, the values equal the definition's, and the errors are 0."""
    game, image = Game(small_cnn().double()), picture(18, 18)
    labels = split(image, 9, "grid")
    maps = kernel_shap(Probe(game, BLACK, image), [ClassEvidence(0)], segments=9, shape="grid")
    assert maps.settings["samples"] == 2**9 - 2
    np.testing.assert_allclose(of_segments(maps, labels), shapley(value_of(labels, image, game), 9), atol=1e-7)
    assert maps.stderr["class:0"].max() == 0


@pytest.mark.parametrize("samples", [40, 200])
def test_kernel_shap_of_a_sum_gives_its_terms(samples: int) -> None:
    """Any sets that separate the cells give the terms of a sum exactly."""
    worth = shares(16)
    maps = kernel_shap(
        Probe(additive(worth, 4), BLACK, white()), [ClassEvidence(0)], segments=16, shape="grid", samples=samples
    )
    np.testing.assert_allclose(of_segments(maps, split(white(), 16, "grid")), worth, atol=1e-6)


@pytest.mark.parametrize("shape", get_args(Shape))
def test_kernel_shap_sums_to_the_difference(shape: Shape) -> None:
    """The segment values sum to the score of the image minus that of the removed one, for sampled sets too."""
    game, image = Game(small_cnn().double()), picture(24, 24)
    labels = split(image, 20, shape)
    maps = kernel_shap(
        Probe(game, BLACK, image),
        [ClassEvidence(0), Contrast(0, 1)],
        segments=20,
        shape=shape,
        samples=100,
    )
    whole, nothing = game(image[None])[0], game(torch.zeros_like(image)[None])[0]
    gain = whole - nothing
    assert of_segments(maps, labels).sum() == pytest.approx(float(gain[0]), abs=1e-6)
    assert of_segments(maps, labels, "contrast:0/1").sum() == pytest.approx(float(gain[0] - gain[1]), abs=1e-6)


def test_the_errors_of_kernel_shap_cover_the_truth() -> None:
    """For sampled sets of a non-additive game, nine in ten exact values are within two standard errors."""
    image = white()
    labels, inside = split(image, 16, "grid"), []
    worth = np.zeros(16)
    # the value of a product is split equally; three factors, because pairs of sets solve two exactly
    worth[[2, 7, 9]] = 0.8 / 3
    for seed in range(10):
        probe = Probe(product([2, 7, 9], 4), BLACK, image, seed=seed)
        maps = kernel_shap(probe, [ClassEvidence(0)], segments=16, shape="grid", samples=200)
        error = of_segments(Attribution(maps.stderr, {}, "", {}, ""), labels)
        inside += (np.abs(of_segments(maps, labels) - worth) <= 2 * error + 1e-9).tolist()
    assert np.mean(inside) >= 0.9


def test_sets_are_drawn_by_the_shapley_kernel() -> None:
    """Set sizes have frequencies ``1 / (s (M - s))``, each set is followed by its complement; a prefix does not change."""
    drawn = drawn_sets(0, 4000, 6)
    assert (drawn[0::2] + drawn[1::2] == 1).all()
    found = torch.bincount(drawn.sum(1).long(), minlength=6)[1:6] / len(drawn)
    chance = np.array([1 / (size * (6 - size)) for size in range(1, 6)])
    np.testing.assert_allclose(found, chance / chance.sum(), atol=0.01)
    np.testing.assert_allclose(drawn.mean(0), 0.5)
    assert torch.equal(drawn_sets(0, 10, 6), drawn[:20])


def test_every_set_is_listed_once() -> None:
    """All sets but the empty and the full one are listed."""
    sets = {tuple(row) for row in every_set(5).tolist()}
    assert len(sets) == len(every_set(5)) == 30
    assert tuple([0.0] * 5) not in sets


def test_one_segment_gets_everything() -> None:
    """No set is left to sample."""
    maps = kernel_shap(Probe(additive([0.3], 1), BLACK, white()), [ClassEvidence(0)], segments=1, shape="grid")
    np.testing.assert_allclose(maps.values["class:0"], 0.3, atol=1e-6)


def test_lime_matches_the_reference_implementation() -> None:
    """Solve weights, penalty and intercept as least squares with added rows."""
    sets = torch.cat([torch.ones(1, 5), coin_tosses(0, 10, 5)])
    answers = torch.rand(21, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    kept = sets.double().numpy()
    distance = [1 - row.sum() / np.sqrt(row.sum() * 5) if row.sum() else 1.0 for row in kept]
    root = np.sqrt([np.sqrt(np.exp(-(d**2) / 0.25**2)) for d in distance])[:, None]
    left = np.vstack([root * np.c_[np.ones(21), kept], np.c_[np.zeros(5), np.eye(5)]])
    right = np.concatenate([root[:, 0] * answers[:, 0].numpy(), np.zeros(5)])
    expected = np.linalg.lstsq(left, right, rcond=None)[0]
    np.testing.assert_allclose(local_model(sets, answers, width=0.25, ridge=1.0).slopes[:, 0], expected, atol=1e-10)


def test_lime_of_a_sum_gives_its_terms() -> None:
    """Without a penalty a linear game is its own linear model."""
    worth = shares(16)
    maps = lime(
        Probe(additive(worth, 4), BLACK, white()), [ClassEvidence(0)], segments=16, shape="grid", samples=100, ridge=0.0
    )
    np.testing.assert_allclose(of_segments(maps, split(white(), 16, "grid")), worth, atol=1e-6)


def test_faded_rise_matches_the_reference_implementation() -> None:
    """Solve the normal equations of the ridge regression explicitly."""
    sets = coin_tosses(1, 30, 8)
    answers = torch.rand(60, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x, y = sets.double().numpy() - 0.5, answers[:, 0].numpy()
    expected = np.linalg.solve(x.T @ x + np.eye(8) * 8 / 2 * 0.25, x.T @ (y - y.mean()))
    np.testing.assert_allclose(effects(sets, answers).slopes[:, 0], expected, atol=1e-10)


def test_faded_rise_ranks_the_terms_of_a_sum() -> None:
    """With hard edges every cell has its rank and roughly its value; with soft edges the map is blurred like the masks."""
    worth, image = shares(16), white()
    labels = split(image, 16, "grid")
    maps = faded_rise(
        Probe(additive(worth, 4), BLACK, image), [ClassEvidence(0)], segments=16, shape="grid", softness=0.0
    )
    found = of_segments(maps, labels)
    assert found.argsort().tolist() == np.argsort(worth).tolist()
    np.testing.assert_allclose(found, np.array(worth) * 1000 / 1008, rtol=0.02, atol=1e-3)


def test_the_errors_of_faded_rise_cover_the_truth() -> None:
    """A quarter of a product's value is the mean effect of each of three factors."""
    image, inside = white(), []
    truth = np.zeros(16)
    truth[[2, 7, 9]] = 0.8 / 4
    for seed in range(10):
        probe = Probe(product([2, 7, 9], 4), BLACK, image, seed=seed)
        maps = faded_rise(probe, [ClassEvidence(0)], segments=16, shape="grid", samples=400, softness=0.0)
        labels = split(image, 16, "grid")
        error = of_segments(Attribution(maps.stderr, {}, "", {}, ""), labels)
        inside += (np.abs(of_segments(maps, labels) - truth * 400 / 408) <= 2 * error + 1e-9).tolist()
    assert np.mean(inside) >= 0.85


def test_a_pair_is_finished_within_the_budget() -> None:
    """An odd number of queries never splits a pair."""
    probe = Probe(Game(small_cnn().double()), BLACK, picture(), budget=Budget(queries=52))
    maps = faded_rise(probe, [ClassEvidence(0)], segments=9, shape="grid")
    assert maps.settings["samples"] == 50
    assert maps.stopped_because == "queries"


@pytest.mark.parametrize("method", [kernel_shap, lime, faded_rise])
def test_odd_and_too_small_samples_are_rejected(method: Callable[..., Attribution]) -> None:
    """Pairs need an even number; fewer queries than segments cannot separate the segments."""
    for samples in (61, 2):
        with pytest.raises(RequestError, match="even number of samples"):
            method(
                Probe(Game(small_cnn().double()), BLACK, picture()),
                [ClassEvidence(0)],
                segments=9,
                shape="grid",
                samples=samples,
            )


def test_segments_cover_the_image() -> None:
    """Numbers are consecutive from 0; the grid is as even as possible; superpixels follow a colour border."""
    image = torch.zeros(3, 30, 40)
    image[:, :, 17:] = 1
    for shape in get_args(Shape)[::-1]:
        labels = split(image, 12, shape)
        assert labels.shape == (30, 40)
        assert np.unique(labels).tolist() == list(range(int(labels.max()) + 1))
    labels = split(image, 12, "slic")
    assert not set(labels[:, :17].flatten().tolist()) & set(labels[:, 17:].flatten().tolist())


def test_fading_is_a_gaussian_blur() -> None:
    """A point becomes a Gaussian, and the mean away from the border is preserved."""
    point = torch.zeros(1, 31, 31)
    point[0, 15, 15] = 1
    blurred = fade(point, 2.0)[0]
    assert float(blurred.sum()) == pytest.approx(1, abs=1e-5)
    assert float(blurred[15, 17] / blurred[15, 15]) == pytest.approx(np.exp(-0.5), abs=1e-4)
    assert torch.equal(fade(point, 0.0), point)
