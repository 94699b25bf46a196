"""Slide a window over the image at a fixed stride, query each position, and average the results over the pixels.

This is the plain scheme of the papers; `seewhy.methods.windows._refine` needs far fewer queries. Windows are ordered
coarse to fine, so that the sweep can stop after any of them once the image is covered.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int

from seewhy.core.attribution import Attribution, worst_error
from seewhy.core.features import Windows
from seewhy.core.probe import Probe, pieces
from seewhy.core.target import Target
from seewhy.methods._shared import allow, name_maps, stop_reason
from seewhy.methods.windows._windows import Log, Score, ask, how_to_afford, watched


@dataclass
class _Canvas:
    """Running sums per pixel, the only state of a sweep."""

    total: Float[np.ndarray, "t h w"]
    variance: Float[np.ndarray, "t h w"]
    count: Int[np.ndarray, "h w"]
    samples: int

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
        if variance is not None:
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
        """Return the largest relative error of the maps."""
        return worst_error(self.values(), self.errors())


def root_bias(freedom: Int[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """Return the expected square root of an unbiased variance estimate, for normal samples of variance 1."""
    values, where = np.unique(freedom, return_inverse=True)
    factors = [math.sqrt(2 / v) * math.exp(math.lgamma((v + 1) / 2) - math.lgamma(v / 2)) for v in values.tolist()]
    return np.array(factors)[where].reshape(freedom.shape)


def sweep(
    probe: Probe,
    targets: Sequence[Target],
    score: Score,
    *,
    sizes: Sequence[int],
    stride: int,
    samples: int,
    unit: str,
    settings: dict[str, object],
) -> Attribution:
    """Query every window at a stride, and give each pixel the mean score of the windows that cover it."""
    (size,) = sizes
    windows = Windows(size, stride)
    positions, covering = windows.positions(*probe.size), windows.covering(*probe.size)
    every, fewest = samples * len(positions), samples * covering
    allowed = allow(probe, every, fewest=fewest, hint=how_to_afford(samples), multiple=samples)
    zeros = np.zeros((len(targets), *probe.size))
    canvas = _Canvas(zeros, zeros.copy(), np.zeros(probe.size, np.int64), samples)
    log = Log(size, watched(targets, probe.prediction), covering)
    last, why, error = allowed // samples, None, None
    for start, stop in pieces(last, max(1, probe.rows // samples)):
        some = positions[start:stop]
        seeds, answers = ask(probe, windows, samples, some)
        log.add(some, seeds, answers)
        values, variances = score(answers)
        error = None if variances is None else canvas.worst_error
        for row, position in enumerate(some.numpy()):
            canvas.add(size, position, values[row], None if variances is None else variances[row])
        if covering <= stop < last and (why := probe.why_stop(error, done=stop)):
            break
    errors = {} if error is None else name_maps(targets, torch.from_numpy(canvas.errors()))
    means = name_maps(targets, torch.from_numpy(canvas.values()))
    return Attribution(means, errors, unit, settings, stop_reason(why, allowed, every), log.sampled())
