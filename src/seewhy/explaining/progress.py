"""Progress on stderr: one line that is written over, also in notebooks, where the bars of rich need ipywidgets."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from seewhy.core.probe import Progress, no_progress

ProgressLike = bool | Progress
"""True: a bar on stderr; False: nothing; or a function that is called with (done, planned)."""

_WIDTH = 30
_INTERVAL = 0.1
"""Seconds between two redraws."""


@contextmanager
def showing(progress: ProgressLike, title: str) -> Iterator[Progress]:
    """Yield the function to call with (done, planned); the line of a bar is ended when the work is."""
    if not isinstance(progress, bool):
        yield progress
    elif not progress:
        yield no_progress
    else:
        drawn = 0.0

        def draw(done: int, planned: int) -> None:
            nonlocal drawn
            if done >= planned or time.monotonic() - drawn > _INTERVAL:
                filled = "█" * (_WIDTH * done // max(planned, done, 1))
                sys.stderr.write(f"\r{title} {filled:░<{_WIDTH}} {done:,}/{planned:,}")
                sys.stderr.flush()
                drawn = time.monotonic()

        try:
            yield draw
        finally:
            sys.stderr.write("\n" if drawn else "")
