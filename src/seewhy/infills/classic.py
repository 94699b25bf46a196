"""Classic in-painting from OpenCV, without a learned model: the surroundings are continued smoothly into the hole."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import UInt8

from seewhy.core.arrays import Image, Images, Keep, Seeds, compose
from seewhy.core.errors import RequestError

_NAVIER_STOKES, _TELEA = 0, 1  # OpenCV's numbers of its two algorithms


@dataclass(frozen=True)
class Inpainted:
    """An in-fill that continues the surroundings into the hole, pixel by pixel on the CPU.

    Args:
        algorithm: OpenCV flag that selects the algorithm.
        radius: radius of the neighbourhood considered around each pixel, in pixels.
    """

    algorithm: int
    radius: float
    stochastic: bool = False
    checksum: str | None = None

    def __call__(self, image: Image, keep: Keep, seeds: Seeds) -> Images:
        """Implement `seewhy.core.infill.Infill`; seeds are ignored, and partly kept pixels count as removed."""
        del seeds
        pixels = (image.permute(1, 2, 0).cpu().numpy() * 255).round().astype(np.uint8)
        fills = np.stack([self._fill(pixels, hole) for hole in (keep < 1).cpu().numpy().astype(np.uint8)])
        return compose(image, keep, torch.from_numpy(fills).to(image.device).permute(0, 3, 1, 2).float() / 255)

    def _fill(self, pixels: UInt8[np.ndarray, "h w c"], hole: UInt8[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w c"]:
        """Fill one hole; if no pixel is kept, there is nothing to continue and the mean colour is used."""
        if hole.all():
            return np.broadcast_to(pixels.mean((0, 1)).round().astype(np.uint8), pixels.shape)
        import cv2  # noqa: PLC0415 - loaded on first use

        return np.asarray(cv2.inpaint(np.ascontiguousarray(pixels), hole, self.radius, self.algorithm), np.uint8)


def telea(*, radius: float = 3.0) -> Inpainted:
    """Fill by fast marching from the border of the hole inwards (Telea, Journal of Graphics Tools, 2004).

    Args:
        radius: radius of the neighbourhood considered around each pixel, in pixels.

    Raises:
        RequestError: the radius is not positive.

    Example:
        >>> telea(radius=2.0).stochastic
        False
    """
    return Inpainted(_TELEA, _positive(radius))


def navier_stokes(*, radius: float = 3.0) -> Inpainted:
    """Continue lines of equal brightness into the hole by fluid dynamics (Bertalmio, Bertozzi, Sapiro, CVPR 2001).

    Args:
        radius: radius of the neighbourhood considered around each pixel, in pixels.

    Raises:
        RequestError: the radius is not positive.

    Example:
        >>> navier_stokes().radius
        3.0
    """
    return Inpainted(_NAVIER_STOKES, _positive(radius))


def _positive(radius: float) -> float:
    """Return the radius, or raise if it is not positive."""
    if not radius > 0:
        raise RequestError(f"expected radius > 0 pixels, got {radius}")
    return radius
