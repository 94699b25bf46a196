"""Classic in-painting without a learned model, from OpenCV and PyPatchMatch (extra ``patchmatch``)."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from types import ModuleType
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, UInt8

from seewhy.core.arrays import Image, Images, Keep, Seeds, compose
from seewhy.core.errors import RequestError
from seewhy.infills.holes import check_three_channels

Pixels = UInt8[np.ndarray, "h w 3"]
Hole = Bool[np.ndarray, "h w"]

_ONE_AT_A_TIME = Lock()
"""Lock around PyPatchMatch, whose seed is global: no other thread may set another seed until the image is filled."""


@final
@dataclass(frozen=True)
class Inpainted:
    """An in-fill that continues the surroundings into one hole after the other, on the CPU."""

    paint: Callable[[Pixels, Hole, int], Pixels]  # (pixels, hole, seed) → pixels without the hole
    stochastic: bool = False
    checksum: str | None = None

    def __call__(self, image: Image, keep: Keep, seeds: Seeds) -> Images:
        """Implement `seewhy.core.infill.Infill`; partly kept pixels count as removed.

        If no pixel is kept, there is nothing to continue and the mean colour is used.
        """
        check_three_channels(image)
        pixels = (image.permute(1, 2, 0).cpu().numpy() * 255).round().astype(np.uint8, order="C")
        mean = np.broadcast_to(pixels.mean((0, 1)).round().astype(np.uint8), pixels.shape)
        holes = (keep < 1).cpu().numpy()
        rows = zip(holes, seeds.tolist(), strict=True)
        fills = np.stack([mean if hole.all() else self.paint(pixels, hole, seed) for hole, seed in rows])
        return compose(image, keep, torch.from_numpy(fills).to(image.device).permute(0, 3, 1, 2).float() / 255)


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
    return _opencv("INPAINT_TELEA", radius)


def navier_stokes(*, radius: float = 3.0) -> Inpainted:
    """Continue lines of equal brightness into the hole by fluid dynamics (Bertalmio, Bertozzi, Sapiro, CVPR 2001).

    Args:
        radius: radius of the neighbourhood considered around each pixel, in pixels.

    Raises:
        RequestError: the radius is not positive.

    Example:
        >>> navier_stokes().stochastic
        False
    """
    return _opencv("INPAINT_NS", radius)


def _opencv(algorithm: str, radius: float) -> Inpainted:
    """Return an in-fill by one of OpenCV's two algorithms."""
    import cv2  # noqa: PLC0415 - loaded on first use

    if not radius > 0:
        raise RequestError(f"expected radius > 0 pixels, got {radius}")
    flag = getattr(cv2, algorithm)
    return Inpainted(lambda pixels, hole, _: np.asarray(cv2.inpaint(pixels, hole.astype(np.uint8), radius, flag)))


def patchmatch(*, radius: int = 3) -> Inpainted:
    """Continue the image into the hole with its own patches, found by coarse-to-fine random search.

    Barnes, Shechtman, Finkelstein, Goldman, "PatchMatch: A Randomized Correspondence Algorithm for Structural Image
    Editing", SIGGRAPH 2009; computed by the package PyPatchMatch. It works well for holes up to about half the image. If
    almost nothing is kept, the package fills the hole with black.

    Args:
        radius: patch radius in pixels; a patch has sides of ``2 * radius + 1`` pixels. Larger patches follow larger
            structures and take more time.

    Raises:
        RequestError: the radius is not positive, or the extra ``patchmatch`` is missing.

    Example:
        >>> patchmatch(radius=2).stochastic
        True
    """
    if radius < 1:
        raise RequestError(f"expected radius >= 1 pixel, got {radius}")
    package = _patchmatch()

    def paint(pixels: Pixels, hole: Hole, seed: int) -> Pixels:
        with _ONE_AT_A_TIME:
            package.set_random_seed(seed % 2**32)
            return np.asarray(package.inpaint(pixels, hole, patch_size=radius))

    return Inpainted(paint, stochastic=True)


def _patchmatch() -> ModuleType:
    """Import PyPatchMatch, and check its compiled part, which is missing if it was built without a compiler."""
    try:
        package = importlib.import_module("patchmatch")
    except ModuleNotFoundError as error:
        raise RequestError(
            "expected the package PyPatchMatch for patchmatch, got no such package; run: pip install 'seewhy[patchmatch]'"
        ) from error
    if not package.patchmatch_available:
        raise RequestError(
            "expected PyPatchMatch with its compiled library, got one without it; "
            "run: pip install --force-reinstall --no-cache-dir pypatchmatch (it needs a compiler if there is no wheel)"
        )
    return package
