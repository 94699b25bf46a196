"""The input and the output of a metric."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Shaped

from seewhy.core.attribution import GeneratedPixels, Map
from seewhy.core.errors import RequestError

Reexplain = Callable[..., Map]
"""Re-explains the same image: ``reexplain(seed=1)`` with another seed, ``reexplain(randomise=True)`` with randomised weights."""


def plain(value: float) -> float | None:
    """Return a number that JSON can represent: NaN and infinity become None."""
    return value if math.isfinite(value) else None


@dataclass(frozen=True, eq=False)
class MetricInput:
    """Information that a metric receives in addition to the map.

    Args:
        target: the class that the map explains and the metric tracks.
        region: location of the object in the classifier's view, or None if unspecified.
        reexplain: re-explains the image, or None if that is not possible.
        generated: name → a generated image that is part of the explanation, such as a counterfactual.
    """

    target: int
    region: Bool[np.ndarray, "h w"] | None = None
    reexplain: Reexplain | None = None
    generated: Mapping[str, GeneratedPixels] = field(default_factory=dict)

    def where(self) -> Bool[np.ndarray, "h w"]:
        """Return the region.

        Raises:
            RequestError: there is no region, or it is empty or covers the whole image, which makes it uninformative.
        """
        if self.region is None:
            raise RequestError("expected the location of the object, got no boxes; provide labels.csv with boxes")
        if not self.region.any() or self.region.all():
            raise RequestError(
                "expected an object that covers part of the classifier's view, got none or all of it; use another image or box"
            )
        return self.region


@dataclass(frozen=True, eq=False)
class Curve:
    """How the predicted probability changes step by step.

    Args:
        x: fraction of the image that was removed or inserted, 0 to 1.
        y: predicted probability of the class at each step.
    """

    x: Float[np.ndarray, " n"]
    y: Float[np.ndarray, " n"]

    def facts(self) -> dict[str, list[float] | list[float | None]]:
        """Convert to plain data."""
        return {"x": self.x.tolist(), "y": [plain(value) for value in self.y.tolist()]}


@dataclass(frozen=True, eq=False)
class MetricResult:
    """The result of a metric.

    Args:
        value: the score; NaN if it is undefined for this map, with the reason in ``note``.
        curve: the curve behind the score, if any.
        note: why there is no value.
        parts: name → arrays needed to pool the value over many images, if it is not the mean of the individual values.
    """

    value: float
    curve: Curve | None = None
    note: str = ""
    parts: dict[str, Shaped[np.ndarray, "..."]] = field(default_factory=dict)
