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
from seewhy.methods.optimisation.ibisa import Variant, ibisa

VARIANTS: tuple[Variant, ...] = ("r", "b", "c", "d", "e")
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


def one_loss(
    variant: str, image: Tensor, fill: Tensor, keep: Tensor, share: Tensor, net: nn.Module, w: Tensor, phi: float
) -> Tensor:
    """Return L of a single draw, with beta = 3 and gamma = 2."""
    answer = net((keep * image + (1 - keep) * fill)[None])[0]
    cross = -(w * (answer - answer.exp().sum().log())).sum()
    if variant == "d":
        rate = torch.zeros(())
        for channel in image:
            r = (channel - channel.mean()) / (channel - channel.mean()).square().mean().sqrt()
            m = keep.clamp(max=0.9999)
            rate = rate - 0.5 * (1 + torch.log((1 - m) ** 2) - (m * r) ** 2 - (1 - m) ** 2).mean() / len(image)
    elif variant == "e":
        rate = (share * torch.log(share / 0.1) + (1 - share) * torch.log((1 - share) / 0.9)).mean()
    else:
        rate = keep.mean()
    rough = (share[1:] - share[:-1]).abs().mean() + (share[:, 1:] - share[:, :-1]).abs().mean()
    loss: Tensor = cross + 3 * rate + phi * rough
    if variant == "c":
        rest = net(((1 - keep) * image + keep * fill)[None])[0].exp()
        loss = loss + 2 * (w * rest / rest.sum()).sum()
    return loss


def replica(variant: str, draws: int, steps: int, net: nn.Module, image: Tensor, w: Tensor, phi: float) -> Tensor:
    """Compute the map grid by grid and draw by draw, with Adam written out."""
    grids = 1 if variant in "de" else draws
    of_grid = [derive(5, torch.tensor([number])) for number in range(grids)]
    shifts = [uniforms(seed, 2, stream=1)[0] for seed in of_grid]
    if variant == "e":
        logits = [torch.full((CELLS, CELLS), math.log(0.3 / 0.7))]
    else:
        logits = [torch.where(uniforms(seed, CELLS**2)[0] < 0.3, 1.5, -1.5).view(CELLS, CELLS) for seed in of_grid]
    first, second = ([torch.zeros(CELLS, CELLS) for _ in logits] for _ in range(2))
    size = (image.shape[1], image.shape[2])
    nothing = torch.zeros(1, *size)
    for step in range(1, steps + 1):
        leaves = [values.clone().requires_grad_() for values in logits]
        total = torch.zeros(())
        for draw in range(draws):
            seed, which = derive(5, torch.tensor([step * draws + draw])), draw % grids
            share = 1 / (1 + (-leaves[which]).exp())
            grid = share
            if variant == "e":
                u = uniforms(seed, CELLS**2, stream=2).view(CELLS, CELLS)
                grid = 1 / (1 + (-(leaves[which] + (u / (1 - u)).log()) / 0.5).exp())
            keep = enlarged(grid, shifts[which], *size)
            total = total + one_loss(variant, image, noise()(image, nothing, seed)[0], keep, share, net, w, phi) / draws
        for number, gradient in enumerate(torch.autograd.grad(total, leaves)):
            first[number] = 0.9 * first[number] + 0.1 * gradient
            second[number] = 0.999 * second[number] + 0.001 * gradient**2
            mean, square = first[number] / (1 - 0.9**step), second[number] / (1 - 0.999**step)
            logits[number] = logits[number] - 0.7 * mean / (square.sqrt() + 1e-8)
    kept = [enlarged(1 / (1 + (-values).exp()), shift, *size) for values, shift in zip(logits, shifts, strict=True)]
    if variant != "b":
        return sum(kept, torch.zeros(size)) / grids
    scores = []
    for number, keep in enumerate(kept):
        fill = noise()(image, nothing, derive(5, torch.tensor([number])))[0]
        answer = net((keep * image + (1 - keep) * fill)[None])[0].exp()
        scores.append((w * answer / answer.sum()).sum())
    weighed = sum((score * keep for score, keep in zip(scores, kept, strict=True)), torch.zeros(size))
    return weighed / sum(kept, torch.zeros(size))


