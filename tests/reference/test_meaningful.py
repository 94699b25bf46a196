"""Test meaningful perturbation against slow implementations of the formulas of Fong, Vedaldi, ICCV 2017."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from games import Game, OpenGame, PixelNet, picture, small_cnn
from seewhy.core.budget import Budget
from seewhy.core.errors import RequestError
from seewhy.core.probe import Probe
from seewhy.core.seeds import derive, uniforms
from seewhy.core.target import ClassEvidence, Contrast
from seewhy.infills.plain import constant, noise
from seewhy.methods.optimisation import meaningful
from seewhy.methods.optimisation._perturbation import Game as Play
from seewhy.methods.optimisation.meaningful import meaningful_perturbation, total_variation
from seewhy.methods.optimisation.meaningful_black_box import meaningful_black_box

TARGET = [ClassEvidence(0)]


class CellNet(nn.Module):
    """A classifier whose class 0 is the summed brightness of two cells of 4 x 4 pixels."""

    def forward(self, images: Tensor) -> Tensor:
        """Return logits of two classes."""
        seen = images[:, :, 4:8, 8:12].mean((1, 2, 3)) + images[:, :, 12:16, 12:16].mean((1, 2, 3))
        return torch.stack([6 * seen, torch.full_like(seen, 4)], dim=1)


def white() -> Tensor:
    """Return a white image of 20 x 20 pixels."""
    return torch.ones(3, 20, 20)


def truth() -> np.ndarray:
    """Return the mask of the two cells."""
    inside = np.zeros((20, 20), dtype=bool)
    inside[4:8, 8:12] = inside[12:16, 12:16] = True
    return inside


def slow_loss(grid: np.ndarray, game: Play, image: np.ndarray, fill: float, network: nn.Module) -> float:
    """Return λ1 Σ(1 - m) + λ2 Σ |∇m|^β + p, cell by cell; each cell is a block of pixels, without blur or shift."""
    cells, price = len(grid), 0.0
    for i in range(cells):
        for j in range(cells):
            down = grid[i + 1, j] - grid[i, j] if i + 1 < cells else 0.0
            right = grid[i, j + 1] - grid[i, j] if j + 1 < cells else 0.0
            price += 0.01 * math.hypot(down, right) ** 3
            price += 0.002 * (1 - grid[i, j] if game == "deletion" else grid[i, j])
    shown = image.copy()
    for y in range(image.shape[1]):
        for x in range(image.shape[2]):
            m = grid[y * cells // image.shape[1], x * cells // image.shape[2]]
            shown[:, y, x] = m * image[:, y, x] + (1 - m) * fill
    probability = float(torch.softmax(network(torch.tensor(shown)[None]), dim=1)[0, 0])
    return price + (probability if game == "deletion" else -probability)


def slow_adam(start: np.ndarray, steps: int, game: Play, image: np.ndarray, network: nn.Module) -> np.ndarray:
    """Run Adam (Kingma, Ba, ICLR 2015) on central differences of the loss, with a clip to [0, 1] after each step."""
    grid, first, second = start.copy(), np.zeros_like(start), np.zeros_like(start)
    for step in range(1, steps + 1):
        slope = np.zeros_like(grid)
        for place in np.ndindex(*grid.shape):
            move = np.zeros_like(grid)
            move[place] = 1e-5
            above, below = (slow_loss(grid + sign * move, game, image, 0.25, network) for sign in (1, -1))
            slope[place] = (above - below) / 2e-5
        first = 0.9 * first + 0.1 * slope
        second = 0.999 * second + 0.001 * slope**2
        grid -= 0.1 * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
        grid = grid.clip(0, 1)
    return grid


@pytest.mark.parametrize("game", ["deletion", "preservation"])
def test_the_optimisation_matches_the_reference(game: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    """Test loss, gradient, Adam and clip, from a random grid, in float64."""
    network = small_cnn(3).double()
    image = picture(12, 12).double()
    start = torch.rand(4, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    probe = Probe(OpenGame(network), constant(value=0.25), image)
    task = meaningful._Task(probe, torch.eye(3)[0].double(), game, 4, 0.0, 2e-3, 1e-2, 3.0, 1)
    probe.fill = lambda seeds: torch.full((len(seeds), 3, 12, 12), 0.25, dtype=torch.float64)  # type: ignore[method-assign]
    monkeypatch.setattr(meaningful._Task, "_start", lambda _: start.clone())
    learned = task.learn(4, 0.1).values[::3, ::3].numpy()
    slow = slow_adam(start.numpy(), 4, game, image.numpy(), network)
    np.testing.assert_allclose(learned, 1 - slow if game == "deletion" else slow, atol=1e-5)


@pytest.mark.parametrize("beta", [1.0, 2.0, 3.0])
def test_total_variation_is_isotropic(beta: float) -> None:
    """Compute Σ (dx² + dy²)^(β/2) cell by cell; the gradient is finite where nothing changes."""
    grid = torch.rand(5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    grid[3:] = 0.5
    slow = sum(
        math.hypot(
            float(grid[i + 1, j] - grid[i, j]) if i < 4 else 0, float(grid[i, j + 1] - grid[i, j]) if j < 3 else 0
        )
        ** beta
        for i in range(5)
        for j in range(4)
    )
    grid.requires_grad_()
    value = total_variation(grid, beta)
    assert value.item() == pytest.approx(slow, abs=1e-3 if beta == 1 else 1e-9)
    assert torch.autograd.grad(value, grid)[0].isfinite().all()


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        (
            meaningful_perturbation,
            {"iterations": 120, "cells": 5, "sigma": 0.0, "jitter": 1, "lambda1": 1e-2, "lambda2": 0.0},
        ),
        (meaningful_black_box, {"steps": 300, "cells": 5, "area_weight": 1.0}),
    ],
)
def test_deletion_finds_the_relevant_cells(method: object, settings: dict[str, object]) -> None:
    """Enough of the two cells is removed to change the prediction, and hardly anything else."""
    probe = Probe(OpenGame(CellNet()), constant(value=0.0), white())
    maps = method(probe, TARGET, **settings)  # type: ignore[operator]
    removed = maps.values["class:0"]
    assert removed[truth()].mean() > 0.5
    assert removed[truth()].mean() > 2 * removed[~truth()].mean()
    assert "no small region" not in maps.findings[0]


def test_preservation_keeps_the_relevant_cells() -> None:
    """The two cells are kept and the rest is removed."""
    probe = Probe(OpenGame(CellNet()), constant(value=0.0), white())
    settings = {"iterations": 120, "cells": 5, "sigma": 0.0, "jitter": 1, "lambda1": 1e-2, "lambda2": 0.0}
    kept = meaningful_perturbation(probe, TARGET, game="preservation", **settings).values["class:0"]  # type: ignore[arg-type]
    assert kept[truth()].min() > 0.7
    assert kept[~truth()].max() < 0.1


class MiddleNet(nn.Module):
    """A classifier whose class 0 depends on the middle of the image."""

    def forward(self, images: Tensor) -> Tensor:
        """Return logits of two classes."""
        seen = 8 * images[:, :, 20:36, 20:36].mean((1, 2, 3))
        return torch.stack([seen, torch.zeros_like(seen)], dim=1)


def test_discs_have_the_stated_radii() -> None:
    """Radii are 0, 5, 10, … pixels for a side of 224; away from the border, a blur preserves the area."""
    areas = meaningful.discs((224, 224), torch.device("cpu")).sum((1, 2))
    expected = [math.pi * (5 * number) ** 2 for number in range(15)]
    np.testing.assert_allclose(areas[:15], expected, rtol=0.03)
    assert len(areas) == 35


@pytest.mark.parametrize("game", ["deletion", "preservation"])
def test_the_start_is_the_smallest_effective_disc(game: Play) -> None:
    """It is the first disc whose probability covers 99 % of the change from no disc to the largest one."""
    network, image = MiddleNet(), torch.ones(3, 56, 56)
    task = meaningful._Task(
        Probe(OpenGame(network), constant(value=0.0), image), torch.eye(2)[0].double(), game, 28, 5.0, 0.0, 0.0, 3.0, 1
    )
    chances = []
    for disc in meaningful.discs((56, 56), torch.device("cpu")):
        keep = 1 - disc if game == "deletion" else disc
        chances.append(float(torch.softmax(network((keep * image)[None]), dim=1)[0, 0]))
    way = [(probability - chances[0]) / (chances[-1] - chances[0]) for probability in chances]
    first = next(number for number, share in enumerate(way) if share >= 0.99)
    assert 0 < first < 34
    disc = meaningful.discs((56, 56), torch.device("cpu"))[first]
    coarse = torch.stack([torch.stack([disc[2 * i, 2 * j] for j in range(28)]) for i in range(28)])
    np.testing.assert_allclose(task._start().double(), 1 - coarse if game == "deletion" else coarse, atol=1e-6)


def test_a_constant_classifier_gets_an_empty_map() -> None:
    """A classifier that ignores the image gets an empty map and a finding."""
    network = small_cnn(3)
    for part in network.parameters():
        part.zero_()
    maps = meaningful_perturbation(Probe(OpenGame(network), constant(), picture()), TARGET, iterations=3)
    assert maps.values["class:0"].max() == pytest.approx(0, abs=1e-6)
    assert maps.findings[0].startswith("class:0: no small region changes the prediction")


def test_the_image_is_shifted_under_a_fixed_mask() -> None:
    """Each step shows one of the ``jitter²`` crops of the enlarged image and in-fill, both at the same position."""
    probe = Probe(OpenGame(small_cnn()), constant(value=0.0), picture(20, 20))
    task = meaningful._Task(probe, torch.eye(5)[0], "deletion", 5, 0.0, 1e-4, 1e-2, 3.0, 3)
    large = torch.nn.functional.interpolate(probe.image[None], size=(23, 23), mode="bilinear")[0]
    cuts = [large[:, top : top + 20, left : left + 20] for top in range(3) for left in range(3)]
    found = set()
    for _, (image, fill) in zip(range(40), task._shifted(), strict=False):
        found |= {number for number, cut in enumerate(cuts) if torch.equal(image, cut)}
        assert not fill.any()
    assert found == set(range(9))


def test_a_random_infill_is_redrawn_at_each_step() -> None:
    """The authors redraw noise in the same way."""
    probe = Probe(OpenGame(small_cnn()), noise(), picture())
    task = meaningful._Task(probe, torch.eye(5)[0], "deletion", 5, 0.0, 1e-4, 1e-2, 3.0, 1)
    (_, first), (_, second) = (pair for _, pair in zip(range(2), task._shifted(), strict=False))
    assert not torch.equal(first, second)


def test_query_count_and_budget() -> None:
    """One query, and per target 36 and one per step; a budget shortens the run; the traces record every tenth step."""
    probe = Probe(OpenGame(small_cnn()), constant(), picture(), budget=Budget(queries=100))
    maps = meaningful_perturbation(probe, [ClassEvidence(0), Contrast(0, 1)], cells=5)
    assert maps.stopped_because == "queries"
    assert maps.settings["iterations"] == 13
    assert (probe.queries.forward_images, probe.queries.backward_images) == (1 + 2 * (36 + 13), 26)
    assert len(maps.traces["contrast:0/1: area"]) == 2
    free = Probe(Game(small_cnn().double()), constant(), picture())
    maps = meaningful_black_box(free, TARGET, steps=12, cells=3)
    assert free.queries.forward_images == 1 + 1 + 24
    assert len(maps.traces["class:0: probability"]) == 2


@pytest.mark.parametrize("settings", [{"iterations": 0}, {"cells": 1}, {"jitter": 0}, {"sigma": -1.0}])
def test_invalid_settings_are_rejected(settings: dict[str, int | float]) -> None:
    """The message states what was expected."""
    with pytest.raises(RequestError, match="expected"):
        meaningful_perturbation(Probe(OpenGame(PixelNet()), constant(), picture()), TARGET, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("settings", [{"steps": 0}, {"cells": 0}])
def test_invalid_black_box_settings_are_rejected(settings: dict[str, int | float]) -> None:
    """The message states what was expected."""
    with pytest.raises(RequestError, match="expected"):
        meaningful_black_box(Probe(OpenGame(PixelNet()), constant(), picture()), TARGET, **settings)  # type: ignore[arg-type]


def test_the_gradient_is_estimated_from_pairs() -> None:
    """Compare the steps of Spall's estimate and Adam, pair by pair, with the closed form."""
    image, steps, network = white(), 3, CellNet()
    probe = Probe(Game(network.double()), constant(value=0.0), image)
    found = meaningful_black_box(probe, TARGET, steps=steps, cells=5)
    grid, first, second = np.full((5, 5), 0.5), np.zeros((5, 5)), np.zeros((5, 5))

    def probability(cells: np.ndarray) -> float:
        keep = torch.nn.functional.interpolate(torch.tensor(cells)[None, None], size=(20, 20), mode="bilinear")[0]
        shown = (keep * 255).round() / 255 * image
        return float(torch.softmax(network(shown[None].double()), dim=1)[0, 0])

    for step in range(steps):
        seed = derive(0, torch.tensor([step]))
        signs = np.where(uniforms(seed, 25).numpy() < 0.5, 1.0, -1.0).reshape(5, 5)
        fall = probability((grid + 0.2 * signs).clip(0, 1)) - probability((grid - 0.2 * signs).clip(0, 1))
        slope = fall * signs / 0.4 - 0.784 / 25
        first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
        ahead = first / (1 - 0.9 ** (step + 1)) / (np.sqrt(second / (1 - 0.999 ** (step + 1))) + 1e-8)
        grid = (grid - 0.05 * (1 - 0.9 * step / steps) * ahead).clip(0, 1)
    slow = 1 - torch.nn.functional.interpolate(torch.tensor(grid)[None, None], size=(20, 20), mode="bilinear")[0, 0]
    np.testing.assert_allclose(found.values["class:0"], slow, atol=1e-4)
