"""The record of an explanation: all that is needed to read it, to check it and to run it again."""

import platform
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.core.classifier import Classifier
from seewhy.core.maps import Maps
from seewhy.core.probe import Probe
from seewhy.core.spec import Spec
from seewhy.core.target import ClassEvidence, Contrast, Target, WeightOfEvidence
from seewhy.core.view import Frame
from seewhy.images.open import Picture
from seewhy.registry import Method, resolved, row, table
from seewhy.runs.door import Door
from seewhy.runs.request import Request

PREDICTED = 5

Facts = dict[str, Any]


def about_picture(picture: Picture, frame: Frame, classifier: Classifier) -> Facts:
    """Say which picture it was and what part of it was seen."""
    return {
        "image": {
            "name": picture.name,
            "sha256": picture.sha256,
            "width": frame.picture[1],
            "height": frame.picture[0],
            "notes": list(picture.notes),
        },
        "view": {"rule": classifier.view.describe(), "size": list(frame.size), "box": list(frame.box)},
    }


def about_classifier(door: Door, prediction: Float[Tensor, " k"], targets: Sequence[Target], maps: Maps) -> Facts:
    """Say which classifier it was, how it was run, and what it said of the whole picture."""
    classifier = door.original
    top = torch.topk(prediction, min(PREDICTED, len(prediction))).indices.tolist()
    watched = maps.witnesses.classes if maps.witnesses else ()
    return {
        "classifier": {
            "spec": classifier.name,
            "fingerprint": classifier.fingerprint,
            "labels": len(prediction),
            "access": classifier.access.name,
        },
        "predicted": [one_class(index, classifier, prediction) for index in top],
        "watched": [one_class(index, classifier, prediction) for index in watched],
        "targets": [{**_target(target, classifier, prediction), **_extremes(maps, target.key)} for target in targets],
        "runtime": {
            **door.facts(),
            "device": str(classifier.device),
            "threads": torch.get_num_threads(),
        },
    }


def about_request(request: Request, maps: Maps) -> Facts:
    """Say what was asked, every setting written out."""
    settings = resolved(request.function, maps.settings)
    found: Method = row("methods", request.method.name)
    return {
        "method": {
            "spec": str(Spec(request.method.name, settings)),
            "name": request.method.name,
            "settings": dict(maps.settings),
            "paper": found.paper,
        },
        "signed": found.signed,
        "infill": {
            "spec": str(request.infill_spec),
            "checksum": request.infill.checksum,
            "stochastic": request.infill.stochastic,
        },
        "seed": request.seed,
        "budget": asdict(request.budget),
        "batch_size": request.batch_size,
    }


def about_run(probe: Probe, maps: Maps, seconds: float) -> Facts:
    """Say what it took."""
    return {
        "unit": maps.unit,
        "findings": list(maps.findings),
        "traces": {name: list(values) for name, values in maps.traces.items()},
        "queries": asdict(probe.queries),
        "seconds": round(seconds, 3),
        "stopped_because": maps.stopped_because,
        "versions": {
            "python": platform.python_version(),
            **{name: _version(name) for name in ("seewhy", "torch", "numpy")},
        },
    }


def command(request: Request, probe: Probe, maps: Maps, source: str | None) -> str | None:
    """Write the command line that gives these maps again, or None where something was an object and has no name.

    ``source`` is the picture's path as the user wrote it, or None.
    """
    if source is None or request.origin is None or request.infill_spec.name not in table("infills"):
        return None
    method = Spec(request.method.name, resolved(request.function, maps.settings))
    words = ["seewhy", "explain", source, *request.origin, "--method", str(method)]
    words += ["--infill", str(request.infill_spec), "--seed", str(request.seed), "--runtime", request.runtime]
    for asked in request.targets or ():
        words += ["--target", f"contrast:{asked[1]}/{asked[2]}" if isinstance(asked, tuple) else str(asked)]
    if maps.stopped_because != "complete":  # windows come in one order, so the same number gives the same maps
        words += ["--budget", str(probe.queries.forward_images)]
    if request.check_infill:
        words.append("--check-infill")
    if not request.verdict:
        words.append("--no-verdict")
    if row("infills", request.infill_spec.name).runs_code and "--trust" not in words:
        words.append("--trust")
    return shlex.join(words)


def one_class(index: int, classifier: Classifier, prediction: Float[Tensor, " k"]) -> Facts:
    """Name a class, and say what the classifier gave it."""
    return {"index": index, "label": label(index, classifier), "probability": float(prediction[index])}


def label(index: int, classifier: Classifier) -> str:
    """The name of a class, or its number where the caller gave no names."""
    return classifier.labels[index] if classifier.labels else f"class {index}"


def _target(target: Target, classifier: Classifier, prediction: Float[Tensor, " k"]) -> Facts:
    """One target, in words."""
    if isinstance(target, ClassEvidence):
        return {"key": target.key, **one_class(target.index, classifier, prediction)}
    if isinstance(target, WeightOfEvidence):
        named = one_class(target.index, classifier, prediction)
        return {"key": target.key, **named, "label": f"{named['label']} (weight of evidence)"}
    if isinstance(target, Contrast):
        return {
            "key": target.key,
            "label": f"{label(target.index, classifier)} rather than {label(target.other, classifier)}",
        }
    return {"key": target.key, "label": "Information"}


def _extremes(maps: Maps, key: str) -> Facts:
    """The highest and the lowest point of a map: value, standard error, place in the classifier's view."""
    values, errors = maps.values[key], maps.stderr.get(key)

    def point(flat: np.intp) -> Facts:
        row, column = divmod(int(flat), values.shape[1])
        error = None if errors is None else float(errors[row, column])
        return {"value": float(values[row, column]), "stderr": error, "row": row, "column": column}

    return {"highest": point(values.argmax()), "lowest": point(values.argmin())}


def _version(package: str) -> str | None:
    """The installed version, or None for a package that is run from its source tree."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
