"""Explain one image with several in-fills: where do the maps agree, and where do they depend on the in-fill?"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Unpack

import numpy as np
from jaxtyping import Bool

from seewhy.core.errors import ClassifierError, RequestError
from seewhy.core.infill import Infill
from seewhy.core.probe import Progress
from seewhy.explaining.diagnostics.agreement import (
    AGREE,
    CERTAIN,
    PARTLY,
    VISIBLE,
    agreement,
    disagreement,
    sign_conflict,
)
from seewhy.explaining.explain import explain_viewed, warn_of
from seewhy.explaining.explanation import Explanation
from seewhy.explaining.infill_comparison import InfillComparison
from seewhy.explaining.prepared import PreparedClassifier, Viewed, open_viewed, prepare_classifier
from seewhy.explaining.progress import ProgressLike, showing
from seewhy.explaining.request import Question, Request, follow, prepare
from seewhy.images.open import ImageLike
from seewhy.registry import ClassifierLike
from seewhy.results.infill_comparison import (
    AgreementProtocol,
    ComparedInfill,
    ComparedTarget,
    InfillComparisonRecord,
    LeftOut,
)
from seewhy.results.record import Record, TargetInfo

INFILLS = ("patch-sampler", "exemplar", "telea", "donor", "gray")
"""The default in-fills of a comparison; those that cannot fill the method's holes are skipped with a warning."""

Watch = Callable[[str], Progress]
"""Function from the title of an in-fill to its progress callback."""


@dataclass(frozen=True, eq=False)
class Variant:
    """One in-fill of a comparison.

    Args:
        name: the name of its folder, and its key in the comparison.
        request: the request with this in-fill.
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
    max_megapixels: float = 200.0,
    progress: ProgressLike = False,
    **question: Unpack[Question],
) -> InfillComparison:
    """Explain an image with several in-fills and measure how far the maps agree.

    Stride and samples are chosen once, so all in-fills fill the same windows equally often; a deterministic in-fill fills each
    window once.

    Args:
        classifier: as for `seewhy.explain`.
        image: as for `seewhy.explain`.
        infills: two or more Specs or in-fills; None: those of `INFILLS` that can fill the method's holes.
        max_megapixels: as for `seewhy.explain`.
        progress: as for `seewhy.explain`, in-fill by in-fill.
        question: other arguments of `seewhy.explain`: ``method``, ``targets`` (None: the predicted class, and the information where
            the method has it), ``budget`` of each in-fill, ``seed``, ``batch_size``, ``runtime``, ``trust`` and ``device``.

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
        >>> halves = lambda images: [[p[:8].mean() / 255, 1 - p[:8].mean() / 255] for p in images]
        >>> photo = np.arange(768, dtype=np.uint8).reshape(16, 16, 3)
        >>> found = compare_infills(halves, photo, ["gray", "telea"], method="occlusion:size=4", targets=0)
        >>> [infill.queries.forward_images for infill in found.record.infills]
        [65, 65]
    """
    variants = prepare_variants(classifier, infills, **question)
    viewed = open_viewed(variants[0].request.classifier, image, max_megapixels=max_megapixels)
    prepared = prepare_classifier(variants[0].request, viewed.image)
    with showing(progress, viewed.picture.name) as tick:
        comparison = compare_variants(variants, viewed, prepared=prepared, watch=lambda _: tick)
    warn_of(comparison.record.warnings, viewed)
    return comparison


def prepare_variants(
    classifier: ClassifierLike, infills: Sequence[str | Infill] | None, **question: Unpack[Question]
) -> list[Variant]:
    """Check a comparison before any work starts; ``infills`` as for `compare_infills`.

    Raises:
        RequestError: there are fewer than two in-fills, or anything else is wrong with the request.
    """
    compared = INFILLS if infills is None else infills
    if len(compared) < 2:
        raise RequestError(
            f"expected at least two in-fills to compare, got {len(compared)}; name another with --infill"
        )
    first = prepare(classifier, infill=compared[0], check=False, **question)
    question.pop("device", None)  # the classifier is opened once and stays where it is
    rest = [prepare(first.classifier, infill=infill, check=False, **question) for infill in compared[1:]]
    variants: list[Variant] = []
    for infill, request in zip(compared, [first, *rest], strict=True):
        name = request.infill_info.name
        title = infill if isinstance(infill, str) else name
        before = sum(variant.request.infill_info.name == name for variant in variants)
        variants.append(Variant(name + (f"-{before + 1}" if before else ""), title, request, optional=infills is None))
    return variants


def compare_variants(
    variants: Sequence[Variant], viewed: Viewed, *, prepared: PreparedClassifier, watch: Watch
) -> InfillComparison:
    """Carry out a comparison on one image with a prepared classifier.

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
    present = {variant: answers[variant.name] for variant in variants if variant.name in answers}
    return _compare(present, answers[leader.name].record, skipped)


