"""What the metrics that remove and put in have in common: an order of pixels, and the answers along it."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from seewhy.core.arrays import blend
from seewhy.core.errors import RequestError
from seewhy.core.maps import Map
from seewhy.core.probe import Probe
from seewhy.core.seeds import derive

Places = Int[np.ndarray, "h w"]
"""The place of each pixel in an order, from 0; pixels of one tile share it."""


def order(saliency: Map) -> Int[np.ndarray, " n"]:
    """Number the pixels row by row and list them from the most to the least salient.

    A stable sort that is then reversed, as RISE's authors reverse theirs: among equal pixels the last one comes first.

    Raises:
        RequestError: a value is not finite, so that there is no order.

    Example:
        >>> order(np.array([[0.0, 2.0], [2.0, 1.0]])).tolist()
        [2, 1, 3, 0]
    """
    _check_finite(saliency)
    return np.argsort(saliency, axis=None, kind="stable")[::-1]


def places(saliency: Map) -> Places:
    """Give each pixel its place in `order`: 0 for the most salient.

    Raises:
        RequestError: as in `order`.

    Example:
        >>> places(np.array([[0.0, 2.0], [2.0, 1.0]])).tolist()
        [[3, 1], [0, 2]]
    """
    ranked = np.empty(saliency.size, np.int64)
    ranked[order(saliency)] = np.arange(saliency.size)
    return ranked.reshape(saliency.shape)


def curve(
    probe: Probe,
    where: Places,
    counts: Sequence[int],
    target: int,
    *,
    put_in: bool = False,
    stream: int = 0,
    paint: Float[Tensor, "c a b"] | None = None,
) -> Float[np.ndarray, " n"]:
    """Ask about the picture with the first places of an order removed, or with nothing but them.

    Args:
        probe: the bound question; its in-fill stands where something was removed.
        where: the order.
        counts: how many places come before each question.
        target: the class that is watched.
        put_in: keep the first places and remove all others.
        stream: another number draws other in-fills.
        paint: what stands where something was removed, shown as it is; None for the probe's in-fill.

    Returns:
        The probability of the class after each count, float64.

    Cost: one query a count.
    """
    ranked = torch.from_numpy(where).to(probe.image.device)
    reached = torch.tensor(counts, device=ranked.device)
    answers = []
    for some in torch.split(torch.arange(len(counts), device=ranked.device), probe.rows):
        first = ranked < reached[some, None, None]
        keep = (first if put_in else ~first).to(probe.image.dtype)
        if paint is None:
            answers.append(probe(keep, derive(probe.seed, some, torch.full_like(some, stream)))[:, target])
        else:
            answers.append(probe.show(blend(probe.image, keep, paint[None]))[:, target])
    return torch.cat(answers).cpu().numpy()


def area(x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"]) -> float:
    """Return the area under a curve by the trapezoid rule, over the length of its axis: a mean height.

    Example:
        >>> round(area(np.array([0, 1, 2, 3]) / 3, np.array([1.0, 0.5, 0.25, 0.0])), 6)
        0.416667
    """
    return float(np.trapezoid(y, x) / (x[-1] - x[0]))


def check_map(probe: Probe, saliency: Map) -> None:
    """Refuse a map that is not of the picture's size in the classifier's view, or that has no order.

    Raises:
        RequestError: it is of another size, or a value is NaN or infinite.
    """
    if saliency.shape != probe.size:
        raise RequestError(
            f"expected a map of {probe.size[0]} × {probe.size[1]} pixels, got {saliency.shape[0]} × {saliency.shape[1]}; "
            "explain the same picture with the same classifier"
        )
    _check_finite(saliency)


def _check_finite(saliency: Map) -> None:
    """Refuse values that cannot be put in order."""
    if not np.isfinite(saliency).all():
        raise RequestError(
            "expected a finite map, got NaN or infinity; explain with more queries, or by another method"
        )


def plan(probe: Probe, queries: int, hint: str) -> None:
    """Say how many queries a metric asks, and refuse a budget that does not cover them: half a curve is no score.

    Raises:
        RequestError: the budget is smaller.
    """
    probe.affordable(queries, smallest=queries, hint=hint)
    probe.plan(queries)
