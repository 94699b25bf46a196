"""The smallest region that keeps an answer, and the smallest without which it changes, in the order of any map.

Every region that is returned was shown to the classifier. That no smaller one would do is not known: the search goes by the
map, and the answer need not be monotone in the region.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from seewhy.core.errors import RequestError
from seewhy.core.maps import BoolMap, Map
from seewhy.core.probe import Answers, Probe
from seewhy.core.seeds import derive
from seewhy.core.target import Contrast, Target

FINEST = 1000
"""The area is searched in steps of this part of the picture, or of a pixel."""

Why = Literal["found", "not the answer", "in-fill"]


@dataclass(frozen=True, eq=False)
class Regions:
    """What was found for one target.

    Args:
        why: ``found``; ``not the answer``: the whole picture gets another one; ``in-fill``: so does the in-fill alone.
        sufficient: shown alone, it keeps the answer; all false where there is none or nothing is needed.
        necessary: removed, the answer changes; all false where there is none.
        instead: the likeliest class once ``necessary`` is removed.
        areas: ``sufficient`` and ``necessary`` → share of the picture after each step.
        stopped_because: ``complete``, ``queries`` or ``seconds``.
    """

    why: Why
    sufficient: BoolMap
    necessary: BoolMap
    instead: int | None = None
    areas: dict[str, tuple[float, ...]] = field(default_factory=dict)
    stopped_because: str = "complete"

    def sentence(self, name: Callable[[int], str], target: str) -> str:
        """Say it in words; ``name`` names a class, ``target`` is what is explained."""
        if self.why == "not the answer":
            return f"{target} is not what the classifier says of the whole picture: no region can keep it."
        if self.why == "in-fill" or self.instead is None:
            return f"The in-fill alone is {target}: no part of the picture is needed; try another in-fill."
        alone, removed = (f"{part.mean():.1%}" for part in (self.sufficient, self.necessary))
        return f"{alone} of the picture alone keeps {target}; removing {removed} changes the answer to {name(self.instead)}."

    def outlines(self, key: str) -> dict[str, BoolMap]:
        """Name the regions for `seewhy.core.maps.Maps`."""
        found = {"sufficient": self.sufficient, "necessary": self.necessary}
        return {f"{key}/{name}": where for name, where in found.items() if where.any()}


def wins(answers: Answers, target: Target) -> Bool[Tensor, " n"]:
    """Tell for which answers the target is what the classifier says: no other class is as likely (of a contrast: the other).

    Args:
        answers: ``(n, k)``.
        target: a class or a contrast.

    Example:
        >>> from seewhy.core.target import ClassEvidence
        >>> wins(torch.tensor([[0.6, 0.4], [0.5, 0.5]]), ClassEvidence(0)).tolist()
        [True, False]
    """
    positive = target.weights(answers[0]) > 0
    rivals = target.weights(answers[0]) < 0 if isinstance(target, Contrast) else ~positive
    return answers[:, positive].amax(1) > answers[:, rivals].amax(1)


def fewest(size: tuple[int, int], samples: int) -> int:
    """Queries that a search takes before it prunes; it needs so many."""
    pixels = math.prod(size)
    return samples * (1 + 2 * math.ceil(math.log2(pixels / _step(pixels))))


def most_queries(size: tuple[int, int], tile: int, samples: int) -> int:
    """Queries that a search can take in all: what `fewest` says, and two questions a tile."""
    return fewest(size, samples) + 2 * samples * math.prod(math.ceil(side / tile) for side in size)


def find_regions(probe: Probe, target: Target, guide: Map, *, tile: int, samples: int, queries: int) -> Regions:
    """Find both regions of a target: bisect the area in the order of a map, then give back tile after tile.

    Args:
        probe: the bound question.
        target: a class or a contrast.
        guide: the map; its highest pixels are kept, or removed, first.
        tile: side of the tiles, pixels.
        samples: in-fills a question; all must agree. The same seeds each time.
        queries: that may be asked, at least `fewest`.

    Returns:
        Regions that were checked, whatever the budget: with less the pruning ends early.

    Raises:
        RequestError: the map is not of the picture's size.
    """
    if guide.shape != probe.size:
        raise RequestError(f"expected a map of {probe.size}, got {guide.shape}; explain with the same classifier")
    nothing = np.zeros(probe.size, dtype=bool)
    if not bool(wins(probe.prediction[None], target)):
        return Regions("not the answer", nothing, nothing)
    inquiry = _Inquiry(probe, target, samples, queries)
    if inquiry.keeps(nothing):
        return Regions("in-fill", nothing, nothing)
    order, tiles = np.argsort(-guide, axis=None, kind="stable"), _tiles(guide, tile)
    kept, removed = (_smallest(probe.size, order, works) for works in (inquiry.keeps, inquiry.loses))
    left = queries - inquiry.asked
    kept += _pruned(kept[-1], tiles, inquiry.keeps, lambda: inquiry.may_ask(spare=left // 2))
    removed += _pruned(removed[-1], tiles, inquiry.loses, inquiry.may_ask)
    areas = {
        name: tuple(float(each.mean()) for each in steps)
        for name, steps in [("sufficient", kept), ("necessary", removed)]
    }
    return Regions("found", kept[-1], removed[-1], inquiry.instead, areas, inquiry.stopped)


@dataclass(eq=False)
class _Inquiry:
    """Asks whether a region keeps the answer, or loses it."""

    probe: Probe
    target: Target
    samples: int
    queries: int
    asked: int = 0
    instead: int | None = None
    stopped: str = "complete"

    def keeps(self, region: BoolMap) -> bool:
        """Show the region alone."""
        return bool(wins(self._ask(region), self.target).all())

    def loses(self, region: BoolMap) -> bool:
        """Show the rest; what is said instead is remembered."""
        answers = self._ask(~region)
        if bool(wins(answers, self.target).any()):
            return False
        self.instead = int(answers.mean(0).argmax())
        return True

    def _ask(self, kept: BoolMap) -> Answers:
        """Fill in all else, with the same seeds each time."""
        device = self.probe.image.device
        keep = torch.from_numpy(kept).to(device, torch.float32).expand(self.samples, -1, -1)
        self.asked += self.samples
        return self.probe(keep, derive(self.probe.seed, torch.arange(self.samples, device=device)))

    def may_ask(self, *, spare: int = 0) -> bool:
        """Say whether there are queries, ``spare`` of them left out, and time for one more question; write down what ran out."""
        if self.asked + self.samples > self.queries - spare:
            self.stopped = "queries"
            return False
        if why := self.probe.why_stop():
            self.stopped = why
            return False
        return True


def _step(pixels: int) -> int:
    """The finest difference of areas that is looked at, pixels."""
    return max(1, pixels // FINEST)


def _smallest(size: tuple[int, int], order: Int[np.ndarray, " n"], works: Callable[[BoolMap], bool]) -> list[BoolMap]:
    """Bisect the area between nothing, which does not work, and everything, which does; list what worked."""

    def top(pixels: int) -> BoolMap:
        region = np.zeros(len(order), dtype=bool)
        region[order[:pixels]] = True
        return region.reshape(size)

    low, high = 0, len(order)
    found = [top(high)]
    while high - low > _step(len(order)):
        middle = (low + high) // 2
        if works(top(middle)):
            high = middle
            found.append(top(high))
        else:
            low = middle
    return found


def _tiles(guide: Map, side: int) -> list[tuple[slice, slice]]:
    """Cut the picture into tiles, those where the map is lowest first."""
    height, width = guide.shape
    tiles = [
        (slice(top, top + side), slice(left, left + side))
        for top in range(0, height, side)
        for left in range(0, width, side)
    ]
    return sorted(tiles, key=lambda tile: float(guide[tile].mean()))


def _pruned(
    region: BoolMap, tiles: Sequence[tuple[slice, slice]], works: Callable[[BoolMap], bool], may_ask: Callable[[], bool]
) -> list[BoolMap]:
    """Leave out tile after tile wherever the rest still works; list what worked."""
    found = [region]
    for tile in tiles:
        if not found[-1][tile].any():
            continue
        if not may_ask():
            break
        fewer = found[-1].copy()
        fewer[tile] = False
        if works(fewer):
            found.append(fewer)
    return found[1:]
