"""Messages and progress bars; both go to stderr."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

Watch = Callable[[str], Callable[[int, int], None]]
"""Title of a bar → what moves it."""

messages = Console(stderr=True, highlight=False)


@contextmanager
def bars(*, quiet: bool, unit: str = "queries") -> Iterator[Watch]:
    """Show progress bars: a title starts one and returns the function that moves it; ``unit`` names what is counted."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=messages, disable=quiet, transient=True) as bar:

        def watch(title: str) -> Callable[[int, int], None]:
            task = bar.add_task(title, total=None, rate="")
            return lambda done, planned: _tick(bar, task, done, planned, unit)

        yield watch


def _tick(bar: Progress, task: TaskID, done: int, planned: int, unit: str) -> None:
    """Move the bar and show the rate."""
    elapsed = bar.tasks[task].elapsed or 0
    rate = f"{done / elapsed:.0f} {unit}/s" if elapsed > 0 else ""
    bar.update(task, completed=done, total=planned or None, rate=rate)
