"""Is it worth recomputing only what a small box can change?

A window of 8 × 8 changes few cells of the first feature maps. `seewhy.runtime.partial` cuts the network into stages, of
which all but the last run on crops around the window.

Protocol: one photo is the base; copies of it have noise in a box of K × K at a random position. (1) ``cuts``: for every
place where the network can be cut and a crop is smaller than the image, the milliseconds per image of the part before
the cut on the full image (``prefix``) and on the crop that the smallest K needs (``crop``), and of the part after the
cut (``suffix``). ``predicted`` is whole / (crop + suffix) for this cut alone. (2) ``gains``: the images per second of
the whole network and of `split`, which may cut several times, in the same engine, each at its best batch size. Every
round times all of them with new boxes, and the first round is not counted. ``ratio`` is the median over rounds of the
speed ratio within a round; ``low`` and ``high`` are the quartiles. ``difference`` is the largest difference of a
probability from the network run by plain torch.

``python benchmarks/partial_recompute.py PHOTO [--network lite0|resnet50]... [--engine torch|openvino]... [--box 8]...
[--batch 8]... [--rounds 20] [--threads 1] [--json]``. The ResNet-50 has random weights, which do not affect its speed.
"""

import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from common import Row, environment, json_option, publish, settle, threads_option
from jaxtyping import Float
from torch import Tensor, fx, nn

from seewhy.classifiers.imagenet import efficientnet_lite0
from seewhy.core.arrays import Image, Images
from seewhy.core.view import View
from seewhy.images.open import open_image
from seewhy.images.view import apply_view
from seewhy.runtime.engines import Engine
from seewhy.runtime.partial import Partial, split
from seewhy.runtime.partial.route import Place, extract, places

SIDE = 224


class Bottleneck(nn.Module):
    """The block of a ResNet-50 (He, Zhang, Ren, Sun, CVPR 2016)."""

    def __init__(self, channels: int, inner: int, stride: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            *(nn.Conv2d(channels, inner, 1, bias=False), nn.BatchNorm2d(inner), nn.ReLU()),
            *(nn.Conv2d(inner, inner, 3, stride, padding=1, bias=False), nn.BatchNorm2d(inner), nn.ReLU()),
            *(nn.Conv2d(inner, 4 * inner, 1, bias=False), nn.BatchNorm2d(4 * inner)),
        )
        alike = stride == 1 and channels == 4 * inner
        self.shortcut: nn.Module = nn.Identity()
        if not alike:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, 4 * inner, 1, stride, bias=False), nn.BatchNorm2d(4 * inner)
            )
        self.last = nn.ReLU()

    def forward(self, maps: Tensor) -> Tensor:
        """Add the branch to the shortcut."""
        answer: Tensor = self.last(self.branch(maps) + self.shortcut(maps))
        return answer


def resnet(blocks: tuple[int, ...], width: int) -> nn.Module:
    """Build a ResNet of bottlenecks with random weights, from images to probabilities, with norms fitted to noise."""
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Conv2d(3, width, 7, 2, padding=3, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    layers.append(nn.MaxPool2d(3, 2, padding=1))
    channels = width
    for level, count in enumerate(blocks):
        for turn in range(count):
            layers.append(Bottleneck(channels, width << level, 2 if turn == 0 and level else 1))
            channels = 4 * width << level
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 1000), nn.Softmax(1))
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = None
    with torch.no_grad():
        network(torch.rand(2, 3, SIDE, SIDE))
    return network.eval()


class Scale(nn.Module):
    """The preprocessing of EfficientNet-Lite."""

    def forward(self, images: Tensor) -> Tensor:
        """Map [0, 1] to [-1, 1]."""
        return images * 2 - 1


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "lite0": lambda: nn.Sequential(Scale(), efficientnet_lite0().module, nn.Softmax(1)).eval(),
    "resnet50": lambda: resnet((3, 4, 6, 3), 64),
    "tiny": lambda: resnet((1, 1), 8),
}


def torch_engine(part: nn.Module, example: Tensor) -> Engine:
    """Return an engine that runs a part in torch, channels last."""
    del example
    laid: Any = part.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return lambda maps: laid(maps.contiguous(memory_format=torch.channels_last))


