"""The networks of the learned in-fill: exact likelihoods, samples that follow them, and the published size."""

import hashlib
import json
from pathlib import Path

import pytest
import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from seewhy.core.errors import RequestError
from seewhy.nets.compact_sampler import CompactSampler, load_sampler, refinement
from seewhy.nets.mixture import Mixture

LEVELS = torch.arange(256)


def _net(patch: int) -> CompactSampler:
    """Return an untrained network that is the same in every test."""
    return CompactSampler(patch, seed=1).eval().requires_grad_(False)


def _pictures(*shape: int) -> Float[Tensor, "..."]:
    """Return random images on 8-bit levels."""
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(2)) / 255


def _mixture(rows: int) -> Mixture:
    """Return the same wide mixture of two logistics for one pixel in each row."""
    return Mixture(
        torch.tensor([0.3, 0.7]).log().expand(rows, 1, 2),
        torch.tensor([[40.0, 200.0], [3.0, 90.0], [250.0, 128.0]]).expand(rows, 1, 3, 2),
        torch.tensor([[2.0, 1.0], [2.0, 2.5], [1.5, 2.0]]).expand(rows, 1, 3, 2),
        torch.tensor([[0.5, -0.5], [0.3, 0.9], [0.2, 0.4]]).expand(rows, 1, 3, 2),
    )


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_likelihood_of_one_sub_pixel_sums_to_one(channel: int) -> None:
    """The probabilities of a sub-pixel's 256 levels, given the pixels drawn before it, sum to 1."""
    net, window = _net(4), _pictures(1, 3, 12, 12)
    patches = _pictures(1, 3, 4, 4).repeat(256, 1, 1, 1)
    patches[:, channel, 1, 0] = LEVELS / 255
    nats = net.log_likelihood(window.expand(256, -1, -1, -1), torch.zeros(256, 12, 12), patches)
    assert nats[:, channel, 1, 0].exp().sum().item() == pytest.approx(1, abs=1e-4)


def test_samples_of_a_mixture_follow_its_likelihood() -> None:
    """Frequencies of the drawn levels of each channel match the exact marginal likelihood."""
    count = 20_000
    drawn = _mixture(count).draw(torch.rand(count, 1, 4, generator=torch.Generator().manual_seed(3)))
    two = torch.cartesian_prod(LEVELS, LEVELS).float()
    nats = _mixture(len(two)).log_likelihood(torch.cat([two, torch.zeros(len(two), 1)], dim=1)[:, None])
    joint = nats[:, 0, :2].sum(1).exp().view(256, 256)
    for channel, exact in enumerate((joint.sum(1), joint.sum(0))):
        seen = drawn[:, 0, channel].long().bincount(minlength=256) / count
        assert exact.sum().item() == pytest.approx(1, abs=1e-4)
        assert 0.5 * (seen - exact).abs().sum() < 0.05


def test_ranks_of_a_models_own_samples_are_uniform() -> None:
    """Numbers drawn between the two ranks of a model's own samples are uniform in each channel."""
    net, count, side = _net(4), 400, 12
    generator = torch.Generator().manual_seed(8)
    window, outside = _pictures(1, 3, side, side), torch.zeros(1, side, side)
    numbers = torch.rand(count, net.draws, generator=generator)
    drawn = net.sample(window, outside, numbers, torch.zeros(count, dtype=torch.int64))
    ranks = net.ranks(window.expand(count, -1, -1, -1), outside.expand(count, -1, -1), drawn)
    assert (ranks[..., 0] <= ranks[..., 1]).all()
    placed = ranks[..., 0] + torch.rand(drawn.shape, generator=generator) * (ranks[..., 1] - ranks[..., 0])
    for channel in range(3):
        ordered = placed[:, channel].flatten().sort().values
        even = (torch.arange(len(ordered)) + 0.5) / len(ordered)
        assert (ordered - even).abs().max() < 2.5 / len(ordered) ** 0.5


def test_ranks_agree_with_the_likelihood() -> None:
    """The difference between the two ranks of a level is its probability."""
    net, windows, patches = _net(4), _pictures(8, 3, 12, 12), _pictures(8, 3, 4, 4)
    patches[0, :, 0] = 0
    patches[1, :, 0] = 1
    nats, ranks = (ask(windows, torch.zeros(8, 12, 12), patches) for ask in (net.log_likelihood, net.ranks))
    torch.testing.assert_close(ranks[..., 1] - ranks[..., 0], nats.exp(), atol=2e-6, rtol=1e-3)


def test_hidden_pixels_are_ignored() -> None:
    """Changing the hidden central pixels changes neither the likelihood of a patch nor the samples."""
    net = _net(4)
    window, patches, outside = _pictures(1, 3, 12, 12), _pictures(1, 3, 4, 4), torch.zeros(1, 12, 12)
    other = window.clone()
    other[:, :, 4:8, 4:8] = 0.25
    numbers = torch.rand(1, net.draws, generator=torch.Generator().manual_seed(5))
    which = torch.zeros(1, dtype=torch.int64)
    assert torch.equal(net.log_likelihood(window, outside, patches), net.log_likelihood(other, outside, patches))
    assert torch.equal(net.sample(window, outside, numbers, which), net.sample(other, outside, numbers, which))


def test_a_hidden_middle_flagged_as_outside_is_drawn_identically() -> None:
    """Flagging the hidden centre as outside too gives the same samples: each pixel still sees the earlier ones."""
    net, window, outside = _net(4), _pictures(1, 3, 12, 12), torch.zeros(1, 12, 12)
    flagged = outside.clone()
    flagged[:, 4:8, 4:8] = 1
    numbers = torch.rand(1, net.draws, generator=torch.Generator().manual_seed(6))
    which = torch.zeros(1, dtype=torch.int64)
    assert torch.equal(net.sample(window, flagged, numbers, which), net.sample(window, outside, numbers, which))


