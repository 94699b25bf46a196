"""Slide a window over the picture, ask about each, and lay the answers back on the pixels.

Shared by every method that removes one window at a time. Windows come coarse to fine and each is finished (all its
samples) before the next, so memory holds sums per pixel and nothing per query, and the sweep may stop after any window
once the picture is covered.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from seewhy.core.features import Positions, Windows
from seewhy.core.maps import Map, Maps, Witnesses
from seewhy.core.probe import Probe, pieces
from seewhy.core.seeds import derive
from seewhy.core.target import ClassEvidence, Target

Answers = Float[Tensor, "m s k"]
"""Probabilities of ``k`` classes for ``s`` samples of each of ``m`` windows."""

Scores = Float[np.ndarray, "m t"]
"""One number a window and target."""

Score = Callable[[Answers], tuple[Scores, Scores | None]]
"""What a method makes of the answers: the value of each window for each target, and its variance if it has one."""

WITNESSED_WINDOWS = 1024
WITNESSED_SAMPLES = 4


@dataclass(frozen=True)
class Plan:
    """Which windows, how many samples of each, and how many of the windows the budget reaches.

    Args:
        windows: the feature.
        positions: where the windows are, coarse to fine.
        covering: how many of the first leave no pixel out.
        samples: in-fills drawn for each window.
        left_out: how many windows the budget does not pay for.
    """

    windows: Windows
    positions: Positions
    covering: int
    samples: int
    left_out: int


def plan(probe: Probe, *, size: int, stride: int | None, samples: int | None, default_samples: int) -> Plan:
    """Settle what was left to the program, within the budget.

    Without any limit: ``stride = size`` and ``default_samples`` (1 for an in-fill that is the same every time). With a
    budget of queries: the finest stride of size, size/2, size/4, … whose whole sweep is paid for, and up to twice the
    default samples. With seconds or a tolerance only: stride 1, to be cut short when that is reached.

    Raises:
        RequestError: the budget does not cover the picture once, or a number makes no sense.
    """
    fixed = 1 if not probe.infill.stochastic else samples
    limit = probe.budget.queries
    if stride is None:
        stride = _stride(probe, size, fixed or default_samples)
    windows = Windows(size, stride)
    positions = windows.positions(*probe.size)
    if fixed is None:
        fixed = default_samples if limit is None else max(2, min(2 * default_samples, (limit - 1) // len(positions)))
    covering = windows.covering(*probe.size)
    hint = f"a larger size than {size} (and an in-fill that fills it)"
    hint += f" or fewer samples than {fixed}" if fixed > 1 else ""
    queries = probe.affordable(1 + fixed * len(positions), smallest=1 + fixed * covering, hint=hint)
    reach = (queries - 1) // fixed
    probe.plan(1 + fixed * reach)
    return Plan(windows, positions[:reach], covering, fixed, len(positions) - reach)


def _stride(probe: Probe, size: int, samples: int) -> int:
    """Choose the stride that suits the limits; see `plan`."""
    limit = probe.budget.queries
    if limit is None:
        return size if probe.budget.seconds is None and probe.budget.tolerance is None else 1
    stride = size
    while stride > 1 and 1 + samples * len(Windows(size, stride // 2).positions(*probe.size)) <= limit:
        stride //= 2
    return stride


@dataclass
class _Canvas:
    """Running sums per pixel: all that a sweep remembers."""

    total: Float[np.ndarray, "t h w"]
    variance: Float[np.ndarray, "t h w"]
    count: Int[np.ndarray, "h w"]
    samples: int
    has_error: bool = True

    def add(
        self,
        size: int,
        position: Int[np.ndarray, "2"],
        value: Float[np.ndarray, " t"],
        variance: Float[np.ndarray, " t"] | None,
    ) -> None:
        """Lay one window's numbers on its pixels."""
        here = (slice(position[0], position[0] + size), slice(position[1], position[1] + size))
        self.total[:, *here] += value[:, None, None]
        self.count[here] += 1
        if variance is None:
            self.has_error = False
        else:
            self.variance[:, *here] += variance[:, None, None]

    def values(self) -> Float[np.ndarray, "t h w"]:
        """A pixel's value: the mean over the windows that cover it."""
        mean: Float[np.ndarray, "t h w"] = self.total / self.count
        return mean

    def errors(self) -> Float[np.ndarray, "t h w"]:
        """Its standard error: windows have samples of their own, so variances of the sum add up.

        The root of an unbiased variance is too small on average, by 8 % for four samples of one window.
        """
        freedom = self.count * max(1, self.samples - 1)
        error: Float[np.ndarray, "t h w"] = np.sqrt(self.variance) / (self.count * root_bias(freedom))
        return error

    def worst_error(self) -> float:
        """The root mean square of the standard error over the map, for the target where it is largest."""
        return float(np.sqrt((self.errors() ** 2).mean((1, 2))).max())


