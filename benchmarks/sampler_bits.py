"""How well does the shipped patch sampler know photos, and what does it cost beside the classifier?

``python benchmarks/sampler_bits.py FOLDER... [--all] [--json]`` prints bits per sub-pixel (the mean of -log2 q over the true
8-bit values of the hidden patches; lower is better) and samples a second.
"""

import json
import math
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import click
import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from seewhy.classifiers.imagenet import efficientnet_lite0
from seewhy.core.seeds import derive
from seewhy.infills.patch_sampler import PatchSampler, patch_sampler
from seewhy.nets.patch_sampler import load_sampler
from seewhy.train.sampler import bits_per_subpixel, centre_view, held_out_windows, read_photos

EACH = 32
"""Windows a photo."""


def histogram_bits(fitted_on: Sequence[Image.Image], patches: Float[Tensor, "n 3 k k"]) -> float:
    """Bits a sub-pixel of one histogram a channel, add-one smoothed, that looks at no surroundings."""
    counts = np.ones((3, 256))
    for photo in fitted_on:
        view = centre_view(photo)
        counts += [np.bincount(view[:, :, channel].ravel(), minlength=256) for channel in range(3)]
    bits = torch.from_numpy(-np.log2(counts / counts.sum(1, keepdims=True)))
    levels = (patches * 255).round().long()
    return float(np.mean([bits[channel][levels[:, channel]].mean().item() for channel in range(3)]))


def per_second(work: Callable[[], object], items: int, *, seconds: float = 3.0) -> float:
    """Median rate of repeated calls that handle ``items`` each, after two calls to warm up."""
    for _ in range(2):
        work()
    rates, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        work()
        rates.append(items / (time.perf_counter() - start))
    return float(np.median(rates))


def speeds(infill: PatchSampler, image: Float[Tensor, "3 224 224"], batch: int) -> dict[str, float | None]:
    """Pictures a second of the in-fill as it is used and of EfficientNet-Lite0, in batches of one size, in one process."""
    places = torch.randint(0, 217, (batch, 2), generator=torch.Generator().manual_seed(0)).tolist()
    keep = torch.ones(batch, 224, 224)
    for row, (y, x) in enumerate(places):
        keep[row, y : y + 8, x : x + 8] = 0
    seeds = derive(0, torch.arange(batch))
    drawn = per_second(lambda: infill(image, keep, seeds), batch)
    if find_spec("efficientnet_lite_pytorch") is None:
        return {"samples_per_second": drawn, "classifier_images_per_second": None, "share_of_classifier_time": None}
    classifier, pictures = efficientnet_lite0(), infill(image, keep, seeds)
    judged = per_second(lambda: classifier(pictures), batch)
    return {
        "samples_per_second": drawn,
        "classifier_images_per_second": judged,
        "share_of_classifier_time": judged / drawn,
    }


def measure(folders: Sequence[Path], *, everything: bool, batch: int) -> dict[str, object]:
    """Measure the bits and the speeds, and state how."""
    train, held_out = read_photos(folders)
    judged = [*train, *held_out] if everything else held_out
    fitted = judged if everything else train
    if not judged or not fitted:
        raise click.UsageError(f"expected photos on both sides of the split, got {len(train)} and {len(held_out)}")
    infill = patch_sampler()
    net, _ = load_sampler(infill.folder, arch=infill.arch, patch=infill.patch)
    windows = held_out_windows(judged, infill.patch, each=EACH)
    image = torch.from_numpy(centre_view(judged[0]).copy()).movedim(2, 0).float() / 255
    return {
        "photos_judged": len(judged),
        "windows": len(windows.patches),
        "uniform_bits": math.log2(256),
        "histogram_bits": histogram_bits(fitted, windows.patches),
        "compact_bits": bits_per_subpixel(net, windows),
        **speeds(infill, image, batch),
        "protocol": (
            f"{'all photos given' if everything else 'only photos held out from training (SHA-256 of the file)'}; "
            f"short side 256, centre crop 224, {EACH} patches 8 × 8 a photo at random places, border included; histogram "
            f"fitted on {'the judged' if everything else 'the other'} {len(fitted)} photos; speeds: batches of {batch} of "
            f"different holes, {torch.get_num_threads()} threads, median over 3 s, whole in-fill against whole classifier"
        ),
        "checksum": infill.checksum,
    }


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--all", "everything", is_flag=True, help="Judge on every photo: for photos that were never trained on.")
@click.option("--batch", default=8, show_default=True, help="Pictures a call when measuring speed.")
@click.option("--threads", default=None, type=int, help="Processor threads; torch's own choice by default.")
@click.option("--json", "as_json", is_flag=True, help="End with one JSON object on a line.")
def main(folders: tuple[Path, ...], *, everything: bool, batch: int, threads: int | None, as_json: bool) -> None:
    """Print held-out bits per sub-pixel and speed of the shipped patch sampler."""
    if threads is not None:
        torch.set_num_threads(threads)
    figures = measure(folders, everything=everything, batch=batch)
    for name, value in figures.items():
        print(f"{name:30} {value:.3f}" if isinstance(value, float) else f"{name:30} {value}")
    if as_json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
