"""Exemplar in-fill: each hole is covered with a piece of the same image that has similar surroundings."""

import math
from dataclasses import dataclass
from itertools import count
from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from seewhy.core.arrays import Image, Images, Keep, Seeds, compose
from seewhy.core.errors import RequestError
from seewhy.core.seeds import uniforms
from seewhy.infills.holes import bounding_boxes

Region = Bool[Tensor, "h w"]

_FFT_STEP = 16  # Fourier transforms are fast for multiples of this size
_CHUNK = 4096  # pixels whose colours are adjusted together: bounds the memory for large holes


@final
@dataclass(frozen=True)
class Exemplar:
    """An in-fill that covers a hole with a piece of the same image; for its settings see `exemplar`."""

    ring: int
    best: int
    checksum: str | None = None

    @property
    def stochastic(self) -> bool:
        """Whether there is more than one position to draw from."""
        return self.best > 1

    def __call__(self, image: Image, keep: Keep, seeds: Seeds) -> Images:
        """Implement `seewhy.core.infill.Infill`; rows with the same hole share one search.

        Partly kept pixels count as removed. If no pixel is kept, there is nothing to copy and the mean colour is used.
        """
        filled = image.repeat(len(keep), 1, 1, 1)
        holes, which = torch.unique((keep < 1).flatten(1), dim=0, return_inverse=True)
        for number, hole in enumerate(holes.view(-1, *image.shape[1:])):
            rows = (which == number).nonzero()[:, 0].tolist()
            if hole.all():
                filled[rows] = image.mean((1, 2), keepdim=True)
            elif hole.any():
                self._fill(filled, rows, hole, seeds)
            down, across = _window(hole)
            filled[rows, :, down, across] = compose(
                image[:, down, across], keep[rows, down, across], filled[rows, :, down, across]
            )
        return filled

    def _fill(self, images: Images, rows: list[int], hole: Region, seeds: Seeds) -> None:
        """Fill the hole of the given rows in place; if no piece covers it, make further passes, each with its own search."""
        shared = _shifts(images[rows[0]], hole, self.ring, self.best)
        for row in rows:
            left = hole
            for turn in count():
                shifts = _shifts(images[row], left, self.ring, self.best) if turn else shared
                pick = int(uniforms(seeds[row : row + 1], 1, stream=turn) * len(shifts))
                left = _cover(images[row], left, *shifts[pick].tolist())
                if not left.any():
                    break


def _window(hole: Region, margin: int = 0) -> tuple[slice, slice]:
    """Return the rows and columns of the hole's bounding box, enlarged by a margin and clipped to the image."""
    top, left, height, width = bounding_boxes((~hole)[None].float())[0].tolist()
    return (
        slice(max(0, top - margin), min(hole.shape[0], top + height + margin)),
        slice(max(0, left - margin), min(hole.shape[1], left + width + margin)),
    )


