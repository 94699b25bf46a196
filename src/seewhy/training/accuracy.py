"""Evaluate a classifier on labelled images."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from seewhy.core.errors import RequestError, did_you_mean
from seewhy.images.collection import Collection

AT_ONCE = 256
"""Images per batch outside training."""


@dataclass(frozen=True)
class Performance:
    """A classifier's performance on labelled images.

    ``loss`` is the cross-entropy in nats, averaged over the images of each class and then over classes; ``auc`` the area under
    the ROC curve of the second of two classes, else None. ``right`` has for each class the number of its images that are
    classified correctly, and the number of its images.
    """

    loss: float
    accuracy: float
    auc: float | None
    right: dict[str, tuple[int, int]]

    def __str__(self) -> str:
        auc = "" if self.auc is None else f", AUC {self.auc:.4f}"
        return f"accuracy {self.accuracy:.4f}{auc} on {sum(count for _, count in self.right.values())} images"


def labels_of(collection: Collection) -> Int64[np.ndarray, "n"]:
    """Return the labels of a collection, or raise RequestError if it has none."""
    if collection.labels is None:
        raise RequestError(f"expected labels in {collection.source}, got none; put each class in its own folder")
    return collection.labels


def keep_classes(collection: Collection, names: Sequence[str]) -> Collection:
    """Keep the images of two or more named classes, numbered in the given order.

    Raises:
        RequestError: the collection has no labels or no such class, or a class is named twice.
    """
    labels = labels_of(collection)
    for name in names:
        if name not in collection.classes:
            raise RequestError(f"{collection.source} has no class {name!r}; {did_you_mean(name, collection.classes)}")
    if len(set(names)) < max(2, len(names)):
        raise RequestError(f"expected at least two different classes, got {', '.join(names)}; name two or more")
    number = np.full(len(collection.classes), -1, dtype=np.int64)
    number[[collection.classes.index(name) for name in names]] = np.arange(len(names))
    kept = np.flatnonzero(number[labels] >= 0)
    return replace(collection.take(kept), labels=number[labels[kept]], classes=tuple(names))


@torch.no_grad()
def evaluate(net: nn.Module, collection: Collection, device: torch.device) -> Performance:
    """Evaluate a network, in evaluation mode, on labelled images of every class."""
    starts = range(0, len(collection), AT_ONCE)
    scores = torch.cat([net(collection.images(slice(at, at + AT_ONCE)).to(device)).cpu() for at in starts])
    labels, count = torch.from_numpy(labels_of(collection)), len(collection.classes)
    losses = functional.cross_entropy(scores, labels, reduction="none").double()
    pictures = labels.bincount(minlength=count)
    right = labels[scores.argmax(1) == labels].bincount(minlength=count)
    return Performance(
        loss=(losses.new_zeros(count).index_add_(0, labels, losses) / pictures).mean().item(),
        accuracy=right.sum().item() / len(labels),
        auc=area(scores[:, 1] - scores[:, 0], labels == 1) if count == 2 else None,
        right=dict(zip(collection.classes, zip(right.tolist(), pictures.tolist(), strict=True), strict=True)),
    )


def area(scores: Float[Tensor, "n"], positive: Bool[Tensor, "n"]) -> float:
    """Return the area under the ROC curve.

    It is the probability that a random positive image scores higher than a random negative one; a tie counts half.
    """
    from scipy.stats import mannwhitneyu  # noqa: PLC0415 - takes a second to import

    higher = mannwhitneyu(scores[positive].numpy(), scores[~positive].numpy()).statistic
    return float(higher / (positive.sum() * (~positive).sum()))
