"""Test RISE against slow implementations of the formulas of Petsiuk, Das, Saenko, BMVC 2018."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from games import Game, picture, small_cnn
from seewhy.core.budget import Budget
from seewhy.core.errors import RequestError
from seewhy.core.features import RandomGrids, Sampling
from seewhy.core.probe import Probe
from seewhy.core.seeds import derive, uniforms
from seewhy.core.target import ClassEvidence
from seewhy.infills.plain import constant, gray
from seewhy.methods.sampling import rise as rise_module
from seewhy.methods.sampling.rise import Normalisation, _Estimator, rise

SAMPLINGS: tuple[Sampling, ...] = ("independent", "antithetic")


def asked(count: int, p: float, sampling: Sampling, cells: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Return each grid's mask and a random network's output for it, grid by grid."""
    game, image, grids = Game(small_cnn().double()), picture(), RandomGrids(cells, p, sampling)
    keeps, answers = [], []
    for number in range(count):
        keep = grids.draw(0, torch.tensor([number])).keep(*image.shape[1:])
        answers.append(float(game(gray()(image, keep, derive(0, torch.tensor([number]))))[0, 1]))
        keeps.append(keep[0].double().numpy())
    return np.stack(keeps), np.array(answers)


def answer(count: int, **settings: object) -> tuple[np.ndarray, np.ndarray]:
    """Return the method's map and standard error for the same network."""
    probe = Probe(Game(small_cnn().double()), gray(), picture())
    maps = rise(probe, [ClassEvidence(1)], masks=count, cells=4, **settings)  # type: ignore[arg-type]
    return maps.values["class:1"], maps.stderr["class:1"]


def test_the_papers_estimator_is_available() -> None:
    """The map is S(l) = 1/(N p) Σ f(x M) M(l) over independent grids, with the standard error of a mean."""
    count, p = 60, 0.4
    keeps, answers = asked(count, p, "independent")
    terms = answers[:, None, None] * keeps / p
    value, error = answer(count, p=p, normalisation="paper", sampling="independent")
    np.testing.assert_allclose(value, terms.mean(0), atol=1e-6)
    np.testing.assert_allclose(error, terms.std(0, ddof=1) / math.sqrt(count), atol=1e-6)


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_the_coverage_estimate_matches_the_reference(sampling: Sampling) -> None:
    """The map is Σ f M / Σ M; the error comes from whole pairs, including an incomplete last one."""
    count, together = 145, {"independent": 1, "antithetic": 2}[sampling]
    keeps, answers = asked(count, 0.4, sampling)
    above = [
        (answers[i : i + together, None, None] * keeps[i : i + together]).sum(0) for i in range(0, count, together)
    ]
    below = [keeps[i : i + together].sum(0) for i in range(0, count, together)]
    slow = np.sum(above, 0) / np.sum(below, 0)
    residuals = np.stack(above) - slow * np.stack(below)
    spread = np.sqrt((residuals**2).sum(0) * len(above) / (len(above) - 1)) / np.sum(below, 0)
    value, error = answer(count, p=0.4, normalisation="coverage", sampling=sampling)
    np.testing.assert_allclose(value, slow, atol=1e-6)
    np.testing.assert_allclose(error, spread, atol=1e-6)


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_the_regression_estimate_matches_the_reference(sampling: Sampling) -> None:
    """Σ w ((f - h) M + E[h M]) / Σ w p: h by ridge regression on earlier grids, its expectation by enumerating shifts."""
    count, p, (height, width) = 145, 0.4, picture().shape[1:]
    together = {"independent": 1, "antithetic": 2}[sampling]
    keeps, answers = asked(count, p, sampling)
    rows, columns = np.linspace(0, height - 1, 5), np.linspace(0, width - 1, 5)
    drawn = RandomGrids(4, p, sampling).draw(0, torch.arange(count))
    at = drawn.at(torch.tensor(rows), torch.tensor(columns), height, width).reshape(count, -1).numpy() - p
    covariance = (
        p * (1 - p) * np.kron(overlaps(rows, np.arange(height), height), overlaps(columns, np.arange(width), width))
    )
    gram = p * (1 - p) * np.kron(overlaps(rows, rows, height), overlaps(columns, columns, width))
    above, below = [], []
    for start in range(0, count, step := max(16, together)):
        x, f = np.hstack([np.ones((start, 1)), at[:start]]), answers[:start]
        ridge = np.zeros((26, 26))
        ridge[1:, 1:] = 12.5 * gram
        model = np.linalg.solve(x.T @ x + ridge + 1e-9 * np.eye(26), x.T @ f)
        expected = (p * model[0] + model[1:] @ covariance).reshape(height, width)
        weight = (start + 1) / (start + 27)
        for first in range(start, min(start + step, count), together):
            some = slice(first, min(first + together, count))
            left = answers[some] - model[0] - at[some] @ model[1:]
            above.append(weight * ((left[:, None, None] * keeps[some]).sum(0) + len(left) * expected))
            below.append(weight * len(left) * p)
    slow = np.sum(above, 0) / np.sum(below)
    residuals = np.stack(above) - slow * np.array(below)[:, None, None]
    spread = np.sqrt((residuals**2).sum(0) * len(above) / (len(above) - 1)) / np.sum(below)
    value, error = answer(count, p=p, sampling=sampling)
    np.testing.assert_allclose(value, slow, atol=2e-6)
    np.testing.assert_allclose(error, spread, atol=2e-6)


