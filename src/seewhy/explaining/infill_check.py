"""Ask the same windows again with in-fills of another kind: does the map stay the same?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from seewhy import registry
from seewhy.core.arrays import Image
from seewhy.core.attribution import Attribution
from seewhy.core.errors import ClassifierError, RequestError
from seewhy.core.probe import Probe, Progress
from seewhy.core.target import Target
from seewhy.explaining.agreement import PARTLY, agreement
from seewhy.explaining.request import Request, bind, follow
from seewhy.results.codec import as_settings
from seewhy.results.diagnostics import AlternativeInfill, InfillAgreement, InfillCheck, SkippedInfill
from seewhy.results.record import InfillInfo
from seewhy.results.wording import correlation

KINDS = ("patch-sampler", "exemplar", "telea")
"""Learned, copied from the image, continued from the border: tried in this order, without the kind of the main in-fill.

All three match their surroundings: one that does not, gray for example, would disagree with every good map.
"""

ASKED = 2
"""The number of alternative in-fills."""

SAMPLES = 2
"""In-fills per window, of a stochastic one: the fewest that give a standard error."""


@dataclass(frozen=True, eq=False)
class _Answer:
    """What an alternative in-fill answered.

    Args:
        info: for the record.
        queries: the queries that it took.
        maps: None where it cannot fill the holes.
    """

    info: AlternativeInfill | SkippedInfill
    queries: int
    maps: Attribution | None


def ask_other_infills(
    request: Request, probe: Probe, targets: Sequence[Target], maps: Attribution, progress: Progress
) -> InfillCheck:
    """Compare the maps of a request with those of `ASKED` in-fills of another kind.

    Args:
        request: the request that gave the maps.
        probe: the probe that asked the queries.
        targets: targets of the maps.
        maps: maps of the request.
        progress: called with (queries done, queries planned), counting on from the probe's queries.

    Cost: at most ``ASKED x (1 + windows x SAMPLES)`` queries, beyond the request's budget; a deterministic in-fill takes one
    query per window, and one that is skipped takes one in all.
    """
    before, answers = probe.queries.forward_images, list[_Answer]()
    for kind in KINDS:
        spec, infill = registry.infill(kind, request.classifier)
        if type(infill) is type(request.infill):
            continue
        info = InfillInfo(spec.name, str(spec), infill.checksum, infill.stochastic)
        other = replace(request, infill_info=info, infill=infill)
        asked = follow(other, request.infill, maps.settings, before, samples=SAMPLES)
        so_far = before + sum(answer.queries for answer in answers)
        answers.append(_ask(asked, probe.image, targets, _after(so_far, progress)))
        if sum(answer.maps is not None for answer in answers) == ASKED:
            break
    alternatives = [answer.maps for answer in answers if answer.maps is not None]
    return InfillCheck(
        infills=tuple(answer.info for answer in answers if isinstance(answer.info, AlternativeInfill)),
        skipped=tuple(answer.info for answer in answers if isinstance(answer.info, SkippedInfill)),
        queries=sum(answer.queries for answer in answers),
        targets=tuple(_compare(target.key, [maps, *alternatives]) for target in targets),
    )


def _after(queries: int, progress: Progress) -> Progress:
    """Count on from the queries before."""
    return lambda done, planned: progress(queries + done, queries + planned)


def _ask(request: Request, image: Image, targets: Sequence[Target], progress: Progress) -> _Answer:
    """Run one alternative in-fill; it may not support this hole shape."""
    probe, spec = bind(request, image, progress), str(request.infill_info)
    try:
        maps: Attribution = request.method.row.run(probe, targets, **request.method.settings)
    except ClassifierError:
        raise
    except RequestError as problem:
        return _Answer(SkippedInfill(spec, str(problem)), probe.queries.forward_images, None)
    queries = probe.queries.forward_images
    info = AlternativeInfill(
        spec, request.infill.checksum, as_settings(maps.settings), queries, seconds=round(probe.seconds, 3)
    )
    return _Answer(info, queries, maps)


def _compare(key: str, answers: Sequence[Attribution]) -> InfillAgreement:
    """Compare the first map with each of the others."""
    found = agreement([maps.values[key] for maps in answers], [maps.reliability(key) for maps in answers], main=0)
    return InfillAgreement(key, found.correlation, found.expected, found.level, found.correlations[0][1:])


def complaints(check: InfillCheck, labels: Mapping[str, str]) -> list[str]:
    """Warn about maps that change with the in-fill.

    Args:
        check: from `ask_other_infills`.
        labels: key → name, for the targets that matter.

    Returns:
        A sentence for each map whose mean rank correlation is below `PARTLY`; it says *too noisy* where noise may be the reason.
    """
    found = [(labels[each.key], each) for each in check.targets if each.key in labels]
    return [
        _complaint(label, each, each.correlation, check.names)
        for label, each in found
        if each.correlation is not None and each.correlation < PARTLY
    ]


def _complaint(label: str, found: InfillAgreement, value: float, others: str) -> str:
    """Write one warning."""
    measured = f"mean rank correlation {correlation(value)} with the maps of {others}"
    if found.level == "noisy":
        limit = f"noise alone would limit it to {correlation(found.expected)}"
        return (
            f"{label}: too noisy to tell whether the map depends on the in-fill ({measured}; {limit}); ask more samples"
        )
    return f"{label}: the map depends on the in-fill ({measured}); run seewhy compare-infills before you rely on it"
