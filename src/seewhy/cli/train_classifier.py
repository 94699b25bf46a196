"""The command ``seewhy train classifier``."""

from pathlib import Path
from typing import get_args

import click
import torch

from seewhy.classifiers.views import make_view
from seewhy.cli import options
from seewhy.cli.training import new_folder_option, rate_option, setting_option, training_bar
from seewhy.core.view import Fit, View
from seewhy.images.collection import read_collection
from seewhy.nets.small_classifier import Arch
from seewhy.training.accuracy import keep_classes
from seewhy.training.augment import Augment, Mirror
from seewhy.training.classifier import Plan, Trained, train_classifier


@click.command("classifier")
@options.source_argument
@new_folder_option
@click.option(
    "--test", metavar="PATH", type=click.Path(path_type=Path), help="Test on these labelled images at the end."
)
@click.option("--classes", metavar="A,B", help="Keep only these classes, in this order.")
@click.option("--size", metavar="N|HxW", help="Scale images to this size. Default: the size of the images.")
@setting_option("--fit", "crop", "Fit images to --size in this way.", ("crop", "stretch"))
@setting_option("--arch", Plan.arch, "Use this architecture.", get_args(Arch))
@click.option(
    "--mirror",
    metavar="AXIS",
    default=Augment.mirror,
    show_default=True,
    type=click.Choice(get_args(Mirror)),
    help="Mirror half of the training images: none, vertical (upside down) or horizontal.",
)
@options.count_option("--epochs", Plan.epochs, "Train for N epochs.")
@rate_option(Plan.rate)
@options.seed_option
@options.device_option
@options.threads_option
def classifier(
    source: Path,
    out: Path,
    *,
    test: Path | None,
    classes: str | None,
    size: str | None,
    fit: Fit,
    arch: Arch,
    mirror: Mirror,
    epochs: int,
    rate: float,
    seed: int,
    device: str | None,
    threads: int,
) -> None:
    """Train a small classifier on labelled images.

    SOURCE is a folder with one subfolder per class, an idx file or an npz file. Nothing is written before training
    ends.
    """
    torch.set_num_threads(threads)
    plan = Plan(arch=arch, epochs=epochs, rate=rate, augment=Augment(mirror=mirror), seed=seed)
    pictures = read_collection(source, view=make_view(size=size, fit=fit))
    if classes is not None:
        pictures = keep_classes(pictures, [name.strip() for name in classes.split(",")])
    view = View(pictures.size, fit)
    tested = None if test is None else keep_classes(read_collection(test, view=view), pictures.classes)
    with training_bar() as progress:
        trained = train_classifier(pictures, out, plan=plan, test=tested, view=view, device=device, progress=progress)
    _print_result(trained, out)


def _print_result(trained: Trained, out: Path) -> None:
    """Print the performance and how to use the classifier."""
    for note in trained.notes:
        click.echo(f"warning: {note}", err=True)
    for name, performance in (("held out", trained.kept.held_out), ("test", trained.test)):
        if performance is not None:
            shares = ", ".join(f"{label} {right}/{count}" for label, (right, count) in performance.right.items())
            click.echo(f"{name}: {performance}; {shares}")
    click.echo(
        f"kept epoch {trained.kept.epoch} of {len(trained.curve)}; use it with: --classifier trained:folder={out}"
    )
