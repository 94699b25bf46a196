"""Test that every registered method satisfies the method contract; new registry rows are tested automatically."""

import numpy as np
import pytest
import torch
from torch import nn

from games import Game, OpenGame, PixelNet, picture, small_cnn
from seewhy import registry
from seewhy.core.access import Access
from seewhy.core.budget import Budget
from seewhy.core.errors import RequestError
from seewhy.core.infill import Infill
from seewhy.core.maps import Maps
from seewhy.core.probe import Probe
from seewhy.core.target import ClassEvidence, Contrast, Information, Target
from seewhy.infills.donor import donor
from seewhy.infills.plain import constant

SMALL = {
    "pmi": "pmi:size=4,samples=2",
    "occlusion": "occlusion:size=5,samples=2",
    "rise": "rise:masks=60,cells=3",
    "faded-rise": "faded-rise:segments=9,shape=grid,samples=60",
    "kernel-shap": "kernel-shap:segments=9,shape=grid,samples=60",
    "lime": "lime:segments=9,shape=grid,samples=60",
    "hsic": "hsic:grid=4,samples=64",
    "sobol": "sobol:grid=4,samples=8",
    "aise": "aise:preset=speed",
    "iba": "iba:steps=4,samples=4",
    "meaningful-perturbation": "meaningful-perturbation:iterations=20,cells=6,sigma=1,jitter=2,lambda1=1e-5",
    "meaningful-black-box": "meaningful-black-box:steps=40,cells=4,price=1e-5",
    "extremal-perturbation": "extremal-perturbation:areas=0.1+0.3,perturbation=infill,iterations=12,step=2,sigma=4",
    "integrated-gradients": "integrated-gradients:steps=12",
    "smoothgrad": "smoothgrad:samples=12",
    "ibisa": "ibisa:cells=4,beta=1",
}
"""Settings for an image of 20 x 17; a method without a row here runs with its defaults."""

NOT_LINEAR: set[str] = {
    "meaningful-perturbation",
    "meaningful-black-box",
    "extremal-perturbation",
    "grad-cam",
    "grad-cam++",
    "iba",
    "ibisa",
    "smoothgrad",
    "aise",
    "center",
    "edges",
    "hsic",
    "random",
    "sobol",
}
"""Methods whose map of a contrast is not the difference of two maps."""

NO_TRUTH: dict[str, str] = {name: "a control" for name, row in registry.METHODS.items() if row.control}
"""Methods that cannot find the one relevant pixel, and why; their documentation pages state so too."""

ANSWER_ONLY = {"minimal-region": "class 0 is not predicted for the image; tests/reference/test_minimal_region.py"}
"""Methods whose maps are empty for a class that is not predicted, and where their seeds are tested."""

TRAINED = {
    "iba-readout": "needs weights and explains the predicted class only; tests/reference/test_readout.py",
    "counterfactual": "needs weights and explains the predicted class only; tests/reference/test_counterfactual.py",
    "counterfactual-path": "needs weights or a baseline; tests/reference/test_counterfactual_path.py",
    "nearest-counterfactual": "needs reference images; tests/reference/test_nearest_counterfactual.py",
}
"""Methods that need trained weights or reference images, and where this contract is tested for them."""

ROWS = sorted(set(registry.METHODS) - set(TRAINED))
"""Methods that are tested here."""

ANYTIME = ("occlusion", "pmi", "rise")
"""Methods that monitor their standard errors and can stop at a tolerance."""


@pytest.fixture(params=ROWS)
def name(request: pytest.FixtureRequest) -> str:
    """Return each method in turn."""
    return str(request.param)


def targets_of(name: str) -> list[Target]:
    """Return one target of every kind that the method supports."""
    asked: list[Target] = [ClassEvidence(0), ClassEvidence(1), Contrast(0, 1)]
    return [Information(), *asked] if registry.METHODS[name].information else asked


def game_of(name: str, network: nn.Module) -> Game | OpenGame:
    """Return a classifier with no more access than the method needs."""
    return OpenGame(network) if registry.METHODS[name].access > Access.PROBABILITIES else Game(network.double())


def run(name: str, probe: Probe) -> Maps:
    """Run the method with small settings, after the prediction, the first query of every explanation."""
    _, method, settings = registry.method(SMALL.get(name, name))
    probe.prediction  # noqa: B018 - asks, once
    maps: Maps = method.run(probe, targets_of(name), **settings)
    return maps


def probe_of(
    name: str, *, infill: Infill | None = None, seed: int = 0, batch: int = 4, budget: Budget | None = None
) -> Probe:
    """Return a probe of a small random network on a small image."""
    game = game_of(name, small_cnn())
    return Probe(game, infill or donor(), picture(), seed=seed, batch_size=batch, budget=budget or Budget())


