"""Search for the best order of an image's regions: shown one after the other, and hidden one after the other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from seewhy.core.probe import Answers, Probe
from seewhy.core.target import Contrast, Information, Target, complement_matrix, weight_matrix
from seewhy.images.partition_tree import Labels
from seewhy.methods._shared import seeds

FLOOR = 1e-30
"""Added to probabilities, so that the logarithm of an exact 0 and a ratio of two of them stay finite."""

_TIE = 1e-6
"""Scores that differ by less are equal, so that rounding does not decide; the region that comes first in the first map wins."""

Sets = Bool[Tensor, "n r"]
"""Which regions each query shows."""

Worth = Callable[[Answers], Float[Tensor, " n"]]
"""How much of a target is left in each answer, 0 to 1."""


def worth_of(target: Target, prediction: Float[Tensor, " k"]) -> Worth:
    """Return what a search watches.

    For a class its probability; for a contrast the probability of the first of the two classes, if it is one of them; for the
    information ``exp(-KL(p(.|x) || p))``, which is 1 where the answer is that for the whole image.
    """
    if isinstance(target, Information):
        return lambda answers: torch.exp(((log(answers) - log(prediction)) @ prediction).clamp(max=0))
    if isinstance(target, Contrast):
        index, other = target.index, target.other
        return lambda answers: answers[:, index] / (answers[:, index] + answers[:, other] + FLOOR)
    (index,) = target.classes
    return lambda answers: answers[:, index]


def log(probabilities: Float[Tensor, "*n k"]) -> Float[Tensor, "*n k"]:
    """Return natural logarithms that are finite."""
    return torch.log(probabilities + FLOOR)


def evidence(target: Target, answers: Answers, prediction: Float[Tensor, " k"]) -> Float[Tensor, " m"]:
    """Return by how many nats each answer is more evidence for a target than the one before it; the first term belongs to the second answer."""
    scores = log(answers) @ weight_matrix([target], prediction)
    scores = scores + log(1 - answers) @ complement_matrix([target], prediction)
    return scores[:, 0].diff()


@dataclass(eq=False)
class Asker:
    """Asks about sets of regions, each with the same in-fills, so that sets differ in nothing else."""

    probe: Probe
    labels: Labels
    samples: int
    room: int

    def __call__(self, sets: Sets) -> Answers:
        """Return the mean answer over the in-fills, with the other regions filled in."""
        own = seeds(self.probe, 0, self.samples)
        keep = sets.to(self.labels.device, torch.float32)[:, self.labels].repeat_interleave(self.samples, dim=0)
        self.room -= len(keep)
        return self.probe(keep, own.repeat(len(sets))).view(len(sets), self.samples, -1).mean(1).cpu()

    def affords(self, sets: int) -> bool:
        """Return whether so many sets are within the room that is left."""
        return sets * self.samples <= self.room


@dataclass(eq=False)
class Chain:
    """A search: the regions in the order in which they were chosen, and the answers along it.

    Args:
        ask: asks about sets of regions.
        worth: what is watched.
        window: regions that are tried in each step.
        enough: the search ends once regions with this share of the image's worth are shown, and without which at most the rest of
            it is left.
        areas: pixels of each region.
        whole: the answer to the image.
        order: the regions chosen, the most important first.
        left: the other regions, in the order of the first map.
        shown: the answers with the first 0, 1, … regions of the order shown alone.
        hidden: the answers with them hidden.
        sufficient: the smallest set of regions met that is enough, with its area.
        necessary: the smallest set met without which too little is left, with its area.
        stopped: why the search ended before it was finished.
    """

    ask: Asker
    worth: Worth
    window: int
    enough: float
    areas: Float[Tensor, " r"]
    whole: Float[Tensor, " k"]
    order: list[int] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    shown: list[Float[Tensor, " k"]] = field(default_factory=list)
    hidden: list[Float[Tensor, " k"]] = field(default_factory=list)
    sufficient: tuple[float, Bool[Tensor, " r"]] | None = None
    necessary: tuple[float, Bool[Tensor, " r"]] | None = None
    stopped: str | None = None

    def run(self, ranked: Sequence[int]) -> "Chain":
        """Choose regions until enough is shown and enough is hidden, or the queries or the time run out."""
        self.left = list(ranked)
        self.shown.append(self._asked(torch.zeros(1, len(self.areas), dtype=torch.bool))[0])
        self.hidden.append(self.whole)
        while self.left and not self.finished and self.stopped is None:
            self.stopped = self._step() or self.ask.probe.why_stop()
        return self

    @property
    def missing(self) -> Float[Tensor, " n"]:
        """The share of the worth that was still missing when each region was shown, 0 to 1; one more for after the last."""
        return (1 - self.share(self.shown).cummax(0).values).clamp(0, 1)

    @property
    def remaining(self) -> Float[Tensor, " n"]:
        """The share of the worth that was left when each region was hidden, 0 to 1; one more for after the last."""
        return self.share(self.hidden).cummin(0).values.clamp(0, 1)

    @property
    def finished(self) -> bool:
        """Whether enough was shown, and enough was hidden."""
        return max(float(self.missing[-1]), float(self.remaining[-1])) <= 1 - self.enough

    def share(self, answers: Sequence[Float[Tensor, " k"]]) -> Float[Tensor, " n"]:
        """Return the worth of answers as a share of that of the whole image."""
        return self.worth(torch.stack(list(answers))) / (self.worth(self.whole[None]) + FLOOR)

    def _step(self) -> str | None:
        """Try the next few regions, and choose the best; return ``queries`` where there is no room for one."""
        tried = self.left[: self.window]
        while tried and not self.ask.affords(2 * len(tried)):
            tried.pop()
        if not tried:
            return "queries"
        sets = torch.zeros(len(tried), len(self.areas), dtype=torch.bool)
        sets[:, self.order] = True
        sets[torch.arange(len(tried)), torch.tensor(tried)] = True
        shown, hidden = self._asked(torch.cat([sets, ~sets])).chunk(2)
        score = self.worth(shown) - self.worth(hidden)
        best = int((score >= score.max() - _TIE).nonzero()[0])
        self.shown.append(shown[best])
        self.hidden.append(hidden[best])
        self.order.append(tried[best])
        self.left.remove(tried[best])
        return None

    def _asked(self, sets: Sets) -> Answers:
        """Ask, and remember the smallest sets that are enough alone or cannot be done without."""
        answers = self.ask(sets)
        for kept, share in zip(sets, self.share(list(answers)).tolist(), strict=True):
            area, rest = float(self.areas[kept].sum()), float(self.areas[~kept].sum())
            if share >= self.enough and (self.sufficient is None or area < self.sufficient[0]):
                self.sufficient = area, kept
            if share <= 1 - self.enough and (self.necessary is None or rest < self.necessary[0]):
                self.necessary = rest, ~kept
        return answers
