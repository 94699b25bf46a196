"""Test the additive map against a dense Gaussian process written from the formulas, and in worlds with known values."""

import math
from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from games import Game, picture, small_cnn
from seewhy.core.access import Access
from seewhy.core.budget import Budget
from seewhy.core.errors import RequestError
from seewhy.core.probe import Probe
from seewhy.core.target import ClassEvidence, Contrast, Information, Target, WeightOfEvidence
from seewhy.infills.donor import donor
from seewhy.infills.plain import constant
from seewhy.methods.sampling._smooth_regression import LENGTHS, LEVEL, RATIOS, Posterior, Sums, posteriors
from seewhy.methods.sampling._soft_grids import SCALES, Lattice, draw
from seewhy.methods.sampling.additive import additive, estimate

CPU = torch.device("cpu")


def bilinear(size: tuple[int, int], points: tuple[int, int]) -> Tensor:
    """Return the weight of each lattice point at each pixel, by torch's interpolation of one point at a time."""
    basis = torch.eye(points[0] * points[1], dtype=torch.float64).view(-1, 1, *points)
    return functional.interpolate(basis, size=size, mode="bilinear", align_corners=False).flatten(1).T


def covariance(points: tuple[int, int], length: float) -> Tensor:
    """Return the squared exponential covariance of the lattice points."""
    where = torch.tensor(list(product(range(points[0]), range(points[1]))), dtype=torch.float64)
    return (-torch.cdist(where, where).square() / (2 * length**2)).exp()


