"""PatchMatch in-painting (Barnes et al., SIGGRAPH 2009), as the package PyPatchMatch computes it (extra ``patchmatch``)."""

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
"""The package keeps its seed for the whole process: no other thread may set another one before the picture is filled."""


@final
@dataclass(frozen=True)
class PatchMatch:
    """Fills holes of any shape so that every patch in them looks like some patch of the same picture; on the CPU.

    Args:
        radius: patches of ``2 * radius + 1`` pixels a side are compared.
    """

    radius: int
    stochastic: bool = True
    checksum: str | None = None

    def __call__(self, image: Image, keep: Keep, seeds: Seeds) -> Images:
        """See `seewhy.core.infill.Infill`. Pixels kept in part count as removed.

        Raises:
            RequestError: the picture has not three channels, or the extra ``patchmatch`` is missing.
        """
        if len(image) != 3:
            raise RequestError(
                f"expected a picture of 3 channels for patchmatch, got {len(image)} channels; choose another in-fill such as telea"
            )
        pixels = (image.permute(1, 2, 0).cpu().numpy() * 255).round().astype(np.uint8)
        holes = (keep < 1).cpu().numpy()
        fills = np.stack([self._fill(pixels, hole, seed) for hole, seed in zip(holes, seeds.tolist(), strict=True)])
        return compose(image, keep, torch.from_numpy(fills).to(image.device).permute(0, 3, 1, 2).float() / 255)

    def _fill(
        self, pixels: UInt8[np.ndarray, "h w 3"], hole: Bool[np.ndarray, "h w"], seed: int
    ) -> UInt8[np.ndarray, "h w 3"]:
        """Fill one hole; with nothing kept there is no patch to copy, and the mean colour stands in."""
        if hole.all():
            return np.broadcast_to(pixels.mean((0, 1)).round().astype(np.uint8), pixels.shape)
        library = _library()
        with _ONE_AT_A_TIME:
            library.set_random_seed(seed % 2**32)
            return np.asarray(library.inpaint(pixels, hole, patch_size=self.radius))


def patchmatch(*, radius: int = 3) -> PatchMatch:
    """Continue the picture into the hole with its own patches, found by random search from coarse to fine.

    Barnes, Shechtman, Finkelstein, Goldman, "PatchMatch: A Randomized Correspondence Algorithm for Structural Image
    Editing", SIGGRAPH 2009; computed by the package PyPatchMatch. Good up to about half the picture. Where next to nothing is kept the
    package paints black.

    Args:
        radius: patches of ``2 * radius + 1`` pixels a side are compared; larger ones follow larger structures and cost
            more time.

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
    _library()  # a missing package is said before the first query
    return PatchMatch(radius)


def _library() -> ModuleType:
    """Import the package, whose compiled part is missing where it was built without a compiler."""
    try:
        library = importlib.import_module("patchmatch")
    except ModuleNotFoundError as error:
        raise RequestError(
            "expected the package PyPatchMatch for patchmatch, got none installed; run: pip install 'seewhy[patchmatch]'"
        ) from error
    if not library.patchmatch_available:
        raise RequestError(
            "expected PyPatchMatch with its compiled library, got one without it; "
            "run: pip install --force-reinstall --no-cache-dir pypatchmatch, with a compiler where there is no wheel"
        )
    return library
