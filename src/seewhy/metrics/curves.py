"""Shared code of metrics: orders of pixels, the curves along them, and tiles."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int

from seewhy.core.attribution import Map
from seewhy.core.errors import RequestError
from seewhy.core.probe import Probe
from seewhy.core.seeds import derive

Places = Int[np.ndarray, "h w"]
"""Rank of each pixel in an order, from 0; pixels of one tile share a rank."""


def order(saliency: Map) -> Int[np.ndarray, " n"]:
    """Return flat pixel indices (row-major) from the most to the least salient pixel.

    A stable ascending sort is reversed, as in the RISE authors' code, so the last of several equal pixels comes first.
    """
    return np.argsort(saliency, axis=None, kind="stable")[::-1]


def places(saliency: Map) -> Places:
    """Return the rank of each pixel in `order`: 0 for the most salient."""
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
) -> Float[np.ndarray, " n"]:
    """Return the probability of the target class with the first ``counts`` ranks removed, or with only them kept (``put_in``).

    These are a deletion and an insertion curve. Each count costs a query; another ``stream`` draws other in-fills.
    """
    ranked = torch.from_numpy(where).to(probe.image.device)
    reached = torch.tensor(counts, device=ranked.device)
    answers = []
    for some in torch.split(torch.arange(len(counts), device=ranked.device), probe.rows):
        first = ranked < reached[some, None, None]
        keep = (first if put_in else ~first).to(probe.image.dtype)
        answers.append(probe(keep, derive(probe.seed, some, torch.full_like(some, stream)))[:, target])
    return torch.cat(answers).cpu().numpy()


def area(x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"]) -> float:
    """Return the mean height of a curve: the area by the trapezoid rule, divided by the length of the x-axis."""
    return float(np.trapezoid(y, x) / (x[-1] - x[0]))


def check_map(probe: Probe, saliency: Map) -> None:
    """Raise if a map does not have the size of the classifier's view, or is not finite."""
    if saliency.shape != probe.size:
        raise RequestError(
            f"expected a map of {probe.size[0]} × {probe.size[1]} pixels, got {saliency.shape[0]} × {saliency.shape[1]}; "
            "explain the same image with the same classifier"
        )
    if not np.isfinite(saliency).all():
        raise RequestError("expected a finite map, got NaN or infinity; explain with more queries or another method")


def plan(probe: Probe, queries: int, hint: str) -> None:
    """Announce the number of queries of a metric, or raise if the budget is too small: a partial curve gives no value."""
    probe.affordable(queries, smallest=queries, hint=hint)
    probe.plan(queries)


def number_tiles(height: int, width: int, tile: int) -> Int[np.ndarray, "h w"]:
    """Return the tile number of each pixel, row by row from the top left; tiles at the far edges may be smaller.

    Example:
        >>> number_tiles(2, 3, 2).tolist()
        [[0, 0, 1], [0, 0, 1]]
    """
    if not 1 <= tile < max(height, width):
        raise RequestError(f"expected tile from 1 to {max(height, width) - 1} pixels, got {tile}")
    across = -(-width // tile)
    return np.arange(height)[:, None] // tile * across + np.arange(width) // tile


def totals(saliency: Map, numbers: Int[np.ndarray, "h w"]) -> Float[np.ndarray, " n"]:
    """Return the sum of a map over each tile."""
    return np.bincount(numbers.ravel(), weights=saliency.ravel())
