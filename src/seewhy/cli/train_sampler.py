"""The command ``seewhy train sampler``."""

from pathlib import Path
from typing import TypedDict, Unpack

import click
import torch

from seewhy.cli.options import device_option, threads_option
from seewhy.cli.training import new_folder_option, setting_option, training_bar
from seewhy.infills.patch_sampler import shipped
from seewhy.training.sampler.train import Plan, train_sampler


class _Settings(TypedDict):
    """Settings of the training, as `Plan` takes them."""

    patch: int
    steps: int
    batch: int
    rate: float
    seed: int
    half: bool
    check_every: int
    patience: int


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@new_folder_option("Folder for the weights and the card.")
@setting_option("--patch", Plan.patch, "Side K of the patch, in pixels.")
@click.option("--begin", help="Start from trained weights: a folder, or the word shipped.")
@setting_option("--steps", Plan.steps, "Number of steps in the schedule.")
@setting_option("--batch", Plan.batch, "Windows per step.")
@setting_option("--rate", Plan.rate, "Peak learning rate.")
@setting_option("--seed", Plan.seed, "Seed of the weights and the batches.")
@device_option
@click.option("--half", is_flag=True, help="Compute in bfloat16.")
@threads_option
@setting_option("--check-every", Plan.check_every, "Steps between evaluations on the held-out photos.")
@setting_option("--patience", Plan.patience, "Stop after this many evaluations without progress.")
@setting_option("--data", "photos of the user's own", "Description of the photos, for the card.")
@setting_option("--licence", "that of the photos it was trained on", "Licence of the weights, for the card.")
def sampler(
    folders: tuple[Path, ...],
    out: Path,
    *,
    begin: str | None,
    device: str | None,
    threads: int,
    data: str,
    licence: str,
    **settings: Unpack[_Settings],
) -> None:
    """Train the patch sampler, an in-fill, on photos.

    FOLDERS are searched recursively. CUDA is used if there is any and no --device is given. Run the same command again
    to resume after an interruption.
    """
    torch.set_num_threads(threads)
    start = shipped(settings["patch"]) if begin == "shipped" else None if begin is None else Path(begin)
    with training_bar(out) as progress:
        result = train_sampler(
            folders,
            out,
            plan=Plan(**settings),
            device=device or ("cuda" if torch.cuda.is_available() else "cpu"),
            begin=start,
            data=data,
            licence=licence,
            progress=progress,
        )
    click.echo(f"{result.bits:.4f} bits per sub-pixel on held-out photos after {result.steps} steps ({result.stopped})")
