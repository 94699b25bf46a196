"""Every metric of the registry keeps the metric contract; a new row is tested without a change here."""

import inspect
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from games import Game, picture, small_cnn
from seewhy import registry
from seewhy.core.attribution import Map
from seewhy.core.budget import Budget
from seewhy.core.errors import RequestError
from seewhy.core.infill import Infill
from seewhy.core.metric import MetricInput, MetricResult
from seewhy.core.probe import Probe
from seewhy.core.settings import schema

PAGE = (Path(__file__).parents[2] / "docs/explanation/metrics.md").read_text(encoding="utf-8")
REGION = np.zeros((20, 17), bool)
REGION[4:10, 5:11] = True


@pytest.fixture(params=sorted(registry.METRICS))
def name(request: pytest.FixtureRequest) -> str:
    """Return the name of each metric."""
    return str(request.param)


def bright_spot(images: torch.Tensor) -> torch.Tensor:
    """Return logits: brightness in the region is evidence for class 0, brightness elsewhere for class 1."""
    light = images.mean(1)
    return torch.stack([4 * light[:, REGION].mean(1) - 1, light[:, ~REGION].mean(1)], 1)


def perfect() -> Map:
    """Return a map that highlights the region, with small variations so that no two pixels are equal."""
    return (REGION + np.arange(340).reshape(20, 17) / 34000).astype(np.float32)


def infill_of(name: str, game: Game) -> Infill:
    """Return the metric's default in-fill."""
    return registry.infill(registry.METRICS[name].infill, game)[1]


def ask(name: str, probe: Probe, saliency: Map, *, again: Callable[..., Map] | None = None) -> MetricResult:
    """The metric with small settings; explained again, the image gets the map of ``again``, or else a random one."""
    row = registry.METRICS[name]
    bound = registry.lookup("metrics", f"{name}:{row.small}" if row.small else name)
    found, settings = bound.row, bound.settings
    again = again or (lambda **_: np.random.default_rng(1).random((20, 17)))
    negative = {"counterfactual": (1.1 - probe.image).clamp(0, 1).numpy()}
    measured: MetricResult = found.run(probe, saliency, MetricInput(0, REGION, again, negative), **settings)
    return measured


def test_the_value_is_finite(name: str) -> None:
    """The value is finite, and a curve lies on a 0 to 1 axis."""
    game = Game(small_cnn().double())
    saliency = np.random.default_rng(0).random((20, 17)).astype(np.float32)
    measured = ask(name, Probe(game, infill_of(name, game), picture()), saliency)
    assert np.isfinite(measured.value)
    assert isinstance(measured.value, float)
    assert not measured.note
    if measured.curve is not None:
        assert measured.curve.x.shape == measured.curve.y.shape
        assert (np.diff(measured.curve.x) >= 0).all()
        assert 0 <= measured.curve.x[0] <= measured.curve.x[-1] <= 1


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_batches_change_nothing(name: str, batch: int) -> None:
    """The value is the same for every batch size."""
    game, saliency = Game(small_cnn().double()), np.random.default_rng(0).random((20, 17)).astype(np.float32)
    one, other = (ask(name, Probe(game, infill_of(name, game), picture(), batch_size=b), saliency) for b in (4, batch))
    assert one.value == pytest.approx(other.value, abs=1e-9)


def test_every_query_is_counted_and_a_budget_holds(name: str) -> None:
    """The count matches the classifier's; an exact budget suffices, and one query less is refused before the first."""
    game, saliency = Game(small_cnn().double()), np.random.default_rng(0).random((20, 17)).astype(np.float32)
    probe = Probe(game, infill_of(name, game), picture())
    ask(name, probe, saliency)
    asked = probe.queries.forward_images
    assert asked == sum(map(len, game.seen))
    assert registry.METRICS[name].asks == (asked > 0)
    if asked:
        ask(name, Probe(game, infill_of(name, game), picture(), budget=Budget(queries=asked)), saliency)
        game.seen.clear()
        with pytest.raises(RequestError, match="budget"):
            ask(name, Probe(game, infill_of(name, game), picture(), budget=Budget(queries=asked - 1)), saliency)
        assert not game.seen


def test_the_direction_is_as_registered(name: str) -> None:
    """The map of the relevant region scores better than its negation."""
    image = torch.full((3, 20, 17), 0.1)
    image[:, REGION] = 1
    game, found = Game(bright_spot), registry.METRICS[name]
    probe = Probe(game, infill_of(name, game), image)
    if found.reexplains:  # better: stays with another seed and changes with random weights; worse: the reverse
        other = np.random.default_rng(1).random((20, 17)).astype(np.float32)
        good = ask(name, probe, perfect(), again=lambda *, randomise=False, **_: other if randomise else perfect())
        bad = ask(name, probe, perfect(), again=lambda *, randomise=False, **_: perfect() if randomise else other)
    else:
        good, bad = ask(name, probe, perfect()), ask(name, probe, perfect().max() - perfect())
    assert found.higher_is_better is not None
    assert (good.value > bad.value) is found.higher_is_better
    assert good.value != bad.value
    if found.pool is not None:  # pooling keeps the direction
        assert (found.pool([good, good]) > found.pool([bad, bad])) is found.higher_is_better


def test_maps_of_another_size_or_not_finite_are_refused(name: str) -> None:
    """Every metric refuses them with a message."""
    game = Game(small_cnn().double())
    probe = Probe(game, infill_of(name, game), picture())
    with pytest.raises(RequestError, match="20 × 17"):
        ask(name, probe, np.zeros((17, 20), np.float32))
    with pytest.raises(RequestError, match="finite"):
        ask(name, probe, np.where(perfect() > 1, np.nan, perfect()))


def test_inputs_and_the_global_generator_are_left_alone(name: str) -> None:
    """The map, the image and torch's global random state do not change."""
    game, saliency = Game(small_cnn().double()), np.random.default_rng(0).random((20, 17)).astype(np.float32)
    probe = Probe(game, infill_of(name, game), picture())
    before = saliency.copy(), probe.image.clone(), torch.get_rng_state()
    ask(name, probe, saliency)
    assert np.array_equal(before[0], saliency)
    assert torch.equal(before[1], probe.image)
    assert torch.equal(before[2], torch.get_rng_state())


def test_the_cost_of_the_row_is_what_it_asks(name: str) -> None:
    """Queries of its own and new explanations, with small settings."""
    game = Game(small_cnn().double())
    probe = Probe(game, infill_of(name, game), picture())
    explained = []

    def again(**asked: object) -> Map:
        explained.append(asked)
        return perfect()[::-1]

    ask(name, probe, perfect(), again=again)
    row = registry.METRICS[name]
    cost = row.cost(registry.lookup("metrics", f"{name}:{row.small}" if row.small else name).settings, probe.size)
    assert (probe.queries.forward_images, len(explained)) == (cost.forward, cost.explanations)


def test_it_is_described_with_its_settings_and_its_direction(name: str) -> None:
    """A section of the page: the direction, and one row for each setting; the docstring states the direction too."""
    found = registry.METRICS[name]
    section = re.search(rf"^## {re.escape(name)}$(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert section is not None
    direction = "Higher is better." if found.higher_is_better else "Lower is better."
    assert direction in section[1]
    assert direction in (inspect.getdoc(found.run) or "")
    assert re.findall(r"^\| `([a-z_]+)` \|", section[1], re.MULTILINE) == list(schema(found.run))
