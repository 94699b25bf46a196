"""Test Partition SHAP against the definition of Owen values: the mean over all orders compatible with the tree."""

from collections.abc import Iterator
from itertools import product
from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from games import Game, picture, pixel_logits, small_cnn
from seewhy.core.budget import Budget
from seewhy.core.errors import RequestError
from seewhy.core.probe import Probe
from seewhy.core.target import ClassEvidence, Contrast
from seewhy.infills.plain import constant
from seewhy.methods.sampling.partition_shap import partition_shap


def tree_of(top: int, left: int, bottom: int, right: int) -> "list[object]":
    """Halve across the longer side down to pixels; a pixel is a list of its row and column."""
    if (bottom - top) * (right - left) == 1:
        return [top, left]
    if bottom - top >= right - left:
        middle = (top + bottom) // 2
        return [tree_of(top, left, middle, right), tree_of(middle, left, bottom, right)]
    middle = (left + right) // 2
    return [tree_of(top, left, bottom, middle), tree_of(top, middle, bottom, right)]


def orders(tree: "list[object]") -> Iterator[list[tuple[int, int]]]:
    """Yield every order of the pixels in which each half comes entirely before or after its sibling."""
    first, second = tree
    if isinstance(first, int) and isinstance(second, int):
        yield [(first, second)]
        return
    assert isinstance(first, list)
    assert isinstance(second, list)
    for one, other in product(list(orders(first)), list(orders(second))):
        yield one + other
        yield other + one


def owen(game: Game, image: Tensor, target: int) -> np.ndarray:
    """Return each pixel's mean contribution to the probability over the orders."""
    height, width = image.shape[1:]
    total, count = np.zeros((height, width)), 0
    known: dict[frozenset[tuple[int, int]], float] = {}

    def worth(kept: frozenset[tuple[int, int]]) -> float:
        if kept not in known:
            shown = torch.zeros_like(image)
            for row, column in kept:
                shown[:, row, column] = image[:, row, column]
            known[kept] = float(game(shown[None])[0, target])
        return known[kept]

    for order in orders(tree_of(0, 0, height, width)):
        kept: frozenset[tuple[int, int]] = frozenset()
        for pixel in order:
            total[pixel] += worth(kept | {pixel}) - worth(kept)
            kept |= {pixel}
        count += 1
    return total / count


def shaky(images: Tensor) -> Tensor:
    """Return logits with interactions between all pixels."""
    mixed = (images * torch.linspace(-1, 1, images[0].numel()).view_as(images[0])).flatten(1)
    return torch.stack([3 * mixed.sum(1), 5 * (mixed.cumsum(1).abs()).mean(1), mixed[:, ::3].prod(1)], dim=1)


def test_a_full_split_gives_the_owen_values() -> None:
    """Test six pixels, with every rectangle split down to them in every context."""
    image, game = picture(2, 3), Game(shaky)
    probe = Probe(game, constant(value=0.0), image)
    maps = partition_shap(probe, [ClassEvidence(0), ClassEvidence(1)], samples=500)
    assert maps.stopped_because == "complete"
    assert probe.queries.forward_images < 500
    for target in (0, 1):
        expected = owen(game, image, target)
        np.testing.assert_allclose(maps.values[f"class:{target}"], expected, atol=1e-6)
        assert np.ptp(expected) > 0.01


@pytest.mark.parametrize("samples", [2, 10, 64])
def test_a_map_sums_to_the_probability_difference(samples: int) -> None:
    """This holds for any number of splits."""
    image, game = picture(16, 21), Game(small_cnn().double())
    probe = Probe(game, constant(value=0.0), image)
    maps = partition_shap(probe, [ClassEvidence(0), Contrast(1, 2)], samples=samples)
    nothing = game(torch.zeros_like(image)[None])[0]
    assert maps.values["class:0"].sum() == pytest.approx(float(probe.prediction[0] - nothing[0]), abs=1e-5)
    assert probe.queries.forward_images == 2 + samples


def test_it_splits_the_relevant_rectangles() -> None:
    """Irrelevant rectangles stay whole: one pixel among 256 is found without querying all of them."""
    image = torch.zeros(3, 16, 16)
    image[:, 2, 3] = 1
    maps = partition_shap(Probe(Game(pixel_logits), constant(value=0.0), image), [ClassEvidence(0)], samples=510)
    values = maps.values["class:0"]
    assert divmod(int(values.argmax()), 16) == (2, 3)
    assert values[8:].max() == pytest.approx(0, abs=1e-9)


def test_a_budget_shortens_the_run_and_a_tiny_one_is_rejected() -> None:
    """The number of queries must be even."""
    probe = Probe(Game(small_cnn().double()), constant(value=0.0), picture(), budget=Budget(queries=15))
    maps = partition_shap(probe, [ClassEvidence(0)])
    assert (maps.stopped_because, maps.settings["samples"], probe.queries.forward_images) == ("queries", 12, 14)
    with pytest.raises(RequestError, match="budget"):
        partition_shap(Probe(Game(pixel_logits), constant(value=0.0), picture(), budget=Budget(queries=3)), [])
    with pytest.raises(RequestError, match="even number"):
        partition_shap(Probe(Game(pixel_logits), constant(value=0.0), picture()), [ClassEvidence(0)], samples=3)


def cancelling(images: Tensor) -> Tensor:
    """Return logits that the top left quarter raises and the top right one lowers by as much."""
    raised = 4 * (images[:, 0, 0, 0] - images[:, 0, 0, 15])
    return torch.stack([raised, torch.zeros_like(raised)], dim=1)


@pytest.mark.parametrize("tree", ["halves", "picture"])
def test_parts_that_cancel_are_found(tree: Literal["halves", "picture"]) -> None:
    """The whole image changes nothing, and neither does its upper half; the two pixels within it do."""
    image = picture(16, 16) * 0.1
    image[:, 0, 0] = image[:, 0, 15] = 1
    probe = Probe(Game(cancelling, classes=2), constant(value=0.0), image)
    values = partition_shap(probe, [ClassEvidence(0)], samples=500, tree=tree).values["class:0"]
    assert probe.queries.forward_images == 502
    assert divmod(int(values.argmax()), 16)[0] < 8 > divmod(int(values.argmin()), 16)[0]
    assert values.max() > 0.01
    assert values.sum() == pytest.approx(0, abs=1e-6)


def test_the_tree_of_the_picture_gives_its_owen_values() -> None:
    """A region of one colour that decides has all the value, and its border is that of the picture."""
    image = torch.zeros(3, 16, 16)
    image[:, 3:9, 4:11] = 1
    probe = Probe(
        Game(lambda images: torch.stack([images[:, 0, 5, 6] * 3, images[:, 0, 5, 6] * 0], 1)),
        constant(value=0.0),
        image,
    )
    values = partition_shap(probe, [ClassEvidence(0)], samples=20, tree="picture").values["class:0"]
    gain = float(probe.prediction[0]) - 0.5
    assert values[3:9, 4:11].sum() == pytest.approx(gain, abs=1e-6)
    np.testing.assert_allclose(values[image[0].numpy() == 0], 0, atol=1e-9)
