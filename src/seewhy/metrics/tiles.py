"""Square tiles that partition an image."""

import numpy as np
from jaxtyping import Float, Int

from seewhy.core.attribution import Map
from seewhy.core.errors import RequestError


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
