"""Hold a classifier to its own description, before anything is explained, and name the usual mistakes."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seewhy.classifiers.module import check_eval
from seewhy.core.access import Access
from seewhy.core.arrays import Image, Images
from seewhy.core.classifier import Classifier
from seewhy.core.errors import ClassifierError
from seewhy.core.probe import Answers, as_distributions

_SAME = 1e-4
"""Two answers to the very same call may differ by this much: the order of sums in a parallel reduction."""

_ALONE = 1e-3
"""An answer in a batch may differ from the one alone by this much: other kernels for other batch sizes."""

_CONSTANT = 1e-3
"""Probabilities of pictures that have nothing in common differ by at least this factor in a classifier that looks."""


@dataclass(frozen=True)
class SelfTest:
    """What a self-test found.

    Args:
        warnings: suspicions, each naming the likely mistake; empty when there is none.
        agreement: the largest difference of a probability between the picture alone and in a batch.
        queries: pictures that were shown.

    Example:
        >>> SelfTest((), 0.0, 7).queries
        7
    """

    warnings: tuple[str, ...]
    agreement: float
    queries: int


@torch.no_grad()
def self_test(classifier: Classifier, image: Image) -> SelfTest:
    """Show a classifier one picture and simple variants of it; contradictions raise, suspicions are returned.

    Costs 7 queries in 3 calls: the picture alone, twice, and a batch of five: noise, the picture, the picture with red and
    blue swapped, its negative, and its mirror image.

    Args:
        classifier: what is tested.
        image: a natural picture in the classifier's view, ``(3, h, w)`` in [0, 1].

    Raises:
        ClassifierError: an answer is not a distribution over as many classes as there are labels, is another one the
            second time, or depends on the rest of the batch; or the module is in training mode.

    Example:
        ``self_test(classifier, image).warnings`` is ``()`` for EfficientNet-Lite0 on a photograph.
    """
    _check_module(classifier)
    image = image.to(classifier.device)
    alone = _ask(classifier, image[None])
    _check_labels(classifier, alone.shape[1])
    again = _ask(classifier, image[None])
    batch = _ask(classifier, _variants(image))
    if again.shape != alone.shape or batch.shape[1:] != alone.shape[1:]:
        raise ClassifierError(
            f"expected {alone.shape[1]} classes at each call, got {again.shape[1]} and {batch.shape[1]}; "
            "return a fixed number"
        )
    _check_repeat(float((again - alone).abs().max()))
    agreement = float((batch[1] - alone[0]).abs().max())
    _check_batch(agreement)
    if classifier.access < Access.PROBABILITIES:  # labels may well be the same for all, and show no soft-max
        return SelfTest((), agreement, 2 + len(batch))
    outputs, channels = getattr(classifier, "outputs", "logits"), getattr(classifier, "channels", "rgb")
    suspicions = (_constant(batch), _soft_max_twice(batch, outputs), _swapped(batch, channels))
    return SelfTest(tuple(text for text in suspicions if text is not None), agreement, 2 + len(batch))


def _ask(classifier: Classifier, images: Images) -> Answers:
    """Ask, and hold the answer to the contract."""
    return as_distributions(classifier(images), len(images))


def _variants(image: Image) -> Images:
    """Make the batch: noise, the picture, swapped channels, negative, mirror image; all of 8-bit levels."""
    noise = torch.rand(image.shape, generator=torch.Generator().manual_seed(0)).to(image)
    noise = (noise * 255).round() / 255
    return torch.stack([noise, image, image.flip(0), 1 - image, image.flip(2)])


def _check_module(classifier: Classifier) -> None:
    """Look at the module where there is one: training mode may not show in a few queries."""
    module = getattr(classifier, "module", None)
    if isinstance(module, nn.Module):
        check_eval(module)


def _check_labels(classifier: Classifier, classes: int) -> None:
    """Count the labels."""
    labels = classifier.labels
    if labels is not None and len(labels) != classes:
        raise ClassifierError(
            f"expected one label a class, got {len(labels)} labels for {classes} classes; give {classes} labels"
        )


def _check_repeat(difference: float) -> None:
    """The same call, the same answer."""
    if not difference <= _SAME:
        raise ClassifierError(
            f"expected the same answer to the same picture, got one that differs by {difference:.3g}; "
            "this looks like dropout or random augmentation (training mode): call model.eval(), or fix its seed"
        )


def _check_batch(difference: float) -> None:
    """A picture's answer is its own."""
    if not difference <= _ALONE:
        raise ClassifierError(
            f"expected an answer that does not depend on the rest of the batch, got one that differs by {difference:.3g} "
            "alone and among others; this looks like batch norm in training mode (call model.eval()) "
            "or preprocessing that normalises over the whole batch (normalise each picture by itself)"
        )


def _logs(answers: Answers) -> Answers:
    """Logarithms, with a floor far below any probability that matters."""
    return answers.clamp_min(1e-30).log()


def _constant(batch: Answers) -> str | None:
    """Suspect a classifier that says the same of noise, a photograph and its negative."""
    logs = _logs(batch[[0, 1, 3]])
    spread = float((logs.amax(0) - logs.amin(0)).max())
    if spread >= _CONSTANT:
        return None
    return (
        "the answer does not depend on the picture: noise, the picture and its negative get the same probabilities; "
        "look at the value range (0 to 1 or 0 to 255) and at the weights"
    )


def _soft_max_twice(batch: Answers, outputs: str) -> str | None:
    """Suspect probabilities that are themselves a soft-max of probabilities.

    The logarithms of such a row, shifted so that they sum to 1, are all >= 0: they are the first probabilities. Logits
    of a real network are not, and those of an untrained one, all about equal, have no peak.
    """
    classes = batch.shape[1]
    logs = _logs(batch)
    first: Float[Tensor, "n k"] = logs + (1 - logs.sum(1, keepdim=True)) / classes
    peaked = float(first.max()) > 1.5 / classes
    if classes < 3 or not peaked or float(first.min()) < -0.1 / classes:
        return None
    advice = "pass outputs='probabilities'" if outputs == "logits" else "leave one of them out"
    largest, ceiling = float(batch.max()), math.e / (math.e + classes - 1)
    return (
        f"looks like soft-max was applied twice: the largest of {classes} probabilities is {largest:.2g}, "
        f"and no picture can give more than {ceiling:.2g}; {advice}"
    )


def _swapped(batch: Answers, channels: str) -> str | None:
    """Suspect the channel order when swapping red and blue makes the classifier far surer of itself."""
    before, after = float(batch[1].max()), float(batch[2].max())
    if not (before < 0.5 and after > before + 0.3 and after >= 2 * before):
        return None
    other = "rgb" if channels == "bgr" else "bgr"
    return (
        f"looks like {other.upper()}: confidence rises from {before:.2f} to {after:.2f} when channels are swapped; "
        f"pass channels={other!r}"
    )
