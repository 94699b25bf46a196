"""The commands ``seewhy train iba`` and ``readout``, for methods that read a network's inner layers."""

from pathlib import Path

import click
import torch

from seewhy import registry
from seewhy.cli import options
from seewhy.cli.training import new_folder_option, rate_option, training_bar
from seewhy.images.sources import list_images
from seewhy.training.bottleneck.readout import Plan, train_readout
from seewhy.training.bottleneck.statistics import measure

_computer_options = options.in_order(options.device_option, options.threads_option, options.trust_option)


@click.command("iba")
@options.images_argument
@options.classifier_option
@click.option("--layer", metavar="NAME", help="Measure this layer. Default: the layer that iba chooses.")
@new_folder_option
@_computer_options
def iba(
    images: tuple[Path, ...],
    classifier: str,
    layer: str | None,
    out: Path,
    *,
    device: str | None,
    threads: int,
    trust: bool,
) -> None:
    """Measure a layer's feature statistics for the method iba.

    The mean and standard deviation are taken over the images (files or folders). Nothing is written before all images are
    processed.
    """
    torch.set_num_threads(threads)
    opened = registry.classifier(classifier, trust=trust, device=device)
    with training_bar() as progress:
        name, statistics = measure(opened, list_images(images), out, layer=layer, progress=progress)
    click.echo(f"layer {name}, {statistics.photos} photos; use it with: --method iba:statistics={out}")


@click.command("readout")
@options.images_argument
@options.classifier_option
@options.repeatable_option(
    "--layer",
    "layers",
    "NAME",
    "Read this layer; noise is added to the first. Default: three feature maps chosen by stride.",
)
@new_folder_option
@options.count_option("--steps", Plan.steps, "Train for N steps.")
@options.count_option("--batch", Plan.batch, "Train on N images per step.")
@rate_option(Plan.rate)
@click.option(
    "--beta", metavar="X", default=Plan.beta, show_default=True, help="Set the weight of the information term."
)
@options.seed_option
@_computer_options
def readout(
    images: tuple[Path, ...],
    classifier: str,
    layers: tuple[str, ...],
    out: Path,
    *,
    steps: int,
    batch: int,
    rate: float,
    beta: float,
    seed: int,
    device: str | None,
    threads: int,
    trust: bool,
) -> None:
    """Train the readout network of the method iba-readout.

    The network is trained on the images (files or folders). Nothing is written before training ends.
    """
    torch.set_num_threads(threads)
    opened, plan = registry.classifier(classifier, trust=trust, device=device), Plan(steps, batch, rate, beta, seed)
    with training_bar() as progress:
        trained = train_readout(opened, list_images(images), out, layers=layers, plan=plan, progress=progress)
    click.echo(
        f"layers {', '.join(trained.layers)}; {trained.losses[-1]}; use it with: --method iba-readout:weights={out}"
    )
