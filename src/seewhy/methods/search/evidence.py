"""Evidence: the additive map of every target, and a search for the first one, on one budget."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from seewhy.core.attribution import SHARE, Attribution, Map
from seewhy.core.probe import Probe
from seewhy.core.ranks import spearman
from seewhy.core.target import Target
from seewhy.images.partition_tree import Labels
from seewhy.images.regions import Shape
from seewhy.methods._shared import at_least
from seewhy.methods.sampling.additive import UNITS, Estimate, estimate
from seewhy.methods.search._chain import Asker
from seewhy.methods.search._results import Found, found, named
from seewhy.methods.search.search import chain_of, check_enough, draws, fitting, regions_of, together

_GRIDS = 10
"""The fewest grids of an additive map."""

_DISAGREE = 0.2
"""Rank correlation of the search and the additive map below which a finding says that they disagree."""

_CLEAR = 3.0
"""Standard errors by which the evidence of a region must lie below 0 to speak against the target: one of many is drawn."""


def evidence(
    probe: Probe,
    targets: Sequence[Target],
    *,
    queries: int = 1000,
    grids: int = 300,
    regions: int | str = 50,
    shape: Shape = "tree",
    window: int = 8,
    enough: float = 0.97,
    samples: int | None = None,
) -> Attribution:
    """Search for the evidence for the first target, region by region, from additive maps of all targets.

    The queries of `seewhy.methods.sampling.additive.additive` give a signed map of every target. The first target is then
    searched for, from its additive map, as by `seewhy.methods.search.search.search`: which regions carry it, in which order,
    and how many nats each adds to those before it. The queries depend on the first target and the seed alone.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together.
        targets: any; the first one is searched for.
        queries: the most queries in all, that of the image included, 16 or more; the budget may reduce it.
        grids: queries of the additive maps, 10 or more; at most two fifths of all queries.
        regions: approximate number of regions, 2 or more; or the path of an image in which each colour is a region, of the
            size of the explained image or of the classifier's view.
        shape: parts of a ``tree`` grown from the picture, ``slic`` superpixels (needs scikit-image), or cells of a ``grid``.
        window: regions tried in each step, 1 or more; reduced if there are too few queries for it.
        enough: share of the first target that suffices, above 0.5 and below 1.
        samples: in-fills drawn for each set of regions, 1 or more; auto: 1, and 4 for random in-fills and labels only.

    Returns:
        For the first target the share of its evidence that was still missing when a pixel's region was shown, 0 to 1, with
        ``regions``, ``outlines`` and ``traces`` as `search` returns them, and an outline of the region that clearly speaks against
        it, if there is one. For all other targets the maps of `additive`, in its unit and with its standard errors; a finding
        says so, and findings name questions that have no answer.

    Raises:
        RequestError: a setting is out of range, the regions cannot be read, scikit-image is missing for ``slic``, or the
            budget is less than 16 queries.

    Cost: ``queries`` at most, for any number of targets; usually less, since the search ends once it has found enough.
    """
    at_least(
        grids=(grids, _GRIDS), queries=(queries, 16), window=(window, 1), samples=(1 if samples is None else samples, 1)
    )
    check_enough(enough)
    labels, drawn, first = regions_of(probe, regions, shape), draws(probe, samples), targets[0]
    limit = probe.affordable(queries, smallest=16, hint="another method")
    begin = min(grids, max(_GRIDS, 2 * limit // 5)) // 2 * 2
    with probe.limited(1 + begin, share=1 / 3):
        additive = estimate(probe, targets, samples=begin)
    room = limit - probe.queries.forward_images
    probe.plan(limit)
    width = fitting(window, int(labels.max()) + 1, room // drawn)
    maps = additive.values()
    chain = chain_of(
        probe, first, labels, maps[first.key], Asker(probe, labels, drawn, room), window=width, enough=enough
    )
    result = _with_opposition(
        found(probe, first, chain, labels, maps[first.key]), additive, labels, named(probe, first)
    )
    settings = {"queries": queries, "grids": additive.samples, "regions": regions, "shape": shape, "window": width}
    searched = together([result], labels, {**settings, "enough": enough, "samples": drawn}, additive.stopped_because)
    others = [target.key for target in targets[1:]]
    return replace(
        searched,
        values={**searched.values, **{key: maps[key] for key in others}},
        stderr={key: values for key, values in additive.errors().items() if key in others},
        unit=UNITS[additive.score],
        units={first.key: SHARE},
        unsigned=(first.key,),
        predicted=True,
        findings=(*result.findings, *_disagreement(result, maps[first.key]), *_about(first.key, others)),
    )


def _with_opposition(result: Found, additive: Estimate, labels: Labels, name: str) -> Found:
    """Add the region with the most evidence against the target, where the additive map is sure that it is against."""
    numbers = labels.cpu()
    posterior = additive.posteriors[result.key]
    parts = [
        (*posterior.region((numbers == region).to(labels.device, torch.float64)), region)
        for region in range(int(numbers.max()) + 1)
    ]
    value, error, region = min(parts)
    if value >= -_CLEAR * error:
        return result
    unit = UNITS[additive.score].removesuffix(" per pixel")
    text = f"One region speaks against {name}: {value:.2g} ± {error:.2g} {unit}, on average over what else is shown."
    outlines = {**result.outlines, "against": (numbers == region).numpy()}
    return replace(result, outlines=outlines, findings=(*result.findings, text))


def _disagreement(result: Found, additive: Map) -> list[str]:
    """Warn where the search found evidence where the additive map has none."""
    agreement = spearman(result.values, additive)
    if agreement is None or agreement >= _DISAGREE:
        return []
    return [
        (
            f"The search and the additive map of {result.key} disagree (rank correlation {agreement:.2f}): what matters depends on what "
            "else is shown. Compare the map of additive, or raise the budget."
        )
    ]


def _about(first: str, others: Sequence[str]) -> list[str]:
    """Say which maps are which."""
    if not others:
        return []
    return [
        f"Only {first} was searched for; the other maps are those of additive: what a pixel adds on average over what else is shown."
    ]
