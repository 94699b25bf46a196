"""Where the output of a layer lies on the picture, and which layer to look at; shared by the methods that look inside."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor
from torch.nn import functional

from seewhy.core.errors import RequestError
from seewhy.core.probe import Probe

Feature = Float[Tensor, "n c h w"]
"""What a layer puts out, laid out on the picture: channels, rows, columns."""

_MOST_EXTRA = 5
"""Tokens before those of the grid: a class token, a distillation token or up to four registers."""


@dataclass(frozen=True)
class Layout:
    """How a layer's output becomes a map of features.

    Args:
        layer: its name.
        channels: features at each place.
        rows: places from top to bottom.
        columns: places from left to right.
        extra: tokens in front of the grid, such as a class token; None where the output is ``(n, c, h, w)`` already.

    Example:
        >>> Layout("block", 8, 2, 3, extra=1).features(torch.zeros(5, 7, 8)).shape
        torch.Size([5, 8, 2, 3])
    """

    layer: str
    channels: int
    rows: int
    columns: int
    extra: int | None = None

    def features(self, output: Tensor) -> Feature:
        """Lay the output out; the extra tokens are left aside."""
        if self.extra is None:
            return output
        grid = output[:, self.extra :].transpose(1, 2)
        return grid.reshape(*grid.shape[:2], self.rows, self.columns)

    def output(self, features: Feature, original: Tensor) -> Tensor:
        """Do the opposite of `features`, with the extra tokens of the original output."""
        if self.extra is None:
            return features
        return torch.cat([original[:, : self.extra], features.flatten(2).transpose(1, 2)], dim=1)


def layout(layer: str, shape: tuple[int, ...], size: tuple[int, int]) -> Layout | None:
    """Read a layer's shape as a map of features, or None where it is not one.

    Four axes are ``(n, c, h, w)`` with at least 2 × 2 places. Three are ``(n, tokens, c)``: the grid that square patches of the
    picture make, behind at most five extra tokens.

    Args:
        layer: its name.
        shape: of what it puts out.
        size: height and width of the picture.

    Example:
        >>> layout("encoder", (1, 197, 768), (224, 224))
        Layout(layer='encoder', channels=768, rows=14, columns=14, extra=1)
    """
    if len(shape) == 4 and 2 <= shape[2] <= size[0] and 2 <= shape[3] <= size[1]:
        return Layout(layer, *shape[1:])
    if len(shape) == 3:
        grids = [(size[0] // patch, size[1] // patch) for patch in range(1, min(size) // 2 + 1)]
        for extra in range(_MOST_EXTRA + 1):
            for rows, columns in grids:
                if rows * columns + extra == shape[1]:
                    return Layout(layer, shape[2], rows, columns, extra)
    return None


def find(probe: Probe, layer: str | None, *, stride: float | None) -> Layout:
    """Find the layer that was asked for, or choose one.

    Of a convolutional network the last map, or with ``stride`` the last of the outermost layers (those with the fewest dots in
    their names: a whole block rather than a part of it, which a shortcut may go around) among those whose places are nearest
    to so many pixels apart. Of a network of tokens no layer is chosen: all its maps have one size.

    Args:
        probe: the bound question.
        layer: the name; None to choose.
        stride: pixels between two places of the map that is wanted; None for the last map.

    Raises:
        RequestError: there is no such layer, or it puts out no map; the message says which do.

    Cost: one query.
    """
    shapes = probe.layers()
    maps = {name: found for name, shape in shapes.items() if (found := layout(name, shape, probe.size))}
    if layer is not None:
        with probe.watching(layer):  # a layer that does not exist is refused there, with the nearest names
            pass
        if layer not in maps:
            got = f"shape {shapes[layer]}" if layer in shapes else "none, or more than one tensor"
            raise RequestError(f"expected a layer that puts out a map, got {layer} with {got}; {_offer(maps)}")
        return maps[layer]
    if any(found.extra is not None for found in maps.values()):
        raise RequestError(f"expected layer=NAME for a network of tokens, got auto; {_offer(maps)}")
    if not maps:
        raise RequestError(
            "expected a network with maps inside, got none; choose a method that needs no layer, such as rise"
        )
    return _nearest(maps, probe.size, stride) if stride is not None else list(maps.values())[-1]


def _nearest(maps: Mapping[str, Layout], size: tuple[int, int], stride: float) -> Layout:
    """Choose by the distance between places; see `find`."""

    def octaves(found: Layout) -> float:
        apart = (size[0] * size[1] / (found.rows * found.columns)) ** 0.5
        return round(abs(float(np.log2(apart / stride))), 1)  # 27 places are as good as 28

    def rank(name: str) -> tuple[float, int]:
        return octaves(maps[name]), name.count(".")

    return maps[min(reversed(list(maps)), key=rank)]


def _offer(maps: Mapping[str, Layout]) -> str:
    """Name some of the layers that put out maps: the outermost, from the first to the last."""
    if not maps:
        return "no layer of this network does; choose a method that needs no layer, such as rise"
    tokens = [name for name, found in maps.items() if found.extra is not None] or list(maps)
    fewest = sorted(tokens, key=lambda name: name.count("."))[: max(6, len(tokens) // 4)]
    some = [name for name in tokens if name in fewest]
    return f"these do: {', '.join(dict.fromkeys(some[round(i * (len(some) - 1) / 5)] for i in range(6)))}"


def enlarge(values: Float[Tensor, "h w"], size: tuple[int, int]) -> Float32[np.ndarray, "height width"]:
    """Bring a map to the picture's size, linearly between the middles of its places."""
    whole = functional.interpolate(values.detach().float()[None, None], size=size, mode="bilinear", align_corners=False)
    return whole[0, 0].cpu().numpy()
