"""Classic in-painting without a learned model, as OpenCV computes it: smooth continuation of the surroundings."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import UInt8

from seewhy.core.arrays import Image, Images, Keep, Seeds, compose
from seewhy.core.errors import RequestError


@dataclass(frozen=True)
class Inpainted:
    """An in-fill that continues the surroundings into the hole, pixel by pixel on the CPU.

    Args:
        algorithm: OpenCV's number of the algorithm.
        radius: how far around each pixel is looked, pixels.
    """

    algorithm: int
    radius: float
    stochastic: bool = False
    checksum: str | None = None

    def __call__(self, image: Image, keep: Keep, seeds: Seeds) -> Images:
        """See `seewhy.core.infill.Infill`; the seeds change nothing. Pixels kept in part count as removed."""
        del seeds
        pixels = (image.permute(1, 2, 0).cpu().numpy() * 255).round().astype(np.uint8)
        fills = np.stack([self._fill(pixels, hole) for hole in (keep < 1).cpu().numpy().astype(np.uint8)])
        return compose(image, keep, torch.from_numpy(fills).to(image.device).permute(0, 3, 1, 2).float() / 255)

    def _fill(self, pixels: UInt8[np.ndarray, "h w c"], hole: UInt8[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w c"]:
        """Fill one hole; with nothing kept there is nothing to continue, and the mean colour stands in."""
        if hole.all():
            return np.broadcast_to(pixels.mean((0, 1)).round().astype(np.uint8), pixels.shape)
        return np.asarray(cv2.inpaint(np.ascontiguousarray(pixels), hole, self.radius, self.algorithm), np.uint8)


def telea(*, radius: float = 3.0) -> Inpainted:
    """Fast marching from the border of the hole inwards (Telea, Journal of Graphics Tools, 2004).

    Args:
        radius: how far around each pixel is looked, pixels.

    Raises:
        RequestError: the radius is not positive.

    Example:
        >>> telea(radius=2.0).stochastic
        False
    """
    return Inpainted(cv2.INPAINT_TELEA, _positive(radius))


def navier_stokes(*, radius: float = 3.0) -> Inpainted:
    """Continue lines of equal brightness into the hole as a fluid flows (Bertalmio, Bertozzi, Sapiro, CVPR 2001).

    Args:
        radius: how far around each pixel is looked, pixels.

    Raises:
        RequestError: the radius is not positive.

    Example:
        >>> navier_stokes().radius
        3.0
    """
    return Inpainted(cv2.INPAINT_NS, _positive(radius))


def _positive(radius: float) -> float:
    """Return the radius if it is one."""
    if not radius > 0:
        raise RequestError(f"expected radius > 0 pixels, got {radius}")
    return radius
