"""What every method that removes windows shares: its settings, its queries, and some of them kept for the report."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from seewhy.core.attribution import SampledQueries
from seewhy.core.errors import RequestError
from seewhy.core.features import Positions, Windows
from seewhy.core.probe import Probe
from seewhy.core.seeds import derive
from seewhy.core.target import ClassEvidence, Target, WeightOfEvidence
from seewhy.methods._shared import at_least

Answers = Float[Tensor, "m s k"]
"""Probabilities of ``k`` classes for ``s`` samples of each of ``m`` windows."""

Scores = Float[np.ndarray, "m t"]
"""One number per window and target."""

Score = Callable[[Answers], tuple[Scores, Scores | None]]
"""Converts classifier outputs to the value of each window for each target, and its variance if it has one."""

_WINDOWS = 1024  # most windows kept for the report
_SAMPLES = 4  # samples kept of each


SAMPLES = 4
"""Default number of in-fills drawn for each window at a fixed stride."""

ADAPTIVE_SAMPLES = 2
"""The same for adaptive windows: the fewest that give a variance, as more windows help more than more samples."""


def read_settings(
    probe: Probe, size: int | tuple[int, ...], stride: int | None, samples: int | None
) -> tuple[tuple[int, ...], int]:
    """Return the sides of the windows and the number of in-fills drawn for each, chosen within the budget if None.

    A deterministic in-fill is drawn once. Everything is checked here, before the first query.

    Raises:
        RequestError: the settings contradict each other, a window is the whole image, or the budget is too small.
    """
    sizes = (size,) if isinstance(size, int) else size
    _check_windows(sizes, stride, samples)
    steps = [Windows(side, side if stride is None else stride) for side in sizes]
    covering = sum(windows.covering(*probe.size) for windows in steps)
    for windows in steps:
        windows.check_smaller(*probe.size)
        probe.check_holes(windows.keep(windows.positions(*probe.size)[:1], *probe.size))
    drawn = _samples(probe, steps, samples, covering, adaptive=stride is None)
    fewest = 1 + drawn * covering
    probe.affordable(fewest, smallest=fewest, hint=how_to_afford(drawn))
    return sizes, drawn


def _check_windows(sizes: tuple[int, ...], stride: int | None, samples: int | None) -> None:
    """Reject settings that contradict each other."""
    if len(set(sizes)) < len(sizes):
        raise RequestError(f"expected different sizes, got {sizes}; give each size once")
    if stride is not None and len(sizes) > 1:
        raise RequestError(f"expected one size with a stride, got {sizes}; omit stride")
    if samples is not None:
        at_least(samples=(samples, 1))


def _samples(probe: Probe, steps: Sequence[Windows], samples: int | None, covering: int, *, adaptive: bool) -> int:
    """Return the number of in-fills drawn for each window."""
    limit = probe.budget.queries
    if not probe.infill.stochastic:
        return 1
    if samples is not None or limit is None:
        return samples or (ADAPTIVE_SAMPLES if adaptive else SAMPLES)
    if not adaptive:
        return max(2, min(2 * SAMPLES, (limit - 1) // len(steps[0].positions(*probe.size))))
    return ADAPTIVE_SAMPLES if limit >= 1 + ADAPTIVE_SAMPLES * covering else 1


def how_to_afford(samples: int) -> str:
    """Return how to cover the image once with fewer queries, for an error message."""
    hint = "larger windows (and an in-fill that fills them)"
    return hint + f" or fewer samples than {samples}" if samples > 1 else hint


def ask(probe: Probe, windows: Windows, samples: int, positions: Positions) -> tuple[Int[Tensor, "m s"], Answers]:
    """Query all samples of a few windows.

    The seeds depend only on a window's position, so they are the same in every plan.
    """
    where = positions.to(probe.image.device)
    place = where[:, :1] * (1 << 24) + where[:, 1:]
    seeds = derive(probe.seed, place, torch.arange(samples, device=place.device)[None])
    keep = windows.keep(where, *probe.size).repeat_interleave(samples, dim=0)
    answers = probe(keep, seeds.flatten())
    return seeds, answers.reshape(len(positions), samples, -1)


def watched(targets: Sequence[Target], prediction: Float[Tensor, " k"]) -> tuple[int, ...]:
    """Return the classes whose probabilities are stored: those of the targets, or the predicted class."""
    named = [target.index for target in targets if isinstance(target, ClassEvidence | WeightOfEvidence)]
    return tuple(dict.fromkeys(named)) or (int(prediction.argmax()),)


class Log:
    """The queries of the first few windows, kept for the report as long as there is ``room`` for more windows."""

    def __init__(self, size: int, watched: tuple[int, ...], room: int) -> None:
        self.size, self.watched, self.room = size, watched, min(room, _WINDOWS)
        self.batches: list[tuple[Tensor, ...]] = []

    def add(self, positions: Positions, seeds: Int[Tensor, "m s"], answers: Answers) -> None:
        """Keep some samples of these windows while there is room."""
        if self.room > 0:
            some = answers[: self.room, :_SAMPLES, list(self.watched)]
            batch = positions[: self.room], seeds[: self.room, :_SAMPLES], some.float()
            self.batches.append(tuple(part.cpu() for part in batch))
        self.room -= len(seeds)

    def sampled(self) -> SampledQueries:
        """Return what was kept."""
        positions, seeds, answers = (torch.cat(part).numpy() for part in zip(*self.batches, strict=True))
        return SampledQueries(self.size, positions, seeds, answers, self.watched)
