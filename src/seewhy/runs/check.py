"""Ask the same windows once more with in-fills of another kind: does the map stay?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from seewhy import registry
from seewhy.core.arrays import Image
from seewhy.core.errors import ClassifierError, RequestError
from seewhy.core.maps import Maps
from seewhy.core.probe import Probe, Progress
from seewhy.core.target import Target
from seewhy.draw.words import correlation
from seewhy.runs.agreement import PARTLY, agreement
from seewhy.runs.request import Request, bind, follow

KINDS = ("patch-sampler", "exemplar", "telea")
"""Learned, copied from the picture, carried on from the border: asked in this order, the main in-fill's kind left out.

All three fit their surroundings: one that does not, gray say, would disagree with every good map.
"""

ASKED = 2
"""So many of them are asked."""

SAMPLES = 2
"""In-fills a window, of a random one: the least that has a standard error."""


@dataclass(frozen=True, eq=False)
class _Opinion:
    """What another in-fill answered.

    Args:
        facts: for the record.
        queries: what it took.
        maps: its maps; None where it cannot fill the holes.
    """

    facts: Mapping[str, Any]
    queries: int
    maps: Maps | None


def second_opinion(
    request: Request, probe: Probe, targets: Sequence[Target], maps: Maps, progress: Progress
) -> dict[str, Any]:
    """Hold the maps of a request against those of `ASKED` in-fills of another kind.

    Args:
        request: that gave the maps.
        probe: through which it was asked.
        targets: of the maps.
        maps: what came of it.
        progress: told of each batch, on top of the probe's queries.

    Returns:
        The manifest's ``infill_check``; an in-fill that cannot fill the holes is listed there as skipped.

    Cost: at most ``ASKED x (1 + windows x SAMPLES)`` queries, whatever the request's budget; one a window for an in-fill that
    is the same every time, one in all for one that is skipped.
    """
    before, opinions = probe.queries.forward_images, list[_Opinion]()
    for kind in KINDS:
        spec, infill = registry.infill(kind, request.classifier)
        if type(infill) is type(request.infill):
            continue
        other = replace(request, infill_spec=spec, infill=infill)
        asked = follow(other, request.infill, maps.settings, before, samples=SAMPLES)
        so_far = before + sum(opinion.queries for opinion in opinions)
        opinions.append(_ask(asked, probe.image, targets, _after(so_far, progress)))
        if sum(opinion.maps is not None for opinion in opinions) == ASKED:
            break
    return _facts(opinions, targets, maps)


def _after(queries: int, progress: Progress) -> Progress:
    """Count on from the queries before."""
    return lambda done, planned: progress(queries + done, queries + planned)


def _ask(request: Request, image: Image, targets: Sequence[Target], progress: Progress) -> _Opinion:
    """Ask one in-fill, which may refuse the holes."""
    probe = bind(request, image, progress)
    spec = {"spec": str(request.infill_spec)}
    try:
        maps: Maps = request.function(probe, targets, **request.settings)
    except ClassifierError:
        raise
    except RequestError as problem:
        return _Opinion({**spec, "because": str(problem)}, probe.queries.forward_images, None)
    used = {
        "settings": dict(maps.settings),
        "queries": probe.queries.forward_images,
        "seconds": round(probe.seconds, 3),
    }
    return _Opinion({**spec, "checksum": request.infill.checksum, **used}, probe.queries.forward_images, maps)


def _facts(opinions: Sequence[_Opinion], targets: Sequence[Target], maps: Maps) -> dict[str, Any]:
    """What goes into the manifest."""
    answers = [maps, *(opinion.maps for opinion in opinions if opinion.maps is not None)]
    return {
        "infills": [opinion.facts for opinion in opinions if opinion.maps is not None],
        "skipped": [opinion.facts for opinion in opinions if opinion.maps is None],
        "queries": sum(opinion.queries for opinion in opinions),
        "targets": [_compare(target.key, answers) for target in targets],
    }


def _compare(key: str, answers: Sequence[Maps]) -> dict[str, Any]:
    """Hold the first map against each of the others."""
    found = agreement([maps.values[key] for maps in answers], [maps.reliability(key) for maps in answers], main=0)
    return {
        "key": key,
        "correlation": found.correlation,
        "expected": found.expected,
        "verdict": found.verdict,
        "each": list(found.correlations[0][1:]),
    }


def complaints(check: Mapping[str, Any], labels: Mapping[str, str]) -> list[str]:
    """Say which of some maps do not stay with another in-fill.

    Args:
        check: from `second_opinion`.
        labels: target's key → its name, for the targets that matter.

    Returns:
        A sentence for each whose mean rank correlation is below `PARTLY`; it says *too noisy* where noise may be the reason.
    """
    others = " and ".join(infill["spec"].partition(":")[0] for infill in check["infills"])
    found = [row for row in check["targets"] if row["key"] in labels and row["correlation"] is not None]
    return [_complaint(labels[row["key"]], row, others) for row in found if row["correlation"] < PARTLY]


def _complaint(label: str, row: Mapping[str, Any], others: str) -> str:
    """One warning."""
    measured = f"mean rank correlation {correlation(row['correlation'])} with the maps of {others}"
    if row["verdict"] == "noisy":
        left = f"noise alone would leave {correlation(row['expected'])}"
        return (
            f"{label}: too noisy to tell whether the map depends on the in-fill ({measured}; {left}); ask more samples"
        )
    return f"{label}: the map depends on the in-fill ({measured}); see seewhy compare-infills before you believe it"
