"""Test extremal perturbation against slow implementations of the formulas of Fong, Patrick, Vedaldi, ICCV 2019."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from games import OpenGame, picture, small_cnn
from seewhy.core.budget import Budget
from seewhy.core.errors import RequestError
from seewhy.core.probe import Probe
from seewhy.core.target import ClassEvidence, Contrast
from seewhy.infills.plain import constant, gaussian_blur
from seewhy.methods.optimisation.extremal import (
    LEVELS,
    STRONGEST,
    Game,
    Smooth,
    _Task,
    area_penalty,
    extremal_perturbation,
    pyramid,
)

TARGET = [ClassEvidence(0)]


class PatchNet(nn.Module):
    """A classifier whose class 0 depends on a patch of 6 x 6 pixels."""

    def forward(self, images: Tensor) -> Tensor:
        """Return logits of two classes."""
        seen = 40 * images[:, :, 3:9, 9:15].mean((1, 2, 3))
        return torch.stack([seen, torch.full_like(seen, 20)], dim=1)


def slow_smooth(nodes: np.ndarray, size: tuple[int, int], step: int, sigma: float) -> np.ndarray:
    """Return the soft-max-weighted mean, coldness 20, of k(|u - v| / sigma) m(v) over nearby nodes, pixel by pixel."""
    reach, region = 1 + math.ceil(sigma / step), np.zeros(size)
    for y in range(size[0]):
        for x in range(size[1]):
            values = []
            for i in range(y // step - reach, y // step + reach + 1):
                for j in range(x // step - reach, x // step + reach + 1):
                    inside = 0 <= i < nodes.shape[0] and 0 <= j < nodes.shape[1]
                    far = math.hypot(y - (i + 0.5) * step + 0.5, x - (j + 0.5) * step + 0.5) / sigma
                    values.append(math.exp(-2 * max(0, far - 0.5) ** 2) * (nodes[i, j] if inside else 0))
            weights = np.exp(20 * np.array(values))
            region[y, x] = (weights * values).sum() / weights.sum()
    return region


def slow_penalty(region: np.ndarray, area: float) -> float:
    """Return mean (sort(m) - r)², where r is zeros followed by a fraction of ones."""
    ordered = sorted(region.ravel())
    squares = [(m - (rank >= (1 - area) * len(ordered))) ** 2 for rank, m in enumerate(ordered)]
    return float(np.mean(squares))


def slow_shown(keep: np.ndarray, image: Tensor) -> Tensor:
    """Interpolate each pixel between the two nearest blur levels."""
    blurs = [gaussian_blur(image, STRONGEST * (1 - level / 7)) if level < 7 else image for level in range(LEVELS)]
    shown = torch.empty_like(image)
    for y, x in np.ndindex(*keep.shape):
        place = keep[y, x] * 7
        below = min(int(place), 6)
        shown[:, y, x] = (below + 1 - place) * blurs[below][:, y, x] + (place - below) * blurs[below + 1][:, y, x]
    return shown


def test_the_smooth_maximum_matches_the_reference() -> None:
    """This includes the border, and image sizes that are not multiples of the step."""
    nodes = torch.rand(2, 3, 4, generator=torch.Generator().manual_seed(0))
    smooth = Smooth.of((11, 13), 4, 6.0, torch.device("cpu"))
    assert smooth.nodes == (3, 4)
    slow = np.stack([slow_smooth(one.double().numpy(), (11, 13), 4, 6.0) for one in nodes])
    np.testing.assert_allclose(smooth(nodes), slow, atol=1e-5)


def test_the_area_is_that_of_the_image() -> None:
    """Compare the penalty of random regions; a binary region of the right area has no penalty."""
    regions = torch.rand(2, 7, 5, generator=torch.Generator().manual_seed(0))
    slow = [slow_penalty(region.double().numpy(), area) for region, area in zip(regions, (0.1, 0.6), strict=True)]
    np.testing.assert_allclose(area_penalty(regions, [0.1, 0.6]), slow, atol=1e-6)
    binary = torch.zeros(1, 10, 10)
    binary[0, 3:5, 2:7] = 1
    assert area_penalty(binary, [0.1]).item() == pytest.approx(0)


def test_the_pyramid_matches_the_reference() -> None:
    """The image is unmodified at 1 and fully blurred at 0, and the gradient at 1 is not 0."""
    image = picture(9, 8)
    keep = torch.rand(9, 8, generator=torch.Generator().manual_seed(0))
    keep[0], keep[1] = 0, 1
    np.testing.assert_allclose(pyramid(image)(keep[None], 0)[0], slow_shown(keep.double().numpy(), image), atol=1e-5)
    whole = torch.ones(1, 9, 8, requires_grad=True)
    assert torch.autograd.grad(pyramid(image)(whole, 0)[0, 0].sum(), whole)[0].abs().min() > 0


def open_question() -> tuple[Probe, nn.Module]:
    """Return a probe of a random network on images of 8 x 6 pixels, in float64."""
    first = nn.Conv2d(3, 8, 2, bias=False).requires_grad_(requires_grad=False)
    first.weight.copy_(torch.rand(8, 3, 2, 2, generator=torch.Generator().manual_seed(1)) - 0.5)
    network = nn.Sequential(first, *list(small_cnn(3, seed=2).children())[1:]).double()
    return Probe(OpenGame(network), constant(), picture(8, 6).double()), network


def slow_slope(nodes: np.ndarray, game: Game, number: int, weight: float) -> np.ndarray:
    """Return central differences of a step's loss; every other image is flipped."""
    probe, network = open_question()

    def loss(moved: np.ndarray) -> float:
        region = slow_smooth(moved, (8, 6), 3, 4.0)
        images = slow_shown(region if game == "preserve" else 1 - region, probe.image)[None]
        score = float(network(images.flip(3) if number % 2 == 0 else images)[0, 0])
        return weight * 1.0035**number * slow_penalty(region, 0.3) - (score if game == "preserve" else -score)

    slope = np.zeros_like(nodes)
    for place in np.ndindex(*nodes.shape):
        move = np.zeros_like(nodes)
        move[place] = 1e-6
        slope[place] = (loss(nodes + move) - loss(nodes - move)) / 2e-6
    return slope


