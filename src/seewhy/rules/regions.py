"""Rules about the region that a prediction depends on: removing the region must change the prediction."""

import math

import torch
from jaxtyping import Bool
from torch import Tensor

from seewhy.core.arrays import Image
from seewhy.core.infill import Infill

Region = Bool[Tensor, "h w"]


def needs_region(image: Image, strength: float, seed: int, region: Region, infill: Infill) -> Image:
    """Remove the region.

    Args:
        image: ``(3, h, w)`` in [0, 1].
        strength: margin by which the region is widened first, as a fraction of the image's longer side.
        seed: seed of the in-fill.
        region: the region to remove.
        infill: the in-fill that replaces the removed region.

    Example:
        >>> from seewhy.infills.plain import constant
        >>> region = torch.tensor([[True, False]])
        >>> needs_region(torch.ones(1, 1, 2), 0.0, 0, region, constant(value=0.0)).tolist()
        [[[0.0, 1.0]]]
    """
    return _filled(image, ~widened(region, strength), seed, infill)


def needs_background(image: Image, strength: float, seed: int, region: Region, infill: Infill) -> Image:
    """Remove everything except the region.

    Args:
        image: ``(3, h, w)`` in [0, 1].
        strength: margin around the region that is kept, as a fraction of the image's longer side.
        seed: seed of the in-fill.
        region: the region that is not background.
        infill: the in-fill that replaces the background.
    """
    return _filled(image, widened(region, strength), seed, infill)


def widened(region: Region, margin: float) -> Region:
    """Widen a region by a margin on each side, as a fraction of the longer side, with square corners."""
    reach = math.ceil(margin * max(region.shape))
    grown = torch.nn.functional.max_pool2d(region[None].float(), 2 * reach + 1, stride=1, padding=reach)
    return grown[0] > 0


def _filled(image: Image, keep: Region, seed: int, infill: Infill) -> Image:
    """Replace the pixels that are not kept."""
    return infill(image, keep[None].to(image), torch.tensor([seed], device=image.device))[0]
