"""The learned patch sampler for holes of any size and shape: tiles are drawn one after another, from the border inwards."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from seewhy.core.arrays import Image, Images, Keep, Seeds, compose
from seewhy.core.errors import RequestError
from seewhy.core.seeds import derive, uniforms
from seewhy.infills.holes import bounding_boxes, check_three_channels
from seewhy.infills.patch_sampler import Trained, network, patch_sampler

_ROWS = 16  # rows filled together: bounds the memory for any batch size
_POWER = 4  # known pixels weigh by this inverse power of distance when a tile is corrected; tuned on photos
_DARK = 1e-9  # keeps the weights finite where nothing is known

Square = tuple[Int[Tensor, "t 1 1"], Int[Tensor, "t a 1"], Int[Tensor, "t 1 a"]]


class _Tiles(NamedTuple):
    """Tiles that are drawn together: the row of each in the batch, and the tile's top left corner."""

    row: Int[Tensor, " t"]
    top: Int[Tensor, " t"]
    left: Int[Tensor, " t"]

    def square(self, start: int, side: int) -> Square:
        """Index the square of each tile that starts ``start`` pixels below and right of the window's corner."""
        reach = torch.arange(start, start + side, device=self.top.device)
        return (
            self.row[:, None, None],
            (self.top[:, None] + reach)[:, :, None],
            (self.left[:, None] + reach)[:, None],
        )


@final
@dataclass(frozen=True)
class Inpaint:
    """An in-fill for any hole: K × K tiles, each drawn by a network given the known pixels around it; see `inpaint`."""

    trained: Trained
    spread: float
    stochastic: bool = True

    @property
    def checksum(self) -> str:
        """SHA-256 of the weight file."""
        return self.trained.checksum

    @torch.no_grad()
    def __call__(self, image: Image, keep: Keep, seeds: Seeds) -> Images:
        """Implement `seewhy.core.infill.Infill`; a partly kept pixel is drawn, and blended.

        A hole is covered with the smallest number of tiles. In each step, every tile with more known pixels around it than
        any of its neighbours is drawn, and its pixels are known from then on. Kept pixels inside a tile are hidden from the
        network; the drawn tile is corrected to match them (see `_bent`).
        """
        check_three_channels(image)
        parts = zip(torch.split(keep, _ROWS), torch.split(seeds, _ROWS), strict=True)
        return torch.cat([self._fill(image, *part) for part in parts])

    def _fill(self, image: Image, keep: Keep, seeds: Seeds) -> Images:
        """Fill a few rows together."""
        net, patch = network(self.trained, str(image.device)), self.trained.patch
        height, width = image.shape[1:]
        # a window extends one tile beyond its tile on each side, and the last tile may extend beyond the far edges
        margin = (patch, 2 * patch, patch, 2 * patch)
        known, removed = (functional.pad(part.float(), margin) for part in (keep == 1, keep < 1))
        canvas = functional.pad(image, margin).movedim(0, 2) * known[..., None]
        for tiles in _turns(keep, known, removed, patch):
            window, middle = tiles.square(0, 3 * patch), tiles.square(patch, patch)
            numbers = uniforms(derive(0, seeds[tiles.row], tiles.top * width + tiles.left), net.draws)
            alone = removed[window].sum((1, 2)) == removed[middle].sum((1, 2))
            numbers = _narrowed(numbers, torch.where(alone, 1.0, self.spread))
            each = torch.arange(len(numbers), device=image.device)
            drawn = net.sample(canvas[window].movedim(3, 1), 1 - known[window], numbers, each).movedim(1, 3)
            drawn = _bent(drawn, canvas[middle], known[window])
            canvas[middle] = torch.where(removed[middle][..., None] == 1, drawn, canvas[middle])
            known[middle] += removed[middle]
        return compose(image, keep, canvas[:, patch : patch + height, patch : patch + width].movedim(3, 1))


def _narrowed(numbers: Float[Tensor, "t m"], spread: Float[Tensor, " t"]) -> Float[Tensor, "t m"]:
    """Move the uniform numbers that draw colours towards 1/2, which cuts off the tails of the colour distributions.

    The network takes four numbers per pixel; the first selects a mixture component and is left unchanged.
    """
    choice, colours = torch.split(numbers.view(len(numbers), -1, 4), [1, 3], dim=2)
    return torch.cat([choice, 0.5 + (colours - 0.5) * spread[:, None, None]], dim=2).flatten(1)


def _turns(keep: Keep, known: Float[Tensor, "n a b"], removed: Float[Tensor, "n a b"], patch: int) -> Iterator[_Tiles]:
    """Lay a grid of tiles over each hole, and yield the tiles that are drawn together, step by step.

    ``known`` and ``removed`` have margins of one tile above and left, and of two tiles below and right.
    """
    corners, (rows, columns) = _grids(keep, patch)
    each = torch.arange(len(keep), device=keep.device)[:, None, None]
    down, across = (
        (corners[:, axis, None] + torch.arange((count + 2) * patch, device=keep.device)).clamp(max=side - 1)
        for axis, (count, side) in enumerate(zip((rows, columns), known.shape[1:], strict=True))
    )

    def count(pixels: Float[Tensor, "n a b"]) -> Float[Tensor, "n r c"]:
        """Count the pixels of each tile, including the tiles around the grid."""
        tiles = pixels[each, down[:, :, None], across[:, None]]
        return tiles.view(len(keep), rows + 2, patch, columns + 2, patch).sum((2, 4))

    seen, pending = count(known), count(removed)[:, 1:-1, 1:-1] > 0
    while bool(pending.any()):
        front = _front(seen, pending)
        which, row, column = front.nonzero().unbind(1)
        yield _Tiles(which, corners[which, 0] + row * patch, corners[which, 1] + column * patch)
        seen[:, 1:-1, 1:-1][front] = patch * patch
        pending &= ~front


