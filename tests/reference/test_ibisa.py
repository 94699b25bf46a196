"""Test IBISA-style maps against a slow reference implementation, games with known answers, and pass counts."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from games import OpenGame, picture, small_cnn
from seewhy.core.attribution import Attribution
from seewhy.core.errors import RequestError
from seewhy.core.probe import Probe
from seewhy.core.seeds import derive, uniforms
from seewhy.core.target import ClassEvidence, Contrast, Target
from seewhy.infills.plain import constant, noise
from seewhy.methods.optimisation.ibisa import ibisa

CELLS = 4
LIKELY, OTHER = 2, 0
"""The class that the random network of the replica is sure of, and another one."""


class Corner(nn.Module):
    """A classifier: class 0 is the brightness of the top left quarter, class 1 of the bottom right, class 2 constant."""

    def forward(self, images: Tensor) -> Tensor:
        """Return logits."""
        half = images.shape[2] // 2
        zero, one = images[:, :, :half, :half].mean((1, 2, 3)), images[:, :, half:, half:].mean((1, 2, 3))
        return torch.stack([8 * zero, 4 * one, torch.zeros_like(zero)], dim=1)


def corner_maps(target: Target, **settings: Any) -> Attribution:
    """Explain `Corner` on a white image of 24 x 24 with a black in-fill."""
    probe = Probe(OpenGame(Corner()), constant(value=0.0), torch.ones(3, 24, 24))
    return ibisa(probe, [target], **{"cells": CELLS, **settings})


def enlarged(grid: Tensor, shift: Tensor, height: int, width: int) -> Tensor:
    """Interpolate each pixel between the four nearest cells; the grid extends one cell's length beyond the image."""
    count = len(grid)
    sides = []
    for length, share in ((height, float(shift[0])), (width, float(shift[1]))):
        cell = math.ceil(length / count)
        offset = int(share * cell)
        places = [(pixel + offset + 0.5) * count / ((count + 1) * cell) - 0.5 for pixel in range(length)]
        sides.append([min(max(place, 0.0), count - 1.0) for place in places])
    rows = []
    for y in sides[0]:
        for x in sides[1]:
            top, left = min(int(y), count - 2), min(int(x), count - 2)
            down, right = y - top, x - left
            above = (1 - right) * grid[top, left] + right * grid[top, left + 1]
            below = (1 - right) * grid[top + 1, left] + right * grid[top + 1, left + 1]
            rows.append((1 - down) * above + down * below)
    return torch.stack(rows).reshape(height, width)


def replica(draws: int, steps: int, net: nn.Module, image: Tensor, w: Tensor) -> Tensor:
    """Compute the map grid by grid, with Adam written out and beta = 3."""
    of_grid = [derive(5, torch.tensor([number])) for number in range(draws)]
    shifts = [uniforms(seed, 2, stream=1)[0] for seed in of_grid]
    logits = [torch.where(uniforms(seed, CELLS**2)[0] < 0.3, 2.0, -2.0).view(CELLS, CELLS) for seed in of_grid]
    first, second = ([torch.zeros(CELLS, CELLS) for _ in logits] for _ in range(2))
    size = (image.shape[1], image.shape[2])
    for step in range(1, steps + 1):
        leaves = [values.clone().requires_grad_() for values in logits]
        total = torch.zeros(())
        for draw in range(draws):
            seed = derive(5, torch.tensor([step * draws + draw]))
            keep = enlarged(1 / (1 + (-leaves[draw]).exp()), shifts[draw], *size)
            fill = noise()(image, torch.zeros(1, *size), seed)[0]
            answer = net((keep * image + (1 - keep) * fill)[None])[0]
            cross = -(w * (answer - answer.exp().sum().log())).sum()
            total = total + (cross + 3 * keep.mean()) / draws
        for number, gradient in enumerate(torch.autograd.grad(total, leaves)):
            first[number] = 0.9 * first[number] + 0.1 * gradient
            second[number] = 0.999 * second[number] + 0.001 * gradient**2
            mean, square = first[number] / (1 - 0.9**step), second[number] / (1 - 0.999**step)
            logits[number] = logits[number] - 0.7 * mean / (square.sqrt() + 1e-8)
    kept = [enlarged(1 / (1 + (-values).exp()), shift, *size) for values, shift in zip(logits, shifts, strict=True)]
    return sum(kept, torch.zeros(size)) / draws


@pytest.mark.parametrize("target", [ClassEvidence(LIKELY), Contrast(LIKELY, OTHER)])
@pytest.mark.parametrize(("draws", "steps"), [(2, 4), (3, 1)])
def test_the_map_matches_the_formulas(draws: int, steps: int, target: Target) -> None:
    """Test all grids, both terms, Adam and the readout, with the library's own random numbers."""
    image, net = picture(7, 6), nn.Sequential(nn.UpsamplingBilinear2d((20, 20)), small_cnn(3))
    probe = Probe(OpenGame(net), noise(), image, seed=5)
    maps = ibisa(probe, [target], cells=CELLS, draws=draws, steps=steps, lr=0.7, beta=3.0, p0=0.3)
    expected = replica(draws, steps, net, image, target.weights(torch.zeros(3))).detach().numpy()
    assert expected.std() > 1e-3
    np.testing.assert_allclose(maps.values[target.key], expected, atol=2e-5)


