"""The published models that the package's sampler is compared with: their size, and exact likelihoods."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

Load = Callable[[str], ModuleType]

LEVELS = torch.arange(256)
HIDDEN_CELLS = [5, 6, 9, 10]  # the middle 2 × 2 of 4 × 4
KINDS = [("PaperSampler", 2), ("GaussianSampler", 4)]


def build(load: Load, kind: str, patch: int) -> Any:
    """Return an untrained model that is the same in every test."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return getattr(load("paper_samplers"), kind)(patch).eval().requires_grad_(False)


def pictures(*shape: int) -> Float[Tensor, "..."]:
    """Return random images on 8-bit levels."""
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(2)) / 255


def test_the_network_has_the_published_size(load: Load) -> None:
    """At K = 8 the paper's network has 38.93 million parameters."""
    with torch.device("meta"):
        net = load("paper_samplers").PaperSampler(8)
    assert sum(value.numel() for value in net.parameters()) == 38_927_616


@pytest.mark.parametrize("patch", [1, 2, 4, 8, 16])
def test_the_network_supports_every_patch_size(patch: int, load: Load) -> None:
    """Pooling and cropping leave exactly K × K cells of 3 × 256 levels for K = 1, 2, 4, 8, 16."""
    with torch.device("meta"):
        answer = load("paper_samplers").PaperSampler(patch).log_probabilities(torch.zeros(1, 3, 3 * patch, 3 * patch))
    assert answer.shape == (1, 3, patch, patch, 256)


@pytest.mark.parametrize(("kind", "patch"), KINDS)
@pytest.mark.parametrize("channel", [0, 1, 2])
def test_likelihood_of_one_sub_pixel_sums_to_one(kind: str, patch: int, channel: int, load: Load) -> None:
    """The probabilities of a sub-pixel's 256 levels, given the pixels before it, sum to 1."""
    net, window = build(load, kind, patch), pictures(1, 3, 3 * patch, 3 * patch)
    patches = pictures(1, 3, patch, patch).repeat(256, 1, 1, 1)
    patches[:, channel, 1, 0] = LEVELS / 255
    nats = net.log_likelihood(window.expand(256, -1, -1, -1), torch.zeros(256, 3 * patch, 3 * patch), patches)
    assert nats[:, channel, 1, 0].exp().sum().item() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(("kind", "patch"), KINDS)
def test_ranks_agree_with_the_likelihood(kind: str, patch: int, load: Load) -> None:
    """The difference between the two ranks of a level is its probability; hidden pixels change nothing."""
    side = 3 * patch
    net, windows, patches = build(load, kind, patch), pictures(8, 3, side, side), pictures(8, 3, patch, patch)
    patches[0, :, 0] = 0
    patches[1, :, 0] = 1
    nats, ranks = (ask(windows, torch.zeros(8, side, side), patches) for ask in (net.log_likelihood, net.ranks))
    torch.testing.assert_close(ranks[..., 1] - ranks[..., 0], nats.exp(), atol=2e-6, rtol=1e-3)
    windows[:, :, patch : 2 * patch, patch : 2 * patch] = 0.25
    assert torch.equal(net.log_likelihood(windows, torch.zeros(8, side, side), patches), nats)


def test_the_gaussian_conditioning_is_correct(load: Load) -> None:
    """Each pixel's mean and variance given all visible and earlier pixels follow from the joint covariance."""
    net, generator = load("paper_samplers").GaussianSampler(2, ring=1), torch.Generator().manual_seed(9)
    factor = torch.randn(3, 16, 16, generator=generator) * 6
    net.covariance.copy_(factor @ factor.mT + 50 * torch.eye(16))
    net.mean.copy_(100 + 20 * torch.rand(3, 16, generator=generator))
    levels = (net.mean + 12 * torch.randn(3, 16, generator=generator)).round().view(1, 3, 4, 4) / 255
    windows, outside, patches = pictures(1, 3, 6, 6), torch.zeros(1, 6, 6), levels[..., 1:3, 1:3]
    windows[..., 1:5, 1:5] = levels
    outside[0, 1, :3] = 1
    inner = windows[0, :, 1:5, 1:5].flatten(1).double() * 255
    beyond = outside[0, 1:5, 1:5].flatten()
    nats = net.log_likelihood(windows, outside, patches)
    for channel in range(3):
        covariance = net.covariance[channel].double() + torch.eye(16) / 12
        seen, values = (
            [cell for cell in range(16) if cell not in HIDDEN_CELLS and not beyond[cell]],
            inner[channel].clone(),
        )
        for place, cell in enumerate(HIDDEN_CELLS):
            gain = covariance[cell, seen] @ covariance[seen][:, seen].inverse()
            mean = net.mean[channel, cell].double() + gain @ (values[seen] - net.mean[channel, seen].double())
            spread = (covariance[cell, cell] - gain @ covariance[seen, cell]).sqrt()
            values[cell] = (patches[0, channel].flatten()[place] * 255).round()
            exact = torch.special.ndtr((values[cell] + 0.5 - mean) / spread) - torch.special.ndtr(
                (values[cell] - 0.5 - mean) / spread
            )
            assert nats[0, channel].flatten()[place].item() == pytest.approx(exact.log().item(), rel=1e-4)
            seen.append(cell)
