"""The learned patch sampler for holes of any size and shape: tile after tile, from what is known inwards."""

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
from seewhy.infills.holes import bounding_boxes
from seewhy.infills.patch_sampler import Trained, network, patch_sampler

_PICTURES = 16  # filled together: memory stays the same however many are asked for
_POWER = 4  # of the distance, by which known pixels weigh when a drawn tile is bent towards them; measured on photos
_DARK = 1e-9  # keeps the weights finite where nothing is known

Square = tuple[Int[Tensor, "t 1 1"], Int[Tensor, "t a 1"], Int[Tensor, "t 1 a"]]


class _Tiles(NamedTuple):
    """Tiles that are drawn together: the picture of each, and the tile's top left corner in it."""

    picture: Int[Tensor, " t"]
    top: Int[Tensor, " t"]
    left: Int[Tensor, " t"]

    def square(self, start: int, side: int) -> Square:
        """Index the square of each tile that begins ``start`` pixels down and right of the tile's window."""
        reach = torch.arange(start, start + side, device=self.top.device)
        return (
            self.picture[:, None, None],
            (self.top[:, None] + reach)[:, :, None],
            (self.left[:, None] + reach)[:, None],
        )


@final
@dataclass(frozen=True)
class Inpaint:
    """Fills any hole with K × K tiles, each drawn by a network from what is known around it.

    Attributes:
        trained: the network's weights.
        spread: how much of its distribution is drawn from; see `inpaint`.
    """

    trained: Trained
    spread: float

    @property
    def stochastic(self) -> bool:
        """True: another seed gives another picture."""
        return True

    @property
    def checksum(self) -> str:
        """SHA-256 of the weight file."""
        return self.trained.checksum

    @torch.no_grad()
    def __call__(self, image: Image, keep: Keep, seeds: Seeds) -> Images:
        """Draw what is removed.

        A hole is covered with the fewest tiles. At each turn all tiles are drawn that see more than any neighbour of theirs
        does; what they put in is known from then on. Pixels that are kept inside a tile are not shown to the network:
        the tile is bent towards them (see `_bent`).

        Args:
            image: ``(3, h, w)`` RGB in [0, 1].
            keep: ``(n, h, w)``, 1 = kept; a pixel below 1 is drawn, and blended by `seewhy.core.arrays.compose`.
            seeds: ``(n,)`` int64.

        Returns:
            ``(n, 3, h, w)`` in [0, 1]; the image itself for a row without a hole.

        Raises:
            RequestError: the picture has not three channels.
        """
        if len(image) != 3:
            raise RequestError(
                f"expected a colour picture, got {len(image)} channels; choose another in-fill such as blur"
            )
        parts = zip(torch.split(keep, _PICTURES), torch.split(seeds, _PICTURES), strict=True)
        return torch.cat([self._fill(image, *part) for part in parts])

    def _fill(self, image: Image, keep: Keep, seeds: Seeds) -> Images:
        """Fill a few pictures together."""
        net, patch = network(self.trained, str(image.device)), self.trained.patch
        height, width = image.shape[1:]
        # a window is a tile wider than its tile all around, and the last tile may hang over the far edges
        margin = (patch, 2 * patch, patch, 2 * patch)
        known, removed = (functional.pad(part.float(), margin) for part in (keep == 1, keep < 1))
        canvas = functional.pad(image, margin).movedim(0, 2) * known[..., None]
        for tiles in _turns(keep, known, removed, patch):
            window, middle = tiles.square(0, 3 * patch), tiles.square(patch, patch)
            numbers = uniforms(derive(0, seeds[tiles.picture], tiles.top * width + tiles.left), net.draws)
            alone = removed[window].sum((1, 2)) == removed[middle].sum((1, 2))
            numbers = _narrowed(numbers, torch.where(alone, 1.0, self.spread))
            each = torch.arange(len(numbers), device=image.device)
            drawn = net.sample(canvas[window].movedim(3, 1), 1 - known[window], numbers, each).movedim(1, 3)
            drawn = _bent(drawn, canvas[middle], known[window])
            canvas[middle] = torch.where(removed[middle][..., None] == 1, drawn, canvas[middle])
            known[middle] += removed[middle]
        return compose(image, keep, canvas[:, patch : patch + height, patch : patch + width].movedim(3, 1))


def _narrowed(numbers: Float[Tensor, "t m"], spread: Float[Tensor, " t"]) -> Float[Tensor, "t m"]:
    """Move the numbers that draw colours towards 1/2, so that the tails of their distributions are cut off.

    The network takes four numbers a pixel; the first chooses a component of its mixture and stays.
    """
    choice, colours = torch.split(numbers.view(len(numbers), -1, 4), [1, 3], dim=2)
    return torch.cat([choice, 0.5 + (colours - 0.5) * spread[:, None, None]], dim=2).flatten(1)