def dense(keep: Tensor, scores: Tensor, size: tuple[int, int], points: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return mean and covariance of the pixels of one map, from the pairs' half differences, in the space of the pairs."""
    drawn = bilinear(size, points)
    x = (keep[0::2] - keep[1::2]).flatten(1).double() / 2 @ drawn
    y = (scores[0::2] - scores[1::2]) / 2
    likelihoods, means, spreads = [], [], []
    for length, ratio in product(LENGTHS, RATIOS):
        local = covariance(points, length)
        prior = (local + LEVEL**2) * ratio * len(y) / (x @ local @ x.T).trace()
        total = x @ prior @ x.T + torch.eye(len(y), dtype=torch.float64)
        solved = torch.linalg.solve(total, torch.cat([y[:, None], x @ prior], 1))
        likelihoods.append(-(len(y) * (y @ solved[:, 0]).log() + torch.logdet(total)) / 2)
        means.append(prior @ x.T @ solved[:, 0])
        spreads.append((y @ solved[:, 0]) / (len(y) - 2) * (prior - prior @ x.T @ solved[:, 1:]))
    weights = torch.stack(likelihoods).softmax(0)
    mean = torch.stack(means).T @ weights
    apart = torch.stack(means) - mean
    spread = torch.einsum("s,sab->ab", weights, torch.stack(spreads)) + apart.T @ (weights[:, None] * apart)
    return drawn @ mean, drawn @ spread @ drawn.T


@pytest.mark.parametrize("size", [(20, 17), (9, 40)])
def test_the_running_sums_give_the_posterior_of_a_dense_gaussian_process(size: tuple[int, int]) -> None:
    """Test mean, errors and the errors of regions of a network's log odds, and of its contrast."""
    image, game = picture(*size), Game(small_cnn(3).double())
    probe = Probe(game, constant(value=0.3), image, seed=3)
    maps = estimate(probe, [ClassEvidence(0), Contrast(1, 2)], samples=80)
    points = (min(size[0], round(28 * size[0] / max(size))), min(size[1], 28)) if max(size) > 28 else size
    grids = draw(3, torch.arange(80), size)
    answers = probe(grids.keep(*size), torch.arange(80)).add(1e-4)
    log, rest = answers.log(), (1 - answers + 2e-4).log()
    for key, scores in (("class:0", log[:, 0] - rest[:, 0]), ("contrast:1/2", log[:, 1] - log[:, 2])):
        mean, spread = dense(grids.keep(*size), scores, size, points)
        scale = float(mean.abs().max())
        np.testing.assert_allclose(maps.values()[key], mean.view(size), atol=1e-5 * scale)
        np.testing.assert_allclose(maps.errors()[key], spread.diagonal().sqrt().view(size), atol=1e-5 * scale)
        region = torch.zeros(size)
        region[2:7, 3:9] = 1
        value, error = maps.posteriors[key].region(region)
        flat = region.flatten().double()
        assert value == pytest.approx(float(flat @ mean), rel=1e-5)
        assert error == pytest.approx(float(flat @ spread @ flat) ** 0.5, rel=1e-4)
        assert value == pytest.approx(float(maps.values()[key][2:7, 3:9].sum()), rel=1e-4)


def test_a_grid_is_cells_blurred_by_a_sixth_of_their_side() -> None:
    """Test each pixel against the sum over the cells of Gaussian integrals; the outer cells have no outer edge."""
    size = (19, 26)
    grids = draw(5, torch.arange(2 * len(SCALES)), size)
    keep = grids.keep(*size)

    def share(pixel: int, cell: int, count: int, side: float, shift: float) -> float:
        below, above = (edge - shift - (pixel + 0.5) / side for edge in (cell, cell + 1))
        low = 0.0 if cell == 0 else 0.5 * (1 + math.erf(below * 6 / math.sqrt(2)))
        high = 1.0 if cell == count - 1 else 0.5 * (1 + math.erf(above * 6 / math.sqrt(2)))
        return high - low

    for grid, scale in enumerate(SCALES):
        number = 2 * grid
        cells, side = grids.cells[number], math.sqrt(19 * 26) / scale
        assert float(grids.side[number]) == pytest.approx(side)
        for row, column in ((0, 0), (7, 11), (18, 25), (12, 3)):
            expected = sum(
                float(cells[down, across])
                * share(row, down, cells.shape[0], side, float(grids.shift[number, 0]))
                * share(column, across, cells.shape[1], side, float(grids.shift[number, 1]))
                for down, across in product(range(cells.shape[0]), range(cells.shape[1]))
            )
            assert float(keep[number, row, column]) == pytest.approx(expected, abs=1e-6)


def test_grids_come_in_complements_and_do_not_depend_on_the_others() -> None:
    """The fraction kept covers 10 to 90 % evenly, in any short prefix."""
    size = (64, 48)
    keep = draw(9, torch.arange(64), size).keep(*size)
    torch.testing.assert_close(keep[0::2] + keep[1::2], torch.ones(32, *size))
    torch.testing.assert_close(draw(9, torch.tensor([37, 4]), size).keep(*size), keep[[37, 4]])
    assert not torch.equal(draw(8, torch.arange(64), size).keep(*size), keep)
    shares = keep[0::2].mean((1, 2))
    assert float(shares.min()) < 0.25
    assert float(shares.max()) > 0.75
    assert float(shares.mean()) == pytest.approx(0.5, abs=0.06)


def test_the_lattice_is_small_for_any_picture() -> None:
    """It has at most 28 points along the longer side, square meshes, and its points share out every pixel once."""
    for size in ((224, 224), (600, 150), (5, 5), (1, 90)):
        lattice = Lattice.over(size, 28, CPU)
        sides = lattice.down.shape[1], lattice.across.shape[1]
        assert max(sides) == min(28, max(size))
        assert abs(sides[0] / sides[1] - size[0] / size[1]) < 0.03
        torch.testing.assert_close(
            lattice.draw(torch.ones(lattice.points, dtype=torch.float64)), torch.ones(size).double()
        )


def additive_world(field: Tensor) -> tuple[Game, Tensor]:
    """Return a classifier of two classes whose log odds are the sum of a field over the pixels shown, and a white picture."""

    def logits(images: Tensor) -> Tensor:
        shown = (images[:, 0].double() * field).sum((1, 2))
        return torch.stack([shown, torch.zeros_like(shown)], dim=1)

    return Game(logits, classes=2), torch.ones(3, *field.shape)


def smooth_worlds(lattice: Lattice, length: float, count: int, seed: int) -> Tensor:
    """Draw maps from the prior at the lattice points, one per row."""
    sides = lattice.down.shape[1], lattice.across.shape[1]
    variance, directions = torch.linalg.eigh(covariance(sides, length) + LEVEL**2)
    root = directions * variance.clamp(min=0).sqrt()
    numbers = torch.randn(count, len(root), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    worlds: Tensor = numbers @ root.T
    return worlds


def test_a_planted_additive_world_returns_its_values() -> None:
    """Where the score is a sum over the pixels, each pixel and each region gets its value, within the error."""
    lattice = Lattice.over((32, 40), 28, CPU)
    field = lattice.draw(smooth_worlds(lattice, 4.0, 1, 0))[0] / 1000
    game, image = additive_world(field)
    maps = estimate(Probe(game, constant(value=0.0), image), [ClassEvidence(0), ClassEvidence(1)], samples=400)
    values, errors = maps.values()["class:0"], maps.errors()["class:0"]
    assert (np.abs(values - field.numpy()) <= 5 * errors + 1e-6).all()
    assert np.corrcoef(values.ravel(), field.numpy().ravel())[0, 1] > 0.98
    left = torch.zeros(32, 40)
    left[:, :15] = 1
    value, error = maps.posteriors["class:0"].region(left)
    assert abs(value - float(field[:, :15].sum())) < 5 * error
    assert error < 0.1 * float(field[:, :15].abs().sum())
    np.testing.assert_allclose(maps.values()["class:1"], -values, atol=1e-6)


def test_evidence_against_a_class_is_negative() -> None:
    """A class that is seen where something is missing has a negative value there, well beyond its error."""
    field = torch.zeros(24, 24, dtype=torch.float64)
    field[4:10, 12:20] = -0.1
    game, image = additive_world(field)
    maps = estimate(Probe(game, constant(value=0.0), image), [ClassEvidence(0)], samples=300)
    value, error = maps.posteriors["class:0"].region((field < 0).float())
    assert value < -10 * error < 0
    assert value == pytest.approx(float(field.sum()), rel=0.2)
    assert maps.values()["class:0"].min() == maps.values()["class:0"][4:10, 12:20].min()


def test_the_intervals_cover_the_truth() -> None:
    """In 210 worlds drawn from the prior, 95 % intervals of pixels and of sums over regions hold 93 to 97 % of the truths."""
    size = (48, 40)
    lattice = Lattice.over(size, 16, CPU)
    x = draw(0, torch.arange(300), size).sums(lattice)
    truth = torch.cat([smooth_worlds(lattice, length, 70, 1) for length in LENGTHS])
    clean = x @ truth.T
    half = (clean[0::2] - clean[1::2]) / 2
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    sums = Sums.start(lattice.points, len(truth), CPU)
    sums.add(x, clean + noise * half.std(0) * 2**0.5)
    regions = torch.zeros(5, *size)
    regions[0, :20, :20] = regions[1, 10:16, 20:30] = regions[2] = regions[3, 30:, :] = regions[4, 5, 5] = 1
    pixels, areas = [], []
    for world, posterior in zip(lattice.draw(truth), posteriors(sums, lattice), strict=True):
        pixels.append(((posterior.values() - world).abs() <= 1.96 * posterior.error()).double().mean())
        areas += [within(posterior, world, region) for region in regions]
    assert 0.93 <= float(torch.stack(pixels).mean()) <= 0.97
    assert 0.93 <= np.mean(areas) <= 0.97


def within(posterior: Posterior, world: Tensor, region: Tensor) -> bool:
    """Return whether the interval of a region holds the sum of the true map."""
    value, error = posterior.region(region)
    return abs(value - float((world * region).sum())) <= 1.96 * error


def test_no_target_changes_the_map_of_another() -> None:
    """The queries and the map of a class are the same with and without other targets."""

    def run(targets: list[Target]) -> tuple[np.ndarray, np.ndarray, list[Tensor]]:
        game = Game(small_cnn().double())
        maps = additive(Probe(game, donor(), picture(), seed=4), targets, samples=60)
        return maps.values["class:1"], maps.stderr["class:1"], game.seen

    alone = run([ClassEvidence(1)])
    among = run([Information(), ClassEvidence(0), Contrast(1, 0), ClassEvidence(1), WeightOfEvidence(2)])
    np.testing.assert_allclose(alone[0], among[0], rtol=1e-5)
    np.testing.assert_allclose(alone[1], among[1], rtol=1e-5)
    assert torch.equal(torch.cat(alone[2]), torch.cat(among[2]))


def test_a_smaller_budget_is_a_prefix() -> None:
    """A run cut short by its budget gives the map of a run of that length, and says why it stopped."""
    image = picture()

    def run(samples: int, budget: int | None) -> tuple[np.ndarray, str]:
        probe = Probe(Game(small_cnn().double()), donor(), image, budget=Budget(queries=budget))
        maps = additive(probe, [ClassEvidence(0)], samples=samples)
        assert maps.settings["samples"] == probe.queries.forward_images - 1 == 70
        return maps.values["class:0"], maps.stopped_because

    (cut, why), (full, complete) = run(400, 72), run(70, None)
    assert np.array_equal(cut, full)
    assert (why, complete) == ("queries", "complete")


def test_each_target_is_read_in_the_chosen_score() -> None:
    """A weight of evidence is the log odds; probabilities are linear; information is the mean log probability."""
    targets = [ClassEvidence(0), ClassEvidence(1), Contrast(0, 1), WeightOfEvidence(0), Information()]

    def run(score: str) -> dict[str, np.ndarray]:
        probe = Probe(Game(small_cnn(3).double()), donor(), picture())
        return dict(additive(probe, targets, samples=60, score=score).values)  # type: ignore[arg-type]

    odds, log, plain = map(run, ("log-odds", "log-probability", "probability"))
    np.testing.assert_allclose(odds["woe:0"], odds["class:0"], rtol=1e-5)
    np.testing.assert_allclose(log["woe:0"], odds["class:0"], rtol=1e-5)
    np.testing.assert_allclose(log["contrast:0/1"], odds["contrast:0/1"], rtol=1e-5)
    np.testing.assert_allclose(log["information"], odds["information"], rtol=1e-5)
    assert np.abs(log["class:0"] - odds["class:0"]).max() > 1e-5
    assert np.abs(plain["class:0"]).max() < np.abs(log["class:0"]).max()
    np.testing.assert_allclose(plain["woe:0"], 2 * plain["class:0"], rtol=1e-5)


def test_a_classifier_that_gives_labels_only_is_explained_by_its_probability() -> None:
    """The unit says so."""

    def hard(images: Tensor) -> Tensor:
        return 1e3 * torch.stack([images.mean((1, 2, 3)), images.new_full((len(images),), 0.3)], dim=1)

    game = Game(hard, classes=2, access=Access.LABEL)
    maps = additive(Probe(game, constant(value=0.0), picture()), [ClassEvidence(0)], samples=60)
    assert (maps.unit, maps.settings["score"]) == ("probability per pixel", "probability")
    assert maps.values["class:0"].sum() > 0.3


def test_refusals_say_what_to_do() -> None:
    """An odd or tiny number of samples, and a budget that does not pay for one pair of each scale."""
    for samples in (8, 61):
        with pytest.raises(RequestError, match="even number of samples >= 10"):
            additive(Probe(Game(small_cnn().double()), donor(), picture()), [ClassEvidence(0)], samples=samples)
    with pytest.raises(RequestError, match="at least 11"):
        additive(Probe(Game(small_cnn().double()), donor(), picture(), budget=Budget(queries=10)), [ClassEvidence(0)])
