"""Explain one image with several in-fills: where do the maps agree, and where do they depend on the in-fill?"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Unpack

from safetensors.numpy import save as write_tensors

from seewhy.core.attribution import BoolMap, Map
from seewhy.core.context import plain_torch
from seewhy.core.errors import ClassifierError, RequestError
from seewhy.core.infill import Infill, Limited
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
from seewhy.explaining.explanation import Explanation, read_explanation
from seewhy.explaining.prepared import PreparedClassifier, Viewed, open_viewed, prepare_classifier
from seewhy.explaining.progress import ProgressLike, showing
from seewhy.explaining.request import Question, Request, follow, prepare
from seewhy.images.levels import Window
from seewhy.images.open import ImageLike
from seewhy.registry import ClassifierLike
from seewhy.results.codec import JsonObject, json_bytes, to_json
from seewhy.results.command import compare_infills_command
from seewhy.results.folder import read_record, write_files
from seewhy.results.infill_comparison import (
    FILE,
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
class InfillComparison:
    """How far the maps of several in-fills agree.

    Args:
        explanations: in-fill → its explanation; all were asked about the same windows.
        record: all that is written to ``comparison.json``.
    """

    explanations: Mapping[str, Explanation]
    record: InfillComparisonRecord

    @cached_property
    def disagreement(self) -> dict[str, Map]:
        """Target → how far the in-fills are apart at each pixel, ``(h, w)`` from 0.

        See `seewhy.explaining.diagnostics.agreement.disagreement`.
        """
        answers = self.explanations.values()
        return {
            target.key: disagreement([answer.maps[target.key] for answer in answers]) for target in self.record.targets
        }

    @cached_property
    def sign_conflict(self) -> dict[str, BoolMap]:
        """Target → where one in-fill says *supports* and another *opposes*, ``(h, w)``; not for the information.

        See `seewhy.explaining.diagnostics.agreement.sign_conflict`.
        """
        keys = [target.key for target in self.record.targets if target.sign_conflict is not None]
        return {key: _sign_conflict(key, self.explanations.values()) for key in keys}

    @property
    def correlation(self) -> dict[str, float | None]:
        """Target → the mean rank correlation over all pairs of in-fills; None where a map has one value everywhere."""
        return {target.key: target.correlation for target in self.record.targets}

    def overview(self) -> bytes:
        """Draw the maps of all in-fills, where they disagree, and the correlations; PNG."""
        from seewhy.plots.comparison import comparison_png  # noqa: PLC0415 - matplotlib is loaded when something is drawn

        data = [explanation.report_data() for explanation in self.explanations.values()]
        return comparison_png(self.record, data, self.disagreement, self.sign_conflict)

    def save(self, folder: str | Path) -> Path:
        """Write the comparison's folder, with a folder for each in-fill's explanation in it, over an earlier one.

        Raises:
            RequestError: the folder cannot be written.
        """
        for name, explanation in self.explanations.items():
            explanation.save(Path(folder) / name)
        spread = {f"disagreement/{key}": values for key, values in self.disagreement.items()}
        conflict = {f"sign_conflict/{key}": values for key, values in self.sign_conflict.items()}
        files = {
            "disagreement.safetensors": write_tensors({**spread, **conflict}),
            "comparison.png": self.overview(),
            FILE: json_bytes(self.to_json()),
        }
        return write_files(Path(folder), files)

    def to_json(self) -> JsonObject:
        """Return the record as plain data, with the command that repeats the comparison."""
        return {**to_json(self.record), "command": compare_infills_command(self.record)}


def read_comparison(folder: Path) -> InfillComparison:
    """Read a comparison's folder back, with the explanations in it."""
    record = read_record(InfillComparisonRecord, folder / FILE)
    return InfillComparison({infill.name: read_explanation(folder / infill.name) for infill in record.infills}, record)


@dataclass(frozen=True, eq=False)
class Variant:
    """One in-fill of a comparison, see `seewhy.results.infill_comparison.ComparedInfill`; ``optional``: it may be skipped."""

    name: str
    title: str
    request: Request
    optional: bool


