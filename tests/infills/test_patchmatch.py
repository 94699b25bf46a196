"""PatchMatch: structures continue into the hole, each row has its own seed, and a missing package is reported."""

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import patchmatch as library
import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from games import picture
from seewhy.core.errors import RequestError
from seewhy.infills.classic import patchmatch

SIDE = 48


def _hole(top: int, left: int, height: int, width: int) -> Float[Tensor, "1 48 48"]:
    """Return a keep mask with one rectangular hole."""
    keep = torch.ones(1, SIDE, SIDE)
    keep[:, top : top + height, left : left + width] = 0
    return keep


def _blocks() -> Float[Tensor, "1 48 48"]:
    """Return a keep mask with random blocks removed, half of the image."""
    blocks = torch.from_numpy(np.random.default_rng(0).permutation(64) < 32).view(8, 8)
    return blocks.repeat_interleave(6, 0).repeat_interleave(6, 1)[None].float()


def test_an_edge_is_continued() -> None:
    """With two colours side by side, hole pixels get the colour of their side, except for one column at the edge."""
    halves = torch.zeros(3, SIDE, SIDE)
    halves[:, :, SIDE // 2 :] = 1
    filled = patchmatch()(halves, _hole(16, 16, 16, 16), torch.arange(1))[0]
    wrong = (filled - halves).abs().amax(0) > 0.1
    assert not wrong[:, : SIDE // 2 - 1].any()
    assert not wrong[:, SIDE // 2 + 1 :].any()


def test_a_texture_is_continued() -> None:
    """Stripes are restored in the hole, far closer to the original than the mean colour."""
    stripes = ((torch.arange(SIDE) % 6 < 3).float() * 0.6 + 0.2).expand(3, SIDE, SIDE)
    filled = patchmatch()(stripes, _hole(18, 20, 12, 12), torch.arange(1))[0]
    inside = (slice(None), slice(18, 30), slice(20, 32))
    assert (filled - stripes)[inside].abs().mean() < 0.25 * (stripes - stripes.mean())[inside].abs().mean()


def test_hidden_pixels_do_not_leak() -> None:
    """Different pixels under the hole give the same result."""
    image, keep = picture(SIDE, SIDE), _blocks()
    filled = patchmatch()(image, keep, torch.arange(1))
    assert torch.equal(filled, patchmatch()(torch.where(keep == 1, image, 1 - image), keep, torch.arange(1)))


def test_the_mean_colour_is_used_if_nothing_is_kept() -> None:
    """Without kept pixels there is nothing to copy."""
    image = picture(SIDE, SIDE)
    filled = patchmatch()(image, torch.zeros(1, SIDE, SIDE), torch.arange(1))[0]
    torch.testing.assert_close(filled, image.mean((1, 2), keepdim=True).expand_as(filled), atol=0.51 / 255, rtol=0)


def test_threads_do_not_mix_their_seeds() -> None:
    """Each image gets its own seed, although the package has one seed for the process."""
    image, keep = picture(SIDE, SIDE), _blocks().expand(8, -1, -1)
    batches = [torch.arange(start, start + 8) for start in range(0, 32, 8)]
    alone = [patchmatch()(image, keep, seeds) for seeds in batches]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda seeds: patchmatch()(image, keep, seeds), batches))
    assert all(torch.equal(one, other) for one, other in zip(alone, together, strict=True))


def test_the_radius_matters() -> None:
    """A different patch size gives a different image."""
    image, keep, seeds = picture(SIDE, SIDE), _blocks(), torch.arange(1)
    assert not torch.equal(patchmatch(radius=1)(image, keep, seeds), patchmatch(radius=4)(image, keep, seeds))


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error message contains the command that installs the package."""
    monkeypatch.setitem(sys.modules, "patchmatch", None)
    with pytest.raises(RequestError, match=r"pip install 'seewhy\[patchmatch\]'"):
        patchmatch()


def test_a_package_without_its_library_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a matching wheel, the package may be installed without its compiled part."""
    monkeypatch.setattr(library, "patchmatch_available", False)
    with pytest.raises(RequestError, match="--force-reinstall"):
        patchmatch()


def test_invalid_requests_are_refused() -> None:
    """A radius of 0 and an image that is not RGB are refused."""
    with pytest.raises(RequestError, match="radius >= 1"):
        patchmatch(radius=0)
    with pytest.raises(RequestError, match="got 1 channels"):
        patchmatch()(torch.rand(1, SIDE, SIDE), _blocks(), torch.arange(1))
