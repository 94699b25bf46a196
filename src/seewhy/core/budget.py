"""Limits on the cost and the precision of an explanation, and query counts."""

from dataclasses import dataclass
from numbers import Integral, Real

from seewhy.core.errors import RequestError


@dataclass(frozen=True)
class Budget:
    """Stopping criteria of an explanation; the first one that is met ends it.

    Without any limit, a method runs to completion.

    Args:
        queries: maximum number of images shown to the classifier, including the unmodified image; at least 1.
        seconds: maximum wall-clock time of the explanation. The smallest plan that covers the whole image is always
            completed, even past this limit.
        tolerance: stop once, for every target, the root mean square of the standard error over the map is at most this
            fraction of the map's standard deviation; 0.3 gives an expected correlation of 0.96 with the converged map.

    Raises:
        RequestError: a limit is not positive.

    Example:
        >>> Budget(queries=1000).queries
        1000
    """

    queries: int | None = None
    seconds: float | None = None
    tolerance: float | None = None

    def __post_init__(self) -> None:
        for name, kind in (("queries", Integral), ("seconds", Real), ("tolerance", Real)):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, kind) and float(value) > 0):
                whole = " as a whole number" if kind is Integral else ""
                raise RequestError(f"expected {name} > 0{whole}, got {value!r}; omit it for no limit")


@dataclass(frozen=True)
class Queries:
    """Number of queries sent to the classifier.

    Args:
        forward_images: images passed forward through the classifier.
        forward_calls: batches these images were sent in.
        backward_images: images for which a gradient was computed.
        backward_calls: batches these gradients were computed in.
    """

    forward_images: int = 0
    forward_calls: int = 0
    backward_images: int = 0
    backward_calls: int = 0
