"""Nearest counterfactual: the smallest part of a real image of another class that changes the prediction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from seewhy.core.access import Access
from seewhy.core.attribution import Attribution, BoolMap, GeneratedPixels, as_map
from seewhy.core.errors import RequestError
from seewhy.core.probe import Probe
from seewhy.core.target import Contrast, Target
from seewhy.core.view import View
from seewhy.images.collection import Collection, read_collection
from seewhy.methods._shared import allow, at_least, quoted_class, requested_class, wins
from seewhy.methods.counterfactual._references import References
from seewhy.methods.counterfactual._swap_search import Swap, most_queries

_TILES = 14
"""Default number of tiles along the longer side of the image."""


def nearest_counterfactual(
    probe: Probe,
    targets: Sequence[Target],
    *,
    reference: str | None = None,
    candidates: int = 5,
    pool: int = 500,
    tile: int | None = None,
    edge: float | None = None,
) -> Attribution:
    """Find the smallest part of a real image of another class that, pasted into the image, changes its class to that.

    Reference images are queried, nearest first (by the mean squared difference between 16 x 16 cells), until
    ``candidates`` of them are classified as the other class; nothing is trained. Each candidate replaces the full image
    at first. Then blocks of the original are restored, large ones first, wherever the prediction stays. The search is
    over the region, as in Goyal et al. (*Counterfactual visual explanations*, ICML 2019), who search a network's
    features; here it is in pixels, at the same position, and uses only predictions. The candidate with the smallest
    area is chosen. The returned counterfactual was shown to the classifier, with its soft edges, and was classified as
    the other class; a smaller one may exist.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together; the in-fill is not used.
        targets: the predicted class c, or ``contrast:c/t``, which names the other class t. For c alone, t is the t of
            a contrast requested alongside, or else the runner-up. If no reference image is classified as t, it is the
            most probable class that one is classified as; for a classifier that outputs labels only, the class of the
            nearest image classified differently.
        reference: folder, ``.npz`` or idx file of images, see `seewhy.images.collection.read_collection`. If it has
            class names, images of the class with the other class's name are queried first.
        candidates: number of reference images of the other class to try, 1 or more.
        pool: most reference images to query, 1 or more; under a budget at most half of it.
        tile: side of the smallest blocks, pixels, 1 or more; auto: a fourteenth of the longer side.
        edge: standard deviation of the soft edge, pixels, 0 or more; auto: half a tile.

    Returns:
        Maps of intensity, where full brightness is 1, averaged over the colour channels: for a class how much each
        pixel changes, 0 to 1; for a contrast how much brighter the image is than the counterfactual, -1 to 1. The
        region is an outline; the counterfactual and the reference image are generated. Traces list area, probability
        (if the classifier outputs it) and queries of each successful region, from the full image to the last.

    Raises:
        RequestError: no reference is given, a setting is out of range, the budget is too small, or none of the
            queried images is classified as the other class.

    Cost: one query for each reference image queried, and 20 to about 100 for each candidate.
    """
    side = max(1, max(probe.size) // _TILES) if tile is None else tile
    soft = side / 2 if edge is None else edge
    at_least(candidates=(candidates, 1), pool=(pool, 1), tile=(side, 1), edge=(soft, 0))
    collection = _read(probe, reference)
    most = len(targets) * candidates * most_queries(probe.size, side)
    limit = 1 + allow(probe, min(pool, len(collection)) + most, fewest=1, hint="another method")
    solvable = [target for target in targets if bool(wins(probe.prediction[None], target))]
    pool_limit = min(pool, len(collection), max(1, (limit - 1) // 2))
    references = References(probe, collection, limit=pool_limit)
    others = _others(references, solvable)
    found: dict[int | None, Found] = {}
    wanted = sorted({other for other in others.values() if other is not None})
    for number, other in enumerate(wanted):
        share = (limit - probe.queries.forward_images) // (len(wanted) - number)
        best = _best(references, other, candidates=candidates, tile=side, edge=soft, queries=share)
        found |= {} if best is None else {other: best}
    if solvable and not found:
        raise RequestError("expected " + _no_reference(references, others[solvable[0].key]))
    findings = (
        *(
            f"The classifier does not predict {requested_class(probe, target)}: there is nothing to change."
            for target in targets
            if target.key not in others
        ),
        *(_sentence(references, best) for best in found.values()),
        *(
            f"Expected {_no_reference(references, other)}."
            for other in dict.fromkeys(others.values())
            if other not in found
        ),
    )
    settings = {"reference": reference, "candidates": candidates, "pool": pool, "tile": side, "edge": soft}
    of_target = {key: found[other] for key, other in others.items() if other in found}
    return _attribution(probe, targets, of_target, settings, findings)


@dataclass(frozen=True, eq=False)
class Found:
    """The best counterfactual for one other class: the reference image, and its rank by distance among the candidates."""

    index: int
    rank: int
    candidates: int
    swap: Swap
    stopped_because: str


def _read(probe: Probe, reference: str | None) -> Collection:
    """Read the reference images in the classifier's view."""
    if reference is None:
        raise RequestError(
            "expected reference=FOLDER, or an .npz or idx file, with images of other classes, got none; "
            "write nearest-counterfactual:reference=FOLDER"
        )
    view = probe.classifier.view
    return read_collection(reference, view=View(probe.size) if view.size is None else view)


