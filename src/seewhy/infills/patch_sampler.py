"""The learned in-fill of Yi, Kim, Kim, Yoon (arXiv 2009.11150, 2020): removed patches are drawn from q(patch | ring)."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, final

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from seewhy.core.arrays import Image, Images, Keep, Seeds, compose
from seewhy.core.errors import RequestError
from seewhy.core.seeds import uniforms
from seewhy.infills.holes import Boxes, bounding_boxes
from seewhy.nets.compact_sampler import CompactSampler, load_sampler, read_card

_WEIGHTS = Path(__file__).parent / "weights"

SHIPPED = (4, 8, 16)
"""Patch sides K for which weights are shipped."""


def shipped(patch: int) -> Path:
    """Return the folder of the shipped weights for a side K.

    Raises:
        RequestError: no weights are shipped for this side.
    """
    if patch not in SHIPPED:
        raise RequestError(
            f"expected a patch of {', '.join(map(str, SHIPPED))} for the shipped weights, got {patch}; "
            "train a sampler and set weights=FOLDER"
        )
    return _WEIGHTS / f"compact_{patch}"


@dataclass(frozen=True)
class Trained:
    """A reference to trained weights on disk, not yet loaded, for patches of ``patch`` × ``patch`` pixels."""

    folder: Path
    patch: int
    checksum: str


@lru_cache(maxsize=8)
def network(trained: Trained, device: str) -> CompactSampler:
    """Load the weights, once per process and device."""
    net, _ = load_sampler(trained.folder, patch=trained.patch)
    return net.to(device)


@final
@dataclass(frozen=True)
class PatchSampler:
    """An in-fill for holes of at most K × K pixels, drawn from a network trained on photos.

    Attributes:
        networks: trained weights, sorted by patch side K; each hole is filled by the first network that covers it.
    """

    networks: tuple[Trained, ...]
    stochastic: bool = True

    @property
    def checksum(self) -> str:
        """SHA-256 of the weight file; for several files, SHA-256 of their concatenated SHA-256 strings."""
        sums = [trained.checksum for trained in self.networks]
        return sums[0] if len(sums) == 1 else hashlib.sha256("".join(sums).encode()).hexdigest()

    def check(self, image: Image, keep: Keep) -> None:
        """Implement `seewhy.core.infill.Limited`."""
        for index in torch.unique(self._choose(bounding_boxes(keep))).tolist():
            _check_image(image, self.networks[index].patch)

    @torch.no_grad()
    def __call__(self, image: Image, keep: Keep, seeds: Seeds) -> Images:
        """Implement `seewhy.core.infill.Infill`: fill the hole of each row, where keep is below 1, with a drawn patch.

        The patch covers the hole, lies inside the image, and is hidden from the network entirely. If the hole is smaller
        than the patch, only the hole is replaced.

        Raises:
            RequestError: a hole is larger than K × K, or the image does not have three channels or is smaller than K × K.
        """
        boxes = bounding_boxes(keep)
        choice = self._choose(boxes)
        filled = image.repeat(len(keep), 1, 1, 1)
        for index in torch.unique(choice).tolist():
            each = (choice == index).nonzero()[:, 0]
            _paste(filled, each, keep, _draw(self.networks[index], image, seeds[each], boxes[each]))
        return filled

    def _choose(self, boxes: Boxes) -> Int[Tensor, " n"]:
        """Return the index of the first network that covers each row's hole."""
        sides = torch.tensor([trained.patch for trained in self.networks], device=boxes.device)
        largest = int(sides[-1])
        hole = boxes[:, 2:].amax(1)
        if bool((hole > largest).any()):
            row = int((hole > largest).long().argmax())
            raise RequestError(
                f"expected a hole of at most {largest} × {largest} pixels, got {boxes[row, 2]} × {boxes[row, 3]} in row {row}; "
                f"remove windows of size={largest}, or choose the in-fill inpaint"
            )
        return (hole[:, None] > sides).sum(1)


def _check_image(image: Image, patch: int) -> None:
    """Refuse an image that is not in colour or smaller than a patch."""
    channels, height, width = image.shape
    if channels != 3 or min(height, width) < patch:
        raise RequestError(
            f"expected a colour image of at least {patch} × {patch} pixels, "
            f"got {channels} channels, {height} × {width}; choose another in-fill such as blur"
        )


