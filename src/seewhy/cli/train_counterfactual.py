"""The command ``seewhy train counterfactual``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import click
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from seewhy import registry
from seewhy.cli.options import INTERRUPTED, device_option, threads_option, trust_option
from seewhy.cli.progress import messages
from seewhy.nets.counterfactual_generators import Arm
from seewhy.training.counterfactual.evaluation import error
from seewhy.training.counterfactual.job import Trained
from seewhy.training.counterfactual.plan import Preset, make_plan, read_changes
from seewhy.training.counterfactual.train import train_counterfactual

_DIRECT = ("epochs", "batch", "seed", "patience")


@click.command("counterfactual")
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "--classifier",
    default=registry.DEFAULT_CLASSIFIER,
    show_default=True,
    help="Spec of a classifier with gradients.",
)
@click.option(
    "--classes", help="Two or more classes, by name or index: A,B. Default: both classes of a binary classifier."
)
@click.option(
    "--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder for the generators."
)
@click.option(
    "--arm", default="syce", show_default=True, type=click.Choice(get_args(Arm)), help="Generator system to train."
)
@click.option(
    "--preset",
    default="usual",
    show_default=True,
    type=click.Choice(get_args(Preset)),
    help="Training settings to start from.",
)
@click.option("--epochs", type=int, help="Largest number of epochs.")
@click.option("--batch", type=int, help="Images of each class per iteration.")
@click.option("--patience", type=int, help="Stop after this many epochs without progress.")
@click.option("--seed", type=int, help="Seed of the weights, the batches and every random draw.")
@click.option(
    "--set", "settings", multiple=True, help="Any other setting as NAME=VALUE, such as realism=0.5; repeatable."
)
@click.option("--half", is_flag=True, help="Compute in bfloat16.")
@device_option
@threads_option
@trust_option
def counterfactual(
    source: Path,
    classifier: str,
    classes: str | None,
    out: Path,
    *,
    settings: tuple[str, ...],
    threads: int,
    device: str | None,
    trust: bool,
    **options: Any,  # noqa: ANN401 - click's own types
) -> None:
    """Train counterfactual generators for a classifier.

    SOURCE holds the training images. Run the same command again to resume after an interruption.
    """
    torch.set_num_threads(threads)
    changes = read_changes(settings) | {name: options[name] for name in _DIRECT if options[name] is not None}
    plan = make_plan(options["arm"], options["preset"], **changes, half=options["half"])
    asked = registry.classifier(classifier, trust=trust, device=device)
    chosen = [name.strip() for name in classes.split(",")] if classes else None
    found = _train_with_progress(
        out, {"classifier": asked, "source": source, "out": out, "classes": chosen, "plan": plan}
    )
    _print_result(found, plan.arm, out)


def _train_with_progress(out: Path, what: Mapping[str, Any]) -> Trained:
    """Train, showing a progress bar with the last evaluation; an interruption keeps every finished epoch."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("{task.fields[evaluation]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=messages, transient=True) as bar:
        task, last = bar.add_task("training", total=None, evaluation="reading images"), ""

        def progress(done: int, planned: int, evaluation: str) -> None:
            nonlocal last
            bar.update(task, completed=done, total=planned, evaluation=evaluation)
            if evaluation != last:
                bar.console.print(f"iteration {done}: {evaluation}")
                last = evaluation

        try:
            return train_counterfactual(**what, progress=progress)
        except KeyboardInterrupt:
            bar.console.print(f"interrupted: finished epochs are in {out}; run the same command again to resume")
            raise click.exceptions.Exit(INTERRUPTED) from None


def _print_result(found: Trained, arm: str, out: Path) -> None:
    """Print how well the generators work and how to use them."""
    kept = found.kept
    if found.collapsed:
        click.echo(f"warning: {found.collapsed}", err=True)
    click.echo(
        f"on held-out images {kept.flip:.1%} flip, {kept.stable:.1%} of the stable images keep their class, "
        f"mean error {error(kept, arm):.3f} "
        f"({found.stopped}); use it with: --method counterfactual:weights={out}"
    )