def _others(references: References, targets: Sequence[Target]) -> dict[str, int | None]:
    """Return the other class for each target."""
    named = {target.key: target.other for target in targets if isinstance(target, Contrast)}
    source, first = int(references.probe.prediction.argmax()), next(iter(named.values()), None)
    return {
        each.key: named[each.key] if each.key in named else references.contrast_class(source, first) for each in targets
    }


def _best(references: References, other: int, *, candidates: int, tile: int, edge: float, queries: int) -> Found | None:
    """Search the region with each candidate, and return the smallest; None if no image is classified as wanted."""
    probe = references.probe
    last = probe.queries.forward_images + queries
    indices = references.find(other, candidates)
    if not indices:
        return None
    swaps = [
        Swap(probe, references.image(index), other, probability=float(references.answers[index][other]), edge=edge)
        for index in indices
    ]
    stopped = "complete"
    for number, swap in enumerate(swaps):
        end = swap.shrink(tile, (last - probe.queries.forward_images) // (len(swaps) - number))
        stopped = end if stopped == "complete" else stopped
    best = min(range(len(swaps)), key=lambda number: swaps[number].area)
    return Found(indices[best], best + 1, len(swaps), swaps[best], stopped)


def _attribution(
    probe: Probe,
    targets: Sequence[Target],
    found: Mapping[str, Found],
    settings: Mapping[str, object],
    findings: tuple[str, ...],
) -> Attribution:
    """Convert the results to maps, outlines, images and traces; a target without a result gets a map of zeros."""
    values = {target.key: np.zeros(probe.size, dtype=np.float32) for target in targets}
    outlines: dict[str, BoolMap] = {}
    traces: dict[str, tuple[float, ...]] = {}
    for target in targets:
        if target.key in found:
            swap = found[target.key].swap
            change = probe.image - swap.image
            values[target.key] = as_map((change if isinstance(target, Contrast) else change.abs()).mean(0))
            outlines[f"{target.key}/taken"] = swap.region
            areas, probabilities, queries = zip(*swap.steps, strict=True)
            traces[f"{target.key}/area"] = areas
            if probe.classifier.access > Access.LABEL:
                traces[f"{target.key}/probability"] = probabilities
            traces[f"{target.key}/queries"] = tuple(map(float, queries))
    bests = {best.swap.other: best for best in found.values()}
    generated: dict[str, GeneratedPixels] = {}
    for other, best in bests.items():
        suffix = f"_{other}" if len(bests) > 1 else ""
        generated["counterfactual" + suffix] = best.swap.image.cpu().numpy()
        generated["reference" + suffix] = best.swap.donor.cpu().numpy()
    stopped = next((end for best in bests.values() if (end := best.stopped_because) != "complete"), "complete")
    return Attribution(
        values,
        {},
        "intensity",
        settings,
        stopped,
        findings=findings,
        traces=traces,
        outlines=outlines,
        generated=generated,
    )


def _sentence(references: References, best: Found) -> str:
    """State what was found."""
    probe, swap = references.probe, best.swap
    change = float((swap.image - probe.image).abs().mean())
    confident = ""
    if probe.classifier.access > Access.LABEL:
        first, last = swap.steps[0].probability, swap.steps[-1].probability
        confident = f", with p = {last:.2f} ({first:.2f} for the reference image itself)"
    collection = references.collection
    labelled = "" if collection.labels is None else f" ({collection.classes[collection.labels[best.index]]})"
    away = f"distance {references.distances[best.index]:.2f}"
    choice = f"It is the only reference image found with that class, at {away}."
    if best.candidates > 1:
        choice = (
            f"Of the {best.candidates} nearest reference images with that class, it needs the smallest area: "
            f"number {best.rank} by distance, at {away}."
        )
    return (
        f"With {swap.area:.1%} of the image taken from reference image {best.index}{labelled}, the classifier predicts "
        f"{quoted_class(probe, swap.other)}{confident}. The change is {change:.3f} of full brightness on average. {choice}"
    )


def _no_reference(references: References, other: int | None) -> str:
    """State which prediction no reference image got, and which predictions they got."""
    probe = references.probe
    wanted = "any class other than that of the image" if other is None else quoted_class(probe, other)
    predictions = ", ".join(
        f"{quoted_class(probe, index)} for {count}" for index, count in references.predictions()[:3]
    )
    source = int(probe.prediction.argmax())
    possible = [index for index, _ in references.predictions() if index not in {source, other}]
    request = f"request contrast:{source}/{possible[0]}, " if possible else ""
    return (
        f"reference images classified as {wanted}, got none among {len(references.answers)} queried "
        f"(predictions: {predictions}); {request}use other images, or raise pool and budget"
    )
