"""Partition SHAP: Owen values of recursively halved rectangles, the most important ones split first."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.core.arrays import Keep
from seewhy.core.attribution import Attribution, Map
from seewhy.core.errors import RequestError
from seewhy.core.probe import Probe
from seewhy.core.target import Target, weight_matrix
from seewhy.methods._shared import allow, seeds

Box = tuple[int, int, int, int]
"""Top, left, bottom and right of a rectangle of pixels; bottom and right are exclusive."""

Score = Float[Tensor, " t"]
"""One score for each target."""

_TOGETHER = 8
"""Boxes that are split together before the next are chosen, whatever the batch size."""


def partition_shap(probe: Probe, targets: Sequence[Target], *, samples: int = 500) -> Attribution:
    """Attribute the probability to recursively halved rectangles of the image by Owen values.

    Owen values (Owen, 1977) of the game whose players are pixels, with coalitions given by a binary tree: each
    rectangle is halved across its longer side. The value of a half is what it adds to the probability, averaged over
    both orders of the two halves and over what else is kept at that point. It is the game of the Partition explainer
    of the shap package (Lundberg, Lee, NeurIPS 2017). Rectangles with the largest remaining value are split first;
    the value of an unsplit rectangle is spread evenly over its pixels.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together.
        targets: classes and contrasts.
        samples: number of queries, an even number of at least 2; the budget may reduce it.

    Returns:
        Maps of probability per pixel, positive supports the class. A map sums to the target's probability for the
        image minus that for the fully removed image, for any number of queries.

    Raises:
        RequestError: ``samples`` is not even and positive, or the budget is less than four queries.

    Cost: ``2 + samples`` queries; fewer if no rectangle is left to split.
    """
    if samples < 2 or samples % 2:
        raise RequestError(f"expected an even number of samples >= 2, got {samples}")
    allowed = allow(probe, samples, fewest=2, hint="fewer samples", first=2, multiple=2) // 2
    game = _Game(probe, weight_matrix(targets, probe.prediction))
    heap = [game.item((0, 0, *probe.size), (), game.score([()])[0], probe.prediction @ game.weights, 1.0)]
    splits, why = 0, None
    while splits < allowed and heap[0].rank < 0 and not (why := probe.why_stop()):
        chosen = [heapq.heappop(heap) for _ in range(min(_TOGETHER, allowed - splits, len(heap)))]
        parts = [item for item in chosen if item.rank < 0]
        for item in [*game.split(parts), *(item for item in chosen if item.rank == 0)]:
            heapq.heappush(heap, item)
        splits += len(parts)
    return Attribution(
        {target.key: _spread(heap, number, probe.size) for number, target in enumerate(targets)},
        {},
        "probability per pixel",
        {"samples": 2 * splits},
        why or ("queries" if splits == allowed < samples // 2 else "complete"),
    )


class _Item(NamedTuple):
    """A rectangle in one of the contexts in which it is evaluated: with some other rectangles kept, all else removed.

    The scores without and with it are those of this context, which has a weight. Items are sorted by minus the stake,
    the weighted value still to be divided (maximum over the targets; 0 for a single pixel), then by number.
    """

    rank: float
    number: int
    box: Box
    kept: tuple[Box, ...]
    without: Score
    whole: Score
    weight: float


@dataclass
class _Game:
    """Evaluates sets of rectangles, and numbers items."""

    probe: Probe
    weights: Float[Tensor, "k t"]
    queried: int = 0
    items: int = 0

    def score(self, sets: Sequence[tuple[Box, ...]]) -> Float[Tensor, "n t"]:
        """Return the score of each set of rectangles, with the rest filled in."""
        own = seeds(self.probe, self.queried, len(sets))
        self.queried += len(sets)
        rows = torch.split(torch.arange(len(sets)), self.probe.rows)
        return torch.cat([self.probe(self._keep([sets[n] for n in some]), own[some]) @ self.weights for some in rows])

    def _keep(self, sets: Sequence[tuple[Box, ...]]) -> Keep:
        """Convert rectangles to ``keep`` masks."""
        keep = self.probe.image.new_zeros(len(sets), *self.probe.size)
        for row, boxes in zip(keep, sets, strict=True):
            for top, left, bottom, right in boxes:
                row[top:bottom, left:right] = 1
        return keep

    def split(self, items: Sequence[_Item]) -> list[_Item]:
        """Halve rectangles, and evaluate each half before and after its sibling."""
        halves = [_halves(item.box) for item in items]
        sets = [(*item.kept, half) for item, pair in zip(items, halves, strict=True) for half in pair]
        parts = []
        answers = self.score(sets).view(len(items), 2, -1)
        for item, (one, other), (first, second) in zip(items, halves, answers, strict=True):
            for half, sibling, alone, joint in ((one, other, first, second), (other, one, second, first)):
                parts.append(self.item(half, item.kept, item.without, alone, item.weight / 2))
                parts.append(self.item(half, (*item.kept, sibling), joint, item.whole, item.weight / 2))
        return parts

    def item(self, box: Box, kept: tuple[Box, ...], without: Score, whole: Score, weight: float) -> _Item:
        """Create an item with its stake and the next number."""
        stake = weight * float((whole - without).abs().max()) if _area(box) > 1 else 0.0
        self.items += 1
        return _Item(-stake, self.items - 1, box, kept, without, whole, weight)


def _area(box: Box) -> int:
    """Return the number of pixels of a rectangle."""
    return (box[2] - box[0]) * (box[3] - box[1])


def _halves(box: Box) -> tuple[Box, Box]:
    """Halve a rectangle across its longer side."""
    top, left, bottom, right = box
    if bottom - top >= right - left:
        middle = (top + bottom) // 2
        return (top, left, middle, right), (middle, left, bottom, right)
    middle = (left + right) // 2
    return (top, left, bottom, middle), (top, middle, bottom, right)


def _spread(items: Sequence[_Item], target: int, size: tuple[int, int]) -> Map:
    """Spread the value of each rectangle evenly over its pixels, summed over all contexts."""
    total = torch.zeros(size, dtype=torch.float64)
    for item in items:
        top, left, bottom, right = item.box
        total[top:bottom, left:right] += (
            item.weight * float(item.whole[target] - item.without[target]) / _area(item.box)
        )
    return total.float().numpy()
