"""Explain one image: the main job, from a request to an `Explanation`."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from seewhy import registry
from seewhy.classifiers.tuning import PLAIN_BATCH
from seewhy.core.attribution import Attribution
from seewhy.core.budget import Budget
from seewhy.core.infill import Infill
from seewhy.core.probe import Probe, Progress, no_progress
from seewhy.core.target import Target
from seewhy.explaining.explanation import Explanation
from seewhy.explaining.facts import (
    class_probabilities,
    classifier_info,
    image_info,
    method_info,
    predicted_classes,
    target_info,
    versions,
    view_info,
)
from seewhy.explaining.faithfulness import check_faithfulness
from seewhy.explaining.generated import ask_generated, checked_images
from seewhy.explaining.infill_check import ask_other_infills, complaints
from seewhy.explaining.prepared import PreparedClassifier, prepare_classifier
from seewhy.explaining.reliability import diagnose
from seewhy.explaining.request import MethodLike, Request, bind, prepare
from seewhy.explaining.samples import collect_samples
from seewhy.explaining.targets import TargetLike
from seewhy.explaining.viewed import Viewed, open_viewed
from seewhy.images.open import ImageLike
from seewhy.registry import ClassifierLike
from seewhy.results.diagnostics import Diagnostics, FaithfulnessCheck
from seewhy.results.record import GeneratedImages, Record, TargetInfo


def explain(
    classifier: ClassifierLike,
    image: ImageLike,
    *,
    method: MethodLike = registry.DEFAULT_METHOD,
    targets: TargetLike | Sequence[TargetLike] | None = None,
    infill: str | Infill | None = None,
    budget: int | Budget | None = None,
    seed: int = 0,
    batch_size: int | None = None,
    runtime: str = "auto",
    max_megapixels: float = 200.0,
    check_infill: bool = False,
    check: bool = True,
    progress: Progress = no_progress,
) -> Explanation:
    """Explain which parts of an image drive a classifier's prediction.

    Args:
        classifier: a Spec such as ``"efficientnet-lite0"``, a ``torch.nn.Module``, a function on ``(n, h, w, 3)`` uint8
            batches, or what `seewhy.classifier` returned.
        image: a path, bytes, a PIL image, an ``(h, w, 3)`` uint8 array or a ``(3, h, w)`` float tensor in [0, 1].
        method: a Spec, such as ``"pmi:size=8,stride=1,samples=8"``, see ``seewhy list methods``; or a function of your own,
            ``(probe, targets) → Attribution``.
        targets: class indices or names, ``"information"``, ``"woe:CLASS"``, ``("contrast", a, b)``; None: the three most
            probable classes, and the information where the method has it.
        infill: a Spec or an `Infill`; None: the method's usual one.
        budget: maximum number of queries, or a `Budget` with seconds and tolerance; None: no limit.
        seed: the same seed gives the same maps.
        batch_size: images per call; changes the speed, not the maps. None: the fastest.
        runtime: what runs a torch module or an ONNX file: ``"auto"`` is the fastest runtime here that gives the same answers,
            ``"eager"`` the classifier unchanged; see ``docs/explanation/runtimes.md``.
        max_megapixels: size limit in megapixels; larger images are refused before they are decoded.
        check_infill: fill the same windows with two in-fills of another kind, and warn where the map changes; see
            ``record.diagnostics.infill_check``.
        check: check the map against random regions: is the highlighted region necessary, and sufficient? See
            `seewhy.explaining.faithfulness` and ``record.diagnostics.faithfulness``.
        progress: called with (queries done, queries planned) after each batch.

    Returns:
        The ``(h, w)`` maps in the classifier's view, their standard errors, and the record of the run.

    Raises:
        RequestError: anything is wrong with the request; the message says what, which value, what to do.
        ClassifierError: the classifier contradicts its own description.

    Warns:
        UserWarning: the classifier seems to be set up wrongly, and the message names the likely mistake; or
            ``check_infill`` found that the map changes.

    Cost in queries: that of the method (see its documentation), seven for the self-test, and those of
    `seewhy.classifiers.tuning.tune`, which makes none for a function. Beyond ``budget``: 45 for ``check``, up to four per window or
    two per grid for ``check_infill``, and one per image that the method generates; the record has the numbers.
    """
    request = prepare(
        classifier,
        method=method,
        targets=targets,
        infill=infill,
        budget=budget,
        seed=seed,
        batch_size=batch_size,
        runtime=runtime,
        check_infill=check_infill,
        check=check,
    )
    viewed = open_viewed(request.classifier, image, max_megapixels=max_megapixels)
    prepared = prepare_classifier(request, viewed.image)
    for suspicion in prepared.validation.warnings:
        warnings.warn(suspicion, stacklevel=2)
    explanation = explain_viewed(request, viewed, prepared=prepared, progress=progress)
    for text in explanation.record.warnings:
        if text not in {*prepared.validation.warnings, *viewed.picture.notes}:
            warnings.warn(text, stacklevel=2)
    return explanation


def explain_viewed(
    request: Request, viewed: Viewed, *, prepared: PreparedClassifier, progress: Progress = no_progress
) -> Explanation:
    """Carry out a request on one image.

    Args:
        request: from `seewhy.explaining.request.prepare`.
        viewed: the image as the classifier sees it.
        prepared: the classifier, from `seewhy.explaining.prepared.prepare_classifier`.
        progress: called with (queries done, queries planned) after each batch.

    Raises:
        RequestError: the image, the targets or the budget do not fit the method.
        ClassifierError: the classifier contradicts its own description.
    """
    request = prepared.for_image(request, viewed.image)
    probe = bind(request, viewed.image, progress)
    targets = request.targets_for(probe)
    maps: Attribution = request.method.row.run(probe, targets, **request.method.settings)
    run = _Run(
        request, viewed, prepared, probe, targets, maps, probe.seconds
    )  # what follows asks more, and is not the run
    samples = collect_samples(viewed.picture.pixels, probe, maps.sampled)
    infos = tuple(target_info(target, prepared.original, probe.prediction, maps) for target in targets)
    diagnostics = run.diagnostics(infos, progress)
    images = checked_images(maps.generated, probe.size)
    record = run.record(infos, diagnostics, ask_generated(probe, targets, images))
    return Explanation(dict(maps.values), dict(maps.stderr), record, samples, dict(maps.outlines), images)


@dataclass(frozen=True, eq=False)
class _Run:
    """A finished run of a method.

    Args:
        request: with the classifier as it was run.
        viewed: the image as the classifier sees it.
        prepared: the classifier.
        probe: the one that was asked.
        targets: the targets that were explained.
        maps: the maps of the method.
        seconds: wall-clock seconds spent explaining.
    """

    request: Request
    viewed: Viewed
    prepared: PreparedClassifier
    probe: Probe
    targets: Sequence[Target]
    maps: Attribution
    seconds: float

    def diagnostics(self, infos: Sequence[TargetInfo], progress: Progress) -> Diagnostics:
        """Measure how far to trust the maps; asks queries of its own where the request says so."""
        request, probe, maps = self.request, self.probe, self.maps
        other = ask_other_infills(request, probe, self.targets, maps, progress) if request.check_infill else None
        faithful = self._faithfulness(infos) if request.check else None
        return diagnose(maps, infos, len(probe.prediction), faithfulness=faithful, infill_check=other)

    def _faithfulness(self, infos: Sequence[TargetInfo]) -> FaithfulnessCheck:
        """Check the highlighted region against random regions."""
        request, first = self.request, predicted_classes(self.prepared.original, self.probe.prediction)[0]
        batch = request.batch_size or PLAIN_BATCH
        return check_faithfulness(
            request.classifier, self.viewed.image, self.maps, infos, first, seed=request.seed, batch_size=batch
        )

    def record(self, infos: tuple[TargetInfo, ...], diagnostics: Diagnostics, generated: GeneratedImages) -> Record:
        """Write down all facts."""
        request, probe, maps, original = self.request, self.probe, self.maps, self.prepared.original
        sampled = maps.sampled.classes if maps.sampled else ()
        return Record(
            image=image_info(self.viewed.picture, self.viewed.source),
            view=view_info(self.viewed.frame, original),
            classifier=classifier_info(original, len(probe.prediction)),
            runtime=self.prepared.info(),
            predicted=predicted_classes(original, probe.prediction),
            method=method_info(request.method, maps),
            infill=request.infill_info,
            targets=infos,
            requested=request.requested,
            seed=request.seed,
            budget=request.budget,
            unit=maps.unit,
            queries=probe.queries,
            seconds=round(self.seconds, 3),
            stopped_because=maps.stopped_because,
            diagnostics=diagnostics,
            sampled=class_probabilities(sampled, original, probe.prediction),
            generated=generated,
            traces={name: tuple(values) for name, values in maps.traces.items()},
            warnings=self._warnings(infos, diagnostics),
            versions=versions(),
        )

    def _warnings(self, infos: Sequence[TargetInfo], diagnostics: Diagnostics) -> tuple[str, ...]:
        """Collect what the user should read first."""
        check, top = diagnostics.infill_check, int(self.probe.prediction.argmax())
        names = {each.key: each.label for each in infos if each.key in {"information", f"class:{top}"}}
        found = complaints(check, names) if check else ()
        return (*self.prepared.validation.warnings, *self.viewed.picture.notes, *found)