def test_twenty_forward_images_and_ten_backward_calls() -> None:
    """Count images and calls in the classifier itself, with the defaults."""
    net = small_cnn()
    backward: list[int] = []

    def note(_: nn.Module, gradients: Any, __: object) -> None:
        backward.append(len(gradients[0]))

    net.register_full_backward_hook(note)
    probe = Probe(game := OpenGame(net), noise(), picture(), batch_size=10)
    ibisa(probe, [ClassEvidence(0)])
    # the first is the prediction, the first query of every explanation
    assert ([len(images) for images in game.seen], backward) == ([1] + [2] * 10, [2] * 10)
    queries = probe.queries
    assert (queries.forward_images, queries.forward_calls) == (21, 11)
    assert (queries.backward_images, queries.backward_calls) == (20, 10)


def test_each_image_has_its_own_infill() -> None:
    """Noise is redrawn for every step and draw."""
    probe = Probe(game := OpenGame(small_cnn()), noise(), picture())
    ibisa(probe, [ClassEvidence(0)], beta=1e4, lr=30.0, steps=4)
    closed = torch.cat(game.seen[2:])  # one such step closes every cell, so that only the in-fill is left
    assert ((closed[:, None] - closed[None]).flatten(2).abs().mean(2) > 0.1).sum() == 6 * 5


@pytest.mark.parametrize(("index", "corner"), [(0, np.s_[:9, :9]), (1, np.s_[-9:, -9:])])
def test_the_sufficient_region_is_kept(index: int, corner: tuple[slice, slice]) -> None:
    """The quarter of the class is kept, the opposite one is removed."""
    values = corner_maps(ClassEvidence(index), beta=2.0, draws=4).values[f"class:{index}"]
    opposite = values[::-1, ::-1]
    assert values.min() >= 0
    assert values.max() <= 1
    assert values[corner].mean() > 0.5
    assert values[corner].mean() > 3 * opposite[corner].mean()


def test_a_contrast_keeps_one_side() -> None:
    """What supports the one class is kept and what supports the other is removed, although the image contains both."""
    values = corner_maps(Contrast(1, 0), beta=1.0).values["contrast:1/0"]
    assert values[-9:, -9:].mean() > 0.5
    assert values[:9, :9].mean() < 0.1


def test_a_higher_beta_keeps_less() -> None:
    """A higher weight of the area keeps less, at every step and at the end."""
    areas = [corner_maps(ClassEvidence(0), beta=beta).values["class:0"].mean() for beta in (0.1, 3.0)]
    assert areas[0] > 2 * areas[1]


def test_a_missing_region_is_reported_and_gives_a_zero_map() -> None:
    """With a prohibitive beta the map is 0; a kept region that falls short of the full image is reported too."""
    maps = corner_maps(ClassEvidence(0), beta=1000.0)
    assert not maps.values["class:0"].any()
    assert "no sufficient region found" in maps.findings[0]
    short = corner_maps(ClassEvidence(0), p0=0.0, beta=20.0, lr=0.3, steps=2)
    assert "not sufficient" in short.findings[0]
    assert short.values["class:0"].any()


def test_traces_have_one_value_per_step() -> None:
    """The first value belongs to the random start, recomputed here; the findings state the last."""
    maps = corner_maps(ClassEvidence(0), draws=1, steps=3, p0=0.5)
    cross, area = maps.traces["class:0: cross-entropy"], maps.traces["class:0: area"]
    assert len(cross) == len(area) == 3
    seed = derive(0, torch.tensor([0]))
    first = torch.where(uniforms(seed, CELLS**2)[0] < 0.5, 2.0, -2.0).view(CELLS, CELLS).sigmoid()
    keep = enlarged(first, uniforms(seed, 2, stream=1)[0], 24, 24)
    logits = torch.tensor([8 * float(keep[:12, :12].mean()), 4 * float(keep[12:, 12:].mean()), 0.0])
    assert area[0] == pytest.approx(float(keep.mean()), abs=1e-5)
    assert cross[0] == pytest.approx(-float(logits.log_softmax(0)[0]), abs=1e-5)
    assert f"{cross[-1]:.2f} nats" in maps.findings[0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cells": 0}, "expected cells >= 1, got 0"),
        ({"draws": 0}, "expected draws >= 1, got 0"),
        ({"steps": 0}, "expected steps >= 1, got 0"),
        ({"beta": -1.0}, "expected beta >= 0, got -1.0"),
        ({"beta": float("nan")}, "expected beta >= 0, got nan"),
        ({"lr": 0.0}, "expected lr > 0, got 0.0"),
        ({"p0": 1.5}, "expected p0 from 0 to 1, got 1.5"),
    ],
)
def test_settings_out_of_range_are_rejected(settings: dict[str, Any], message: str) -> None:
    """The message states what was expected."""
    with pytest.raises(RequestError, match=message):
        corner_maps(ClassEvidence(0), **settings)
