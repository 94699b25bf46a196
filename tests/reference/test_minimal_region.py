"""Regions against constructed truths: a patch that is needed, two that are needed together, two that do for each other."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from games import Game
from seewhy.core.access import Access
from seewhy.core.budget import Budget
from seewhy.core.errors import RequestError
from seewhy.core.infill import Infill
from seewhy.core.maps import Map
from seewhy.core.probe import Probe
from seewhy.core.target import ClassEvidence, Contrast, Target
from seewhy.infills.plain import constant, noise
from seewhy.methods.minimal_region import Guide, minimal_region, minimal_region_of

SIDE, TILE = 32, 8
ONE, OTHER = (slice(8, 16), slice(8, 16)), (slice(16, 24), slice(16, 24))

Rule = Callable[[bool, bool], bool]


def game(rule: Rule) -> Game:
    """Say class 1 where the rule holds of what is left, pixel by pixel, of two white patches on black; labels only."""

    def logits(images: Tensor) -> Tensor:
        there = [[bool((image[:, *place] > 0.5).all()) for place in (ONE, OTHER)] for image in images]
        said = torch.tensor([rule(*each) for each in there])
        return torch.stack([~said, said], 1).double() * 1e3  # a soft-max of these is 0 and 1

    return Game(logits, access=Access.LABEL)


def patches() -> Tensor:
    """Two white patches."""
    image = torch.zeros(3, SIDE, SIDE)
    image[:, *ONE] = image[:, *OTHER] = 1
    return image


def probe_of(rule: Rule, *, budget: int | None = None, infill: Infill | None = None, seed: int = 0) -> Probe:
    """The game, with black where something is removed."""
    return Probe(game(rule), infill or constant(value=0.0), patches(), seed=seed, budget=Budget(budget))


def is_patch(where: np.ndarray, *places: tuple[slice, slice]) -> bool:
    """Whether a region is just these patches."""
    truth = np.zeros((SIDE, SIDE), dtype=bool)
    for place in places:
        truth[place] = True
    return np.array_equal(where, truth)


@pytest.mark.parametrize("guide", ["rise", "occlusion", "center"])
def test_one_patch_is_all_that_is_needed(guide: Guide) -> None:
    """It alone keeps the answer, without any pixel of it the answer changes: one pixel's tile is necessary."""
    probe = probe_of(lambda one, _: one)
    maps = minimal_region(probe, [ClassEvidence(1)], guide=guide, guide_queries=200, tile=TILE)
    assert is_patch(maps.outlines["class:1/sufficient"], ONE)
    necessary = maps.outlines["class:1/necessary"]
    assert necessary[ONE].any()
    assert not np.delete(necessary.reshape(4, 8, 4, 8).any((1, 3)).flatten(), 5).any()  # nothing in another tile
    values = maps.values["class:1"]
    assert set(np.unique(values)) == {0.0, 1.0}
    assert "6.2% of the picture alone keeps class 1" in maps.findings[0]
    assert "changes the answer to class 0" in maps.findings[0]
    assert maps.stopped_because == "complete"


def test_two_patches_that_are_needed_together() -> None:
    """Both are sufficient; a part of one of them is necessary."""
    maps = minimal_region(probe_of(lambda one, other: one and other), [ClassEvidence(1)], guide_queries=200, tile=TILE)
    assert is_patch(maps.outlines["class:1/sufficient"], ONE, OTHER)
    necessary = maps.outlines["class:1/necessary"]
    assert necessary[ONE].any() != necessary[OTHER].any()


def test_two_patches_that_do_for_each_other() -> None:
    """One is sufficient, and a part of both must go."""
    maps = minimal_region(probe_of(lambda one, other: one or other), [ClassEvidence(1)], guide_queries=200, tile=TILE)
    sufficient, necessary = (maps.outlines[f"class:1/{name}"] for name in ("sufficient", "necessary"))
    assert is_patch(sufficient, ONE) or is_patch(sufficient, OTHER)
    assert necessary[ONE].any()
    assert necessary[OTHER].any()
    assert set(np.unique(maps.values["class:1"])) == {0.0, 0.5, 1.0}


def shown(region: np.ndarray) -> Tensor:
    """What a region alone shows."""
    return patches() * torch.from_numpy(region)