def test_one_finite_map_per_target(name: str) -> None:
    """Each target has a finite map of the image's size; errors are non-negative; unit and stop reason are stated."""
    maps = run(name, probe_of(name))
    assert list(maps.values) == [target.key for target in targets_of(name)]
    for key, values in maps.values.items():
        assert values.shape == (20, 17)
        assert values.dtype == np.float32
        assert np.isfinite(values).all()
        assert key not in maps.stderr or (maps.stderr[key] >= 0).all()
    assert maps.unit
    assert maps.stopped_because == "complete"


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_batches_change_nothing(name: str, batch: int) -> None:
    """The maps are the same for every batch size."""
    one, other = run(name, probe_of(name)), run(name, probe_of(name, batch=batch))
    for key, values in one.values.items():
        np.testing.assert_allclose(values, other.values[key], atol=1e-6)


@pytest.mark.parametrize("name", sorted(set(ROWS) - set(ANSWER_ONLY)))
def test_the_seed_determines_the_map(name: str) -> None:
    """The same seed gives bit-identical maps, another seed different ones."""
    one, same, other = (run(name, probe_of(name, seed=seed)) for seed in (0, 0, 1))
    key = "class:0"
    assert np.array_equal(one.values[key], same.values[key])
    assert np.array_equal(one.values[key], other.values[key]) is not registry.METHODS[name].random


@pytest.mark.parametrize("name", sorted(set(ROWS) - NOT_LINEAR))
def test_a_contrast_is_a_difference(name: str) -> None:
    """All targets are computed from the same outputs."""
    maps = run(name, probe_of(name)).values
    np.testing.assert_allclose(maps["contrast:0/1"], maps["class:0"] - maps["class:1"], atol=1e-6)


def test_the_budget_is_respected_and_every_query_is_counted(name: str) -> None:
    """The query count equals what the classifier received and stays within the budget, or the method rejects it."""
    probe = probe_of(name, budget=Budget(queries=55))
    try:
        run(name, probe)
    except RequestError as refused:
        assert "budget" in str(refused)  # noqa: PT017 - the other ending is as good
    game = probe.classifier
    assert isinstance(game, Game | OpenGame)
    assert probe.queries.forward_images == sum(map(len, game.seen)) <= 55
    assert probe.queries.forward_calls == len(game.seen)


def test_the_first_query_is_the_unmodified_image(name: str) -> None:
    """The unmodified image is queried before anything else."""
    probe = probe_of(name)
    run(name, probe)
    game = probe.classifier
    assert isinstance(game, Game | OpenGame)
    assert torch.equal(game.seen[0], picture()[None])


@pytest.mark.parametrize("name", sorted(set(ROWS) - set(NO_TRUTH)))
def test_support_is_positive_and_in_the_right_place(name: str) -> None:
    """The pixel that makes class 0 scores higher than an irrelevant one."""
    image = torch.zeros(3, 12, 12)
    image[:, 2:4, 2:4] = 1
    probe = Probe(game_of(name, PixelNet()), constant(value=0.0), image)
    values = run(name, probe).values["class:0"]
    assert values[2, 3] > 0
    assert values[2, 3] > values[11, 0] + 0.01


@pytest.mark.parametrize("name", [name for name in ROWS if not registry.METHODS[name].control])
def test_a_constant_classifier_gets_a_uniform_map(name: str) -> None:
    """No pixel can matter more than another; differences are rounding (RISE: noise of its coverage, within its errors)."""
    network = small_cnn(3)
    for part in network.parameters():
        part.zero_()
    maps = run(name, Probe(game_of(name, network), donor(), picture()))
    values = maps.values["class:0"]
    error = maps.stderr.get("class:0", np.zeros_like(values))
    assert (np.abs(values - values.mean()) <= 1e-6 + 5 * error).all()


def test_inputs_and_the_global_generator_are_unchanged(name: str) -> None:
    """The image and torch's random state are the same as before."""
    probe = probe_of(name)
    before, state = probe.image.clone(), torch.get_rng_state()
    run(name, probe)
    assert torch.equal(probe.image, before)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", ANYTIME)
def test_where_it_stops_does_not_depend_on_the_batch(name: str) -> None:
    """A tolerance ends the run after the same query, in batches of 3 or of 50."""
    _, method, _ = registry.method(name)
    settings = {"size": 3, "stride": 1, "samples": 2} if name != "rise" else {"masks": 400, "cells": 3}

    def asked(batch: int) -> tuple[int, str]:
        probe = probe_of(name, batch=batch, budget=Budget(tolerance=2.0 if name == "rise" else 0.6))
        maps: Maps = method.run(probe, [ClassEvidence(0)], **settings)
        return probe.queries.forward_images, maps.stopped_because

    assert asked(3) == asked(50)
    assert asked(3)[1] == "tolerance"