@plain_torch()
def compare_infills(
    classifier: ClassifierLike,
    image: ImageLike,
    infills: Sequence[str | Infill] | None = None,
    *,
    max_megapixels: float = 200.0,
    window: Window | None = None,
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
        window: as for `seewhy.explain`.
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
        >>> import numpy as np, seewhy
        >>> halves = lambda images: [[p[:8].mean() / 255, 1 - p[:8].mean() / 255] for p in images]
        >>> photo = np.arange(768, dtype=np.int64).astype(np.uint8).reshape(16, 16, 3)
        >>> found = seewhy.compare_infills(halves, photo, ["gray", "telea"], method="occlusion:size=4", targets=0)
        >>> [infill.queries.forward_images for infill in found.record.infills]
        [65, 65]
    """
    variants = prepare_variants(classifier, infills, **question)
    viewed = open_viewed(variants[0].request.classifier, image, max_megapixels=max_megapixels, window=window)
    prepared = prepare_classifier(variants[0].request, viewed.image, together=to_check(variants))
    warn_of(prepared.validation.warnings, viewed)
    with showing(progress, viewed.opened.name) as tick:
        comparison = compare_variants(variants, viewed, prepared=prepared, watch=lambda _: tick)
    warn_of(comparison.record.warnings, viewed, said=prepared.validation.warnings)
    return comparison


def prepare_variants(
    classifier: ClassifierLike, infills: Sequence[str | Infill] | None, **question: Unpack[Question]
) -> list[Variant]:
    """Check a comparison before any work starts; ``infills`` as for `compare_infills`."""
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


def to_check(variants: Sequence[Variant]) -> list[Request]:
    """List the requests that are wrong if a method refuses them; in-fills that may be skipped may be refused for their holes."""
    return [
        variant.request
        for variant in variants
        if not (variant.optional and isinstance(variant.request.infill, Limited))
    ]


def compare_variants(
    variants: Sequence[Variant], viewed: Viewed, *, prepared: PreparedClassifier, watch: Watch
) -> InfillComparison:
    """Carry out a comparison on one image with a prepared classifier; raises as `compare_infills` does."""
    answers: dict[Variant, Explanation] = {}
    skipped: dict[str, RequestError] = {}
    for variant in sorted(variants, key=_turn):
        request = variant.request
        if answers:  # the settings and the number of queries are those of the first in-fill
            leader, led = next(iter(answers.items()))
            request = follow(request, leader.request.infill, led.record.method.settings, led.queries.forward_images)
        try:
            answers[variant] = explain_viewed(request, viewed, prepared=prepared, progress=watch(variant.title))
        except ClassifierError:
            raise
        except RequestError as problem:
            if not variant.optional:
                raise
            skipped[variant.title] = problem
    if len(answers) < 2:
        raise next(iter(skipped.values()))
    first = next(iter(answers.values())).record
    return _compare({variant: answers[variant] for variant in variants if variant in answers}, first, skipped)


def _turn(variant: Variant) -> tuple[bool, bool]:
    """Order the in-fills: stochastic first, as they fix the samples; among those, learned first, as they may refuse the holes."""
    return not variant.request.infill.stochastic, variant.request.infill.checksum is None


def _compare(
    answers: Mapping[Variant, Explanation], led: Record, skipped: Mapping[str, RequestError]
) -> InfillComparison:
    """Compare the maps of each target; ``led`` is the record of the first explanation, whose settings the others took."""
    first, every = next(iter(answers)).request, list(answers.values())
    usual = {"information", f"class:{led.predicted[0].index}"}
    targets = [target for target in led.targets if first.targets is not None or target.key in usual]
    record = InfillComparisonRecord(
        **{name: getattr(led, name) for name in _SHARED},
        method=led.method.spec,
        paper=led.method.paper,
        infills=tuple(_about(variant, answer.record) for variant, answer in answers.items()),
        skipped=tuple(LeftOut(title, str(problem)) for title, problem in skipped.items()),
        targets=tuple(_compared(target, every) for target in targets),
        protocol=AgreementProtocol(AGREE, PARTLY, CERTAIN, VISIBLE),
        budget=first.budget,
        queries=sum(answer.queries.forward_images for answer in every),
        seconds=round(sum(answer.seconds for answer in every), 3),
        warnings=(*led.warnings, *(f"skipped {title}: {problem}" for title, problem in skipped.items())),
    )
    return InfillComparison({variant.name: answer for variant, answer in answers.items()}, record)


_SHARED = ("image", "view", "classifier", "runtime", "predicted", "requested", "seed", "unit", "versions")
"""The facts that are the same for every in-fill."""


def _compared(target: TargetInfo, answers: Sequence[Explanation]) -> ComparedTarget:
    """Measure how far the maps of one target agree."""
    conflict = None if target.kind == "information" else float(_sign_conflict(target.key, answers).mean())
    maps, sure = zip(*((answer.maps[target.key], answer.reliability(target.key)) for answer in answers), strict=True)
    return ComparedTarget(
        key=target.key,
        label=target.label,
        probability=target.probability,
        sign_conflict=conflict,
        **asdict(agreement(maps, sure)),
    )


def _sign_conflict(key: str, answers: Iterable[Explanation]) -> BoolMap:
    """Return where the signs of the maps of one target differ."""
    maps, errors = zip(*((answer.maps[key], answer.stderr.get(key)) for answer in answers), strict=True)
    return sign_conflict(maps, errors)


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
