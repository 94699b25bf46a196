"""Explain images: the main job, from a request to an `Explanation`."""

import warnings
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Unpack

import numpy as np
from jaxtyping import Float, Shaped
from torch import Tensor

from seewhy import registry
from seewhy.core.attribution import Attribution
from seewhy.core.budget import Budget
from seewhy.core.context import plain_torch
from seewhy.core.infill import Infill
from seewhy.core.probe import Progress, no_progress
from seewhy.explaining.diagnostics.faithfulness import check_faithfulness
from seewhy.explaining.diagnostics.framing import framing_findings, framing_warnings
from seewhy.explaining.diagnostics.infill_check import ask_other_infills, complaints
from seewhy.explaining.diagnostics.reliability import diagnose
from seewhy.explaining.explanation import Explanation
from seewhy.explaining.facts import class_probabilities, classifier_info, predicted_classes, target_info, versions
from seewhy.explaining.prepared import PreparedClassifier, Viewed, open_viewed, prepare_classifier
from seewhy.explaining.progress import ProgressLike, showing
from seewhy.explaining.request import MethodLike, Options, Request, bind, prepare
from seewhy.explaining.samples import ask_generated, checked_images, collect_samples
from seewhy.explaining.targets import TargetLike
from seewhy.images.levels import Window
from seewhy.images.open import ImageLike, OpenedImage
from seewhy.images.sources import list_images
from seewhy.registry import Bound, ClassifierLike, Method
from seewhy.results.codec import as_settings
from seewhy.results.record import ImageInfo, MethodInfo, Record, ViewInfo

Batch = Shaped[np.ndarray, "n h w c"] | Float[Tensor, "n c h w"]
"""Images of one size in one array or tensor."""