def _shifts(image: Image, hole: Region, ring: int, best: int) -> Int[Tensor, "m 2"]:
    """Find the shifts (rows down, columns right) that lay the best-matching pieces of the image over the hole.

    A shift is considered if it covers the hole with known pixels and its ring is known, as far as any shift achieves this.
    The shifts returned have the smallest mean squared difference over the ring. All shifts are evaluated at once: a sum of
    products at every position is a correlation, which is a product of Fourier transforms.
    """
    down, across = _window(hole, ring)
    here = hole[down, across]
    near = _grown(here, ring) & ~here
    # room for pieces that extend beyond the image; pixels outside are unknown
    size = [_FFT_STEP * math.ceil((side + part) / _FFT_STEP) for side, part in zip(hole.shape, here.shape, strict=True)]

    colours = (image - 0.5) * ~hole  # centred values: less cancellation in the difference of their sums
    target = colours[:, down, across] * near
    # layers of the source: known pixels, squares, colours; layers of the piece: hole, ring, squares, colours
    source = torch.fft.rfft2(torch.stack([~hole, colours.square().sum(0), *colours]), s=size)
    piece = torch.fft.rfft2(torch.stack([here, near, target.square().sum(0), *target]), s=size).conj()
    differences = source[1] * piece[1] - 2 * (source[2:] * piece[3:]).sum(0) + source[0] * piece[2]
    sums = torch.fft.irfft2(torch.stack([source[0] * piece[0], source[0] * piece[1], differences]), s=size)

    covered, compared = sums[:2].round()
    possible = torch.ones_like(covered, dtype=torch.bool)
    for number, wanted in ((covered, int(here.sum())), (compared, int(near.sum()))):
        most = int(number[possible].max())
        possible &= number >= (wanted if most == wanted else most / 2)  # all, or at least half of the maximum
    cost = torch.where(possible, sums[2] / compared.clamp(min=1), torch.inf).flatten()
    places = cost.topk(min(best, int(possible.sum())), largest=False).indices
    corners = torch.stack([places // size[1], places % size[1]], dim=1)
    start, end, period = (
        torch.tensor(pair, device=image.device) for pair in ((down.start, across.start), hole.shape, size)
    )
    # indices at the far end of the transform are positions that start before the image
    return start - torch.where(corners < end, corners, corners - period)


def _cover(image: Image, hole: Region, down: int, right: int) -> Region:
    """Copy the shifted image into the hole in place, with adjusted colours, and return what is left of the hole."""
    window = _window(hole, 1)
    sides = [side - 1 for side in hole.shape]
    rows, columns = (
        torch.arange(span.start - move, span.stop - move, device=image.device)
        for span, move in zip(window, (down, right), strict=True)
    )
    inside_rows, inside_columns = rows.clamp(0, sides[0]), columns.clamp(0, sides[1])
    inside = (rows == inside_rows)[:, None] & (columns == inside_columns)
    here, canvas = hole[window], image[:, *window]
    known = inside & ~hole[inside_rows[:, None], inside_columns]
    moved = image[:, inside_rows[:, None], inside_columns]
    new = here & known
    rim = _grown(new, 1) & ~here & known
    canvas[:, new] = (moved[:, new] + _lift((canvas - moved)[:, rim], rim, new)).clamp(0, 1)
    left = hole.clone()
    left[window] &= ~new
    return left


def _lift(gap: Float[Tensor, "c r"], rim: Region, new: Region) -> Float[Tensor, "c m"]:
    """Interpolate the colour differences along the rim to the new pixels, weighted by inverse squared distance."""
    along, inner = rim.nonzero().to(gap.dtype), new.nonzero().to(gap.dtype)
    if len(along) == 0:
        return gap.new_zeros(len(gap), len(inner))
    weights = (1 / torch.cdist(part, along).square() for part in torch.split(inner, _CHUNK))
    return torch.cat([gap @ (weight / weight.sum(1, keepdim=True)).T for weight in weights], dim=1)


def _grown(region: Region, width: int) -> Region:
    """Dilate the region by ``width`` rows and columns."""
    return functional.max_pool2d(region[None, None].float(), 2 * width + 1, stride=1, padding=width)[0, 0] > 0


def exemplar(*, ring: int = 3, best: int = 16) -> Exemplar:
    """Cover a hole with a piece of the same image that has similar surroundings.

    The ring of pixels around the hole is compared with the ring around every other position by the sum of squared
    differences. One of the best positions is drawn uniformly (after Efros, Leung, "Texture Synthesis by Non-parametric
    Sampling", ICCV 1999, and Criminisi, Pérez, Toyama, IEEE TIP 2004). The pixels there are copied in the exact shape of
    the hole, and their colours are adjusted to match those along its edge, similar to Poisson image editing (Pérez,
    Gangnet, Blake, SIGGRAPH 2003).

    A hole wider than about a third of the image is covered by no single piece and is filled in several passes. This is
    slow and may repeat whole objects; ``patchmatch`` is then the better choice.

    Args:
        ring: width of the ring of surroundings that is compared, in pixels.
        best: number of best-matching positions to draw from; with 1, every seed gives the same result.

    Raises:
        RequestError: a setting is not positive.

    Example:
        >>> stripes = torch.tensor([0.0, 1.0]).repeat(3, 16, 8)
        >>> keep = torch.ones(1, 16, 16)
        >>> keep[0, 4:8, 4:8] = 0
        >>> torch.equal(exemplar()(stripes, keep, torch.tensor([7]))[0], stripes)
        True
    """
    if ring < 1 or best < 1:
        raise RequestError(f"expected ring >= 1 pixel and best >= 1 position, got ring={ring}, best={best}")
    return Exemplar(ring, best)
