"""Minimal region: the smallest part of a picture that alone keeps the answer, and the smallest without which it changes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from seewhy.core.errors import RequestError
from seewhy.core.features import Windows
from seewhy.core.maps import Map, Maps
from seewhy.core.probe import Probe
from seewhy.core.target import Contrast, Target
from seewhy.methods.controls import center
from seewhy.methods.occlusion import occlusion
from seewhy.methods.region_search import Regions, fewest, find_regions, most_queries
from seewhy.methods.rise import rise

Guide = Literal["rise", "occlusion", "center"]

_CELLS = 7
"""Of the guide, along each side: cells of a grid, or windows side by side."""


def minimal_region(
    probe: Probe,
    targets: Sequence[Target],
    *,
    guide: Guide = "rise",
    guide_queries: int = 600,
    tile: int = 16,
    samples: int | None = None,
) -> Maps:
    """Find the smallest sufficient and the smallest necessary region, in the order of a map that is made first.

    Sufficient: with all else filled in, the target is still the likeliest class (a preservation). Necessary: with the region
    filled in, it no longer is (a deletion; both after Fong, Vedaldi, ICCV 2017). The area is bisected in the order of the
    guide, then tiles are left out, the lowest of the map first, wherever the rest still does. Only the likeliest class of each
    answer is looked at, so a classifier that gives nothing else will do.

    Args:
        probe: the bound question.
        targets: classes and contrasts.
        guide: the map that says where to begin: ``rise``, ``occlusion``, or ``center``: nothing but the distance from the middle.
        guide_queries: that it may take; under a budget at most half of it.
        tile: side of the tiles that are left out, pixels.
        samples: in-fills drawn for a question, which must agree; auto: 1 where the in-fill is the same every time, else 3.

    Returns:
        Maps: 1 in the sufficient region, 0.5 where only the necessary one is, else 0; both regions as outlines; their areas in
        words (``findings``) and step by step (``traces``).

    Raises:
        RequestError: a setting is out of range, or the budget is too small.

    Cost at 224 x 224, with an in-fill that is the same every time: ``guide_queries``, 22, and at most two for each tile.
    """
    drawn = _drawn(probe, tile, samples)
    asked = _share(probe, guide, guide_queries, 1 + len(targets) * fewest(probe.size, drawn))
    probe.plan(1 + asked + len(targets) * most_queries(probe.size, tile, drawn))
    guides = _guide(probe, targets, guide, asked)
    maps = minimal_region_of(probe, targets, guides, tile=tile, samples=drawn)
    return replace(maps, settings={"guide": guide, "guide_queries": asked, **maps.settings})


def minimal_region_of(
    probe: Probe, targets: Sequence[Target], guides: Mapping[str, Map], *, tile: int, samples: int | None
) -> Maps:
    """Do as `minimal_region` does, in the order of maps that are there already.

    Args:
        probe: the bound question.
        targets: classes and contrasts.
        guides: target → its map.
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
    """Settle how many in-fills a question takes."""
    if tile < 1 or (samples is not None and samples < 1):
        raise RequestError(f"expected tile and samples >= 1, got {tile} and {samples}")
    return (3 if samples is None else samples) if probe.infill.stochastic else 1


def _share(probe: Probe, guide: Guide, wish: int, others: int) -> int:
    """Settle how many queries the guide takes: as wished, but under a budget at most half of what the others can spare."""
    if guide == "center":
        probe.affordable(others, smallest=others, hint="fewer samples")
        return 0
    least = _CELLS**2
    if wish < least:
        raise RequestError(f"expected guide_queries >= {least} for {guide}, got {wish}; or guide=center")
    limit = probe.affordable(others + 2 * wish, smallest=others + least, hint="guide=center")
    return min(wish, max(least, (limit - others) // 2))


def _guide(probe: Probe, targets: Sequence[Target], guide: Guide, queries: int) -> Mapping[str, Map]:
    """Make the maps that the search goes by."""
    if guide == "center":
        return center(probe, targets).values
    if guide == "rise":
        return rise(probe, targets, masks=queries, cells=_CELLS).values
    size = math.ceil(min(probe.size) / _CELLS)
    strides = (stride for stride in range(1, size) if len(Windows(size, stride).positions(*probe.size)) <= queries)
    return occlusion(probe, targets, size=size, stride=next(strides, size), samples=1).values


def _maps(probe: Probe, targets: Sequence[Target], found: Mapping[str, Regions], settings: dict[str, object]) -> Maps:
    """Turn regions into maps, outlines, sentences and traces."""
    values: dict[str, Map] = {
        key: np.maximum(regions.sufficient, 0.5 * regions.necessary).astype(np.float32)
        for key, regions in found.items()
    }
    ends = [regions.stopped_because for regions in found.values() if regions.stopped_because != "complete"]
    return Maps(
        values,
        {},
        "region",
        settings,
        ends[0] if ends else "complete",
        findings=tuple(
            found[target.key].sentence(lambda k: _name(probe, k), _words(probe, target)) for target in targets
        ),
        traces={f"{key}/{name}": steps for key, regions in found.items() for name, steps in regions.areas.items()},
        outlines={name: where for key, regions in found.items() for name, where in regions.outlines(key).items()},
    )


def _words(probe: Probe, target: Target) -> str:
    """What the classifier says where the target wins."""
    if isinstance(target, Contrast):
        return f"{_name(probe, target.index)} before {_name(probe, target.other)}"
    return _name(probe, int(target.weights(probe.prediction).argmax()))


def _name(probe: Probe, index: int) -> str:
    """A class by its name, or its number where it has none."""
    labels = probe.classifier.labels
    return f"'{labels[index]}'" if labels else f"class {index}"
