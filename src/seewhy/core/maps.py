"""What a method returns: maps, their standard errors, their unit, and the windows they were made from."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Int
from torch import Tensor

Map = Float[np.ndarray, "h w"]

BoolMap = Bool[np.ndarray, "h w"]
"""A region: the pixels that belong to it."""

Companion = Float[np.ndarray, "3 h w"]
"""A picture that belongs to an answer, such as a counterfactual: in the classifier's view, RGB in [0, 1]."""


@dataclass(frozen=True, eq=False)
class Witnesses:
    """A few of the questions behind a map, kept so that a reader can check them: window by window, sample by sample.

    Args:
        size: side of a window, pixels.
        positions: ``(m, 2)`` top and left of each window.
        seeds: ``(m, s)`` the seed of each sample; in-fill and seed make the picture again.
        probabilities: ``(m, s, c)`` what the classifier then said of the watched classes.
        classes: the watched classes.
    """

    size: int
    positions: Int[np.ndarray, "m 2"]
    seeds: Int[np.ndarray, "m s"]
    probabilities: Float[np.ndarray, "m s c"]
    classes: tuple[int, ...]


def as_map(values: Float[Tensor, "h w"]) -> Map:
    """Bring a tensor to the numbers of a map: float32 on the processor, without its graph.

    Example:
        >>> import torch
        >>> as_map(torch.ones(1, 2, dtype=torch.float64)).dtype.name
        'float32'
    """
    return values.detach().float().cpu().numpy()


@dataclass(frozen=True)
class Scale:
    """What windows of one size do.

    Args:
        size: side of a window, pixels.
        windows: how many were asked about.
        strongest: target → value and standard error at the pixel where the map of this size is furthest from 0.
    """

    size: int
    windows: int
    strongest: Mapping[str, tuple[float, float]]


def relative_error(values: Map, error: Map) -> float:
    """Say how large the errors of a map are beside its own spread.

    Args:
        values: of the map.
        error: their standard errors.

    Returns:
        The root mean square of the errors over the standard deviation of the values, 0 or more; infinite for a map that has
        errors and no spread.

    Example:
        >>> relative_error(np.array([[1.0, 3.0]]), np.array([[0.5, 0.5]]))
        0.5
    """
    noise = float(np.sqrt(np.square(error, dtype=np.float64).mean()))
    spread = float(values.std(dtype=np.float64))
    return noise / spread if spread > 0 else math.inf if noise > 0 else 0.0


def worst_error(values: Iterable[Map], errors: Iterable[Map]) -> float:
    """Return the relative error of the map that is known worst; see `relative_error`.

    Example:
        >>> worst_error([np.array([[1.0, 3.0]])] * 2, [np.array([[0.5, 0.5]]), np.array([[0.1, 0.1]])])
        0.5
    """
    return max(map(relative_error, values, errors))


def reliability(values: Map, error: Map, *, predicted: bool) -> float:
    """Say how much of a map would come again: the square of its expected correlation with the map of a very long run.

    Args:
        values: of the map.
        error: their standard errors.
        predicted: as in `Maps`; a best prediction has the truth's variance less that of its errors, an unbiased estimate has
            the errors' on top.

    Returns:
        0 to 1; 0 for a map with one value everywhere.

    Example:
        >>> reliability(np.array([[-1.0, 1.0]]), np.array([[0.5, 0.5]]), predicted=False)
        0.75
    """
    variance = float(values.var(dtype=np.float64))
    noise = float(np.square(error, dtype=np.float64).mean())
    if variance == 0:
        return 0.0
    return variance / (variance + noise) if predicted else max(0.0, 1 - noise / variance)


@dataclass(frozen=True, eq=False)
class Maps:
    """The answer of one method to one question.

    Args:
        values: one map a target, ``(h, w)`` float32 in the classifier's view.
        stderr: the standard error of a map, for the targets that have one.
        unit: of values and errors.
        settings: every setting as it was run, ``auto`` resolved.
        stopped_because: ``complete``, ``queries``, ``seconds`` or ``tolerance``.
        witnesses: some of the questions behind the maps, where the method has windows.
        predicted: whether the values are best predictions, which spread less than the truth, and not unbiased estimates,
            which spread more.
        scales: what windows of each size do, where the method has windows of several sizes or refines.
        findings: sentences for the reader that are not in the maps, such as that no sufficient region was found.
        traces: name → numbers in the order in which they were found, such as the loss of each step.
        outlines: ``TARGET/NAME`` → a region to be drawn on the target's map, such as the part that alone keeps the answer.
        companions: name → a picture that belongs to the answer, such as a counterfactual. The first is held against the picture
            itself where only one can be. The classifier is asked about each when the method is done.
    """

    values: Mapping[str, Map]
    stderr: Mapping[str, Map]
    unit: str
    settings: Mapping[str, object]
    stopped_because: str
    witnesses: Witnesses | None = None
    predicted: bool = False
    scales: tuple[Scale, ...] = ()
    findings: tuple[str, ...] = ()
    traces: Mapping[str, Sequence[float]] = field(default_factory=dict)
    outlines: Mapping[str, BoolMap] = field(default_factory=dict)
    companions: Mapping[str, Companion] = field(default_factory=dict)

    def reliability(self, key: str) -> float | None:
        """The share of a map's variance that is not error; None without standard errors. See `reliability`."""
        error = self.stderr.get(key)
        return None if error is None else reliability(self.values[key], error, predicted=self.predicted)
