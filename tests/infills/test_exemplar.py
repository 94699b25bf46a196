"""Exemplars: the search against a slow replica, textures that must go on, and pieces that show nothing of what is hidden."""

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
    """Random 5 x 4 tiles, repeated: every place recurs many times."""
    return picture(5, 4).repeat(1, 8, 10)


def _hole(top: int, left: int, height: int, width: int) -> Float[Tensor, "1 40 40"]:
    """One rectangular hole."""
    keep = torch.ones(1, SIDE, SIDE)
    keep[:, top : top + height, left : left + width] = 0
    return keep


def _scattered() -> Float[Tensor, "1 40 40"]:
    """A hole that is no rectangle and not in one piece."""
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
    """Lay the picture over itself at every place and compare pixel by pixel."""
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


@pytest.mark.parametrize("box", [(4, 5, 3, 2), (0, 7, 2, 4), (1, 2, 9, 6)], ids=["inside", "border", "most of it"])
def test_the_places_are_those_of_a_slow_search(box: tuple[int, int, int, int]) -> None:
    """The Fourier transforms find what comparing pixel by pixel finds, best first."""
    image, hole = picture(11, 13), torch.zeros(11, 13, dtype=torch.bool)
    top, left, height, width = box
    hole[top : top + height, left : left + width] = True
    found = [tuple(shift) for shift in module._shifts(image, hole, 2, 5).tolist()]
    assert found == _slow_shifts(image, hole.float(), 2, 5)


@pytest.mark.parametrize("name", HOLES)
def test_a_texture_goes_on(name: str) -> None:
    """In a periodic picture the hole gets exactly what stood there, whatever the seed."""
    filled = exemplar(best=8)(_texture(), HOLES[name].expand(4, -1, -1), torch.arange(4))
    torch.testing.assert_close(filled, _texture().expand(4, -1, -1, -1))


def test_a_piece_is_lifted_to_its_surroundings() -> None:
    """On a ramp every place has another brightness; the piece lands at the right one."""
    ramp = torch.arange(SIDE).expand(3, SIDE, SIDE).float() * 3 / 255
    torch.testing.assert_close(exemplar()(ramp, HOLES["square"], torch.arange(1))[0], ramp)


@pytest.mark.parametrize("keep", [*HOLES.values(), _hole(4, 4, 32, 32)], ids=[*HOLES, "large"])
def test_what_is_hidden_leaves_no_trace(keep: Float[Tensor, "1 40 40"]) -> None:
    """Other pixels under the hole, same answer."""
    image = picture(SIDE, SIDE)
    other = torch.where(keep == 1, image, 1 - image)
    filled = exemplar()(image, keep, torch.arange(1))
    torch.testing.assert_close(filled, exemplar()(other, keep, torch.arange(1)), atol=1.01 / 255, rtol=0)


def test_the_best_places_are_drawn_and_no_others() -> None:
    """Many seeds give exactly so many pictures, each about equally often; one place gives one picture."""
    image, keep = picture(SIDE, SIDE), HOLES["square"].expand(400, -1, -1)
    for best in (1, 4):
        filled = exemplar(best=best)(image, keep, torch.arange(400))
        _, counts = torch.unique(filled.flatten(1), dim=0, return_counts=True)
        assert exemplar(best=best).stochastic is (best > 1)
        assert len(counts) == best
        assert counts.min() > 0.6 * 400 / best


def test_a_large_hole_is_filled_in_turns() -> None:
    """With one column of one colour known, that colour is everywhere; nothing of what was there shows."""
    image, keep = picture(SIDE, SIDE), _hole(0, 0, SIDE, SIDE - 1)
    image[:, :, -1] = image[:, :1, -1]
    torch.testing.assert_close(exemplar()(image, keep, torch.arange(1))[0], image[:, :1, -1:].expand_as(image))


def test_half_of_a_texture_comes_back() -> None:
    """Random blocks, half of the picture: turn by turn, the best piece is true texture."""
    blocks = torch.from_numpy(np.random.default_rng(0).permutation(64) < 32).view(8, 8)
    keep = blocks.repeat_interleave(5, 0).repeat_interleave(5, 1)[None].float()
    torch.testing.assert_close(exemplar(best=1)(_texture(), keep, torch.arange(1))[0], _texture())


def test_with_nothing_kept_the_mean_colour_stands_in() -> None:
    """There is nothing to copy."""
    image = picture(SIDE, SIDE)
    filled = exemplar()(image, torch.zeros(1, SIDE, SIDE), torch.arange(1))[0]
    torch.testing.assert_close(filled, image.mean((1, 2), keepdim=True).expand_as(filled), atol=0.5 / 255, rtol=0)


def test_rows_with_the_same_hole_share_a_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four samples of two windows cost two searches."""
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
def test_senseless_settings_are_refused(settings: dict[str, int], told: str) -> None:
    """The message names the setting and its value."""
    with pytest.raises(RequestError, match=told):
        exemplar(**settings)
