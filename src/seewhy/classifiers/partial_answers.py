"""Convert partial outputs, class labels or top-k probabilities, to full probability rows."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.core.errors import ClassifierError

_SLACK = 1e-3
"""Tolerance for rounding of the given probabilities."""


def spread_labels(answer: object, rows: int, classes: int) -> Float[Tensor, "n k"]:
    """Convert one predicted class index per image to one-hot rows.

    Example:
        >>> spread_labels([1, 0], 2, 3).tolist()
        [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    """
    found = _indices(answer, classes)
    if found is None or found.shape != (rows,):
        raise ClassifierError(
            f"expected a class index from 0 to {classes - 1} for each of {rows} images, got {_shown(answer)}; "
            "return one integer per image"
        )
    return torch.nn.functional.one_hot(found, classes).float()


def spread_top(answer: object, rows: int, classes: int) -> Float[Tensor, "n k"]:
    """Convert a pair (class indices, probabilities) per image to full rows; the others share the remaining probability.

    Example:
        >>> spread_top([([2, 0], [0.6, 0.3])], 1, 4)[0].tolist()
        [0.30000001192092896, 0.05000000074505806, 0.6000000238418579, 0.05000000074505806]
    """
    if not isinstance(answer, list | tuple) or len(answer) != rows:
        raise ClassifierError(
            f"expected a list of {rows} pairs (classes, probabilities), got {_shown(answer)}; return one pair per image"
        )
    return torch.stack([_row(pair, number, classes) for number, pair in enumerate(answer)])


def _row(pair: object, number: int, classes: int) -> Float[Tensor, " k"]:
    """Convert the output for one image."""
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        raise ClassifierError(
            f"expected a pair (classes, probabilities) for image {number}, got {_shown(pair)}; return two lists of equal length"
        )
    indices, given = _indices(pair[0], classes), torch.as_tensor(np.asarray(pair[1], dtype=np.float64))
    if (
        indices is None
        or indices.ndim != 1
        or indices.shape != given.shape
        or len(set(indices.tolist())) != len(indices)
    ):
        raise ClassifierError(
            f"expected one distinct class from 0 to {classes - 1} per probability for image {number}, "
            f"got {_shown(pair[0])} and {_shown(pair[1])}; return two lists of equal length"
        )
    left, others = 1 - float(given.sum()), classes - len(indices)
    if not (float(given.min()) >= 0 and -_SLACK <= left <= others * float(given.min()) + _SLACK):
        raise ClassifierError(
            f"expected the largest probabilities of image {number}, with a remainder of 0 to {others} times the smallest, "
            f"got {given.tolist()} of {classes} classes; return probabilities, not logits, of the most probable classes"
        )
    row = torch.full((classes,), max(left, 0.0) / max(others, 1), dtype=torch.float64)
    row[indices] = given
    return row.float()


def _indices(answer: object, classes: int) -> Tensor | None:
    """Read class indices; return None if they are invalid."""
    try:
        array = answer.detach().cpu().numpy() if isinstance(answer, Tensor) else np.asarray(answer)
    except (TypeError, ValueError, RuntimeError):
        return None
    if array.dtype.kind not in "iu" or not array.size or array.min() < 0 or array.max() >= classes:
        return None
    return torch.from_numpy(array.astype(np.int64))


def _shown(answer: object) -> str:
    """Return a shortened text of a value for an error message."""
    text = " ".join(repr(answer).split())
    return text if len(text) <= 60 else f"{type(answer).__name__} {text[:57]}…"