@dataclass
class OpenVino:
    """An engine that runs a part in OpenVINO in float32, compiled once for each batch size.

    Args:
        part: the module to run.
        example: an example input.
    """

    part: nn.Module
    example: Tensor
    requests: dict[int, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        openvino = importlib.import_module("openvino")
        self.core = openvino.Core()
        self.model = openvino.convert_model(self.part.eval(), example_input=self.example)

    def __call__(self, maps: Tensor) -> Tensor:
        """Run the part; arrays are shared with OpenVINO, not copied."""
        if len(maps) not in self.requests:
            self.model.reshape(list(maps.shape))
            hints = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
            threads = {"INFERENCE_NUM_THREADS": torch.get_num_threads()}
            self.requests[len(maps)] = self.core.compile_model(
                self.model, "CPU", hints | threads
            ).create_infer_request()
        return torch.from_numpy(self.requests[len(maps)].infer({0: maps.contiguous().numpy()}, share_inputs=True)[0])


ENGINES: dict[str, Callable[[nn.Module, Tensor], Engine]] = {"torch": torch_engine, "openvino": OpenVino}


def boxes(base: Image, box: int, count: int, rng: np.random.Generator) -> Images:
    """Return copies of the image, each with 8-bit noise in one box."""
    images = base.repeat(count, 1, 1, 1)
    height, width = base.shape[1:]
    for image in images:
        top, left = rng.integers(0, (height - box + 1, width - box + 1))
        noise = rng.integers(0, 256, (3, box, box)).astype(np.float32) / 255
        image[:, top : top + box, left : left + box] = torch.from_numpy(noise)
    return images


def seconds(turn: Callable[[], object]) -> float:
    """Time one call, after a warm-up call for the engine and the caches."""
    turn()
    start = time.perf_counter()
    turn()
    return time.perf_counter() - start


def in_turns(prepare: Callable[[], list[Callable[[], object]]], rounds: int) -> Float[np.ndarray, "r n"]:
    """Time every call once per round; the first round is not counted."""
    return np.array([[seconds(turn) for turn in prepare()] for _ in range(rounds + 1)][1:])


def cut_table(network: nn.Module, base: Image, engine: str, *, box: int, batch: int, rounds: int) -> list[Row]:
    """Time the parts before and after each place where the network can be cut."""
    traced, build = fx.symbolic_trace(network), ENGINES[engine]
    start, *route, _ = places(traced, base[None])
    turns: list[Callable[[], object]] = [ready(build, network, base.repeat(batch, 1, 1, 1))]
    kept: list[tuple[Place, tuple[int, int]]] = []
    for place in route:
        sides = [axis.size for axis in start.axes(place, start, box)]
        if sides[0] * sides[1] == base[0].numel():
            break
        kept.append((place, (sides[0], sides[1])))
        before, after = extract(traced, start.node, place.node), extract(traced, place.node)
        inputs = (torch.rand(batch, 3, *base.shape[1:]), torch.rand(batch, 3, *sides), torch.rand(batch, *place.shape))
        turns += [ready(build, part, shown) for part, shown in zip((before, before, after), inputs, strict=True)]
    whole, *parts = (1e3 / batch * np.median(in_turns(lambda: turns, rounds), axis=0)).tolist()
    rows: list[Row] = []
    for turn, (place, crops) in enumerate(kept):
        prefix, crop, suffix = parts[3 * turn : 3 * turn + 3]
        row: Row = {"after": place.node.name, "map": "×".join(map(str, place.shape)), "crop_side": max(crops)}
        row |= {"prefix": prefix, "crop": crop, "suffix": suffix, "predicted": whole / (crop + suffix)}
        rows.append(row)
    return rows


def ready(build: Callable[[nn.Module, Tensor], Engine], part: nn.Module, shown: Tensor) -> Callable[[], object]:
    """Compile a part and bind its input."""
    return partial(build(part, shown), shown)


def gains(
    network: nn.Module, base: Image, engine: str, *, sides: list[int], batches: list[int], rounds: int
) -> list[Row]:
    """Compare the speed of the whole network with that of its stages, one row per side of the box."""
    build, rng = ENGINES[engine], np.random.default_rng(0)
    truth = nn.Sequential(network)
    shown = {side: boxes(base, side, 16, rng) for side in sides}
    answers = {side: truth(images) for side, images in shown.items()}
    whole = build(network, base[None])
    parts: dict[int, Partial] = {side: split(network, base, side, build, whole) for side in sides}
    ways: list[tuple[int, Engine]] = [(sides[0], whole), *parts.items()]

    def prepare() -> list[Callable[[], object]]:
        return [partial(way, boxes(base, side, batch, rng)) for side, way in ways for batch in batches]

    times = in_turns(prepare, rounds).reshape(rounds, len(ways), len(batches)) / np.array(batches)
    best = np.median(times, axis=0).argmin(1)
    fastest: Float[np.ndarray, "r n"] = np.stack([times[:, way, batch] for way, batch in enumerate(best)], axis=1)
    low, middle, high = np.quantile(fastest[:, :1] / fastest, [0.25, 0.5, 0.75], axis=0).tolist()
    speed = (1 / np.median(fastest, axis=0)).tolist()
    rows: list[Row] = []
    for turn, (side, way) in enumerate(ways):
        row: Row = {"box": side if turn else None, "way": "partial" if turn else "whole", "batch": batches[best[turn]]}
        row |= {"pictures_per_second": speed[turn], "ratio": middle[turn], "low": low[turn], "high": high[turn]}
        row |= {"predicted": 1 / parts[side].share if turn else None, "cuts": len(parts[side].cuts) if turn else None}
        row |= {"difference": float((way(shown[side]) - answers[side]).abs().max())}
        rows.append(row)
    return rows


@click.command()
@click.argument("photo", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--network",
    "networks",
    multiple=True,
    type=click.Choice(list(NETWORKS)),
    default=("lite0", "resnet50"),
    show_default=True,
    help="Network to test; repeatable.",
)
@click.option(
    "--engine",
    "engines",
    multiple=True,
    type=click.Choice(list(ENGINES)),
    default=tuple(ENGINES),
    show_default=True,
    help="Engine to test; repeatable.",
)
@click.option(
    "--box",
    "sides",
    multiple=True,
    default=(8, 16, 32),
    show_default=True,
    type=click.IntRange(min=1, max=SIDE),
    help="Side of the box, in pixels; repeatable.",
)
@click.option(
    "--batch",
    "batches",
    multiple=True,
    default=(4, 8, 16),
    show_default=True,
    type=click.IntRange(min=1),
    help="Batch size to try; repeatable.",
)
@click.option(
    "--rounds", default=20, show_default=True, type=click.IntRange(min=1), help="Number of rounds that are counted."
)
@threads_option
@json_option
@torch.no_grad()
def main(
    photo: Path,
    *,
    networks: tuple[str, ...],
    engines: tuple[str, ...],
    sides: tuple[int, ...],
    batches: tuple[int, ...],
    rounds: int,
    threads: int | None,
    as_json: bool,
) -> None:
    """Print the speed gained by recomputing only around a box."""
    settle(threads)
    base = apply_view(open_image(photo), View((SIDE, SIDE)))[0]
    cuts: list[Row] = []
    found: list[Row] = []
    for name in networks:
        network = NETWORKS[name]()
        for engine in engines:
            who: Row = {"network": name, "engine": engine}
            rows = gains(network, base, engine, sides=list(sides), batches=list(batches), rounds=rounds)
            found += [who | row for row in rows]
            cuts += [
                who | row for row in cut_table(network, base, engine, box=min(sides), batch=batches[0], rounds=rounds)
            ]
            click.echo(f"{name} {engine}", err=True)
    figures: Row = {
        "benchmark": "partial_recompute",
        "cuts": cuts,
        "gains": found,
        "protocol": (
            f"one photo at {SIDE} × {SIDE}, boxes of noise at random positions; cuts: milliseconds per image, batches "
            f"of {batches[0]}, crop for a box of {min(sides)}, median of {rounds} rounds; gains: best batch of "
            f"{', '.join(map(str, batches))}, including the search for the boxes, {rounds} rounds after one that is "
            "not counted, everything once per round; ratio: median of the ratios within a round, low and high: "
            "quartiles; difference: of a probability, largest over 16 images, from plain torch"
        ),
        **environment(),
    }
    publish(figures, as_json=as_json)


if __name__ == "__main__":
    main()
