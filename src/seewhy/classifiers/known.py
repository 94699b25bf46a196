"""Check a classifier on a few pictures of known class, and name the mistake that explains wrong answers."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import SupportsIndex, cast

import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.classifiers.function import FunctionClassifier
from seewhy.classifiers.imagenet import imagenet_labels
from seewhy.classifiers.module import TorchClassifier
from seewhy.classifiers.onnx import OnnxClassifier
from seewhy.classifiers.scaling import Scaling
from seewhy.classifiers.settings import Channels
from seewhy.classifiers.wiring import usual_scalings
from seewhy.core.access import Access
from seewhy.core.classifier import Classifier
from seewhy.core.errors import ClassifierError, RequestError, did_you_mean
from seewhy.core.view import View
from seewhy.images.labelled import LABELS, list_labelled
from seewhy.images.open import ImageLike, OpenedImage, open_image
from seewhy.images.sources import list_images
from seewhy.images.view import apply_view

ClassLike = SupportsIndex | str
"""A class by its index or by its name."""

CheckLike = str | Path | Mapping[str, ClassLike] | Mapping[Path, ClassLike] | Sequence[tuple[ImageLike, ClassLike]]
"""Pictures of known class: ``"imagenet"`` for those in the package; a dict path → class; pairs (image, class); or a folder with a
``labels.csv`` or with a subfolder per class."""

_SHIPPED = {"coffee": (967, 968), "chelsea": (281, 282, 285), "rocket": (657, 744), "camera": (872,)}
"""Pictures in the package, and the ImageNet classes that are right."""

_FLOOR = 1e-4
"""Probabilities below count as this one, so that one picture does not decide alone."""

_GAIN, _MOST, _CLEAR = 0.5, 2.0, 0.3
"""An alternative explains wrong answers if the true classes gain on average so many nats, at most so many per picture, and at
least two pictures gain clearly."""

_TOP = 5
"""Of 100 classes or more, the true one must be among the first of this number."""

_SIDES = (224, 299)
"""Usual input sizes."""

Known = tuple[OpenedImage, frozenset[int]]
"""A picture, and the indices of the classes that are right."""

Shares = Float[Tensor, " n"]
"""Logarithm of the probability of the true classes, per picture."""


@dataclass(frozen=True)
class Alternative:
    """A way of wiring up the classifier that could explain its answers, and how to set it."""

    mistake: str
    advice: str
    answers: Float[Tensor, "n k"]
    classes: tuple[frozenset[int], ...]


@torch.no_grad()
def check_known(classifier: Classifier, check: CheckLike) -> str:
    """Check a classifier on pictures of known class, and say in words how many are right.

    Cost in queries: one per picture, and up to 12 per picture for the alternatives: other framings, channel orders and input
    normalisations. Other orders of the labels cost none.

    Raises:
        RequestError: the pictures or their classes cannot be read.
        ClassifierError: another wiring makes the true classes far more probable, or most pictures are wrong.
    """
    if classifier.access < Access.PROBABILITIES:
        raise RequestError(
            f"expected a classifier with probabilities for check=, got {classifier.access.name}; omit it"
        )
    pictures = read_known(check, classifier)
    opened, classes = [picture for picture, _ in pictures], tuple(right for _, right in pictures)
    answers = _answers(classifier, opened, classifier.view)
    _check_classes(pictures, answers.shape[1])
    given = Alternative("", "", answers, classes)
    right = f"right on {_hits(given)} of {len(classes)} pictures of known class"
    if -float(_shares(given).mean()) < _GAIN:  # no other wiring can gain that much
        return right
    best = max(_alternatives(classifier, opened, given), key=lambda other: _gain(given, other))
    if _explains(given, best):
        raise ClassifierError(
            f"expected a classifier that is right on pictures of known class, got one that is {right}; this looks like "
            f"{best.mistake}: with {best.advice} the true classes are {_factor(given, best):.2g} times as probable"
        )
    if 2 * _hits(given) < len(classes):
        raise ClassifierError(
            f"expected a classifier that is right on most pictures of known class, got one that is {right}; no other framing, "
            "channel order, normalisation or order of labels explains it: check the weights and the classes of the pictures"
        )
    return right


def _check_classes(pictures: Sequence[Known], count: int) -> None:
    """Refuse pictures of classes that the classifier does not have."""
    for picture, right in pictures:
        if min(right) >= count:
            raise RequestError(
                f"expected a class from 0 to {count - 1} for the picture {picture.name} of check=, got {min(right)}; "
                "give pictures of the classifier's own classes"
            )


def read_known(check: CheckLike, classifier: Classifier) -> list[Known]:
    """Open pictures of known class.

    Raises:
        RequestError: there are none, one cannot be opened, or a class does not exist.
    """
    if check == "imagenet":
        return _shipped(classifier.labels)
    pairs = _of_folder(Path(check)) if isinstance(check, str | Path) else _pairs(check)
    if not pairs:
        raise RequestError("expected pictures of known class for check=, got none; pass {path: class}")
    return [(open_image(image), frozenset({_index(name, classifier.labels)})) for image, name in pairs]


def _shipped(labels: Sequence[str] | None) -> list[Known]:
    """Open the pictures in the package; their classes are found by name where the labels have these names."""
    folder, names = files("seewhy.classifiers").joinpath("known_pictures"), imagenet_labels()
    places = {name: place for place, name in enumerate(labels or ())}
    return [
        (
            open_image(folder.joinpath(f"{name}.jpg").read_bytes()),
            frozenset(places.get(names[index], index) for index in right),
        )
        for name, right in _SHIPPED.items()
    ]


def _pairs(check: object) -> list[tuple[ImageLike, ClassLike]]:
    """List the pairs of a dict or of a sequence."""
    pairs = list(check.items()) if isinstance(check, Mapping) else list(cast("Sequence[object]", check))
    if not all(isinstance(pair, tuple) and len(pair) == 2 for pair in pairs):
        raise RequestError("expected check= as {path: class} or a list of (image, class), got other items; write pairs")
    return cast("list[tuple[ImageLike, ClassLike]]", pairs)


def _of_folder(folder: Path) -> list[tuple[ImageLike, ClassLike]]:
    """List the pictures of a folder with ``labels.csv``, or with a subfolder per class."""
    if (folder / LABELS).is_file():
        return [(known.path, known.label) for known in list_labelled(folder) if known.label is not None]
    if not folder.is_dir():
        raise RequestError(f"expected check=imagenet or a folder of labelled pictures, got {folder}; check the path")
    inside = sorted(part for part in folder.iterdir() if part.is_dir())
    return [(path, part.name) for part in inside for path in list_images([part])]


def _index(name: ClassLike, labels: Sequence[str] | None) -> int:
    """Return the index of a class that is given by index or by name."""
    if not isinstance(name, str):
        return name.__index__()
    if labels is not None and name in labels:
        return list(labels).index(name)
    if name.isdecimal():
        return int(name)
    known = "no labels" if labels is None else did_you_mean(name, labels)
    raise RequestError(f"expected a class index or one of the labels for check=, got {name!r}; {known}")


def _answers(classifier: Classifier, pictures: Sequence[OpenedImage], view: View) -> Float[Tensor, "n k"]:
    """Query the classifier on each picture in a view."""
    shown = [apply_view(picture, view)[0][None].to(classifier.device) for picture in pictures]
    return torch.cat([classifier(image) for image in shown]).double()


def _shares(answer: Alternative) -> Shares:
    """Return the logarithm of the probability of the true classes."""
    rows = zip(answer.answers, answer.classes, strict=True)
    values = [float(row[[index for index in right if index < len(row)]].sum()) for row, right in rows]
    return torch.tensor(values).clamp_min(_FLOOR).log()


def _hits(answer: Alternative) -> int:
    """Return the number of pictures that are right: the first class, or one of the first five of many."""
    top = answer.answers.topk(_TOP if answer.answers.shape[1] >= 20 * _TOP else 1).indices.tolist()
    return sum(bool(right.intersection(row)) for row, right in zip(top, answer.classes, strict=True))


def _gain(given: Alternative, other: Alternative) -> float:
    """Return how many nats the true classes gain on average, at most `_MOST` per picture."""
    return float((_shares(other) - _shares(given)).clamp(-_MOST, _MOST).mean())


def _factor(given: Alternative, other: Alternative) -> float:
    """Return how many times as probable the true classes become on average."""
    return float((_shares(other) - _shares(given)).mean().exp())


def _explains(given: Alternative, other: Alternative) -> bool:
    """Return whether an alternative is right on most pictures and makes the true classes far more probable."""
    clear, pictures = int((_shares(other) - _shares(given) >= _CLEAR).sum()), len(given.classes)
    likelier = _gain(given, other) >= _GAIN and clear >= min(2, pictures)
    return likelier and _hits(other) >= max(_hits(given), pictures / 2)


def _alternatives(classifier: Classifier, pictures: Sequence[OpenedImage], given: Alternative) -> Iterator[Alternative]:
    """Yield the given wiring, and others: of the labels, the channels, the normalisation and the framing."""
    yield given
    yield from _relabelled(classifier, given)
    for text, view in _framings(classifier.view):
        yield Alternative("another framing", text, _answers(classifier, pictures, view), given.classes)
    if isinstance(classifier, TorchClassifier):
        yield from _resized(classifier, pictures, given)
    for mistake, text, other in _rewired(classifier):
        yield Alternative(mistake, text, _answers(other, pictures, classifier.view), given.classes)


def _relabelled(classifier: Classifier, given: Alternative) -> Iterator[Alternative]:
    """Yield other orders of the labels: shifted, alphabetical, reversed."""
    count = given.answers.shape[1]
    for shift in (-2, -1, 1, 2):
        moved = tuple(frozenset((index + shift) % count for index in right) for right in given.classes)
        advice = f"the class indices {'raised' if shift > 0 else 'lowered'} by {abs(shift)}"
        yield Alternative(f"labels shifted by {abs(shift)}", advice, given.answers, moved)
    if classifier.labels is None:
        return
    orders = {
        "in alphabetical order": sorted(classifier.labels),
        "in reversed order": classifier.labels[::-1],
        "in the order of ImageNet": imagenet_labels(),
    }
    for text, names in orders.items():
        if len(set(names)) == count and set(names) == set(classifier.labels):
            places = {name: place for place, name in enumerate(names)}
            moved = tuple(frozenset(places[classifier.labels[index]] for index in right) for right in given.classes)
            yield Alternative("labels in another order than the outputs", f"labels {text}", given.answers, moved)


def _framings(view: View) -> Iterator[tuple[str, View]]:
    """Yield other framings of the same size, as settings."""
    if view.size is None:
        return
    options: dict[str, View] = {
        "fit=crop": View(view.size),
        "crop_pct=0.875": View(view.size, crop_pct=0.875),
        "fit=stretch": View(view.size, "stretch"),
        "fit=pad": View(view.size, "pad"),
    }
    yield from ((text, other) for text, other in options.items() if other.describe() != view.describe())


def _resized(classifier: TorchClassifier, pictures: Sequence[OpenedImage], given: Alternative) -> Iterator[Alternative]:
    """Yield other input sizes, as far as the module accepts them."""
    for side in _SIDES:
        if classifier.view.size not in {None, (side, side)}:
            with suppress(RuntimeError):  # torch's error for a linear layer that fits another size
                answers = _answers(classifier, pictures, View((side, side)))
                yield Alternative("another input size", f"size={side}", answers, given.classes)


def _rewired(classifier: Classifier) -> Iterator[tuple[str, str, Classifier]]:
    """Yield the other channel order, and other normalisations, of a classifier that has these settings."""
    if isinstance(classifier, TorchClassifier | FunctionClassifier | OnnxClassifier):
        turned: Channels = "rgb" if classifier.channels == "bgr" else "bgr"
        yield "the wrong channel order", f"channels={turned}", _turned(classifier, turned)
    if isinstance(classifier, TorchClassifier | OnnxClassifier):
        for text, scaling in usual_scalings(classifier.channels).items():
            yield "another input normalisation", text, _scaled(classifier, scaling)


def _turned(classifier: TorchClassifier | FunctionClassifier | OnnxClassifier, channels: Channels) -> Classifier:
    """Return a classifier with another channel order."""
    if isinstance(classifier, OnnxClassifier):
        return replace(classifier, scorer=replace(classifier.scorer, channels=channels))
    return replace(classifier, channels=channels)


def _scaled(classifier: TorchClassifier | OnnxClassifier, scaling: Scaling) -> Classifier:
    """Return a classifier with another normalisation."""
    if isinstance(classifier, OnnxClassifier):
        return replace(classifier, scorer=replace(classifier.scorer, scaling=scaling))
    return replace(classifier, scaling=scaling)
