"""Partition SHAP: Owen values of a tree of parts of the image, the most important ones split first."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.core.arrays import Keep
from seewhy.core.attribution import Attribution, Map
from seewhy.core.errors import RequestError
from seewhy.core.probe import Probe
from seewhy.core.target import Target, weight_matrix
from seewhy.images.partition_tree import Part, PartitionTree, grow, halves
from seewhy.methods._shared import allow, seeds

Score = Float[Tensor, " t"]
"""One score for each target."""

_TOGETHER = 8
"""Parts that are split together before the next are chosen, whatever the batch size."""


def partition_shap(
    probe: Probe,
    targets: Sequence[Target],
    *,
    samples: int = 500,
    tree: Literal["halves", "picture"] = "halves",
) -> Attribution:
    """Attribute the probability to the parts of a tree by Owen values.

    Owen values (Owen, 1977) of the game whose players are pixels, with coalitions given by a binary tree: the value of
    a part is what it adds to the probability, averaged over both orders of it and its sibling and over what else is kept
    at that point. It is the game of the Partition explainer of the shap package (Lundberg, Lee, NeurIPS 2017), which
    halves rectangles across their longer side; ``picture`` is ShapBPT's tree (AAAI 2026), whose parts follow the picture.
    Parts with the largest remaining value are split first, and of every eight that are split one is the largest that is
    left, since its halves may cancel; the value of an unsplit part is spread evenly over its pixels.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together.
        targets: classes and contrasts.
        samples: number of queries, an even number of at least 2; the budget may reduce it.
        tree: ``halves`` of rectangles, or grown from the ``picture`` by merging similar neighbours.

    Returns:
        Maps of probability per pixel, positive supports the class. A map sums to the target's probability for the
        image minus that for the fully removed image, for any number of queries.

    Raises:
        RequestError: ``samples`` is not even and positive, or the budget is less than four queries.

    Cost: ``2 + samples`` queries; fewer if no part is left to split.
    """
    if samples < 2 or samples % 2:
        raise RequestError(f"expected an even number of samples >= 2, got {samples}")
    allowed = allow(probe, samples, fewest=2, hint="fewer samples", first=2, multiple=2) // 2
    game = _Game(
        probe, grow(probe.image) if tree == "picture" else halves(probe.size), weight_matrix(targets, probe.prediction)
    )
    items = [game.item(game.tree.whole, (), game.score([()])[0], probe.prediction @ game.weights, 1.0)]
    splits, why = 0, None
    while splits < allowed and (chosen := _most_promising(items, allowed - splits)) and not (why := probe.why_stop()):
        taken = {item.number for item in chosen}
        items = [item for item in items if item.number not in taken] + game.split(chosen)
        splits += len(chosen)
    return Attribution(
        {target.key: _spread(game.tree, items, number) for number, target in enumerate(targets)},
        {},
        "probability per pixel",
        {"samples": 2 * splits, "tree": tree},
        why or ("queries" if splits == allowed < samples // 2 else "complete"),
    )


class _Item(NamedTuple):
    """A part in one of the contexts in which it is evaluated: with some other parts kept, all else removed.

    The scores without and with it are those of this context, which has a weight.
    """

    number: int
    part: Part
    kept: tuple[Part, ...]
    without: Score
    whole: Score
    weight: float
    stake: float
    """The weighted value still to be divided, the maximum over the targets."""

    @property
    def size(self) -> float:
        """The weighted number of pixels."""
        return self.weight * (self.part[1] - self.part[0])


def _most_promising(items: Sequence[_Item], count: int) -> list[_Item]:
    """Return the parts to split next: the largest, whose halves may cancel, and those with the most value to divide."""
    open_ones = [item for item in items if item.stake >= 0]
    if not open_ones:
        return []
    largest = min(open_ones, key=lambda item: (-item.size, item.number))
    ranked = sorted(open_ones, key=lambda item: (-item.stake, -item.size, item.number))
    first = ranked[: min(count, _TOGETHER)]
    return first if largest in first else [*first[:-1], largest]


@dataclass
class _Game:
    """Evaluates sets of parts, and numbers items."""

    probe: Probe
    tree: PartitionTree
    weights: Float[Tensor, "k t"]
    queried: int = 0
    items: int = 0

    def score(self, sets: Sequence[tuple[Part, ...]]) -> Float[Tensor, "n t"]:
        """Return the score of each set of parts, with the rest filled in."""
        own = seeds(self.probe, self.queried, len(sets))
        self.queried += len(sets)
        rows = torch.split(torch.arange(len(sets)), self.probe.rows)
        return torch.cat([self.probe(self._keep([sets[n] for n in some]), own[some]) @ self.weights for some in rows])

    def _keep(self, sets: Sequence[tuple[Part, ...]]) -> Keep:
        """Convert parts to ``keep`` masks."""
        return torch.stack([self.tree.keep(parts) for parts in sets]).to(self.probe.image.device)

    def split(self, items: Sequence[_Item]) -> list[_Item]:
        """Halve parts, and evaluate each half before and after its sibling."""
        pairs = [self.tree.split(item.part) for item in items]
        sets = [(*item.kept, half) for item, pair in zip(items, pairs, strict=True) for half in pair]
        parts = []
        answers = self.score(sets).view(len(items), 2, -1)
        for item, (one, other), (first, second) in zip(items, pairs, answers, strict=True):
            for half, sibling, alone, joint in ((one, other, first, second), (other, one, second, first)):
                parts.append(self.item(half, item.kept, item.without, alone, item.weight / 2))
                parts.append(self.item(half, (*item.kept, sibling), joint, item.whole, item.weight / 2))
        return parts

    def item(self, part: Part, kept: tuple[Part, ...], without: Score, whole: Score, weight: float) -> _Item:
        """Create an item with its stake, -1 where the tree divides it no further, and the next number."""
        stake = weight * float((whole - without).abs().max()) if part in self.tree.splits else -1.0
        self.items += 1
        return _Item(self.items - 1, part, kept, without, whole, weight, stake)


def _spread(tree: PartitionTree, items: Sequence[_Item], target: int) -> Map:
    """Spread the value of each part evenly over its pixels, summed over all contexts."""
    ordered = torch.zeros(len(tree.pixels), dtype=torch.float64)
    for item in items:
        start, stop = item.part
        ordered[start:stop] += item.weight * float(item.whole[target] - item.without[target]) / (stop - start)
    total = torch.empty_like(ordered)
    total[tree.pixels] = ordered
    return total.view(tree.size).float().numpy()
