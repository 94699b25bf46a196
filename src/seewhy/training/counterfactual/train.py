"""Train the generators of `seewhy.methods.counterfactual` against a classifier, on the user's own pictures."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from seewhy.core.classifier import Classifier, Differentiable
from seewhy.core.errors import RequestError
from seewhy.images.collection import Collection, read_collection, split
from seewhy.nets.carded import CARD
from seewhy.training.counterfactual.job import UNFINISHED, Job, Progress, Trained
from seewhy.training.counterfactual.evaluation import predicted
from seewhy.training.counterfactual.plan import Plan

FEWEST = 20
"""Pictures of a class that training takes at least, before some are held out."""

_LOOKED_AT = 256  # held-out pictures of each class that an epoch is judged on


def silent(*facts: object) -> None:
    """Report nothing."""
    del facts


def train_counterfactual(
    classifier: Classifier,
    source: Collection | str | Path,
    out: Path,
    *,
    classes: Sequence[int | str] | None = None,
    plan: Plan | None = None,
    progress: Progress = silent,
    stop_at: int | None = None,
) -> Trained:
    """Train generators of stable and adversarial twins, and write ``counterfactual.safetensors`` and ``card.json``.

    Charachon, Cournède, Hudelot, Ardon, FGCS 132, 2022. The classifier stays as it is; pictures count as what it says of them,
    whatever their labels. After each epoch the folder holds the best generators so far, ``curves.png``, a sheet of samples in
    ``epochs/`` and a checkpoint; the same call goes on after an interruption, as if there had been none.

    Args:
        classifier: with gradients, and of one size of input.
        source: pictures; see `seewhy.images.collection.read_collection`. Labels are not needed.
        out: folder for all of it; it is created.
        classes: two or more classes, by index or name; None where the classifier has only two. More than two share one generator.
        plan: None for `seewhy.training.counterfactual.plan.make_plan`'s usual.
        progress: told after each iteration.
        stop_at: end after this iteration as if cut off.

    Returns:
        What came of it.

    Raises:
        RequestError: the classifier gives no gradients or has no such class, it puts too few pictures in one, the folder holds
            finished generators or a checkpoint of something else, or the disk is full.

    Cost: a query a picture; in an iteration five passes through the classifier for each picture of a batch (three forward, two or
    three backward).
    """
    plan = plan or Plan()
    check_trainable(classifier, out)
    pictures = source if isinstance(source, Collection) else read_collection(source, view=classifier.view)
    chosen = read_classes(classifier, classes)
    train, held_out = split(pictures, share=plan.held_out, seed=plan.seed)
    facts = {"source": pictures.source}
    job = Job(
        classifier,
        plan,
        out,
        pictures=_sorted(classifier, train, chosen),
        held_out=_held_out(classifier, held_out, chosen),
        facts=facts,
    )
    return job.train(progress, stop_at)


def check_trainable(classifier: Classifier, out: Path) -> None:
    """Refuse what cannot be trained against, before any picture is read."""
    if not isinstance(classifier, Differentiable):
        raise RequestError(
            f"expected a classifier with gradients to train against, got {classifier.name} with {classifier.access.name}; "
            "for one that can only be called take --method nearest-counterfactual:reference=FOLDER, which needs no training"
        )
    card = out / CARD
    if card.exists() and json.loads(card.read_text(encoding="utf-8")).get("stopped") != UNFINISHED:
        raise RequestError(f"{out} holds finished generators; choose another --out, or remove the folder")


def read_classes(classifier: Classifier, asked: Sequence[int | str] | None) -> tuple[int, ...]:
    """Bring classes to their indices.

    Raises:
        RequestError: there is no such class, fewer than two, or one twice.
    """
    labels = classifier.labels or ()
    if asked is None:
        if len(labels) != 2:
            raise RequestError(
                f"expected to be told two or more classes, as the classifier has {len(labels) or 'no names'}; give --classes A,B"
            )
        return (0, 1)
    found = [_class(text, labels) for text in asked]
    if len(set(found)) != len(found) or len(found) < 2:
        raise RequestError(f"expected two or more different classes, got {', '.join(map(str, asked))}")
    return tuple(found)


def _class(text: int | str, labels: Sequence[str]) -> int:
    """Find one class by name or by index."""
    if isinstance(text, str) and text in labels:
        return labels.index(text)
    known = ", ".join(labels[:10]) + (", …" if len(labels) > 10 else "") if labels else "no names, only numbers from 0"
    try:
        index = int(text)
    except ValueError:
        index = -1
    if index < 0 or (labels and index >= len(labels)):
        raise RequestError(f"the classifier has no class {text!r}; it has {known}")
    return index


def _sorted(classifier: Classifier, pictures: Collection, classes: Sequence[int]) -> dict[int, Collection]:
    """Sort pictures by what the classifier says of them."""
    said = predicted(classifier, pictures)
    counts = {kind: int((said == kind).sum()) for kind in classes}
    rarest = min(counts, key=counts.__getitem__)
    if counts[rarest] < FEWEST:
        names = ", ".join(f"{_name(classifier, kind)}: {count}" for kind, count in counts.items())
        raise RequestError(
            f"expected at least {FEWEST} pictures that the classifier takes for each class, got {names} (of {len(pictures)}); "
            "give more pictures, or other --classes"
        )
    return {kind: pictures.take(np.flatnonzero(said == kind)) for kind in classes}


def _held_out(classifier: Classifier, pictures: Collection, classes: Sequence[int]) -> dict[int, Collection]:
    """Sort held-out pictures likewise, and keep as many as an epoch is judged on."""
    said = predicted(classifier, pictures)
    found = {kind: np.flatnonzero(said == kind)[:_LOOKED_AT] for kind in classes}
    missing = [_name(classifier, kind) for kind, where in found.items() if len(where) < 2]
    if missing:
        raise RequestError(
            f"expected held-out pictures that the classifier takes for {missing[0]}, got fewer than two; give more pictures"
        )
    return {kind: pictures.take(where) for kind, where in found.items()}


def _name(classifier: Classifier, kind: int) -> str:
    """The name of a class."""
    return classifier.labels[kind] if classifier.labels else f"class {kind}"
