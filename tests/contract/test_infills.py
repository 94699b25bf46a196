"""Every in-fill of the registry keeps the in-fill contract; a new row is tested without a change here."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from games import Game, picture, pixel_logits
from inpainters import write_graph
from seewhy import registry
from seewhy.core.errors import RequestError
from seewhy.core.infill import Infill

SIDE = 40
HOLES = [(0, 0), (13, 20), (SIDE - 8, SIDE - 8), (5, SIDE - 8)]


@pytest.fixture
def build(tmp_path: Path) -> Callable[[str], Infill]:
    """Build an in-fill by name, with its defaults; those that run code or a file of the user get one."""
    needed = {
        "onnx-inpainter": f":path={tmp_path / 'net.onnx'},hole=1,kept=0,scale=unit",
        "python-inpainter": ":object=inpainters:mean_of_kept",
    }
    write_graph(tmp_path / "net.onnx", gains=(1.0, 0.5))
    return lambda name: registry.infill(name + needed.get(name, ""), Game(pixel_logits))[1]


@pytest.fixture(params=sorted(registry.INFILLS))
def infill(request: pytest.FixtureRequest, build: Callable[[str], Infill]) -> Infill:
    """Return each registered in-fill."""
    return build(request.param)


def holes(*corners: tuple[int, int]) -> torch.Tensor:
    """Return one 8 x 8 hole per row."""
    keep = torch.ones(len(corners), SIDE, SIDE)
    for row, (top, left) in enumerate(corners):
        keep[row, top : top + 8, left : left + 8] = 0
    return keep


def test_kept_pixels_are_unchanged(infill: Infill) -> None:
    """Where keep is 1 the image is returned exactly."""
    image, keep = picture(SIDE, SIDE), holes(*HOLES)
    filled = infill(image, keep, torch.arange(len(keep)))
    assert filled.shape == (len(keep), 3, SIDE, SIDE)
    kept = keep[:, None].expand_as(filled) == 1
    assert torch.equal(filled[kept], image.expand_as(filled)[kept])


def test_the_result_is_an_8_bit_image(infill: Infill) -> None:
    """Values lie in [0, 1] on the 256 levels, so that a uint8 classifier sees the same image."""
    filled = infill(picture(SIDE, SIDE), holes(*HOLES), torch.arange(4))
    assert filled.min() >= 0
    assert filled.max() <= 1
    torch.testing.assert_close(filled * 255, (filled * 255).round(), atol=1e-4, rtol=0)


def test_a_hole_is_really_filled(infill: Infill) -> None:
    """Removed content is replaced: a random patch is not reproduced."""
    image, keep = picture(SIDE, SIDE), holes((13, 20))
    filled = infill(image, keep, torch.arange(1))[0]
    assert (filled != image).any(0)[13:21, 20:28].float().mean() > 0.5


def test_rows_are_independent(infill: Infill) -> None:
    """A row gives the same result alone and in any batch."""
    image, keep, seeds = picture(SIDE, SIDE), holes(*HOLES), torch.tensor([3, 1, 4, 1])
    together = infill(image, keep, seeds)
    for row in range(len(keep)):
        alone = infill(image, keep[row : row + 1], seeds[row : row + 1])
        torch.testing.assert_close(together[row : row + 1], alone, atol=1.01 / 255, rtol=0)
        assert (together[row] != alone[0]).float().mean() < 1e-3


def test_seeds_matter_as_stated(infill: Infill) -> None:
    """The same seed gives the same image; another seed gives another image only for stochastic in-fills."""
    image, keep = picture(SIDE, SIDE), holes((13, 20), (13, 20))
    same = infill(image, keep, torch.tensor([7, 7]))
    other = infill(image, keep, torch.tensor([7, 8]))
    assert torch.equal(same[0], same[1])
    assert torch.equal(other[0], other[1]) is not infill.stochastic


def test_nothing_changes_if_nothing_is_removed(infill: Infill) -> None:
    """A row without a hole returns the image."""
    image = picture(SIDE, SIDE)
    assert torch.equal(infill(image, torch.ones(1, SIDE, SIDE), torch.zeros(1, dtype=torch.int64))[0], image)


def test_inputs_and_the_global_generator_are_left_alone(infill: Infill) -> None:
    """Neither the arguments nor torch's global random state change."""
    image, keep, seeds = picture(SIDE, SIDE), holes(*HOLES), torch.arange(4)
    before = image.clone(), keep.clone(), seeds.clone(), torch.get_rng_state()
    infill(image, keep, seeds)
    assert all(
        torch.equal(old, new) for old, new in zip(before, (image, keep, seeds, torch.get_rng_state()), strict=True)
    )


@pytest.mark.parametrize("name", sorted(registry.INFILLS))
def test_the_row_states_whether_it_is_random(name: str, build: Callable[[str], Infill]) -> None:
    """None where the user's settings decide."""
    stated = registry.INFILLS[name].random
    assert stated is None or build(name).stochastic is stated


@pytest.mark.parametrize("name", sorted(registry.INFILLS))
def test_larger_holes_than_stated_are_refused(name: str, build: Callable[[str], Infill]) -> None:
    """The row states the largest hole: one pixel more is refused, and this size is filled."""
    if (side := registry.INFILLS[name].largest) is None:
        return
    keep = torch.ones(2, SIDE, SIDE)
    keep[0, :side, :side], keep[1, : side + 1, : side + 1] = 0, 0
    build(name)(picture(SIDE, SIDE), keep[:1], torch.zeros(1, dtype=torch.int64))
    with pytest.raises(RequestError):
        build(name)(picture(SIDE, SIDE), keep[1:], torch.zeros(1, dtype=torch.int64))


@pytest.mark.parametrize("name", [name for name, row in registry.INFILLS.items() if row.largest is None])
def test_whole_pictures_can_be_removed(name: str, build: Callable[[str], Infill]) -> None:
    """Random grids and deletion curves remove large parts, with soft edges too."""
    infill = build(name)
    keep = torch.stack([torch.zeros(SIDE, SIDE), torch.linspace(0, 1, SIDE).expand(SIDE, SIDE)])
    filled = infill(picture(SIDE, SIDE), keep, torch.arange(2))
    assert bool(filled.isfinite().all())
    assert torch.equal(filled[1, :, :, -1], picture(SIDE, SIDE)[:, :, -1])