def _grids(keep: Keep, patch: int) -> tuple[Int[Tensor, "n 2"], list[int]]:
    """Cover each hole with the smallest grid; return each grid's top left corner and the largest grid's rows and columns.

    A grid is centred on the bounding box of the hole, and shifted to lie inside the image where it fits.
    """
    corners, sides = torch.split(bounding_boxes(keep), 2, dim=1)
    tiles = (sides + patch - 1) // patch
    room = torch.tensor(keep.shape[1:], device=keep.device) - tiles * patch
    corners = torch.minimum(corners - (tiles * patch - sides) // 2, room).clamp(min=0)
    return corners, tiles.amax(0).tolist()


def _front(seen: Float[Tensor, "n r2 c2"], pending: Bool[Tensor, "n r c"]) -> Bool[Tensor, "n r c"]:
    """Choose the tiles to draw next: those with some known pixels around them, and more than any pending neighbour.

    Ties are broken by one of four colours on a 2 × 2 chequerboard, so that no two neighbours are drawn in the same step,
    while many tiles are. A row without any known pixel starts in the middle. ``seen`` is the number of known pixels in each
    tile, with one more tile on each side of the grid.
    """
    around = (9 * functional.avg_pool2d(seen, 3, stride=1)).round()  # whole numbers, exact in float32
    rows, columns = (torch.arange(side, device=seen.device) % 2 for side in pending.shape[1:])
    score = torch.where(pending, 4 * around + 2 * rows[:, None] + columns, -1)
    front = pending & (around > 0) & (score == functional.max_pool2d(score, 3, stride=1, padding=1))
    blind = pending.flatten(1).any(1) & ~front.flatten(1).any(1)
    front[blind, pending.shape[1] // 2, pending.shape[2] // 2] = True
    return front


@lru_cache(maxsize=8)
def _nearness(patch: int, device: str) -> Float[Tensor, "s s q"]:
    """Return the weight of each window pixel for each pixel of the central tile: an inverse power of their distance."""
    window, tile = torch.arange(3 * patch, device=device), torch.arange(patch, 2 * patch, device=device)
    squared = (window[:, None] - tile) ** 2
    distances = squared[:, None, :, None] + squared[None, :, None, :]
    return distances.flatten(2).clamp(min=1).double() ** (-_POWER / 2)


def _bent(
    drawn: Float[Tensor, "t k k 3"], there: Float[Tensor, "t k k 3"], known: Float[Tensor, "t s s"]
) -> Float[Tensor, "t k k 3"]:
    """Correct each drawn tile to match its known pixels, by interpolating the errors there over the other pixels.

    A sample that ignores some data is conditioned on them by adding an interpolation of its errors (Matheron's rule:
    Journel, Huijbregts, Mining Geostatistics, 1978). The errors are weighted by distance (Shepard, ACM National
    Conference, 1968); known pixels around the tile have zero error. The computation is in float64, so that rounded levels
    do not depend on the order of summation.
    """
    patch = drawn.shape[1]
    weights = _nearness(patch, str(drawn.device))
    inside = slice(patch, 2 * patch)
    errors = ((there - drawn) * known[:, inside, inside, None]).double().flatten(1, 2).transpose(1, 2)
    total = known.double().flatten(1) @ weights.flatten(0, 1) + _DARK
    shift = errors @ weights[inside, inside].flatten(0, 1) / total[:, None]
    bent = drawn + shift.transpose(1, 2).view_as(drawn)
    return ((bent.clamp(0, 1) * 255).round() / 255).to(drawn.dtype)


def inpaint(*, patch: int = 8, weights: str | None = None, spread: float = 0.7) -> Inpaint:
    """Fill holes of any size and shape, even more than half of the image, with the network of `patch-sampler`.

    That network draws a patch of at most K × K pixels (Yi, Kim, Kim, Yoon, arXiv 2009.11150, 2020). Here it draws one tile
    after another, from the known pixels inwards, as exemplar-based in-painting does (Criminisi, Pérez, Toyama, IEEE TIP,
    2004). Small holes look photographic. Deep inside a large hole little is known, and the result is blurry.

    Args:
        patch: side K of a tile in pixels: 4, 8 or 16.
        weights: folder with ``weights.safetensors`` and ``card.json``; None for the shipped weights.
        spread: fraction in (0, 1] of each colour's distribution, around its median, from which a tile is drawn if more than
            the tile itself is removed. Smaller values give smoother results. 1 is the full distribution, whose outliers
            amplify from tile to tile, up to coloured noise in large holes.

    Returns:
        The in-fill. It draws one patch of the network for each tile that overlaps the hole.

    Raises:
        RequestError: there are no such weights, they belong to another network, or spread is not in (0, 1].

    Example:
        >>> keep = torch.ones(1, 24, 24)
        >>> keep[0, 4:20, 8:] = 0
        >>> inpaint()(torch.full((3, 24, 24), 0.5), keep, torch.tensor([7])).shape
        torch.Size([1, 3, 24, 24])
    """
    if not 0 < spread <= 1:
        raise RequestError(f"expected spread above 0 and at most 1, got {spread}; 1 is the network's full distribution")
    return Inpaint(patch_sampler(patch=patch, weights=weights).networks[0], spread)
