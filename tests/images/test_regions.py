"""Test regions of an image: the tree against its merging rule, superpixels and cells, and regions that a user drew."""

from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from games import picture
from seewhy.core.errors import RequestError
from seewhy.core.view import Frame, View
from seewhy.images.partition_tree import Part, PartitionTree, grow, halves
from seewhy.images.regions import Shape, read_regions, split

Pixels = frozenset[tuple[int, int]]


def sides(part: Pixels) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Every side of a pixel of a part that borders on something else, with what lies beyond it."""
    steps = ((0, 1), (1, 0), (0, -1), (-1, 0))
    return [((r, c), (r + d, c + a)) for r, c in part for d, a in steps if (r + d, c + a) not in part]


def cost(one: Pixels, other: Pixels, lab: np.ndarray) -> float:
    """The cost of a merger, from the definition; infinite where the parts do not touch."""
    if not any(beyond in other for _, beyond in sides(one)):
        return np.inf
    union = one | other
    colours = np.array([lab[place] for place in union])
    return float(np.square(np.ptp(colours, axis=0)).sum() * len(union) * len(sides(union)) ** 0.5)


def members(tree: PartitionTree, part: Part) -> Pixels:
    """The pixels of a part."""
    return frozenset(zip(*(axis.tolist() for axis in tree.keep([part]).nonzero(as_tuple=True)), strict=True))


def test_the_cheapest_neighbours_are_merged() -> None:
    """A slow replica of the rule on 30 pixels gives the same parts in the same order."""
    image = picture(5, 6)
    lab = cv2.cvtColor(image.permute(1, 2, 0).numpy().copy(), cv2.COLOR_RGB2LAB)
    parts: set[Pixels] = {frozenset([(row, column)]) for row in range(5) for column in range(6)}
    merged = []
    while len(parts) > 1:
        one, other = min(combinations(parts, 2), key=lambda pair: cost(pair[0], pair[1], lab))
        parts = parts - {one, other} | {one | other}
        merged.append(one | other)
    tree = grow(image)
    assert [members(tree, part) for part in tree.splits] == merged[::-1]


@pytest.mark.parametrize("tree", [grow(picture(12, 9)), grow(picture(12, 9), seed=3), halves((12, 9))])
def test_a_tree_divides_every_part_into_two(tree: PartitionTree) -> None:
    """Halves fill their part, every pixel is reached, and a cut has as many regions as it should."""
    for part in tree.splits:
        one, other = tree.split(part)
        assert members(tree, part) == members(tree, one) | members(tree, other)
        assert members(tree, one)
        assert not members(tree, one) & members(tree, other)
    assert sorted(tree.pixels.tolist()) == list(range(108))
    for count in (1, 2, 7, 30):
        assert set(tree.labels(count).flatten().tolist()) == set(range(count))


def test_borders_follow_the_picture() -> None:
    """Two areas of different colour are the first two parts, also where each has a little texture."""
    image = torch.full((3, 90, 70), 0.2) + 0.02 * picture(90, 70)
    image[0, 25:60, 11:50] += 0.6
    expected = image[0] > 0.5
    found = grow(image).labels(2)
    assert torch.equal(found == found[40, 30], expected)


def test_flat_colour_does_not_degenerate() -> None:
    """Where all mergers cost the same, the parts stay of similar size instead of growing pixel by pixel."""
    areas = torch.bincount(grow(torch.full((3, 64, 64), 0.5)).labels(16).flatten())
    assert areas.min() > 40


def test_another_seed_gives_another_tree() -> None:
    """The same seed gives the same."""
    image = picture(40, 40)
    one, same, other = (grow(image, seed=seed).labels(8) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_a_picture_with_fine_detail_is_cut_into_the_wanted_number() -> None:
    """More pixels than first pieces: the pieces are watersheds."""
    labels = grow(picture(180, 150)).labels(50)
    assert set(labels.flatten().tolist()) == set(range(50))


@pytest.mark.parametrize("shape", ["slic", "tree", "grid"])
def test_segments_are_numbered_consecutively(shape: Shape) -> None:
    """On the image's device, one number per pixel."""
    if shape == "slic":
        pytest.importorskip("skimage")
    labels = split(picture(30, 40), 9, shape)
    assert labels.shape == (30, 40)
    assert set(labels.flatten().tolist()) == set(range(int(labels.max()) + 1))


WIDE = View((8, 8), short_side=8).frame(16, 24)
"""The middle of an image of 16 x 24 pixels, at half its size."""


def test_regions_that_a_user_drew(tmp_path: Path) -> None:
    """Colours or numbers, at the image's size or the view's, cropped and scaled as the image."""
    drawn = np.zeros((16, 24, 3), np.uint8)
    drawn[:, 12:] = (9, 0, 0)
    drawn[4:8, 6:10] = (0, 9, 0)
    Image.fromarray(drawn).save(tmp_path / "colours.png")
    expected = np.ones((8, 8), int)  # colours are numbered in the order of their levels
    expected[:, 4:] = 2
    expected[2:4, 1:3] = 0
    expected = np.array([1, 0, 2])[expected]
    assert read_regions(tmp_path / "colours.png", WIDE).tolist() == expected.tolist()
    Image.fromarray((expected * 5000).astype(np.uint16)).save(tmp_path / "numbers.png")
    assert read_regions(tmp_path / "numbers.png", WIDE).tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("drawn", "why"),
    [
        (np.zeros((16, 24), np.uint8), "one"),
        (np.arange(16 * 24, dtype=np.uint8).reshape(16, 24).T.copy(), "24 x 16 or 8 x 8"),
        (np.arange(60 * 60, dtype=np.uint16).reshape(60, 60), "1,000 colours"),
    ],
)
def test_regions_that_are_none(drawn: np.ndarray, why: str, tmp_path: Path) -> None:
    """One colour, another size, smoothed edges."""
    Image.fromarray(drawn).save(tmp_path / "drawn.png")
    frame = Frame((0.0, 0.0, 60.0, 60.0), (60, 60), (60, 60)) if drawn.shape == (60, 60) else WIDE
    with pytest.raises(RequestError, match=why):
        read_regions(tmp_path / "drawn.png", frame)
    with pytest.raises(RequestError, match="check the path"):
        read_regions(tmp_path / "missing.png", frame)
