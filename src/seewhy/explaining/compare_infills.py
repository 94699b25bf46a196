"""Explain one image with several in-fills: where do the maps agree, and where do they depend on the in-fill?"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict, Unpack

from seewhy import registry
from seewhy.core.budget import Budget
from seewhy.core.errors import ClassifierError, RequestError
from seewhy.core.infill import Infill
from seewhy.core.probe import Progress, no_progress
from seewhy.explaining.agreement import AGREE, CERTAIN, PARTLY, VISIBLE, agreement, disagreement, sign_conflict
from seewhy.explaining.explain import explain_viewed
from seewhy.explaining.explanation import Explanation
from seewhy.explaining.infill_comparison import InfillComparison
from seewhy.explaining.prepared import PreparedClassifier, prepare_classifier
from seewhy.explaining.request import Request, follow, prepare
from seewhy.explaining.targets import TargetLike
from seewhy.explaining.viewed import Viewed, open_viewed
from seewhy.images.open import ImageLike
from seewhy.registry import ClassifierLike
from seewhy.results.infill_comparison import (
    AgreementProtocol,
    ComparedInfill,
    ComparedTarget,
    InfillComparisonRecord,
    LeftOut,
)
from seewhy.results.record import TargetInfo

INFILLS = ("patch-sampler", "exemplar", "telea", "donor", "gray")
"""The default in-fills of a comparison; those that cannot fill the method's holes are skipped with a warning."""

Watch = Callable[[str], Progress]
"""Function from the title of an in-fill to its progress callback."""


class Question(TypedDict, total=False):
    """The arguments that all in-fills share; see `seewhy.explaining.request.prepare`."""

    method: str
    targets: TargetLike | Sequence[TargetLike] | None
    budget: int | Budget | None
    seed: int
    batch_size: int | None
    runtime: str
    trust: bool
    device: str | None


@dataclass(frozen=True, eq=False)
class Variant:
    """One in-fill of a comparison.

    Args:
        name: the name of its folder, and its key in the comparison.
        title: the in-fill as the user wrote it.
        request: the request with this in-fill.
        optional: whether it may be skipped where it cannot fill the holes.
    """

    name: str
    title: str
    request: Request
    optional: bool


def compare_infills(
    classifier: ClassifierLike,
    image: ImageLike,
    infills: Sequence[str | Infill] | None = None,
    *,
    method: str = registry.DEFAULT_METHOD,
    targets: TargetLike | Sequence[TargetLike] | None = None,
    budget: int | None = None,
    seed: int = 0,
    batch_size: int | None = None,
    runtime: str = "auto",
    max_megapixels: float = 200.0,
    progress: Progress = no_progress,
) -> InfillComparison:
    """Explain an image with several in-fills and measure how far the maps agree.

    Stride and samples are chosen once, so all in-fills fill the same windows equally often; a deterministic in-fill fills each
    window once.

    Args:
        classifier: as for `seewhy.explain`.
        image: as for `seewhy.explain`.
        infills: two or more Specs or in-fills; None: those of `INFILLS` that can fill the method's holes.
        method: the Spec of a method.
        targets: the targets to compare, as for `seewhy.explain`; None: the predicted class, and the information where the
            method has it.
        budget: maximum number of queries for each in-fill; None: no limit.
        seed: the same seed gives the same maps.
        batch_size: as for `seewhy.explain`.
        runtime: as for `seewhy.explain`.
        max_megapixels: size limit in megapixels; larger images are refused before they are decoded.
        progress: called with (queries done, queries planned) of each in-fill in turn.

    Returns:
        The explanation with each in-fill, and per target the rank correlations, the ``(h, w)`` disagreement map and the
        ``(h, w)`` map of sign conflicts.

    Raises:
        RequestError: anything is wrong with the request, or an in-fill that was named cannot fill the holes.
        ClassifierError: the classifier contradicts its own description.

    Warns:
        UserWarning: the classifier seems to be set up wrongly, or an in-fill was skipped.

    Cost in queries: that of the method for each in-fill, and seven for the self-test.

    Example:
        >>> import numpy as np
        >>> halves = lambda images: [[p[:8].mean() / 255, 1 - p[:8].mean() / 255] for p in images]
        >>> photo = np.arange(768, dtype=np.uint8).reshape(16, 16, 3)
        >>> found = compare_infills(halves, photo, ["gray", "telea"], method="occlusion:size=4", targets=0)
        >>> [infill.queries.forward_images for infill in found.record.infills]
        [65, 65]
    """
    variants = prepare_variants(
        classifier,
        infills,
        method=method,
        targets=targets,
        budget=budget,
        seed=seed,
        batch_size=batch_size,
        runtime=runtime,
    )
    viewed = open_viewed(variants[0].request.classifier, image, max_megapixels=max_megapixels)
    prepared = prepare_classifier(variants[0].request, viewed.image)
    comparison = compare_variants(variants, viewed, prepared=prepared, watch=lambda _: progress)
    for text in comparison.record.warnings:
        if text not in viewed.picture.notes:
            warnings.warn(text, stacklevel=2)
    return comparison


