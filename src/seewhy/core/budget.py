"""How much an answer may cost, and how sure it must be."""

from dataclasses import dataclass

from seewhy.core.errors import RequestError


@dataclass(frozen=True)
class Budget:
    """When to stop; whichever comes first. Without any limit a method runs its own plan to the end.

    Args:
        queries: pictures the classifier may be shown, the unmodified one included; at least 1.
        seconds: wall-clock seconds of explaining; the smallest plan that covers the picture is finished all the same.
        tolerance: stop when, for every target, the root mean square of the standard error over the map is at most this part
            of the map's own standard deviation; 0.3 leaves an expected correlation of 0.96 with the map of a very long run.

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
        for name in ("queries", "seconds", "tolerance"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise RequestError(f"expected {name} > 0, got {value}; leave it out for no limit")


@dataclass(frozen=True)
class Queries:
    """What was asked of the classifier.

    Args:
        forward_images: pictures shown.
        forward_calls: batches they were shown in.
        backward_images: pictures a gradient was taken for.
        backward_calls: batches of those.

    Example:
        >>> Queries(forward_images=8, forward_calls=2).backward_images
        0
    """

    forward_images: int = 0
    forward_calls: int = 0
    backward_images: int = 0
    backward_calls: int = 0
