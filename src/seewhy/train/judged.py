"""What a classifier says of pictures with labels, and how often it is right."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from seewhy.core.errors import RequestError, did_you_mean
from seewhy.core.ranks import ranks
from seewhy.images.collection import Collection

AT_ONCE = 256
"""Pictures in a batch when nothing is learned."""


@dataclass(frozen=True)
class Judged:
    """How a classifier does on pictures.

    Args:
        loss: cross-entropy in nats, the mean over classes of the mean over pictures.
        accuracy: share of the pictures that get their own class.
        auc: area under the ROC curve of the second class; None where there are not two classes.
        right: of each class, the pictures that get it.
        pictures: of each class.
        called: how many pictures get each class, rightly or not.
    """

    loss: float
    accuracy: float
    auc: float | None
    right: tuple[int, ...]
    pictures: tuple[int, ...]
    called: tuple[int, ...]

    def __str__(self) -> str:
        """In words."""
        auc = "" if self.auc is None else f", AUC {self.auc:.4f}"
        return f"accuracy {self.accuracy:.4f}{auc} on {sum(self.pictures)} pictures"


def labels_of(collection: Collection) -> Int64[np.ndarray, "n"]:
    """Return the labels.

    Raises:
        RequestError: there are none.
    """
    if collection.labels is None:
        raise RequestError(f"expected labels in {collection.source}, got none; put each class into a folder of its own")
    return collection.labels


def keep_classes(collection: Collection, names: Sequence[str]) -> Collection:
    """Keep the pictures of some classes, numbered in this order.

    Args:
        collection: with labels.
        names: of at least two classes.

    Raises:
        RequestError: there are no labels or no such class, or one is named twice.

    Example:
        >>> digits = Collection(np.zeros((3, 2, 2, 1), np.uint8), np.array([0, 1, 2]), ("three", "six", "eight"))
        >>> keep_classes(digits, ("eight", "three")).labels.tolist()
        [1, 0]
    """
    labels = labels_of(collection)
    for name in names:
        if name not in collection.classes:
            raise RequestError(f"{collection.source} has no class {name!r}; {did_you_mean(name, collection.classes)}")
    if len(set(names)) < max(2, len(names)):
        raise RequestError(f"expected at least two different classes, got {', '.join(names)}; name two")
    number = np.full(len(collection.classes), -1, dtype=np.int64)
    number[[collection.classes.index(name) for name in names]] = np.arange(len(names))
    kept = np.flatnonzero(number[labels] >= 0)
    return replace(collection.take(kept), labels=number[labels[kept]], classes=tuple(names))


@torch.no_grad()
def judge(net: nn.Module, collection: Collection, device: torch.device) -> Judged:
    """Show a network pictures with labels.

    Args:
        net: returns logits; in evaluation mode.
        collection: with labels, at least one picture a class.
        device: where the network is.
    """
    starts = range(0, len(collection), AT_ONCE)
    scores = torch.cat([net(collection.images(slice(at, at + AT_ONCE)).to(device)).cpu() for at in starts])
    labels = torch.from_numpy(labels_of(collection))
    classes = len(collection.classes)
    losses = functional.cross_entropy(scores, labels, reduction="none").double()
    pictures, called = labels.bincount(minlength=classes), scores.argmax(1).bincount(minlength=classes)
    per_class = losses.new_zeros(classes).index_add_(0, labels, losses) / pictures
    right = labels[scores.argmax(1) == labels].bincount(minlength=classes)
    return Judged(
        loss=per_class.mean().item(),
        accuracy=right.sum().item() / len(labels),
        auc=area(scores[:, 1] - scores[:, 0], labels == 1) if classes == 2 else None,
        right=tuple(right.tolist()),
        pictures=tuple(pictures.tolist()),
        called=tuple(called.tolist()),
    )


def area(scores: Float[Tensor, "n"], positive: Bool[Tensor, "n"]) -> float:
    """Return the area under the ROC curve: how often a positive picture has the higher score of two; a tie counts half.

    Example:
        >>> area(torch.tensor([0.1, 0.5, 0.5, 0.9]), torch.tensor([False, False, True, True]))
        0.875
    """
    chosen = positive.numpy()
    ones, zeros = int(chosen.sum()), int((~chosen).sum())
    return float((ranks(scores.numpy())[chosen].sum() - ones * (ones + 1) / 2) / (ones * zeros))
