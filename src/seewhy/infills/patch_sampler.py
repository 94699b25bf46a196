"""The learned in-fill of Yi, Kim, Kim, Yoon (arXiv 2009.11150, 2020): draw the removed patch from q(patch | ring around it)."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from seewhy.core.arrays import Image, Images, Keep, Seeds, compose
from seewhy.core.errors import RequestError
from seewhy.core.seeds import uniforms
from seewhy.infills.holes import bounding_boxes
from seewhy.nets.patch_sampler import PatchNet, load_sampler

_SHIPPED = Path(__file__).parent / "weights"


@lru_cache(maxsize=8)
def _network(folder: Path, arch: str, patch: int, device: str) -> tuple[PatchNet, str]:
    """Read the weights once a process and device."""
    net, checksum = load_sampler(folder, arch=arch, patch=patch)
    return net.to(device), checksum


@final
@dataclass(frozen=True)
class PatchSampler:
    """Draws what stands in a hole of at most K × K pixels from a network that has seen how photos go on.

    Attributes:
        folder: where the weights lie.
        arch: ``compact`` or ``paper``.
        patch: side K of the patch that is drawn.
        checksum: SHA-256 of the weight file.
    """

    folder: Path
    arch: str
    patch: int
    checksum: str

    @property
    def stochastic(self) -> bool:
        """True: another seed gives another patch."""
        return True

    @torch.no_grad()
    def __call__(self, image: Image, keep: Keep, seeds: Seeds) -> Images:
        """Put a drawn patch over each row's hole.

        The patch covers the hole, lies inside the picture, and is hidden from the network as a whole; where the hole is
        smaller than the patch only the hole is replaced.

        Args:
            image: ``(3, h, w)`` RGB in [0, 1].
            keep: ``(n, h, w)``, 1 = kept; the hole of a row is where it is below 1.
            seeds: ``(n,)`` int64.

        Returns:
            ``(n, 3, h, w)`` in [0, 1]; the image itself for a row without a hole.

        Raises:
            RequestError: a hole is larger than K × K, or the picture has not three channels or is smaller than K.
        """
        net, _ = _network(self.folder, self.arch, self.patch, str(image.device))
        rows, columns = self._corners(image, keep)
        places, which = torch.unique(rows * image.shape[2] + columns, return_inverse=True)
        windows, outside = _windows(image, places, self.patch)
        patches = net.sample(windows, outside, uniforms(seeds, net.draws), which)
        return _paste(image, keep, patches, rows, columns)

    def _corners(self, image: Image, keep: Keep) -> tuple[Int[Tensor, " n"], Int[Tensor, " n"]]:
        """Find the top left corner of the patch that covers each row's hole, centred on it where the picture allows."""
        channels, height, width = image.shape
        if channels != 3 or min(height, width) < self.patch:
            raise RequestError(
                f"expected a colour picture of at least {self.patch} × {self.patch} pixels, "
                f"got {channels} channels, {height} × {width}; choose another in-fill such as blur"
            )
        top, left, tall, wide = bounding_boxes(keep).unbind(1)
        large = torch.maximum(tall, wide) > self.patch
        if large.any():
            row = int(large.long().argmax())
            raise RequestError(
                f"expected a hole of at most {self.patch} × {self.patch} pixels, got {tall[row]} × {wide[row]} in row {row}; "
                f"remove windows of size={self.patch}, or choose another in-fill such as blur"
            )
        corner = top - (self.patch - tall) // 2, left - (self.patch - wide) // 2
        return corner[0].clamp(0, height - self.patch), corner[1].clamp(0, width - self.patch)


def _windows(
    image: Image, places: Int[Tensor, " u"], patch: int
) -> tuple[Float[Tensor, "u 3 s s"], Float[Tensor, "u s s"]]:
    """Cut the 3K × 3K windows around the patches whose corners are at ``places``, numbered row by row of the picture."""
    reach = torch.arange(3 * patch, device=image.device)
    rows = (places // image.shape[2])[:, None, None] + reach[:, None]
    columns = (places % image.shape[2])[:, None, None] + reach
    margin = (patch, patch, patch, patch)
    outside = functional.pad(torch.zeros_like(image[0]), margin, value=1.0)
    return functional.pad(image, margin)[:, rows, columns].movedim(0, 1), outside[rows, columns]


def _paste(
    image: Image, keep: Keep, patches: Float[Tensor, "n 3 k k"], rows: Int[Tensor, " n"], columns: Int[Tensor, " n"]
) -> Images:
    """Compose each patch with the picture where the patch lies; all else is a plain copy, which is most of the work saved."""
    count, channels, patch, _ = patches.shape
    reach = torch.arange(patch, device=image.device)
    each = torch.arange(count, device=image.device)[:, None, None]
    down, across = rows[:, None, None] + reach[:, None], columns[:, None, None] + reach
    # one tall picture of all the places, so that `compose` sees one image, one row of keep, one fill
    here, kept = image[:, down, across].flatten(1, 2), keep[each, down, across].flatten(0, 1)
    blend = compose(here, kept[None], patches.movedim(1, 0).reshape(1, channels, count * patch, patch))
    filled = image.repeat(count, 1, 1, 1)
    filled[each, :, down, across] = blend[0].view(channels, count, patch, patch).permute(1, 2, 3, 0)
    return filled


def patch_sampler(*, patch: int = 8, arch: str = "compact", weights: str | None = None) -> PatchSampler:
    """Fill holes with patches drawn from a learned q(patch | ring around it).

    Yi, Kim, Kim, Yoon, "Information-Theoretic Visual Explanation for Black-Box Classifiers", arXiv 2009.11150, 2020. The
    shipped weights are this project's own, of its own ``compact`` network; see their ``card.json``.

    Args:
        patch: side K of the patch; the largest hole that can be filled.
        arch: ``compact``, or ``paper`` for the published network, whose weights are not shipped.
        weights: folder with ``weights.safetensors`` and ``card.json``; None for the shipped ones.

    Returns:
        The in-fill.

    Raises:
        RequestError: there are no such weights, or they are of another network.

    Example:
        >>> infill = patch_sampler()
        >>> keep = torch.ones(1, 16, 16)
        >>> keep[0, 4:12, 4:12] = 0
        >>> infill(torch.full((3, 16, 16), 0.5), keep, torch.tensor([7])).shape
        torch.Size([1, 3, 16, 16])
    """
    folder = Path(weights) if weights is not None else _SHIPPED / f"patch_sampler_{patch}"
    _, checksum = _network(folder, arch, patch, "cpu")
    return PatchSampler(folder, arch, patch, checksum)
