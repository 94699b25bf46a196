"""Track how a local change of the image spreads through the first layers of a network, and find points to cut it.

Convolutions and pooling are local. Each cell of a feature map of a local network sees a known interval of rows and
columns (its receptive field: Araujo, Norris, Sim, Distill, 2019). A change within a small box therefore reaches only
the cells around the box. This module computes these intervals exactly, step by step along a ``torch.fx`` graph,
including asymmetric padding. It stops at the first step that is not known to be local.
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
"""A layer setting: one value for both axes, or one per axis."""


@dataclass(frozen=True)
class Reach:
    """Receptive field along one axis: cell ``i`` sees pixels ``stride * i + first`` to ``stride * i + last``.

    Pixels beyond the edge are padding. ``first`` is never positive, because layers that crop are not treated as local.
    """

    stride: int
    first: int
    last: int

    def through(self, kernel: int, stride: int = 1, before: int = 0, dilation: int = 1) -> "Reach":
        """Return the receptive field after a layer that slides a kernel, with ``before`` cells of leading padding."""
        first = self.first - self.stride * before
        return Reach(self.stride * stride, first, self.last + self.stride * (dilation * (kernel - 1) - before))

    def cells(self, start: int, stop: int, count: int) -> tuple[int, int]:
        """Return the half-open range of cells, out of ``count``, that see any of pixels ``start`` to ``stop - 1``."""
        return max(0, -((self.last - start) // self.stride)), min(count, (stop - 1 - self.first) // self.stride + 1)

    def pixels(self, start: int, stop: int, count: int) -> tuple[int, int]:
        """Return the half-open range of pixels, out of ``count``, that cells ``start`` to ``stop - 1`` see."""
        return max(0, self.stride * start + self.first), min(count, self.stride * (stop - 1) + self.last + 1)


class Field(NamedTuple):
    """Receptive field of the cells of a feature map in the image."""

    rows: Reach
    columns: Reach

    def through(self, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair = 1) -> "Field":
        """Return the receptive field after a layer that slides a kernel."""
        settings = zip(self, _pair(kernel), _pair(stride), _pair(padding), _pair(dilation), strict=True)
        return Field(*(reach.through(*layer) for reach, *layer in settings))


@dataclass(frozen=True)
class Cut:
    """A point that splits a network into a local first part and the rest: the feature map that step ``node`` returns."""

    node: fx.Node
    field: Field


def cuts(traced: fx.GraphModule, images: Images) -> list[Cut]:
    """Find every point at which a traced network can be cut after local steps only, in graph order.

    The network is run once on the images, and the shapes of its maps are stored in ``meta``.
    """
    ShapeProp(traced).propagate(images)
    values = _values(traced)
    place = {node: turn for turn, node in enumerate(traced.graph.nodes)}
    points, needed = [], 0  # index of the last step that uses any earlier feature map
    for node, turn in place.items():
        value = values.get(node)
        if node.op != "placeholder" and isinstance(value, Field) and needed <= turn:
            points.append(Cut(node, value))
        if node.op != "get_attr" and not _is_count(node):
            needed = max([needed, *(place[user] for user in node.users if not reads_batch_size(user))])
    return points


def reads_batch_size(node: fx.Node) -> bool:
    """Return whether a step only reads the batch size, which is the same on both sides of a cut."""
    first = all(user.target is operator.getitem and user.args[1] == 0 for user in node.users)
    if node.op == "call_method" and node.target == "size":
        return node.args[1:] == (0,) or (len(node.args) == 1 and first)
    return node.target is getattr and node.args[1] == "shape" and first


def _is_count(node: fx.Node) -> bool:
    """Return whether a step gives the batch size, or the shape it is read from."""
    return reads_batch_size(node) or (node.target is operator.getitem and reads_batch_size(node.all_input_nodes[0]))


def _values(traced: fx.GraphModule) -> dict[fx.Node, Field | Tensor]:
    """Propagate receptive fields instead of feature maps, and shapes of constants; omit steps that are not local."""
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
    """Return the receptive field after one step; None if the step is not known to be local."""
    maps = [source for source in node.all_input_nodes if isinstance(values[source], Field)]
    if len({source.meta["tensor_meta"].shape[2:] for source in maps}) > 1:
        return None  # a small map is broadcast over a large one
    value: Callable[[fx.Node], Any] = values.__getitem__
    given, named = fx.map_arg(node.args, value), fx.map_arg(node.kwargs, value)
    if node.op == "call_module":
        layer = traced.get_submodule(str(node.target))
        rule = _LAYERS.get(type(layer))
        return None if rule is None else rule(layer, *given, **named)
    rule = _STEPS.get(node.target)
    return None if rule is None else rule(*given, **named)


def _pair(setting: Pair) -> tuple[int, int]:
    """Expand a setting to both axes."""
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
    """Rule for ``torch.nn.functional.conv2d``."""
    del bias, groups
    kernel = (weight.shape[2], weight.shape[3])
    if isinstance(padding, str):  # for padding "same", torch adds the odd pixel at the end
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
    """Rule for ``torch.nn.functional.max_pool2d``; how it rounds sizes does not matter."""
    del settings, more
    return x.through(kernel_size, stride or kernel_size, padding, dilation)


def _average(
    x: Field, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0, *settings: object, **more: object
) -> Field:
    """Rule for ``torch.nn.functional.avg_pool2d``; how it counts padding does not matter."""
    del settings, more
    return x.through(kernel_size, stride or kernel_size, padding)


def _pad(x: Field, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Field | None:
    """Rule for ``torch.nn.functional.pad`` with a constant around rows and columns."""
    del value
    if mode != "constant" or len(pad) > 4 or min(pad) < 0:
        return None
    left, _, top, _ = (*pad, 0, 0)[:4]
    return x.through(1, 1, (top, left))


def _pointwise(*args: object, **kwargs: object) -> Field | None:
    """Rule for any cell-wise operation: on one map, on several aligned maps, or on a map and per-channel constants."""
    given = [*args, *kwargs.values()]
    maps = [value for value in given if isinstance(value, Field)]
    constants = [value for value in given if isinstance(value, Tensor)]
    if any(size != 1 for value in constants for size in value.shape[-2:]):
        return None
    return _join(maps)


def _join(maps: Sequence[Field]) -> Field | None:
    """Return the union of the receptive fields of several maps."""
    axes = list(zip(*maps, strict=True))
    if any(len({reach.stride for reach in axis}) != 1 for axis in axes):
        return None
    return Field(*(Reach(axis[0].stride, min(r.first for r in axis), max(r.last for r in axis)) for axis in axes))


def _dropout(x: Field, p: float = 0.5, training: bool = True, inplace: bool = False) -> Field | None:
    del p, inplace
    return None if training else x


def _concatenate(tensors: Sequence[Field], dim: int = 0) -> Field | None:
    """Rule for ``torch.cat`` along channels."""
    return _join(tensors) if dim == 1 else None


def _flip(x: Field, *dims: int | Sequence[int]) -> Field | None:
    """Rule for ``torch.flip`` along channels: RGB to BGR."""
    first = dims[0] if len(dims) == 1 else dims
    return x if first == 1 or first in ((1,), [1]) else None


def _convolution_layer(layer: nn.Conv2d, x: Field) -> Field | None:
    """Rule for a convolution without padding or with zero padding."""
    if layer.padding_mode != "zeros":
        return None
    return _convolution(x, layer.weight, None, layer.stride, layer.padding, layer.dilation)


def _norm_layer(layer: nn.BatchNorm2d, x: Field) -> Field | None:
    """Rule for a batch norm with fixed statistics."""
    return None if layer.training or layer.running_mean is None else x


Rule = Callable[..., Field | None]

_POINTWISE: tuple[object, ...] = (
    *(operator.add, operator.sub, operator.mul, operator.truediv, operator.neg),
    *(operator.iadd, operator.isub, operator.imul, operator.itruediv),
    *(torch.add, torch.sub, torch.mul, torch.div, torch.clamp, torch.maximum, torch.minimum),
    *(torch.relu, torch.sigmoid, torch.tanh, functional.relu, functional.relu6, functional.silu),
    *(functional.hardtanh, functional.hardswish, functional.hardsigmoid, functional.gelu),
    *(functional.elu, functional.leaky_relu, functional.mish, functional.softplus),
    *("add", "sub", "mul", "div", "clamp", "relu", "sigmoid", "tanh"),
    *("add_", "sub_", "mul_", "div_", "clamp_", "relu_", "sigmoid_", "tanh_"),
    *("contiguous", "clone", "float"),
)

_STEPS: dict[object, Rule] = {
    functional.conv2d: _convolution,
    functional.max_pool2d: _maximum,
    functional.avg_pool2d: _average,
    functional.pad: _pad,
    functional.dropout: _dropout,
    torch.cat: _concatenate,
    torch.flip: _flip,
    "flip": _flip,
    **dict.fromkeys(_POINTWISE, _pointwise),
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
