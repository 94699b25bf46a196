"""Train the embedding used to compare sets of images. It learns from images alone, without labels or a classifier."""

import numpy as np
import torch
from torch.nn import functional

from seewhy.core.context import plain_torch
from seewhy.images.collection import Collection
from seewhy.nets.embedding import Embedding
from seewhy.training.loop import Progress, no_progress

BATCH = 64
RATE = 1e-3


@plain_torch()
def train_embedding(
    collection: Collection,
    *,
    dim: int = 64,
    steps: int = 1000,
    seed: int = 0,
    device: str | torch.device = "cpu",
    progress: Progress = no_progress,
) -> Embedding:
    """Train a small auto-encoder with codes of length ``dim`` to reconstruct images, by mean squared error.

    Training takes about a minute on an idle CPU for images of 28 × 28.
    """
    net = Embedding(collection.channels, collection.size, dim=dim, seed=seed).to(device)
    optimiser = torch.optim.Adam(net.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    draw = np.random.default_rng(seed)

    def take_step() -> str:
        chosen = draw.integers(len(collection), size=min(BATCH, len(collection)))
        planes = net.planes(collection.images(chosen).to(device))
        optimiser.zero_grad()
        loss = functional.mse_loss(net(planes), planes)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        return f"loss {loss.item():.4f}"

    for done in range(1, steps + 1):
        progress(done, steps, take_step(), "")
    return net.eval().requires_grad_(requires_grad=False)
