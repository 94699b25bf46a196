"""Test Sobol and HSIC attribution against slow reference implementations and games with known answers."""

from itertools import product as combinations

import numpy as np
import pytest
import torch

from games import Game, picture, small_cnn
from seewhy.core.budget import Budget
from seewhy.core.errors import RequestError
from seewhy.core.probe import Probe
from seewhy.core.target import ClassEvidence, Contrast
from seewhy.infills.plain import constant
from seewhy.methods.sampling.hsic import dependence, hsic
from seewhy.methods.sampling.sobol import design, sobol, total_indices
from sharing import additive, product, shares, white


def jansen(a: list[float], c: list[float]) -> float:
    """Return the total index of one cell from f(A) and f(C), element by element."""
    rows = len(a)
    mean = sum(a) / rows
    variance = sum((value - mean) ** 2 for value in a) / (rows - 1)
    return sum((x - y) ** 2 for x, y in zip(a, c, strict=True)) / (2 * rows * variance)


def test_jansens_estimator_by_hand() -> None:
    """Compare with the value computed by hand for four rows."""
    assert jansen([0.1, 0.4, 0.7, 0.9], [0.2, 0.1, 0.7, 0.5]) == pytest.approx(0.265306, abs=1e-6)


def test_total_indices_match_the_reference_implementation() -> None:
    """Compare the indices, and the errors from leaving out each row in turn."""
    rows, cells = 6, 3
    answers = torch.rand(rows, cells + 1, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    value, error = total_indices(answers.flatten(0, 1), cells + 1)
    for target, cell in combinations(range(2), range(cells)):
        a, c = (answers[:, place, target].tolist() for place in (0, cell + 1))
        without = [jansen(a[:i] + a[i + 1 :], c[:i] + c[i + 1 :]) for i in range(rows)]
        spread = sum((each - np.mean(without)) ** 2 for each in without)
        assert float(value[target, cell]) == pytest.approx(jansen(a, c))
        assert float(error[target, cell]) == pytest.approx(((rows - 1) / rows * spread) ** 0.5)


def test_the_design_of_sobol() -> None:
    """Each row of A is followed by copies with one cell changed; columns fill the unit interval evenly."""
    rows, cells = 8, 4
    drawn = design(3, rows, cells).view(rows, cells + 1, cells)
    assert ((drawn[:, 1:] != drawn[:, :1]) == torch.eye(cells, dtype=torch.bool)).all()
    assert sorted((drawn[:, 0, 0] * rows).long().tolist()) == list(range(rows))


def test_sobol_decomposes_the_variance_of_a_sum() -> None:
    """The total index of a cell in a sum is its square over the sum of squares."""
    effects = np.array(shares(16))
    game = additive(effects.tolist(), 4)
    maps = sobol(Probe(game, constant(value=0.0), white()), [ClassEvidence(0)], grid=4, samples=64)
    found, error = (kind["class:0"][1::3, 1::3].ravel() for kind in (maps.values, maps.stderr))
    np.testing.assert_allclose(found, effects**2 / (effects**2).sum(), atol=0.05)
    assert np.mean(np.abs(found - effects**2 / (effects**2).sum()) <= 2 * error) >= 0.9
    assert sum(map(len, game.seen)) == 1 + 64 * 17


def test_sobol_finds_interacting_cells() -> None:
    """For a product of two cells, each has a total index of 4/7 and all others 0 (x y with x, y uniform)."""
    game = product([1, 6], 3)
    maps = sobol(Probe(game, constant(value=0.0), white(9)), [ClassEvidence(0)], grid=3, samples=256)
    value, error = (kind["class:0"][1::3, 1::3].ravel() for kind in (maps.values, maps.stderr))
    expected = np.zeros(9)
    expected[[1, 6]] = 4 / 7
    np.testing.assert_allclose(value, expected, atol=0.1)
    assert (error[[1, 6]] > 0).all()


def test_a_budget_takes_the_largest_power_of_two() -> None:
    """At 17 queries per row, 300 queries allow 16 rows."""
    game = Game(small_cnn().double())
    probe = Probe(game, constant(value=0.0), picture(), budget=Budget(queries=300))
    maps = sobol(probe, [ClassEvidence(0)], grid=4)
    assert maps.settings["samples"] == 16
    assert maps.stopped_because == "queries"
    assert probe.queries.forward_images == 1 + 16 * 17


@pytest.mark.parametrize("settings", [{"samples": 12}, {"samples": 2}, {"grid": 0}, {"grid": 18}])
def test_sobol_rejects_invalid_settings(settings: dict[str, int]) -> None:
    """Reject a number of rows that is not a power of two, and grids that do not fit."""
    with pytest.raises(RequestError, match="expected"):
        sobol(Probe(Game(small_cnn().double()), constant(), picture()), [ClassEvidence(0)], **settings)


def criterion(kept: np.ndarray, outputs: np.ndarray) -> float:
    """Return the HSIC of one cell with all matrices written out."""
    n = len(kept)
    centre = np.eye(n) - np.ones((n, n)) / n
    width = np.median(np.abs(outputs))
    k = np.array([[1.5 - (a - b) ** 2 for b in kept] for a in kept])
    y = np.array([[np.exp(-((a - b) ** 2) / (2 * width**2)) for b in outputs] for a in outputs])
    return float(((centre @ k @ centre) * (centre @ y @ centre).T).sum()) / n**2


def test_dependence_matches_the_reference_implementation() -> None:
    """The short form equals the matrix form, for outputs of either sign and more than one block of rows."""
    rng = np.random.default_rng(0)
    kept, outputs = rng.integers(0, 2, (300, 3)), rng.normal(size=300)
    found, _ = dependence(torch.tensor(kept).double(), torch.tensor(outputs))
    np.testing.assert_allclose(found, [criterion(column, outputs) for column in kept.T], rtol=1e-9)


def test_dependence_by_hand() -> None:
    """Four queries, two cells; multiplied by n these are the values of the formula with 1 / n."""
    kept = torch.tensor([[0.0, 1.0, 0.0, 1.0], [0.0, 0.0, 1.0, 1.0]]).T
    found, _ = dependence(kept, torch.tensor([0.1, 0.9, 0.2, 0.8]).double())
    np.testing.assert_allclose(4 * found, [0.61125, 0.01344], atol=1e-5)


def test_labels_are_sufficient_for_hsic() -> None:
    """With outputs of mostly 0 and some 1 the median is 0, and the kernel distinguishes only equal and unequal outputs."""
    kept = torch.tensor([[1.0, 0.0]] * 2 + [[0.0, 1.0]] * 3 + [[0.0, 0.0]] * 3)
    found, _ = dependence(kept, kept[:, 0].double())
    assert found[0] > found[1] > 0
    assert bool(found.isfinite().all())


def test_hsic_standard_errors_cover_the_converged_map() -> None:
    """For a relevant cell, at least four in five short runs are within two standard errors of the converged value."""
    rng = np.random.default_rng(1)
    kept = rng.integers(0, 2, (20_000, 1))
    outputs = 0.3 + 0.2 * kept[:, 0] + rng.uniform(0, 0.3, 20_000)
    parts = [
        dependence(torch.tensor(kept[i : i + 200]).double(), torch.tensor(outputs[i : i + 200]))
        for i in range(0, 20_000, 200)
    ]
    value, error = (np.array([float(part[which]) for part in parts]) for which in (0, 1))
    truth, _ = dependence(torch.tensor(kept[:4000]).double(), torch.tensor(outputs[:4000]))
    assert np.mean(np.abs(value - float(truth)) <= 2 * error) >= 0.8
    assert 0.5 < value.std() / error.mean() < 2


def test_hsic_ranks_the_cells_of_a_sum() -> None:
    """The stronger the effect of a cell, of either sign, the higher its rank."""
    effects = np.array([0.3, -0.2, 0.0, 0.1])
    game = additive(effects.tolist(), 2)
    maps = hsic(Probe(game, constant(value=0.0), white()), [ClassEvidence(0), Contrast(0, 1)], grid=2, samples=256)
    for values in maps.values.values():
        found = values[[0, 0, -1, -1], [0, -1, 0, -1]]
        assert found.argsort()[::-1].tolist() == np.abs(effects).argsort()[::-1].tolist()