def prepare_variants(
    classifier: ClassifierLike, infills: Sequence[str | Infill] | None, **question: Unpack[Question]
) -> list[Variant]:
    """Check a comparison before any work starts.

    Args:
        classifier: as for `seewhy.explain`.
        infills: Specs or in-fills; None: `INFILLS`.
        question: the arguments that all in-fills share.

    Raises:
        RequestError: there are fewer than two in-fills, or anything else is wrong with the request.
    """
    asked = INFILLS if infills is None else infills
    if len(asked) < 2:
        raise RequestError(f"expected at least two in-fills to compare, got {len(asked)}; name another with --infill")
    first = prepare(classifier, infill=asked[0], check=False, **question)
    question.pop("device", None)  # the classifier is opened once and stays where it is
    rest = [prepare(first.classifier, infill=infill, check=False, **question) for infill in asked[1:]]
    variants: list[Variant] = []
    for infill, request in zip(asked, [first, *rest], strict=True):
        name = request.infill_info.name
        title = infill if isinstance(infill, str) else name
        before = sum(variant.request.infill_info.name == name for variant in variants)
        variants.append(Variant(name + (f"-{before + 1}" if before else ""), title, request, optional=infills is None))
    return variants


def compare_variants(
    variants: Sequence[Variant], viewed: Viewed, *, prepared: PreparedClassifier, watch: Watch
) -> InfillComparison:
    """Carry out a comparison on one image.

    Args:
        variants: from `prepare_variants`.
        viewed: the image as the classifier sees it.
        prepared: the classifier.
        watch: function from the title of an in-fill to its progress callback.

    Raises:
        RequestError: the image, the targets or the budget do not fit the method, or an in-fill cannot fill its holes.
        ClassifierError: the classifier contradicts its own description.
    """
    answers: dict[str, Explanation] = {}
    skipped: dict[str, RequestError] = {}
    leader: Variant | None = None
    for variant in sorted(variants, key=_turn):
        request = variant.request if leader is None else _bound(variant.request, leader, answers[leader.name])
        try:
            answers[variant.name] = explain_viewed(request, viewed, prepared=prepared, progress=watch(variant.title))
        except ClassifierError:
            raise
        except RequestError as problem:
            if not variant.optional:
                raise
            skipped[variant.title] = problem
        else:
            leader = leader or variant
    if leader is None or len(answers) < 2:
        raise next(iter(skipped.values()))
    present = [variant for variant in variants if variant.name in answers]
    return _compare(present, {each.name: answers[each.name] for each in present}, answers[leader.name], skipped)


def _turn(variant: Variant) -> tuple[bool, bool]:
    """Order the in-fills: stochastic first, as they fix the samples; among those, learned first, as they may refuse the holes."""
    return not variant.request.infill.stochastic, variant.request.infill.checksum is None


def _bound(request: Request, leader: Variant, led: Explanation) -> Request:
    """Fix the settings and the budget of a request to those of the first in-fill."""
    return follow(request, leader.request.infill, led.record.method.settings, led.queries.forward_images)


def _compare(
    variants: Sequence[Variant],
    answers: Mapping[str, Explanation],
    led: Explanation,
    skipped: Mapping[str, RequestError],
) -> InfillComparison:
    """Compare the maps of each target."""
    asked, top = variants[0].request.targets, f"class:{led.predicted[0].index}"
    compared = [each for each in led.record.targets if asked is not None or each.key in {"information", top}]
    every = list(answers.values())
    spread = {each.key: disagreement([answer.maps[each.key] for answer in every]) for each in compared}
    conflict = {
        each.key: sign_conflict(
            [answer.maps[each.key] for answer in every], [answer.stderr.get(each.key) for answer in every]
        )
        for each in compared
        if each.kind != "information"
    }
    shares = {key: float(where.mean()) for key, where in conflict.items()}
    targets = tuple(_compared(each, every, shares.get(each.key)) for each in compared)
    return InfillComparison(answers, spread, conflict, _record(variants, answers, led, skipped, targets))


def _compared(target: TargetInfo, answers: Sequence[Explanation], conflict: float | None) -> ComparedTarget:
    """Measure how far the maps of one target agree."""
    key = target.key
    found = agreement([each.maps[key] for each in answers], [each.reliability(key) for each in answers])
    return ComparedTarget(
        key=key,
        label=target.label,
        probability=target.probability,
        correlation=found.correlation,
        expected=found.expected,
        level=found.level,
        reliability=found.reliability,
        correlations=found.correlations,
        sign_conflict=conflict,
    )


def _record(
    variants: Sequence[Variant],
    answers: Mapping[str, Explanation],
    led: Explanation,
    skipped: Mapping[str, RequestError],
    targets: tuple[ComparedTarget, ...],
) -> InfillComparisonRecord:
    """Collect the record of the comparison."""
    shared = led.record
    return InfillComparisonRecord(
        image=shared.image,
        view=shared.view,
        classifier=shared.classifier,
        runtime=shared.runtime,
        predicted=shared.predicted,
        method=shared.method.spec,
        paper=shared.method.paper,
        infills=tuple(_about(variant, answers[variant.name]) for variant in variants),
        skipped=tuple(LeftOut(title, str(problem)) for title, problem in skipped.items()),
        targets=targets,
        requested=shared.requested,
        protocol=AgreementProtocol(AGREE, PARTLY, CERTAIN, VISIBLE),
        seed=shared.seed,
        budget=variants[0].request.budget,
        unit=shared.unit,
        queries=sum(each.queries.forward_images for each in answers.values()),
        seconds=round(sum(each.seconds for each in answers.values()), 3),
        warnings=(*shared.warnings, *(f"skipped {title}: {problem}" for title, problem in skipped.items())),
        versions=shared.versions,
    )


def _about(variant: Variant, answer: Explanation) -> ComparedInfill:
    """Describe one in-fill, its queries and its duration."""
    record = answer.record
    return ComparedInfill(
        variant.name,
        variant.title,
        record.infill,
        record.method.settings,
        record.queries,
        record.seconds,
        record.stopped_because,
    )
