"""The learned in-fill: only the hole changes, rows are independent, and the shipped weights model photos well."""

import math
from functools import cache

import cv2
import numpy as np
import pytest
import skimage.data
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from seewhy.core.errors import RequestError
from seewhy.core.infill import Infill
from seewhy.core.seeds import derive
from seewhy.infills.patch_sampler import SHIPPED, PatchSampler, patch_sampler, shipped
from seewhy.nets.compact_sampler import load_sampler
from seewhy.training.sampler.train import bits_per_subpixel
from seewhy.training.sampler.windows import Windows, cut_windows


def _coffee() -> UInt8[np.ndarray, "400 600 3"]:
    """Return a real photo that is not part of the training data."""
    return np.asarray(skimage.data.coffee())  # type: ignore[no-untyped-call]


@cache
def _photo() -> Float[Tensor, "3 96 96"]:
    """Return the real photo at a small size, on 8-bit levels."""
    small = cv2.resize(_coffee()[:, 100:500], (96, 96), interpolation=cv2.INTER_AREA)
    return torch.from_numpy(small).movedim(2, 0).float() / 255


def _holes(*corners: tuple[int, int], side: int = 8) -> Float[Tensor, "n 96 96"]:
    """Return one square hole per row."""
    keep = torch.ones(len(corners), 96, 96)
    for row, (y, x) in enumerate(corners):
        keep[row, y : y + side, x : x + side] = 0
    return keep


def _scattered(count: int) -> Float[Tensor, "n 96 96"]:
    """Return holes all over the image, including the border and corners."""
    places = torch.randint(0, 89, (count - 2, 2), generator=torch.Generator().manual_seed(1)).tolist()
    return _holes((0, 0), (88, 88), *((y, x) for y, x in places))


def test_it_is_an_infill_with_a_checksum() -> None:
    """It satisfies the in-fill contract, is stochastic, and reports the SHA-256 of its weights."""
    infill = patch_sampler()
    assert isinstance(infill, Infill)
    assert infill.stochastic
    assert len(infill.checksum) == 64


def test_kept_pixels_are_untouched_and_drawn_ones_are_eight_bit() -> None:
    """Outside the hole the row equals the image exactly; inside, it differs and values are multiples of 1/255."""
    keep = _scattered(20)
    rows = patch_sampler()(_photo(), keep, derive(0, torch.arange(20)))
    kept = keep[:, None].expand_as(rows) == 1
    assert torch.equal(rows[kept], _photo().expand_as(rows)[kept])
    assert torch.equal((rows * 255).round() / 255, rows)
    assert (rows != _photo()).flatten(1).any(1).all()


def test_rows_do_not_depend_on_their_batch() -> None:
    """Batches of 1, 7 and all 40 rows give the same images, bit for bit."""
    keep, seeds, infill = _scattered(40), derive(0, torch.arange(40)), patch_sampler()
    whole = infill(_photo(), keep, seeds)
    for size in (1, 7):
        parts = [infill(_photo(), keep[i : i + size], seeds[i : i + size]) for i in range(0, 40, size)]
        assert torch.equal(torch.cat(parts), whole)


def test_the_seed_determines_the_patch() -> None:
    """The same seed gives the same patch, and another seed a different one."""
    keep, infill = _holes((40, 40)).expand(3, -1, -1), patch_sampler()
    first, second, third = infill(_photo(), keep, torch.tensor([5, 5, 6]))
    assert torch.equal(first, second)
    assert not torch.equal(first, third)


def test_a_row_without_a_hole_is_the_image() -> None:
    """If nothing is removed, nothing changes."""
    assert torch.equal(patch_sampler()(_photo(), torch.ones(2, 96, 96), torch.tensor([1, 2]))[1], _photo())


def test_only_the_pixels_of_a_small_hole_change() -> None:
    """A hole smaller than the patch changes nothing outside it; a half-kept pixel is blended."""
    keep = _holes((0, 90), side=3)
    keep[0, 50, 50] = 1
    row = patch_sampler()(_photo(), keep, torch.tensor([3]))[0]
    changed = (row != _photo()).any(0).nonzero()
    assert len(changed) > 0
    assert changed[:, 0].max() < 3
    assert changed[:, 1].min() >= 90
    half = torch.ones(1, 96, 96)
    half[0, 20, 20] = 0.5
    near = patch_sampler()(_photo(), half, torch.tensor([3]))[0, :, 20, 20]
    full = patch_sampler()(_photo(), (half == 1).float(), torch.tensor([3]))[0, :, 20, 20]
    assert torch.allclose(near, (_photo()[:, 20, 20] + full) / 2, atol=0.5 / 255 + 1e-6)


