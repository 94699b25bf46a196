"""Train the embedding used to compare sets of images. It learns from images alone, without labels or a classifier."""

from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional

from seewhy.images.collection import Collection
from seewhy.nets.embedding import Embedding, build_embedding

Progress = Callable[[int, int], None]
"""Called after each step with the steps done and the total number of steps."""

BATCH = 64
RATE = 1e-3


def no_progress(done: int, planned: int) -> None:
    """Report nothing."""
    del done, planned


def train_embedding(
    collection: Collection,
    *,
    dim: int = 64,
    steps: int = 1000,
    seed: int = 0,
    device: str | torch.device = "cpu",
    progress: Progress = no_progress,
) -> Embedding:
    """Train a small auto-encoder to reconstruct the images of a collection, by mean squared error.

    The optimiser is Adam, on batches of 64 images drawn at random, with a learning rate of 0.001 that follows a cosine
    schedule. Training takes about a minute on an idle CPU for images of 28 × 28.

    Args:
        collection: images of one size; labels are ignored.
        dim: length of a code.
        steps: number of training steps.
        seed: seed of the weights and the batches.
        device: torch device.
        progress: called after each step.

    Returns:
        The trained embedding, in evaluation mode.

    Raises:
        RequestError: the images are too small or too large.
    """
    net = build_embedding(collection.channels, collection.size, dim=dim, seed=seed).to(device)
    optimiser = torch.optim.Adam(net.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    draw = np.random.default_rng(seed)
    for step in range(1, steps + 1):
        chosen = draw.integers(len(collection), size=min(BATCH, len(collection)))
        planes = net.planes(collection.images(chosen).to(device))
        optimiser.zero_grad()
        functional.mse_loss(net(planes), planes).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        progress(step, steps)
    return net.eval().requires_grad_(requires_grad=False)
