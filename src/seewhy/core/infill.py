"""The in-fill contract: what stands where something was removed."""

from typing import Protocol, runtime_checkable

from seewhy.core.arrays import Image, Images, Keep, Seeds


@runtime_checkable
class Infill(Protocol):
    """What stands where something was removed.

    Row ``i`` of the answer depends only on ``(image, keep[i], seeds[i])``; it equals ``image`` exactly where ``keep`` is 1;
    what is put in is rounded to 8-bit levels (see `seewhy.core.arrays.compose`).
    """

    @property
    def stochastic(self) -> bool:
        """Whether another seed gives another picture. Asking a deterministic in-fill twice is a wasted query."""
        ...

    @property
    def checksum(self) -> str | None:
        """SHA-256 of the weights, or None where there are none."""
        ...

    def __call__(self, image: Image, keep: Keep, seeds: Seeds) -> Images:
        """Return one picture a row of ``keep``.

        Args:
            image: ``(c, h, w)`` in [0, 1].
            keep: ``(n, h, w)``, 1 = kept.
            seeds: ``(n,)`` int64.

        Returns:
            ``(n, c, h, w)`` in [0, 1].
        """
        ...
