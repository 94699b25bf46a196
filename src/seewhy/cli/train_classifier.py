"""The command ``seewhy train classifier``."""

from pathlib import Path
from typing import Any, get_args

import click
import torch

from seewhy.classifiers.settings import make_view
from seewhy.cli.options import device_option, threads_option
from seewhy.cli.training import new_folder_option, training_bar
from seewhy.core.view import Fit, View
from seewhy.images.collection import read_collection
from seewhy.nets.small_classifier import Arch
from seewhy.training.accuracy import keep_classes
from seewhy.training.augment import Augment, Mirror
from seewhy.training.classifier import Plan, Trained, train_classifier


@click.command("classifier")
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@new_folder_option("Folder to write to.")
@click.option("--test", type=click.Path(exists=True, path_type=Path), help="Labelled images for the final test.")
@click.option("--classes", help="Keep only these classes, in this order: A,B.")
@click.option("--size", help="Input size, as one side or HEIGHTxWIDTH. Default: the size of the images.")
@click.option(
    "--fit",
    default="crop",
    show_default=True,
    type=click.Choice(["crop", "stretch"]),
    help="How images are fitted to --size.",
)
@click.option(
    "--arch", default=Plan.arch, show_default=True, type=click.Choice(get_args(Arch)), help="Network architecture."
)
@click.option("--width", default=Plan.width, show_default=True, help="Number of channels of the deepest level.")
@click.option("--epochs", default=Plan.epochs, show_default=True, help="Largest number of epochs.")
@click.option("--batch", default=Plan.batch, show_default=True, help="Images per step.")
@click.option("--rate", default=Plan.rate, show_default=True, help="Peak learning rate.")
@click.option(
    "--patience", default=Plan.patience, show_default=True, help="Stop after this many epochs without progress."
)
@click.option(
    "--held-out", default=Plan.held_out, show_default=True, help="Fraction of the images held out for evaluation."
)
@click.option(
    "--turn", default=Augment.turn, show_default=True, help="Largest random rotation of training images, in degrees."
)
@click.option(
    "--zoom", default=Augment.zoom, show_default=True, help="Largest random stretch, as a fraction of the side."
)
@click.option(
    "--shift", default=Augment.shift, show_default=True, help="Largest random shift, as a fraction of the side."
)
@click.option(
    "--mirror",
    default=Augment.mirror,
    show_default=True,
    type=click.Choice(get_args(Mirror)),
    help="Mirror half of the training images along this axis.",
)
@click.option("--seed", default=Plan.seed, show_default=True, help="Seed of the weights, the split and the batches.")
@device_option
@threads_option
def classifier(
    source: Path,
    out: Path,
    *,
    test: Path | None,
    classes: str | None,
    size: str | None,
    fit: Fit,
    device: str | None,
    threads: int,
    **settings: Any,  # noqa: ANN401 - click's own types
) -> None:
    """Train a small classifier on labelled images.

    SOURCE is a folder with one subfolder per class, an idx file or an npz file. Nothing is written before training
    ends.
    """
    torch.set_num_threads(threads)
    augment = Augment(**{name: settings.pop(name) for name in ("turn", "zoom", "shift", "mirror")})
    plan = Plan(augment=augment, **settings)
    view = make_view(size, None, fit)
    pictures = read_collection(source, view=view)
    if classes is not None:
        pictures = keep_classes(pictures, [name.strip() for name in classes.split(",")])
    view = View(pictures.size, fit)
    tested = None if test is None else keep_classes(read_collection(test, view=view), pictures.classes)
    with training_bar() as progress:
        found = train_classifier(pictures, out, plan=plan, test=tested, view=view, device=device, progress=progress)
    _print_result(found, pictures.classes, out)


def _print_result(found: Trained, classes: tuple[str, ...], out: Path) -> None:
    """Print the performance and how to use the classifier."""
    for note in found.notes:
        click.echo(f"warning: {note}", err=True)
    for name, performance in (("held out", found.kept.held_out), ("test", found.test)):
        if performance is not None:
            counts = zip(classes, performance.right, performance.pictures, strict=True)
            shares = ", ".join(f"{label} {right}/{count}" for label, right, count in counts)
            click.echo(f"{name}: {performance}; {shares}")
    click.echo(f"kept epoch {found.kept.epoch} of {len(found.curve)}; use it with: --classifier trained:folder={out}")
