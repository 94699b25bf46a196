"""Array types and the ``keep`` convention: 1 = pixel kept, 0 = pixel removed.

The word "mask" is avoided because its polarity varies.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

Image = Float[Tensor, "c h w"]
"""One image in the classifier's view, RGB in [0, 1]."""

Images = Float[Tensor, "n c h w"]
"""A batch of images in the classifier's view."""

Keep = Float[Tensor, "n h w"]
"""Which pixels each query keeps: 1 = kept, 0 = removed, values in between = blended."""

Seeds = Int[Tensor, " n"]
"""One 64-bit seed per query. The random numbers of a query depend only on its seed."""

Probabilities = Float[Tensor, "n k"]
"""Class probabilities, one row per image."""


_BLOCK = 8  # this many 224 × 224 images stay in the CPU cache through all steps


@torch.no_grad()
def compose(image: Image, keep: Keep, fill: Float[Tensor, "#n c #h #w"]) -> Images:
    """Replace the pixels where ``keep`` is 0 by ``fill``, and leave ``image`` unchanged where ``keep`` is 1.

    Every modified pixel is rounded to the 256 levels of an 8-bit image. A classifier that takes uint8 and one that
    takes floats therefore receive exactly the same image.

    Args:
        image: ``(c, h, w)`` in [0, 1].
        keep: ``(n, h, w)`` in [0, 1].
        fill: replacement pixels in [0, 1]; ``n``, ``h`` and ``w`` may be 1 to broadcast.

    Returns:
        ``(n, c, h, w)`` in [0, 1].

    Example:
        >>> compose(torch.ones(1, 1, 2), torch.tensor([[[1.0, 0.0]]]), torch.zeros(1, 1, 1, 2)).tolist()
        [[[[1.0, 0.0]]]]
    """
    bright, composed = image * 255, image.new_empty(len(keep), *image.shape)
    blocks = (torch.split(rows, _BLOCK) for rows in (composed, keep[:, None], fill.expand(len(keep), -1, -1, -1)))
    for blend, weight, paint in zip(*blocks, strict=True):
        whole = weight.floor()  # 1 where the pixel is kept unchanged, even if its value is not an 8-bit level
        torch.lerp(paint.clamp(0, 1) * 255, bright, weight, out=blend).round_().div_(255)
        blend.mul_(1 - whole).addcmul_(whole, image)
    return composed


def blend(image: Image, keep: Keep, fill: Float[Tensor, "#n c #h #w"]) -> Images:
    """Return ``keep * image + (1 - keep) * fill``: `compose`, but differentiable and without rounding."""
    return fill + keep[:, None] * (image - fill)
