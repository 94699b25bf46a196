"""Answers that do not name a probability for each class, as probabilities: labels, and the likeliest few."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.core.errors import ClassifierError

_SLACK = 1e-3
"""Rounding of the probabilities that are given."""


def spread_labels(answer: object, rows: int, classes: int) -> Float[Tensor, "n k"]:
    """Turn the likeliest class of each picture into a row with 1 there and 0 elsewhere.

    Args:
        answer: ``(n,)`` whole numbers, as an array, a list or a tensor.
        rows: pictures that were shown.
        classes: how many there are.

    Raises:
        ClassifierError: it is not one class a picture.

    Example:
        >>> spread_labels([1, 0], 2, 3).tolist()
        [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    """
    found = _whole(answer, classes)
    if found is None or found.shape != (rows,):
        raise ClassifierError(
            f"expected the index of a class for each of {rows} pictures, 0 to {classes - 1}, got {_shown(answer)}; "
            "return one whole number a picture"
        )
    return torch.nn.functional.one_hot(found, classes).float()


def spread_top(answer: object, rows: int, classes: int) -> Float[Tensor, "n k"]:
    """Turn the likeliest few classes of each picture into a row; all others share evenly what is left of 1.

    Args:
        answer: for each picture a pair: class indices, and their probabilities.
        rows: pictures that were shown.
        classes: how many there are.

    Raises:
        ClassifierError: it is not such a pair a picture, or what is left is negative or more than the likeliest few allow.

    Example:
        >>> spread_top([([2, 0], [0.6, 0.3])], 1, 4)[0].tolist()
        [0.30000001192092896, 0.05000000074505806, 0.6000000238418579, 0.05000000074505806]
    """
    if not isinstance(answer, list | tuple) or len(answer) != rows:
        raise ClassifierError(
            f"expected a list of {rows} pairs (classes, probabilities), got {_shown(answer)}; return one pair a picture"
        )
    return torch.stack([_row(pair, number, classes) for number, pair in enumerate(answer)])


def _row(pair: object, number: int, classes: int) -> Float[Tensor, " k"]:
    """Spread one picture's answer."""
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        raise ClassifierError(f"expected a pair (classes, probabilities) for picture {number}, got {_shown(pair)}")
    indices, given = _whole(pair[0], classes), torch.as_tensor(np.asarray(pair[1], dtype=np.float64))
    if (
        indices is None
        or indices.ndim != 1
        or indices.shape != given.shape
        or len(set(indices.tolist())) != len(indices)
    ):
        raise ClassifierError(
            f"expected as many classes, each once, from 0 to {classes - 1}, as probabilities for picture {number}, "
            f"got {_shown(pair[0])} and {_shown(pair[1])}"
        )
    left, others = 1 - float(given.sum()), classes - len(indices)
    if not (float(given.min()) >= 0 and -_SLACK <= left <= others * float(given.min()) + _SLACK):
        raise ClassifierError(
            f"expected the likeliest probabilities of picture {number}, which leave no more to others than they have, "
            f"got {given.tolist()} of {classes} classes; are they logits, or not the likeliest?"
        )
    row = torch.full((classes,), max(left, 0.0) / max(others, 1), dtype=torch.float64)
    row[indices] = given
    return row.float()


def _whole(answer: object, classes: int) -> Tensor | None:
    """Read class indices; None where they are none."""
    try:
        array = answer.detach().cpu().numpy() if isinstance(answer, Tensor) else np.asarray(answer)
    except (TypeError, ValueError, RuntimeError):
        return None
    if array.dtype.kind not in "iu" or not array.size or array.min() < 0 or array.max() >= classes:
        return None
    return torch.from_numpy(array.astype(np.int64))


def _shown(answer: object) -> str:
    """Show what came, shortly."""
    text = " ".join(repr(answer).split())
    return text if len(text) <= 60 else f"{type(answer).__name__} {text[:57]}…"