def slow(guide: Map, rule: Rule) -> tuple[np.ndarray, np.ndarray]:
    """The search in plain loops, for tiles of `TILE` and steps of one pixel."""
    classifier = game(rule)
    ranked = sorted(itertools.product(range(SIDE), range(SIDE)), key=lambda place: -guide[place])
    tiles = sorted(
        itertools.product(range(0, SIDE, TILE), repeat=2), key=lambda c: guide[c[0] : c[0] + 8, c[1] : c[1] + 8].mean()
    )
    found = []
    for removed in (False, True):

        def works(region: np.ndarray, *, removed: bool = removed) -> bool:
            said = classifier(shown(~region if removed else region)[None])[0].argmax() == 1
            return bool(said) is not removed

        low, high = 0, len(ranked)
        best = np.ones((SIDE, SIDE), dtype=bool)
        while high - low > 1:
            middle = (low + high) // 2
            region = np.zeros((SIDE, SIDE), dtype=bool)
            for place in ranked[:middle]:
                region[place] = True
            if works(region):
                high, best = middle, region
            else:
                low = middle
        for top, left in tiles:
            fewer = best.copy()
            fewer[top : top + TILE, left : left + TILE] = False
            if works(fewer):
                best = fewer
        found.append(best)
    return found[0], found[1]


@pytest.mark.parametrize("seed", range(4))
def test_the_search_is_the_plain_one(seed: int) -> None:
    """In the order of a random map, the regions of the slow search, and each of them checked again."""
    guide = np.random.default_rng(seed).normal(size=(SIDE, SIDE)).astype(np.float32)
    rule: Rule = (lambda one, other: one or other) if seed % 2 else (lambda one, other: one and other)
    probe = probe_of(rule)
    maps = minimal_region_of(probe, [ClassEvidence(1)], {"class:1": guide}, tile=TILE, samples=1)
    sufficient, necessary = slow(guide, rule)
    np.testing.assert_array_equal(maps.outlines["class:1/sufficient"], sufficient)
    np.testing.assert_array_equal(maps.outlines["class:1/necessary"], necessary)
    assert maps.traces["class:1/sufficient"][-1] == sufficient.mean()
    assert list(maps.traces["class:1/necessary"]) == sorted(maps.traces["class:1/necessary"], reverse=True)


def test_what_is_returned_was_checked_under_any_budget() -> None:
    """With few queries the regions are larger, and still do."""
    guide = np.random.default_rng(0).normal(size=(SIDE, SIDE)).astype(np.float32)
    sizes = []
    for budget in (22, 30, 60):
        probe = probe_of(lambda one, other: one and other, budget=budget)
        maps = minimal_region_of(probe, [ClassEvidence(1)], {"class:1": guide}, tile=TILE, samples=1)
        assert probe.queries.forward_images <= budget
        region = maps.outlines["class:1/sufficient"]
        assert game(lambda one, other: one and other)(shown(region)[None])[0].argmax() == 1
        sizes.append(region.mean())
    assert sizes[0] > sizes[1] > sizes[2]


def test_a_budget_that_is_too_small_is_refused() -> None:
    """Before anything but the picture is asked."""
    probe = probe_of(lambda one, _: one, budget=40)
    with pytest.raises(RequestError, match="budget of 40"):
        minimal_region(probe, [ClassEvidence(1)])
    assert probe.queries.forward_images == 0


@pytest.mark.parametrize(
    ("rule", "target", "message"),
    [
        (lambda one, _: one, ClassEvidence(0), "class 0 is not what the classifier says of the whole picture"),
        (lambda *_: True, ClassEvidence(1), "The in-fill alone is class 1"),
        (lambda one, _: one, Contrast(0, 1), "class 0 before class 1 is not"),
    ],
)
def test_where_there_is_no_region_it_says_why(rule: Rule, target: Target, message: str) -> None:
    """An empty map, no outline, and a sentence."""
    maps = minimal_region(probe_of(rule), [target], guide="center", tile=TILE)
    assert message in maps.findings[0]
    assert not maps.values[target.key].any()
    assert maps.outlines == {}


def test_the_seed_decides() -> None:
    """Where any third of the picture would do, another seed makes another guide, and that another region."""

    def run(seed: int) -> Map:
        light = Game(lambda images: torch.stack([images[:, 0, 0, 0] * 0, images.mean((1, 2, 3)) - 0.3], 1) * 1e4)
        maps = minimal_region(
            Probe(light, constant(value=0.0), torch.ones(3, SIDE, SIDE), seed=seed),
            [ClassEvidence(1)],
            guide_queries=60,
            tile=TILE,
        )
        return maps.values["class:1"]

    one, same, other = run(0), run(0), run(1)
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    assert 0.3 < (one == 1).mean() < 0.33


def test_a_random_infill_is_asked_three_times() -> None:
    """And the samples must agree: one that keeps the answer by chance is not enough."""
    probe = probe_of(lambda one, other: one and other, infill=noise())
    maps = minimal_region(probe, [ClassEvidence(1)], guide="center", tile=TILE)
    assert (probe.queries.forward_images - 1) % 3 == 0
    assert maps.settings["samples"] == 3
    assert is_patch(maps.outlines["class:1/sufficient"], ONE, OTHER)
