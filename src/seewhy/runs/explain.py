"""Explain one picture: the main job, from a request to an `Explanation`."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seewhy import registry
from seewhy.classifiers.tuning import PLAIN_BATCH
from seewhy.core.arrays import Image
from seewhy.core.budget import Budget
from seewhy.core.infill import Infill
from seewhy.core.maps import Maps
from seewhy.core.probe import Progress, no_progress
from seewhy.images.open import Picture, open_picture
from seewhy.images.view import apply_view
from seewhy.runs.check import complaints, second_opinion
from seewhy.runs.companions import about_companions, checked
from seewhy.runs.door import Door, test_door
from seewhy.runs.evidence import Evidence
from seewhy.runs.explanation import SCHEMA_VERSION, Explanation
from seewhy.runs.manifest import about_classifier, about_picture, about_request, about_run, command
from seewhy.runs.request import Request, bind, prepare
from seewhy.runs.targets import Asked, read_targets
from seewhy.runs.trial import trial
from seewhy.runs.verdict import verdict as judge_maps


def explain(
    classifier: object,
    image: object,
    *,
    method: str = registry.DEFAULT_METHOD,
    targets: Asked | Sequence[Asked] | None = None,
    infill: str | Infill | None = None,
    budget: int | Budget | None = None,
    seed: int = 0,
    batch_size: int | None = None,
    runtime: str = "auto",
    max_megapixels: float = 200.0,
    check_infill: bool = False,
    verdict: bool = True,
    progress: Progress = no_progress,
) -> Explanation:
    """Say what in a picture made a classifier say what it says.

    Args:
        classifier: a Spec such as ``"efficientnet-lite0"``, a ``torch.nn.Module``, a function on ``(n, h, w, 3)`` uint8
            batches, or what `seewhy.classifier` returned.
        image: a path, bytes, a PIL picture, an ``(h, w, 3)`` uint8 array or a ``(3, h, w)`` float tensor in [0, 1].
        method: a Spec, ``"pmi:size=8,stride=1,samples=8"`` say; see ``seewhy list methods``.
        targets: class indices or names, ``"information"``, ``("contrast", a, b)``; None: the three likeliest classes, and
            the information where the method has it.
        infill: a Spec or an `Infill`; None: the method's usual one.
        budget: queries, or a `Budget` with seconds and tolerance.
        seed: the same seed gives the same maps.
        batch_size: pictures shown at once; changes the speed, not the maps. None: the fastest.
        runtime: how a torch module or an ONNX file is run: ``"auto"`` is the fastest way here that says the same,
            ``"eager"`` the classifier as it came; see ``docs/explanation/runtimes.md``.
        max_megapixels: larger pictures are refused before they are decoded.
        check_infill: ask the same windows again with two in-fills of another kind, and warn where the map does not stay;
            see the manifest's ``infill_check``.
        verdict: put the map on trial: is what it marks needed, and enough, more than a random region? See
            `seewhy.runs.trial.trial` and the manifest's ``verdict``.
        progress: called with (queries done, queries planned) after each batch.

    Returns:
        Maps, their standard errors and the account of what was asked.

    Raises:
        RequestError: anything is wrong with the request; the message says what, which value, what to do.
        ClassifierError: the classifier contradicts its own description.

    Warns:
        UserWarning: the classifier looks as if it was wired up wrongly, and the message names the likely mistake; or
            ``check_infill`` found that the map does not stay.

    Cost in queries: the method's (see its documentation), and seven more for the self-test at the door; those of
    `seewhy.classifiers.tuning.tune`, which asks a function none. ``check_infill``
    adds up to four a window, or two a grid, beyond ``budget``; the manifest says how many. So does a method that returns companion
    pictures: one a picture.
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
        verdict=verdict,
    )
    source = str(image) if isinstance(image, str | Path) else None
    picture = open_picture(image, max_megapixels=max_megapixels)
    door = test_door(request, picture)
    for suspicion in door.tested.warnings:
        warnings.warn(suspicion, stacklevel=2)
    explanation = answer(request, picture, source=source, door=door, progress=progress)
    for text in explanation.manifest["warnings"]:
        if text not in {*door.tested.warnings, *picture.notes}:
            warnings.warn(text, stacklevel=2)
    return explanation


def answer(
    request: Request,
    picture: Picture,
    *,
    door: Door,
    source: str | None = None,
    progress: Progress = no_progress,
) -> Explanation:
    """Carry out a request on one picture.

    Args:
        request: from `prepare`.
        picture: from `open_picture`.
        source: the picture's path as the user wrote it, for the command that runs it again.
        door: the classifier, tested and made ready, from `seewhy.runs.door.test_door`.
        progress: called with (queries done, queries planned) after each batch.

    Raises:
        RequestError: the picture, the targets or the budget do not fit the method.
        ClassifierError: the classifier contradicts its own description.
    """
    image, frame = apply_view(picture, request.classifier.view)
    request = door.let_in(request, image)
    probe = bind(request, image, progress)
    labels = request.classifier.labels
    targets = read_targets(
        request.targets,
        probe.prediction,
        labels,
        information=request.information,
        classes=request.classes,
        contrast=request.contrast,
        rivals=request.rivals,
    )
    maps = request.function(probe, targets, **request.settings)
    seconds = probe.seconds
    evidence = Evidence.of(picture.pixels, probe, maps.witnesses)
    said = about_classifier(door, probe.prediction, targets, maps)
    check = second_opinion(request, probe, targets, maps, progress) if request.check_infill else None
    tried = _try(request, image, maps, said) if request.verdict else None
    companions = checked(maps.companions, probe.size)
    matters = {"information", f"class:{said['predicted'][0]['index']}"}
    names = {target["key"]: target["label"] for target in said["targets"] if target["key"] in matters}
    manifest = {
        "schema_version": SCHEMA_VERSION,
        **about_picture(picture, frame, request.classifier),
        **said,
        **about_request(request, maps),
        **about_run(probe, maps, seconds),
        "companions": about_companions(probe, targets, companions),
        "verdict": judge_maps(maps, said["targets"], tried, len(probe.prediction)),
        "infill_check": check,
        "warnings": [
            *door.tested.warnings,
            *picture.notes,
            *(complaints(check, names) if check else []),
        ],
        "command": command(request, probe, maps, source),
    }
    return Explanation(dict(maps.values), dict(maps.stderr), manifest, frame, evidence, dict(maps.outlines), companions)


def _try(request: Request, image: Image, maps: Maps, said: dict[str, Any]) -> dict[str, Any]:
    """Put the maps on trial."""
    return trial(
        request.classifier,
        image,
        maps,
        said["targets"],
        said["predicted"][0]["index"],
        seed=request.seed,
        batch_size=request.batch_size or PLAIN_BATCH,
    )
