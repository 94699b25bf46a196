"""Say before a long run what it will cost.

The messages go to the standard logger ``seewhy`` at the level of warnings, which Python shows on stderr unless the caller has
set up logging otherwise. They are no `UserWarning`: a long run is no mistake, and must not fail where warnings are errors.
"""

import logging

from seewhy.core.arrays import Image
from seewhy.core.probe import together

LONG = 30.0
"""A run that is expected to take more seconds than this is announced."""

logger = logging.getLogger("seewhy")


def announce(title: str, image: Image, *, queries: int, pace: float, batch: int = 1, own_size: bool = False) -> None:
    """Say what a run will cost if it takes more than `LONG` seconds.

    Args:
        title: what is run.
        image: the image in the classifier's view, ``(3, h, w)``.
        queries: those planned; one with a gradient counts three times.
        pace: seconds per query, its in-fill included.
        batch: images per call.
        own_size: whether the image is shown at its own size, as the classifier has none.
    """
    seconds = queries * pace
    if seconds <= LONG:
        return
    height, width = image.shape[1:]
    megabytes = 2 * together(image, batch) * image.nbytes / 1e6  # the images, and those with the in-fill
    shown = f"the image of {width} × {height} is shown at its own size: " if own_size else ""
    advice = "; set size=224 or another size of the classifier for an answer in less time" if own_size else ""
    logger.warning(
        "%s: %sabout %s queries of about %s each, about %s in all, with about %.0f MB of images at a time%s",
        title,
        shown,
        f"{queries:,}",
        duration(pace),
        duration(seconds),
        megabytes,
        advice,
    )


def duration(seconds: float) -> str:
    """Write a time in the unit that suits it.

    Example:
        >>> [duration(value) for value in (0.0123, 4.5, 80.0, 1e3, 1e4)]
        ['12 ms', '4.5 s', '80 s', '17 minutes', '2.8 hours']
    """
    if seconds < 1:
        return f"{seconds * 1000:.2g} ms" if seconds < 0.1 else f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"
