"""Minimal region: the smallest region sufficient for the prediction, and the smallest necessary for it, guided by a map."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Int

from seewhy.core.attribution import Attribution, BoolMap, Map
from seewhy.core.errors import RequestError
from seewhy.core.probe import Answers, Probe
from seewhy.core.target import Target
from seewhy.methods._shared import at_least, blocks, quoted_class, requested_class, seeds, wins
from seewhy.methods.sampling.rise import rise

_FINEST = 1000
"""The area is searched in steps of the image's area divided by this, or of one pixel if that is larger."""

_CELLS = 7
"""Cells along each side of the grids that give the guide map."""


def minimal_region(
    probe: Probe,
    targets: Sequence[Target],
    *,
    guide_queries: int = 600,
    tile: int = 16,
    samples: int | None = None,
) -> Attribution:
    """Find the smallest sufficient and the smallest necessary region, guided by a map of `rise` computed first.

    Sufficient: with everything else filled in, the target is still the predicted class (preservation). Necessary:
    with the region filled in, it no longer is (deletion; both after Fong, Vedaldi, ICCV 2017). A bisection finds the
    area, in the order of the guide map. Then tiles are left out, lowest map value first, wherever the remaining
    region still works. Only the predicted class of each query is used, so a classifier that outputs labels alone is
    sufficient. A smaller region may exist: the search follows the map, and the prediction need not be monotone in the
    region.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together.
        targets: classes and contrasts.
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
    at_least(guide_queries=(guide_queries, _CELLS**2))
    search = 1 + len(targets) * fewest(probe.size, drawn)
    limit = probe.affordable(search + 2 * guide_queries, smallest=search + _CELLS**2, hint="fewer samples")
    grids = min(guide_queries, max(_CELLS**2, (limit - search) // 2))
    probe.plan(1 + grids + len(targets) * most_queries(probe.size, tile, drawn))
    guides = rise(probe, targets, masks=grids, cells=_CELLS).values
    maps = minimal_region_of(probe, targets, guides, tile=tile, samples=drawn)
    return replace(maps, settings={"guide_queries": grids, **maps.settings})


def minimal_region_of(
    probe: Probe, targets: Sequence[Target], guides: Mapping[str, Map], *, tile: int, samples: int | None
) -> Attribution:
    """Find the same regions as `minimal_region`, guided by the map of each target in ``guides``, by key."""
    drawn = _drawn(probe, tile, samples)
    least, most = fewest(probe.size, drawn), most_queries(probe.size, tile, drawn)
    spent = max(1, probe.queries.forward_images)
    probe.affordable(spent + len(targets) * most, smallest=spent + len(targets) * least, hint="fewer samples")
    found = []
    for number, target in enumerate(targets):
        left = math.inf if probe.budget.queries is None else probe.budget.queries - max(1, probe.queries.forward_images)
        room = int(min(most, left // (len(targets) - number)))
        found.append(find_regions(probe, target, guides[target.key], tile=tile, samples=drawn, queries=room))
    return _attribution(targets, found, {"tile": tile, "samples": drawn})


def _drawn(probe: Probe, tile: int, samples: int | None) -> int:
    """Return the number of in-fills drawn per query of the search."""
    at_least(tile=(tile, 1), samples=(1 if samples is None else samples, 1))
    return (3 if samples is None else samples) if probe.infill.stochastic else 1


@dataclass(frozen=True, eq=False)
class Regions:
    """The regions found for one target, all false where there is none, with their areas after each step."""

    finding: str
    sufficient: BoolMap
    necessary: BoolMap
    areas: dict[str, tuple[float, ...]] = field(default_factory=dict)
    stopped_because: str = "complete"


def _attribution(targets: Sequence[Target], found: Sequence[Regions], settings: dict[str, object]) -> Attribution:
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
        findings=tuple(regions.finding for regions in found),
        traces=traces,
        outlines=outlines,
    )


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
    """
    if guide.shape != probe.size:
        raise RequestError(f"expected a map of {probe.size}, got {guide.shape}; explain with the same classifier")
    nothing, wanted = np.zeros(probe.size, dtype=bool), requested_class(probe, target)
    if not bool(wins(probe.prediction[None], target)):
        finding = f"The classifier does not predict {wanted} for the full image, so no region can keep this prediction."
        return Regions(finding, nothing, nothing)
    infill_alone = (
        f"The in-fill alone is classified as {wanted}, so no part of the image is necessary; try another in-fill."
    )
    tester = _Tester(probe, target, samples, queries)
    if tester.keeps(nothing):
        return Regions(infill_alone, nothing, nothing)
    order, tiles = np.argsort(-guide, axis=None, kind="stable"), _tiles(guide, tile)
    kept, removed = (_smallest(probe.size, order, works) for works in (tester.keeps, tester.loses))
    left = queries - tester.used
    kept += _pruned(kept[-1], tiles, tester.keeps, lambda: tester.can_continue(reserve=left // 2))
    removed += _pruned(removed[-1], tiles, tester.loses, tester.can_continue)
    steps = {"sufficient": kept, "necessary": removed}
    areas = {name: tuple(float(region.mean()) for region in regions) for name, regions in steps.items()}
    if tester.instead is None:
        return Regions(infill_alone, kept[-1], removed[-1], areas, tester.stopped)
    finding = (
        f"{areas['sufficient'][-1]:.1%} of the image is sufficient for {wanted}; removing {areas['necessary'][-1]:.1%} "
        f"changes the prediction to {quoted_class(probe, tester.instead)}."
    )
    return Regions(finding, kept[-1], removed[-1], areas, tester.stopped)


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
    return sorted(blocks((guide.shape[0], guide.shape[1]), side), key=lambda tile: float(guide[tile].mean()))


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
