"""Nearest counterfactual: the smallest part of a real picture of another class that changes the answer; nothing is trained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from seewhy.core.access import Access
from seewhy.core.errors import RequestError
from seewhy.core.maps import BoolMap, Companion, Maps, as_map
from seewhy.core.probe import Probe
from seewhy.core.target import Contrast, Target
from seewhy.core.view import View
from seewhy.images.collection import Collection, read_collection
from seewhy.methods.counterfactual import name
from seewhy.methods.references import Distance, References
from seewhy.methods.region_search import wins
from seewhy.methods.swap_search import Swap, Wish, most_queries

_TILES = 14
"""Of the usual tile, along the longer side of the picture."""


def nearest_counterfactual(
    probe: Probe,
    targets: Sequence[Target],
    *,
    reference: str | None = None,
    candidates: int = 5,
    pool: int = 500,
    distance: Distance = "blurred",
    tile: int | None = None,
    edge: float | None = None,
    confidence: float = 0.0,
) -> Maps:
    """Find the smallest part of a real picture of another class that, put into this one, makes the classifier say that class.

    Reference pictures are asked about, the nearest first, until ``candidates`` of them get the other class. Each is put in the
    picture's place, and then given back block by block, large ones first, wherever the answer stays: it is the region that is
    searched, as Goyal et al. (*Counterfactual visual explanations*, ICML 2019) search it among a network's features, here in
    pixels, in place, and by the answer alone. The candidate of which the least area is needed is taken. The counterfactual that is
    returned was shown to the classifier, with its soft edges, and got the other class; that no smaller one would is not known.

    Args:
        probe: the bound question; its in-fill is not used.
        targets: the class c that the classifier says, or ``contrast:c/t``, which names the other class t. For c alone t is the
            runner-up, beside a contrast the t of that, or, if no reference picture gets it, the likeliest class that one does
            get; of a classifier that gives labels only it is the class of the nearest picture that gets another.
        reference: folder, ``.npz`` or idx file of pictures, see `seewhy.images.collection.read_collection`. If it has classes,
            pictures of the class that bears the other's name are asked about first.
        candidates: reference pictures of the other class that are tried.
        pool: reference pictures that may be asked about; under a budget at most half of it.
        distance: ``blurred`` compares means over 16 x 16 cells, ``pixels`` each pixel; both by their squared difference.
        tile: side of the smallest blocks, pixels; auto: a fourteenth of the longer side.
        edge: standard deviation of the soft edge, pixels; auto: half a tile.
        confidence: the least probability that the other class must get; 0: that no class is likelier is enough.

    Returns:
        Maps of intensity, full brightness being 1, the mean over the colours: of a class how much each pixel changes, 0 to 1; of
        a contrast by how much the picture is brighter there than the counterfactual, -1 to 1. The region as outline, the
        counterfactual and the reference picture as companions; area, probability (where there are any) and queries of each
        region that did, from the whole picture to the last, as traces.

    Raises:
        RequestError: there is no reference, a setting is out of range, the budget is too small, or none of the pictures that
            were asked about gets the other class.

    Cost: one query for each reference picture asked about, and for each candidate from 20 to about 100.
    """
    side = max(1, max(probe.size) // _TILES) if tile is None else tile
    soft = side / 2 if edge is None else edge
    _check(candidates, pool, side, soft, confidence)
    pictures = _read(probe, reference)
    most = len(targets) * candidates * most_queries(probe.size, side)
    limit = probe.affordable(1 + min(pool, len(pictures)) + most, smallest=2, hint="another method")
    probe.plan(limit)
    asked = [target for target in targets if bool(wins(probe.prediction[None], target))]
    room = min(pool, len(pictures), max(1, (limit - 1) // 2))
    references = References(probe, pictures, distance=distance, room=room)
    others = _others(references, asked)
    found: dict[int | None, Found] = {}
    wanted = sorted({other for other in others.values() if other is not None})
    for number, other in enumerate(wanted):
        share = (limit - probe.queries.forward_images) // (len(wanted) - number)
        wish = Wish(other, confidence)
        best = _best(references, wish, candidates=candidates, tile=side, edge=soft, queries=share)
        found |= {} if best is None else {other: best}
    if asked and not found:
        raise RequestError("expected " + _nothing(references, others[asked[0].key], confidence))
    settings: dict[str, object] = {"reference": reference, "candidates": candidates, "pool": pool, "distance": distance}
    settings |= {"tile": side, "edge": soft, "confidence": confidence}
    of_target = {key: found[other] for key, other in others.items() if other in found}
    findings = _findings(references, targets, others, found, confidence)
    return _maps(references, targets, of_target, findings, settings)


@dataclass(frozen=True, eq=False)
class Found:
    """The best counterfactual for one other class.

    Args:
        index: of the reference picture.
        rank: of it among those tried, 1 for the nearest.
        swap: the picture with a part of it.
        ends: why the search with each of those tried ended.
    """

    index: int
    rank: int
    swap: Swap
    ends: tuple[str, ...]

    @property
    def stopped_because(self) -> str:
        """``complete`` if the search with each of them was."""
        return next((end for end in self.ends if end != "complete"), "complete")


def _check(candidates: int, pool: int, tile: int, edge: float, confidence: float) -> None:
    """Refuse settings that mean nothing."""
    if min(candidates, pool, tile) < 1:
        raise RequestError(f"expected candidates, pool and tile >= 1, got {candidates}, {pool} and {tile}")
    if edge < 0 or not 0 <= confidence < 1:
        raise RequestError(f"expected edge >= 0 and confidence from 0 to below 1, got {edge:g} and {confidence:g}")


def _read(probe: Probe, reference: str | None) -> Collection:
    """Read the reference pictures as the classifier sees them."""
    if reference is None:
        raise RequestError(
            "expected reference=FOLDER, or an .npz or idx file, with pictures of other classes, got none; "
            "write nearest-counterfactual:reference=FOLDER"
        )
    view = probe.classifier.view
    return read_collection(reference, view=View(probe.size) if view.size is None else view)


def _others(references: References, targets: Sequence[Target]) -> dict[str, int | None]:
    """Settle the class that the picture is to be turned into, for each target."""
    named = {target.key: target.other for target in targets if isinstance(target, Contrast)}
    source, first = int(references.probe.prediction.argmax()), next(iter(named.values()), None)
    return {each.key: named[each.key] if each.key in named else references.rival(source, first) for each in targets}


def _best(references: References, wish: Wish, *, candidates: int, tile: int, edge: float, queries: int) -> Found | None:
    """Search the region with each candidate, and take the smallest; None where no picture gets the wanted answer."""
    probe = references.probe
    last = probe.queries.forward_images + queries
    indices = references.find(wish, candidates)
    if not indices:
        return None
    swaps = [
        Swap(probe, references.picture(index), wish, said=float(references.answers[index][wish.other]), edge=edge)
        for index in indices
    ]
    ends = []
    for number, swap in enumerate(swaps):
        share = (last - probe.queries.forward_images) // (len(swaps) - number)
        ends.append(swap.shrink(tile, share))
    best = min(range(len(swaps)), key=lambda number: swaps[number].area)
    return Found(indices[best], best + 1, swaps[best], tuple(ends))


def _maps(
    references: References,
    targets: Sequence[Target],
    found: Mapping[str, Found],
    findings: tuple[str, ...],
    settings: dict[str, object],
) -> Maps:
    """Turn what was found for each target into maps, outlines, pictures and traces; a target without is even."""
    image = references.probe.image
    values = {target.key: np.zeros(image.shape[1:], dtype=np.float32) for target in targets}
    outlines: dict[str, BoolMap] = {}
    traces: dict[str, tuple[float, ...]] = {}
    for target in targets:
        if target.key in found:
            swap = found[target.key].swap
            change = image - swap.picture
            values[target.key] = as_map((change if isinstance(target, Contrast) else change.abs()).mean(0))
            outlines[f"{target.key}/taken"] = swap.region
            traces |= {f"{target.key}/{name}": steps for name, steps in _traces(references.probe, swap).items()}
    every = {best.swap.wish.other: best for best in found.values()}
    ends = [best.stopped_because for best in every.values() if best.stopped_because != "complete"]
    return Maps(
        values,
        {},
        "intensity",
        settings,
        ends[0] if ends else "complete",
        findings=findings,
        traces=traces,
        outlines=outlines,
        companions=_companions(every),
    )


def _traces(probe: Probe, swap: Swap) -> dict[str, tuple[float, ...]]:
    """List area and queries of each region that did, and what the classifier gave the other class where it tells."""
    areas, probabilities, queries = zip(*swap.steps, strict=True)
    told = {"probability": probabilities} if probe.classifier.access > Access.LABEL else {}
    return {"area": areas, **told, "queries": tuple(map(float, queries))}


def _companions(found: Mapping[int, Found]) -> dict[str, Companion]:
    """Name the pictures; with the class's number where there is more than one other class."""
    pictures = {}
    for other, best in found.items():
        suffix = f"_{other}" if len(found) > 1 else ""
        pictures["counterfactual" + suffix] = best.swap.picture.cpu().numpy()
        pictures["reference" + suffix] = best.swap.donor.cpu().numpy()
    return pictures


