"""Exemplars: what is removed is covered with a piece of the same picture whose surroundings look alike.

The ancestors are texture synthesis by sampling (Efros, Leung, ICCV 1999) and exemplar-based in-painting (Criminisi, Pérez,
Toyama, IEEE Transactions on Image Processing, 2004). Here a whole hole is covered with one piece, and the piece is then
lifted to the colours around the hole, in the spirit of Poisson image editing (Pérez, Gangnet, Blake, SIGGRAPH 2003).
"""

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

_FFT_STEP = 16  # transforms of a multiple of this are fast
_CHUNK = 4096  # pixels that are lifted together: memory stays small for a hole of any size


@final
@dataclass(frozen=True)
class Exemplar:
    """Covers a hole with a piece of the same picture, drawn from the places whose surroundings look most like the hole's.

    Attributes:
        ring: width of the surroundings that are compared, pixels.
        best: number of places that are drawn from.
    """

    ring: int
    best: int
    checksum: str | None = None

    @property
    def stochastic(self) -> bool:
        """Whether there is more than one place to draw from."""
        return self.best > 1

    def __call__(self, image: Image, keep: Keep, seeds: Seeds) -> Images:
        """See `seewhy.core.infill.Infill`. Pixels kept in part count as removed; rows with the same hole share a search.

        With nothing kept there is nothing to copy, and the mean colour stands in.
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

    def _fill(self, pictures: Images, rows: list[int], hole: Region, seeds: Seeds) -> None:
        """Fill one hole in place in some rows; what no single piece covers takes more turns, each with a search of its own."""
        shared = _shifts(pictures[rows[0]], hole, self.ring, self.best)
        for row in rows:
            left = hole
            for turn in count():
                shifts = _shifts(pictures[row], left, self.ring, self.best) if turn else shared
                pick = int(uniforms(seeds[row : row + 1], 1, stream=turn) * len(shifts))
                left = _cover(pictures[row], left, *shifts[pick].tolist())
                if not left.any():
                    break


def _window(hole: Region, margin: int = 0) -> tuple[slice, slice]:
    """Rows and columns of the smallest box around the hole, with a margin where the picture has room."""
    top, left, height, width = bounding_boxes((~hole)[None].float())[0].tolist()
    return (
        slice(max(0, top - margin), min(hole.shape[0], top + height + margin)),
        slice(max(0, left - margin), min(hole.shape[1], left + width + margin)),
    )


def _shifts(image: Image, hole: Region, ring: int, best: int) -> Int[Tensor, "m 2"]:
    """Find the moves, rows down and columns right, that lay the most fitting pieces of the picture over the hole.

    Of the moves that cover the hole with known pixels and have the ring to compare, these are the ones with the smallest mean
    squared difference over the ring. All are looked at together: a sum of products at every place is a correlation, and
    that is a product of Fourier transforms.
    """
    down, across = _window(hole, ring)
    here = hole[down, across]
    near = _grown(here, ring) & ~here
    # room for pieces that stick out of the picture: what sticks out is unknown
    size = [_FFT_STEP * math.ceil((side + part) / _FFT_STEP) for side, part in zip(hole.shape, here.shape, strict=True)]

    colours = (image - 0.5) * ~hole  # small numbers: little is lost in the difference of their sums
    target = colours[:, down, across] * near
    # layers of the source: what is known, squares, colours; of the piece: hole, ring, squares, colours
    source = torch.fft.rfft2(torch.stack([~hole, colours.square().sum(0), *colours]), s=size)
    piece = torch.fft.rfft2(torch.stack([here, near, target.square().sum(0), *target]), s=size).conj()
    differences = source[1] * piece[1] - 2 * (source[2:] * piece[3:]).sum(0) + source[0] * piece[2]
    sums = torch.fft.irfft2(torch.stack([source[0] * piece[0], source[0] * piece[1], differences]), s=size)

    covered, compared = sums[:2].round()
    possible = torch.ones_like(covered, dtype=torch.bool)
    for number, wanted in ((covered, int(here.sum())), (compared, int(near.sum()))):
        most = int(number[possible].max())
        possible &= number >= (wanted if most == wanted else most / 2)  # all, or at least half of the most there is
    cost = torch.where(possible, sums[2] / compared.clamp(min=1), torch.inf).flatten()
    places = cost.topk(min(best, int(possible.sum())), largest=False).indices
    corners = torch.stack([places // size[1], places % size[1]], dim=1)
    start, end, period = (
        torch.tensor(pair, device=image.device) for pair in ((down.start, across.start), hole.shape, size)
    )
    # the far end of the transform stands for places that begin before the picture does
    return start - torch.where(corners < end, corners, corners - period)


def _cover(picture: Image, hole: Region, down: int, right: int) -> Region:
    """Lay the picture, moved, over the hole in place, lifted to the colours around it; return what is left of the hole."""
    window = _window(hole, 1)
    sides = [side - 1 for side in hole.shape]
    rows, columns = (
        torch.arange(span.start - move, span.stop - move, device=picture.device)
        for span, move in zip(window, (down, right), strict=True)
    )
    inside_rows, inside_columns = rows.clamp(0, sides[0]), columns.clamp(0, sides[1])
    inside = (rows == inside_rows)[:, None] & (columns == inside_columns)
    here, canvas = hole[window], picture[:, *window]
    known = inside & ~hole[inside_rows[:, None], inside_columns]
    moved = picture[:, inside_rows[:, None], inside_columns]
    new = here & known
    rim = _grown(new, 1) & ~here & known
    canvas[:, new] = (moved[:, new] + _lift((canvas - moved)[:, rim], rim, new)).clamp(0, 1)
    left = hole.clone()
    left[window] &= ~new
    return left


def _lift(gap: Float[Tensor, "c r"], rim: Region, new: Region) -> Float[Tensor, "c m"]:
    """Spread the gaps along the rim over the new pixels, weighted by the inverse square of the distance."""
    along, inner = rim.nonzero().to(gap.dtype), new.nonzero().to(gap.dtype)
    if len(along) == 0:
        return gap.new_zeros(len(gap), len(inner))
    weights = (1 / torch.cdist(part, along).square() for part in torch.split(inner, _CHUNK))
    return torch.cat([gap @ (weight / weight.sum(1, keepdim=True)).T for weight in weights], dim=1)


def _grown(region: Region, width: int) -> Region:
    """Add every pixel at most ``width`` rows and columns away."""
    return functional.max_pool2d(region[None, None].float(), 2 * width + 1, stride=1, padding=width)[0, 0] > 0


def exemplar(*, ring: int = 3, best: int = 16) -> Exemplar:
    """Cover a hole with a piece of the same picture whose surroundings look alike.

    The ring of pixels around the hole is compared with the ring around every other place, by the sum of squared
    differences; one of the best places is drawn, all with the same chance (after Efros, Leung, "Texture Synthesis by
    Non-parametric Sampling", ICCV 1999, and Criminisi, Pérez, Toyama, IEEE TIP 2004). What stands there is copied in the exact
    shape of the hole, and lifted to meet the colours along its edge.

    A hole that no single piece covers, of more than about a third of the picture's side, is filled in turns. That takes long and
    may repeat whole objects; ``patchmatch`` is then the better choice.

    Args:
        ring: width of the surroundings that are compared, pixels.
        best: number of places that are drawn from; 1 gives the same picture for every seed.

    Returns:
        The in-fill.

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
        raise RequestError(f"expected ring >= 1 pixel and best >= 1 place, got ring={ring}, best={best}")
    return Exemplar(ring, best)
