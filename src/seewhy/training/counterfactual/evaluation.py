"""Evaluate generators on held-out images: do they flip the class, stay close to the input, and avoid collapse?"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int

from seewhy.core.arrays import Images
from seewhy.core.classifier import Classifier
from seewhy.images.collection import Collection
from seewhy.nets.counterfactual_generators import LOWEST_VARIETY
from seewhy.nets.translator import Planes
from seewhy.training.counterfactual.loss import Batch, Losses

FLIPS = 0.95
"""Fraction of held-out images that must flip before epochs are compared by error."""

FEWEST_FLIPS = 0.5
"""Generators that flip a smaller fraction are reported as making no edit."""

_AT_ONCE = 256
_PIXELS_AT_ONCE = 2**20  # 1,337 images of 28 x 28, 20 of 224 x 224
_PAIRS = 64  # neighbours in a batch whose mean difference measures variety
_RATES = {"flip", "stable", "cycle", "variety", "change"}  # the smaller value over the directions is the worse one


@dataclass(frozen=True)
class Evaluation:
    """One evaluation on held-out images, after an epoch. Rates and errors are those of the worse direction.

    ``loss`` and ``critic`` are means of the training losses since the previous evaluation. ``flip``, ``stable`` and ``cycle``
    are the fractions of images with the class that they should have; ``change``, ``kept`` and ``cycled`` the mean absolute
    differences of those images to the input (nan without cycle images). ``variety`` is the mean difference between two
    adversarial images, divided by that between two real ones.
    """

    step: int
    loss: float
    critic: float
    flip: float
    stable: float
    cycle: float
    kept: float
    cycled: float
    change: float
    variety: float
    held_out: float

    @property
    def error(self) -> float:
        """The larger mean absolute error of the images meant to equal the input: the stable and the cycle image."""
        return self.kept if math.isnan(self.cycled) else max(self.kept, self.cycled)

    def __str__(self) -> str:
        return f"flip {self.flip:.2f} · stable {self.stable:.2f} · error {self.error:.3f}"


def predicted(classifier: Classifier, collection: Collection) -> Int[np.ndarray, " n"]:
    """Return the predicted class of each image, at a cost of n queries."""
    found = []
    with torch.no_grad():
        for start in range(0, len(collection), _AT_ONCE):
            images = collection.images(slice(start, start + _AT_ONCE)).to(classifier.device)
            found.append(classifier(images).argmax(1).cpu().numpy())
    return np.concatenate(found)


def directions(classes: Sequence[int]) -> list[tuple[int, int]]:
    """Return the source and target of each evaluated direction: both for two classes, each class to the next for more."""
    return [(source, classes[(place + 1) % len(classes)]) for place, source in enumerate(classes)]


@torch.no_grad()
def evaluate(losses: Losses, held_out: Mapping[int, Images]) -> dict[str, float]:
    """Evaluate generators on held-out images, grouped by predicted class; return the last nine numbers of an `Evaluation`."""
    ways = [_evaluate_direction(losses, held_out, *way) for way in directions(losses.generators.classes)]
    worst = {name: (min if name in _RATES else max)(way[name] for way in ways) for name in ways[0]}
    return {**worst, "held_out": sum(way["held_out"] for way in ways)}


def _evaluate_direction(losses: Losses, held_out: Mapping[int, Images], source: int, target: int) -> dict[str, float]:
    """Evaluate one direction, on batches that fit in memory at any size."""
    images = held_out[source]
    batches = torch.split(images, max(1, _PIXELS_AT_ONCE // (images.shape[2] * images.shape[3])))
    parts = [_evaluate_batch(losses, batch, source, target) for batch in batches]
    shares = [len(batch) / len(images) for batch in batches]
    means = {name: sum(share * part[name] for share, part in zip(shares, parts, strict=True)) for name in parts[0]}
    generated = losses.generators(images[:_PAIRS], source, target)
    return {**means, "variety": _variety(generated.adversarial) / max(_variety(held_out[target]), 1e-9)}


def _evaluate_batch(losses: Losses, images: Images, source: int, target: int) -> dict[str, float]:
    """Evaluate one batch of images of a direction."""
    generated = losses.generators(images, source, target)
    classes = torch.full((len(images),), source, device=images.device)
    loss = losses.generator_loss(Batch(images, classes, source, target), torch.Generator().manual_seed(0))

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


def _variety(images: Planes) -> float:
    """Return the mean absolute difference between an image and its neighbour in the batch, 0 to 1."""
    some = images[:_PAIRS]
    return float((some - some.roll(1, 0)).abs().mean())


def better(new: Evaluation, old: Evaluation, *, select: str) -> bool:
    """Return whether an epoch should replace an earlier one; see `seewhy.training.counterfactual.plan.Plan`."""
    if select == "loss":
        return new.held_out < old.held_out
    if min(new.flip, old.flip) < FLIPS:
        return new.flip > old.flip
    return new.error < old.error


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
