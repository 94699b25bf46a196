"""The command ``seewhy train sampler``."""

from pathlib import Path
from typing import TypedDict, Unpack

import click
import torch

from seewhy.cli import options
from seewhy.cli.training import half_option, new_folder_option, rate_option, training_bar
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


@click.command()
@click.argument(
    "folders",
    metavar="DIR...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
@new_folder_option
@options.count_option("--patch", Plan.patch, "Train for patches of N x N pixels: 4, 8 or 16.")
@click.option("--begin", metavar="DIR", help="Start from the weights in this folder, or from the word shipped.")
@options.count_option("--steps", Plan.steps, "Train for N steps.")
@options.count_option("--batch", Plan.batch, "Train on N windows per step.")
@rate_option(Plan.rate)
@half_option
@options.seed_option
@options.device_option
@options.threads_option
def sampler(
    folders: tuple[Path, ...],
    out: Path,
    *,
    begin: str | None,
    device: str | None,
    threads: int,
    **settings: Unpack[_Settings],
) -> None:
    """Train the patch sampler, an in-fill, on photos.

    Each DIR is searched recursively. CUDA is used if there is any and no --device is given. Run the same command again
    to resume after an interruption.
    """
    torch.set_num_threads(threads)
    start = shipped(settings["patch"]) if begin == "shipped" else None if begin is None else Path(begin)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    with training_bar(out) as progress:
        result = train_sampler(folders, out, plan=Plan(**settings), device=device, begin=start, progress=progress)
    click.echo(f"{result.bits:.4f} bits per sub-pixel on held-out photos, at step {result.step} of {settings['steps']}")
