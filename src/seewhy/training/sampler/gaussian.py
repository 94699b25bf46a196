"""Fit the conditional Gaussian of prediction-difference analysis from window statistics, without gradients."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from seewhy.nets.gaussian_sampler import GaussianSampler
from seewhy.training.sampler.photos import random_view
from seewhy.training.sampler.train import Result, bits_per_subpixel, card, read_both, write_card, write_weights
from seewhy.training.sampler.windows import cut_windows, held_out_windows

_PHOTOS, _EACH = 16, 64  # views per round, windows per view


def fit_gaussian(
    folders: Sequence[Path],
    out: Path,
    *,
    patch: int = 8,
    windows: int = 200_000,
    seed: int = 0,
    data: str = "photos of the user's own",
    licence: str = "that of the photos it was trained on",
) -> Result:
    """Fit the mean and covariance of patch and ring, and write ``weights.safetensors`` and ``card.json``.

    Zintgraf, Cohen, Adel, Welling, "Visualizing Deep Neural Network Decisions: Prediction Difference Analysis", ICLR
    2017 (they use 20,000 windows).

    Args:
        folders: folders of photos, searched recursively; one photo in ten is held out, by the hash of its content.
        out: folder for the weights and the card; it is created.
        patch: side K of the patch, in pixels.
        windows: number of windows to sample.
        seed: seed of the choice of windows.
        data: description of the photos, for the card.
        licence: licence of the weights, for the card.

    Returns:
        The number of windows used, as steps, and the held-out bits per sub-pixel.

    Raises:
        RequestError: there are too few photos.
    """
    train, held_out = read_both(folders)
    net = GaussianSampler(patch)
    count = count_windows(net, train, windows=windows, seed=seed)
    bits = bits_per_subpixel(net, held_out_windows(held_out, patch))
    facts = card(net, data=data, licence=licence, photos=(len(train), len(held_out)))
    facts |= {"seed": seed, "windows": count, "held_out_bits_per_subpixel": round(bits, 4)}
    out.mkdir(parents=True, exist_ok=True)
    facts["sha256"] = write_weights(out, dict(net.state_dict()))
    write_card(out, facts)
    return Result(count, bits, "counted", ())


def count_windows(net: GaussianSampler, photos: Sequence[Image.Image], *, windows: int, seed: int) -> int:
    """Set the mean and covariance from windows of these photos, and return how many windows lay inside their image."""
    count, total = 0, torch.zeros_like(net.mean, dtype=torch.float64)
    products = torch.zeros_like(net.covariance, dtype=torch.float64)
    for turn in range(-(-windows // (_PHOTOS * _EACH))):
        rng = np.random.default_rng([seed, turn])
        views = [random_view(photos[index], rng) for index in rng.integers(0, len(photos), _PHOTOS)]
        cut = cut_windows(views, net.patch, _EACH, rng)
        inside = net.crop(cut.outside[:, None]).flatten(1).sum(1) == 0
        levels = net.crop(cut.windows[inside]).movedim(1, 0) * 255
        count += levels.shape[1]
        total += levels.sum(1)
        products += levels.mT @ levels
    mean = total / count
    net.mean.copy_(mean)
    net.covariance.copy_(products / count - mean[:, :, None] * mean[:, None])
    return count
