"""The pictures that belong to an answer, and what the classifier says of them."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from seewhy.core.maps import Companion
from seewhy.core.probe import Probe
from seewhy.core.target import ClassEvidence, Contrast, Target, WeightOfEvidence
from seewhy.runs.manifest import Facts, one_class


def checked(companions: Mapping[str, Companion], size: tuple[int, int]) -> dict[str, Companion]:
    """Hold a method to its word: pictures of the view's size in [0, 1], with names that can stand in the name of a file.

    Args:
        companions: as the method returned them.
        size: height and width of the classifier's view.

    Returns:
        The same pictures, float32, in memory of their own.
    """
    for name, picture in companions.items():
        if not name.isidentifier() or name == "input":
            raise AssertionError(
                f"a method named a companion {name!r}; expected letters, digits and underscores, not input"
            )
        if picture.shape != (3, *size) or not ((picture >= 0) & (picture <= 1)).all():
            raise AssertionError(f"a method returned {name} of shape {picture.shape}; expected (3, {size}) in [0, 1]")
    return {name: np.array(picture, np.float32, order="C") for name, picture in companions.items()}


def about_companions(probe: Probe, targets: Sequence[Target], companions: Mapping[str, Companion]) -> Facts:
    """Ask the classifier about the companions, beyond the budget and counted apart.

    Args:
        probe: the question that was answered.
        targets: whose classes are watched, beside the likeliest of the picture and of each companion.
        companions: name → picture in the classifier's view.

    Returns:
        ``input``: what the classifier says of the picture itself; ``pictures``: of each companion; ``queries``: one a companion.
    """
    if not companions:
        return {"input": [], "pictures": [], "queries": 0}
    classifier = probe.classifier
    asked = Probe(classifier, probe.infill, probe.image, batch_size=probe.batch_size)
    answers = asked.show(torch.from_numpy(np.stack(list(companions.values()))).to(probe.image.device))
    tops = [int(answer.argmax()) for answer in answers]
    named = [index for target in targets for index in _classes(target)]
    watched = list(dict.fromkeys([int(probe.prediction.argmax()), *named, *tops]))
    return {
        "input": [one_class(index, classifier, probe.prediction) for index in watched],
        "pictures": [
            {
                "name": name,
                "predicted": one_class(top, classifier, answer),
                "probabilities": [one_class(index, classifier, answer) for index in watched],
            }
            for name, top, answer in zip(companions, tops, answers, strict=True)
        ],
        "queries": asked.queries.forward_images,
    }


def _classes(target: Target) -> list[int]:
    """The classes that a target names."""
    if isinstance(target, Contrast):
        return [target.index, target.other]
    return [target.index] if isinstance(target, ClassEvidence | WeightOfEvidence) else []
