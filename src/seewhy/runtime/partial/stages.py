"""Run the stages of a network that was cut, and insert what a small box changes into crops of the base image's maps.

Values near an edge of a crop that is not an edge of the image are wrong, and are never used.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, fx, nn

from seewhy.core.arrays import Image, Images, Probabilities
from seewhy.core.errors import RequestError
from seewhy.runtime.engines import FAILURES, Engine, converting
from seewhy.runtime.partial.route import Axis, Place, Span, cheapest, extract, places

Compile = Callable[[nn.Module, Tensor], Engine]
"""Compiles a module, given an example of its input."""


@final
@dataclass(frozen=True, eq=False)
class Stage:
    """A part of the network, its engine, and the base image's feature map that its input is cropped from."""

    base: Float[Tensor, "c h w"]
    rows: Axis
    columns: Axis
    part: nn.Module
    engine: Engine

    def run(self, patches: Sequence[Tensor], corners: Sequence[Sequence[int]]) -> Tensor:
        """Insert the changed cells into crops of the base map, and run the engine."""
        crops = self.base.new_empty(len(patches), len(self.base), self.rows.size, self.columns.size)
        for crop, patch, (top, left) in zip(crops, patches, corners, strict=True):
            row, column = self.rows.windows[top], self.columns.windows[left]
            crop.copy_(self.base.narrow(1, row.crop, self.rows.size).narrow(2, column.crop, self.columns.size))
            _part(crop, row.before, column.before).copy_(patch)
        return self.engine(crops)

    def changed(self, maps: Tensor, corners: Sequence[Sequence[int]]) -> list[Tensor]:
        """Extract the changed cells from the engine's output."""
        return [
            _part(single, self.rows.windows[top].after, self.columns.windows[left].after)
            for single, (top, left) in zip(maps, corners, strict=True)
        ]


def _part(single: Float[Tensor, "c h w"], rows: Span, columns: Span) -> Float[Tensor, "c r s"]:
    """Return a view of a part of a map."""
    return single[:, rows[0] : rows[1], columns[0] : columns[1]]


def _changed(differs: Bool[np.ndarray, "c h w"]) -> tuple[Span, Span]:
    """Return the top left corner of the region that differs, and its height and width."""
    top, height = _extent(np.asarray(differs.any(2).any(0)))
    left, width = _extent(np.asarray(differs[:, top : top + height].any((0, 1))))
    return (top, left), (height, width)


def _extent(changed: Bool[np.ndarray, " s"]) -> Span:
    """Return the start of the changes along an axis, and their extent in pixels."""
    (places,) = changed.nonzero()
    return (int(places[0]), int(places[-1] - places[0]) + 1) if len(places) else (0, 0)


@final
@dataclass(frozen=True, eq=False)
class Partial:
    """A faster equivalent of a network on images that differ from a base image in a box of at most ``box`` pixels.

    Created by `split`. ``share`` is the expected work as a fraction of that of the full network.
    """

    base: Image
    box: int
    stages: tuple[Stage, ...]
    whole: Engine
    cuts: tuple[str, ...]
    share: float

    @torch.no_grad()
    def __call__(self, images: Images) -> Probabilities:
        """Return probabilities; images that differ from the base image in a larger region go to the full network."""
        corners, fits = self.locate(images)
        if bool(fits.all()):
            return self._near(images, corners)
        if not bool(fits.any()):
            return self.whole(images)
        far = self.whole(images[~fits])
        answers = far.new_empty(len(images), far.shape[1])
        answers[~fits] = far
        answers[fits] = self._near(images[fits], [corner for corner, near in zip(corners, fits, strict=True) if near])
        return answers

    @torch.no_grad()
    def on(self, base: Image) -> "Partial":
        """Switch to another base image of the same size. Nothing is compiled, and the network is run once."""
        stages, features = [], base[None]
        for stage in self.stages:
            stages.append(replace(stage, base=features[0]))
            features = stage.part(features.clone())
        return replace(self, base=base, stages=tuple(stages))

    def locate(self, images: Images) -> tuple[list[list[int]], Bool[Tensor, " n"]]:
        """Return, for each image, the corner of a box with all differences from the base, and whether one exists."""
        differs = images.numpy(force=True) != self.base.numpy(force=True)  # several times as fast as in torch
        boxes = [_changed(image) for image in differs]
        furthest = [side - self.box for side in self.base.shape[1:]]
        corners = [list(map(min, corner, furthest)) for corner, _ in boxes]
        return corners, torch.tensor([max(sides) <= self.box for _, sides in boxes], device=images.device)

    def _near(self, images: Images, corners: list[list[int]]) -> Probabilities:
        """Run all stages."""
        patches: list[Tensor] = [
            image[:, top : top + self.box, left : left + self.box]
            for image, (top, left) in zip(images, corners, strict=True)
        ]
        *before, last = self.stages
        for stage in before:
            patches = stage.changed(stage.run(patches, corners), corners)
        return last.run(patches, corners)


