"""PatchMatch in-painting (Barnes et al., SIGGRAPH 2009), computed by the package PyPatchMatch (extra ``patchmatch``)."""

import importlib
from dataclasses import dataclass
from threading import Lock
from types import ModuleType
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, UInt8

from seewhy.core.arrays import Image, Images, Keep, Seeds, compose
from seewhy.core.errors import RequestError

_ONE_AT_A_TIME = Lock()
"""Lock around the package, whose seed is global: no other thread may set another seed until the image is filled."""


@final
@dataclass(frozen=True)
class PatchMatch:
    """An in-fill for holes of any shape: every patch inside resembles some patch of the same image. Runs on the CPU.

    Args:
        radius: patch radius in pixels; a patch has sides of ``2 * radius + 1`` pixels.
    """

    radius: int
    stochastic: bool = True
    checksum: str | None = None

    def __call__(self, image: Image, keep: Keep, seeds: Seeds) -> Images:
        """Implement `seewhy.core.infill.Infill`; partly kept pixels count as removed.

        Raises:
            RequestError: the image does not have three channels, or the extra ``patchmatch`` is missing.
        """
        if len(image) != 3:
            raise RequestError(
                f"expected an image with 3 channels for patchmatch, got {len(image)} channels; choose another in-fill such as telea"
            )
        pixels = (image.permute(1, 2, 0).cpu().numpy() * 255).round().astype(np.uint8)
        holes = (keep < 1).cpu().numpy()
        fills = np.stack([self._fill(pixels, hole, seed) for hole, seed in zip(holes, seeds.tolist(), strict=True)])
        return compose(image, keep, torch.from_numpy(fills).to(image.device).permute(0, 3, 1, 2).float() / 255)

    def _fill(
        self, pixels: UInt8[np.ndarray, "h w 3"], hole: Bool[np.ndarray, "h w"], seed: int
    ) -> UInt8[np.ndarray, "h w 3"]:
        """Fill one hole; if no pixel is kept, there is no patch to copy and the mean colour is used."""
        if hole.all():
            return np.broadcast_to(pixels.mean((0, 1)).round().astype(np.uint8), pixels.shape)
        library = _library()
        with _ONE_AT_A_TIME:
            library.set_random_seed(seed % 2**32)
            return np.asarray(library.inpaint(pixels, hole, patch_size=self.radius))


def patchmatch(*, radius: int = 3) -> PatchMatch:
    """Continue the image into the hole with its own patches, found by coarse-to-fine random search.

    Barnes, Shechtman, Finkelstein, Goldman, "PatchMatch: A Randomized Correspondence Algorithm for Structural Image
    Editing", SIGGRAPH 2009; computed by the package PyPatchMatch. It works well for holes up to about half the image. If
    almost nothing is kept, the package fills the hole with black.

    Args:
        radius: patch radius in pixels; a patch has sides of ``2 * radius + 1`` pixels. Larger patches follow larger
            structures and take more time.

    Returns:
        The in-fill.

    Raises:
        RequestError: the radius is not positive, or the extra ``patchmatch`` is missing.

    Example:
        >>> patchmatch(radius=2).stochastic
        True
    """
    if radius < 1:
        raise RequestError(f"expected radius >= 1 pixel, got {radius}")
    _library()  # report a missing package before the first query
    return PatchMatch(radius)


def _library() -> ModuleType:
    """Import the package, and check its compiled part, which is missing if it was built without a compiler."""
    try:
        library = importlib.import_module("patchmatch")
    except ModuleNotFoundError as error:
        raise RequestError(
            "expected the package PyPatchMatch for patchmatch, got no such package; run: pip install 'seewhy[patchmatch]'"
        ) from error
    if not library.patchmatch_available:
        raise RequestError(
            "expected PyPatchMatch with its compiled library, got one without it; "
            "run: pip install --force-reinstall --no-cache-dir pypatchmatch (it needs a compiler if there is no wheel)"
        )
    return library
