"""Test regions against constructed truths: one necessary patch, two necessary patches, two interchangeable patches."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from games import Game
from seewhy.core.access import Access
from seewhy.core.attribution import Map
from seewhy.core.budget import Budget
from seewhy.core.errors import RequestError
from seewhy.core.infill import Infill
from seewhy.core.probe import Probe
from seewhy.core.target import ClassEvidence, Contrast, Target
from seewhy.infills.plain import constant, noise
from seewhy.methods.search.minimal_region import minimal_region, minimal_region_of

SIDE, TILE = 32, 8
ONE, OTHER = (slice(8, 16), slice(8, 16)), (slice(16, 24), slice(16, 24))

Rule = Callable[[bool, bool], bool]


def game(rule: Rule) -> Game:
    """Return a labels-only classifier that predicts class 1 if a rule holds for two white patches, pixel by pixel."""

    def logits(images: Tensor) -> Tensor:
        there = [[bool((image[:, *place] > 0.5).all()) for place in (ONE, OTHER)] for image in images]
        said = torch.tensor([rule(*each) for each in there])
        return torch.stack([~said, said], 1).double() * 1e3  # their soft-max is 0 and 1

    return Game(logits, access=Access.LABEL)


def patches() -> Tensor:
    """Return an image with two white patches."""
    image = torch.zeros(3, SIDE, SIDE)
    image[:, *ONE] = image[:, *OTHER] = 1
    return image


def probe_of(rule: Rule, *, budget: int | None = None, infill: Infill | None = None, seed: int = 0) -> Probe:
    """Return a probe of the game with a black in-fill."""
    return Probe(game(rule), infill or constant(value=0.0), patches(), seed=seed, budget=Budget(budget))


def is_patch(where: np.ndarray, *places: tuple[slice, slice]) -> bool:
    """Return whether a region consists of exactly these patches."""
    truth = np.zeros((SIDE, SIDE), dtype=bool)
    for place in places:
        truth[place] = True
    return np.array_equal(where, truth)


def test_one_necessary_and_sufficient_patch() -> None:
    """The patch alone keeps the prediction; losing any of its pixels changes it, so one pixel's tile is necessary."""
    probe = probe_of(lambda one, _: one)
    maps = minimal_region(probe, [ClassEvidence(1)], guide_queries=200, tile=TILE)
    assert is_patch(maps.outlines["class:1/sufficient"], ONE)
    necessary = maps.outlines["class:1/necessary"]
    assert necessary[ONE].any()
    assert not np.delete(necessary.reshape(4, 8, 4, 8).any((1, 3)).flatten(), 5).any()  # nothing in any other tile
    values = maps.values["class:1"]
    assert set(np.unique(values)) == {0.0, 1.0}
    assert "6.2% of the image is sufficient for class 1" in maps.findings[0]
    assert "changes the prediction to class 0" in maps.findings[0]
    assert maps.stopped_because == "complete"


def test_two_patches_necessary_together() -> None:
    """Both are sufficient together; a part of one of them is necessary."""
    maps = minimal_region(probe_of(lambda one, other: one and other), [ClassEvidence(1)], guide_queries=200, tile=TILE)
    assert is_patch(maps.outlines["class:1/sufficient"], ONE, OTHER)
    necessary = maps.outlines["class:1/necessary"]
    assert necessary[ONE].any() != necessary[OTHER].any()


def test_two_interchangeable_patches() -> None:
    """One is sufficient, and a part of both must be removed."""
    maps = minimal_region(probe_of(lambda one, other: one or other), [ClassEvidence(1)], guide_queries=200, tile=TILE)
    sufficient, necessary = (maps.outlines[f"class:1/{name}"] for name in ("sufficient", "necessary"))
    assert is_patch(sufficient, ONE) or is_patch(sufficient, OTHER)
    assert necessary[ONE].any()
    assert necessary[OTHER].any()
    assert set(np.unique(maps.values["class:1"])) == {0.0, 0.5, 1.0}


def shown(region: np.ndarray) -> Tensor:
    """Return what a region alone shows."""
    return patches() * torch.from_numpy(region)


def slow(guide: Map, rule: Rule) -> tuple[np.ndarray, np.ndarray]:
    """Run the search in plain loops, for tiles of `TILE` and area steps of one pixel."""
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
def test_the_search_matches_the_reference_implementation(seed: int) -> None:
    """In the order of a random map, the regions equal those of the slow search, and each passes its test."""
    guide = np.random.default_rng(seed).normal(size=(SIDE, SIDE)).astype(np.float32)
    rule: Rule = (lambda one, other: one or other) if seed % 2 else (lambda one, other: one and other)
    probe = probe_of(rule)
    maps = minimal_region_of(probe, [ClassEvidence(1)], {"class:1": guide}, tile=TILE, samples=1)
    sufficient, necessary = slow(guide, rule)
    np.testing.assert_array_equal(maps.outlines["class:1/sufficient"], sufficient)
    np.testing.assert_array_equal(maps.outlines["class:1/necessary"], necessary)
    assert maps.traces["class:1/sufficient"][-1] == sufficient.mean()
    assert list(maps.traces["class:1/necessary"]) == sorted(maps.traces["class:1/necessary"], reverse=True)


def test_returned_regions_are_verified_under_any_budget() -> None:
    """With few queries the regions are larger, but still work."""
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


def test_a_budget_that_is_too_small_is_rejected() -> None:
    """The error comes before any query beyond the prediction."""
    probe = probe_of(lambda one, _: one, budget=40)
    with pytest.raises(RequestError, match="budget of 40"):
        minimal_region(probe, [ClassEvidence(1)])
    assert probe.queries.forward_images == 0


@pytest.mark.parametrize(
    ("rule", "target", "message"),
    [
        (lambda one, _: one, ClassEvidence(0), "The classifier does not predict class 0 for the full image"),
        (lambda *_: True, ClassEvidence(1), "The in-fill alone is classified as class 1"),
        (lambda one, _: one, Contrast(0, 1), "does not predict class 0 over class 1"),
    ],
)
def test_a_missing_region_is_explained(rule: Rule, target: Target, message: str) -> None:
    """The map is empty, there is no outline, and a finding states the reason."""
    maps = minimal_region(probe_of(rule), [target], guide_queries=60, tile=TILE)
    assert message in maps.findings[0]
    assert not maps.values[target.key].any()
    assert maps.outlines == {}


def test_the_seed_determines_the_region() -> None:
    """If any third of the image is sufficient, another seed gives another guide map, and so another region."""

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


def test_a_random_infill_is_drawn_three_times() -> None:
    """All samples must agree: a single one that keeps the prediction by chance is not enough."""
    probe = probe_of(lambda one, other: one and other, infill=noise())
    maps = minimal_region(probe, [ClassEvidence(1)], guide_queries=60, tile=TILE)
    assert (probe.queries.forward_images - 61) % 3 == 0
    assert maps.settings["samples"] == 3
    assert is_patch(maps.outlines["class:1/sufficient"], ONE, OTHER)
