"""The command ``seewhy train sampler``."""

from pathlib import Path
from typing import Literal, TypedDict, Unpack

import click
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from seewhy.cli.options import INTERRUPTED, threads_option
from seewhy.cli.progress import messages
from seewhy.infills.patch_sampler import shipped
from seewhy.training.sampler.gaussian import fit_gaussian
from seewhy.training.sampler.train import Evaluation, Result, train_sampler

_SMOOTH = 0.02  # weight of the newest batch in the smoothed value beside the progress bar


class _Settings(TypedDict):
    """Settings of the training, as `train_sampler` takes them."""

    patch: int
    arch: Literal["compact", "paper", "gaussian"]
    steps: int
    batch: int
    rate: float
    seed: int
    half: bool
    check_every: int
    patience: int
    data: str
    licence: str


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the weights and the card.",
)
@click.option("--patch", default=8, show_default=True, help="Side K of the patch, in pixels.")
@click.option(
    "--arch",
    default="compact",
    show_default=True,
    type=click.Choice(["compact", "paper", "gaussian"]),
    help="Model architecture.",
)
@click.option("--begin", help="Start from trained weights: a folder, or the word shipped.")
@click.option("--steps", default=4000, show_default=True, help="Number of steps in the schedule.")
@click.option("--batch", default=512, show_default=True, help="Windows per step.")
@click.option("--rate", default=2e-3, show_default=True, help="Peak learning rate.")
@click.option("--seed", default=0, show_default=True, help="Seed of the weights and the batches.")
@click.option("--device", default="auto", show_default=True, help="Torch device; auto uses CUDA if available.")
@click.option("--half", is_flag=True, help="Compute in bfloat16.")
@threads_option
@click.option("--check-every", default=250, show_default=True, help="Steps between evaluations on the held-out photos.")
@click.option("--patience", default=8, show_default=True, help="Stop after this many evaluations without progress.")
@click.option(
    "--data", default="photos of the user's own", show_default=True, help="Description of the photos, for the card."
)
@click.option(
    "--licence",
    default="that of the photos it was trained on",
    show_default=True,
    help="Licence of the weights, for the card.",
)
def sampler(
    folders: tuple[Path, ...],
    out: Path,
    *,
    threads: int,
    device: str,
    begin: str | None,
    **settings: Unpack[_Settings],
) -> None:
    """Train the patch sampler, an in-fill, on photos.

    FOLDERS are searched recursively. Run the same command again to resume after an interruption.
    """
    torch.set_num_threads(threads)
    if settings["arch"] == "gaussian":
        result = _fit(folders, out, settings)
    else:
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        start = shipped(settings["patch"]) if begin == "shipped" else None if begin is None else Path(begin)
        result = _train_with_progress(folders, out, device, start, settings)
    click.echo(f"{result.bits:.4f} bits per sub-pixel on held-out photos after {result.steps} steps ({result.stopped})")


def _fit(folders: tuple[Path, ...], out: Path, settings: _Settings) -> Result:
    """Fit the Gaussian to the windows of all steps; the other training options do not apply."""
    return fit_gaussian(
        folders,
        out,
        windows=settings["steps"] * settings["batch"],
        patch=settings["patch"],
        seed=settings["seed"],
        data=settings["data"],
        licence=settings["licence"],
    )


def _train_with_progress(
    folders: tuple[Path, ...], out: Path, device: str, begin: Path | None, settings: _Settings
) -> Result:
    """Train, showing a progress bar and one line per evaluation; an interruption keeps the last checkpoint."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[bits]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=messages, transient=True) as bar:
        task = bar.add_task(f"on {device}", total=None, bits="")
        smooth = 0.0

        def progress(done: int, planned: int, bits: float) -> None:
            nonlocal smooth
            smooth = bits if smooth == 0 else smooth + _SMOOTH * (bits - smooth)
            bar.update(task, completed=done, total=planned, bits=f"{smooth:.3f} bits")

        def on_evaluation(evaluation: Evaluation) -> None:
            bar.console.print(
                f"step {evaluation.step}: {evaluation.trained:.4f} bits in training, {evaluation.held_out:.4f} bits held out"
            )

        try:
            return train_sampler(
                folders, out, progress=progress, on_evaluation=on_evaluation, device=device, begin=begin, **settings
            )
        except KeyboardInterrupt:
            bar.console.print(
                f"interrupted: progress up to the last evaluation is in {out}; run the same command again to resume"
            )
            raise click.exceptions.Exit(INTERRUPTED) from None
