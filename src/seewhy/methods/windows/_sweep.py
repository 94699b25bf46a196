"""Slide a window over the image at a fixed stride, query each position, and average the results over the pixels.

This is the plain scheme of the papers; `seewhy.methods.windows._refine` needs far fewer queries. Windows are ordered coarse to
fine, and each is completed (all its samples) before the next. Memory therefore holds sums per pixel and no individual
queries, and the sweep can stop after any window once the image is covered.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from seewhy.core.attribution import Attribution, Map, worst_error
from seewhy.core.features import Positions, Windows
from seewhy.core.probe import Probe, pieces
from seewhy.core.target import Target
from seewhy.methods.windows._windows import Log, Score, ask, watched

SAMPLES = 4
"""Default number of in-fills drawn for each window of a sweep."""


@dataclass(frozen=True)
class Plan:
    """The windows of a sweep, the samples of each, and the part that fits the budget.

    Args:
        windows: the windows.
        positions: positions of the windows, coarse to fine.
        covering: number of first windows that together cover every pixel.
        samples: in-fills drawn for each window.
        left_out: number of windows that exceed the budget.
    """

    windows: Windows
    positions: Positions
    covering: int
    samples: int
    left_out: int


def plan(probe: Probe, *, size: int, stride: int, samples: int | None) -> Plan:
    """Choose the unspecified settings, within the budget.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together.
        size: side of a window, pixels.
        stride: step between windows, pixels.
        samples: in-fills drawn for each window; None: `SAMPLES`, or what the budget allows from 2 to twice that. A
            deterministic in-fill is drawn once.

    Raises:
        RequestError: the budget does not cover the image once, or a setting is out of range.
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
    """Running sums per pixel, the only state of a sweep."""

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
        """Add one window's values to its pixels."""
        here = (slice(position[0], position[0] + size), slice(position[1], position[1] + size))
        self.total[:, *here] += value[:, None, None]
        self.count[here] += 1
        if variance is None:
            self.has_error = False
        else:
            self.variance[:, *here] += variance[:, None, None]

    def values(self) -> Float[np.ndarray, "t h w"]:
        """Return each pixel's value: the mean over the windows that cover it."""
        mean: Float[np.ndarray, "t h w"] = self.total / self.count
        return mean

    def errors(self) -> Float[np.ndarray, "t h w"]:
        """Return the standard errors; windows have independent samples, so variances of the sum add up.

        The root of an unbiased variance is too small on average, by 8 % for four samples of one window; this is
        corrected.
        """
        freedom = self.count * max(1, self.samples - 1)
        error: Float[np.ndarray, "t h w"] = np.sqrt(self.variance) / (self.count * root_bias(freedom))
        return error

    def worst_error(self) -> float:
        """See `seewhy.core.attribution.worst_error`."""
        return worst_error(self.values(), self.errors())


def root_bias(freedom: Int[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """Return the expected square root of an unbiased variance estimate, for normal samples of variance 1.

    Args:
        freedom: degrees of freedom of the estimate.

    Example:
        >>> root_bias(np.array([[3]])).round(4).tolist()
        [[0.9213]]
    """
    values, where = np.unique(freedom, return_inverse=True)
    factors = [math.sqrt(2 / v) * math.exp(math.lgamma((v + 1) / 2) - math.lgamma(v / 2)) for v in values.tolist()]
    return np.array(factors)[where].reshape(freedom.shape)


def sweep(
    probe: Probe, chosen: Plan, targets: Sequence[Target], score: Score, *, unit: str, settings: dict[str, object]
) -> Attribution:
    """Query the windows of a plan and average their scores over the pixels they cover.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together.
        chosen: the plan, from `plan`.
        targets: targets to explain, one map for each.
        score: converts classifier outputs to window values and variances.
        unit: unit of the maps.
        settings: settings to store with the maps.

    Returns:
        Maps; the value of a pixel is the mean over the windows that cover it.
    """
    height, width = probe.size
    zeros = np.zeros((len(targets), height, width))
    canvas = _Canvas(zeros, zeros.copy(), np.zeros((height, width), np.int64), chosen.samples)
    log = Log(chosen.windows.size, watched(targets, probe.prediction), chosen.covering)
    stopped = _query_all(probe, chosen, score, canvas, log)
    keys = [target.key for target in targets]
    errors = dict(zip(keys, canvas.errors().astype(np.float32), strict=True)) if canvas.has_error else {}
    values: dict[str, Map] = dict(zip(keys, canvas.values().astype(np.float32), strict=True))
    return Attribution(values, errors, unit, settings, stopped, log.witnesses())


def _query_all(probe: Probe, chosen: Plan, score: Score, canvas: _Canvas, log: Log) -> str:
    """Query the windows until none is left, the time budget runs out or the tolerance is reached; return which."""
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
