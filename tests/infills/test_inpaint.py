"""The tiled in-fill: it matches a slow reference, and its invariants hold for any hole."""

from functools import cache

import cv2
import numpy as np
import pytest
import skimage.data
import torch
from jaxtyping import Float
from torch import Tensor

from games import picture
from seewhy.core.errors import RequestError
from seewhy.core.seeds import derive, uniforms
from seewhy.infills.inpaint import _bent, _front, inpaint
from seewhy.infills.patch_sampler import network
from seewhy.infills.plain import mean

HEIGHT, WIDTH, PATCH = 37, 50, 8


@cache
def _photo() -> Float[Tensor, "3 37 50"]:
    """Return a small real photo that is not part of the training data."""
    coffee = np.asarray(skimage.data.coffee())  # type: ignore[no-untyped-call]
    small = cv2.resize(coffee, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    return torch.from_numpy(small).movedim(2, 0).float() / 255


@cache
def _keeps() -> Float[Tensor, "7 37 50"]:
    """Return masks: a patch, an L at the border, a disc with an island, random pixels, all but a corner, all, none."""
    keep = torch.ones(7, HEIGHT, WIDTH)
    keep[0, 11:19, 20:28] = 0
    keep[1, 4:10, 20:] = 0
    keep[1, 4:30, 38:] = 0
    rows, columns = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    keep[2, (rows - 18) ** 2 + (columns - 24) ** 2 < 14**2] = 0
    keep[2, 18, 24] = 1
    keep[3] = (torch.rand(HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0)) < 0.5).float()
    keep[4] = 0
    keep[4, :3, :3] = 1
    keep[5] = 0
    return keep


