"""Choose where to cut a network so that the least work remains when only a small box of its input image changes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from torch import Tensor, fx
from torch.utils.flop_counter import FlopCounterMode

from seewhy.core.arrays import Images
from seewhy.runtime.partial.locality import Field, Reach, cuts, reads_batch_size

Span = tuple[int, int]
"""A half-open interval: the first index, and one past the last."""

_COST_PER_VALUE = 25
"""Cost of writing one value, in multiply-adds, fitted to the layers of EfficientNet-Lite0 in OpenVINO (decision 017)."""

_COST_PER_STAGE = 8e6
"""Cost of one additional stage, in multiply-adds per image."""


class Window(NamedTuple):
    """Position of a changed box at one stage, along one axis.

    ``crop`` is the first cell of the crop of the stage's input; the changed cells of the input (``before``) and of the output
    (``after``) are counted from the starts of their crops.
    """

    crop: int
    before: Span
    after: Span


class Axis(NamedTuple):
    """Plan of a stage along one axis: the number of cells in its crop, and a window per position of the box."""

    size: int
    windows: tuple[Window, ...]


@dataclass(frozen=True, eq=False)
class Place:
    """A cut, with the shape of its map (channels, rows, columns) and the work up to it in multiply-adds per image."""

    node: fx.Node
    field: Field
    shape: tuple[int, ...]
    work: float

    def axes(self, target: "Place", image: "Place", box: int) -> tuple[Axis, Axis]:
        """Plan the stage from this map to another one."""
        sizes = zip(image.shape[1:], self.shape[1:], target.shape[1:], strict=True)
        rows, columns = map(plan, self.field, target.field, (box, box), sizes)
        return rows, columns

    def whole(self, image: "Place", box: int) -> tuple[Axis, Axis]:
        """Plan the last stage, which takes the whole map."""
        rows, columns = (
            Axis(cells, tuple(Window(0, span, span) for span in spans(reach, box, pixels, cells)))
            for reach, pixels, cells in zip(self.field, image.shape[1:], self.shape[1:], strict=True)
        )
        return rows, columns


@lru_cache(maxsize=1)  # rows and columns usually have the same plan
def plan(near: Reach, far: Reach, box: int, sizes: tuple[int, int, int]) -> Axis:
    """Plan a stage along one axis: the input and output cells that a box changes, and the necessary crop.

    ``near`` and ``far`` are the receptive fields of the cells of the stage's input and output, ``sizes`` the lengths of the
    image, the input and the output. The crop starts at a multiple of the stride, and its end is a multiple of the stride from
    the end of the map. Every layer inside is therefore aligned on the crop as on the whole map.
    """
    pixels, here, there = sizes
    stride = far.stride // near.stride
    step = Reach(stride, (far.first - near.first) // near.stride, (far.last - near.last) // near.stride)
    changed = list(zip(spans(near, box, pixels, here), spans(far, box, pixels, there), strict=True))
    seen = [_union(before, step.pixels(*after, here)) for before, after in changed]
    longest = max(stop - start // stride * stride for start, stop in seen)
    size = here - max(0, here - longest) // stride * stride
    crops = [min(start // stride * stride, here - size) for start, _ in seen]
    windows = [
        Window(crop, _shifted(before, crop), _shifted(after, crop // stride))
        for crop, (before, after) in zip(crops, changed, strict=True)
    ]
    return Axis(size, tuple(windows))


def _shifted(span: Span, origin: int) -> Span:
    """Count a span from an origin."""
    return span[0] - origin, span[1] - origin


def spans(reach: Reach, box: int, pixels: int, cells: int) -> list[Span]:
    """List the cells that a box changes, for each position of the box along an axis of ``pixels`` and ``cells``."""
    return [reach.cells(start, start + box, cells) for start in range(pixels - box + 1)]


def _union(one: Span, other: Span) -> Span:
    """Return the union of two spans, of which the second may be empty."""
    return one if other[0] >= other[1] else (min(one[0], other[0]), max(one[1], other[1]))


class _Work(fx.Interpreter):
    """Run a network step by step and sum the cost of the steps: multiply-adds, and values written."""

    def __init__(self, traced: fx.GraphModule) -> None:
        super().__init__(traced)
        self.total = 0.0
        self.until: dict[fx.Node, float] = {}

    def run_node(self, n: fx.Node) -> Any:  # noqa: ANN401 - torch's signature
        """Run a step; constants cost nothing."""
        with FlopCounterMode(display=False) as counter:
            result = super().run_node(n)
        if n.op.startswith("call") and isinstance(result, Tensor):
            self.total += counter.get_total_flops() / 2 + result.numel() * _COST_PER_VALUE
        self.until[n] = self.total
        return result


def places(traced: fx.GraphModule, image: Images) -> list[Place]:
    """List the image, the points at which the network can be cut, and its end.

    Of points with receptive fields of the same size, only the one with the smallest map is kept, and the last one if
    there is a tie. This avoids cuts inside a wide layer, and between a convolution and the activation or padding that
    an engine fuses with it.
    """
    work = _Work(traced)
    work.run(image)
    thinnest: dict[tuple[tuple[int, int], ...], Place] = {}
    for cut in cuts(traced, image):
        place = Place(cut.node, cut.field, tuple(cut.node.meta["tensor_meta"].shape[1:]), work.until[cut.node])
        sees = tuple((reach.stride, reach.last - reach.first) for reach in cut.field)
        if sees not in thinnest or math.prod(place.shape) <= math.prod(thinnest[sees].shape):
            thinnest[sees] = place
    first, last = (next(iter(nodes)) for nodes in (traced.graph.nodes, reversed(traced.graph.nodes)))
    pixel = Field(Reach(1, 0, 0), Reach(1, 0, 0))
    start = Place(first, pixel, tuple(image.shape[1:]), 0.0)
    return [start, *thinnest.values(), Place(last, pixel, (), work.total)]


def cheapest(route: Sequence[Place], box: int) -> tuple[list[Place], float]:
    """Choose the cuts by dynamic programming; a part costs its work times the fraction of the map that its crop covers.

    Returns:
        The image and the cuts after it, and the remaining work as a fraction of the total.
    """
    *steps, end = route
    costs, paths = [0.0], [[steps[0]]]
    for index, there in enumerate(steps[1:], 1):
        options = [cost + _piece(here, there, steps[0], box) for here, cost in zip(steps[:index], costs, strict=True)]
        best = min(range(index), key=options.__getitem__)
        costs.append(options[best])
        paths.append([*paths[best], there])
    remaining = [
        cost + end.work - place.work + _COST_PER_VALUE * (math.prod(place.shape) if place is not steps[0] else 0)
        for place, cost in zip(steps, costs, strict=True)
    ]
    best = min(range(len(remaining)), key=remaining.__getitem__)
    return paths[best], remaining[best] / end.work


def _piece(here: Place, there: Place, image: Place, box: int) -> float:
    """Return the cost of a stage."""
    rows, columns = here.axes(there, image, box)
    covered = rows.size * columns.size / math.prod(here.shape[1:])
    return (there.work - here.work + _COST_PER_VALUE * math.prod(here.shape)) * covered + _COST_PER_STAGE


def extract(traced: fx.GraphModule, start: fx.Node, stop: fx.Node | None = None) -> fx.GraphModule:
    """Build a module of the steps after ``start``, up to and including ``stop``, or to the network's output."""
    returned = (
        next(node for node in traced.graph.nodes if node.op == "output").all_input_nodes[0] if stop is None else stop
    )
    needed = _dependencies(returned, start)
    graph = fx.Graph()
    copies = {start: graph.placeholder("maps")}
    for node in traced.graph.nodes:
        if node in needed and node is not start:
            copies[node] = graph.node_copy(node, lambda source: copies.get(source, copies[start]))
    graph.output(copies[returned])
    return fx.GraphModule(traced, graph)


def _dependencies(node: fx.Node, start: fx.Node) -> set[fx.Node]:
    """Collect the steps that a step depends on, back to the start; the batch size is read from the start itself."""
    needed, waiting = set(), [node]
    while waiting:
        step = waiting.pop()
        if step not in needed and step is not start:
            needed.add(step)
            waiting += [] if reads_batch_size(step) else step.all_input_nodes
    return needed