@pytest.mark.parametrize("target", [ClassEvidence(LIKELY), Contrast(LIKELY, OTHER)])
@pytest.mark.parametrize(
    ("variant", "steps", "phi"), [*((name, 4, 0.0) for name in "rcde"), *((name, 1, 0.5) for name in "rbc")]
)
def test_the_map_matches_the_formulas(variant: Variant, steps: int, phi: float, target: Target) -> None:
    """Test all draws, all terms, Adam and the readout, with the library's own random numbers.

    The total variation has a kink where cells are equal, beyond which rounding decides the direction: it is tested
    for one step.
    """
    image, net = picture(7, 6), nn.Sequential(nn.UpsamplingBilinear2d((20, 20)), small_cnn(3))
    draws = {"b": 3, "c": 1}.get(variant, 2)
    settings: dict[str, Any] = {
        "cells": CELLS,
        "draws": draws,
        "steps": steps,
        "lr": 0.7,
        "beta": 3.0,
        "phi": phi,
        "gamma": 2.0,
    }
    maps = ibisa(Probe(OpenGame(net), noise(), image, seed=5), [target], variant=variant, p0=0.3, a0=1.5, **settings)
    w = target.weights(torch.zeros(3))
    expected = replica(variant, draws, steps, net, image, w, phi).detach().numpy()
    assert expected.std() > 1e-3
    np.testing.assert_allclose(maps.values[target.key], expected, atol=2e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_twenty_forward_images_and_ten_backward_calls(variant: Variant) -> None:
    """Count images and calls in the classifier itself, with the defaults."""
    net = small_cnn()
    backward: list[int] = []

    def note(_: nn.Module, gradients: Any, __: object) -> None:
        backward.append(len(gradients[0]))

    net.register_full_backward_hook(note)
    game = OpenGame(net)
    probe = Probe(game, noise(), picture(), batch_size=10)
    ibisa(probe, [ClassEvidence(0)], variant=variant)
    assert len(game.seen[0]) == 1  # the prediction, the first query of every explanation
    forward = [len(images) for images in game.seen[1:]]
    assert (forward, backward) == (([10, 10], [10]) if variant == "b" else ([2] * 10, [2] * 10))
    queries = probe.queries
    assert (
        (queries.forward_images, queries.forward_calls)
        == (1 + sum(forward), 1 + len(forward))
        == (21, 1 + len(forward))
    )
    assert (queries.backward_images, queries.backward_calls) == (sum(backward), len(backward))


def test_each_image_has_its_own_infill() -> None:
    """Noise is redrawn for every step and draw."""
    probe = Probe(game := OpenGame(small_cnn()), noise(), picture())
    ibisa(probe, [ClassEvidence(0)], beta=1e4, lr=30.0, steps=4, variant="r")
    closed = torch.cat(game.seen[2:])  # one such step closes every cell, so that only the in-fill is left
    assert ((closed[:, None] - closed[None]).flatten(2).abs().mean(2) > 0.1).sum() == 6 * 5


@pytest.mark.parametrize("variant", ["r", "c", "d", "e"])
@pytest.mark.parametrize(("index", "corner"), [(0, np.s_[:9, :9]), (1, np.s_[-9:, -9:])])
def test_the_sufficient_region_is_kept(variant: Variant, index: int, corner: tuple[slice, slice]) -> None:
    """The quarter of the class is kept, the opposite one is removed."""
    beta = {"r": 2.0, "c": 2.0, "d": 0.1, "e": 0.3}[variant]
    maps = corner_maps(ClassEvidence(index), variant=variant, beta=beta, draws=4 if variant == "r" else None)
    values = maps.values[f"class:{index}"]
    opposite = values[::-1, ::-1]
    assert values.min() >= 0
    assert values.max() <= 1
    assert values[corner].mean() > 0.5
    assert values[corner].mean() > 3 * opposite[corner].mean()


def test_weighted_masks_agree() -> None:
    """Variant b: masks that keep the quarter get a higher probability."""
    values = corner_maps(ClassEvidence(0), variant="b").values["class:0"]
    assert values[:9, :9].mean() > values[-9:, -9:].mean()
    assert corner_maps(ClassEvidence(0), variant="b").unit == "probability"


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
    short = corner_maps(ClassEvidence(0), p0=0.0, a0=3.0, steps=1)
    assert "not sufficient" in short.findings[0]
    assert short.values["class:0"].any()


def test_traces_have_one_value_per_step() -> None:
    """The first value belongs to the random start, recomputed here; the findings state the last."""
    maps = corner_maps(ClassEvidence(0), draws=1, steps=3, p0=0.5)
    cross, area = maps.traces["cross-entropy of class:0"], maps.traces["area of class:0"]
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
        ({"phi": float("nan")}, "expected phi >= 0, got nan"),
        ({"lr": 0.0}, "expected lr > 0, got 0.0"),
        ({"p0": 1.5}, "expected p0 from 0 to 1, got 1.5"),
    ],
)
def test_settings_out_of_range_are_rejected(settings: dict[str, Any], message: str) -> None:
    """The message states what was expected."""
    with pytest.raises(RequestError, match=message):
        corner_maps(ClassEvidence(0), **settings)
