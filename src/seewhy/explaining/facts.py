"""The facts that go into a record: the classifier, its classes, the targets and their maps."""

import platform
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.core.attribution import Attribution
from seewhy.core.classifier import Classifier, class_name
from seewhy.core.target import Target
from seewhy.results.record import ClassifierInfo, ClassProbability, Extreme, TargetInfo
from seewhy.runtime.machine import installed

_PREDICTED = 5

Prediction = Float[Tensor, " k"]


def classifier_info(classifier: Classifier, classes: int) -> ClassifierInfo:
    """Describe a classifier; ``classes`` is the number of its classes."""
    return ClassifierInfo(classifier.name, classifier.spec, classifier.fingerprint, classes, classifier.access.name)


def predicted_classes(classifier: Classifier, prediction: Prediction) -> tuple[ClassProbability, ...]:
    """Return the most probable classes, best first."""
    top = torch.topk(prediction, min(_PREDICTED, len(prediction))).indices.tolist()
    return class_probabilities(top, classifier, prediction)


def class_probabilities(
    indices: Sequence[int], classifier: Classifier, prediction: Prediction
) -> tuple[ClassProbability, ...]:
    """Name classes, each with its probability."""
    return tuple(ClassProbability(index, label(index, classifier), float(prediction[index])) for index in indices)


def label(index: int, classifier: Classifier) -> str:
    """Return the name of a class, as `seewhy.core.classifier.class_name`."""
    return class_name(classifier.labels, index)


def target_info(target: Target, classifier: Classifier, prediction: Prediction, maps: Attribution) -> TargetInfo:
    """Describe a target and the ends of its map."""
    index, other = (*target.classes, None, None)[:2]
    likely = target.kind in {"class", "woe"} and index is not None
    return TargetInfo(
        key=target.key,
        label=_target_label(target, classifier),
        kind=target.kind,
        highest=_extreme(maps, target.key, maps.values[target.key].argmax()),
        lowest=_extreme(maps, target.key, maps.values[target.key].argmin()),
        index=index,
        other=other,
        probability=float(prediction[index]) if likely else None,
        unit=maps.units.get(target.key),
        signed=False if target.key in maps.unsigned else None,
    )


def _target_label(target: Target, classifier: Classifier) -> str:
    """Name a target for people."""
    names = [label(index, classifier) for index in target.classes]
    return {
        "class": "{0}",
        "contrast": "{0} rather than {1}",
        "woe": "{0} (weight of evidence)",
        "information": "Information",
    }[target.kind].format(*names)


def _extreme(maps: Attribution, key: str, flat: np.intp) -> Extreme:
    """Describe one point of a map."""
    values, errors = maps.values[key], maps.stderr.get(key)
    row, column = divmod(int(flat), values.shape[1])
    error = None if errors is None else float(errors[row, column])
    return Extreme(float(values[row, column]), error, row, column)


def versions() -> dict[str, str | None]:
    """Return the versions that the numbers depend on."""
    return {"python": platform.python_version(), **{name: installed(name) for name in ("seewhy", "torch", "numpy")}}
