"""Square tiles that lie side by side on a picture."""

import numpy as np
from jaxtyping import Float, Int

from seewhy.core.errors import RequestError
from seewhy.core.maps import Map


def number_tiles(height: int, width: int, tile: int) -> Int[np.ndarray, "h w"]:
    """Give each pixel the number of its tile, row by row from the top left; those at the far edges may be cut short.

    Args:
        height: of the picture, pixels.
        width: of the picture, pixels.
        tile: side of a tile, pixels.

    Raises:
        RequestError: a tile has no size, or is so large that there is only one.

    Example:
        >>> number_tiles(2, 3, 2).tolist()
        [[0, 0, 1], [0, 0, 1]]
    """
    if not 1 <= tile < max(height, width):
        raise RequestError(f"expected tile from 1 to {max(height, width) - 1} pixels, got {tile}")
    across = -(-width // tile)
    return np.arange(height)[:, None] // tile * across + np.arange(width) // tile


def totals(saliency: Map, numbers: Int[np.ndarray, "h w"]) -> Float[np.ndarray, " n"]:
    """Add up a map tile by tile.

    Example:
        >>> totals(np.ones((2, 3)), number_tiles(2, 3, 2)).tolist()
        [4.0, 2.0]
    """
    return np.bincount(numbers.ravel(), weights=saliency.ravel())
