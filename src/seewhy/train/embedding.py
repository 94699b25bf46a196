"""Train the embedding by which sets of pictures are compared. It sees pictures alone: no label and no classifier."""

from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional

from seewhy.images.collection import Collection
from seewhy.nets.embedding import Embedding, build_embedding

Progress = Callable[[int, int], None]
"""Told after each step: steps done, steps in all."""

BATCH = 64
RATE = 1e-3


def silent(done: int, planned: int) -> None:
    """Report nothing."""
    del done, planned


def train_embedding(
    collection: Collection,
    *,
    dim: int = 64,
    steps: int = 1000,
    seed: int = 0,
    device: str | torch.device = "cpu",
    progress: Progress = silent,
) -> Embedding:
    """Train a small auto-encoder to draw the pictures of a collection again, by mean squared error.

    Adam, batches of 64 pictures drawn at random, a learning rate of 0.001 that falls along a cosine; a minute or so
    on an idle processor for pictures of 28 × 28.

    Args:
        collection: pictures of one size; labels are not looked at.
        dim: length of a code.
        steps: of training.
        seed: of weights and batches.
        device: where torch computes.
        progress: told after each step.

    Returns:
        The embedding, ready to be used.

    Raises:
        RequestError: the pictures are too small or too large.
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
