"""Minimal region: the smallest region sufficient for the prediction, and the smallest necessary for it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from seewhy.core.attribution import Attribution, BoolMap, Map
from seewhy.core.features import Windows
from seewhy.core.probe import Probe
from seewhy.core.target import Contrast, Target
from seewhy.methods._shared import at_least, class_name
from seewhy.methods.controls import center
from seewhy.methods.sampling.rise import rise
from seewhy.methods.search._region_search import Regions, fewest, find_regions, most_queries
from seewhy.methods.windows.occlusion import occlusion

Guide = Literal["rise", "occlusion", "center"]

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