def overlaps(some: np.ndarray, others: np.ndarray, length: int, cells: int = 4) -> np.ndarray:
    """Return the mean over shifts of Σ_c (weight of cell c at one position) (its weight at another)."""
    cell = math.ceil(length / cells)

    def weights(position: float, shift: int) -> np.ndarray:
        centre = min(max((position + shift + 0.5) * cells / ((cells + 1) * cell) - 0.5, 0), cells - 1)
        hats: np.ndarray = np.maximum(1 - np.abs(centre - np.arange(cells)), 0)
        return hats

    return np.array([[np.mean([weights(a, s) @ weights(b, s) for s in range(cell)]) for b in others] for a in some])


def test_grids_are_enlarged_bilinearly_and_shifted_by_less_than_a_cell() -> None:
    """Interpolate one grid by hand: the length of cells + 1 cells, half-pixel centres, cropped at the shift."""
    cells, height, width = 3, 14, 20
    drawn = RandomGrids(cells, 0.5).draw(7, torch.tensor([3]))
    seed = derive(7, torch.tensor([3]))
    keep = drawn.keep(height, width)[0]
    grid = (uniforms(seed, cells**2) < 0.5).double().reshape(cells, cells)
    cell_y, cell_x = math.ceil(height / cells), math.ceil(width / cells)
    shift = uniforms(seed, 2, stream=1)[0]
    top, left = int(shift[0] * cell_y), int(shift[1] * cell_x)

    def along(position: int, cell: int) -> tuple[int, int, float]:
        source = min(max((position + 0.5) * cells / ((cells + 1) * cell) - 0.5, 0), cells - 1)
        low = int(source)
        return low, min(low + 1, cells - 1), source - low

    for y in range(height):
        for x in range(width):
            y0, y1, wy = along(y + top, cell_y)
            x0, x1, wx = along(x + left, cell_x)
            upper = grid[y0, x0] * (1 - wx) + grid[y0, x1] * wx
            lower = grid[y1, x0] * (1 - wx) + grid[y1, x1] * wx
            assert float(keep[y, x]) == pytest.approx(float(upper * (1 - wy) + lower * wy), abs=1e-5)


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_a_pixel_is_kept_with_probability_p(sampling: Sampling) -> None:
    """Over many grids every pixel's mean keep is p, at the border as in the centre."""
    keep = RandomGrids(4, 0.3, sampling).draw(0, torch.arange(6000)).keep(12, 12)
    assert float((keep.mean(0) - 0.3).abs().max()) < 0.03


