"""Recording and modifying layers, and the probe's queries that use them: outputs, query counts, errors."""

import pytest
import torch
from torch import nn

from games import Game, OpenGame, PixelNet, picture, pixel_logits, small_cnn
from seewhy.core import layers
from seewhy.core.arrays import blend
from seewhy.core.budget import Budget
from seewhy.core.errors import RequestError
from seewhy.core.probe import Probe
from seewhy.core.seeds import derive
from seewhy.infills.donor import donor
from seewhy.infills.plain import constant


def open_probe(**settings: object) -> Probe:
    """Return a probe of a small network with accessible layers."""
    return Probe(OpenGame(small_cnn()), constant(value=0.25), picture(), **settings)  # type: ignore[arg-type]


class Twice(nn.Module):
    """A network that runs one layer twice, and another layer that outputs two tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.twin, self.pair = nn.Identity(), nn.Identity(), Pair()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Add one between the two runs."""
        x = self.twin(x)
        x = self.first(x)
        one, other = self.pair(self.twin(x + 1))
        answer: torch.Tensor = one + other
        return answer


class Pair(nn.Module):
    """A layer that outputs two tensors."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the input twice."""
        return x, x


def test_what_a_layer_puts_out_is_written_down_run_by_run() -> None:
    """Outputs are recorded inside the ``with`` block only, and recording does not change the result."""
    net, x = Twice(), torch.tensor([2.0])
    with layers.watching(net, "twin") as seen:
        assert net(x).item() == 6
    assert [value.item() for value in seen] == [2, 3]
    net(x)
    assert len(seen) == 2


def test_a_change_reaches_the_next_layers() -> None:
    """The changed output is passed on and recorded."""
    net = small_cnn()
    image = picture()[None]
    with layers.watching(net, "3", torch.zeros_like) as seen:
        answer = net(image)
    assert torch.equal(answer[0], net.state_dict()["6.bias"])
    assert not seen[0].any()


def test_hooks_are_taken_off_after_an_error() -> None:
    """An error inside the ``with`` block leaves the network unchanged."""
    net, image = small_cnn(), picture()[None]
    before = net(image)

    def fail() -> None:
        with layers.watching(net, "1", torch.zeros_like):
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert torch.equal(net(image), before)


def test_shapes_are_in_the_order_in_which_layers_finish() -> None:
    """A layer that runs twice is listed at its last run; one that outputs two tensors is omitted."""
    net = Twice()
    assert list(layers.shapes(net, lambda: net(torch.zeros(2)))) == ["first", "twin"]


@pytest.mark.parametrize(("name", "says"), [("twn", "did you mean twin"), ("pair", "one tensor")])
def test_layers_that_do_not_fit_are_refused(name: str, says: str) -> None:
    """The message suggests the closest name or shows the actual output."""
    net = Twice()

    def look() -> None:
        with layers.watching(net, name):
            net(torch.zeros(1))

    with pytest.raises(RequestError, match=says):
        look()


def test_scores_carry_a_gradient_and_are_counted() -> None:
    """The gradient of a linear score is its weight; forward and backward passes are counted."""
    image = torch.zeros(3, 12, 12)
    probe = Probe(OpenGame(PixelNet()), constant(value=0.0), image)
    pictures = image[None].repeat(5, 1, 1, 1).requires_grad_()
    (slope,) = probe.gradient(probe.scores(pictures)[:, 0].sum(), [pictures], 5)
    assert slope[0, 0, 2, 3] == 3
    assert slope.sum() == 15
    queries = probe.queries
    assert (queries.forward_images, queries.forward_calls) == (5, 1)
    assert (queries.backward_images, queries.backward_calls) == (5, 1)


def test_a_gradient_goes_through_what_is_kept() -> None:
    """With `blend` and `scores`, keeping the one relevant pixel raises the score by its weight."""
    image = torch.zeros(3, 12, 12)
    image[0, 2, 3] = 1
    probe = Probe(OpenGame(PixelNet()), constant(value=0.0), image)
    keep = torch.full((1, 12, 12), 0.5, requires_grad=True)
    pictures = blend(image, keep, probe.fill(torch.zeros(1, dtype=torch.int64)))
    (slope,) = probe.gradient(probe.scores(pictures)[0, 0], [keep], 1)
    assert slope[0, 2, 3] == 3
    assert slope.sum() == 3


def test_scores_have_a_graph_where_gradients_are_off() -> None:
    """Scores have an autograd graph even inside a caller's ``no_grad``."""
    probe = open_probe()
    pictures = picture()[None].requires_grad_()
    with torch.no_grad():
        assert probe.scores(pictures).requires_grad


def test_the_budget_holds_for_scores() -> None:
    """A method that exceeds its query budget has a bug."""
    probe = open_probe(budget=Budget(queries=2))
    with pytest.raises(AssertionError, match="exceeded its query budget"):
        probe.scores(picture()[None].repeat(3, 1, 1, 1))


def test_finished_pictures_are_shown_batch_by_batch() -> None:
    """The result is the same as for all images in one batch."""
    probe = open_probe(batch_size=2)
    images = torch.stack([picture(seed=seed) for seed in range(5)])
    assert torch.allclose(probe.show(images).float(), probe.classifier(images), atol=1e-6)
    assert (probe.queries.forward_images, probe.queries.forward_calls) == (5, 3)


def test_a_fill_costs_nothing_and_belongs_to_its_seed() -> None:
    """The fill is the in-fill of a fully removed image."""
    probe = open_probe()
    seeds = derive(0, torch.arange(2))
    assert torch.equal(probe.fill(seeds), torch.full((2, 3, 20, 17), round(0.25 * 255) / 255))
    assert probe.queries.forward_images == 0
    drawn = Probe(probe.classifier, donor(), picture())
    assert torch.equal(drawn.fill(seeds)[1:], drawn.fill(seeds[1:]))
    assert not torch.equal(*drawn.fill(seeds))


def test_layers_are_listed_for_one_query() -> None:
    """Names and shapes of the layers cost one query."""
    probe = open_probe()
    found = probe.layers()
    assert found["0"] == [(1, 8, 8, 7)]
    assert found["6"] == [(1, 5)]
    assert probe.queries.forward_images == 1


def test_a_closed_classifier_is_refused() -> None:
    """Each query states which access it needs."""
    probe = Probe(Game(pixel_logits), constant(value=0.0), torch.zeros(3, 12, 12))
    with pytest.raises(RequestError, match="with gradients"):
        probe.scores(probe.image[None])
    with pytest.raises(RequestError, match="exposes its layers"):
        probe.layers()
    with pytest.raises(RequestError, match="exposes its layers"):
        probe.watching("0")
    assert probe.queries.forward_images == 0


def test_a_layer_that_does_not_exist_names_the_nearest() -> None:
    """The probe suggests the closest layer name, too."""

    def look() -> None:
        with open_probe().watching("11"):
            pass

    with pytest.raises(RequestError, match="no layer '11'; did you mean 1"):
        look()
