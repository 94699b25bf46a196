"""Evaluate generators on held-out images: do they flip the class, stay close to the input, and avoid collapse?"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Int

from seewhy.core.arrays import Images
from seewhy.core.classifier import Classifier
from seewhy.images.collection import Collection
from seewhy.nets.counterfactual_generators import LOWEST_VARIETY, CounterfactualGenerators
from seewhy.nets.translator import Planes
from seewhy.training.counterfactual.loss import Batch, Losses
from seewhy.training.counterfactual.run import Evaluation, Run

FLIPS = 0.95
"""Fraction of held-out images that must flip before epochs are compared by error."""

FEWEST_FLIPS = 0.5
"""Generators that flip a smaller fraction are reported as making no edit."""

_AT_ONCE = 256
_PIXELS_AT_ONCE = 2**20  # 1,337 images of 28 x 28, 20 of 224 x 224
_PAIRS = 64  # neighbours in a batch whose mean difference measures variety


def predicted(classifier: Classifier, collection: Collection) -> Int[np.ndarray, " n"]:
    """Return the predicted class of each image, at a cost of n queries."""
    found = []
    with torch.no_grad():
        for start in range(0, len(collection), _AT_ONCE):
            images = collection.images(slice(start, start + _AT_ONCE)).to(classifier.device)
            found.append(classifier(images).argmax(1).cpu().numpy())
    return np.concatenate(found)


def directions(classes: Sequence[int]) -> list[tuple[int, int]]:
    """Return the source and target of each evaluated direction: both for two classes, each class to the next for more.

    Example:
        >>> directions([3, 8]), directions([0, 1, 2])
        ([(3, 8), (8, 3)], [(0, 1), (1, 2), (2, 0)])
    """
    return [(source, classes[(place + 1) % len(classes)]) for place, source in enumerate(classes)]


@torch.no_grad()
def evaluate(run: Run, held_out: Mapping[int, Images], since: int) -> Evaluation:
    """Evaluate the generators that would be kept.

    Args:
        run: the training run.
        held_out: held-out images, grouped by predicted class.
        since: iterations since the previous evaluation.
    """
    generators, facts = run.evaluated, []
    for source, target in directions(generators.classes):
        facts.append(_direction(run.losses, generators, held_out, (source, target)))
    worst = {name: (min if name in _RATES else max)(fact[name] for fact in facts) for name in facts[0]}
    worst["held_out"] = sum(fact["held_out"] for fact in facts)
    means = [total / max(1, since) for total in run.sums]
    run.sums = [0.0, 0.0]
    return Evaluation(step=run.step, loss=means[0], critic=means[1], **worst)


_RATES = {"flip", "stable", "cycle", "variety", "change"}
"""Quantities of which the smaller value, over the directions, is the worse."""


def _direction(
    losses: Losses, generators: CounterfactualGenerators, held_out: Mapping[int, Images], way: tuple[int, int]
) -> dict[str, float]:
    """Evaluate one direction."""
    (source, target), images = way, held_out[way[0]]
    evaluated = Losses(generators, losses.critics, losses.classify, losses.weights)
    parts = [_batch(evaluated, some, source, target) for some in _pieces(images)]
    shares = [len(some) / len(images) for some in _pieces(images)]
    found = {name: sum(share * part[name] for share, part in zip(shares, parts, strict=True)) for name in parts[0]}
    generated = generators(images[:_PAIRS], source, target)
    return {**found, "variety": variety(generated.adversarial) / max(variety(held_out[target]), 1e-9)}


def _batch(losses: Losses, images: Images, source: int, target: int) -> dict[str, float]:
    """Evaluate one batch of images of a direction."""
    generated = losses.generators(images, source, target)
    classes = torch.full((len(images),), source, device=images.device)
    loss, _ = losses.generator_loss(Batch(images, classes, source, target), torch.Generator().manual_seed(0))

    def share(some: Images, kind: int) -> float:
        return float((losses.classify(some).argmax(1) == kind).double().mean())

    return {
        "flip": share(generated.adversarial, target),
        "stable": share(generated.stable, source),
        "cycle": math.nan if generated.cycle is None else share(generated.cycle, source),
        "kept": float((generated.stable - images).abs().mean()),
        "cycled": math.nan if generated.cycle is None else float((generated.cycle - images).abs().mean()),
        "change": float((generated.adversarial - images).abs().mean()),
        "held_out": float(loss),
    }


def _pieces(images: Images) -> Sequence[Images]:
    """Split images into batches that fit in memory at any size."""
    return torch.split(images, max(1, _PIXELS_AT_ONCE // (images.shape[2] * images.shape[3])))


def variety(images: Planes) -> float:
    """Return the mean absolute difference between an image and its neighbour in the batch, 0 to 1.

    Example:
        >>> variety(torch.stack([torch.zeros(1, 2, 2), torch.ones(1, 2, 2)]))
        1.0
    """
    some = images[:_PAIRS]
    return float((some - some.roll(1, 0)).abs().mean())


def error(evaluation: Evaluation, arm: str) -> float:
    """Return the largest mean absolute error of the images meant to equal the input: the stable and the cycle image."""
    return max(evaluation.kept if arm != "cyce" else 0.0, 0.0 if math.isnan(evaluation.cycled) else evaluation.cycled)


def better(new: Evaluation, old: Evaluation | None, *, arm: str, select: str) -> bool:
    """Return whether an epoch should replace an earlier one; see `seewhy.training.counterfactual.plan.Plan`."""
    if old is None:
        return True
    if select == "loss":
        return new.held_out < old.held_out
    if min(new.flip, old.flip) < FLIPS:
        return new.flip > old.flip
    return error(new, arm) < error(old, arm)


def collapse(evaluation: Evaluation) -> str:
    """Describe what is wrong with the generators; empty if nothing is detected."""
    if evaluation.flip < FEWEST_FLIPS:
        return (
            f"the generators hardly edit: {evaluation.flip:.0%} of held-out images flip, "
            f"with a mean change of {evaluation.change:.3f}; train longer, or increase the flip weight (--set flip=1)"
        )
    if evaluation.variety < LOWEST_VARIETY:
        return (
            "the generators output nearly the same image for every input: their variety is "
            f"{evaluation.variety:.0%} of that of real images; increase the weights cycle and symmetry, or decrease "
            "the critic's (--set realism=0.25)"
        )
    return ""
