"""What the commands of ``seewhy train`` share: where they write, and how they show their progress."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from seewhy.cli.options import INTERRUPTED, Decorator
from seewhy.cli.progress import display, messages

new_folder_option = click.option(
    "--out",
    metavar="DIR",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Write weights and card to this folder.",
)
half_option = click.option("--half", is_flag=True, help="Compute in bfloat16.")


def rate_option(default: float) -> Decorator:
    """Make the option for the learning rate."""
    return click.option("--rate", metavar="X", default=default, show_default=True, help="Set the learning rate.")


def setting_option(name: str, default: str, text: str, choices: Sequence[str]) -> Decorator:
    """Make the option for a setting that is one of several words."""
    return click.option(name, default=default, show_default=True, type=click.Choice(choices), help=text)


@contextmanager
def training_bar(out: Path | None = None) -> Iterator[Callable[[int, int, str, str], None]]:
    """Show a progress bar with the latest loss, and a line for each evaluation; yield what moves them.

    Args:
        out: folder of a training that can be resumed; an interruption says so and exits with its status.
    """
    with display() as bar:
        task, last = bar.add_task("training", total=None, note=""), ""

        def move(done: int, planned: int, loss: str, evaluation: str) -> None:
            nonlocal last
            bar.update(task, completed=done, total=planned, note=loss)
            if evaluation != last:
                messages.print(f"step {done}: {evaluation}")
                last = evaluation

        try:
            yield move
        except KeyboardInterrupt:
            if out is None:
                raise
            messages.print(f"interrupted: {out} holds the last evaluation; run the same command again to resume")
            raise click.exceptions.Exit(INTERRUPTED) from None
