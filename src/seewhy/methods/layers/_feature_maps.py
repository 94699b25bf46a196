"""Select a layer and map its output to image positions; shared by the methods that use activations."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.core.errors import RequestError
from seewhy.core.probe import Probe

Feature = Float[Tensor, "n c h w"]
"""A layer's output arranged over the image: channels, rows, columns."""

_UNEVEN = 1.5
"""Positions are about as far apart down as across where the ratio of the distances is below this."""

_MOST_EXTRA = 5
"""Most tokens before those of the grid: a class token, a distillation token or up to four registers."""


@dataclass(frozen=True)
class Layout:
    """How a layer's output is arranged as a feature map.

    ``extra`` is the number of tokens before the grid, such as a class token; None if the output has four axes, which are
    ``(n, c, h, w)``, or ``(n, h, w, c)`` with ``channels_last``.
    """

    layer: str
    channels: int
    rows: int
    columns: int
    extra: int | None = None
    channels_last: bool = False

    def features(self, output: Tensor) -> Feature:
        """Arrange the output as a feature map, without the extra tokens."""
        if self.extra is None:
            return output.permute(0, 3, 1, 2) if self.channels_last else output
        grid = output[:, self.extra :].transpose(1, 2)
        return grid.reshape(*grid.shape[:2], self.rows, self.columns)

    def output(self, features: Feature, original: Tensor) -> Tensor:
        """Invert `features`, with the extra tokens of the original output."""
        if self.extra is None:
            return features.permute(0, 2, 3, 1) if self.channels_last else features
        return torch.cat([original[:, : self.extra], features.flatten(2).transpose(1, 2)], dim=1)


def layout(layer: str, shape: tuple[int, ...], size: tuple[int, int]) -> Layout | None:
    """Interpret a layer's output shape as a feature map; return None if it is not one.

    Four axes are ``(n, c, h, w)`` with at least 2 × 2 positions, or ``(n, h, w, c)`` where only these positions are about as far
    apart down as across. Three axes are ``(n, tokens, c)``: the grid of
    square patches of the image, after at most five extra tokens.
    """
    if len(shape) == 4:
        if _even(shape[1:3], size) and not _even(shape[2:], size):
            return Layout(layer, shape[3], shape[1], shape[2], channels_last=True)
        return Layout(layer, *shape[1:]) if _inside(shape[2:], size) else None
    if len(shape) == 3:
        grids = [(size[0] // patch, size[1] // patch) for patch in range(1, min(size) // 2 + 1)]
        for extra in range(_MOST_EXTRA + 1):
            for rows, columns in grids:
                if rows * columns + extra == shape[1]:
                    return Layout(layer, shape[2], rows, columns, extra)
    return None


def _inside(grid: tuple[int, ...], size: tuple[int, int]) -> bool:
    """Return whether two axes of an output can be positions in the image."""
    return all(2 <= places <= side for places, side in zip(grid, size, strict=True))


def _even(grid: tuple[int, ...], size: tuple[int, int]) -> bool:
    """Return whether two axes can be positions that are about as far apart down as across."""
    return _inside(grid, size) and 1 / _UNEVEN < (grid[0] * size[1]) / (grid[1] * size[0]) < _UNEVEN


def check_layer(probe: Probe, layer: str | None) -> None:
    """Refuse a layer that does not exist, with the closest names; costs no query."""
    if layer is not None:
        with probe.watching(layer):
            pass


def find(probe: Probe, layer: str | None, *, stride: float | None, once: bool = False) -> Layout:
    """Return the requested layer, or choose one; with ``once`` only among those that run once for an image.

    In a convolutional network the last feature map is chosen. With ``stride`` it is, among the layers whose positions
    are closest to that many pixels apart, the last of the outermost ones (those with the fewest dots in their names:
    a full block rather than a part that a shortcut bypasses). In a transformer no layer is chosen, because all its
    maps have the same size. Costs one query.
    """
    check_layer(probe, layer)
    shapes = probe.layers()
    maps = {
        name: found
        for name, runs in shapes.items()
        if runs[-1][0] == 1 and (found := layout(name, runs[-1], probe.size)) and not (once and len(runs) > 1)
    }
    if layer is not None:
        if layer not in maps:
            which = "outputs a map and runs once per image" if once else "outputs a map"
            raise RequestError(f"expected a layer that {which}, got {layer}{_why(shapes, layer)}; {_offer(maps)}")
        return maps[layer]
    if any(found.extra is not None for found in maps.values()):
        raise RequestError(f"expected layer=NAME for a transformer, got auto; {_offer(maps)}")
    if not maps:
        which = "in layers that run once per image, " if once else ""
        raise RequestError(
            f"expected a network with feature maps, {which}got none; choose a method that needs no layer, such as rise"
        )
    return _nearest(maps, probe.size, stride) if stride is not None else list(maps.values())[-1]


def _why(shapes: Mapping[str, Sequence[tuple[int, ...]]], layer: str) -> str:
    """Say why a layer cannot be used."""
    runs = shapes.get(layer, ())
    if len(runs) > 1:
        return f", which runs {len(runs)} times"
    return f" with output shape {runs[0]}" if runs else " with no output, or more than one tensor"


def _nearest(maps: Mapping[str, Layout], size: tuple[int, int], stride: float) -> Layout:
    """Choose a layer by the distance between its positions; see `find`."""

    def rank(name: str) -> tuple[float, int]:
        apart = (size[0] * size[1] / (maps[name].rows * maps[name].columns)) ** 0.5
        octaves = round(abs(math.log2(apart / stride)), 1)  # rounded, so that 27 positions rank the same as 28
        return octaves, name.count(".")

    return maps[min(reversed(list(maps)), key=rank)]


def _offer(maps: Mapping[str, Layout]) -> str:
    """List some of the layers that output maps: outermost ones, from the first to the last."""
    if not maps:
        return "no layer of this network outputs a map; choose a method that needs no layer, such as rise"
    tokens = [name for name, found in maps.items() if found.extra is not None] or list(maps)
    fewest = sorted(tokens, key=lambda name: name.count("."))[: max(6, len(tokens) // 4)]
    some = [name for name in tokens if name in fewest]
    spread = dict.fromkeys(some[round(i * (len(some) - 1) / 5)] for i in range(6))
    return f"layers that output maps: {', '.join(spread)}"
