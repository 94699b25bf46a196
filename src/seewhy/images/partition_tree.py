"""Binary trees of an image's parts: grown from the picture by merging similar neighbours, or by halving rectangles."""

import heapq
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from seewhy.core.arrays import Image

Part = tuple[int, int]
"""A part of the image: where its run of pixels starts and stops in `PartitionTree.pixels`."""

Labels = Int[Tensor, "h w"]
"""The region number of each pixel, consecutive from 0."""

Numbers = Int[np.ndarray, "h w"]
"""The same as an array."""

_ATOMS = 3000
"""Pieces from which a tree is grown: about 4 x 4 pixels each at 224 x 224, with borders that follow the picture."""


@dataclass(frozen=True, eq=False)
class PartitionTree:
    """A binary tree of parts, each the union of its two halves.

    Args:
        size: height and width of the image.
        pixels: row-major index of every pixel, in an order that makes each part a run of them.
        splits: part → where its second half starts, the coarsest first; parts without an entry are not divided further.

    Example:
        >>> halves((1, 4)).labels(3).tolist()
        [[0, 1, 2, 2]]
    """

    size: tuple[int, int]
    pixels: Int[Tensor, " p"]
    splits: Mapping[Part, int]

    @property
    def whole(self) -> Part:
        """The part that is the whole image."""
        return 0, len(self.pixels)

    def split(self, part: Part) -> tuple[Part, Part]:
        """Return the two halves of a part that can be divided."""
        return (part[0], self.splits[part]), (self.splits[part], part[1])

    def keep(self, parts: Iterable[Part]) -> Float[Tensor, "h w"]:
        """Return 1 in some parts and 0 elsewhere."""
        plane = torch.zeros(len(self.pixels))
        for start, stop in parts:
            plane[self.pixels[start:stop]] = 1
        return plane.view(self.size)

    def labels(self, count: int) -> Labels:
        """Cut the tree into at most ``count`` regions, numbered in the order of the tree."""
        starts = torch.tensor(list(islice(self.splits.values(), count - 1)), dtype=torch.int64)
        numbers = torch.zeros(len(self.pixels), dtype=torch.int64)
        numbers[starts] = 1
        labels = torch.empty_like(numbers)
        labels[self.pixels] = numbers.cumsum(0)
        return labels.view(self.size)


def halves(size: tuple[int, int]) -> PartitionTree:
    """Halve rectangles across their longer side down to about `_ATOMS` pieces, or pixels."""
    numbers = np.arange(size[0] * size[1]).reshape(size)
    pixels: list[int] = []
    splits: dict[Part, int] = {}
    rectangles = [numbers]
    while rectangles:
        box = rectangles.pop()
        if box.size == 1 or box.size * _ATOMS <= numbers.size:
            pixels += box.ravel().tolist()
            continue
        one, other = np.array_split(box, [max(box.shape) // 2], axis=int(box.shape[0] < box.shape[1]))
        splits[len(pixels), len(pixels) + box.size] = len(pixels) + one.size
        rectangles += [other, one]
    coarsest = sorted(splits.items(), key=lambda item: (item[0][0] - item[0][1], item[0]))
    return PartitionTree(size, torch.tensor(pixels), dict(coarsest))


def grow(image: Image, *, seed: int | None = None) -> PartitionTree:
    """Grow a tree from the picture: merge the adjacent pair that differs least, until one part is left.

    The cost of a merger is that of ShapBPT (AAAI 2026, arXiv 2602.07047): the squared ranges of the three Lab channels over the
    union, summed, times its area, times the square root of its perimeter. The first pieces are about `_ATOMS` watersheds of
    the colour gradient, so their borders lie on edges of the picture.

    Args:
        image: ``(3, h, w)`` in [0, 1].
        seed: another seed shifts the first pieces and varies the costs a little, for independent trees; None does neither.
    """
    rng = None if seed is None else np.random.default_rng(abs(seed))
    lab = _lab(image)
    atoms = _watersheds(lab, rng)
    noise = (lambda: 1.0) if rng is None else lambda: float(np.exp(0.2 * rng.standard_normal()))
    merged = _Merging.start(lab, atoms).run(noise)
    return _as_tree(atoms, merged)


def _lab(image: Image) -> Float[np.ndarray, "h w 3"]:
    """Convert to the Lab colour space, in which distances are as people see them."""
    import cv2  # noqa: PLC0415 - not loaded by `import seewhy`

    pixels = np.ascontiguousarray(image.permute(1, 2, 0).cpu().numpy(), dtype=np.float32)
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB), dtype=np.float32)


