"""Trainings that are interrupted, as by Ctrl-C."""

from collections.abc import Callable


def interrupt_at(step: int) -> Callable[..., None]:
    """Return a progress callback that interrupts the work after this step."""

    def progress(done: int, *facts: object) -> None:
        del facts
        if done == step:
            raise KeyboardInterrupt

    return progress