def _turn(variant: Variant) -> tuple[bool, bool]:
    """Order the in-fills: stochastic first, as they fix the samples; among those, learned first, as they may refuse the holes."""
    return not variant.request.infill.stochastic, variant.request.infill.checksum is None


def _bound(request: Request, leader: Variant, led: Explanation) -> Request:
    """Fix the settings and the budget of a request to those of the first in-fill."""
    return follow(request, leader.request.infill, led.record.method.settings, led.queries.forward_images)


def _compare(
    answers: Mapping[Variant, Explanation], led: Record, skipped: Mapping[str, RequestError]
) -> InfillComparison:
    """Compare the maps of each target; ``led`` is the record of the first explanation, whose settings the others took."""
    first, every = next(iter(answers)).request, list(answers.values())
    usual = {"information", f"class:{led.predicted[0].index}"}
    targets = [target for target in led.targets if first.targets is not None or target.key in usual]
    spread = {target.key: disagreement([answer.maps[target.key] for answer in every]) for target in targets}
    conflict = {
        target.key: sign_conflict(
            [answer.maps[target.key] for answer in every], [answer.stderr.get(target.key) for answer in every]
        )
        for target in targets
        if target.kind != "information"
    }
    record = InfillComparisonRecord(
        **{name: getattr(led, name) for name in _SHARED},
        method=led.method.spec,
        paper=led.method.paper,
        infills=tuple(_about(variant, answer.record) for variant, answer in answers.items()),
        skipped=tuple(LeftOut(title, str(problem)) for title, problem in skipped.items()),
        targets=tuple(_compared(target, every, conflict.get(target.key)) for target in targets),
        protocol=AgreementProtocol(AGREE, PARTLY, CERTAIN, VISIBLE),
        budget=first.budget,
        queries=sum(answer.queries.forward_images for answer in every),
        seconds=round(sum(answer.seconds for answer in every), 3),
        warnings=(*led.warnings, *(f"skipped {title}: {problem}" for title, problem in skipped.items())),
    )
    return InfillComparison({variant.name: answers[variant] for variant in answers}, spread, conflict, record)


_SHARED = ("image", "view", "classifier", "runtime", "predicted", "requested", "seed", "unit", "versions")
"""The facts that are the same for every in-fill."""


def _compared(
    target: TargetInfo, answers: Sequence[Explanation], conflict: Bool[np.ndarray, "h w"] | None
) -> ComparedTarget:
    """Measure how far the maps of one target agree."""
    maps, sure = zip(*((answer.maps[target.key], answer.reliability(target.key)) for answer in answers), strict=True)
    return ComparedTarget(
        key=target.key,
        label=target.label,
        probability=target.probability,
        sign_conflict=None if conflict is None else float(conflict.mean()),
        **asdict(agreement(maps, sure)),
    )


def _about(variant: Variant, record: Record) -> ComparedInfill:
    """Describe one in-fill, its queries and its duration."""
    return ComparedInfill(
        variant.name,
        variant.title,
        record.infill,
        record.method.settings,
        record.queries,
        record.seconds,
        record.stopped_because,
    )