def _watersheds(lab: Float[np.ndarray, "h w 3"], rng: np.random.Generator | None) -> Numbers:
    """Cut into small pieces along the edges of the picture, one for each point of a square lattice."""
    from scipy import ndimage  # noqa: PLC0415 - not loaded by `import seewhy`

    height, width = lab.shape[:2]
    step = max(1, round((height * width / _ATOMS) ** 0.5))
    markers = np.zeros((height, width), np.int32)
    top, left = (step // 2, step // 2) if rng is None else rng.integers(0, min(step, height, width), 2)
    lattice = markers[top::step, left::step]
    lattice[...] = np.arange(1, lattice.size + 1).reshape(lattice.shape)
    edges = np.sqrt(sum(np.square(ndimage.sobel(lab, axis)).sum(2) for axis in (0, 1)))
    levels = (65535 * edges / max(float(edges.max()), 1e-6)).astype(np.uint16)
    return np.asarray(ndimage.watershed_ift(levels, markers), dtype=np.int64) - 1


@dataclass(eq=False)
class _Merging:
    """The parts that are left: ranges of their colours, areas, perimeters, and the borders that they share."""

    low: list[Float[np.ndarray, " 3"]]
    high: list[Float[np.ndarray, " 3"]]
    area: list[int]
    perimeter: list[int]
    shared: dict[int, dict[int, int]]

    @classmethod
    def start(cls, lab: Float[np.ndarray, "h w 3"], atoms: Numbers) -> "_Merging":
        """Measure the first pieces."""
        count, flat = int(atoms.max()) + 1, atoms.ravel()
        low, high = np.full((count, 3), np.inf), np.full((count, 3), -np.inf)
        np.minimum.at(low, flat, lab.reshape(-1, 3))
        np.maximum.at(high, flat, lab.reshape(-1, 3))
        padded = np.pad(atoms, 1, constant_values=-1)
        shared: dict[int, dict[int, int]] = defaultdict(dict)
        perimeter = [0] * count
        for one, other, length in _borders(padded):
            for near, far in ((one, other), (other, one)):
                if near >= 0:
                    perimeter[near] += length
                    if far >= 0:
                        shared[near][far] = length
        return cls(list(low), list(high), np.bincount(flat).tolist(), perimeter, dict(shared))

    def cost(self, one: int, other: int) -> float:
        """Return the cost of a merger; among equal ones, such as those of flat colour, the smaller union comes first."""
        ranges = np.maximum(self.high[one], self.high[other]) - np.minimum(self.low[one], self.low[other])
        around = self.perimeter[one] + self.perimeter[other] - 2 * self.shared[one][other]
        return (float(ranges @ ranges) + 1e-6) * (self.area[one] + self.area[other]) * math.sqrt(around)

    def merge(self, one: int, other: int) -> int:
        """Merge two neighbours, and return the number of their union."""
        neighbours: dict[int, int] = {}
        length = self.shared[one].pop(other)
        del self.shared[other][one]
        union = len(self.area)
        for part in (one, other):
            for near, border in self.shared.pop(part).items():
                del self.shared[near][part]
                neighbours[near] = neighbours.get(near, 0) + border
        for near, border in neighbours.items():
            self.shared[near][union] = border
        self.shared[union] = neighbours
        self.low.append(np.minimum(self.low[one], self.low[other]))
        self.high.append(np.maximum(self.high[one], self.high[other]))
        self.area.append(self.area[one] + self.area[other])
        self.perimeter.append(self.perimeter[one] + self.perimeter[other] - 2 * length)
        return union

    def run(self, noise: Callable[[], float]) -> list[tuple[int, int]]:
        """Merge until one part is left; return the pairs in order. The union of the k-th pair has the k-th number after the pieces'."""
        heap = [(self.cost(a, b) * noise(), a, b) for a, near in self.shared.items() for b in near if a < b]
        heapq.heapify(heap)
        merged = []
        while heap:
            _, one, other = heapq.heappop(heap)
            if one in self.shared and other in self.shared:
                union = self.merge(one, other)
                merged.append((one, other))
                for near in self.shared[union]:
                    heapq.heappush(heap, (self.cost(near, union) * noise(), near, union))
        return merged


def _borders(padded: Numbers) -> Iterator[tuple[int, int, int]]:
    """Yield each pair of numbers that touch, the smaller first, and the length of their border in pixels."""
    sides = [(padded[:, :-1], padded[:, 1:]), (padded[:-1], padded[1:])]
    pairs = np.concatenate([np.stack([a.ravel(), b.ravel()], 1) for a, b in sides])
    pairs = np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1)
    unique, lengths = np.unique(pairs, axis=0, return_counts=True)
    for (one, other), length in zip(unique.tolist(), lengths.tolist(), strict=True):
        yield one, other, length


def _as_tree(atoms: Numbers, merged: list[tuple[int, int]]) -> PartitionTree:
    """Order the pixels so that every union is a run of them."""
    count = int(atoms.max()) + 1
    areas = np.bincount(atoms.ravel()).tolist()
    for one, other in merged:
        areas.append(areas[one] + areas[other])
    start = {len(areas) - 1: 0}
    splits: dict[Part, int] = {}
    for number in range(len(merged) - 1, -1, -1):
        one, other = merged[number]
        first = start[count + number]
        start[one], start[other] = first, first + areas[one]
        splits[first, first + areas[count + number]] = start[other]
    places = np.array([start[atom] for atom in range(count)])
    pixels = np.argsort(places[atoms.ravel()], kind="stable")
    return PartitionTree((atoms.shape[0], atoms.shape[1]), torch.from_numpy(pixels), splits)