def _findings(
    references: References,
    targets: Sequence[Target],
    others: Mapping[str, int | None],
    found: Mapping[int | None, Found],
    confidence: float,
) -> tuple[str, ...]:
    """Say what was found, and why nothing was for the rest."""
    missing = [other for other in dict.fromkeys(others.values()) if other not in found]
    return (
        *(_not_said(references.probe, target) for target in targets if target.key not in others),
        *(_sentence(references, best) for best in found.values()),
        *(f"Expected {_nothing(references, other, confidence)}." for other in missing),
    )


def _sentence(references: References, best: Found) -> str:
    """Say what was found."""
    probe, swap = references.probe, best.swap
    change = float((swap.picture - probe.image).abs().mean())
    sure = f", with p = {swap.steps[-1].probability:.2f} (of that picture itself {swap.steps[0].probability:.2f})"
    return (
        f"With {swap.area:.1%} of the picture taken from reference picture {best.index}{_class_of(references, best.index)} the "
        f"classifier says {name(probe, swap.wish.other)}{sure if probe.classifier.access > Access.LABEL else ''}. The change is "
        f"{change:.3f} of full brightness on average. {_choice(references, best)}"
    )


def _choice(references: References, best: Found) -> str:
    """Say what the reference picture was chosen from."""
    away = f"{references.distances[best.index]:.2f} away"
    if len(best.ends) == 1:
        return f"It is the only one of that class that was found, {away}."
    return f"Of the {len(best.ends)} nearest of that class it is the one of which least is needed: number {best.rank}, {away}."


