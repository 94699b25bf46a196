"""What would more photos, or more training, improve? Held-out bits per sub-pixel against the number of each.

Protocol: the compact sampler is trained from random weights several times: on all photos for increasing numbers of
steps, each run with its own complete schedule; and for one number of steps on decreasing numbers of photos, each choice
contained in the next larger one. All runs are evaluated on the same held-out photos. The slope is the change in bits
per doubling, by least squares over the last three points.

``python benchmarks/learning_curve.py FOLDER... [--patch K] [--steps N]... [--photos N]... [--out curve.png] [--json]``
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np
import torch
from common import Row, environment, json_option, publish
from matplotlib.figure import Figure

from seewhy.training.sampler.train import Plan, read_both, train_sampler

STEPS = (250, 500, 1000, 2000)
SHARES = (8, 4, 2)
"""Divisors of the number of photos."""


def bits(folders: Sequence[Path], *, patch: int, steps: int, photos: int, batch: int, half: bool) -> float:
    """Train once and return the held-out bits."""
    with TemporaryDirectory() as out:
        plan = Plan(patch=patch, steps=steps, batch=batch, half=half, check_every=steps)
        run = train_sampler(folders, Path(out), plan=plan, photos=photos)
    click.echo(f"{photos} photos, {steps} steps: {run.bits:.4f} bits", err=True)
    return run.bits


def slope(numbers: Sequence[int], found: Sequence[float]) -> float | None:
    """Return the change in bits per doubling over the last three points."""
    if len(numbers) < 2:
        return None
    return float(np.polyfit(np.log2(numbers[-3:]), found[-3:], 1)[0])


def draw(rows: Sequence[Row], path: Path) -> None:
    """Draw two small charts side by side, on one scale of bits."""
    figure = Figure(figsize=(7, 2.6), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for axis, varied in zip(axes, ("steps", "photos"), strict=True):
        chosen = [row for row in rows if row["varied"] == varied]
        axis.plot([row[varied] for row in chosen], [row["bits"] for row in chosen], "o-", color="#1f5fa8")
        axis.set_xscale("log", base=2)
        axis.set_xticks([row[varied] for row in chosen], [f"{row[varied]:,}" for row in chosen])
        axis.minorticks_off()
        axis.set_xlabel("steps, all photos" if varied == "steps" else f"photos, {chosen[0]['steps']:,} steps each")
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="y", alpha=0.3)
    axes[0].set_ylabel("held-out bits per sub-pixel")
    figure.savefig(path, dpi=150)


def measure(
    folders: Sequence[Path], *, patch: int, steps: Sequence[int], photos: Sequence[int], batch: int, half: bool
) -> tuple[Row, list[Row]]:
    """Train every run of the two curves."""
    train, held_out = read_both(folders)
    fixed = steps[-2] if len(steps) > 1 else steps[-1]
    fewer = list(photos) or [len(train) // share for share in SHARES]
    if any(first >= second for first, second in pairwise([*fewer, len(train)])) or list(steps) != sorted(set(steps)):
        raise click.UsageError(
            f"expected increasing numbers below {len(train)} photos, got {fewer} and steps {list(steps)}; "
            "give --photos and --steps in increasing order"
        )
    rows: list[Row] = [{"varied": "steps", "steps": number, "photos": len(train)} for number in steps]
    rows += [{"varied": "photos", "steps": fixed, "photos": number} for number in fewer]
    for row in rows:
        row["bits"] = bits(folders, patch=patch, steps=row["steps"], photos=row["photos"], batch=batch, half=half)
    rows.append({**next(row for row in rows if row["steps"] == fixed), "varied": "photos"})
    figures: Row = {"benchmark": "learning_curve", "runs": rows}
    for varied in ("steps", "photos"):
        chosen = [row for row in rows if row["varied"] == varied]
        figures[f"bits_per_doubling_of_{varied}"] = slope(
            [row[varied] for row in chosen], [row["bits"] for row in chosen]
        )
    figures["protocol"] = (
        f"compact sampler, {patch} × {patch} patches, {batch} windows per step, seed 0, each run with its own "
        f"complete schedule; evaluated on {len(held_out)} held-out photos (SHA-256 of the file divisible by 10), 32 "
        "patches each; slope: least squares over the last three points"
    )
    return figures | environment(), rows


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--patch", default=8, show_default=True, help="Side K of the patch, in pixels.")
@click.option(
    "--steps",
    multiple=True,
    type=int,
    default=STEPS,
    show_default=True,
    help="Number of steps; repeatable, increasing.",
)
@click.option(
    "--photos",
    multiple=True,
    type=int,
    help="Number of photos; repeatable, increasing. Default: an eighth, a quarter and half of all.",
)
@click.option("--batch", default=256, show_default=True, help="Windows per step.")
@click.option("--half", is_flag=True, help="Compute in bfloat16.")
@click.option("--threads", default=1, show_default=True, help="Number of CPU threads.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="PNG file for the charts.")
@json_option
def main(
    folders: tuple[Path, ...],
    *,
    patch: int,
    steps: tuple[int, ...],
    photos: tuple[int, ...],
    batch: int,
    half: bool,
    threads: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Print and draw held-out bits against steps and photos."""
    torch.set_num_threads(threads)
    figures, rows = measure(folders, patch=patch, steps=steps, photos=photos, batch=batch, half=half)
    if out is not None:
        draw(rows, out)
    publish(figures, as_json=as_json)


if __name__ == "__main__":
    main()
