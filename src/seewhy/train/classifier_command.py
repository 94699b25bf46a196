"""The command ``seewhy train classifier``."""

from pathlib import Path
from typing import Any, get_args

import click
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from seewhy.classifiers.settings import make_view
from seewhy.core.view import Fit, View
from seewhy.images.collection import Collection, read_collection
from seewhy.nets.small_classifier import Arch
from seewhy.train.augment import Augment, Mirror
from seewhy.train.classifier import Plan, Trained, train_classifier
from seewhy.train.judged import keep_classes


@click.command("classifier")
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder to write.")
@click.option("--test", type=click.Path(exists=True, path_type=Path), help="Pictures for the last judgement.")
@click.option("--classes", help="Keep only these, numbered in this order: A,B")
@click.option("--size", help="Side of the input, or HEIGHTxWIDTH; left out: that of the pictures.")
@click.option("--fit", default="crop", show_default=True, type=click.Choice(["crop", "stretch"]), help="To --size.")
@click.option("--arch", default=Plan.arch, show_default=True, type=click.Choice(get_args(Arch)))
@click.option("--width", default=Plan.width, show_default=True, help="Channels of the deepest level.")
@click.option("--epochs", default=Plan.epochs, show_default=True, help="At most.")
@click.option("--batch", default=Plan.batch, show_default=True, help="Pictures a step.")
@click.option("--rate", default=Plan.rate, show_default=True, help="Peak learning rate.")
@click.option("--patience", default=Plan.patience, show_default=True, help="Epochs without progress that end it.")
@click.option("--held-out", default=Plan.held_out, show_default=True, help="Share of the pictures.")
@click.option("--turn", default=Augment.turn, show_default=True, help="Turn training pictures, degrees either way.")
@click.option("--zoom", default=Augment.zoom, show_default=True, help="Stretch their sides, share.")
@click.option("--shift", default=Augment.shift, show_default=True, help="Shift them, share of the side.")
@click.option("--mirror", default=Augment.mirror, show_default=True, type=click.Choice(get_args(Mirror)))
@click.option("--seed", default=Plan.seed, show_default=True, help="Of weights, split, batches and every draw.")
@click.option("--device", help="Where torch computes: cpu, cuda, …")
@click.option("--threads", default=1, show_default=True, help="Processor threads.")
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
    """Train a small classifier on the pictures of SOURCE, if you have none. Nothing is written before the end.

    SOURCE has labels: a folder with a folder a class, an idx or an npz file.
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
    found = _under_a_bar(pictures, out, plan=plan, test=tested, view=view, device=device)
    _say(found, pictures.classes, out)


def _under_a_bar(pictures: Collection, out: Path, **settings: Any) -> Trained:  # noqa: ANN401 - those of train_classifier
    """Train, with a bar that shows the loss of the last batch and the last look at the held-out pictures."""
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=20), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True, highlight=False), transient=True) as bar:
        task = bar.add_task("training")
        return train_classifier(
            pictures,
            out,
            progress=lambda done, planned, words: bar.update(task, completed=done, total=planned, description=words),
            **settings,
        )


def _say(found: Trained, classes: tuple[str, ...], out: Path) -> None:
    """Say how good it is and how to use it."""
    for note in found.notes:
        click.echo(f"warning: {note}", err=True)
    for name, judged in (("held out", found.kept.held_out), ("test", found.test)):
        if judged is not None:
            each = zip(classes, judged.right, judged.pictures, strict=True)
            click.echo(f"{name}: {judged}; " + ", ".join(f"{label} {right}/{count}" for label, right, count in each))
    click.echo(
        f"epoch {found.kept.epoch} of {len(found.curve)} was kept; use it with: --classifier trained:folder={out}"
    )