def test_pairs_are_complements() -> None:
    """The two grids of a pair together keep each pixel once."""
    keep = RandomGrids(4, 0.5, "antithetic").draw(0, torch.arange(10)).keep(13, 11)
    np.testing.assert_allclose(keep[0::2] + keep[1::2], 1, atol=1e-6)


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_a_grid_does_not_depend_on_what_is_drawn_with_it(sampling: Sampling) -> None:
    """Drawn alone, in a batch or in reverse order, grid and shift are the same."""
    grids = RandomGrids(5, 0.5, sampling)
    together = grids.draw(3, torch.arange(150))
    for number in (0, 63, 64, 149):
        alone, backwards = grids.draw(3, torch.tensor([number])), grids.draw(3, torch.arange(150).flip(0))
        for one in (alone[torch.tensor([0])], backwards[torch.tensor([149 - number])]):
            assert torch.equal(one.cells[0], together.cells[number])
            assert torch.equal(one.shift[0], together.shift[number])


LINEAR = torch.linspace(-1, 2, 20 * 17, dtype=torch.float64).reshape(20, 17).sin()


def linear(images: Tensor) -> Tensor:
    """Return a classifier whose class 0 probability is ½ + a weighted sum of the pixels, as logits."""
    share = 0.5 + (LINEAR * images[:, 0]).sum((1, 2)) / 400
    return torch.stack([share, 1 - share], dim=1).log()


def truth(p: float, cells: int) -> np.ndarray:
    """Return its map on a white image with a black in-fill: E[f M(l)] / p = E[f] + Σ_k a_k Cov(M(k), M(l)) / p."""
    down, across = (overlaps(np.arange(side), np.arange(side), side, cells) for side in (20, 17))
    slopes = LINEAR.numpy() / 400
    exact: np.ndarray = 0.5 + p * slopes.sum() + (1 - p) * (down @ slopes @ across.T)
    return exact


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("normalisation", ["paper", "coverage", "regression"])
def test_every_estimator_estimates_the_same_map(normalisation: Normalisation, sampling: Sampling) -> None:
    """The mean over 12 seeds matches the closed form up to noise; 95 % intervals have about their nominal coverage."""
    white, found = torch.ones(3, 20, 17), []
    for seed in range(12):
        probe = Probe(Game(linear), constant(value=0.0), white, seed=seed, batch_size=64)
        found.append(
            rise(probe, [ClassEvidence(0)], masks=640, p=0.4, cells=3, normalisation=normalisation, sampling=sampling)
        )
    values = np.stack([maps.values["class:0"] for maps in found])
    errors = np.stack([maps.stderr["class:0"] for maps in found])
    exact = truth(0.4, 3)
    # Images have 256 levels: a blended pixel is off by up to half a level, at random.
    assert np.abs(values.mean(0) - exact).max() < 5 * errors.mean() / math.sqrt(12) + 1e-4
    assert np.abs(values - exact).mean() < 2 * errors.mean() + 1e-4
    assert values.std(0, ddof=1).mean() == pytest.approx(errors.mean(), rel=0.5)


def test_regression_has_the_smallest_error() -> None:
    """The surrogate explains a linear classifier's outputs, and hardly any noise is left."""

    def error(normalisation: Normalisation, sampling: Sampling) -> float:
        probe = Probe(Game(linear), constant(value=0.0), torch.ones(3, 20, 17), batch_size=64)
        maps = rise(probe, [ClassEvidence(0)], masks=640, cells=3, normalisation=normalisation, sampling=sampling)
        return float(np.sqrt(((maps.values["class:0"] - truth(0.5, 3)) ** 2).mean()))

    paper = error("paper", "independent")
    assert error("coverage", "independent") < paper / 2
    assert error("regression", "independent") < paper / 10
    assert error("regression", "antithetic") < paper / 10


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("normalisation", ["paper", "coverage", "regression"])
def test_the_standard_error_is_the_standard_deviation_over_seeds(
    normalisation: Normalisation, sampling: Sampling
) -> None:
    """Over 30 seeds of a non-linear random network, the map's standard deviation is the stated error within a quarter."""
    game = Game(small_cnn().double())
    runs = [
        rise(
            Probe(game, gray(), picture(), seed=seed, batch_size=64),
            [ClassEvidence(0)],
            masks=640,
            cells=3,
            normalisation=normalisation,
            sampling=sampling,
        )
        for seed in range(30)
    ]
    spread = np.std([maps.values["class:0"] for maps in runs], axis=0, ddof=1).mean()
    stated = np.mean([maps.stderr["class:0"] for maps in runs])
    assert spread == pytest.approx(stated, rel=0.25)


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("normalisation", ["coverage", "regression"])
def test_batches_change_nothing(normalisation: Normalisation, sampling: Sampling) -> None:
    """For every batch size the surrogate updates after the same grids, and pairs and blocks stay whole."""

    def run(batch: int) -> tuple[np.ndarray, np.ndarray]:
        probe = Probe(Game(small_cnn().double()), gray(), picture(), batch_size=batch)
        maps = rise(probe, [ClassEvidence(0)], masks=150, cells=3, normalisation=normalisation, sampling=sampling)
        return maps.values["class:0"], maps.stderr["class:0"]

    value, error = run(4)
    for batch in (1, 7, 100):
        again = run(batch)
        np.testing.assert_allclose(again[0], value, atol=1e-6)
        np.testing.assert_allclose(again[1], error, atol=1e-6)