def _turns(keep: Keep, known: Float[Tensor, "n a b"], removed: Float[Tensor, "n a b"], patch: int) -> Iterator[_Tiles]:
    """Lay a grid of tiles over each hole, and give the tiles turn by turn.

    ``known`` and ``removed`` have margins of a tile above and left, and of two below and right.
    """
    corners, (rows, columns) = _grids(keep, patch)
    each = torch.arange(len(keep), device=keep.device)[:, None, None]
    down, across = (
        (corners[:, axis, None] + torch.arange((count + 2) * patch, device=keep.device)).clamp(max=side - 1)
        for axis, (count, side) in enumerate(zip((rows, columns), known.shape[1:], strict=True))
    )

    def count(pixels: Float[Tensor, "n a b"]) -> Float[Tensor, "n r c"]:
        """Pixels of each tile, and of those around the grid."""
        tiles = pixels[each, down[:, :, None], across[:, None]]
        return tiles.view(len(keep), rows + 2, patch, columns + 2, patch).sum((2, 4))

    seen, pending = count(known), count(removed)[:, 1:-1, 1:-1] > 0
    while bool(pending.any()):
        front = _front(seen, pending)
        picture, row, column = front.nonzero().unbind(1)
        yield _Tiles(picture, corners[picture, 0] + row * patch, corners[picture, 1] + column * patch)
        seen[:, 1:-1, 1:-1][front] = patch * patch
        pending &= ~front


def _grids(keep: Keep, patch: int) -> tuple[Int[Tensor, "n 2"], list[int]]:
    """Cover each hole with the fewest tiles: the top left corner of each row's grid, and the largest grid's rows and columns.

    A grid is centred on the hole's bounding box and lies inside the picture where it fits.
    """
    corners, sides = torch.split(bounding_boxes(keep), 2, dim=1)
    tiles = (sides + patch - 1) // patch
    room = torch.tensor(keep.shape[1:], device=keep.device) - tiles * patch
    corners = torch.minimum(corners - (tiles * patch - sides) // 2, room).clamp(min=0)
    return corners, tiles.amax(0).tolist()


def _front(seen: Float[Tensor, "n r2 c2"], pending: Bool[Tensor, "n r c"]) -> Bool[Tensor, "n r c"]:
    """Choose the tiles whose turn it is: those that see something, and more than any pending neighbour.

    Of neighbours that see the same the colour decides, one of four as on a 2 × 2 chequerboard, so that no two neighbours
    have the same turn and many tiles have. A row in which nothing at all is known begins in the middle.

    Args:
        seen: known pixels in each tile, one more tile on each side than there are in the grid.
        pending: the tiles that are still to be drawn.
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
    """Weigh each pixel of a window for each pixel of the tile in its middle, by a power of their distance."""
    window, tile = torch.arange(3 * patch, device=device), torch.arange(patch, 2 * patch, device=device)
    squared = (window[:, None] - tile) ** 2
    distances = squared[:, None, :, None] + squared[None, :, None, :]
    return distances.flatten(2).clamp(min=1).double() ** (-_POWER / 2)


def _bent(
    drawn: Float[Tensor, "t k k 3"], there: Float[Tensor, "t k k 3"], known: Float[Tensor, "t s s"]
) -> Float[Tensor, "t k k 3"]:
    """Add to each drawn tile what is missing at the pixels of it that are known, spread over those that are not.

    A draw that ignores some data is made to fit them by adding an interpolation of its errors (Matheron's rule: Journel,
    Huijbregts, Mining Geostatistics, 1978). The errors are weighed by distance (Shepard, ACM National Conference, 1968);
    known pixels around the tile have none. In float64, so that no rounded level depends on the order of a sum.
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
    """Fill holes of any size and shape, half of the picture and more, with the network of `patch-sampler`.

    That network draws a patch of at most K × K pixels (Yi, Kim, Kim, Yoon, arXiv 2009.11150, 2020). Here it draws tile after
    tile from what is known inwards, as exemplar-based in-painting does (Criminisi, Pérez, Toyama, IEEE TIP, 2004). The deeper
    a hole, the less is known: small ones look like photos, the middle of large ones is a smear.

    Args:
        patch: side K of a tile: 4, 8 or 16.
        weights: folder with ``weights.safetensors`` and ``card.json`` of the ``compact`` network; None for the shipped ones.
        spread: share of each colour's distribution, around its median, that a tile is drawn from where more than the tile
            itself is removed. 1 is the network's own distribution, whose outliers make the next tiles wilder, up to coloured
            noise in large holes; the smaller, the smoother.

    Returns:
        The in-fill. It draws one patch of the network for each tile that a hole touches.

    Raises:
        RequestError: there are no such weights, they are of another network, or spread is not in (0, 1].

    Example:
        >>> keep = torch.ones(1, 24, 24)
        >>> keep[0, 4:20, 8:] = 0
        >>> inpaint()(torch.full((3, 24, 24), 0.5), keep, torch.tensor([7])).shape
        torch.Size([1, 3, 24, 24])
    """
    if not 0 < spread <= 1:
        raise RequestError(f"expected spread above 0 and at most 1, got {spread}; 1 is the network's own")
    return Inpaint(patch_sampler(patch=patch, arch="compact", weights=weights).networks[0], spread)
