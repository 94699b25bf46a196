"""The command ``seewhy train counterfactual``."""

from pathlib import Path
from typing import get_args

import click
import torch

from seewhy import registry
from seewhy.cli import options
from seewhy.cli.training import half_option, new_folder_option, setting_option, training_bar
from seewhy.nets.counterfactual_generators import Arm
from seewhy.training.counterfactual.plan import Preset, make_plan, read_changes
from seewhy.training.counterfactual.train import train_counterfactual


@click.command("counterfactual")
@options.source_argument
@options.classifier_option
@click.option(
    "--classes",
    metavar="A,B",
    help="Translate between these classes, by name or index. Default: both classes of a binary classifier.",
)
@new_folder_option
@setting_option("--arm", "syce", "Train this system.", get_args(Arm))
@setting_option("--preset", "usual", "Start from these settings.", get_args(Preset))
@options.count_option("--epochs", None, "Train for N epochs. Default: 12, or 60 with --preset paper.")
@options.repeatable_option("--set", "settings", "NAME=VALUE", "Change another setting, such as realism=0.5.")
@half_option
@options.seed_option
@options.device_option
@options.threads_option
@options.trust_option
def counterfactual(
    source: Path,
    classifier: str,
    classes: str | None,
    out: Path,
    *,
    arm: Arm,
    preset: Preset,
    epochs: int | None,
    settings: tuple[str, ...],
    half: bool,
    seed: int,
    device: str | None,
    threads: int,
    trust: bool,
) -> None:
    """Train counterfactual generators for a classifier.

    SOURCE holds the training images. Run the same command again to resume after an interruption.
    """
    torch.set_num_threads(threads)
    changes = {"half": half, "seed": seed} | ({} if epochs is None else {"epochs": epochs}) | read_changes(settings)
    plan = make_plan(arm, preset, **changes)
    opened = registry.classifier(classifier, trust=trust, device=device)
    chosen = [name.strip() for name in classes.split(",")] if classes else None
    with training_bar(out) as progress:
        trained = train_counterfactual(opened, source, out, classes=chosen, plan=plan, progress=progress)
    if trained.collapsed:
        click.echo(f"warning: {trained.collapsed}", err=True)
    kept = trained.kept
    click.echo(
        f"on held-out images {kept.flip:.1%} flip, {kept.stable:.1%} of the stable images keep their class, "
        f"mean error {kept.error:.3f} ({trained.stopped}); use it with: --method counterfactual:weights={out}"
    )