def test_memory_does_not_grow() -> None:
    """After 64 grids or 640 the estimator holds the same number of values, and no more than the lattice needs."""
    probe = Probe(Game(small_cnn().double()), gray(), picture())
    grids = RandomGrids(3, 0.5, "antithetic")
    estimator = _Estimator.start(probe, grids, 2, "regression")

    def numbers() -> int:
        values = [*vars(estimator.ratio).values(), *vars(estimator.surrogate).values()]
        flat = [part for value in values for part in (value if isinstance(value, tuple) else (value,))]
        return sum(part.numel() for part in flat if isinstance(part, Tensor))

    before = numbers()
    for start in range(0, 640, 16):
        estimator.add(grids.draw(0, torch.arange(start, start + 16)), torch.rand(16, 2, dtype=torch.float64))
    assert numbers() == before < 8 * 20 * 17


def test_a_large_image_is_summed_on_a_lattice(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the lattice points the map equals the one summed pixel by pixel; between them it is close."""

    def run() -> np.ndarray:
        probe = Probe(Game(linear), constant(value=0.0), torch.ones(3, 20, 17), batch_size=64)
        return rise(probe, [ClassEvidence(0)], masks=64, cells=2, normalisation="paper").values["class:0"]

    whole = run()
    monkeypatch.setattr(rise_module, "LATTICE", 10)
    coarse = run()
    assert coarse.shape == (20, 17)
    np.testing.assert_allclose(coarse[[0, 0, -1, -1], [0, -1, 0, -1]], whole[[0, 0, -1, -1], [0, -1, 0, -1]], atol=1e-6)
    assert np.abs(coarse - whole).max() < 0.05 * np.ptp(whole)


def test_a_budget_cuts_the_grids_short() -> None:
    """The recorded settings state the actual number of masks."""
    probe = Probe(Game(small_cnn().double()), gray(), picture(), budget=Budget(queries=101))
    maps = rise(probe, [ClassEvidence(0)])
    assert (maps.settings["masks"], maps.stopped_because, probe.queries.forward_images) == (100, "queries", 101)


def test_invalid_settings_are_rejected() -> None:
    """Each message states the expected and the actual value."""
    probe = Probe(Game(small_cnn().double()), gray(), picture())
    for settings, message in [
        ({"p": 1.0}, "p between 0 and 1"),
        ({"cells": 0}, "cells >= 1"),
        ({"masks": 48}, "masks >= 49"),
        ({"masks": 3, "cells": 1}, "masks >= 4"),
        ({"masks": 1, "cells": 1, "sampling": "independent"}, "masks >= 2"),
    ]:
        with pytest.raises(RequestError, match=message):
            rise(probe, [ClassEvidence(0)], **settings)  # type: ignore[arg-type]
    small = Probe(Game(small_cnn().double()), gray(), picture(), budget=Budget(queries=10))
    with pytest.raises(RequestError, match="at least 50"):
        rise(small, [ClassEvidence(0)])
