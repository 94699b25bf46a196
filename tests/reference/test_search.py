"""Test the search for the best order of regions: a slow replica, worlds with known answers, and what it may cost."""

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from math import exp, log
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from games import Game, OpenGame, picture, small_cnn
from seewhy import registry
from seewhy.core.access import Access
from seewhy.core.attribution import Attribution, Map
from seewhy.core.budget import Budget
from seewhy.core.errors import RequestError
from seewhy.core.probe import Probe
from seewhy.core.target import ClassEvidence, Contrast, Information, Target, WeightOfEvidence
from seewhy.images.regions import split
from seewhy.infills.donor import donor
from seewhy.infills.plain import constant
from seewhy.methods.search.search import search

BLACK = constant(value=0.0)
NINE = split(torch.ones(3, 12, 12), 9, "grid")
"""Nine square regions of 4 x 4 pixels."""

Parts = Tensor
"""``(n, 9)``: how much of each region is shown."""


def world(odds: Callable[[Parts], Tensor]) -> Game:
    """A classifier of two classes, with log odds that depend on which of the nine regions of a white image are shown."""

    def logits(images: Tensor) -> Tensor:
        shown = torch.stack([images[:, 0, region == NINE].mean(1) for region in range(9)], dim=1)
        value = odds(shown)
        return torch.stack([value, torch.zeros_like(value)], dim=1)

    return Game(logits, classes=2)


def given(*order: int) -> Map:
    """A first map that ranks the regions so."""
    places: Map = np.array([-float(order.index(region)) for region in range(9)], np.float32)[NINE.numpy()]
    return places


def run(
    game: Game, first: Map | None = None, target: Target | None = None, budget: Budget | None = None, **settings: Any
) -> tuple[Attribution, Probe]:
    """Search for the order of nine regions; the first map is given, and costs nothing."""
    probe = Probe(game, BLACK, torch.ones(3, 12, 12), budget=budget or Budget())
    target = target or ClassEvidence(0)
    probe.prediction  # noqa: B018 - every explanation begins with this query

    def explain(spec: str, probe: Probe, targets: Sequence[Target]) -> Attribution:
        del spec, probe
        ranked = given(*range(9)) if first is None else first
        return Attribution({each.key: ranked for each in targets}, {}, "", {}, "complete")

    chosen: dict[str, Any] = {"regions": 9, "shape": "grid", "queries": 2, "window": 9, **settings}
    return search(probe, [target], explain, **chosen), probe


def numbers(maps: Attribution) -> list[int]:
    """The regions in the order in which they were chosen."""
    return [region.number for region in maps.regions]


def outline(maps: Attribution, name: str) -> list[int]:
    """The regions of a set."""
    return sorted({int(number) for number in NINE.numpy()[maps.outlines[f"class:0/{name}"]]})


def values(maps: Attribution, key: str = "class:0") -> list[float]:
    """The mean of the map over each region."""
    return [float(maps.values[key][region == NINE].mean()) for region in range(9)]


def sigmoid(odds: float) -> float:
    """The probability of the first class."""
    return 1 / (1 + exp(-odds))


WEIGHTS = torch.tensor([0.3, -0.4, 1.5, 0.1, 0.9, -1.1, 0.6, 0.2, 1.1], dtype=torch.float64)


def mixed(shown: Parts) -> Tensor:
    """Log odds with interactions, and regions for and against."""
    return shown @ WEIGHTS + 1.3 * shown[:, 2] * shown[:, 7] - 0.8 * shown[:, 4] * shown[:, 0] - 0.5


@pytest.mark.parametrize("window", [1, 3, 9])
def test_the_order_is_that_of_the_formula(window: int) -> None:
    """A replica of the greedy rule with the windows of the first map, until both criteria are met; shown, hidden, nats and values."""
    first = given(4, 0, 8, 5, 2, 6, 1, 7, 3)
    game = world(mixed)
    maps, probe = run(game, first, window=window)

    def p(kept: set[int]) -> float:
        return sigmoid(
            float(mixed(torch.tensor([[float(region in kept) for region in range(9)]], dtype=torch.float64)))
        )

    every, left = set(range(9)), [4, 0, 8, 5, 2, 6, 1, 7, 3]
    order: list[int] = []
    shown, hidden = [p(set())], [p(every)]
    while left and (max(shown) < 0.97 * p(every) or min(hidden) > 0.03 * p(every)):
        scores = {r: p({*order, r}) + 1 - p(every - {*order, r}) for r in left[:window]}
        order.append(max(scores, key=lambda r: scores[r]))
        left.remove(order[-1])
        shown.append(p(set(order)))
        hidden.append(p(every - set(order)))
    assert numbers(maps) == order
    np.testing.assert_allclose([region.shown for region in maps.regions], shown[1:], rtol=1e-6)
    np.testing.assert_allclose([region.hidden for region in maps.regions], hidden[1:], rtol=1e-6)
    nats = [log(after) - log(before) for before, after in pairwise(shown)]
    np.testing.assert_allclose([region.evidence for region in maps.regions], nats, atol=1e-6)
    missing = [1 - min(1, most / p(every)) for most in accumulate(shown, max)]
    rest = [min(1, least / p(every)) for least in accumulate(hidden, min)]
    expected = [((missing[t] + rest[t]) / 2) ** 2 for t in range(len(order))]
    np.testing.assert_allclose([values(maps)[region] for region in order], expected, atol=2e-3)
    assert maps.traces["class:0/shown"] == pytest.approx(shown)
    assert maps.traces["class:0/hidden"] == pytest.approx(hidden)
    assert probe.queries.forward_images == sum(map(len, game.seen))


