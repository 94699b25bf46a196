"""Minimal region: the smallest region sufficient for the prediction, and the smallest necessary for it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from seewhy.core.attribution import Attribution, Map
from seewhy.core.errors import RequestError
from seewhy.core.features import Windows
from seewhy.core.probe import Probe
from seewhy.core.target import Contrast, Target
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
    """Find the same regions as `minimal_region`, guided by existing maps.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together.
        targets: classes and contrasts.
        guides: the guide map of each target, by key.
        tile: side of the tiles that are left out, pixels.
        samples: as for `minimal_region`.

    Raises:
        RequestError: a setting is out of range, or the budget is too small.
    """
    drawn = _drawn(probe, tile, samples)
    least, most = fewest(probe.size, drawn), most_queries(probe.size, tile, drawn)
    spent = max(1, probe.queries.forward_images)
    probe.affordable(spent + len(targets) * most, smallest=spent + len(targets) * least, hint="fewer samples")
    found: dict[str, Regions] = {}
    for number, target in enumerate(targets):
        left = math.inf if probe.budget.queries is None else probe.budget.queries - max(1, probe.queries.forward_images)
        room = int(min(most, left // (len(targets) - number)))
        found[target.key] = find_regions(probe, target, guides[target.key], tile=tile, samples=drawn, queries=room)
    return _maps(probe, targets, found, {"tile": tile, "samples": drawn})


def _drawn(probe: Probe, tile: int, samples: int | None) -> int:
    """Return the number of in-fills drawn per query of the search."""
    if tile < 1 or (samples is not None and samples < 1):
        raise RequestError(f"expected tile and samples >= 1, got {tile} and {samples}")
    return (3 if samples is None else samples) if probe.infill.stochastic else 1


def _guide_queries(probe: Probe, guide: Guide, requested: int, search_queries: int) -> int:
    """Return the number of queries for the guide map: under a budget at most half of what the search can spare."""
    if guide == "center":
        probe.affordable(search_queries, smallest=search_queries, hint="fewer samples")
        return 0
    least = _CELLS**2
    if requested < least:
        raise RequestError(f"expected guide_queries >= {least} for {guide}, got {requested}; or choose guide=center")
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


def _maps(
    probe: Probe, targets: Sequence[Target], found: Mapping[str, Regions], settings: dict[str, object]
) -> Attribution:
    """Convert regions to maps, outlines, findings and traces."""
    values: dict[str, Map] = {
        key: np.maximum(regions.sufficient, 0.5 * regions.necessary).astype(np.float32)
        for key, regions in found.items()
    }
    ends = [regions.stopped_because for regions in found.values() if regions.stopped_because != "complete"]
    return Attribution(
        values,
        {},
        "region",
        settings,
        ends[0] if ends else "complete",
        findings=tuple(
            found[target.key].sentence(lambda k: _name(probe, k), _describe(probe, target)) for target in targets
        ),
        traces={f"{key}/{name}": steps for key, regions in found.items() for name, steps in regions.areas.items()},
        outlines={name: where for key, regions in found.items() for name, where in regions.outlines(key).items()},
    )


def _describe(probe: Probe, target: Target) -> str:
    """Return what the classifier predicts where the target wins."""
    if isinstance(target, Contrast):
        return f"{_name(probe, target.index)} over {_name(probe, target.other)}"
    return _name(probe, int(target.weights(probe.prediction).argmax()))


def _name(probe: Probe, index: int) -> str:
    """Return the label of a class, or its number if the classifier has no labels."""
    labels = probe.classifier.labels
    return f"'{labels[index]}'" if labels else f"class {index}"