@pytest.mark.parametrize("number", [0, 101])
@pytest.mark.parametrize("game", ["preserve", "delete"])
def test_the_gradient_matches_the_reference(game: Game, number: int) -> None:
    """Test score, growing area penalty and flip at random nodes, where no two pixels have the same rank."""
    probe, _ = open_question()
    nodes = torch.rand(1, 3, 2, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    smooth = Smooth.of((8, 6), 3, 4.0, torch.device("cpu"))
    weights = torch.eye(3)[0].double()
    task = _Task(probe, weights, game, (0.3,), smooth, pyramid(probe.image), 0.01, 30.0)
    slope, _ = task._slope(nodes, [0], number)
    np.testing.assert_allclose(slope[0], slow_slope(nodes[0].numpy(), game, number, 30.0), atol=1e-4)


def test_the_steps_match_the_reference() -> None:
    """Test momentum and dampening 0.9 with a clip, from all ones; without a penalty, so that no ranks are tied."""
    nodes, momentum = np.ones((3, 2)), np.zeros((3, 2))
    for number in range(4):
        slope = slow_slope(nodes, "delete", number, 0.0)
        momentum = slope if number == 0 else 0.9 * momentum + 0.1 * slope
        nodes = (nodes - 0.5 * momentum).clip(0, 1)
    assert nodes.std() > 0
    found = extremal_perturbation(
        open_question()[0], TARGET, game="delete", areas=(0.3,), iterations=4, step=3, sigma=4.0, rate=0.5, weight=0.0
    )
    np.testing.assert_allclose(found.values["class:0"], slow_smooth(nodes, (8, 6), 3, 4.0), atol=1e-4)


@pytest.mark.parametrize("game", ["preserve", "delete"])
def test_the_region_covers_the_relevant_patch(game: Game) -> None:
    """A region of the patch's area covers it, is the smallest with half the effect, and its true area is reported."""
    image = torch.rand(3, 24, 24, generator=torch.Generator().manual_seed(0)) * 0.2
    image[:, 3:9, 9:15] = 1
    probe = Probe(OpenGame(PatchNet()), constant(value=0.0), image)
    settings = {"iterations": 150, "step": 3, "sigma": 3.0, "rate": 1e-3, "perturbation": "infill", "areas": (0.1,)}
    maps = extremal_perturbation(probe, TARGET, game=game, **settings)  # type: ignore[arg-type]
    region = maps.values["class:0"]
    inside = np.zeros((24, 24), dtype=bool)
    inside[3:9, 9:15] = True  # centred horizontally, so that a flip does not move it
    assert region[inside].mean() > 0.9
    assert region[~inside].mean() < 0.25
    assert maps.traces["class:0: areas"] == pytest.approx([region.mean()])
    halves = ("10.0% region keeps more than half", "10.0% region removes at least half")
    assert any(words in maps.findings[0] for words in halves)


def test_a_region_without_effect_gives_a_zero_map() -> None:
    """The optimisation always finds an area; it is shown only if it changes the prediction."""
    network = small_cnn(3)
    for part in network.parameters():
        part.zero_()
    maps = extremal_perturbation(Probe(OpenGame(network), constant(), picture()), TARGET, iterations=2, step=5)
    assert not maps.values["class:0"].any()
    assert maps.findings == (
        "class:0: no region changes the prediction",
        "the in-fill was not used: removed parts were blurred instead",
    )


def test_the_map_is_the_sum_over_the_areas() -> None:
    """Areas are optimised in parallel without affecting each other, for any batch size."""
    settings = {"iterations": 4, "step": 4, "sigma": 6.0}

    def run(areas: tuple[float, ...], batch: int) -> np.ndarray:
        probe = Probe(OpenGame(small_cnn()), constant(), picture(), batch_size=batch)
        return extremal_perturbation(probe, TARGET, areas=areas, **settings).values["class:0"]  # type: ignore[arg-type]

    both = run((0.1, 0.4), 4)
    np.testing.assert_allclose(both, run((0.1,), 4) + run((0.4,), 1), atol=1e-5)
    np.testing.assert_allclose(both, run((0.1, 0.4), 1), atol=1e-5)


def test_query_count_and_budget() -> None:
    """Each step, area and target costs one image, and one more at the end."""
    probe = Probe(OpenGame(small_cnn()), constant(), picture(), budget=Budget(queries=50))
    maps = extremal_perturbation(
        probe, [ClassEvidence(0), Contrast(0, 1)], areas=(0.1, 0.2), step=5, perturbation="infill"
    )
    assert maps.stopped_because == "queries"
    assert maps.settings["iterations"] == 11
    assert (probe.queries.forward_images, probe.queries.backward_images) == (1 + 4 * 12, 4 * 11)
    assert len(maps.traces["class:0: score, area 0.1"]) == 2
    assert len(maps.traces["contrast:0/1: probabilities"]) == 2


@pytest.mark.parametrize("settings", [{"areas": (0.0,)}, {"areas": ()}, {"iterations": 0}, {"step": 0}, {"sigma": 0.0}])
def test_invalid_settings_are_rejected(settings: dict[str, object]) -> None:
    """The message states what was expected."""
    with pytest.raises(RequestError, match="expected"):
        extremal_perturbation(Probe(OpenGame(small_cnn()), constant(), picture()), TARGET, **settings)  # type: ignore[arg-type]
