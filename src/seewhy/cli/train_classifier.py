"""The command ``seewhy train classifier``."""

from pathlib import Path
from typing import Any, get_args

import click
import torch

from seewhy.classifiers.settings import make_view
from seewhy.cli.options import device_option, threads_option
from seewhy.cli.training import new_folder_option, setting_option, training_bar
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
@setting_option("--fit", "crop", "How images are fitted to --size.", ["crop", "stretch"])
@setting_option("--arch", Plan.arch, "Network architecture.", get_args(Arch))
@setting_option("--width", Plan.width, "Number of channels of the deepest level.")
@setting_option("--epochs", Plan.epochs, "Largest number of epochs.")
@setting_option("--batch", Plan.batch, "Images per step.")
@setting_option("--rate", Plan.rate, "Peak learning rate.")
@setting_option("--patience", Plan.patience, "Stop after this many epochs without progress.")
@setting_option("--held-out", Plan.held_out, "Fraction of the images held out for evaluation.")
@setting_option("--turn", Augment.turn, "Largest random rotation of training images, in degrees.")
@setting_option("--zoom", Augment.zoom, "Largest random stretch, as a fraction of the side.")
@setting_option("--shift", Augment.shift, "Largest random shift, as a fraction of the side.")
@setting_option("--mirror", Augment.mirror, "Mirror half of the training images along this axis.", get_args(Mirror))
@setting_option("--seed", Plan.seed, "Seed of the weights, the split and the batches.")
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
