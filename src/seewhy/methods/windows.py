"""Ask about one window at a time, and keep a few of the questions for the reader.

Shared by every method that removes windows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from seewhy.core.errors import RequestError
from seewhy.core.features import Positions, Windows
from seewhy.core.maps import Witnesses
from seewhy.core.probe import Probe
from seewhy.core.seeds import derive
from seewhy.core.target import ClassEvidence, Target, WeightOfEvidence

Answers = Float[Tensor, "m s k"]
"""Probabilities of ``k`` classes for ``s`` samples of each of ``m`` windows."""

Scores = Float[np.ndarray, "m t"]
"""One number a window and target."""

Score = Callable[[Answers], tuple[Scores, Scores | None]]
"""What a method makes of the answers: the value of each window for each target, and its variance if it has one."""

_WINDOWS = 1024  # that are kept for the reader
_SAMPLES = 4  # of each


def check_windows(size: int | tuple[int, ...], stride: int | None, samples: int | None) -> tuple[int, ...]:
    """List the sizes, and refuse settings that make no sense.

    Raises:
        RequestError: a size comes twice, several have a stride, or the samples are not positive.

    Example:
        >>> check_windows(8, None, None)
        (8,)
    """
    sizes = (size,) if isinstance(size, int) else size
    if len(set(sizes)) < len(sizes):
        raise RequestError(f"expected different sizes, got {sizes}; name each once")
    if stride is not None and len(sizes) > 1:
        raise RequestError(f"expected one size with a stride, got {sizes}; leave stride out")
    if samples is not None and samples < 1:
        raise RequestError(f"expected samples >= 1, got {samples}")
    return sizes


def ask(probe: Probe, windows: Windows, samples: int, positions: Positions) -> tuple[Int[Tensor, "m s"], Answers]:
    """Ask all samples of a few windows. A window's seeds come from its place, so no plan changes its samples."""
    where = positions.to(probe.image.device)
    place = where[:, :1] * (1 << 24) + where[:, 1:]
    seeds = derive(probe.seed, place, torch.arange(samples, device=place.device)[None])
    keep = windows.keep(where, *probe.size).repeat_interleave(samples, dim=0)
    answers = probe(keep, seeds.flatten())
    return seeds, answers.reshape(len(positions), samples, -1)


def watched(targets: Sequence[Target], prediction: Float[Tensor, " k"]) -> tuple[int, ...]:
    """Name the classes whose probabilities a reader may want to see: those of the targets, or the likeliest."""
    named = [target.index for target in targets if isinstance(target, ClassEvidence | WeightOfEvidence)]
    return tuple(dict.fromkeys(named)) or (int(prediction.argmax()),)


@dataclass
class Log:
    """The first few windows' questions, kept for the reader.

    Args:
        size: side of the windows that are kept.
        watched: classes whose probabilities are kept.
        room: windows that may still come.
    """

    size: int
    watched: tuple[int, ...]
    room: int
    positions: list[Positions] = field(default_factory=list)
    seeds: list[Tensor] = field(default_factory=list)
    answers: list[Tensor] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.room = min(self.room, _WINDOWS)

    def add(self, positions: Positions, seeds: Int[Tensor, "m s"], answers: Answers) -> None:
        """Keep some samples of these windows while there is room."""
        take = min(self.room, len(seeds))
        if take > 0:
            self.positions.append(positions[:take].cpu())
            self.seeds.append(seeds[:take, :_SAMPLES].cpu())
            self.answers.append(answers[:take, :_SAMPLES][..., list(self.watched)].float().cpu())
        self.room -= take

    def witnesses(self) -> Witnesses:
        """Bundle what was kept."""
        positions, seeds, answers = (torch.cat(part).numpy() for part in (self.positions, self.seeds, self.answers))
        return Witnesses(self.size, positions, seeds, answers, self.watched)
