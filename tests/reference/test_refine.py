"""Test adaptive windows against explicit kriging equations, the full sweep, and simulated fields of known covariance."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
import torch
from jaxtyping import Float, Int
from torch import Tensor

from games import Game, picture, small_cnn
from seewhy.core.arrays import Image, Images, Keep, Seeds
from seewhy.core.budget import Budget
from seewhy.core.errors import RequestError
from seewhy.core.infill import Infill
from seewhy.core.probe import Probe
from seewhy.core.target import ClassEvidence, Information
from seewhy.infills.plain import gray, noise
from seewhy.methods.windows import _kriging as kriging
from seewhy.methods.windows._kriging import Seen, krige, lattice_error
from seewhy.methods.windows._refine import Lattice
from seewhy.methods.windows.occlusion import occlusion
from seewhy.methods.windows.pmi import pmi

SIZE, SIDE = 4, 12


def covariance(one: Sequence[int], other: Sequence[int]) -> float:
    """Return the covariance of two windows of a field of variance 1."""
    return float(np.exp(-sum(abs(a - b) for a, b in zip(one, other, strict=True)) / (kriging.LENGTH * SIZE)))


def covering(row: int, column: int) -> list[tuple[int, int]]:
    """Return the windows that cover a pixel."""
    last = SIDE - SIZE
    rows, columns = (range(max(0, at - SIZE + 1), min(at, last) + 1) for at in (row, column))
    return [(r, c) for r in rows for c in columns]


def by_hand(
    windows: Sequence[tuple[int, int]], values: Float[np.ndarray, " m"], ratio: float
) -> tuple[Float[np.ndarray, "h w"], Float[np.ndarray, "h w"], Float[np.ndarray, " m"]]:
    """Krige every pixel from all windows in loops; return values, relative variances and squared leave-one-out errors."""
    count = len(windows)
    known = np.array([[covariance(a, b) for b in windows] for a in windows]) + ratio * np.eye(count)
    means, variances = np.zeros((SIDE, SIDE)), np.zeros((SIDE, SIDE))
    for row in range(SIDE):
        for column in range(SIDE):
            box = covering(row, column)
            wanted = np.array([np.mean([covariance(a, b) for b in box]) for a in windows])
            weights = np.linalg.solve(known, wanted)
            means[row, column] = weights @ values
            variances[row, column] = np.mean([[covariance(a, b) for b in box] for a in box]) - weights @ wanted
    misses = np.zeros(count)
    for left_out in range(count):
        rest = [i for i in range(count) if i != left_out]
        weights = np.linalg.solve(known[np.ix_(rest, rest)], known[rest, left_out])
        error = values[left_out] - weights @ values[rest]
        misses[left_out] = error**2 / (known[left_out, left_out] - weights @ known[rest, left_out])
    return means, variances, misses


def lattice_of(stride: int) -> Int[Tensor, "m 2"]:
    """Return all windows of a stride."""
    axis = torch.arange(0, SIDE - SIZE + 1, stride)
    return torch.cartesian_prod(axis, axis)


def test_kriging_matches_the_explicit_equations(monkeypatch: pytest.MonkeyPatch) -> None:
    """If all windows are in reach, the values agree, and the variance agrees up to the local scale."""
    monkeypatch.setattr(kriging, "_REACH", 10.0)
    positions = lattice_of(2)
    rng = np.random.default_rng(0)
    values = rng.normal(size=(len(positions), 2))
    noise_variance = np.full((len(positions), 2), 0.3)
    seen = Seen(positions, torch.from_numpy(values), torch.from_numpy(noise_variance))
    fit = krige(seen, SIZE, (SIDE, SIDE))
    share = np.clip(0.3 / (values**2).mean(0), 0, 1).mean()
    assert fit.noise_ratio == pytest.approx(share / (1 - share))
    windows = [tuple(map(int, position)) for position in positions]
    for target in range(2):
        means, variances, misses = by_hand(windows, values[:, target], fit.noise_ratio)  # type: ignore[arg-type]
        np.testing.assert_allclose(fit.values[target], means, atol=1e-9)
        each = fit.scale[target].repeat_interleave(SIZE, 0).repeat_interleave(SIZE, 1)
        np.testing.assert_allclose(fit.variance[target], variances * each.numpy(), atol=1e-9)
        # scale of the middle cell: weight 1 for its windows, 1/2 and 1/4 for its neighbours', and half a window of the mean
        cell = np.array(windows) // SIZE
        weight = np.prod(np.where(cell == 1, 1.0, np.where(abs(cell - 1) == 1, 0.5, 0.0)), axis=1)
        middle = (weight @ misses + 0.5 * misses.mean()) / (weight.sum() + 0.5)
        assert float(fit.scale[target, 1, 1]) == pytest.approx(middle)


def test_all_windows_without_noise_equal_the_sweep() -> None:
    """If everything is observed, nothing is left to predict."""
    values = torch.from_numpy(np.random.default_rng(1).normal(size=(81, 1)))
    fit = krige(Seen(lattice_of(1), values, torch.zeros(81, 1).double()), SIZE, (SIDE, SIDE))
    grid = values.view(9, 9)
    truth = torch.stack(
        [
            torch.stack([torch.stack([grid[r, c] for r, c in covering(y, x)]).mean() for x in range(SIDE)])
            for y in range(SIDE)
        ]
    )
    assert float((fit.values[0] - truth).abs().max()) < 0.02
    assert float((fit.variance[0] / fit.scale[0].max()).max()) < 2e-3


def field(seed: int, side: int) -> Float[Tensor, "p p"]:
    """Draw a field over all windows with the covariance that kriging assumes."""
    places = np.arange(side - 8 + 1)
    along = np.exp(-abs(places[:, None] - places) / (kriging.LENGTH * 8))
    root = np.linalg.cholesky(along + 1e-9 * np.eye(len(places)))
    return torch.from_numpy(root @ np.random.default_rng(seed).normal(size=(len(places),) * 2) @ root.T)


def test_the_standard_errors_are_calibrated() -> None:
    """Test 12 sparse, noisy fields; the local scale comes from a dozen windows, so intervals are slightly too narrow."""
    side, inside, squares = 96, [], []
    for seed in range(12):
        truth = field(seed, side)
        lattice = Lattice(8, (side, side))
        positions = lattice.start()
        more, _ = lattice.refine(lattice.level(), torch.ones(lattice.level().shape).double(), 150)
        positions = torch.cat([positions, more])
        scatter = 0.4 * torch.from_numpy(np.random.default_rng(100 + seed).normal(size=len(positions)))
        values = (truth[positions[:, 0], positions[:, 1]] + scatter)[:, None]
        fit = krige(Seen(positions, values, torch.full_like(values, 0.16)), 8, (side, side))
        total, count = np.zeros((side, side)), np.zeros((side, side))
        for row in range(side - 7):
            for column in range(side - 7):
                total[row : row + 8, column : column + 8] += float(truth[row, column])
                count[row : row + 8, column : column + 8] += 1
        miss = (fit.values[0].numpy() - total / count) / fit.variance[0].sqrt().numpy()
        inside.append(np.mean(abs(miss) < 1.96))
        squares.append(np.mean(miss**2))
    assert 0.9 < np.mean(inside) < 0.97
    assert 0.7 < np.mean(squares) < 1.4


def test_a_finer_lattice_lowers_the_error() -> None:
    """More noise raises it."""
    errors = [lattice_error(level, 0.2) for level in range(4)]
    assert all(coarse > fine > 0 for coarse, fine in pairwise(errors))
    assert lattice_error(1, 0.2) < lattice_error(1, 2.0)


@pytest.mark.parametrize(
    ("size", "sides"), [(8, (32, 40)), (7, (30, 33)), (5, (5, 9)), (1, (4, 6)), (24, (61, 24)), (20, (24, 25))]
)
def test_a_lattice_reaches_every_window_once(size: int, sides: tuple[int, int]) -> None:
    """The start covers every pixel; refining to the end gives each window of the finest stride exactly once."""
    lattice = Lattice(size, sides)
    level, found = lattice.level(), lattice.start()
    covered = torch.zeros(sides)
    for row, column in found.tolist():
        covered[row : row + size, column : column + size] = 1
    assert bool(covered.all())
    while True:
        gain = torch.from_numpy(np.random.default_rng(len(found)).random(level.shape))
        more, level = lattice.refine(level, gain, 13)
        if not len(more):
            break
        found = torch.cat([found, more])
    finest = [{*range(0, side - size + 1, max(1, size // 8)), side - size} for side in sides]
    every = {(row, column) for row in finest[0] for column in finest[1]}
    if size != 7:  # whose strides, 7, 3 and 1, are not nested
        assert lattice.places == len(every)
    assert len(found) == lattice.places
    assert {tuple(window) for window in found.tolist()} >= every


def test_the_best_cells_come_first() -> None:
    """The gain of a cell is divided by the number of windows it costs."""
    lattice = Lattice(8, (40, 40))
    gain = torch.zeros(5, 5).double()
    gain[1, 3], gain[2, 0] = 2.0, 1.0
    more, level = lattice.refine(lattice.level(), gain, 4)
    assert {tuple((window // 8).tolist()) for window in more[:3]} == {(1, 3)}
    assert level[1, 3] == level[2, 0] == 1
    assert int(level[:4, :4].sum()) == 2


def probe(budget: Budget | None = None, *, batch: int = 4, seed: int = 0) -> Probe:
    """Return a probe of a small network with a random in-fill."""
    return Probe(
        Game(small_cnn().double()), noise(), picture(24, 28), seed=seed, budget=budget or Budget(), batch_size=batch
    )


def test_a_shorter_run_is_a_prefix_of_a_longer_one() -> None:
    """The windows and seeds are the same for any budget and batch size."""

    def asked(queries: int, batch: int) -> list[bytes]:
        bound = probe(Budget(queries=queries), batch=batch)
        pmi(bound, [ClassEvidence(0)], size=4)
        assert isinstance(bound.classifier, Game)
        return [image.numpy().tobytes() for images in bound.classifier.seen for image in images]

    short, long = asked(101, 4), asked(203, 7)
    assert short == long[: len(short)]


def corner(images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
    """Return logits that depend on the top left corner only."""
    light = 20 * images[:, :, :16, :16].mean((1, 2, 3))
    return torch.stack([light, torch.zeros_like(light)], dim=1)


def test_windows_concentrate_where_the_map_is_uncertain() -> None:
    """For a classifier that depends on one corner, most queries go to that corner."""
    infill = _Recording(noise())
    bound = Probe(Game(corner, classes=2), infill, picture(64, 64), budget=Budget(queries=1 + 2 * 160))
    pmi(bound, [ClassEvidence(0)], size=8)
    later = torch.cat(infill.holes)[2 * 64 :]
    assert float((later < 24).all(1).double().mean()) > 0.5  # the corner is a seventh of the image


class _Recording:
    """An in-fill that records the positions of the holes."""

    stochastic, checksum = True, None

    def __init__(self, infill: Infill) -> None:
        self.infill, self.holes = infill, list[Tensor]()

    def __call__(self, image: Image, keep: Keep, seeds: Seeds) -> Images:
        """Record the holes and fill them."""
        hole = keep < 1
        self.holes.append(torch.stack([hole.any(2).double().argmax(1), hole.any(1).double().argmax(1)], dim=1))
        return self.infill(image, keep, seeds)


def test_the_full_lattice_matches_the_sweep() -> None:
    """With every window queried, prediction and sweep agree to a few standard errors of the same samples."""
    full = pmi(probe(Budget(queries=10**6)), [Information(), ClassEvidence(1)], size=4)
    sweep = pmi(probe(), [Information(), ClassEvidence(1)], size=4, stride=1, samples=2)
    assert full.stopped_because == "complete"
    for key, values in full.values.items():
        assert np.corrcoef(values.ravel(), sweep.values[key].ravel())[0, 1] > 0.98


def test_a_deterministic_infill_is_drawn_once_per_window() -> None:
    """Its standard errors come from the windows that were not queried."""
    bound = Probe(Game(small_cnn().double()), gray(), picture(24, 24))
    maps = occlusion(bound, [ClassEvidence(0)], size=8)
    assert maps.settings["samples"] == 1
    assert bound.queries.forward_images == 1 + 4 * 9
    assert float(maps.stderr["class:0"].min()) > 0
    sweep = occlusion(Probe(Game(small_cnn().double()), gray(), picture(24, 24)), [ClassEvidence(0)], size=8, stride=1)
    off = abs(maps.values["class:0"] - sweep.values["class:0"]) / maps.stderr["class:0"]
    assert float((off < 1.96).mean()) > 0.85


def test_several_sizes_are_averaged() -> None:
    """The map is the mean of the maps of the single sizes with the same number of windows."""
    sizes = (4, 8)
    together = pmi(probe(), [ClassEvidence(0)], size=sizes)
    alone = [
        pmi(probe(Budget(queries=1 + 2 * scale.windows)), [ClassEvidence(0)], size=scale.size)
        for scale in together.window_effects
    ]
    assert [scale.size for scale in together.window_effects] == [4, 8]
    mean = np.mean([maps.values["class:0"] for maps in alone], axis=0)
    np.testing.assert_allclose(together.values["class:0"], mean, atol=1e-6)
    error = np.sqrt(np.sum([maps.stderr["class:0"] ** 2 for maps in alone], axis=0)) / 2
    np.testing.assert_allclose(together.stderr["class:0"], error, rtol=1e-4)


def test_a_small_budget_draws_single_samples() -> None:
    """It goes down to one query per window; a smaller budget is rejected with the sufficient number."""
    windows = len(Lattice(4, (24, 28)).start())
    maps = pmi(probe(Budget(queries=1 + windows)), [ClassEvidence(0)], size=4)
    assert maps.settings["samples"] == 1
    assert maps.settings["correction"] == "none"
    assert maps.stderr
    with pytest.raises(RequestError, match=f"at least {1 + windows}"):
        pmi(probe(Budget(queries=windows)), [ClassEvidence(0)], size=4)


def test_it_stops_at_the_tolerance() -> None:
    """The tolerance is a fraction of the map's standard deviation, for the worst target."""
    maps = pmi(probe(Budget(tolerance=0.5)), [ClassEvidence(0)], size=4)
    assert maps.stopped_because == "tolerance"
    values, errors = maps.values["class:0"], maps.stderr["class:0"]
    assert float(np.sqrt((errors**2).mean())) <= 0.5 * float(values.std())
    assert pmi(probe(Budget(seconds=1e-9)), [ClassEvidence(0)], size=4).stopped_because == "seconds"


@pytest.mark.parametrize(
    ("size", "stride", "samples", "message"),
    [
        ((8, 8), None, None, "different sizes"),
        ((4, 8), 2, None, "one size with a stride"),
        (40, None, None, "at least 40 pixels"),
        (8, None, 0, "samples >= 1"),
    ],
)
def test_invalid_settings_are_rejected(
    size: int | tuple[int, ...], stride: int | None, samples: int | None, message: str
) -> None:
    """The message states what to do."""
    with pytest.raises(RequestError, match=message):
        pmi(probe(), [ClassEvidence(0)], size=size, stride=stride, samples=samples)
