"""What a method returns: maps, their standard errors, their unit, and the windows they were made from."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

Map = Float[np.ndarray, "h w"]


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


@dataclass(frozen=True, eq=False)
class Maps:
    """The answer of one method to one question.

    Args:
        values: one map a target, ``(h, w)`` float32 in the classifier's view.
        stderr: the Monte-Carlo standard error of a map, for the targets that have one.
        unit: of values and errors.
        settings: every setting as it was run, ``auto`` resolved.
        stopped_because: ``complete``, ``queries``, ``seconds`` or ``tolerance``.
        witnesses: some of the questions behind the maps, where the method has windows.
    """

    values: Mapping[str, Map]
    stderr: Mapping[str, Map]
    unit: str
    settings: Mapping[str, object]
    stopped_because: str
    witnesses: Witnesses | None = field(default=None)
