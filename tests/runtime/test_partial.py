"""Partial recomputation gives the output of the full network."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import pytest
import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from games import small_cnn
from seewhy.core.errors import RequestError
from seewhy.runtime.partial import Partial, split
from seewhy.runtime.partial.locality import cuts
from seewhy.runtime.partial.route import cheapest, extract, places
from seewhy.runtime.partial.stages import _trace, assemble

SIDE, BOX = 61, 5
Build = Callable[[], nn.Module]


class Residual(nn.Module):
    """Two branches with different receptive fields, added; the shortcut is strided as in a ResNet."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.long = nn.Sequential(nn.Conv2d(4, 4, 3, stride, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
        self.second = nn.Conv2d(4, 4, 3, padding=1)
        self.short = nn.Conv2d(4, 4, 1, stride)

    def forward(self, maps: Tensor) -> Tensor:
        """Add the branches."""
        return functional.relu(self.second(self.long(maps)) + self.short(maps), inplace=True)


class Functions(nn.Module):
    """A network without layers: functions and methods, one-sided padding, per-channel constants, and the batch size."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weight", torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(0)) / 5)
        self.register_buffer("mean", torch.tensor([0.1, 0.2, 0.3])[:, None, None])

    def forward(self, images: Tensor) -> Tensor:
        """Swap channels, normalise, pad, convolve, pool."""
        count = images.shape[0]
        maps = (images.flip(1) - self.get_buffer("mean")) / images.new_tensor([0.5, 0.6, 0.7])[:, None, None]
        maps = functional.conv2d(functional.pad(maps, (0, 3, 2, 1)), self.get_buffer("weight"), stride=2).clamp(0, 6)
        maps = torch.cat([maps, functional.max_pool2d(maps, 3, stride=1, padding=1)], 1) * 0.5
        return maps.mean((2, 3)).view(count, -1)


def head(*layers: nn.Module) -> nn.Module:
    """Append a head with ten outputs to layers that map 3 channels to 4."""
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(5), nn.Flatten(), nn.Linear(100, 10))


NETWORKS: dict[str, Build] = {
    "strides": lambda: head(
        nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), nn.Conv2d(4, 4, 3, stride=3, padding=1), nn.SiLU()
    ),
    "even kernels": lambda: head(
        nn.Conv2d(3, 4, 4, stride=2, padding=2), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(4, 4, 2)
    ),
    "one-sided padding": lambda: head(
        nn.ZeroPad2d((0, 1, 2, 0)), nn.Conv2d(3, 4, 3, 2), nn.ConstantPad2d(1, 0.7), nn.ReLU6()
    ),
    "dilation": lambda: head(
        nn.Conv2d(3, 4, 3, padding="same", dilation=2), nn.Conv2d(4, 4, (1, 5), padding=(0, 4), dilation=2)
    ),
    "even same": lambda: head(nn.Conv2d(3, 4, 4, padding="same"), nn.ReLU(), nn.Conv2d(4, 4, 3, padding="valid")),
    "pools": lambda: head(
        nn.Conv2d(3, 4, 3, 2, 1), nn.MaxPool2d(3, 2, 1, ceil_mode=True), nn.AvgPool2d(3, 1, 1, count_include_pad=False)
    ),
    "gaps": lambda: head(nn.Conv2d(3, 4, 2, stride=4), nn.ReLU(), nn.Conv2d(4, 4, 1, stride=2)),
    "residual": lambda: head(nn.Conv2d(3, 4, 3, 2, 1), Residual(1), Residual(2), Residual(1)),
    "functions": Functions,
}


def build(name: str) -> nn.Module:
    """Return the network in double precision, with weights from a fixed seed and non-trivial norm statistics."""
    torch.manual_seed(0)
    network = NETWORKS[name]()
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d) and part.running_mean is not None and part.running_var is not None:
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
    return network.eval().double()


def picture(height: int = SIDE, width: int = SIDE + 6) -> Tensor:
    """Return a noise image that is not square."""
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def changed(base: Tensor, corners: list[tuple[int, int]], height: int = BOX, width: int = BOX) -> Tensor:
    """Return copies of the image, each with large values in one box."""
    images = base.repeat(len(corners), 1, 1, 1)
    for image, (top, left) in zip(images, corners, strict=True):
        image[:, top : top + height, left : left + width] += 3
    return images


def everywhere(base: Tensor) -> list[tuple[int, int]]:
    """Return corners of boxes along the diagonal and at the ends of the borders."""
    height, width = base.shape[1] - BOX, base.shape[2] - BOX
    return [*((turn, turn) for turn in range(min(height, width))), *product((0, height), (0, width)), (height, 7)]


def eager(part: nn.Module, example: Tensor) -> Callable[[Tensor], Tensor]:
    """Return the part itself as engine; its inputs must have the shape of the example."""

    def answer(maps: Tensor) -> Tensor:
        assert maps.shape[1:] == example.shape[1:]
        with torch.no_grad():
            found: Tensor = part(maps)
        return found

    return answer


def same(found: Tensor, truth: Tensor) -> bool:
    """Return whether two outputs are equal in double precision up to the order of sums."""
    return torch.allclose(found, truth, atol=1e-12, rtol=0)


@pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")
@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_every_cut_is_exact(name: str) -> None:
    """Each cut alone and all cuts in a chain are exact, for boxes in the middle, at borders and in corners."""
    network, base = build(name), picture()
    traced = fx.symbolic_trace(network)
    route = places(traced, base[None])
    assert len(route) > 2
    corners = everywhere(base)
    images = changed(base, corners)
    truth = network(images)
    for path in [*([route[0], place] for place in route[1:-1]), route[:-1]]:
        stages = assemble(traced, path, base, BOX, eager)
        partial = Partial(base, BOX, stages, network, (), 1.0)
        assert same(partial._near(images, [list(corner) for corner in corners]), truth)


@pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")
@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_cells_beyond_reach_do_not_change(name: str) -> None:
    """NaN in one pixel spreads to exactly the predicted cells, or to fewer where kernels leave gaps."""
    network, base = build(name).float(), picture().float()
    traced = fx.symbolic_trace(network)
    for cut in cuts(traced, base[None]):
        first = extract(traced, next(iter(traced.graph.nodes)), cut.node)
        for row, column in ((0, 0), (30, 17), (SIDE - 1, SIDE + 5)):
            image = base[None].clone()
            image[..., row, column] += 1e6
            hit = (first(image) != first(base[None])).any(1)[0]
            allowed = torch.zeros_like(hit)
            (top, bottom), (left, right) = (
                reach.cells(place, place + 1, size)
                for reach, place, size in zip(cut.field, (row, column), hit.shape, strict=True)
            )
            allowed[top:bottom, left:right] = True
            assert not (hit & ~allowed).any()


def test_reach_is_tight() -> None:
    """In a chain of convolutions without gaps, every cell that is predicted to see a pixel depends on it."""
    layers = (nn.Conv2d(1, 1, 3, 2, 1), nn.Conv2d(1, 1, 4, 1, 2), nn.Conv2d(1, 1, 3, 2))
    network = nn.Sequential(*layers).eval().double()
    for values in network.parameters():
        nn.init.ones_(values)
    with torch.no_grad():
        cut = cuts(fx.symbolic_trace(network), torch.zeros(1, 1, 40, 40).double())[-1]
        for place in range(40):
            image = torch.zeros(1, 1, 40, 40).double()
            image[..., place, place] = 1
            hit = (network(image) != network(image * 0))[0, 0]
            start, stop = cut.field.rows.cells(place, place + 1, len(hit))
            assert hit.any(1).nonzero().flatten().tolist() == list(range(start, stop))


def tower() -> nn.Module:
    """Return costly first layers on a large map."""
    return head(nn.Conv2d(3, 32, 3, 2, 1), nn.ReLU(), nn.Conv2d(32, 4, 3, 2, 1)).eval()


@torch.no_grad()
def test_split_answers_any_batch() -> None:
    """A batch may mix boxes that fit, the base image, a smaller change, a larger one, and two separate ones."""
    network, base = tower(), picture(160, 160).float()
    asked: list[tuple[int, ...]] = []

    def engine(part: nn.Module, example: Tensor) -> Callable[[Tensor], Tensor]:
        run = eager(part, example)

        def answer(maps: Tensor) -> Tensor:
            asked.append(tuple(maps.shape))
            return run(maps)

        return answer

    partial = split(network, base, BOX, engine)
    images = changed(base, [(0, 0), (80, 155), (3, 4)])
    small, large = changed(base, [(158, 70)], 2, 1), changed(base, [(10, 10)], BOX, BOX + 1)
    images = torch.cat([images, base[None], small, large, changed(base, [(0, 0)], 160, 1)])
    truth, found = network(images), partial(images)
    assert torch.allclose(found, truth, atol=1e-5, rtol=0)
    assert [shape for shape in asked if shape[1:] == (3, 160, 160)] == [(2, 3, 160, 160)]
    for image, answer in zip(images, truth, strict=True):
        assert torch.allclose(partial(image[None])[0], answer, atol=1e-5, rtol=0)
    assert partial.share < 0.5


@torch.no_grad()
def test_another_picture_takes_the_same_engines() -> None:
    """The stages accept another base image, and results for the first one stay the same."""
    network, base = tower(), picture(160, 160).float()
    first = split(network, base, BOX, eager)
    other = first.on(1 - base)
    for partial, images in ((other, changed(1 - base, [(9, 99)])), (first, changed(base, [(9, 99)]))):
        assert torch.allclose(partial(images), network(images), atol=1e-5, rtol=0)
        assert bool(partial.locate(images)[1].all())
    assert [stage.engine for stage in other.stages] == [stage.engine for stage in first.stages]


@torch.no_grad()
def test_a_layer_in_place_leaves_the_picture_alone() -> None:
    """A network that modifies its input does not modify the image."""
    network, base = (
        head(nn.ReLU(inplace=True), nn.Conv2d(3, 32, 3), nn.Conv2d(32, 4, 3)).eval(),
        picture(160, 160).float() - 0.5,
    )
    before = base.clone()
    partial = split(network, base, BOX, eager)
    images = changed(base, [(7, 9)])
    assert torch.allclose(partial(images.clone()), network(images.clone()), atol=1e-5, rtol=0)
    assert torch.equal(base, before)


def test_cheaper_cuts_are_found() -> None:
    """On a small network, no subset of cuts has a lower cost."""
    traced = fx.symbolic_trace(build("residual").float())
    route = places(traced, picture(96, 96).float()[None])
    path, share = cheapest(route, BOX)
    assert path[0] is route[0]
    assert share <= 1
    found = []
    for chosen in product((False, True), repeat=len(route) - 2):
        steps = [route[0], *(place for place, taken in zip(route[1:-1], chosen, strict=True) if taken)]
        only, cost = cheapest([*steps, route[-1]], BOX)
        found.append((cost, [place.node.name for place in only]))
    assert min(found)[0] == pytest.approx(share)


class Branching(nn.Module):
    """A network that torch.fx cannot trace."""

    def forward(self, images: Tensor) -> Tensor:
        """Take one of two branches."""
        return images.mean((2, 3)) if images.sum() > 0 else images.amax((2, 3))


@pytest.mark.parametrize(
    ("network", "box", "words"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(3 * 40 * 40, 4)), 5, "expected first layers in which a box of 5 × 5"),
        (
            nn.Sequential(nn.Conv2d(3, 2, 3, padding=1, padding_mode="reflect"), nn.Flatten()),
            5,
            "got none in Sequential",
        ),
        (nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False), nn.Flatten()), 5, "run the full network"),
        (Branching(), 5, "that torch.fx can trace, got Branching"),
        (nn.Flatten(), 41, "expected a box of 1 to 40 pixels, got 41"),
    ],
)
def test_what_cannot_be_split_says_so(network: nn.Module, box: int, words: str) -> None:
    """Non-local layers, non-zero padding, code that cannot be traced, and too large a box are rejected."""
    with pytest.raises(RequestError, match=words):
        split(network.eval(), picture(40, 40).float(), box, eager)


@pytest.mark.parametrize(
    "step",
    [
        lambda x: x - x.mean((2, 3), keepdim=True),  # depends on the whole map
        lambda x: x + x[:, :, :1, :1],  # one pixel affects all
        lambda x: x + functional.conv2d(x, torch.ones(3, 3, 40, 40)),  # a small map is broadcast over a large one
        lambda x: functional.pad(x, (1, 1, 1, 1), mode="circular"),
        lambda x: functional.pad(x, (-1, 0, 0, 0)),
        lambda x: torch.cat([x, x], 2),
        lambda x: x.flip(3),
        lambda x: x * torch.arange(40.0),  # a different constant for each column
        functional.dropout,
    ],
)
def test_steps_that_are_not_local_end_the_first_part(step: Callable[[Tensor], Tensor]) -> None:
    """There is no cut after a step that is not local."""

    class Net(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return functional.relu(step(functional.relu(images)))

    traced = fx.symbolic_trace(Net().eval())
    names = [cut.node.name for cut in cuts(traced, picture(40, 40).float()[None])]
    assert set(names) <= {"relu"}


def test_tracing_leaves_other_threads_alone() -> None:
    """torch.fx patches every module while it traces; another thread that runs one gets its answers all the same."""
    deep = nn.Sequential(*(nn.Sequential(nn.Conv2d(3, 3, 3, 1, 1), nn.ReLU()) for _ in range(100))).eval()
    other, image = small_cnn(), torch.rand(1, 3, 20, 17, generator=torch.Generator())
    truth, answers, stop = other(image), [], threading.Event()

    def keep_asking() -> None:
        while not stop.is_set():
            answers.append(other(image))

    with ThreadPoolExecutor() as pool:
        asking = pool.submit(keep_asking)
        try:
            traced = _trace(deep)
        finally:
            stop.set()
        asking.result()
    assert answers
    assert all(torch.equal(answer, truth) for answer in answers)
    assert sum(node.op == "call_module" for node in traced.graph.nodes) == 200
