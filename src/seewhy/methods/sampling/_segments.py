"""The soft edges of segments, and a Gaussian window."""

import torch
from jaxtyping import Float
from torch import Tensor


def fade(values: Float[Tensor, "n h w"], sigma: float) -> Float[Tensor, "n h w"]:
    """Blur with a Gaussian of ``sigma`` pixels, with the border replicated, so that constant values stay constant."""
    down, across = (_blur(side, sigma, values) for side in values.shape[1:])
    return down @ values @ across.T


def _blur(side: int, sigma: float, like: Float[Tensor, "n h w"]) -> Float[Tensor, "s s"]:
    """Return the blur along one axis as a matrix: each pixel is a weighted mean, with the border replicated."""
    if sigma == 0:
        return torch.eye(side).to(like)
    reach = round(4 * sigma)
    steps = torch.arange(-reach, reach + 1)
    weights = torch.exp(-((steps / sigma) ** 2) / 2)
    places = (torch.arange(side)[:, None] + steps).clamp(0, side - 1)
    return torch.zeros(side, side).scatter_add_(1, places, (weights / weights.sum()).expand(side, -1)).to(like)


def window(centre: tuple[float, float], width: float, size: tuple[int, int]) -> Float[Tensor, "h w"]:
    """Draw a Gaussian window with a maximum of 1; ``centre`` and ``width`` are fractions of the image's sides."""
    down, across = (
        torch.exp(-(((torch.linspace(0, 1, side) - middle) / width) ** 2) / 2)
        for side, middle in zip(size, centre, strict=True)
    )
    return torch.outer(down / down.max(), across / across.max())
