"""A Gaussian window."""

import torch
from jaxtyping import Float
from torch import Tensor


def window(centre: tuple[float, float], width: float, size: tuple[int, int]) -> Float[Tensor, "h w"]:
    """Draw a Gaussian window with a maximum of 1; ``centre`` and ``width`` are fractions of the image's sides."""
    down, across = (
        torch.exp(-(((torch.linspace(0, 1, side) - middle) / width) ** 2) / 2)
        for side, middle in zip(size, centre, strict=True)
    )
    return torch.outer(down / down.max(), across / across.max())