def root_bias(freedom: Int[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """What the root of a variance with so many degrees of freedom is on average, the true one being 1 (normal samples).

    Example:
        >>> root_bias(np.array([[3]])).round(4).tolist()
        [[0.9213]]
    """
    values, where = np.unique(freedom, return_inverse=True)
    factors = [math.sqrt(2 / v) * math.exp(math.lgamma((v + 1) / 2) - math.lgamma(v / 2)) for v in values.tolist()]
    return np.array(factors)[where].reshape(freedom.shape)


@dataclass
class _Log:
    """The first few windows' questions, kept for the reader."""

    watched: tuple[int, ...]
    room: int
    seeds: list[Tensor] = field(default_factory=list)
    answers: list[Tensor] = field(default_factory=list)

    def add(self, seeds: Int[Tensor, "m s"], answers: Answers) -> None:
        """Keep some samples of these windows while there is room."""
        take = min(self.room, len(seeds))
        if take > 0:
            self.seeds.append(seeds[:take, :WITNESSED_SAMPLES].cpu())
            self.answers.append(answers[:take, :WITNESSED_SAMPLES][..., list(self.watched)].float().cpu())
        self.room -= take

    def witnesses(self, windows: Windows, positions: Positions) -> Witnesses:
        """Bundle what was kept."""
        seeds = torch.cat(self.seeds).numpy()
        answers = torch.cat(self.answers).numpy()
        return Witnesses(windows.size, positions[: len(seeds)].numpy(), seeds, answers, self.watched)


def sweep(
    probe: Probe, chosen: Plan, targets: Sequence[Target], score: Score, *, unit: str, settings: dict[str, object]
) -> Maps:
    """Ask about the windows of a plan and average their scores over the pixels they cover.

    Args:
        probe: the bound question.
        chosen: from `plan`.
        targets: one map each.
        score: what the method makes of the answers.
        unit: of the maps.
        settings: for the record.

    Returns:
        Maps; a pixel's value is the mean over the windows that cover it.
    """
    height, width = probe.size
    zeros = np.zeros((len(targets), height, width))
    canvas = _Canvas(zeros, zeros.copy(), np.zeros((height, width), np.int64), chosen.samples)
    watched = tuple(t.index for t in targets if isinstance(t, ClassEvidence)) or (int(probe.prediction.argmax()),)
    log = _Log(watched, min(chosen.covering, WITNESSED_WINDOWS))
    stopped = _ask_all(probe, chosen, score, canvas, log)
    keys = [target.key for target in targets]
    errors = dict(zip(keys, canvas.errors().astype(np.float32), strict=True)) if canvas.has_error else {}
    values: dict[str, Map] = dict(zip(keys, canvas.values().astype(np.float32), strict=True))
    return Maps(values, errors, unit, settings, stopped, log.witnesses(chosen.windows, chosen.positions))


def _ask_all(probe: Probe, chosen: Plan, score: Score, canvas: _Canvas, log: _Log) -> str:
    """Go through the windows until they, the seconds or the doubts run out; say which."""
    for start, stop in pieces(len(chosen.positions), max(1, probe.rows // chosen.samples)):
        positions = chosen.positions[start:stop]
        seeds, answers = _ask(probe, chosen, positions)
        values, variances = score(answers)
        log.add(seeds, answers)
        for row, position in enumerate(positions.numpy()):
            canvas.add(chosen.windows.size, position, values[row], None if variances is None else variances[row])
        error = canvas.worst_error if canvas.has_error else None
        if chosen.covering <= stop < len(chosen.positions) and (why := probe.why_stop(stop, error)):
            return why
    return "queries" if chosen.left_out else "complete"


def _ask(probe: Probe, chosen: Plan, positions: Positions) -> tuple[Int[Tensor, "m s"], Answers]:
    """Ask all samples of a few windows. A window's seeds come from its place, so no plan changes its samples."""
    where = positions.to(probe.image.device)
    place = where[:, :1] * (1 << 24) + where[:, 1:]
    seeds = derive(probe.seed, place, torch.arange(chosen.samples, device=place.device)[None])
    keep = chosen.windows.keep(where, *probe.size).repeat_interleave(chosen.samples, dim=0)
    answers = probe(keep, seeds.flatten())
    return seeds, answers.reshape(len(positions), chosen.samples, -1)
