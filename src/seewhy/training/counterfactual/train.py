"""Train the generators of `seewhy.methods.counterfactual` for a classifier, on the user's own images."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from seewhy.core.classifier import Classifier, Differentiable
from seewhy.core.context import plain_torch
from seewhy.core.errors import RequestError
from seewhy.images.collection import Collection, read_collection, split
from seewhy.results.folder import check_writable
from seewhy.training.counterfactual.evaluation import predicted
from seewhy.training.counterfactual.job import Job, Trained, check_unfinished
from seewhy.training.counterfactual.plan import Plan
from seewhy.training.loop import Progress, no_progress

FEWEST = 20
"""Smallest number of images predicted as each class, before some are held out."""

_EVALUATED = 256  # largest number of held-out images per class for the evaluation after each epoch


@plain_torch()
def train_counterfactual(
    classifier: Classifier,
    source: Collection | str | Path,
    out: Path,
    *,
    classes: Sequence[int | str] | None = None,
    plan: Plan | None = None,
    progress: Progress = no_progress,
) -> Trained:
    """Train counterfactual generators, and write ``counterfactual.safetensors`` and ``card.json``.

    The generators make a stable image, which keeps the predicted class, and an adversarial image, which changes it:
    Charachon, Cournède, Hudelot, Ardon, FGCS 132, 2022. The classifier is not changed. Images are grouped by the class
    that the classifier predicts, whatever their labels. After each epoch the folder holds the best generators so far,
    ``curves.png``, a sheet of samples in ``epochs/`` and a checkpoint. The same call resumes after an interruption and
    gives the same result as an uninterrupted run. ``classes``, two or more by index or name, may be left out if the
    classifier has exactly two.

    Raises:
        RequestError: the classifier gives no gradients or has no such class, it predicts too few images as one of the
            classes, the folder holds finished generators or a checkpoint of another training run, or the disk is full.

    Cost: one query per image; in each iteration, five passes through the classifier per image of a batch.
    """
    plan = plan or Plan()
    if not isinstance(classifier, Differentiable):
        raise RequestError(
            f"expected a classifier with gradients, got {classifier.name} with {classifier.access.name} access; "
            "for this classifier use --method nearest-counterfactual:reference=FOLDER, which needs no training"
        )
    check_writable(out)
    check_unfinished(out)
    pictures = source if isinstance(source, Collection) else read_collection(source, view=classifier.view)
    chosen = read_classes(classifier, classes)
    train, held_out = split(pictures, share=plan.held_out, seed=plan.seed)
    job = Job(
        classifier,
        classifier.scores,
        plan,
        out,
        pictures=_by_class(classifier, train, chosen, fewest=FEWEST),
        held_out=_by_class(classifier, held_out, chosen, fewest=2, most=_EVALUATED),
        source=pictures.source,
    )
    return job.train(progress)


def read_classes(classifier: Classifier, asked: Sequence[int | str] | None) -> tuple[int, ...]:
    """Convert classes to their indices, or raise RequestError unless there are two different ones or more."""
    labels = classifier.labels or ()
    if asked is None:
        if len(labels) != 2:
            raise RequestError(
                f"expected two or more classes, got none, and the classifier has {len(labels) or 'no'} class names; "
                "give --classes A,B"
            )
        return (0, 1)
    found = [_class(text, labels) for text in asked]
    if len(set(found)) != len(found) or len(found) < 2:
        raise RequestError(
            f"expected two or more different classes, got {', '.join(map(str, asked))}; name each class once"
        )
    return tuple(found)


def _class(text: int | str, labels: Sequence[str]) -> int:
    """Return the index of a class given by name or index."""
    if isinstance(text, str) and text in labels:
        return labels.index(text)
    known = ", ".join(labels[:10]) + (", …" if len(labels) > 10 else "") if labels else "no class names; give an index"
    try:
        index = int(text)
    except ValueError:
        index = -1
    if index < 0 or (labels and index >= len(labels)):
        raise RequestError(f"the classifier has no class {text!r}; it has {known}")
    return index


def _by_class(
    classifier: Classifier, pictures: Collection, classes: Sequence[int], *, fewest: int, most: int | None = None
) -> dict[int, Collection]:
    """Group images by predicted class, and keep at most ``most`` of each."""
    predictions = predicted(classifier, pictures)
    places = {kind: np.flatnonzero(predictions == kind)[:most] for kind in classes}
    if min(map(len, places.values())) < fewest:
        names = classifier.labels or [f"class {kind}" for kind in range(max(classes) + 1)]
        counts = ", ".join(f"{names[kind]}: {len(where)}" for kind, where in places.items())
        raise RequestError(
            f"expected at least {fewest} images predicted as each class, got {counts} (of {len(pictures)}); "
            "provide more images, or choose other --classes"
        )
    return {kind: pictures.take(where) for kind, where in places.items()}
