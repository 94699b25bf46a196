"""Check a classifier against its declared settings before any explanation, and report common mistakes."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seewhy.classifiers.answers import Raw, Rows
from seewhy.classifiers.endings import Ending
from seewhy.classifiers.module import TorchClassifier, check_eval
from seewhy.classifiers.recognition import check_reading
from seewhy.classifiers.wiring import unlike_training
from seewhy.core.access import Access
from seewhy.core.arrays import Image, Images
from seewhy.core.classifier import Classifier
from seewhy.core.errors import ClassifierError
from seewhy.core.probe import Answers, as_distributions

_REPEAT_TOLERANCE = 1e-4
"""Maximum difference between the outputs of two identical calls; parallel reductions change the order of sums."""

_BATCH_TOLERANCE = 1e-3
"""Maximum difference between the output for an image alone and in a batch; other batch sizes use other kernels."""

_MIN_LOG_SPREAD = 1e-3
"""Minimum spread of log-probabilities over unrelated images. A smaller spread means that the output ignores the image."""


@dataclass(frozen=True)
class Validation:
    """Result of a self-test: suspected problems, each with the likely mistake, and the queries that it cost.

    ``agreement`` is the largest difference of a probability between the image alone and in a batch.
    """

    warnings: tuple[str, ...]
    agreement: float
    queries: int


@torch.no_grad()
def validate_classifier(classifier: Classifier, image: Image) -> Validation:
    """Query a classifier on a natural image in its view and on simple variants of it.

    Contradictions raise an error; suspected problems are returned. This costs 7 queries in 3 calls: the image alone, twice, and
    a batch of five: noise, the image, the image with red and blue swapped, its negative, and its mirror image. The layers of a torch
    module up to its first batch norm also run on the image, six times.

    Raises:
        ClassifierError: an output is not a distribution over as many classes as there are labels, changes when the call
            is repeated, or depends on the rest of the batch; or the module is in training mode.
    """
    _check_module(classifier)
    image = image.to(classifier.device)
    (alone, again, batch), ending = _ask(classifier, image)
    _check_labels(classifier, alone.shape[1])
    if again.shape != alone.shape or batch.shape[1:] != alone.shape[1:]:
        raise ClassifierError(
            f"expected {alone.shape[1]} classes in each call, got {again.shape[1]} and {batch.shape[1]}; "
            "return a fixed number of classes"
        )
    _check_repeat(float((again - alone).abs().max()))
    agreement = float((batch[1] - alone[0]).abs().max())
    _check_batch(agreement)
    if classifier.access < Access.PROBABILITIES:  # labels may be the same for all variants, and show no softmax
        return Validation((), agreement, 2 + len(batch))
    channels = getattr(classifier, "channels", "rgb")
    unlike = unlike_training(classifier, image) if isinstance(classifier, TorchClassifier) else None
    suspicions = (unlike, _constant(batch), _softmax_twice(batch, ending), _swapped(batch, channels))
    return Validation(tuple(text for text in suspicions if text is not None), agreement, 2 + len(batch))


def _ask(classifier: Classifier, image: Image) -> tuple[list[Tensor], Ending]:
    """Query the classifier on the image alone, again, and on the batch, and check what its answers are."""
    variants = _variants(image)
    if not isinstance(classifier, Raw):
        return [_query(classifier, images) for images in (image[None], image[None], variants)], ()
    first, ending = classifier.observed(image[None])
    raw = first, classifier.raw(image[None]), classifier.raw(variants)
    _check_axis(first, raw[2])
    check_reading(classifier.reading, raw[2], ending)
    return [as_distributions(classifier.reading.probabilities(rows, len(rows)), len(rows)) for rows in raw], ending


def _check_axis(alone: Float[Tensor, "1 j"], batch: Rows) -> None:
    """Check that no softmax runs over the images of a batch, which leaves 1 for every class of a single image."""
    sums = batch.sum(0)
    if alone.shape[1] > 1 and bool((alone == 1).all()) and bool(((sums - 1).abs() <= 1e-3).all()):
        raise ClassifierError(
            "expected an output that does not depend on the rest of the batch, got probabilities that sum to 1 over the "
            "images of a batch; this looks like a softmax over dim=0: use dim=1"
        )


def _query(classifier: Classifier, images: Images) -> Answers:
    """Query the classifier and validate its output."""
    return as_distributions(classifier(images), len(images))


def _variants(image: Image) -> Images:
    """Build the batch: noise, the image, swapped channels, negative, mirror image; all on 8-bit levels."""
    noise = torch.rand(image.shape, generator=torch.Generator().manual_seed(0)).to(image)
    noise = (noise * 255).round() / 255
    return torch.stack([noise, image, image.flip(0), 1 - image, image.flip(2)])


def _check_module(classifier: Classifier) -> None:
    """Check the mode of the module, if there is one, because training mode may not show in a few queries."""
    module = getattr(classifier, "module", None)
    if isinstance(module, nn.Module):
        check_eval(module)


def _check_labels(classifier: Classifier, classes: int) -> None:
    """Check that the number of labels equals the number of classes."""
    labels = classifier.labels
    if labels is not None and len(labels) != classes:
        raise ClassifierError(
            f"expected one label per class, got {len(labels)} labels for {classes} classes; provide {classes} labels"
        )


def _check_repeat(difference: float) -> None:
    """Check that repeated calls give the same output."""
    if not difference <= _REPEAT_TOLERANCE:
        raise ClassifierError(
            f"expected the same output for the same image, got a difference of {difference:.3g}; "
            "this looks like dropout or random augmentation (training mode): call model.eval(), or fix its seed"
        )


def _check_batch(difference: float) -> None:
    """Check that the output for an image does not depend on the rest of the batch."""
    if not difference <= _BATCH_TOLERANCE:
        raise ClassifierError(
            "expected an output that does not depend on the rest of the batch, "
            f"got a difference of {difference:.3g} between the image alone and in a batch; "
            "this looks like batch norm in training mode (call model.eval()) "
            "or preprocessing that normalises over the whole batch (normalise each image separately)"
        )


def _logs(answers: Answers) -> Answers:
    """Return logarithms, clipped at a value far below any relevant probability."""
    return answers.clamp_min(1e-30).log()


def _constant(batch: Answers) -> str | None:
    """Detect a classifier with the same output for noise, the image and its negative."""
    logs = _logs(batch[[0, 1, 3]])
    spread = float((logs.amax(0) - logs.amin(0)).max())
    if spread >= _MIN_LOG_SPREAD:
        return None
    return (
        "the output does not depend on the image: noise, the image and its negative get the same probabilities; "
        "check the value range (0 to 1 or 0 to 255) and the weights"
    )


def _softmax_twice(batch: Answers, ending: Ending) -> str | None:
    """Detect probabilities that are a softmax of probabilities, by the end of the network or by their values.

    The logarithms of such a row, shifted to sum to 1, are the original probabilities, so all of them are >= 0. This
    does not hold for the logits of a trained network. The logits of an untrained network are nearly equal and have no
    peak.
    """
    classes = batch.shape[1]
    largest, ceiling = batch.amax(1), math.e / (math.e + classes - 1)
    if ending[1:2] == ("sigmoid",) and ending[0].endswith("probabilities"):
        return "looks like a softmax of sigmoids, which makes all classes nearly equally probable; remove the softmax"
    logs = _logs(batch)
    first: Float[Tensor, "n k"] = logs + (1 - logs.sum(1, keepdim=True)) / classes
    peaked = float(first.max()) > 0.5 + 1.2 / classes
    by_values = "logits" not in ending and classes > 2 and peaked and float(first.min()) >= -0.1 / classes
    saturated = classes == 2 and float(largest.max()) <= ceiling + 1e-4 and int((largest >= ceiling - 1e-3).sum()) > 1
    if not (by_values or saturated or (ending[1:2] == ("probabilities",) and ending[0].endswith("probabilities"))):
        return None
    return (
        f"looks like softmax was applied twice: the largest of {classes} probabilities is {float(largest.max()):.2g}, "
        f"and no image can give more than {ceiling:.2g}; remove one of them"
    )


def _swapped(batch: Answers, channels: str) -> str | None:
    """Detect a wrong channel order: swapping red and blue makes the classifier far more confident."""
    before, after = float(batch[1].max()), float(batch[2].max())
    if not (before < 0.5 and after > before + 0.3 and after >= 2 * before):
        return None
    other = "rgb" if channels == "bgr" else "bgr"
    return (
        f"looks like {other.upper()}: confidence rises from {before:.2f} to {after:.2f} when channels are swapped; "
        f"pass channels={other!r}"
    )