@pytest.mark.parametrize("samples", [1, 3])
def test_samples_do_not_depend_on_their_batch(samples: int) -> None:
    """Rows drawn together, with shared or separate windows, equal rows drawn one by one, bit for bit."""
    net, windows, outside = _net(8), _pictures(20, 3, 24, 24), torch.zeros(20, 24, 24)
    which = torch.arange(20).repeat_interleave(samples)
    numbers = torch.rand(len(which), net.draws, generator=torch.Generator().manual_seed(7))
    together = net.sample(windows, outside, numbers, which)
    for row in range(0, len(which), 9):
        place = which[row : row + 1]
        alone = net.sample(windows[place], outside[place], numbers[row : row + 1], torch.zeros(1, dtype=torch.int64))
        assert torch.equal(together[row : row + 1], alone)


def test_later_pixels_are_conditioned_on_earlier_ones() -> None:
    """Changing the first pixel changes the distributions of the last group, but nothing drawn before or with it."""
    net, window, outside = _net(4), _pictures(1, 3, 12, 12), torch.zeros(1, 12, 12)
    patches = _pictures(1, 3, 4, 4)
    (y, x), groups = refinement(4)[0][0], refinement(4)
    other = patches.clone()
    other[0, 2, y, x] = 1 - other[0, 2, y, x]
    change = (net.log_likelihood(window, outside, patches) - net.log_likelihood(window, outside, other))[0].abs()
    assert change[:2, y, x].max() == 0
    assert all(change[:, row, column].max() > 0 for row, column in groups[-1])


@pytest.mark.parametrize("patch", [4, 8, 16])
def test_refinement_draws_each_pixel_once(patch: int) -> None:
    """The groups partition the patch, and each has as many pixels as all earlier groups together."""
    groups = refinement(patch)
    cells = [cell for group in groups for cell in group]
    assert sorted(cells) == [(y, x) for y in range(patch) for x in range(patch)]
    assert all(len(group) == sum(map(len, groups[:index])) for index, group in enumerate(groups) if index > 0)


def test_extreme_mixtures_stay_finite() -> None:
    """A narrow mixture far from the true level has a very low but finite log likelihood."""
    mixture = _mixture(3)._replace(log_scales=torch.full((3, 1, 3, 2), -4.0))
    levels = torch.tensor([0.0, 100.0, 255.0])[:, None, None].expand(3, 1, 3)
    assert mixture.log_likelihood(levels).isfinite().all()


def test_compact_network_is_cheap() -> None:
    """One sample at K = 8 costs at most 15 million multiply-adds, ring included, and the weights take under 8 MB."""
    net = _net(8)
    with FlopCounterMode(display=False) as counter:
        net.sample(
            torch.zeros(32, 3, 24, 24), torch.zeros(32, 24, 24), torch.full((32, net.draws), 0.5), torch.arange(32)
        )
    assert counter.get_total_flops() / 2 / 32 < 15e6
    assert sum(value.numel() for value in net.parameters()) * 4 < 8.4e6


def test_rows_do_not_depend_on_their_batch() -> None:
    """A row drawn alone equals the same row drawn among twenty, bit for bit."""
    net, windows, outside = _net(4), _pictures(20, 3, 12, 12), torch.zeros(20, 12, 12)
    numbers = torch.rand(20, net.draws, generator=torch.Generator().manual_seed(6))
    together = net.sample(windows, outside, numbers, torch.arange(20))
    alone = [net.sample(windows[i : i + 1], outside[:1], numbers[i : i + 1], torch.tensor([0])) for i in range(20)]
    assert torch.equal(together, torch.cat(alone))


def test_building_a_network_keeps_the_global_random_state() -> None:
    """Torch's global random state does not change, and the seed alone determines the weights."""
    torch.manual_seed(11)
    before = torch.get_rng_state()
    first, second = (next(CompactSampler(4, seed=3).parameters()) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, second)


def test_unsupported_sizes_are_refused() -> None:
    """The error message names the size and those that there are."""
    with pytest.raises(RequestError, match="expected a patch of 4, 8 or 16 pixels, got 5"):
        CompactSampler(5)


def test_missing_weights_say_how_to_train_them(tmp_path: Path) -> None:
    """Without a weight file, the error message names the file and the command that creates it."""
    with pytest.raises(RequestError, match=r"expected card\.json .* seewhy train sampler .* --patch 8"):
        load_sampler(tmp_path, patch=8)


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ({"arch": "paper"}, "expected weights for arch=compact patch=8, got arch=paper patch=8"),
        ({"patch": 4}, "expected weights for arch=compact patch=8, got arch=compact patch=4"),
        ({}, r"expected weights\.safetensors to match the SHA-256 in its card"),
        ({"sha256": hashlib.sha256(b"x").hexdigest()}, "a card without 'settings'"),
        ({"sha256": hashlib.sha256(b"x").hexdigest(), "settings": {"depth": 2}}, "depth"),
        ({"sha256": hashlib.sha256(b"x").hexdigest(), "settings": {}}, "header too small"),
    ],
)
def test_weights_of_another_network_are_refused(card: dict[str, object], message: str, tmp_path: Path) -> None:
    """A card of another network is refused, and so are weights that do not match their card or the network."""
    (tmp_path / "weights.safetensors").write_bytes(b"x")
    (tmp_path / "card.json").write_text(json.dumps({"arch": "compact", "patch": 8, "sha256": "0"} | card))
    with pytest.raises(RequestError, match=message):
        load_sampler(tmp_path, patch=8)
