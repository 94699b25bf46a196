"""Search for the smallest region sufficient for a prediction, and the smallest necessary for it, guided by any map.

Every returned region was shown to the classifier. A smaller one may exist: the search follows the map, and the
prediction need not be monotone in the region.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from seewhy.core.attribution import BoolMap, Map
from seewhy.core.errors import RequestError
from seewhy.core.probe import Answers, Probe
from seewhy.core.target import Contrast, Target
from seewhy.methods._shared import seeds

FINEST = 1000
"""The area is searched in steps of the image's area divided by this, or of one pixel if that is larger."""

Why = Literal["found", "not the answer", "in-fill"]


@dataclass(frozen=True, eq=False)
class Regions:
    """The regions found for one target, all false where there is none, with their areas after each step.

    ``why``: ``not the answer`` if the full image is classified differently; ``in-fill`` if the in-fill alone gives the
    same prediction. ``instead`` is the predicted class once the necessary region is removed.
    """

    why: Why
    sufficient: BoolMap
    necessary: BoolMap
    instead: int | None = None
    areas: dict[str, tuple[float, ...]] = field(default_factory=dict)
    stopped_because: str = "complete"


def wins(answers: Answers, target: Target) -> Bool[Tensor, " n"]:
    """Return for which outputs the target wins: no other class is as probable (for a contrast: its other class)."""
    positive = target.weights(answers[0]) > 0
    rivals = target.weights(answers[0]) < 0 if isinstance(target, Contrast) else ~positive
    return answers[:, positive].amax(1) > answers[:, rivals].amax(1)


def fewest(size: tuple[int, int], samples: int) -> int:
    """Return the number of queries that a search makes before it prunes, its minimum."""
    pixels = math.prod(size)
    return samples * (1 + 2 * math.ceil(math.log2(pixels / _step(pixels))))


def most_queries(size: tuple[int, int], tile: int, samples: int) -> int:
    """Return the most queries that a search can make: `fewest`, plus two per tile and sample."""
    return fewest(size, samples) + 2 * samples * math.prod(math.ceil(side / tile) for side in size)


def find_regions(probe: Probe, target: Target, guide: Map, *, tile: int, samples: int, queries: int) -> Regions:
    """Find both regions of a target: bisect the area in the order of a map, then remove tile after tile.

    Every region was verified, with the same ``samples`` in-fills, whose predictions must all agree. Fewer queries, at
    least `fewest`, end the pruning earlier.

    Raises:
        RequestError: the map does not have the image's size.
    """
    if guide.shape != probe.size:
        raise RequestError(f"expected a map of {probe.size}, got {guide.shape}; explain with the same classifier")
    nothing = np.zeros(probe.size, dtype=bool)
    if not bool(wins(probe.prediction[None], target)):
        return Regions("not the answer", nothing, nothing)
    tester = _Tester(probe, target, samples, queries)
    if tester.keeps(nothing):
        return Regions("in-fill", nothing, nothing)
    order, tiles = np.argsort(-guide, axis=None, kind="stable"), _tiles(guide, tile)
    kept, removed = (_smallest(probe.size, order, works) for works in (tester.keeps, tester.loses))
    left = queries - tester.used
    kept += _pruned(kept[-1], tiles, tester.keeps, lambda: tester.can_continue(reserve=left // 2))
    removed += _pruned(removed[-1], tiles, tester.loses, tester.can_continue)
    steps = {"sufficient": kept, "necessary": removed}
    areas = {name: tuple(float(region.mean()) for region in regions) for name, regions in steps.items()}
    return Regions("found", kept[-1], removed[-1], tester.instead, areas, tester.stopped)


@dataclass(eq=False)
class _Tester:
    """Tests whether a region keeps the prediction, or whether removing it changes the prediction."""

    probe: Probe
    target: Target
    samples: int
    queries: int
    used: int = 0
    instead: int | None = None
    stopped: str = "complete"

    def keeps(self, region: BoolMap) -> bool:
        """Return whether the region alone keeps the prediction."""
        return bool(wins(self._query(region), self.target).all())

    def loses(self, region: BoolMap) -> bool:
        """Return whether removing the region changes the prediction; the new class is stored."""
        answers = self._query(~region)
        if bool(wins(answers, self.target).any()):
            return False
        self.instead = int(answers.mean(0).argmax())
        return True

    def _query(self, kept: BoolMap) -> Answers:
        """Query the kept region with the rest filled in, using the same seeds each time."""
        keep = torch.from_numpy(kept).to(self.probe.image.device, torch.float32).expand(self.samples, -1, -1)
        self.used += self.samples
        return self.probe(keep, seeds(self.probe, 0, self.samples))

    def can_continue(self, *, reserve: int = 0) -> bool:
        """Return whether queries, except for ``reserve`` of them, and time remain for one more test; store what ran out."""
        if self.used + self.samples > self.queries - reserve:
            self.stopped = "queries"
            return False
        if why := self.probe.why_stop():
            self.stopped = why
            return False
        return True


def _step(pixels: int) -> int:
    """Return the smallest difference in area that is searched, pixels."""
    return max(1, pixels // FINEST)


def _smallest(size: tuple[int, int], order: Int[np.ndarray, " n"], works: Callable[[BoolMap], bool]) -> list[BoolMap]:
    """Bisect the area between nothing, which fails, and everything, which works; return the regions that worked."""

    def top(pixels: int) -> BoolMap:
        region = np.zeros(len(order), dtype=bool)
        region[order[:pixels]] = True
        return region.reshape(size)

    low, high = 0, len(order)
    regions = [top(high)]
    while high - low > _step(len(order)):
        middle = (low + high) // 2
        if works(top(middle)):
            high = middle
            regions.append(top(high))
        else:
            low = middle
    return regions


def _tiles(guide: Map, side: int) -> list[tuple[slice, slice]]:
    """Cut the image into tiles, lowest mean map value first."""
    corners = product(*(range(0, length, side) for length in guide.shape))
    tiles = [(slice(top, top + side), slice(left, left + side)) for top, left in corners]
    return sorted(tiles, key=lambda tile: float(guide[tile].mean()))


def _pruned(
    region: BoolMap,
    tiles: Sequence[tuple[slice, slice]],
    works: Callable[[BoolMap], bool],
    can_continue: Callable[[], bool],
) -> list[BoolMap]:
    """Remove tile after tile wherever the remaining region still works; return the regions that worked."""
    smaller: list[BoolMap] = []
    for tile in tiles:
        if not region[tile].any():
            continue
        if not can_continue():
            break
        fewer = region.copy()
        fewer[tile] = False
        if works(fewer):
            region = fewer
            smaller.append(fewer)
    return smaller
