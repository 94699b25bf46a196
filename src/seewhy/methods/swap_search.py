"""The smallest part of another picture that, put into this one, changes the answer.

Every picture that is returned was shown to the classifier. That no smaller part would do is not known: the search goes by a
grid, and the answer need not be monotone in the region.
"""

import math
from itertools import product
from typing import NamedTuple, final

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from seewhy.core.arrays import Image, compose
from seewhy.core.maps import BoolMap
from seewhy.core.probe import Answers, Probe
from seewhy.methods.segments import fade

Block = tuple[slice, slice]


class Wish(NamedTuple):
    """The answer that is wanted.

    Args:
        other: the class.
        confidence: the least probability that will do; 0: that no class is likelier is enough.
    """

    other: int
    confidence: float

    def granted(self, answers: Answers) -> Bool[Tensor, " n"]:
        """Tell which answers are as wanted.

        Example:
            >>> Wish(1, 0.6).granted(torch.tensor([[0.3, 0.7], [0.45, 0.55], [0.8, 0.2]])).tolist()
            [True, False, False]
        """
        return (answers.argmax(1) == self.other) & (answers[:, self.other] >= self.confidence)


class Step(NamedTuple):
    """A region that did.

    Args:
        area: its share of the picture.
        probability: of the wanted class.
        queries: that had been asked by then, in all.
    """

    area: float
    probability: float
    queries: int


@final
class Swap:
    """A picture with a part of another one in it, of which the classifier says what is wanted.

    Args:
        probe: the bound question; its picture is the one that is changed.
        donor: the other picture, ``(3, h, w)`` in 8-bit levels, of which the classifier said what is wanted.
        wish: that.
        said: the probability that it gave the wanted class for the donor.
        edge: standard deviation of the soft edge, pixels; 0 for a hard one.
    """

    def __init__(self, probe: Probe, donor: Image, wish: Wish, *, said: float, edge: float) -> None:
        self.probe, self.donor, self.wish, self.edge = probe, donor, wish, edge
        self.steps: list[Step] = []
        self._accept(torch.ones(probe.size, dtype=torch.bool, device=donor.device), donor, said)

    def _accept(self, taken: Bool[Tensor, "h w"], picture: Image, probability: float) -> None:
        """Go on from a region that does."""
        self.taken, self.picture = taken, picture
        self.steps.append(Step(self.area, probability, self.probe.queries.forward_images))

    @property
    def area(self) -> float:
        """The share of the picture that is taken from the other one."""
        return float(self.taken.float().mean())

    @property
    def region(self) -> BoolMap:
        """What is taken; along its rim the two pictures are blended."""
        region: BoolMap = self.taken.cpu().numpy()
        return region

    def shrink(self, tile: int, queries: int) -> str:
        """Give back block after block, those where the pictures differ least first, wherever the rest still does.

        Blocks are half the picture at first, then half as wide, and so on down to ``tile``: what is not needed goes in a few
        large pieces, and what stays hangs together.

        Args:
            tile: side of the smallest blocks, pixels.
            queries: that may be asked; it can be stopped after each, and what there is by then does.

        Returns:
            Why it stopped: ``complete``, ``queries`` or ``seconds``.
        """
        left = queries
        for block in (block for side in sides(self.probe.size, tile) for block in self._blocks(side)):
            fewer = self.taken.clone()
            fewer[block] = False
            picture = self._blended(fewer)
            if torch.equal(picture, self.picture):  # nothing is seen of this block, nothing need be asked
                self.taken = fewer
                self.steps[-1] = self.steps[-1]._replace(area=self.area)
                continue
            if left < 1:
                return "queries"
            if why := self.probe.why_stop():
                return why
            left -= 1
            answer = self.probe.show(picture[None])
            if bool(self.wish.granted(answer)):
                self._accept(fewer, picture, float(answer[0, self.wish.other]))
        return "complete"

    def _blocks(self, side: int) -> list[Block]:
        """Cut what is taken by now into blocks, those where the two pictures differ least first."""
        corners = product(*(range(0, length, side) for length in self.probe.size))
        blocks = [(slice(top, top + side), slice(left, left + side)) for top, left in corners]
        change: np.ndarray = ((self.donor - self.probe.image).abs().sum(0) * self.taken).double().cpu().numpy()
        region = self.region
        return sorted((block for block in blocks if region[block].any()), key=lambda block: float(change[block].sum()))

    def _blended(self, taken: Bool[Tensor, "h w"]) -> Image:
        """Put the other picture where it is taken, with soft edges."""
        keep = 1 - fade(taken[None].float(), self.edge).clamp(0, 1)
        return compose(self.probe.image, keep, self.donor[None])[0]


def sides(size: tuple[int, int], tile: int) -> list[int]:
    """Say which blocks are tried: ``tile``, twice that and so on, until two of them cover the longer side; largest first.

    Example:
        >>> sides((224, 224), 16)
        [128, 64, 32, 16]
    """
    doublings = max(0, math.ceil(math.log2(max(size) / tile)) - 1)
    return [tile * 2**power for power in range(doublings, -1, -1)]


def most_queries(size: tuple[int, int], tile: int) -> int:
    """Say how many queries `Swap.shrink` can take: one a block.

    Example:
        >>> most_queries((224, 224), 16)
        265
    """
    return sum(math.prod(math.ceil(length / side) for length in size) for side in sides(size, tile))