def test_the_hidden_content_does_not_leak() -> None:
    """Painting over the pixels in the hole does not change the result."""
    painted, keep = _photo().clone(), _holes((30, 60))
    painted[:, 30:38, 60:68] = 0
    infill, seeds = patch_sampler(), torch.tensor([9])
    assert torch.equal(infill(_photo(), keep, seeds), infill(painted, keep, seeds))


def test_an_image_as_small_as_the_patch_is_filled() -> None:
    """The in-fill draws an image even without any visible pixel."""
    row = patch_sampler(patch=8)(torch.zeros(3, 8, 8), torch.zeros(1, 8, 8), torch.tensor([1]))
    assert row.isfinite().all()


def test_a_hole_too_large_is_refused() -> None:
    """The error message states the limit, the size of the hole, its row and two alternatives."""
    keep = torch.cat([_holes((3, 3)), _holes((40, 20), side=9)])
    with pytest.raises(RequestError, match=r"at most 8 × 8 pixels, got 9 × 9 in row 1; .*size=8.* inpaint"):
        patch_sampler(patch=8)(_photo(), keep, torch.tensor([1, 2]))


def test_the_smallest_patch_that_covers_the_hole_is_drawn() -> None:
    """By default, holes of 3, 8 and 12 pixels are filled by the networks for 4, 8 and 16 pixels, even in one batch."""
    keep = torch.cat([_holes((20, 30), side=side) for side in (3, 8, 12)])
    seeds = torch.tensor([1, 2, 3])
    together = patch_sampler()(_photo(), keep, seeds)
    for row, patch in enumerate(SHIPPED):
        alone = patch_sampler(patch=patch)(_photo(), keep[row : row + 1], seeds[row : row + 1])
        assert torch.equal(together[row : row + 1], alone)


def test_sizes_without_weights_are_refused() -> None:
    """The error message lists the patch sides with shipped weights."""
    with pytest.raises(RequestError, match=r"patch of 4, 8, 16 for .*, got 6; train .* weights=FOLDER"):
        patch_sampler(patch=6)


@pytest.mark.parametrize("shape", [(1, 96, 96), (3, 7, 96)])
def test_unsupported_images_are_refused(shape: tuple[int, int, int]) -> None:
    """The error message states the shape of a grey or tiny image."""
    with pytest.raises(RequestError, match=f"got {shape[0]} channels, {shape[1]} × {shape[2]}"):
        patch_sampler(patch=8)(torch.zeros(shape), torch.ones(1, *shape[1:]), torch.tensor([1]))


def test_equal_settings_are_equal_values() -> None:
    """In-fills with the same settings compare equal and hash equally."""
    first: PatchSampler = patch_sampler()
    assert first == patch_sampler()
    assert hash(first) == hash(patch_sampler())


def test_no_gradient_graph_is_built() -> None:
    """Sampling is not differentiable, so the result has no gradient graph."""
    image = _photo().clone().requires_grad_()
    assert not patch_sampler()(image, _holes((4, 4)), torch.tensor([1])).requires_grad


@pytest.mark.parametrize("patch", SHIPPED)
def test_shipped_weights_are_small(patch: int) -> None:
    """Each shipped weight file takes at most 8 MB and matches its card."""
    assert (shipped(patch) / "weights.safetensors").stat().st_size <= 8_000_000
    checksum = load_sampler(shipped(patch), patch=patch)[1]
    assert patch_sampler(patch=patch).checksum == checksum
    assert patch_sampler(weights=str(shipped(patch))).checksum == checksum


def _histogram_bits(windows: Windows) -> float:
    """Return the bits per sub-pixel of a per-channel histogram fitted to the evaluated patches themselves."""
    levels = (windows.patches * 255).round().long()
    shares = [levels[:, channel].flatten().bincount(minlength=256) / levels[:, channel].numel() for channel in range(3)]
    return sum(-(share[share > 0] * share[share > 0].log()).sum().item() for share in shares) / 3 / math.log(2)


@pytest.mark.parametrize("patch", SHIPPED)
def test_shipped_weights_beat_a_histogram(patch: int) -> None:
    """On an unseen photo they need over two bits per sub-pixel less than a histogram of that photo."""
    net, _ = load_sampler(shipped(patch), patch=patch)
    photo = cv2.resize(_coffee(), (336, 224), interpolation=cv2.INTER_AREA)
    windows = cut_windows([photo], patch, 128, np.random.default_rng(0))
    assert bits_per_subpixel(net.log_likelihood, windows) < _histogram_bits(windows) - 2