def _class_of(references: References, index: int) -> str:
    """The class of a reference picture in brackets, as its collection has it."""
    pictures = references.pictures
    return "" if pictures.labels is None else f" ({pictures.classes[pictures.labels[index]]})"


def _not_said(probe: Probe, target: Target) -> str:
    """Say why nothing was sought for a target."""
    said, asked = int(probe.prediction.argmax()), int(target.weights(probe.prediction).argmax())
    if isinstance(target, Contrast):
        return f"The classifier does not hold {name(probe, asked)} likelier than {name(probe, target.other)}: nothing to change."
    return f"The classifier says {name(probe, said)}, not {name(probe, asked)}: nothing to change."


def _nothing(references: References, other: int | None, confidence: float) -> str:
    """Say which answer no reference picture got, and which they got."""
    probe = references.probe
    wanted = "anything else than of the picture itself" if other is None else name(probe, other)
    sure = f" with p >= {confidence:g}" if confidence > 0 else ""
    said = ", ".join(f"{name(probe, index)} of {count}" for index, count in references.said()[:3])
    source = int(probe.prediction.argmax())
    ask = [f"ask for contrast:{source}/{index}, " for index, _ in references.said() if index not in {source, other}][:1]
    return (
        f"reference pictures of which the classifier says {wanted}{sure}, got none among {len(references.answers)} that it was "
        f"shown; it says {said}: {''.join(ask)}give other pictures, or raise pool and budget"
    )
