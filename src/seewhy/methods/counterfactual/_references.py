"""Reference images: their distances to the image, and the classifier's predictions for them."""

from collections import Counter
from collections.abc import Iterator
from itertools import islice

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from seewhy.core.arrays import Image, Images
from seewhy.core.probe import Probe
from seewhy.images.collection import Collection

_CELLS = 16
"""Cells along each side of the images that are compared: single pixels would compare noise and small shifts."""

_TOGETHER = 16
"""Images queried together, whatever the batch size, so that the batch size does not change the result."""


class References:
    """Reference images that are queried nearest first, until enough match or ``limit`` of them were queried, each once."""

    def __init__(self, probe: Probe, collection: Collection, *, limit: int) -> None:
        self.probe, self.collection, self.limit = probe, collection, limit
        self.distances = distances(probe.image, collection)
        self.answers: dict[int, Float[Tensor, " k"]] = {}
        self._names = _class_indices(probe, collection)

    def image(self, index: int) -> Image:
        """Return one of the images in the 8-bit levels in which all images are shown."""
        return self._shown(np.array([index]))[0]

    def find(self, other: int, count: int) -> list[int]:
        """Find ``count`` images predicted as ``other``, or fewer if there are no more; return them nearest first.

        Those labelled with that class are queried first, then by distance.
        """
        order = np.lexsort((self.distances, self._names != other))
        reached = (index for index, answer in self._queried(order) if int(answer.argmax()) == other)
        return sorted(islice(reached, count), key=lambda index: float(self.distances[index]))

    def contrast_class(self, source: int, first: int | None = None) -> int | None:
        """Return the contrast class: the most probable other class that the classifier predicts for one of the images.

        If the classifier gives every other class the probability 0 (as with labels only), it is the prediction for
        the nearest image that is classified differently. None if ``source`` is predicted for every image. The class
        ``first`` takes precedence over more probable ones.
        """
        prediction = self.probe.prediction.clone()
        prediction[source] = -1
        wanted = int(prediction.argmax()) if first is None else first
        if prediction[wanted] > 0 and self.find(wanted, 1):
            return wanted
        nearest = np.argsort(self.distances, kind="stable")
        others = (predicted for _, answer in self._queried(nearest) if (predicted := int(answer.argmax())) != source)
        if float(prediction.max()) == 0:
            return next(others, None)
        return max(others, key=lambda other: float(prediction[other]), default=None)

    def predictions(self) -> list[tuple[int, int]]:
        """Return the classes and the number of queried images predicted as each, most frequent first."""
        return Counter(int(answer.argmax()) for answer in self.answers.values()).most_common()

    def _queried(self, order: Int[np.ndarray, " n"]) -> Iterator[tuple[int, Float[Tensor, " k"]]]:
        """Yield images in the given order with the classifier's probabilities, up to the query limit or time budget."""
        for start in range(0, len(order), _TOGETHER):
            here = order[start : start + _TOGETHER].tolist()
            unseen = [index for index in here if index not in self.answers][: self.limit - len(self.answers)]
            if unseen and not self.probe.why_stop():
                self.answers.update(zip(unseen, self.probe.show(self._shown(np.array(unseen))), strict=True))
            yield from ((index, self.answers[index]) for index in here if index in self.answers)

    def _shown(self, indices: Int[np.ndarray, " m"]) -> Images:
        """Return some images as they are shown; 16-bit images are rounded to 8-bit levels."""
        return ((self.collection.images(indices) * 255).round() / 255).to(self.probe.image.device)


def distances(image: Image, collection: Collection) -> Float[np.ndarray, " n"]:
    """Return the distance of each image, 0 to 1: the root mean squared difference between means of 16 x 16 cells."""
    height, width = (min(_CELLS, side) for side in image.shape[1:])

    def coarse(images: Images) -> Float[Tensor, "n c a b"]:
        return functional.adaptive_avg_pool2d(images, (height, width))

    here, step = coarse(image[None].cpu()), 64
    pieces = [coarse(collection.images(slice(at, at + step))) for at in range(0, len(collection), step)]
    return torch.cat([(piece - here).square().mean((1, 2, 3)).sqrt() for piece in pieces]).numpy()


def _class_indices(probe: Probe, collection: Collection) -> Int[np.ndarray, " n"]:
    """Return the classifier's class with the same name as each image's class; -1 if there is none."""
    if collection.labels is None:
        return np.full(len(collection), -1)
    labels = probe.classifier.labels or tuple(str(index) for index in range(len(probe.prediction)))
    numbers = {label.lower(): index for index, label in enumerate(labels)}
    return np.array([numbers.get(collection.classes[label].lower(), -1) for label in collection.labels])
