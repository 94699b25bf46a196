"""Training windows cut from photos: the visible ring, the flags of missing pixels, and the true patch."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor
from torch.nn import functional

from seewhy.training.sampler.photos import centre_view


@dataclass(frozen=True)
class Windows:
    """Windows with their true patches: ``windows`` and ``patches`` in [0, 1] on 8-bit levels, ``outside`` 0 or 1."""

    windows: Float[Tensor, "n 3 s s"]
    outside: Float[Tensor, "n s s"]
    patches: Float[Tensor, "n 3 k k"]


def cut_windows(
    views: Sequence[UInt8[np.ndarray, "h w 3"]], patch: int, each: int, rng: np.random.Generator
) -> Windows:
    """Cut ``each`` windows of 3K × 3K from each view, at patch positions that are uniform over the image, border included.

    Pixels outside the image are 0 and flagged.
    """
    side, (height, width) = 3 * patch, views[0].shape[:2]
    padded = np.pad(np.stack(views), ((0, 0), (patch, patch), (patch, patch), (0, 0)))
    inside = np.pad(np.ones((height, width), np.float32), patch)
    picture = np.repeat(np.arange(len(views)), each)[:, None, None]
    rows = rng.integers(0, height - patch + 1, picture.size)[:, None, None] + np.arange(side)[:, None]
    columns = rng.integers(0, width - patch + 1, picture.size)[:, None, None] + np.arange(side)
    windows = torch.from_numpy(padded[picture, rows, columns]).movedim(3, 1).contiguous().float() / 255
    patches = windows[:, :, patch : 2 * patch, patch : 2 * patch].clone()
    return Windows(windows, 1 - torch.from_numpy(inside[rows, columns]), patches)


def hide_ring(cut: Windows, share: float, rng: np.random.Generator) -> Windows:
    """Hide part of the ring of a ``share`` of the windows, so that the network learns to work from the rest.

    An in-fill that works inwards from the border of a large hole meets such rings. Of the chosen windows, a third lose
    whole neighbours of the patch, a third smooth blobs, and a third single pixels. Hidden pixels are 0 and flagged.
    """
    count, side = cut.outside.shape[0], cut.outside.shape[1]
    hidden = torch.zeros_like(cut.outside, dtype=torch.bool)
    chosen = np.flatnonzero(rng.random(count) < share)
    cells = {0: (3, "nearest"), 1: (5, "bicubic"), 2: (side, "nearest")}
    kinds = rng.integers(0, len(cells), len(chosen))
    for kind, (grid, enlarge) in cells.items():
        rows = chosen[kinds == kind]
        noise = torch.from_numpy(rng.random((len(rows), 1, grid, grid), dtype=np.float32))
        level = torch.from_numpy(rng.random((len(rows), 1, 1), dtype=np.float32))
        hidden[rows] = functional.interpolate(noise, size=(side, side), mode=enlarge)[:, 0] < level
    shown = (~hidden)[:, None].float()
    return Windows(cut.windows * shown, torch.maximum(cut.outside, hidden.float()), cut.patches)


def held_out_windows(photos: Sequence[Image.Image], patch: int, *, each: int = 32) -> Windows:
    """Cut the same windows every time from the classifier's view of each photo."""
    return cut_windows([centre_view(photo) for photo in photos], patch, each, np.random.default_rng(2009_11150))


def batches(windows: Windows, batch: int) -> Iterable[Windows]:
    """Split windows into batches, in order."""
    parts = (torch.split(tensor, batch) for tensor in (windows.windows, windows.outside, windows.patches))
    for window, outside, patch in zip(*parts, strict=True):
        yield Windows(window, outside, patch)
