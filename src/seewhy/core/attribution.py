"""The output of a method: maps with standard errors and a unit, and the sampled queries behind them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Int
from torch import Tensor

Map = Float[np.ndarray, "h w"]

BoolMap = Bool[np.ndarray, "h w"]
"""A region: True for the pixels that belong to it."""

SHARE = "share of the evidence"
"""The unit of maps that show what was still missing when a region was shown, 0 to 1."""

RegionMap = Int[np.ndarray, "h w"]
"""The number of the region of each pixel, consecutive from 0."""

GeneratedPixels = Float[np.ndarray, "3 h w"]
"""A generated image that is part of an explanation, such as a counterfactual; in the classifier's view, RGB in [0, 1]."""


@dataclass(frozen=True, eq=False)
class SampledQueries:
    """Sampled queries behind a map, stored per window and per sample so that a reader can reproduce them.

    Args:
        size: side of a window in pixels.
        positions: ``(m, 2)`` top and left of each window.
        seeds: ``(m, s)`` seed of each sample; together with the in-fill it reproduces the image.
        probabilities: ``(m, s, c)`` predicted probabilities of the recorded classes.
        classes: the recorded classes.
    """

    size: int
    positions: Int[np.ndarray, "m 2"]
    seeds: Int[np.ndarray, "m s"]
    probabilities: Float[np.ndarray, "m s c"]
    classes: tuple[int, ...]


def as_map(values: Float[Tensor, "h w"]) -> Map:
    """Convert a tensor to a map: a detached float32 array on the CPU."""
    return values.detach().float().cpu().numpy()


@dataclass(frozen=True)
class WindowEffect:
    """Summary of the effect of windows with a side of ``size`` pixels, of which ``windows`` were queried.

    ``strongest`` maps a target to value and standard error at the pixel with the largest absolute value in the map of this size.
    """

    size: int
    windows: int
    strongest: Mapping[str, tuple[float, float]]


def relative_error(values: Map, error: Map) -> float:
    """Return the root mean square of a map's standard errors, divided by the standard deviation of its values.

    It is infinite for a constant map with non-zero errors.

    Example:
        >>> relative_error(np.array([[1.0, 3.0]]), np.array([[0.5, 0.5]]))
        0.5
    """
    noise = float(np.sqrt(np.square(error, dtype=np.float64).mean()))
    spread = float(values.std(dtype=np.float64))
    return noise / spread if spread > 0 else math.inf if noise > 0 else 0.0


def worst_error(values: Iterable[Map], errors: Iterable[Map]) -> float:
    """Return the largest relative error of several maps; see `relative_error`."""
    return max(map(relative_error, values, errors))


def reliability(values: Map, error: Map, *, predicted: bool) -> float:
    """Return the reproducible fraction of a map's variance, 0 to 1: its squared expected correlation with the converged map.

    The variance of a best prediction (``predicted``, see `Attribution`) is the true variance minus the error variance; the
    variance of an unbiased estimate is their sum. A constant map has 0.
    """
    variance = float(values.var(dtype=np.float64))
    noise = float(np.square(error, dtype=np.float64).mean())
    if variance == 0:
        return 0.0
    return variance / (variance + noise) if predicted else max(0.0, 1 - noise / variance)


@dataclass(frozen=True)
class Region:
    """A region of the image in the order of a search, with the evidence that it adds to the regions before it.

    Args:
        target: key of the target for which the order was found.
        number: the region's number in `Attribution.region_map`.
        evidence: point-wise conditional mutual information, nats: the log probability of the target with this region and those
            before it shown, minus that without it. A contrast takes the log odds of its two classes, a weight of evidence the
            log odds of the class, the information the expectation under the prediction.
        shown: what is left of the target, 0 to 1, with this region and those before it shown alone: the probability of a class,
            the share of the first class in the probability of a contrast's two, ``exp(-KL)`` for the information.
        hidden: the same with these regions filled in and all others shown.
        suffices: whether these regions alone are enough, as the method's settings define it.
    """

    target: str
    number: int
    evidence: float
    shown: float
    hidden: float
    suffices: bool


@dataclass(frozen=True, eq=False)
class Attribution:
    """The result of one method on one request.

    Args:
        values: one map per target, ``(h, w)`` float32 in the classifier's view.
        stderr: the standard-error map of each target that has one.
        unit: unit of the values and errors.
        settings: all settings used, with ``auto`` resolved.
        stopped_because: ``complete``, ``queries``, ``seconds`` or ``tolerance``.
        sampled: sampled queries behind the maps, for methods that use windows.
        predicted: whether the values are best predictions, which vary less than the truth, rather than unbiased
            estimates, which vary more.
        window_effects: effect of the windows of each size, for methods that use several sizes or refine windows.
        findings: sentences for the reader that the maps do not show, such as that no sufficient region was found.
        traces: name → numbers recorded in order during the run, such as the loss of each step.
        outlines: ``TARGET/NAME`` → a region to draw on the target's map, such as the part that alone preserves the
            prediction.
        generated: name → a generated image that is part of the explanation, such as a counterfactual. If only one can
            be compared with the input image, the first is used. The classifier is queried on each of them after the
            method has finished.
        regions: the regions of the image in the order of a search, target by target.
        region_map: ``(h, w)`` number of the region of each pixel, for methods that return regions.
        units: the unit of each map whose unit differs from ``unit``.
        unsigned: keys of maps without a sign, for methods whose other maps have one.
    """

    values: Mapping[str, Map]
    stderr: Mapping[str, Map]
    unit: str
    settings: Mapping[str, object]
    stopped_because: str
    sampled: SampledQueries | None = None
    predicted: bool = False
    window_effects: tuple[WindowEffect, ...] = ()
    findings: tuple[str, ...] = ()
    traces: Mapping[str, Sequence[float]] = field(default_factory=dict)
    outlines: Mapping[str, BoolMap] = field(default_factory=dict)
    generated: Mapping[str, GeneratedPixels] = field(default_factory=dict)
    regions: tuple[Region, ...] = ()
    region_map: RegionMap | None = None
    units: Mapping[str, str] = field(default_factory=dict)
    unsigned: tuple[str, ...] = ()

    def reliability(self, key: str) -> float | None:
        """Return the fraction of a map's variance that is not error, see `reliability`; None without standard errors."""
        error = self.stderr.get(key)
        return None if error is None else reliability(self.values[key], error, predicted=self.predicted)
