"""Slide a window over the picture at a fixed stride, ask about each, and lay the answers back on the pixels.

The plain way, as the papers have it; `seewhy.methods.refine` needs far fewer queries. Windows come coarse to fine and each is finished (all its
samples) before the next, so memory holds sums per pixel and nothing per query, and the sweep may stop after any window
once the picture is covered.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from seewhy.core.features import Positions, Windows
from seewhy.core.maps import Map, Maps, worst_error
from seewhy.core.probe import Probe, pieces
from seewhy.core.target import Target
from seewhy.methods.windows import Log, Score, ask, watched

SAMPLES = 4
"""In-fills drawn for each window of a sweep, where nothing else was asked for."""


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


def plan(probe: Probe, *, size: int, stride: int, samples: int | None) -> Plan:
    """Settle what was left to the program, within the budget.

    Args:
        probe: the bound question.
        size: side of a window, pixels.
        stride: step between windows, pixels.
        samples: in-fills drawn for a window; None: `SAMPLES`, or what the budget allows from 2 to twice that. An in-fill
            that is the same every time is asked once.

    Raises:
        RequestError: the budget does not cover the picture once, or a number makes no sense.
    """
    fixed = 1 if not probe.infill.stochastic else samples
    windows = Windows(size, stride)
    positions = windows.positions(*probe.size)
    if fixed is None:
        limit = probe.budget.queries
        fixed = SAMPLES if limit is None else max(2, min(2 * SAMPLES, (limit - 1) // len(positions)))
    covering = windows.covering(*probe.size)
    hint = f"a larger size than {size} (and an in-fill that fills it)"
    hint += f" or fewer samples than {fixed}" if fixed > 1 else ""
    queries = probe.affordable(1 + fixed * len(positions), smallest=1 + fixed * covering, hint=hint)
    reach = (queries - 1) // fixed
    probe.plan(1 + fixed * reach)
    return Plan(windows, positions[:reach], covering, fixed, len(positions) - reach)


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
        """See `seewhy.core.maps.worst_error`."""
        return worst_error(self.values(), self.errors())


def root_bias(freedom: Int[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """What the root of a variance with so many degrees of freedom is on average, the true one being 1 (normal samples).

    Example:
        >>> root_bias(np.array([[3]])).round(4).tolist()
        [[0.9213]]
    """
    values, where = np.unique(freedom, return_inverse=True)
    factors = [math.sqrt(2 / v) * math.exp(math.lgamma((v + 1) / 2) - math.lgamma(v / 2)) for v in values.tolist()]
    return np.array(factors)[where].reshape(freedom.shape)


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
    log = Log(chosen.windows.size, watched(targets, probe.prediction), chosen.covering)
    stopped = _ask_all(probe, chosen, score, canvas, log)
    keys = [target.key for target in targets]
    errors = dict(zip(keys, canvas.errors().astype(np.float32), strict=True)) if canvas.has_error else {}
    values: dict[str, Map] = dict(zip(keys, canvas.values().astype(np.float32), strict=True))
    return Maps(values, errors, unit, settings, stopped, log.witnesses())


def _ask_all(probe: Probe, chosen: Plan, score: Score, canvas: _Canvas, log: Log) -> str:
    """Go through the windows until they, the seconds or the doubts run out; say which."""
    for start, stop in pieces(len(chosen.positions), max(1, probe.rows // chosen.samples)):
        positions = chosen.positions[start:stop]
        seeds, answers = ask(probe, chosen.windows, chosen.samples, positions)
        values, variances = score(answers)
        log.add(positions, seeds, answers)
        for row, position in enumerate(positions.numpy()):
            canvas.add(chosen.windows.size, position, values[row], None if variances is None else variances[row])
        error = canvas.worst_error if canvas.has_error else None
        if chosen.covering <= stop < len(chosen.positions) and (why := probe.why_stop(error, done=stop)):
            return why
    return "queries" if chosen.left_out else "complete"
