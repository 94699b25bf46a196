"""How far a change of the picture spreads through the first layers of a network, and where a network can be cut in two.

A convolution mixes what is close together. As long as a network does only that, a cell of a feature map sees a known
interval of rows and of columns (its receptive field: Araujo, Norris, Sim, Distill, 2019), and a change of a small box
can reach the cells around it only. Here that is exact arithmetic, step by step along a ``torch.fx`` graph, with padding of either
side; the first step that is not known to be local ends it.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp
from torch.nn import functional

from seewhy.core.arrays import Images

Pair = int | tuple[int, ...]
"""A setting of a layer: one for both axes, or one for each."""


@dataclass(frozen=True)
class Reach:
    """What cells see along one axis: cell ``i`` sees pixels ``stride * i + first`` to ``stride * i + last``.

    Pixels beyond the edge are padding. ``first`` is never positive: layers that crop are not local here.

    Args:
        stride: pixels from cell to cell.
        first: nearest edge of what cell 0 sees.
        last: its furthest pixel, inclusive.

    Example:
        >>> Reach(1, 0, 0).through(kernel=3, stride=2, before=1)
        Reach(stride=2, first=-1, last=1)
    """

    stride: int
    first: int
    last: int

    def through(self, kernel: int, stride: int = 1, before: int = 0, dilation: int = 1) -> "Reach":
        """Go through a layer that slides a kernel over these cells, with ``before`` cells of padding in front."""
        first = self.first - self.stride * before
        return Reach(self.stride * stride, first, self.last + self.stride * (dilation * (kernel - 1) - before))

    def cells(self, start: int, stop: int, count: int) -> tuple[int, int]:
        """Return the first cell and the one after the last, of ``count``, that see any of pixels ``start`` to ``stop - 1``."""
        return max(0, -((self.last - start) // self.stride)), min(count, (stop - 1 - self.first) // self.stride + 1)

    def pixels(self, start: int, stop: int, count: int) -> tuple[int, int]:
        """Return the pixels, of ``count``, that cells ``start`` to ``stop - 1`` see."""
        return max(0, self.stride * start + self.first), min(count, self.stride * (stop - 1) + self.last + 1)


class Field(NamedTuple):
    """What the cells of a feature map see of the picture."""

    rows: Reach
    columns: Reach

    def through(self, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair = 1) -> "Field":
        """Go through a layer that slides a kernel."""
        settings = zip(self, _pair(kernel), _pair(stride), _pair(padding), _pair(dilation), strict=True)
        return Field(*(reach.through(*layer) for reach, *layer in settings))


@dataclass(frozen=True)
class Cut:
    """A place where a network falls into two parts with one feature map between them, and the first part is local.

    Args:
        node: the step whose result is the feature map.
        field: what its cells see of the picture.
    """

    node: fx.Node
    field: Field


def cuts(traced: fx.GraphModule, images: Images) -> list[Cut]:
    """Find every place where the network can be cut after local steps only, in the order of the graph.

    Args:
        traced: a module in eval mode, traced by ``torch.fx``.
        images: what it takes, ``(n, c, h, w)``; it is run once, and its steps keep their shapes in ``meta``.

    Returns:
        Cuts; none where the first step is not local.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten()).eval()
        >>> [cut.node.name for cut in cuts(fx.symbolic_trace(net), torch.zeros(1, 3, 8, 8))]
        ['_0', '_1']
    """
    ShapeProp(traced).propagate(images)
    values = _values(traced)
    place = {node: turn for turn, node in enumerate(traced.graph.nodes)}
    found, needed = [], 0  # the last turn at which any earlier feature map is asked for
    for node, turn in place.items():
        value = values.get(node)
        if node.op != "placeholder" and isinstance(value, Field) and needed <= turn:
            found.append(Cut(node, value))
        if node.op != "get_attr" and not _is_count(node):
            needed = max([needed, *(place[user] for user in node.users if not counts_pictures(user))])
    return found


def counts_pictures(node: fx.Node) -> bool:
    """Tell whether a step only asks how many pictures there are: the same on either side of a cut.

    Example:
        >>> class Net(nn.Module):
        ...     def forward(self, x):
        ...         return x.relu().view(x.shape[0], x.size(1), -1)
        >>> [node.name for node in fx.symbolic_trace(Net()).graph.nodes if counts_pictures(node)]
        ['getattr_1']
    """
    first = all(user.target is operator.getitem and user.args[1] == 0 for user in node.users)
    if node.op == "call_method" and node.target == "size":
        return node.args[1:] == (0,) or (len(node.args) == 1 and first)
    return node.target is getattr and node.args[1] == "shape" and first


def _is_count(node: fx.Node) -> bool:
    """Tell the number of pictures, or the shape that it is read from."""
    return counts_pictures(node) or (node.target is operator.getitem and counts_pictures(node.all_input_nodes[0]))


def _values(traced: fx.GraphModule) -> dict[fx.Node, Field | Tensor]:
    """Go along the graph with fields instead of feature maps, and constants without numbers; what is not local is left out."""
    values: dict[fx.Node, Field | Tensor] = {}
    for node in traced.graph.nodes:
        maps = [source for source in node.all_input_nodes if isinstance(values.get(source), Field)]
        if node.op == "placeholder":
            values[node] = Field(Reach(1, 0, 0), Reach(1, 0, 0))
        elif not all(source in values for source in node.all_input_nodes):
            continue
        elif not maps or node.target == "new_tensor":
            values[node] = torch.empty(node.meta["tensor_meta"].shape, device="meta")
        elif (value := _step(traced, node, values)) is not None:
            values[node] = value
    return values


def _step(traced: fx.GraphModule, node: fx.Node, values: Mapping[fx.Node, Field | Tensor]) -> Field | None:
    """Work out one step; None where it is not known to be local."""
    maps = [source for source in node.all_input_nodes if isinstance(values[source], Field)]
    if len({source.meta["tensor_meta"].shape[2:] for source in maps}) > 1:
        return None  # a small map stretched over a large one
    value: Callable[[fx.Node], Any] = values.__getitem__
    given, named = fx.map_arg(node.args, value), fx.map_arg(node.kwargs, value)
    if node.op == "call_module":
        layer = traced.get_submodule(str(node.target))
        rule = _LAYERS.get(type(layer))
        return None if rule is None else rule(layer, *given, **named)
    rule = _STEPS.get(node.target)
    return None if rule is None else rule(*given, **named)


def _pair(setting: Pair) -> tuple[int, int]:
    """Write a setting out for both axes."""
    return (setting, setting) if isinstance(setting, int) else (setting[0], setting[-1])


def _convolution(  # noqa: PLR0917 - torch's own order
    x: Field,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Pair | str = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Field:
    """``torch.nn.functional.conv2d``."""
    del bias, groups
    kernel = (weight.shape[2], weight.shape[3])
    if isinstance(padding, str):  # torch puts the odd pixel of "same" behind
        spread = [step * (size - 1) // 2 for step, size in zip(_pair(dilation), kernel, strict=True)]
        padding = (spread[0], spread[1]) if padding == "same" else 0
    return x.through(kernel, stride, padding, dilation)


def _maximum(
    x: Field,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    dilation: Pair = 1,
    *settings: bool,
    **more: bool,
) -> Field:
    """``torch.nn.functional.max_pool2d``; how it rounds sizes does not matter."""
    del settings, more
    return x.through(kernel_size, stride or kernel_size, padding, dilation)


def _average(
    x: Field, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0, *settings: object, **more: object
) -> Field:
    """``torch.nn.functional.avg_pool2d``; how it counts padding does not matter."""
    del settings, more
    return x.through(kernel_size, stride or kernel_size, padding)


def _pad(x: Field, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Field | None:
    """``torch.nn.functional.pad`` with a constant, of rows and columns, outwards."""
    del value
    if mode != "constant" or len(pad) > 4 or min(pad) < 0:
        return None
    left, _, top, _ = (*pad, 0, 0)[:4]
    return x.through(1, 1, (top, left))


def _pointwise(*args: object, **kwargs: object) -> Field | None:
    """Anything that looks at one cell at a time: of one map, of several alike, of a map and constants for whole channels."""
    given = [*args, *kwargs.values()]
    maps = [value for value in given if isinstance(value, Field)]
    constants = [value for value in given if isinstance(value, Tensor)]
    if any(size != 1 for value in constants for size in value.shape[-2:]):
        return None
    return _join(maps)


def _join(maps: Sequence[Field]) -> Field | None:
    """See what any of the maps sees."""
    axes = list(zip(*maps, strict=True))
    if any(len({reach.stride for reach in axis}) != 1 for axis in axes):
        return None
    return Field(*(Reach(axis[0].stride, min(r.first for r in axis), max(r.last for r in axis)) for axis in axes))


def _dropout(x: Field, p: float = 0.5, training: bool = True, inplace: bool = False) -> Field | None:
    del p, inplace
    return None if training else x


def _concatenate(tensors: Sequence[Field], dim: int = 0) -> Field | None:
    """``torch.cat`` of channels."""
    return _join(tensors) if dim == 1 else None


def _flip(x: Field, *dims: int | Sequence[int]) -> Field | None:
    """``torch.flip`` of channels: RGB to BGR."""
    first = dims[0] if len(dims) == 1 else dims
    return x if first == 1 or first in ((1,), [1]) else None


def _convolution_layer(layer: nn.Conv2d, x: Field) -> Field | None:
    """A convolution that pads with zeros, if at all."""
    if layer.padding_mode != "zeros":
        return None
    return _convolution(x, layer.weight, None, layer.stride, layer.padding, layer.dilation)


def _norm_layer(layer: nn.BatchNorm2d, x: Field) -> Field | None:
    """A batch norm with fixed statistics."""
    return None if layer.training or layer.running_mean is None else x


Rule = Callable[..., Field | None]

_STEPS: dict[object, Rule] = {
    functional.conv2d: _convolution,
    functional.max_pool2d: _maximum,
    functional.avg_pool2d: _average,
    functional.pad: _pad,
    functional.dropout: _dropout,
    torch.cat: _concatenate,
    torch.flip: _flip,
    "flip": _flip,
    **dict.fromkeys((operator.add, operator.sub, operator.mul, operator.truediv, operator.neg), _pointwise),
    **dict.fromkeys((operator.iadd, operator.isub, operator.imul, operator.itruediv), _pointwise),
    **dict.fromkeys(
        (torch.add, torch.sub, torch.mul, torch.div, torch.clamp, torch.maximum, torch.minimum), _pointwise
    ),
    **dict.fromkeys(
        (torch.relu, torch.sigmoid, torch.tanh, functional.relu, functional.relu6, functional.silu), _pointwise
    ),
    **dict.fromkeys((functional.hardtanh, functional.hardswish, functional.hardsigmoid, functional.gelu), _pointwise),
    **dict.fromkeys((functional.elu, functional.leaky_relu, functional.mish, functional.softplus), _pointwise),
    **dict.fromkeys(("add", "sub", "mul", "div", "clamp", "relu", "sigmoid", "tanh"), _pointwise),
    **dict.fromkeys(("add_", "sub_", "mul_", "div_", "clamp_", "relu_", "sigmoid_", "tanh_"), _pointwise),
    **dict.fromkeys(("contiguous", "clone", "float"), _pointwise),
}
"""Functions, and methods by name, that are known to be local."""

_LAYERS: dict[type[nn.Module], Rule] = {
    nn.Conv2d: _convolution_layer,
    nn.BatchNorm2d: _norm_layer,
    nn.MaxPool2d: lambda layer, x: _maximum(x, layer.kernel_size, layer.stride, layer.padding, layer.dilation),
    nn.AvgPool2d: lambda layer, x: _average(x, layer.kernel_size, layer.stride, layer.padding),
    nn.ZeroPad2d: lambda layer, x: _pad(x, layer.padding),
    nn.ConstantPad2d: lambda layer, x: _pad(x, layer.padding),
    nn.Dropout: lambda layer, x: _dropout(x, training=layer.training),
    nn.Dropout2d: lambda layer, x: _dropout(x, training=layer.training),
    **dict.fromkeys((nn.Identity, nn.ReLU, nn.ReLU6, nn.SiLU, nn.GELU, nn.ELU, nn.LeakyReLU), lambda _, x: x),
    **dict.fromkeys((nn.Mish, nn.Softplus, nn.Hardtanh, nn.Hardswish, nn.Hardsigmoid), lambda _, x: x),
    **dict.fromkeys((nn.Sigmoid, nn.Tanh), lambda _, x: x),
}
"""Layers that are known to be local."""