def test_the_map_keeps_the_order_and_the_first_map_within_a_region() -> None:
    """Every pixel of a region lies above every pixel of the next one; within a region pixels follow the first map."""
    inner = np.random.default_rng(0).random((12, 12)).astype(np.float32)
    maps, _ = run(world(mixed), given(*range(9)) + 0.5 * inner)
    left = [region for region in range(9) if region not in numbers(maps)]
    drawn = [maps.values["class:0"][region == NINE] for region in [*numbers(maps), *left]]
    for one, other in pairwise(drawn):
        assert one.min() > other.max()
    for region in range(9):
        pixels = maps.values["class:0"][region == NINE]
        assert (np.diff(pixels[np.argsort(inner[region == NINE])]) >= 0).all()
    assert 0 <= drawn[-1].min() <= drawn[0].max() <= 1


def test_the_chain_adds_up() -> None:
    """Where all regions are chosen, the evidence of the regions sums to that of the whole image."""
    maps, probe = run(world(lambda shown: shown.sum(1) - 4), enough=0.999)
    assert len(maps.regions) == 9
    gain = log(float(probe.prediction[0])) - log(sigmoid(-4))
    assert sum(region.evidence for region in maps.regions) == pytest.approx(gain, abs=1e-6)


def test_one_region_decides() -> None:
    """It suffices alone, nothing is left without it, and the search ends there: with what is shown and what is hidden."""
    maps, probe = run(world(lambda shown: 18 * shown[:, 5] - 9), given(0, 1, 2, 5, 3, 4, 6, 7, 8))
    assert numbers(maps) == [5]
    assert maps.regions[0].suffices
    assert outline(maps, "sufficient") == outline(maps, "necessary") == [5]
    assert values(maps)[5] == pytest.approx(1, abs=2e-3)
    assert max(values(maps)[:5]) < 0.01
    assert probe.queries.forward_images == 2 + 18
    assert any("11% of the image alone keeps 97%" in text for text in maps.findings)


def test_two_regions_that_are_both_needed() -> None:
    """AND: they suffice together, and each one alone is necessary; the first has no evidence before the second."""
    maps, _ = run(world(lambda shown: 18 * shown[:, 1] * shown[:, 7] - 9))
    assert sorted(numbers(maps)) == [1, 7]
    assert outline(maps, "sufficient") == [1, 7]
    assert len(outline(maps, "necessary")) == 1
    assert [region.suffices for region in maps.regions] == [False, True]
    assert maps.regions[0].evidence == pytest.approx(0, abs=1e-6)
    assert maps.regions[1].evidence == pytest.approx(9, abs=0.01)  # log(sigmoid(9) / sigmoid(-9))


@pytest.mark.parametrize("window", [4, 9])
def test_two_regions_of_which_one_is_enough(window: int) -> None:
    """OR at p = .9999: hiding either alone changes nothing, but both are found, and that each suffices."""
    game = world(lambda shown: 18.4 * torch.maximum(shown[:, 3], shown[:, 8]) - 9.2)
    maps, _ = run(game, given(0, 8, 1, 3, 2, 4, 5, 6, 7), window=window)
    assert sorted(numbers(maps)) == [3, 8]
    assert {*outline(maps, "sufficient"), *outline(maps, "also sufficient")} == {3, 8}
    assert outline(maps, "necessary") == [3, 8]
    assert any("each alone" in text for text in maps.findings)
    ranked = np.argsort(values(maps))[::-1]
    assert {*ranked[:2].tolist()} == {3, 8}
    assert values(maps)[int(ranked[1])] > 0.2
    assert values(maps)[int(ranked[2])] < 0.01


def test_what_speaks_against_comes_last() -> None:
    """A region whose presence lowers the probability has negative evidence; a class driven by absence alone has no answer."""
    maps, _ = run(world(lambda shown: 3 * shown[:, 2] - shown[:, 0]))
    assert (numbers(maps)[0], numbers(maps)[-1]) == (2, 0)
    assert maps.regions[-1].evidence < -0.05
    assert values(maps)[0] == min(values(maps))
    maps, _ = run(world(lambda shown: -3 * shown[:, 0]))
    assert any("The in-fill alone gives" in text for text in maps.findings)


