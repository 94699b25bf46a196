"""Every method of the registry keeps the method contract; a new row is tested without a change here."""

import numpy as np
import pytest
import torch
from torch import nn

from games import Game, OpenGame, PixelNet, picture, small_cnn
from seewhy import registry
from seewhy.core.access import Access
from seewhy.core.attribution import Attribution, worst_error
from seewhy.core.budget import Budget
from seewhy.core.errors import RequestError
from seewhy.core.infill import Infill
from seewhy.core.probe import Probe
from seewhy.core.settings import schema
from seewhy.core.target import ClassEvidence, Contrast, Information, Target
from seewhy.infills.donor import donor
from seewhy.infills.plain import constant

METHODS = registry.METHODS

ROWS = sorted(name for name, row in METHODS.items() if not row.needs)
"""Methods that run with a classifier and an image alone; tests/reference tests the others, which are trained or need images."""


@pytest.fixture(params=ROWS)
def name(request: pytest.FixtureRequest) -> str:
    """Return each method in turn."""
    return str(request.param)


def targets_of(name: str) -> list[Target]:
    """Return one target of every kind that the method supports."""
    asked: list[Target] = [ClassEvidence(0), ClassEvidence(1), Contrast(0, 1)]
    return [Information(), *asked] if METHODS[name].information else asked


def game_of(name: str, network: nn.Module) -> Game | OpenGame:
    """A classifier that lets the method see what it needs, and no more than that takes."""
    return OpenGame(network) if METHODS[name].access > Access.PROBABILITIES else Game(network.double())


def small(name: str) -> str:
    """The Spec of the method with the settings for a small image."""
    return f"{name}:{METHODS[name].small}" if METHODS[name].small else name


def run(name: str, probe: Probe) -> Attribution:
    """The method with small settings, after the question that every explanation begins with."""
    bound = registry.lookup("methods", small(name))
    method, settings = bound.row, dict(bound.settings)
    probe.prediction  # noqa: B018 - asks, once
    maps: Attribution = method.run(probe, targets_of(name), **settings)
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
    assert maps.unit or registry.METHODS[name].control  # a control's numbers mean nothing
    assert maps.stopped_because == "complete"


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_batches_change_nothing(name: str, batch: int) -> None:
    """The maps are the same for every batch size."""
    one, other = run(name, probe_of(name)), run(name, probe_of(name, batch=batch))
    for key, values in one.values.items():
        np.testing.assert_allclose(values, other.values[key], atol=1e-6)


@pytest.mark.parametrize("name", [name for name in ROWS if not METHODS[name].predicted_only])
def test_the_seed_decides(name: str) -> None:
    """The same seed gives the same maps to the last bit, another seed gives others."""
    one, same, other = (run(name, probe_of(name, seed=seed)) for seed in (0, 0, 1))
    key = "class:0"
    assert np.array_equal(one.values[key], same.values[key])
    assert np.array_equal(one.values[key], other.values[key]) is not METHODS[name].random


@pytest.mark.parametrize("name", [name for name in ROWS if METHODS[name].linear])
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


@pytest.mark.parametrize("name", [name for name in ROWS if not METHODS[name].control])
def test_support_is_positive_and_where_it_belongs(name: str) -> None:
    """The pixel that makes class 0 gets more than one that means nothing to any class."""
    image = torch.zeros(3, 12, 12)
    image[:, 2:4, 2:4] = 1
    probe = Probe(game_of(name, PixelNet()), constant(value=0.0), image)
    values = run(name, probe).values["class:0"]
    assert values[2, 3] > 0
    assert values[2, 3] > values[11, 0] + 0.01


@pytest.mark.parametrize("name", [name for name in ROWS if not METHODS[name].control])
def test_a_classifier_that_ignores_the_picture_gets_an_even_map(name: str) -> None:
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


@pytest.mark.parametrize("given", [{}, {"stride": 1}], ids=["small", "fixed-stride"])
@pytest.mark.parametrize("name", [name for name in ROWS if METHODS[name].anytime])
def test_where_it_stops_does_not_depend_on_the_batch(name: str, given: dict[str, object]) -> None:
    """A tolerance that the whole run meets with room to spare ends it after the same query, in batches of 3 or of 50."""
    bound = registry.lookup("methods", small(name))
    method, settings = bound.row, dict(bound.settings)
    settings = settings | {key: value for key, value in given.items() if key in schema(method.run)}
    every: Attribution = method.run(probe_of(name), [ClassEvidence(0)], **settings)
    tolerance = 1.5 * worst_error(every.values.values(), every.stderr.values())

    def asked(batch: int) -> tuple[int, str]:
        probe = probe_of(name, batch=batch, budget=Budget(tolerance=tolerance))
        maps: Attribution = method.run(probe, [ClassEvidence(0)], **settings)
        return probe.queries.forward_images, maps.stopped_because

    assert asked(3) == asked(50)
    assert asked(3)[1] == "tolerance"


@pytest.mark.parametrize("infill", [constant(value=0.5), donor()], ids=["fixed", "stochastic"])
def test_the_cost_of_the_row_is_what_it_asks(name: str, infill: Infill) -> None:
    """Forward and backward, with small settings; where the row says that it depends on the answers, within a factor of two."""
    probe = probe_of(name, infill=infill)
    run(name, probe)
    bound = registry.lookup("methods", small(name))
    method, settings = bound.row, dict(bound.settings)
    cost = method.cost(settings, probe.size, targets=len(targets_of(name)), stochastic=infill.stochastic)
    asked = (probe.queries.forward_images, probe.queries.backward_images)
    if cost.approximate:
        assert cost.forward / 2 <= asked[0] <= 2 * cost.forward
    else:
        assert asked == (cost.forward, cost.backward)
