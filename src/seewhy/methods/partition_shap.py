"""Partition SHAP: Owen values of ever smaller halves of the picture, the ones that matter most split first."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.core.arrays import Keep
from seewhy.core.errors import RequestError
from seewhy.core.maps import Map, Maps
from seewhy.core.probe import Probe
from seewhy.core.seeds import derive
from seewhy.core.target import Target, weight_matrix

Box = tuple[int, int, int, int]
"""Top, left, bottom, right of a rectangle of pixels; the last two are outside."""

Worth = Float[Tensor, " t"]
"""A score for each target."""

_TOGETHER = 8
"""Boxes that are split before the next are chosen, whatever the batch size."""


def partition_shap(probe: Probe, targets: Sequence[Target], *, samples: int = 500) -> Maps:
    """Split the picture in halves of halves and share the probability out among them fairly.

    Owen values (Owen, 1977) of the game whose players are pixels, in coalitions that a binary tree gives: each rectangle is
    halved across its longer side. The worth of a half is what it adds to the probability, averaged over both orders of the
    halves and over what else is kept by then. It is the game of the Partition explainer of the package shap (Lundberg, Lee,
    NeurIPS 2017). Rectangles are split where most is at stake; the worth of one that is not split is spread evenly over it.

    Args:
        probe: the bound question.
        targets: classes and contrasts.
        samples: queries, an even number; the budget may cut them.

    Returns:
        Maps of probability for each pixel, positive supports the class; a map sums to the target's probability of the picture
        less that of the in-fill alone, however few queries were asked.

    Raises:
        RequestError: ``samples`` is not even and positive, or the budget is less than four queries.

    Cost: ``2 + samples`` queries; fewer where no rectangle is left to split.
    """
    if samples < 2 or samples % 2:
        raise RequestError(f"expected an even number of samples >= 2, got {samples}")
    reach = (probe.affordable(2 + samples, smallest=4, hint="fewer samples") - 2) // 2
    probe.plan(2 + 2 * reach)
    game = _Game(probe, weight_matrix(targets, probe.prediction))
    heap = [
        _Item.of((0, 0, *probe.size), (), game.worth([()])[0], probe.prediction @ game.weights, weight=1.0, number=0)
    ]
    splits, why = 0, None
    while splits < reach and heap[0].stake > 0 and not (why := probe.why_stop()):
        chosen = [heapq.heappop(heap) for _ in range(min(_TOGETHER, reach - splits, len(heap)))]
        parts = [item for item in chosen if item.stake > 0]
        for item in [*game.split(parts), *(item for item in chosen if item.stake == 0)]:
            heapq.heappush(heap, item)
        splits += len(parts)
    return Maps(
        {target.key: _spread(heap, number, probe.size) for number, target in enumerate(targets)},
        {},
        "probability per pixel",
        {"samples": 2 * splits},
        why or ("queries" if splits == reach < samples // 2 else "complete"),
    )


@dataclass(frozen=True, eq=False)
class _Item:
    """A rectangle in one of the situations in which its worth is asked for.

    Args:
        box: the rectangle.
        kept: other rectangles that are kept by then; all else is removed.
        without, whole: what the classifier says then, without and with the rectangle.
        weight: of the situation.
        stake: how much the rectangle can share out, over the targets; 0 for a single pixel.
        number: breaks ties, so that the order never depends on anything else.
    """

    box: Box
    kept: tuple[Box, ...]
    without: Worth
    whole: Worth
    weight: float
    stake: float
    number: int

    @classmethod
    def of(
        cls, box: Box, kept: tuple[Box, ...], without: Worth, whole: Worth, *, weight: float, number: int
    ) -> "_Item":
        """Work out what is at stake."""
        stake = weight * float((whole - without).abs().max()) if _area(box) > 1 else 0.0
        return cls(box, kept, without, whole, weight, stake, number)

    def __lt__(self, other: "_Item") -> bool:
        return (-self.stake, self.number) < (-other.stake, other.number)


@dataclass
class _Game:
    """Asks what sets of rectangles are worth, and counts items."""

    probe: Probe
    weights: Float[Tensor, "k t"]
    asked: int = 0
    items: int = 0

    def worth(self, sets: Sequence[tuple[Box, ...]]) -> Float[Tensor, "n t"]:
        """Show each set of rectangles, the rest filled in."""
        numbers = torch.arange(self.asked, self.asked + len(sets), device=self.probe.image.device)
        self.asked += len(sets)
        rows = torch.split(torch.arange(len(sets)), self.probe.rows)
        seeds = derive(self.probe.seed, numbers)
        return torch.cat([self.probe(self._keep([sets[n] for n in some]), seeds[some]) @ self.weights for some in rows])

    def _keep(self, sets: Sequence[tuple[Box, ...]]) -> Keep:
        """Turn rectangles into ``keep``."""
        keep = self.probe.image.new_zeros(len(sets), *self.probe.size)
        for row, boxes in zip(keep, sets, strict=True):
            for top, left, bottom, right in boxes:
                row[top:bottom, left:right] = 1
        return keep

    def split(self, items: Sequence[_Item]) -> list[_Item]:
        """Halve rectangles; each half is then worth something before its twin and after it."""
        halves = [_halves(item.box) for item in items]
        sets = [(*item.kept, half) for item, pair in zip(items, halves, strict=True) for half in pair]
        found = []
        answers = self.worth(sets).view(len(items), 2, -1)
        for item, (one, other), (first, second) in zip(items, halves, answers, strict=True):
            for half, twin, alone, beside in ((one, other, first, second), (other, one, second, first)):
                found.append(self._item(half, item.kept, item.without, alone, item.weight / 2))
                found.append(self._item(half, (*item.kept, twin), beside, item.whole, item.weight / 2))
        return found

    def _item(self, box: Box, kept: tuple[Box, ...], without: Worth, whole: Worth, weight: float) -> _Item:
        """Number an item."""
        self.items += 1
        return _Item.of(box, kept, without, whole, weight=weight, number=self.items)


def _area(box: Box) -> int:
    """Pixels of a rectangle."""
    return (box[2] - box[0]) * (box[3] - box[1])


def _halves(box: Box) -> tuple[Box, Box]:
    """Cut a rectangle across its longer side."""
    top, left, bottom, right = box
    if bottom - top >= right - left:
        middle = (top + bottom) // 2
        return (top, left, middle, right), (middle, left, bottom, right)
    middle = (left + right) // 2
    return (top, left, bottom, middle), (top, middle, bottom, right)


def _spread(items: Sequence[_Item], target: int, size: tuple[int, int]) -> Map:
    """Spread what each rectangle is worth evenly over its pixels, all situations together."""
    total = torch.zeros(size, dtype=torch.float64)
    for item in items:
        top, left, bottom, right = item.box
        total[top:bottom, left:right] += (
            item.weight * float(item.whole[target] - item.without[target]) / _area(item.box)
        )
    return total.float().numpy()
