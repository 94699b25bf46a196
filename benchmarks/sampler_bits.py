"""How well do models of a hidden patch predict photos, and is their uncertainty calibrated?

Claims: the shipped samplers need fewer bits per sub-pixel than a histogram, than the conditional Gaussian of
prediction-difference analysis and than the paper's network trained with the same photos and compute; their 90 %
intervals cover 90 % of the true values.

Protocol: patches at random positions of the classifier's view (short side 256, centre crop 224), border included, the
same for every model of one patch size. Bits are the mean of -log2 q over the true 8-bit values, given the ring and the
values that the model draws before them; continuous densities are integrated over the bin of each level. Calibration: a
number drawn between the model's distribution function just below and at the true level is uniform on [0, 1] if the
model is right (randomised probability integral transform). ``covered`` is the fraction within 0.05 … 0.95, and
``unevenness`` is the total variation between its histogram of 20 bins and a uniform one.

``python benchmarks/sampler_bits.py FOLDER... [--also TRAINED]... [--all] [--json]``; TRAINED holds
``weights.safetensors`` and ``card.json``, as written by ``seewhy train sampler``. ``--paper STEPS`` first trains the
paper's network for 8 × 8, for this many steps of 32 windows (300 took 21 minutes on one processor core).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, Unpack

import click
import numpy as np
import torch
from common import Row, environment, interval, json_option, publish
from jaxtyping import Float
from paper_samplers import GaussianSampler, PaperSampler
from PIL import Image
from sampler_families import PATCH, learn
from torch import Tensor

from seewhy.infills.patch_sampler import SHIPPED, shipped
from seewhy.nets.compact_sampler import CompactSampler, load_sampler, read_card
from seewhy.training.sampler.photos import centre_view, read_photos
from seewhy.training.sampler.windows import Windows, batches, held_out_windows

BINS = 20
LOW, HIGH = 0.05, 0.95

Model = CompactSampler | GaussianSampler | PaperSampler


@dataclass(frozen=True, eq=False)
class Evaluated:
    """A model's scores for each true sub-pixel: its bits, and its place in the model's distribution."""

    bits: Float[np.ndarray, "photos subpixels"]
    places: Float[np.ndarray, "photos subpixels"]


def evaluate(net: Model, windows: Windows, photos: int) -> Evaluated:
    """Score a model on every true patch."""
    random = torch.Generator().manual_seed(0)
    bits, places = [], []
    with torch.inference_mode():
        for part in batches(windows, 256):
            given = (part.windows, part.outside, part.patches)
            bits.append(-net.log_likelihood(*given).double() / math.log(2))
            below, upto = net.ranks(*given).double().unbind(-1)
            places.append(below + torch.rand(below.shape, generator=random, dtype=torch.float64) * (upto - below))
    return Evaluated(*(torch.cat(values).reshape(photos, -1).numpy() for values in (bits, places)))


def from_histogram(fitted_on: Sequence[Image.Image], patches: Float[Tensor, "n 3 k k"], photos: int) -> Evaluated:
    """Score one histogram per channel, with add-one smoothing and without context."""
    counts = np.ones((3, 256))
    for photo in fitted_on:
        view = centre_view(photo)
        counts += [np.bincount(view[:, :, channel].ravel(), minlength=256) for channel in range(3)]
    shares = counts / counts.sum(1, keepdims=True)
    levels = (patches * 255).round().long().numpy()
    channels = np.broadcast_to(np.arange(3)[:, None, None], levels.shape)
    upto = shares.cumsum(1)[channels, levels]
    drawn = np.random.default_rng(0).random(levels.shape)
    exact = shares[channels, levels]
    return Evaluated(-np.log2(exact).reshape(photos, -1), (upto - drawn * exact).reshape(photos, -1))


def row(model: str, patch: int, evaluated: Evaluated, **facts: object) -> Row:
    """Return the bits with their interval over photos, and the calibration."""
    found = interval(evaluated.bits.mean(1).tolist())
    inside = ((evaluated.places > LOW) & (evaluated.places < HIGH)).mean(1)
    shares = np.histogram(evaluated.places, BINS, (0, 1))[0] / evaluated.places.size
    return {
        "model": model,
        "patch": patch,
        "bits": found["mean"],
        "low": found["low"],
        "high": found["high"],
        "covered": float(inside.mean()),
        "unevenness": float(0.5 * np.abs(shares - 1 / BINS).sum()),
        "histogram": shares.round(5).tolist(),
        **facts,
    }


def trained_row(folder: Path, windows: Windows, photos: int, name: str) -> Row:
    """Score weights on disk."""
    net, checksum = load_sampler(folder)
    parameters = sum(value.numel() for value in net.parameters())
    return row(name, net.patch, evaluate(net, windows, photos), parameters=parameters, checksum=checksum)


class Settings(TypedDict):
    """Which photos count, and how much work is done."""

    everything: bool
    each: int
    gaussian_windows: int
    paper_steps: int


def published_rows(fitted_on: Sequence[Image.Image], windows: Windows, photos: int, settings: Settings) -> list[Row]:
    """Score the published models, fitted or trained here."""
    gaussian = GaussianSampler(PATCH)
    gaussian.fit(fitted_on, windows=settings["gaussian_windows"])
    rows = [row("gaussian, fitted", PATCH, evaluate(gaussian, windows, photos))]
    if settings["paper_steps"]:
        torch.manual_seed(0)
        paper = PaperSampler(PATCH)
        learn(paper, fitted_on, steps=settings["paper_steps"], batch=32, rate=2e-3)
        rows.append(row("paper's network", PATCH, evaluate(paper.eval(), windows, photos)))
    return rows


def measure(folders: Sequence[Path], also: Sequence[Path], **settings: Unpack[Settings]) -> Row:
    """Score every model on the same windows, for each patch size."""
    train, held_out = read_photos(folders)
    everything, each = settings["everything"], settings["each"]
    evaluated = [*train, *held_out] if everything else held_out
    fitted = evaluated if everything else train
    if not evaluated or not fitted:
        raise click.UsageError(
            f"expected training and held-out photos, got {len(train)} and {len(held_out)}; provide more photos"
        )
    rows: list[Row] = []
    for patch in SHIPPED:
        windows = held_out_windows(evaluated, patch, each=each)
        rows.append(row("histogram", patch, from_histogram(fitted, windows.patches, len(evaluated))))
        rows += [
            trained_row(folder, windows, len(evaluated), folder.name)
            for folder in also
            if read_card(folder)["patch"] == patch
        ]
        rows.append(trained_row(shipped(patch), windows, len(evaluated), "compact, shipped"))
        if patch == PATCH:
            rows += published_rows(fitted, windows, len(evaluated), settings)
    return {
        "benchmark": "sampler_bits",
        "uniform_bits": 8.0,
        "models": [{key: value for key, value in found.items() if key != "histogram"} for found in rows],
        "measurements": rows,
        "protocol": (
            f"{len(evaluated)} photos ({'all' if everything else 'held out: SHA-256 of the file divisible by 10'}); "
            f"short side 256, centre crop 224, {each} patches per photo at random positions, border included; "
            f"histogram and Gaussian fitted on {'the same' if everything else 'the other'} {len(fitted)} photos, the "
            f"Gaussian on {settings['gaussian_windows']} windows; low and high: 95 "
            "% bootstrap over photos; covered: fraction of true values inside the model's 90 % interval; unevenness: "
            "total variation of the 20-bin histogram of the randomised probability integral transform from a uniform "
            "one"
        ),
        **environment(),
    }


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--also",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of a trained sampler to include; repeatable.",
)
@click.option("--all", "everything", is_flag=True, help="Use every photo, for photos that were never trained on.")
@click.option("--each", default=32, show_default=True, help="Patches per photo.")
@click.option("--gaussian-windows", default=200_000, show_default=True, help="Windows that the Gaussian is fitted to.")
@click.option("--paper", "paper_steps", default=0, help="Steps of training of the paper's network; 0 leaves it out.")
@json_option
def main(folders: tuple[Path, ...], *, also: tuple[Path, ...], as_json: bool, **settings: Unpack[Settings]) -> None:
    """Print bits per sub-pixel and calibration of patch samplers.

    The shipped samplers are always included.
    """
    publish(measure(folders, also, **settings), as_json=as_json, unprinted=("measurements",))


if __name__ == "__main__":
    main()
