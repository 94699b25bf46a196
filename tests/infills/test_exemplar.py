"""Exemplar in-fill: the search matches a slow reference, textures continue, and hidden pixels do not leak."""

import numpy as np
import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from games import picture
from seewhy.core.errors import RequestError
from seewhy.infills import exemplar as module
from seewhy.infills.exemplar import exemplar

SIDE = 40
IRREGULAR = [(9, 9), (9, 10), (10, 10), (11, 10), (11, 11), (14, 12)]


def _texture() -> Float[Tensor, "3 40 40"]:
    """Return one random 5 x 4 tile repeated, so that every position recurs many times."""
    return picture(5, 4).repeat(1, 8, 10)


def _hole(top: int, left: int, height: int, width: int) -> Float[Tensor, "1 40 40"]:
    """Return a keep mask with one rectangular hole."""
    keep = torch.ones(1, SIDE, SIDE)
    keep[:, top : top + height, left : left + width] = 0
    return keep


def _scattered() -> Float[Tensor, "1 40 40"]:
    """Return a keep mask with a hole that is neither rectangular nor connected."""
    keep = torch.ones(1, SIDE, SIDE)
    for y, x in IRREGULAR:
        keep[0, y, x] = 0
    return keep


HOLES = {
    "square": _hole(13, 20, 8, 8),
    "corner": _hole(0, 0, 8, 8),
    "border": _hole(30, 32, 10, 8),
    "irregular": _scattered(),
}


def _slow_shifts(
    image: Float[Tensor, "3 h w"], hole: Float[Tensor, "h w"], ring: int, best: int
) -> list[tuple[int, int]]:
    """Shift the image over itself by every offset and compare pixel by pixel."""
    height, width = hole.shape
    removed = [(y, x) for y in range(height) for x in range(width) if hole[y, x]]
    near = {
        (y, x)
        for y in range(height)
        for x in range(width)
        if not hole[y, x] and any(max(abs(y - v), abs(x - u)) <= ring for v, u in removed)
    }
    found: list[tuple[float, tuple[int, int], int, int]] = []
    for down in range(1 - height, height):
        for right in range(1 - width, width):
            known = {
                (y, x)
                for y in range(height)
                for x in range(width)
                if 0 <= y - down < height and 0 <= x - right < width and not hole[y - down, x - right]
            }
            pairs = near & known
            cost = sum(float((image[:, y, x] - image[:, y - down, x - right]).square().sum()) for y, x in pairs)
            found.append((cost / max(1, len(pairs)), (down, right), len(known & set(removed)), len(pairs)))
    most = max(row[2] for row in found)
    found = [row for row in found if row[2] >= (most if most == len(removed) else most / 2)]
    most = max(row[3] for row in found)
    found = [row for row in found if row[3] >= (most if most == len(near) else most / 2)]
    return [shift for _, shift, *_ in sorted(found)][:best]


@pytest.mark.parametrize(
    "box", [(4, 5, 3, 2), (0, 7, 2, 4), (1, 2, 9, 6)], ids=["inside", "border", "most of the image"]
)
def test_the_positions_match_a_slow_search(box: tuple[int, int, int, int]) -> None:
    """The Fourier-based search finds the same shifts as a pixel-by-pixel comparison, best first."""
    image, hole = picture(11, 13), torch.zeros(11, 13, dtype=torch.bool)
    top, left, height, width = box
    hole[top : top + height, left : left + width] = True
    found = [tuple(shift) for shift in module._shifts(image, hole, 2, 5).tolist()]
    assert found == _slow_shifts(image, hole.float(), 2, 5)


@pytest.mark.parametrize("name", HOLES)
def test_a_texture_is_continued(name: str) -> None:
    """In a periodic image the hole is filled with exactly the original pixels, for every seed."""
    filled = exemplar(best=8)(_texture(), HOLES[name].expand(4, -1, -1), torch.arange(4))
    torch.testing.assert_close(filled, _texture().expand(4, -1, -1, -1))


def test_colours_are_adjusted_to_the_surroundings() -> None:
    """On a ramp every position has its own brightness, and the piece is adjusted to the right one."""
    ramp = torch.arange(SIDE).expand(3, SIDE, SIDE).float() * 3 / 255
    torch.testing.assert_close(exemplar()(ramp, HOLES["square"], torch.arange(1))[0], ramp)


@pytest.mark.parametrize("keep", [*HOLES.values(), _hole(4, 4, 32, 32)], ids=[*HOLES, "large"])
def test_hidden_pixels_do_not_leak(keep: Float[Tensor, "1 40 40"]) -> None:
    """Different pixels under the hole give the same result."""
    image = picture(SIDE, SIDE)
    other = torch.where(keep == 1, image, 1 - image)
    filled = exemplar()(image, keep, torch.arange(1))
    torch.testing.assert_close(filled, exemplar()(other, keep, torch.arange(1)), atol=1.01 / 255, rtol=0)


def test_only_the_best_positions_are_drawn() -> None:
    """Many seeds give exactly ``best`` different images, each about equally often."""
    image, keep = picture(SIDE, SIDE), HOLES["square"].expand(400, -1, -1)
    for best in (1, 4):
        filled = exemplar(best=best)(image, keep, torch.arange(400))
        _, counts = torch.unique(filled.flatten(1), dim=0, return_counts=True)
        assert exemplar(best=best).stochastic is (best > 1)
        assert len(counts) == best
        assert counts.min() > 0.6 * 400 / best


def test_a_large_hole_is_filled_in_several_passes() -> None:
    """If only one column of a single colour is known, that colour fills the image and no hidden pixel leaks."""
    image, keep = picture(SIDE, SIDE), _hole(0, 0, SIDE, SIDE - 1)
    image[:, :, -1] = image[:, :1, -1]
    torch.testing.assert_close(exemplar()(image, keep, torch.arange(1))[0], image[:, :1, -1:].expand_as(image))


def test_half_of_a_texture_is_restored() -> None:
    """If random blocks covering half of the image are removed, the best piece of each pass restores the texture."""
    blocks = torch.from_numpy(np.random.default_rng(0).permutation(64) < 32).view(8, 8)
    keep = blocks.repeat_interleave(5, 0).repeat_interleave(5, 1)[None].float()
    torch.testing.assert_close(exemplar(best=1)(_texture(), keep, torch.arange(1))[0], _texture())


def test_the_mean_colour_is_used_if_nothing_is_kept() -> None:
    """Without kept pixels there is nothing to copy."""
    image = picture(SIDE, SIDE)
    filled = exemplar()(image, torch.zeros(1, SIDE, SIDE), torch.arange(1))[0]
    torch.testing.assert_close(filled, image.mean((1, 2), keepdim=True).expand_as(filled), atol=0.5 / 255, rtol=0)


def test_rows_with_the_same_hole_share_a_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four samples of each of two windows cost two searches."""
    searched = []

    def counting(image: Tensor, hole: Tensor, ring: int, best: int) -> Tensor:
        searched.append(hole)
        return search(image, hole, ring, best)

    search = module._shifts
    monkeypatch.setattr(module, "_shifts", counting)
    keep = torch.cat([HOLES["square"], HOLES["corner"]]).repeat(4, 1, 1)
    exemplar()(picture(SIDE, SIDE), keep, torch.arange(8))
    assert len(searched) == 2


@pytest.mark.parametrize(("settings", "told"), [({"ring": 0}, "ring=0"), ({"best": 0}, "best=0")])
def test_invalid_settings_are_refused(settings: dict[str, int], told: str) -> None:
    """The error message names the setting and its value."""
    with pytest.raises(RequestError, match=told):
        exemplar(**settings)
