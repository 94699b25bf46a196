"""Ask the same windows again with in-fills of another kind: does the map stay the same?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from seewhy.core.attribution import Attribution
from seewhy.core.errors import ClassifierError, RequestError
from seewhy.core.probe import Probe, Progress
from seewhy.core.target import Target
from seewhy.explaining.diagnostics.agreement import PARTLY, agreement
from seewhy.explaining.request import Request, bind, build_infill, follow
from seewhy.results.codec import as_settings
from seewhy.results.diagnostics import AlternativeInfill, InfillAgreement, InfillCheck, SkippedInfill
from seewhy.results.wording import correlation

KINDS = ("patch-sampler", "exemplar", "telea")
"""Learned, copied from the image, continued from the border: tried in this order, without the kind of the main in-fill.

All three match their surroundings: one that does not, gray for example, would disagree with every good map.
"""

ALTERNATIVES = 2
"""The number of alternative in-fills."""

SAMPLES = 2
"""In-fills per window, of a stochastic one: the fewest that give a standard error."""


def ask_other_infills(
    request: Request, probe: Probe, targets: Sequence[Target], maps: Attribution, progress: Progress
) -> InfillCheck:
    """Compare the maps of a request, which a probe has answered, with those of `ALTERNATIVES` in-fills of another kind.

    Cost: at most ``ALTERNATIVES x (1 + windows x SAMPLES)`` queries, beyond the request's budget; a deterministic in-fill takes
    one query per window, and one that is skipped takes one in all.
    """
    first, done = probe.queries.forward_images, 0
    used, others, skipped = list[AlternativeInfill](), list[Attribution](), list[SkippedInfill]()
    for other in _variants(request):
        spec = str(other.infill_info)
        variant = follow(other, request.infill, maps.settings, first, samples=SAMPLES)
        second = bind(variant, probe.image, _after(first + done, progress))
        try:
            answer: Attribution = variant.method.row.run(second, targets, **variant.method.settings)
        except ClassifierError:
            raise
        except RequestError as problem:  # it may not support this hole shape
            skipped.append(SkippedInfill(spec, str(problem)))
        else:
            cost, settings = second.queries.forward_images, as_settings(answer.settings)
            used.append(AlternativeInfill(spec, variant.infill.checksum, settings, cost, round(second.seconds, 3)))
            others.append(answer)
        done += second.queries.forward_images
        if len(others) == ALTERNATIVES:
            break
    compared = tuple(_compare(target.key, [maps, *others]) for target in targets)
    return InfillCheck(tuple(used), tuple(skipped), done, compared)


def _variants(request: Request) -> Iterator[Request]:
    """Yield the request with each in-fill of another kind than its own."""
    for kind in KINDS:
        infill, info = build_infill(kind, request.classifier)
        if type(infill) is not type(request.infill):
            yield replace(request, infill=infill, infill_info=info)


def _after(queries: int, progress: Progress) -> Progress:
    """Count on from the queries before."""
    return lambda done, planned: progress(queries + done, queries + planned)


def _compare(key: str, answers: Sequence[Attribution]) -> InfillAgreement:
    """Compare the first map with each of the others."""
    found = agreement([maps.values[key] for maps in answers], [maps.reliability(key) for maps in answers], main=0)
    return InfillAgreement(key, found.correlation, found.expected, found.level, found.correlations[0][1:])


def complaints(check: InfillCheck | None, labels: Mapping[str, str]) -> list[str]:
    """Warn about each map whose mean rank correlation is below `PARTLY`; *too noisy* where noise may be the reason.

    Args:
        check: from `ask_other_infills`; None where it was not asked for.
        labels: key → name, for the targets that matter.
    """
    if check is None:
        return []
    return [
        _complaint(labels[target.key], target, target.correlation, check.names)
        for target in check.targets
        if target.key in labels and target.correlation is not None and target.correlation < PARTLY
    ]


def _complaint(label: str, target: InfillAgreement, value: float, others: str) -> str:
    """Write one warning."""
    measured = f"mean rank correlation {correlation(value)} with the maps of {others}"
    if target.level == "noisy":
        limit = f"noise alone would limit it to {correlation(target.expected)}"
        return (
            f"{label}: too noisy to tell whether the map depends on the in-fill ({measured}; {limit}); ask more samples"
        )
    return f"{label}: the map depends on the in-fill ({measured}); run seewhy compare-infills before you rely on it"
