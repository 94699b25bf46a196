"""A game whose probability is distributed over the cells of a grid, and images for it."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from games import Game


def shares(cells: int, seed: int = 0) -> list[float]:
    """Return the contribution of each cell to the probability: all distinct, some negative, absolute sum 0.7."""
    drawn = torch.linspace(-0.3, 1, cells)[torch.randperm(cells, generator=torch.Generator().manual_seed(seed))]
    return (0.7 * drawn / drawn.abs().sum()).tolist()


def additive(worth: Sequence[float], grid: int) -> Game:
    """Return a game: class 0 has 0.25 plus each cell's mean brightness times its worth; class 1 has the rest."""
    return Game(log_odds(lambda kept: 0.25 + kept @ torch.tensor(worth, dtype=torch.float64), grid))


def product(cells: Sequence[int], grid: int) -> Game:
    """Return a game in which class 0 has 0.1, and 0.8 more if all given cells are kept."""
    return Game(log_odds(lambda kept: 0.1 + 0.8 * kept[:, list(cells)].prod(1), grid))


def log_odds(probability: Callable[[Tensor], Tensor], grid: int) -> Callable[[Tensor], Tensor]:
    """Return logits of a probability that is a function of the cells' brightness."""

    def logits(images: Tensor) -> Tensor:
        side = images.shape[-1] // grid
        kept = torch.nn.functional.avg_pool2d(images.mean(1, keepdim=True), side).flatten(1)
        p = probability(kept)
        return torch.stack([p, 1 - p], dim=1).log()

    return logits


def white(side: int = 12) -> Tensor:
    """Return a white image, in which removed pixels are black."""
    return torch.ones(3, side, side)
