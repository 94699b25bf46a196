"""The interface that every in-fill implements (*baseline* in Captum, *masker* in SHAP, *imputer* elsewhere)."""

from typing import Protocol, runtime_checkable

from seewhy.core.arrays import Image, Images, Keep, Seeds


@runtime_checkable
class Infill(Protocol):
    """A function that replaces removed pixels.

    Row ``i`` of the output depends only on ``(image, keep[i], seeds[i])``. It equals ``image`` exactly where ``keep``
    is 1. Replaced pixels are rounded to 8-bit levels (see `seewhy.core.arrays.compose`).
    """

    @property
    def stochastic(self) -> bool:
        """Whether the output depends on the seed. Sampling a deterministic in-fill twice wastes a query."""
        ...

    @property
    def checksum(self) -> str | None:
        """SHA-256 of the weights, or None if the in-fill has no weights."""
        ...

    def __call__(self, image: Image, keep: Keep, seeds: Seeds) -> Images:
        """Return one filled-in image per row of ``keep``.

        Args:
            image: ``(c, h, w)`` in [0, 1].
            keep: ``(n, h, w)``, 1 = kept.
            seeds: ``(n,)`` int64.

        Returns:
            ``(n, c, h, w)`` in [0, 1].
        """
        ...


@runtime_checkable
class Limited(Protocol):
    """Additional interface of an in-fill that cannot fill every hole."""

    def check(self, image: Image, keep: Keep) -> None:
        """Refuse, before any work, holes that it cannot fill; arguments as for `Infill`.

        Raises:
            RequestError: the in-fill cannot fill one of the holes; the message says which holes it can fill.
        """
        ...
