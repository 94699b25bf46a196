"""Shapes and the one polarity of the house: ``keep``, 1 = kept, 0 = removed. No array is ever called a mask."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

Image = Float[Tensor, "c h w"]
"""One picture as the classifier's view of it, RGB in [0, 1]."""

Images = Float[Tensor, "n c h w"]
"""A batch of such pictures."""

Keep = Float[Tensor, "n h w"]
"""What each query keeps of the picture: 1 = the pixel stays, 0 = it is removed, between = blended."""

Seeds = Int[Tensor, " n"]
"""One 64-bit seed a query; a query's random numbers depend on nothing else."""

Probabilities = Float[Tensor, "n k"]
"""Class probabilities, one row a picture."""


_BLOCK = 8  # pictures of 224 × 224 that stay in a processor's cache from the first step to the last


@torch.no_grad()
def compose(image: Image, keep: Keep, fill: Float[Tensor, "#n c #h #w"]) -> Images:
    """Put ``fill`` where ``keep`` is 0 and leave ``image`` exactly as it is where ``keep`` is 1.

    Every pixel that is touched is rounded to the 256 levels of an 8-bit picture, so that a classifier that takes uint8
    and one that takes floats are shown the very same picture.

    Args:
        image: the picture, ``(c, h, w)`` in [0, 1].
        keep: ``(n, h, w)`` in [0, 1].
        fill: what would stand there if everything were removed, ``(n, c, h, w)``; ``n``, ``h`` and
            ``w`` may be 1 for the same everywhere.

    Returns:
        ``(n, c, h, w)`` in [0, 1].

    Example:
        >>> compose(torch.ones(1, 1, 2), torch.tensor([[[1.0, 0.0]]]), torch.zeros(1, 1, 1, 2)).tolist()
        [[[[1.0, 0.0]]]]
    """
    bright, composed = image * 255, image.new_empty(len(keep), *image.shape)
    blocks = (torch.split(rows, _BLOCK) for rows in (composed, keep[:, None], fill.expand(len(keep), -1, -1, -1)))
    for blend, weight, paint in zip(*blocks, strict=True):
        whole = weight.floor()  # 1 where the pixel is kept as it is, also if it is on no level
        torch.lerp(paint.clamp(0, 1) * 255, bright, weight, out=blend).round_().div_(255)
        blend.mul_(1 - whole).addcmul_(whole, image)
    return composed


def blend(image: Image, keep: Keep, fill: Float[Tensor, "#n c #h #w"]) -> Images:
    """Do as `compose` does, without rounding and with a gradient: for methods that learn what to keep.

    Returns:
        ``keep * image + (1 - keep) * fill``, ``(n, c, h, w)``.

    Example:
        >>> blend(torch.ones(1, 1, 2), torch.tensor([[[1.0, 0.25]]]), torch.zeros(1, 1, 1, 1)).tolist()
        [[[[1.0, 0.25]]]]
    """
    return fill + keep[:, None] * (image - fill)
