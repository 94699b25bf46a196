"""What a metric is asked about, and what it answers."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Shaped

from seewhy.core.errors import RequestError
from seewhy.core.maps import Companion, Map

Again = Callable[..., Map]
"""Explains the same picture again: ``again(seed=1)`` with another seed, ``again(randomise=True)`` with random weights."""


def plain(value: float) -> float | None:
    """Return a number for JSON, which has neither NaN nor infinity: None in their place.

    Example:
        >>> plain(0.5), plain(math.nan)
        (0.5, None)
    """
    return value if math.isfinite(value) else None


@dataclass(frozen=True, eq=False)
class Case:
    """What a metric knows of a picture beside the map.

    Args:
        target: the class that the map explains, and that the metric watches.
        region: where the object is, in the classifier's view; None where nobody said.
        again: explains the picture again, or None where that cannot be done.
        companions: name → a picture that belongs to the explanation, such as a counterfactual.

    Example:
        >>> Case(3).region is None
        True
    """

    target: int
    region: Bool[np.ndarray, "h w"] | None = None
    again: Again | None = None
    companions: Mapping[str, Companion] = field(default_factory=dict)

    def where(self) -> Bool[np.ndarray, "h w"]:
        """Return the region.

        Raises:
            RequestError: there is none, or it is empty or the whole picture, so that it says nothing of a map.
        """
        if self.region is None:
            raise RequestError("expected to be told where the object is, got no boxes; give labels.csv with boxes")
        if not self.region.any() or self.region.all():
            raise RequestError(
                "expected an object that covers a part of what the classifier sees, got none or all of it"
            )
        return self.region


@dataclass(frozen=True, eq=False)
class Curve:
    """How an answer changes step by step.

    Args:
        x: the share of the picture that was removed or put in, 0 to 1.
        y: what the classifier then said of the class.
    """

    x: Float[np.ndarray, " n"]
    y: Float[np.ndarray, " n"]

    def facts(self) -> dict[str, list[float] | list[float | None]]:
        """Write it down as plain data.

        Example:
            >>> Curve(np.array([0.0, 1.0]), np.array([0.5, np.nan])).facts()
            {'x': [0.0, 1.0], 'y': [0.5, None]}
        """
        return {"x": self.x.tolist(), "y": [plain(value) for value in self.y.tolist()]}


@dataclass(frozen=True, eq=False)
class Measured:
    """What a metric found.

    Args:
        value: the score; NaN where it is not defined for this map, with the reason in ``note``.
        curve: what it was made from, where there is one.
        note: why there is no value.
        settings: every setting as it was run.
        parts: name → numbers that are needed to make one value of many pictures, where that is not the mean of theirs.
    """

    value: float
    curve: Curve | None = None
    note: str = ""
    settings: dict[str, object] = field(default_factory=dict)
    parts: dict[str, Shaped[np.ndarray, "..."]] = field(default_factory=dict)
