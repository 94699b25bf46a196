"""Pictures to compare with: which are near, and what the classifier says of them."""

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Literal, final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from seewhy.core.arrays import Image, Images
from seewhy.core.probe import Probe
from seewhy.images.collection import Collection
from seewhy.methods.swap_search import Wish

Distance = Literal["blurred", "pixels"]

_CELLS = 16
"""Of a blurred picture, along each side."""

_TOGETHER = 16
"""Pictures that are asked about at once, whatever the batch size, so that this changes nothing."""


@final
class References:
    """Pictures that the classifier is asked about, nearest first, until enough of them are found.

    Args:
        probe: the bound question; costs a query for each picture that is looked at, once.
        pictures: of the classifier's input size.
        distance: by which they are near, see `distances`.
        room: how many may be looked at.
    """

    def __init__(self, probe: Probe, pictures: Collection, *, distance: Distance, room: int) -> None:
        self.probe, self.pictures, self.room = probe, pictures, room
        self.distances = distances(probe.image, pictures, distance)
        self.answers: dict[int, Float[Tensor, " k"]] = {}
        self._names = _class_indices(probe, pictures)

    def picture(self, index: int) -> Image:
        """One of the pictures, in the 8-bit levels in which everything is shown."""
        return self._shown(np.array([index]))[0]

    def find(self, wish: Wish, count: int) -> list[int]:
        """Look for pictures that get the wanted answer: those that bear the class's name first, the nearest of them first.

        Args:
            wish: the answer.
            count: how many are enough.

        Returns:
            Their indices, the nearest first; fewer where there are no more or there is no room to look on.
        """
        order = np.lexsort((self.distances, self._names != wish.other))
        granted = (index for index, answer in self._said(order) if bool(wish.granted(answer[None])))
        return sorted(islice(granted, count), key=lambda index: float(self.distances[index]))

    def rival(self, source: int, first: int | None = None) -> int | None:
        """Say which class is to be held against one: the likeliest other, of those that the classifier gives to a picture here.

        Where it gives the picture no second likeliest (it may say labels only), that is the class of the nearest picture of
        which it says something else.

        Args:
            source: what it says of the picture.
            first: a class that is taken before likelier ones, if a picture here gets it.

        Returns:
            None where it says ``source`` of every picture.
        """
        prediction = self.probe.prediction.clone()
        prediction[source] = -1
        wanted = int(prediction.argmax()) if first is None else first
        if prediction[wanted] > 0 and self.find(Wish(wanted, 0), 1):
            return wanted
        nearest = np.argsort(self.distances, kind="stable")
        others = (said for _, answer in self._said(nearest) if (said := int(answer.argmax())) != source)
        if float(prediction.max()) == 0:
            return next(others, None)
        return max(others, key=lambda other: float(prediction[other]), default=None)

    def said(self) -> list[tuple[int, int]]:
        """Classes and how many of the pictures that were looked at get each, the most frequent first."""
        return Counter(int(answer.argmax()) for answer in self.answers.values()).most_common()

    def _said(self, order: Int[np.ndarray, " n"]) -> Iterator[tuple[int, Float[Tensor, " k"]]]:
        """Go through pictures in an order, with what the classifier says of each, as far as there is room and time to ask."""
        for start in range(0, len(order), _TOGETHER):
            here = order[start : start + _TOGETHER].tolist()
            unseen = [index for index in here if index not in self.answers][: self.room - len(self.answers)]
            if unseen and not self.probe.why_stop():
                self.answers.update(zip(unseen, self.probe.show(self._shown(np.array(unseen))), strict=True))
            yield from ((index, self.answers[index]) for index in here if index in self.answers)

    def _shown(self, indices: Int[np.ndarray, " m"]) -> Images:
        """Some of the pictures as they are shown; those of 16 bits are rounded as every change of a picture is."""
        return ((self.pictures.images(indices) * 255).round() / 255).to(self.probe.image.device)


def distances(image: Image, pictures: Collection, distance: Distance) -> Float[np.ndarray, " n"]:
    """Say how far each picture is from one: the root of the mean squared difference, full brightness being 1.

    Args:
        image: ``(3, h, w)`` in [0, 1].
        pictures: of the same size.
        distance: ``pixels``; or ``blurred``, between means over a grid of 16 x 16 cells.

    Returns:
        0 to 1.

    Example:
        >>> distances(torch.ones(3, 2, 2), Collection(np.zeros((1, 2, 2, 1), np.uint8)), "blurred").tolist()
        [1.0]
    """
    cells = max(image.shape[1:]) if distance == "pixels" else _CELLS
    height, width = (min(cells, side) for side in image.shape[1:])

    def coarse(images: Images) -> Float[Tensor, "n c a b"]:
        return functional.adaptive_avg_pool2d(images, (height, width))

    here, step = coarse(image[None].cpu()), 64
    pieces = [coarse(pictures.images(slice(at, at + step))) for at in range(0, len(pictures), step)]
    return torch.cat([(piece - here).square().mean((1, 2, 3)).sqrt() for piece in pieces]).numpy()


def _class_indices(probe: Probe, pictures: Collection) -> Int[np.ndarray, " n"]:
    """Find the classifier's class that bears the name of each picture's class; -1 where there is none."""
    if pictures.labels is None:
        return np.full(len(pictures), -1)
    labels = probe.classifier.labels or tuple(str(index) for index in range(len(probe.prediction)))
    numbers = {label.lower(): index for index, label in enumerate(labels)}
    return np.array([numbers.get(pictures.classes[label].lower(), -1) for label in pictures.labels])