def _bent_slowly(drawn: np.ndarray, there: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Correct a tile pixel by pixel: errors weighted by distance to the power of -4, zero at known pixels around it."""
    bent = drawn.astype(np.float64)
    rows, columns = np.nonzero(known)
    errors = np.zeros((3 * PATCH, 3 * PATCH, 3))
    errors[PATCH : 2 * PATCH, PATCH : 2 * PATCH] = there - drawn
    for y in range(PATCH):
        for x in range(PATCH):
            weights = np.maximum((rows - PATCH - y) ** 2 + (columns - PATCH - x) ** 2, 1) ** -2.0
            bent[y, x] += (weights[:, None] * errors[rows, columns]).sum(0) / (weights.sum() + 1e-9)
    return (bent.clip(0, 1) * 255).round() / 255


def _axis(hole: np.ndarray, side: int) -> tuple[int, int]:
    """Return the start of the first tile and the number of tiles along one axis of the image."""
    length = int(hole[-1] - hole[0]) + 1
    tiles = -(-length // PATCH)
    start = int(hole[0]) - (tiles * PATCH - length) // 2
    return max(0, min(start, side - tiles * PATCH)), tiles


def _slowly(keep: Float[Tensor, "h w"], seed: int) -> np.ndarray:
    """Fill one image tile by tile in plain loops."""
    net = network(inpaint().trained, "cpu")
    known = np.pad(keep.numpy() == 1, ((PATCH, 2 * PATCH), (PATCH, 2 * PATCH)))
    canvas = np.pad(_photo().movedim(0, 2).numpy(), ((PATCH, 2 * PATCH), (PATCH, 2 * PATCH), (0, 0))) * known[..., None]
    removed = np.pad(keep.numpy() < 1, ((PATCH, 2 * PATCH), (PATCH, 2 * PATCH)))
    top, rows = _axis(np.flatnonzero(removed.any(1)) - PATCH, HEIGHT)
    left, columns = _axis(np.flatnonzero(removed.any(0)) - PATCH, WIDTH)

    def box(i: int, j: int, *, wide: int) -> tuple[slice, slice]:
        y, x = top + PATCH * (i + 1 - wide), left + PATCH * (j + 1 - wide)
        return slice(y, y + PATCH * (1 + 2 * wide)), slice(x, x + PATCH * (1 + 2 * wide))

    def seen(i: int, j: int) -> int:
        cells = [(a, b) for a in range(i - 1, i + 2) for b in range(j - 1, j + 2)]
        return sum(PATCH**2 if cell in order else int(known[box(*cell, wide=0)].sum()) for cell in cells)

    order: list[tuple[int, int]] = []
    pending = [(i, j) for i in range(rows) for j in range(columns) if removed[box(i, j, wide=0)].any()]
    while pending:
        scores = {cell: (seen(*cell), 2 * (cell[0] % 2) + cell[1] % 2) for cell in pending}
        front = [
            (i, j)
            for i, j in pending
            if scores[i, j][0] > 0
            and all(scores[a, b] <= scores[i, j] for a, b in pending if max(abs(a - i), abs(b - j)) <= 1)
        ] or [(rows // 2, columns // 2)]
        for i, j in front:
            window, middle = box(i, j, wide=1), box(i, j, wide=0)
            place = torch.tensor((top + PATCH * i) * WIDTH + left + PATCH * j)
            numbers = uniforms(derive(0, torch.tensor([seed]), place), net.draws)
            if removed[window].sum() > removed[middle].sum():
                colours = torch.arange(net.draws) % 4 > 0
                numbers[:, colours] = 0.5 + (numbers[:, colours] - 0.5) * 0.7
            drawn = net.sample(
                torch.from_numpy(canvas[window]).movedim(2, 0)[None],
                1 - torch.from_numpy(known[window])[None].float(),
                numbers,
                torch.tensor([0]),
            )
            bent = _bent_slowly(drawn[0].movedim(0, 2).numpy(), canvas[middle], known[window])
            canvas[middle] = np.where(removed[middle][..., None], bent, canvas[middle])
            known[middle] |= removed[middle]
        order += front
        pending = [cell for cell in pending if cell not in front]
    return np.asarray(canvas[PATCH : PATCH + HEIGHT, PATCH : PATCH + WIDTH])


@pytest.mark.parametrize("row", range(6))
def test_it_matches_the_slow_reference(row: int) -> None:
    """Grid, order, random numbers and correction equal those of the plain loops."""
    keep = _keeps()[row : row + 1]
    fast = inpaint()(_photo(), keep, torch.tensor([row]))[0]
    slow = _slowly(keep[0], row)
    assert torch.equal((fast.movedim(0, 2) * 255).round(), torch.from_numpy(slow * 255).round().float())


def test_a_hole_is_filled_from_the_border_inwards() -> None:
    """In a square of 5 x 5 tiles the corners come first and the middle last, and no tile lacks known neighbours."""
    seen = torch.full((1, 7, 7), float(PATCH**2))
    seen[:, 1:-1, 1:-1] = 0
    pending = torch.ones(1, 5, 5, dtype=torch.bool)
    turns = torch.zeros(5, 5, dtype=torch.long)
    while pending.any():
        turns += pending[0]
        front = _front(seen, pending)
        assert (torch.nn.functional.avg_pool2d(seen, 3, stride=1)[front] > 0).all()
        seen[:, 1:-1, 1:-1][front] = PATCH**2
        pending &= ~front
    assert turns[0, 0] == turns[0, 4] == turns[4, 0] == turns[4, 4] == 1
    assert (turns[2, 2] >= turns).all()


def test_rows_do_not_depend_on_their_batch() -> None:
    """A row gives the same bits alone or in a batch larger than one chunk."""
    keep = _keeps()[torch.arange(20) % 7]
    seeds, infill = torch.arange(20), inpaint()
    whole = infill(_photo(), keep, seeds)
    for row in (0, 2, 3, 4, 5, 16, 19):
        assert torch.equal(infill(_photo(), keep[row : row + 1], seeds[row : row + 1])[0], whole[row])


def test_the_hidden_content_does_not_leak() -> None:
    """Painting over the removed pixels does not change the drawn pixels."""
    hidden = (_keeps() == 0)[:, None]
    other = torch.where(hidden[2], 1 - _photo(), _photo())
    infill, seeds = inpaint(), torch.tensor([9])
    assert torch.equal(infill(_photo(), _keeps()[2:3], seeds), infill(other, _keeps()[2:3], seeds))


def test_a_partly_kept_pixel_is_drawn_and_blended() -> None:
    """A half-kept pixel is the mean of the image and of the in-fill for a fully removed pixel."""
    keep = _keeps()[3:4]
    half = torch.where(keep == 0, 0.5, 1.0)
    full, blend = (inpaint()(_photo(), part, torch.tensor([2])) for part in (keep, half))
    expected = torch.where(keep[:, None] == 1, _photo(), (_photo() + full) / 2)
    torch.testing.assert_close(blend, expected, atol=0.51 / 255, rtol=0)


def test_scattered_pixels_are_restored_closely() -> None:
    """With half of the pixels of a photo removed, the error is less than half that of the mean colour."""
    keep, seeds = _keeps()[3:4], torch.tensor([1])
    drawn, flat = ((fill(_photo(), keep, seeds) - _photo()).abs().sum() for fill in (inpaint(), mean()))
    assert drawn < flat / 2


def test_neighbours_are_never_drawn_together() -> None:
    """For any known pixels, each step draws at least one tile, no two of its tiles touch, and all are drawn."""
    seen = torch.randint(0, 3, (5, 9, 11), generator=torch.Generator().manual_seed(3)).float()
    seen[4] = 0
    pending = torch.ones(5, 7, 9, dtype=torch.bool)
    while pending.any():
        front = _front(seen, pending)
        assert (front.flatten(1).any(1) == pending.flatten(1).any(1)).all()
        assert not (front & ~pending).any()
        crowd = torch.nn.functional.avg_pool2d(front.float(), 3, stride=1, padding=1, divisor_override=1)
        assert (crowd[front] == 1).all()
        seen[:, 1:-1, 1:-1][front] = PATCH**2
        pending &= ~front


def test_a_tile_is_shifted_by_a_constant_error() -> None:
    """A constant error at the known pixels of a tile shifts the whole tile; without known pixels nothing changes."""
    drawn = picture(8, 8).movedim(0, 2)[None] * 0.5
    drawn = (drawn * 255).round() / 255
    known = torch.zeros(2, 24, 24)
    known[0, 10, 9], known[0, 13, 15] = 1, 1
    tiles = drawn.expand(2, -1, -1, -1)
    bent = _bent(tiles, tiles + 20 / 255, known)
    torch.testing.assert_close(bent[0], drawn[0] + 20 / 255, atol=1e-6, rtol=0)
    torch.testing.assert_close(bent[1], drawn[0], atol=1e-6, rtol=0)


def test_a_gray_image_is_refused() -> None:
    """The network draws three channels only."""
    with pytest.raises(RequestError, match=r"a colour image, got 1 channels; choose another in-fill"):
        inpaint()(torch.zeros(1, 9, 9), torch.zeros(1, 9, 9), torch.tensor([1]))


def test_spread() -> None:
    """A smaller spread reduces the variation in large holes, and does not affect a hole of one tile."""
    seeds, keep = torch.arange(4), _keeps()[[0, 4]]
    wide, narrow = (
        [inpaint(spread=spread)(_photo(), row.expand(4, -1, -1), seeds) for row in keep] for spread in (1.0, 0.1)
    )
    assert torch.equal(wide[0], narrow[0])
    assert narrow[1].std(0).mean() < wide[1].std(0).mean()
    for spread in (0.0, 1.1):
        with pytest.raises(RequestError, match="spread above 0 and at most 1"):
            inpaint(spread=spread)


def test_weights_of_another_size_are_refused() -> None:
    """The error message names a patch side without weights."""
    with pytest.raises(RequestError, match=r"4, 8, 16 for .* got 5"):
        inpaint(patch=5)
