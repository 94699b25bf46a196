"""Figures about sets of made pictures: how near to what they were made from, and how like real ones of a class."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor

from seewhy.core.arrays import Images
from seewhy.core.errors import RequestError

TAU = 0.05
"""A pixel counts as changed when it changes by more than this, in intensity from 0 to 1."""

Codes = Float[np.ndarray, "n d"]
"""Pictures as an embedding gives them, one row a picture."""

PerPicture = Float[np.ndarray, " n"]


def change(first: Images, second: Images) -> Float[Tensor, "n h w"]:
    """Return the absolute difference of pictures, mean over their channels: the explanation map of the twins, 0 to 1.

    Example:
        >>> import torch
        >>> change(torch.zeros(1, 3, 1, 1), torch.full((1, 3, 1, 1), 0.25)).tolist()
        [[[0.25]]]
    """
    return (first - second).abs().mean(1)


def proximity(first: Images, second: Images) -> tuple[PerPicture, PerPicture]:
    """Measure how near pictures are to each other.

    Args:
        first: ``(n, c, h, w)`` in [0, 1].
        second: as many of the same size.

    Returns:
        For each pair the mean absolute difference (L1) and the root of the mean squared one (L2), both over pixels and
        channels, 0 to 1: so they do not depend on the resolution.

    Example:
        >>> import torch
        >>> l1, l2 = proximity(torch.zeros(1, 1, 1, 4), torch.tensor([[[[0.0, 0.0, 0.0, 1.0]]]]))
        >>> l1.tolist(), l2.tolist()
        ([0.25], [0.5])
    """
    difference = (first.double() - second.double()).flatten(1)
    return difference.abs().mean(1).cpu().numpy(), difference.square().mean(1).sqrt().cpu().numpy()


def sparsity(first: Images, second: Images, *, tau: float = TAU) -> PerPicture:
    """Measure the share of pixels that differ by more than ``tau``, mean over channels, for each pair; 0 to 1.

    Example:
        >>> import torch
        >>> sparsity(torch.zeros(1, 1, 1, 4), torch.tensor([[[[0.0, 0.04, 0.06, 1.0]]]])).tolist()
        [0.5]
    """
    return (change(first, second) > tau).double().flatten(1).mean(1).cpu().numpy()


def shift(first: Images, second: Images) -> tuple[PerPicture, PerPicture]:
    """Split the difference of pictures into one that is the same everywhere and the rest.

    Returns:
        For each pair the mean square of what a constant for each channel explains, and the mean square of all; the first over the
        second is the share of the change that is a shift of brightness or colour, 0 to 1.

    Example:
        >>> import torch
        >>> even, every = shift(torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), 0.5))
        >>> even.tolist(), every.tolist()
        ([0.25], [0.25])
    """
    difference = (second.double() - first.double()).flatten(2)
    even, every = difference.mean(2).square().mean(1), difference.square().mean((1, 2))
    return even.cpu().numpy(), every.cpu().numpy()


def spread(pictures: Images) -> float:
    """Return the mean absolute difference of all pairs of pictures, 0 to 1; NaN for fewer than two.

    Memory grows with the square of their number: show it some hundreds.

    Example:
        >>> import torch
        >>> spread(torch.tensor([0.0, 0.0, 0.75]).view(3, 1, 1, 1))
        0.5
    """
    count = len(pictures)
    if count < 2:
        return math.nan
    flat = pictures.double().flatten(1)
    total = sum(float((flat[place + 1 :] - row).abs().mean(1).sum()) for place, row in enumerate(flat))
    return total / (count * (count - 1) / 2)


def frechet(first: Codes, second: Float[np.ndarray, "m d"]) -> float:
    """Return the squared Fréchet distance of Gaussians fitted to two sets (Dowson, Landau, J. Multivariate Analysis, 1982).

    ``‖m₁ − m₂‖² + tr(C₁ + C₂ − 2 (C₁ C₂)^½)``, as Heusel et al. (NeurIPS 2017) use it for pictures. The trace of the root is the sum
    of the roots of the eigenvalues of ``C₁^½ C₂ C₁^½``. In the square of the embedding's unit: a figure on its own says nothing, its
    ratio to the distance of real sets does. Sets of few pictures come out too far apart.

    Args:
        first: at least two rows.
        second: at least two rows, of as many columns.

    Returns:
        0 or more.

    Raises:
        RequestError: a set has fewer than two rows.

    Example:
        >>> frechet(np.array([[0.0], [2.0]]), np.array([[3.0], [5.0]]))
        9.0
    """
    if min(len(first), len(second)) < 2:
        raise RequestError(f"expected two sets of at least 2 pictures, got {len(first)} and {len(second)}")
    apart = np.square(first.mean(0, dtype=np.float64) - second.mean(0, dtype=np.float64)).sum()
    one, other = (np.atleast_2d(np.cov(codes.T.astype(np.float64))) for codes in (first, second))
    values, vectors = np.linalg.eigh(one)
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    common = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ other @ root), 0)).sum()
    return max(0.0, float(apart + np.trace(one) + np.trace(other) - 2 * common))


@dataclass(frozen=True)
class Likeness:
    """How like real pictures of two classes made ones are, by Fréchet distances.

    Args:
        to_target: from the made pictures to real ones of the class they are to have.
        to_source: from the made pictures to real ones of the class they were made from.
        real: from real ones of one class to real ones of the other.
        floor: from one half of the real ones of the target class to the other half: what so few pictures make of no difference.
    """

    to_target: float
    to_source: float
    real: float
    floor: float

    @property
    def ratio(self) -> float:
        """Distance to the target over the distance of the classes: 0 = like real ones, 1 = as far as if nothing was done."""
        return self.to_target / self.real if self.real > 0 else math.nan


def likeness(made: Codes, source: Float[np.ndarray, "m d"], target: Float[np.ndarray, "k d"]) -> Likeness:
    """Measure `Likeness`; needs two made pictures, two real ones of the source class and four of the target class.

    Raises:
        RequestError: there are fewer.
    """
    return Likeness(
        to_target=frechet(made, target),
        to_source=frechet(made, source),
        real=frechet(source, target),
        floor=frechet(target[::2], target[1::2]),
    )