def test_questions_without_an_answer_are_named() -> None:
    """Nothing changes anything; next to nothing to explain."""
    maps, _ = run(world(lambda shown: 1 + 0.001 * shown.sum(1)))
    assert any("No region changes" in text for text in maps.findings)
    maps, _ = run(world(lambda shown: 2 * shown[:, 0] - 9))
    assert any("next to nothing" in text for text in maps.findings)


def test_contrasts_and_the_information_are_searched_for_by_their_own_measure() -> None:
    """The odds of two classes; agreement with the prediction. Their evidence is that of the target."""
    game = Game(lambda images: torch.stack([4 * images[:, 0, 1, 1], 5 * images[:, 0, 9, 9], images[:, 0, 1, 9] * 0], 1))
    both = {target.key: run(game, target=target)[0] for target in (Contrast(0, 1), Information(), WeightOfEvidence(0))}
    contrast = both["contrast:0/1"]
    assert numbers(contrast)[0] == 0
    assert contrast.regions[0].evidence == pytest.approx(4, abs=1e-6)
    assert contrast.regions[0].shown == pytest.approx(sigmoid(4), abs=1e-6)
    assert numbers(both["information"])[0] == 8  # makes the answer what it is, though it is not for class 0
    assert both["woe:0"].regions[0].evidence == pytest.approx(log(exp(4) / 2) - log(1 / 2), abs=1e-6)


def test_labels_are_enough() -> None:
    """With labels only a set scores the fraction of the random in-fills that keeps the label; with a fixed one it is all or nothing."""
    game = world(lambda shown: 1e6 * (shown[:, 4] - 0.5))
    game.access = Access.LABEL
    maps, _ = run(game)
    assert numbers(maps) == [4]
    row = registry.lookup("methods", "search:regions=9,shape=grid,first=rise:cells=3,queries=40")
    probe = Probe(game, donor(), torch.rand(3, 12, 12))
    probe.prediction  # noqa: B018 - every explanation begins with this query
    assert row.row.run(probe, [ClassEvidence(0)], **row.settings).settings["samples"] == 4


@pytest.mark.parametrize("budget", [30, 47, 900])
@pytest.mark.parametrize("infill", [BLACK, donor()], ids=["fixed", "random"])
def test_a_budget_is_kept(budget: int, infill: object) -> None:
    """First map included, for two targets; the regions that are not reached follow in the order of the first map."""
    game = Game(small_cnn().double(), classes=5)
    probe = Probe(game, infill, picture(), budget=Budget(queries=budget))  # type: ignore[arg-type]
    bound = registry.lookup("methods", "search:regions=16,shape=grid,first=occlusion:size=10;stride=10")
    targets = [ClassEvidence(0), ClassEvidence(3)]
    probe.prediction  # noqa: B018 - every explanation begins with this query
    maps = bound.row.run(probe, targets, **bound.settings)
    assert probe.queries.forward_images == sum(map(len, game.seen)) <= budget
    assert maps.stopped_because == ("complete" if budget == 900 else "queries")
    assert np.isfinite(maps.values["class:3"]).all()


def test_the_time_is_kept() -> None:
    """One step at least, then the regions follow the first map."""
    maps, _ = run(world(mixed), budget=Budget(seconds=1e-9))
    assert (maps.stopped_because, len(maps.regions)) == ("seconds", 1)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"regions": 1}, "regions >= 2"),
        ({"window": 0}, "window >= 1"),
        ({"enough": 1.0}, "enough between"),
        ({"queries": 1}, "queries >= 2"),
        ({"regions": "missing.png"}, "check the path"),
    ],
)
def test_settings_out_of_range(settings: dict[str, Any], why: str) -> None:
    """The message says what was expected."""
    with pytest.raises(RequestError, match=why):
        run(world(mixed), **settings)
    with pytest.raises(RequestError, match="budget"):
        run(world(mixed), budget=Budget(queries=3))
    bound = registry.lookup("methods", "search:first=rise")
    probe = Probe(world(mixed), BLACK, torch.ones(3, 12, 12), budget=Budget(queries=60))
    with pytest.raises(RequestError, match="first map from rise: a budget"):
        bound.row.run(probe, [ClassEvidence(0)], **bound.settings)


def test_the_first_map_is_that_of_any_method() -> None:
    """By its Spec; one that needs gradients needs a classifier that has them, and the row says so."""
    bound = registry.lookup("methods", "search:regions=9,shape=grid,first=grad-cam")
    assert registry.access_of(bound) == Access.INTERNALS
    assert registry.access_of(registry.lookup("methods", "search:first=rise")) == Access.LABEL
    probe = Probe(OpenGame(small_cnn()), BLACK, picture())
    assert bound.row.run(probe, [ClassEvidence(0)], **bound.settings).regions
    with pytest.raises(RequestError, match="INTERNALS"):
        bound.row.run(Probe(Game(small_cnn().double()), BLACK, picture()), [ClassEvidence(0)], **bound.settings)
    with pytest.raises(RequestError, match="unknown method"):
        registry.access_of(registry.lookup("methods", "search:first=nothing"))