@plain_torch()
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
    window: Window | None = None,
    check_infill: bool = False,
    check: bool = True,
    trust: bool = True,
    device: str | None = None,
    progress: ProgressLike = False,
) -> Explanation:
    """Explain which parts of an image drive a classifier's prediction.

    Args:
        classifier: a Spec such as ``"efficientnet-lite0"``, a ``torch.nn.Module``, a function on ``(n, h, w, 3)`` uint8
            batches, or what `seewhy.classifier` returned.
        image: a path, a file object, bytes, a PIL image, an array ``(h, w)`` or ``(h, w, c)`` of uint8, uint16 or floats in
            [0, 1], or a tensor ``(c, h, w)``; see `seewhy.images.open.open_image`.
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
        window: the values of the image that are black and white, such as ``(0, 4095)``; None: from the type of its pixels and, for
            16 bits, from the largest value, which the record then says.
        check_infill: fill the same windows with two in-fills of another kind, and warn where the map changes; see
            ``record.diagnostics.infill_check``.
        check: check the map against random regions: is the highlighted region necessary, and sufficient? See
            `seewhy.explaining.diagnostics.faithfulness` and ``record.diagnostics.faithfulness``.
        trust: allow Specs that run code from a file.
        device: where torch computes; None: where the classifier is.
        progress: True shows a bar on stderr; or a function that is called with (queries done, queries planned) after each batch.

    Returns:
        The ``(h, w)`` maps in the classifier's view, their standard errors, and the record of the run.

    Raises:
        RequestError: anything is wrong with the request; the message says what, which value, what to do.
        ClassifierError: the classifier contradicts its own description.

    Warns:
        UserWarning: the classifier seems to be set up wrongly, and the message names the likely mistake; or
            ``check_infill`` found that the map changes.

    Cost in queries: that of the method (see its documentation), up to two to check the request, seven for the self-test, and those of
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
        trust=trust,
        device=device,
        check_infill=check_infill,
        check=check,
    )
    viewed = open_viewed(request.classifier, image, max_megapixels=max_megapixels, window=window)
    prepared = prepare_classifier(request, viewed.image)
    warn_of(prepared.validation.warnings, viewed)  # before the run, which may be long
    with showing(progress, viewed.opened.name) as tick:
        explanation = explain_viewed(request, viewed, prepared=prepared, progress=tick)
    warn_of(explanation.record.warnings, viewed, said=prepared.validation.warnings)
    return explanation


def warn_of(texts: Iterable[str], viewed: Viewed, *, said: Collection[str] = ()) -> None:
    """Warn the caller of the public function; how the image was opened is no warning, and nothing is said twice."""
    for text in texts:
        if text not in viewed.opened.notes and text not in said:
            warnings.warn(text, stacklevel=4)  # past `plain_torch`, which wraps that function


def explain_many(
    classifier: ClassifierLike,
    images: str | Path | Batch | Iterable[ImageLike],
    *,
    max_megapixels: float = 200.0,
    window: Window | None = None,
    progress: ProgressLike = False,
    **options: Unpack[Options],
) -> Iterator[Explanation]:
    """Explain image after image; the classifier is tested and its runtime is chosen on the first one.

    Nothing is kept: each explanation is yielded as soon as it is finished, so a hundred thousand images take the memory of one.

    Args:
        classifier: as for `seewhy.explain`.
        images: a folder, a file, a batch ``(n, h, w, 3)`` or ``(n, 3, h, w)``, or anything that yields images as `seewhy.explain`
            takes them.
        max_megapixels: as for `seewhy.explain`.
        window: as for `seewhy.explain`; give it where 16-bit images of different brightness are to be shown alike.
        progress: as for `seewhy.explain`, image by image.
        options: the other arguments of `seewhy.explain`: ``method``, ``targets``, ``infill``, ``budget`` of each image, ``seed``,
            ``batch_size``, ``runtime``, ``check_infill``, ``check``, ``trust`` and ``device``.

    Yields:
        One explanation per image, in order.

    Raises:
        RequestError: anything is wrong with the request, at once or at the first image; or an image cannot be read, when its
            turn comes.
        ClassifierError: the classifier contradicts its own description.

    Warns:
        UserWarning: the classifier seems to be set up wrongly; before the first image is explained.

    Cost in queries: for each image as for `seewhy.explain`; the self-test is asked once.

    Example:
        >>> halves = lambda images: [[p[:8].mean() / 255, 1 - p[:8].mean() / 255] for p in images]
        >>> batch = np.arange(1536, dtype=np.int64).reshape(2, 16, 16, 3).astype(np.uint8)
        >>> [found.record.image.name for found in explain_many(halves, batch, method="occlusion:size=8", check=False)]
        ['image 0', 'image 1']
    """
    with plain_torch():
        request = prepare(classifier, **options)
    prepared: PreparedClassifier | None = None

    @plain_torch()
    def explanation(image: ImageLike, name: str | None) -> Explanation:
        nonlocal prepared
        viewed = open_viewed(request.classifier, image, max_megapixels=max_megapixels, name=name, window=window)
        if prepared is None:
            prepared = prepare_classifier(request, viewed.image)
            warn_of(prepared.validation.warnings, viewed)
        with showing(progress, viewed.opened.name) as tick:
            return explain_viewed(request, viewed, prepared=prepared, progress=tick)

    return (explanation(image, name) for image, name in _named(images))


def _named(images: str | Path | Batch | Iterable[ImageLike]) -> Iterator[tuple[ImageLike, str | None]]:
    """Yield each image, with a name where it has none of its own."""
    if isinstance(images, str | Path):
        yield from ((path, None) for path in list_images([images]))
        return
    for number, image in enumerate(images):
        yield image, None if isinstance(image, str | Path) else f"image {number}"


def explain_viewed(
    request: Request, viewed: Viewed, *, prepared: PreparedClassifier, progress: Progress = no_progress
) -> Explanation:
    """Carry out a request on one image with a prepared classifier; raises as `explain` does."""
    request, original = prepared.for_image(request, viewed.image), prepared.original
    probe = bind(request, viewed.image, progress, viewed.frame)
    targets = request.targets_for(probe)
    maps: Attribution = request.method.row.run(probe, targets, **request.method.settings)
    seconds = round(probe.seconds, 3)  # what follows asks more, and is not the run
    prediction, predicted = probe.prediction, predicted_classes(original, probe.prediction)
    infos = tuple(target_info(target, original, prediction, maps) for target in targets)
    other = ask_other_infills(request, probe, targets, maps, progress) if request.check_infill else None
    faithful = check_faithfulness(probe, maps, infos) if request.check else None
    names = {info.key: info.label for info in infos if info.key in {"information", f"class:{predicted[0].index}"}}
    images = checked_images(maps.generated, probe.size)
    frame, rule = viewed.frame, original.view.describe()
    framing = framing_findings(frame, maps.values, infos)
    record = Record(
        image=_image_info(viewed.opened, viewed.source),
        view=ViewInfo(rule, frame.size, frame.box, original.view.pad_color),
        classifier=classifier_info(original, len(prediction)),
        runtime=prepared.info(),
        predicted=predicted,
        method=_method_info(request.method, maps),
        infill=request.infill_info,
        targets=infos,
        requested=request.requested,
        seed=request.seed,
        budget=request.budget,
        unit=maps.unit,
        queries=probe.queries,
        seconds=seconds,
        stopped_because=maps.stopped_because,
        diagnostics=diagnose(maps, infos, len(prediction), faithfulness=faithful, infill_check=other, framing=framing),
        sampled=class_probabilities(maps.sampled.classes if maps.sampled else (), original, prediction),
        generated=ask_generated(probe, targets, images),
        traces={name: tuple(values) for name, values in maps.traces.items()},
        warnings=(
            *prepared.validation.warnings,
            *viewed.opened.notes,
            *framing_warnings(frame, rule),
            *complaints(other, names),
        ),
        versions=versions(),
        regions=maps.regions,
    )
    samples = collect_samples(viewed.opened.pixels, probe, maps.sampled)
    return Explanation(
        dict(maps.values), dict(maps.stderr), record, samples, dict(maps.outlines), images, maps.region_map
    )


def _image_info(opened: OpenedImage, source: str | None) -> ImageInfo:
    """Describe an image; ``source`` is its path as the user wrote it, or None."""
    height, width = opened.pixels.shape[:2]
    return ImageInfo(opened.name, opened.sha256, width, height, tuple(opened.notes), source, opened.window)


def _method_info(method: Bound[Method], maps: Attribution) -> MethodInfo:
    """Describe a method, with every setting as it was run."""
    spec = str(method.full(maps.settings))
    return MethodInfo(method.name, spec, as_settings(maps.settings), method.row.paper or "", method.row.signed)
