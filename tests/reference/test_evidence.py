"""Test `evidence`: the search for the first target, the additive maps of the others, one budget, and what is said of them."""

import numpy as np
import pytest
import torch
from torch import Tensor

import seewhy
from games import Game, picture, small_cnn
from seewhy.core.attribution import Attribution
from seewhy.core.budget import Budget
from seewhy.core.errors import RequestError
from seewhy.core.probe import Probe
from seewhy.core.target import ClassEvidence, Contrast, Information, Target
from seewhy.images.regions import split
from seewhy.infills.plain import constant
from seewhy.methods.sampling.additive import additive
from seewhy.methods.search.evidence import evidence

BLACK = constant(value=0.0)
NINE = split(torch.ones(3, 24, 24), 9, "grid")
ASKED: list[Target] = [ClassEvidence(0), ClassEvidence(1), Information()]


def shown(images: Tensor) -> Tensor:
    """How much of each of nine regions of a white image is shown."""
    return torch.stack([images[:, 0, region == NINE].mean(1) for region in range(9)], dim=1)


def either(images: Tensor) -> Tensor:
    """One of two regions makes the first class certain; a third lowers it."""
    parts = shown(images)
    odds = 20.4 * torch.maximum(parts[:, 3], parts[:, 8]) - 9.2 - 2 * parts[:, 1]
    return torch.stack([odds, torch.zeros_like(odds)], dim=1)


def run(game: Game, targets: list[Target], budget: int | None = None, seed: int = 0) -> tuple[Attribution, Probe]:
    """Explain a white image with nine square regions."""
    probe = Probe(game, BLACK, torch.ones(3, 24, 24), seed=seed, budget=Budget(queries=budget))
    probe.prediction  # noqa: B018 - every explanation begins with this query
    return evidence(probe, targets, regions=9, shape="grid", queries=400, grids=120), probe


def test_the_first_target_is_searched_for_and_the_others_are_additive() -> None:
    """Each map has its own unit; only the additive ones have errors and a sign."""
    maps, _ = run(Game(either, classes=2), ASKED)
    plain = additive(Probe(Game(either, classes=2), BLACK, torch.ones(3, 24, 24)), ASKED, samples=120)
    for key in ("class:1", "information"):
        assert np.array_equal(maps.values[key], plain.values[key])
        assert np.array_equal(maps.stderr[key], plain.stderr[key])
    assert list(maps.values) == ["class:0", "class:1", "information"]
    assert "class:0" not in maps.stderr
    assert (maps.unit, maps.units, maps.unsigned) == (plain.unit, {"class:0": "share of the evidence"}, ("class:0",))
    assert {region.target for region in maps.regions} == {"class:0"}
    assert any("Only class:0 was searched for" in text for text in maps.findings)


def test_both_of_two_sufficient_regions_and_the_one_against() -> None:
    """OR at p = .9999: both are found, each is outlined, and the region that lowers the class is named and outlined."""
    maps, _ = run(Game(either, classes=2), [ClassEvidence(0)])
    assert sorted(region.number for region in maps.regions)[:2] == [3, 8] or {3, 8} <= {
        region.number for region in maps.regions[:2]
    }
    outlined = {name: sorted({int(part) for part in NINE.numpy()[where]}) for name, where in maps.outlines.items()}
    assert outlined["class:0/sufficient"] + outlined["class:0/also sufficient"] in ([3, 8], [8, 3])
    assert outlined["class:0/against"] == [1]
    assert any("each alone" in text for text in maps.findings)
    assert any("speaks against" in text for text in maps.findings)


def test_what_is_asked_depends_on_the_first_target_and_the_seed_alone() -> None:
    """More targets ask nothing else, and change no map."""
    games = [Game(either, classes=2) for _ in range(3)]
    alone, several = (run(game, targets)[0] for game, targets in zip(games, (ASKED[:1], ASKED), strict=False))
    assert torch.equal(torch.cat(games[0].seen), torch.cat(games[1].seen))
    assert np.array_equal(alone.values["class:0"], several.values["class:0"])
    run(games[2], ASKED, seed=1)
    assert not torch.equal(torch.cat(games[0].seen)[:50], torch.cat(games[2].seen)[:50])


@pytest.mark.parametrize("budget", [16, 60, 200, None])
def test_one_budget_for_both(budget: int | None) -> None:
    """At most so many queries, the additive maps included; without a budget the setting is the limit."""
    game = Game(small_cnn().double(), classes=5)
    probe = Probe(game, BLACK, picture(), budget=Budget(queries=budget))
    probe.prediction  # noqa: B018 - every explanation begins with this query
    maps = evidence(probe, [Contrast(0, 1), Information()], regions=30, queries=150, grids=100)
    assert probe.queries.forward_images == sum(map(len, game.seen)) <= min(budget or 150, 150)
    assert np.isfinite(maps.values["contrast:0/1"]).all()
    assert maps.settings["grids"] == {16: 10, 60: 24, 200: 60, None: 60}[budget]


def test_settings_out_of_range() -> None:
    """The message says what was expected."""
    probe = Probe(Game(either, classes=2), BLACK, torch.ones(3, 24, 24))
    for settings, why in (
        ({"grids": 9}, "grids >= 10"),
        ({"enough": 0.4}, "enough between"),
        ({"queries": 15}, ">= 16"),
    ):
        with pytest.raises(RequestError, match=why):
            evidence(probe, ASKED, **settings)


def test_the_usual_targets_begin_with_the_predicted_class() -> None:
    """The information comes last; the record has a unit and a sign for each map, and so have drawings."""
    image = np.full((24, 24, 3), 255, np.uint8)
    names = ["off", "on", "rest"]

    def bright(images: np.ndarray) -> list[list[float]]:
        shares = [float(each[:8].mean()) / 255 for each in images]
        return [[0.6 * (1 - share) + 0.1, 0.6 * share + 0.2, 0.1] for share in shares]

    classifier = seewhy.classifier(bright, labels=names)
    explanation = seewhy.explain(
        classifier,
        image,
        method="evidence:regions=9,shape=grid,queries=200,grids=100",
        infill="constant:value=0",
        check=False,
    )
    assert [target.key for target in explanation.targets] == ["class:1", "class:0", "class:2", "information"]
    first, second = explanation.targets[:2]
    record = explanation.record
    assert (record.unit_of(first), record.diverging(first)) == ("share of the evidence", False)
    assert (record.unit_of(second), record.diverging(second)) == (record.unit, True)
    assert explanation.regions[0].target == "class:1"
    assert "Only on was searched for" in " ".join(explanation.findings)