@torch.no_grad()
def split(network: nn.Module, base: Image, box: int, compile_part: Compile, whole: Engine | None = None) -> Partial:
    """Cut a network so that the least work remains for a box of this many pixels anywhere in the image.

    The network maps images to probabilities, in eval mode. The decision counts multiply-adds and values written, so it is the
    same on every machine; the caller must time whether it pays off in an engine. ``whole`` is the compiled full network, for
    images that differ in a larger region; None to compile it. The outputs match the network's within 1e-5.

    Raises:
        RequestError: the network cannot be traced, the box is larger than the image, or no cut reduces the work.
    """
    if not 1 <= box <= min(base.shape[1:]):
        raise RequestError(
            f"expected a box of 1 to {min(base.shape[1:])} pixels, got {box}; choose a box that fits into the image"
        )
    traced = _trace(network)
    path, share = cheapest(places(traced, base[None].clone()), box)
    if len(path) == 1:
        raise RequestError(
            f"expected first layers in which a box of {box} × {box} pixels changes only a part, got none in "
            f"{type(network).__name__} at {base.shape[1]} × {base.shape[2]}; run the full network"
        )
    stages = assemble(traced, path, base, box, compile_part)
    names = tuple(place.node.name for place in path[1:])
    return Partial(base, box, stages, whole or compile_part(network, base[None].clone()), names, share)


@torch.no_grad()
def assemble(
    traced: fx.GraphModule, path: Sequence[Place], base: Image, box: int, compile_part: Compile
) -> tuple[Stage, ...]:
    """Build the stages between given cuts; ``path`` is the image and the cuts after it, chosen from `places`."""
    stages, features = [], base[None]
    for here, there in pairwise(path):
        piece = extract(traced, here.node, there.node)
        rows, columns = here.axes(there, path[0], box)
        crop = features[..., : rows.size, : columns.size]
        stages.append(Stage(features[0], rows, columns, piece, compile_part(piece, crop.clone())))
        features = piece(features.clone())  # clone, because a layer may work in place
    rows, columns = path[-1].whole(path[0], box)
    rest = extract(traced, path[-1].node)
    return (*stages, Stage(features[0], rows, columns, rest, compile_part(rest, features.clone())))


class _Tracer(fx.Tracer):
    """Traces what the calling thread runs: torch.fx takes calls of all modules in all threads."""

    def __init__(self) -> None:
        super().__init__()
        self.thread = threading.get_ident()

    def call_module(
        self, m: nn.Module, forward: Callable[..., Tensor], args: tuple[object, ...], kwargs: dict[str, object]
    ) -> object:
        """Run a module of another thread as it is."""
        own = threading.get_ident() == self.thread
        return super().call_module(m, forward, args, kwargs) if own else forward(*args, **kwargs)

    def getattr(self, attr: str, attr_val: object, parameter_proxy_cache: dict[str, fx.Proxy]) -> object:
        """Give another thread the attribute of its module as it is."""
        own = threading.get_ident() == self.thread
        return super().getattr(attr, attr_val, parameter_proxy_cache) if own else attr_val


def _trace(network: nn.Module) -> fx.GraphModule:
    """Trace a network with torch.fx."""
    try:
        with converting(network):
            return fx.GraphModule(network, _Tracer().trace(network))
    except FAILURES as error:  # the user's code can fail in any way on a symbolic input
        raise RequestError(
            f"expected a network that torch.fx can trace, got {type(network).__name__}: {error}; run the full network"
        ) from error
