"""What commands print: results to stdout; progress, messages and warnings to stderr."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from seewhy.results.codec import JsonObject

Watch = Callable[[str], Callable[[int, int], None]]
"""Title of a bar → what moves it."""

messages = Console(stderr=True, highlight=False)


def display(*, quiet: bool = False) -> Progress:
    """Make a display of progress bars: title, bar, count, the field ``note``, elapsed and remaining time."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=messages, disable=quiet, transient=True)


@contextmanager
def bars(*, quiet: bool, unit: str = "queries") -> Iterator[Watch]:
    """Show progress bars: a title starts one and returns the function that moves it; ``unit`` names what is counted."""
    with display(quiet=quiet) as progress:

        def watch(title: str) -> Callable[[int, int], None]:
            task = progress.add_task(title, total=None, note="")

            def move(done: int, planned: int) -> None:
                elapsed = progress.tasks[task].elapsed or 0
                rate = f"{done / elapsed:.0f} {unit}/s" if elapsed > 0 else ""
                progress.update(task, completed=done, total=planned or None, note=rate)

            return move

        yield watch


def show(facts: JsonObject | Sequence[JsonObject], *readable: Table | str, as_json: bool, quiet: bool) -> None:
    """Print a result as JSON, one object per line, or as tables and sentences."""
    if as_json:
        for line in [facts] if isinstance(facts, dict) else facts:
            print_json(line)
    elif not quiet:
        for part in readable:
            if isinstance(part, Table):
                Console(highlight=False).print(part)
            else:
                click.echo(part)


def print_json(facts: object) -> None:
    """Print one line of JSON."""
    click.echo(json.dumps(facts, ensure_ascii=False, allow_nan=False))


def warn(texts: Iterable[str], kind: str = "warning") -> None:
    """Print warnings or errors."""
    for text in texts:
        click.echo(f"{kind}: {text}", err=True)
