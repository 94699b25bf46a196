"""Minimal region: the smallest region sufficient for the prediction, and the smallest necessary for it, guided by a map.

Every returned region was shown to the classifier. A smaller one may exist: the search follows the map, and the
prediction need not be monotone in the region.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Literal

import numpy as np
import torch
from jaxtyping import Int

from seewhy.core.attribution import Attribution, BoolMap, Map
from seewhy.core.errors import RequestError
from seewhy.core.features import Windows
from seewhy.core.probe import Answers, Probe
from seewhy.core.target import Contrast, Target
from seewhy.methods._shared import at_least, class_name, seeds, wins
from seewhy.methods.controls import center
from seewhy.methods.sampling.rise import rise
from seewhy.methods.windows.occlusion import occlusion

Guide = Literal["rise", "occlusion", "center"]

_FINEST = 1000
"""The area is searched in steps of the image's area divided by this, or of one pixel if that is larger."""

Why = Literal["found", "not the answer", "in-fill"]

_CELLS = 7
"""Cells (rise) or windows (occlusion) along each side of the guide map."""


def minimal_region(
    probe: Probe,
    targets: Sequence[Target],
    *,
    guide: Guide = "rise",
    guide_queries: int = 600,
    tile: int = 16,
    samples: int | None = None,
) -> Attribution:
    """Find the smallest sufficient and the smallest necessary region, guided by a map computed first.

    Sufficient: with everything else filled in, the target is still the predicted class (preservation). Necessary:
    with the region filled in, it no longer is (deletion; both after Fong, Vedaldi, ICCV 2017). A bisection finds the
    area, in the order of the guide map. Then tiles are left out, lowest map value first, wherever the remaining
    region still works. Only the predicted class of each query is used, so a classifier that outputs labels alone is
    sufficient.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together.
        targets: classes and contrasts.
        guide: the map that orders the search: ``rise``, ``occlusion``, or ``center``, the closeness to the image's
            centre.
        guide_queries: queries for the guide map, 49 or more; under a budget at most half of it.
        tile: side of the tiles that are left out, pixels, 1 or more.
        samples: in-fills drawn for each query of the search, which must all agree, 1 or more; auto: 1 for a
            deterministic in-fill, else 3.

    Returns:
        Maps: 1 in the sufficient region, 0.5 where only the necessary region is, else 0. Both regions are also given
            as outlines; their areas are stated in ``findings`` and recorded step by step in ``traces``.

    Raises:
        RequestError: a setting is out of range, or the budget is too small.

    Cost at 224 x 224 with a deterministic in-fill: ``guide_queries``, 22, and at most two for each tile.
    """
    drawn = _drawn(probe, tile, samples)
    guide_cost = _guide_queries(probe, guide, guide_queries, 1 + len(targets) * fewest(probe.size, drawn))
    probe.plan(1 + guide_cost + len(targets) * most_queries(probe.size, tile, drawn))
    guides = _guide(probe, targets, guide, guide_cost)
    maps = minimal_region_of(probe, targets, guides, tile=tile, samples=drawn)
    return replace(maps, settings={"guide": guide, "guide_queries": guide_cost, **maps.settings})


def minimal_region_of(
    probe: Probe, targets: Sequence[Target], guides: Mapping[str, Map], *, tile: int, samples: int | None
) -> Attribution:
    """Find the same regions as `minimal_region`, guided by the map of each target in ``guides``, by key.

    Raises:
        RequestError: a setting is out of range, or the budget is too small.
    """
    drawn = _drawn(probe, tile, samples)
    least, most = fewest(probe.size, drawn), most_queries(probe.size, tile, drawn)
    spent = max(1, probe.queries.forward_images)
    probe.affordable(spent + len(targets) * most, smallest=spent + len(targets) * least, hint="fewer samples")
    found = []
    for number, target in enumerate(targets):
        left = math.inf if probe.budget.queries is None else probe.budget.queries - max(1, probe.queries.forward_images)
        room = int(min(most, left // (len(targets) - number)))
        found.append(find_regions(probe, target, guides[target.key], tile=tile, samples=drawn, queries=room))
    return _attribution(probe, targets, found, {"tile": tile, "samples": drawn})


def _drawn(probe: Probe, tile: int, samples: int | None) -> int:
    """Return the number of in-fills drawn per query of the search."""
    at_least(tile=(tile, 1), samples=(1 if samples is None else samples, 1))
    return (3 if samples is None else samples) if probe.infill.stochastic else 1


def _guide_queries(probe: Probe, guide: Guide, requested: int, search_queries: int) -> int:
    """Return the number of queries for the guide map: under a budget at most half of what the search can spare."""
    if guide == "center":
        probe.affordable(search_queries, smallest=search_queries, hint="fewer samples")
        return 0
    least = _CELLS**2
    at_least(guide_queries=(requested, least))
    limit = probe.affordable(search_queries + 2 * requested, smallest=search_queries + least, hint="guide=center")
    return min(requested, max(least, (limit - search_queries) // 2))


def _guide(probe: Probe, targets: Sequence[Target], guide: Guide, queries: int) -> Mapping[str, Map]:
    """Compute the maps that guide the search."""
    if guide == "center":
        return center(probe, targets).values
    if guide == "rise":
        return rise(probe, targets, masks=queries, cells=_CELLS).values
    size = math.ceil(min(probe.size) / _CELLS)
    strides = (stride for stride in range(1, size) if len(Windows(size, stride).positions(*probe.size)) <= queries)
    return occlusion(probe, targets, size=size, stride=next(strides, size), samples=1).values


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


def _attribution(
    probe: Probe, targets: Sequence[Target], found: Sequence[Regions], settings: dict[str, object]
) -> Attribution:
    """Convert regions to maps, outlines, findings and traces."""
    values: dict[str, Map] = {}
    outlines: dict[str, BoolMap] = {}
    traces: dict[str, Sequence[float]] = {}
    for target, regions in zip(targets, found, strict=True):
        values[target.key] = np.maximum(regions.sufficient, 0.5 * regions.necessary).astype(np.float32)
        named = {"sufficient": regions.sufficient, "necessary": regions.necessary}
        outlines |= {f"{target.key}/{name}": where for name, where in named.items() if where.any()}
        traces |= {f"{target.key}/{name}": steps for name, steps in regions.areas.items()}
    return Attribution(
        values,
        {},
        "region",
        settings,
        next((end for regions in found if (end := regions.stopped_because) != "complete"), "complete"),
        findings=tuple(_finding(probe, target, regions) for target, regions in zip(targets, found, strict=True)),
        traces=traces,
        outlines=outlines,
    )


def _finding(probe: Probe, target: Target, regions: Regions) -> str:
    """State the result in a sentence."""
    if isinstance(target, Contrast):
        wanted = f"{class_name(probe, target.index)} over {class_name(probe, target.other)}"
    else:
        wanted = class_name(probe, int(target.weights(probe.prediction).argmax()))
    if regions.why == "not the answer":
        return f"The classifier does not predict {wanted} for the full image, so no region can keep this prediction."
    if regions.why == "in-fill" or regions.instead is None:
        return (
            f"The in-fill alone is classified as {wanted}, so no part of the image is necessary; try another in-fill."
        )
    kept = f"{regions.sufficient.mean():.1%} of the image is sufficient for {wanted}"
    removed = f"removing {regions.necessary.mean():.1%} changes the prediction to"
    return f"{kept}; {removed} {class_name(probe, regions.instead)}."


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
    return max(1, pixels // _FINEST)


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
