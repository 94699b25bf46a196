"""The commands ``seewhy train iba`` and ``readout``, for methods that read a network's inner layers."""

from pathlib import Path
from typing import TypedDict, Unpack

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
from seewhy.images.sources import list_images
from seewhy.training.bottleneck.readout import Plan, train_readout
from seewhy.training.bottleneck.statistics import measure


@click.command("iba")
@click.argument("photos", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@classifier_option
@click.option("--layer", help="Name of the layer. Default: the layer that iba chooses.")
@new_folder_option("Folder for the statistics.")
@device_option
@threads_option
@trust_option
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
    """Measure a layer's feature statistics for the method iba.

    The mean and standard deviation are taken over PHOTOS (files or folders). Nothing is written before all photos are
    processed.
    """
    torch.set_num_threads(threads)
    opened = registry.classifier(classifier, trust=trust, device=device)
    with training_bar() as progress:
        name, statistics = measure(opened, list_images(photos), out, layer=layer, progress=progress)
    click.echo(f"layer {name}, {statistics.photos} photos; use it with: --method iba:statistics={out}")


class _PlanSettings(TypedDict):
    """Settings of the training, as `Plan` takes them."""

    steps: int
    batch: int
    rate: float
    beta: float
    seed: int


@click.command("readout")
@click.argument("photos", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@classifier_option
@click.option(
    "--layer",
    multiple=True,
    help="Layer to read, repeatable; noise is added to the first. Default: three feature maps chosen by stride.",
)
@new_folder_option("Folder for the weights.")
@setting_option("--steps", Plan.steps, "Number of Adam steps.")
@setting_option("--batch", Plan.batch, "Photos per step.")
@setting_option("--rate", Plan.rate, "Learning rate.")
@setting_option("--beta", Plan.beta, "Weight of the information term.")
@setting_option("--seed", Plan.seed, "Seed of the weights, the batches and the noise.")
@device_option
@threads_option
@trust_option
def readout(
    photos: tuple[Path, ...],
    classifier: str,
    layer: tuple[str, ...],
    out: Path,
    *,
    device: str | None,
    threads: int,
    trust: bool,
    **plan: Unpack[_PlanSettings],
) -> None:
    """Train the readout network of the method iba-readout.

    The network is trained on PHOTOS (files or folders). Nothing is written before training ends.
    """
    torch.set_num_threads(threads)
    opened = registry.classifier(classifier, trust=trust, device=device)
    with training_bar() as progress:
        trained = train_readout(opened, list_images(photos), out, layers=layer, plan=Plan(**plan), progress=progress)
    click.echo(
        f"layers {', '.join(trained.layers)}; {trained.losses[-1]}; use it with: --method iba-readout:weights={out}"
    )
