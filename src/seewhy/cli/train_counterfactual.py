"""The command ``seewhy train counterfactual``."""

from pathlib import Path
from typing import Any, get_args

import click
import torch

from seewhy import registry
from seewhy.cli.options import (
    classifier_option,
    device_option,
    threads_option,
    trust_option,
)
from seewhy.cli.training import new_folder_option, setting_option, training_bar
from seewhy.nets.counterfactual_generators import Arm
from seewhy.training.counterfactual.plan import Preset, make_plan, read_changes
from seewhy.training.counterfactual.train import train_counterfactual

_DIRECT = ("epochs", "batch", "seed", "patience")


@click.command("counterfactual")
@click.argument("source", type=click.Path(path_type=Path))
@classifier_option
@click.option(
    "--classes", help="Two or more classes, by name or index: A,B. Default: both classes of a binary classifier."
)
@new_folder_option("Folder for the generators.")
@setting_option("--arm", "syce", "Generator system to train.", get_args(Arm))
@setting_option("--preset", "usual", "Training settings to start from.", get_args(Preset))
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
    opened = registry.classifier(classifier, trust=trust, device=device)
    chosen = [name.strip() for name in classes.split(",")] if classes else None
    with training_bar(out) as progress:
        trained = train_counterfactual(opened, source, out, classes=chosen, plan=plan, progress=progress)
    if trained.collapsed:
        click.echo(f"warning: {trained.collapsed}", err=True)
    kept = trained.kept
    click.echo(
        f"on held-out images {kept.flip:.1%} flip, {kept.stable:.1%} of the stable images keep their class, "
        f"mean error {kept.error:.3f} "
        f"({trained.stopped}); use it with: --method counterfactual:weights={out}"
    )
