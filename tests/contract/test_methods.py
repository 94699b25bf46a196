"""Every method of the registry keeps the method contract; a new row is tested by standing in the table."""

import numpy as np
import pytest
import torch

from games import Game, picture, pixel_logits, small_cnn
from seewhy import registry
from seewhy.core.budget import Budget
from seewhy.core.infill import Infill
from seewhy.core.maps import Maps
from seewhy.core.probe import Probe
from seewhy.core.target import ClassEvidence, Contrast, Information, Target
from seewhy.infills.donor import donor
from seewhy.infills.plain import constant

SMALL = {"pmi": "pmi:size=4,samples=2", "occlusion": "occlusion:size=5,samples=2", "rise": "rise:masks=60,cells=3"}
"""Settings for a picture of 20 x 17; a new method without a row here runs with its defaults."""


@pytest.fixture(params=sorted(registry.METHODS))
def name(request: pytest.FixtureRequest) -> str:
    """Each method."""
    return str(request.param)


def targets_of(name: str) -> list[Target]:
    """Every kind of target that the method answers."""
    asked: list[Target] = [ClassEvidence(0), ClassEvidence(1), Contrast(0, 1)]
    return [Information(), *asked] if registry.METHODS[name].information else asked


def run(name: str, probe: Probe) -> Maps:
    """The method with small settings."""
    _, method, settings = registry.method(SMALL.get(name, name))
    maps: Maps = method.run(probe, targets_of(name), **settings)
    return maps


def probe_of(*, infill: Infill | None = None, seed: int = 0, batch: int = 4, budget: Budget | None = None) -> Probe:
    """A small random network asked about a small picture."""
    game = Game(small_cnn().double())
    return Probe(game, infill or donor(), picture(), seed=seed, batch_size=batch, budget=budget or Budget())


def test_one_finite_map_a_target(name: str) -> None:
    """Each target has a map of the picture's size, errors are non-negative, the unit and the ending are stated."""
    maps = run(name, probe_of())
    assert list(maps.values) == [target.key for target in targets_of(name)]
    for key, values in maps.values.items():
        assert values.shape == (20, 17)
        assert values.dtype == np.float32
        assert np.isfinite(values).all()
        assert (maps.stderr[key] >= 0).all()
    assert maps.unit in {"nats", "probability"}
    assert maps.stopped_because == "complete"


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_batches_change_nothing(name: str, batch: int) -> None:
    """The maps are the same for every batch size."""
    one, other = run(name, probe_of()), run(name, probe_of(batch=batch))
    for key, values in one.values.items():
        np.testing.assert_allclose(values, other.values[key], atol=1e-6)


def test_the_seed_decides(name: str) -> None:
    """The same seed gives the same maps to the last bit, another seed gives others."""
    one, same, other = (run(name, probe_of(seed=seed)) for seed in (0, 0, 1))
    key = "class:0"
    assert np.array_equal(one.values[key], same.values[key])
    assert not np.array_equal(one.values[key], other.values[key])


def test_a_contrast_is_a_difference(name: str) -> None:
    """All targets come from the same answers."""
    maps = run(name, probe_of()).values
    np.testing.assert_allclose(maps["contrast:0/1"], maps["class:0"] - maps["class:1"], atol=1e-6)


def test_the_budget_holds_and_every_query_is_counted(name: str) -> None:
    """No more pictures are shown than allowed, and the account equals what the classifier saw."""
    probe = probe_of(budget=Budget(queries=55))
    run(name, probe)
    game = probe.classifier
    assert isinstance(game, Game)
    assert probe.queries.forward_images == sum(map(len, game.seen)) <= 55
    assert probe.queries.forward_calls == len(game.seen)


def test_the_first_query_is_the_picture_itself(name: str) -> None:
    """The unmodified picture is asked about once."""
    probe = probe_of()
    run(name, probe)
    game = probe.classifier
    assert isinstance(game, Game)
    assert torch.equal(game.seen[0], picture()[None])


def test_support_is_positive_and_where_it_belongs(name: str) -> None:
    """The pixel that makes class 0 gets more than one that means nothing to any class."""
    image = torch.zeros(3, 12, 12)
    image[:, 2:4, 2:4] = 1
    probe = Probe(Game(pixel_logits), constant(value=0.0), image)
    values = run(name, probe).values["class:0"]
    assert values[2, 3] > 0
    assert values[2, 3] > values[11, 0] + 0.01


def test_a_classifier_that_ignores_the_picture_gets_an_even_map(name: str) -> None:
    """No pixel can matter more than another; differences are rounding (RISE: noise of its coverage, within its errors)."""
    game = Game(lambda images: images.new_zeros((len(images), 3), dtype=torch.float64))
    maps = run(name, Probe(game, donor(), picture()))
    values, error = maps.values["class:0"], maps.stderr["class:0"]
    assert (np.abs(values - values.mean()) <= 1e-6 + 5 * error).all()


def test_inputs_and_the_global_generator_are_left_alone(name: str) -> None:
    """The picture and torch's own random state are as before."""
    probe = probe_of()
    before, state = probe.image.clone(), torch.get_rng_state()
    run(name, probe)
    assert torch.equal(probe.image, before)
    assert torch.equal(torch.get_rng_state(), state)


def test_where_it_stops_does_not_depend_on_the_batch(name: str) -> None:
    """A tolerance ends the run after the same question, in batches of 3 or of 50."""
    _, method, _ = registry.method(name)
    settings = {"size": 3, "stride": 1, "samples": 2} if name != "rise" else {"masks": 400, "cells": 3}

    def asked(batch: int) -> tuple[int, str]:
        probe = probe_of(batch=batch, budget=Budget(tolerance=2.0 if name == "rise" else 0.6))
        maps: Maps = method.run(probe, [ClassEvidence(0)], **settings)
        return probe.queries.forward_images, maps.stopped_because

    assert asked(3) == asked(50)
    assert asked(3)[1] == "tolerance"