class _Drawn(NamedTuple):
    """Drawn patches, and the row and column of each patch's top left corner in the image."""

    patches: Float[Tensor, "n 3 k k"]
    rows: Int[Tensor, " n"]
    columns: Int[Tensor, " n"]


def _draw(trained: Trained, image: Image, seeds: Seeds, boxes: Boxes) -> _Drawn:
    """Draw patches from one network over holes that it covers, centred on the hole where the image allows."""
    _, height, width = image.shape
    patch = trained.patch
    _check_image(image, patch)
    net = network(trained, str(image.device))
    top, left, tall, wide = boxes.unbind(1)
    rows = (top - (patch - tall) // 2).clamp(0, height - patch)
    columns = (left - (patch - wide) // 2).clamp(0, width - patch)
    places, which = torch.unique(rows * width + columns, return_inverse=True)
    windows, outside = _windows(image, places, patch)
    with torch.inference_mode():  # 10 % faster over many small operations; the patches are copied into an image
        return _Drawn(net.sample(windows, outside, uniforms(seeds, net.draws), which), rows, columns)


def _windows(
    image: Image, places: Int[Tensor, " u"], patch: int
) -> tuple[Float[Tensor, "u 3 s s"], Float[Tensor, "u s s"]]:
    """Cut out the 3K × 3K windows around the patches whose corners are at ``places``, flat indices into the image."""
    reach = torch.arange(3 * patch, device=image.device)
    rows = (places // image.shape[2])[:, None, None] + reach[:, None]
    columns = (places % image.shape[2])[:, None, None] + reach
    margin = (patch, patch, patch, patch)
    outside = functional.pad(torch.zeros_like(image[0]), margin, value=1.0)
    return functional.pad(image, margin)[:, rows, columns].movedim(0, 1), outside[rows, columns]


def _paste(images: Images, rows: Int[Tensor, " m"], keep: Keep, drawn: _Drawn) -> None:
    """Compose each patch with its image in place; only the pixels under the patch are touched, which saves time."""
    count, channels, patch, _ = drawn.patches.shape
    reach = torch.arange(patch, device=images.device)
    each = rows[:, None, None]
    down, across = drawn.rows[:, None, None] + reach[:, None], drawn.columns[:, None, None] + reach
    # stack all patches into one tall image, so that `compose` gets one image, one row of keep and one fill
    here = images[each, :, down, across].permute(3, 0, 1, 2).reshape(channels, count * patch, patch)
    fill = drawn.patches.movedim(1, 0).reshape(1, channels, count * patch, patch)
    blend = compose(here, keep[each, down, across].flatten(0, 1)[None], fill)
    images[each, :, down, across] = blend[0].view(channels, count, patch, patch).permute(1, 2, 3, 0)


def patch_sampler(*, patch: int | None = None, weights: str | None = None) -> PatchSampler:
    """Fill holes with patches drawn from a learned q(patch | ring around it).

    Yi, Kim, Kim, Yoon, "Information-Theoretic Visual Explanation for Black-Box Classifiers", arXiv 2009.11150, 2020. The
    shipped weights were trained by this project, for its own network; see their ``card.json``.

    Args:
        patch: side K of the patch in pixels, which is also the largest hole that can be filled. auto: the side of
            ``weights``, or for each hole the smallest shipped size (4, 8 or 16) that covers it.
        weights: folder with ``weights.safetensors`` and ``card.json``; None for the shipped weights.

    Raises:
        RequestError: there are no such weights, or they belong to another network or patch size.

    Example:
        >>> infill = patch_sampler()
        >>> keep = torch.ones(1, 16, 16)
        >>> keep[0, 4:12, 4:12] = 0
        >>> infill(torch.full((3, 16, 16), 0.5), keep, torch.tensor([7])).shape
        torch.Size([1, 3, 16, 16])
    """
    if weights is not None:
        return PatchSampler((_trained(Path(weights), patch),))
    sides = SHIPPED if patch is None else (patch,)
    return PatchSampler(tuple(_trained(shipped(side), side) for side in sides))


def _trained(folder: Path, patch: int | None) -> Trained:
    """Read the card of a folder of weights."""
    card = read_card(folder, patch=patch)
    return Trained(folder, card["patch"], card["sha256"])
