"""Search for the smallest part of another image that changes the prediction when pasted into this one."""

import math
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from seewhy.core.arrays import Image, compose
from seewhy.core.attribution import BoolMap
from seewhy.core.probe import Probe
from seewhy.methods._shared import blocks
from seewhy.methods.sampling._segments import fade


class Step(NamedTuple):
    """A successful region: its share of the image, the wanted class's probability, and the queries made up to then."""

    area: float
    probability: float
    queries: int


class Swap:
    """The probe's image with a part of a donor in it, which the classifier predicts as the class ``other``.

    The donor, in 8-bit levels, has that prediction, with the given probability. ``edge`` is the standard deviation of
    the soft edge in pixels; 0 for a hard one.
    """

    def __init__(self, probe: Probe, donor: Image, other: int, *, probability: float, edge: float) -> None:
        self.probe, self.donor, self.other, self.edge = probe, donor, other, edge
        self.steps: list[Step] = []
        self._accept(torch.ones(probe.size, dtype=torch.bool, device=donor.device), donor, probability)

    def _accept(self, taken: Bool[Tensor, "h w"], image: Image, probability: float) -> None:
        """Continue from a successful region."""
        self.taken, self.image = taken, image
        self.steps.append(Step(self.area, probability, self.probe.queries.forward_images))

    @property
    def area(self) -> float:
        """Fraction of the image that is taken from the other one."""
        return float(self.taken.float().mean())

    @property
    def region(self) -> BoolMap:
        """The region taken from the other image; along its border the two images are blended."""
        region: BoolMap = self.taken.cpu().numpy()
        return region

    def shrink(self, tile: int, queries: int) -> str:
        """Restore block after block, least different first, wherever the wanted prediction stays.

        Blocks are half the image at first, then half as wide, and so on down to ``tile``. Unnecessary parts are thus
        removed in a few large pieces, and the remaining region tends to be connected. It is valid after each query.
        Returns why it stopped: ``complete``, ``queries`` or ``seconds``.
        """
        left = queries
        for block in (block for side in sides(self.probe.size, tile) for block in self._blocks(side)):
            fewer = self.taken.clone()
            fewer[block] = False
            image = self._blended(fewer)
            if torch.equal(image, self.image):  # the block is invisible, so no query is needed
                self.taken = fewer
                self.steps[-1] = self.steps[-1]._replace(area=self.area)
                continue
            if left < 1:
                return "queries"
            if why := self.probe.why_stop():
                return why
            left -= 1
            answer = self.probe.show(image[None])[0]
            if int(answer.argmax()) == self.other:
                self._accept(fewer, image, float(answer[self.other]))
        return "complete"

    def _blocks(self, side: int) -> list[tuple[slice, slice]]:
        """Cut the current region into blocks, sorted by the difference between the two images, smallest first."""
        change: np.ndarray = ((self.donor - self.probe.image).abs().sum(0) * self.taken).double().cpu().numpy()
        region = self.region
        inside = (block for block in blocks(self.probe.size, side) if region[block].any())
        return sorted(inside, key=lambda block: float(change[block].sum()))

    def _blended(self, taken: Bool[Tensor, "h w"]) -> Image:
        """Paste the region of the other image, with soft edges."""
        keep = 1 - fade(taken[None].float(), self.edge).clamp(0, 1)
        return compose(self.probe.image, keep, self.donor[None])[0]


def sides(size: tuple[int, int], tile: int) -> list[int]:
    """Return the block sides: ``tile``, twice that and so on, until two blocks cover the longer side; largest first."""
    doublings = max(0, math.ceil(math.log2(max(size) / tile)) - 1)
    return [tile * 2**power for power in range(doublings, -1, -1)]


def most_queries(size: tuple[int, int], tile: int) -> int:
    """Return the most queries that `Swap.shrink` can make: one per block."""
    return sum(math.prod(math.ceil(length / side) for length in size) for side in sides(size, tile))
