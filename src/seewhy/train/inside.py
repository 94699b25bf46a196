"""The commands ``seewhy train iba`` and ``readout``: what the methods that look inside must know of a network."""

from pathlib import Path
from typing import Any

import click
import torch
from rich.console import Console
from rich.progress import Progress

from seewhy import registry
from seewhy.images.sources import list_images
from seewhy.train.readout import Plan, train_readout
from seewhy.train.statistics import measure


@click.command("iba")
@click.argument("photos", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--classifier", default=registry.DEFAULT_CLASSIFIER, show_default=True, help="Spec; it shows its layers.")
@click.option("--layer", help="The layer's name; left out: the one that iba chooses.")
@click.option(
    "--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder for the statistics."
)
@click.option("--device", help="Where torch computes: cpu, cuda, …")
@click.option("--threads", default=1, show_default=True, help="Processor threads.")
@click.option("--trust", is_flag=True, help="Allow a Spec that runs code from a file.")
def iba(
    photos: tuple[Path, ...],
    classifier: str,
    layer: str | None,
    out: Path,
    *,
    device: str | None,
    threads: int,
    trust: bool,
) -> None:
    """Measure mean and spread of a layer's features over PHOTOS (files or folders). Nothing is written before the end."""
    torch.set_num_threads(threads)
    asked = registry.classifier(classifier, trust=trust, device=device)
    with Progress(console=Console(stderr=True, highlight=False), transient=True) as bar:
        task = bar.add_task("photos")
        where, found = measure(
            asked,
            list_images(photos),
            out,
            layer=layer,
            progress=lambda done, planned: bar.update(task, completed=done, total=planned),
        )
    click.echo(f"layer {where}, {found.photos} photos; use it with: --method iba:statistics={out}")


@click.command("readout")
@click.argument("photos", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--classifier", default=registry.DEFAULT_CLASSIFIER, show_default=True, help="Spec; it shows its layers.")
@click.option(
    "--layer", multiple=True, help="A layer to read, repeatable; the first has the noise. Left out: four maps."
)
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder for the weights.")
@click.option("--steps", default=Plan.steps, show_default=True, help="Steps of Adam.")
@click.option("--batch", default=Plan.batch, show_default=True, help="Photos a step.")
@click.option("--rate", default=Plan.rate, show_default=True, help="Learning rate.")
@click.option("--beta", default=Plan.beta, show_default=True, help="What information costs.")
@click.option("--seed", default=Plan.seed, show_default=True, help="Of weights, batches and noise.")
@click.option("--device", help="Where torch computes: cpu, cuda, …")
@click.option("--threads", default=1, show_default=True, help="Processor threads.")
@click.option("--trust", is_flag=True, help="Allow a Spec that runs code from a file.")
def readout(
    photos: tuple[Path, ...],
    classifier: str,
    layer: tuple[str, ...],
    out: Path,
    *,
    device: str | None,
    threads: int,
    trust: bool,
    **plan: Any,  # noqa: ANN401 - click's own types
) -> None:
    """Train the network of iba-readout on PHOTOS (files or folders). Nothing is written before the end."""
    torch.set_num_threads(threads)
    asked = registry.classifier(classifier, trust=trust, device=device)
    with Progress(console=Console(stderr=True, highlight=False), transient=True) as bar:
        task = bar.add_task("photos")
        found = train_readout(
            asked,
            list_images(photos),
            out,
            layers=layer,
            plan=Plan(**plan),
            progress=lambda what, done, planned: bar.update(task, description=what, completed=done, total=planned),
        )
    click.echo(f"layers {', '.join(found.layers)}; {found.losses[-1]}; use it with: --method iba-readout:weights={out}")
