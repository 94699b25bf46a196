"""Statistics of generated images: their proximity to the input images, and their similarity to real images of a class."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.core.arrays import Images
from seewhy.results.audit_counterfactual import FrechetDistances

Codes = Float[np.ndarray, "n d"]
"""Codes of images from an embedding, one row per image."""

PerImage = Float[np.ndarray, " n"]


def change(first: Images, second: Images) -> Float[Tensor, "n h w"]:
    """Return the absolute difference of images, averaged over channels, 0 to 1: the map of the counterfactual generators."""
    return (first - second).abs().mean(1)


def proximity(first: Images, second: Images) -> tuple[PerImage, PerImage]:
    """Return the mean absolute (L1) and the root mean squared (L2) difference of each pair over pixels and channels, 0 to 1."""
    difference = (first.double() - second.double()).flatten(1)
    return difference.abs().mean(1).cpu().numpy(), difference.square().mean(1).sqrt().cpu().numpy()


def sparsity(first: Images, second: Images, *, tau: float) -> PerImage:
    """Return the fraction of pixels of each pair whose mean difference over channels exceeds ``tau``, 0 to 1."""
    return (change(first, second) > tau).double().flatten(1).mean(1).cpu().numpy()


def shift(first: Images, second: Images) -> tuple[PerImage, PerImage]:
    """Separate the part of the difference of images that is a uniform shift of each channel.

    Returns:
        For each pair, the mean square of the uniform part (a constant per channel) and the mean square of the whole
        difference. Their ratio, 0 to 1, is the share of the change that is a shift of brightness or colour.
    """
    difference = (second.double() - first.double()).flatten(2)
    even, every = difference.mean(2).square().mean(1), difference.square().mean((1, 2))
    return even.cpu().numpy(), every.cpu().numpy()


def spread(images: Images) -> float:
    """Return the mean absolute difference over all pairs of images, 0 to 1; NaN for fewer than two images."""
    flat = images.double().flatten(1)
    return float(torch.pdist(flat, p=1).mean()) / flat.shape[1]


def apart(first: Images, second: Float[Tensor, "m 3 h w"]) -> float:
    """Return the mean absolute difference of an image of one set and one of the other, 0 to 1; NaN where one is empty."""
    one, other = first.double().flatten(1), second.double().flatten(1)
    return float(torch.cdist(one, other, p=1).mean()) / one.shape[1]


def frechet(first: Codes, second: Float[np.ndarray, "m d"]) -> float:
    """Return the squared Fréchet distance of Gaussians fitted to two sets (Dowson, Landau, J. Multivariate Analysis, 1982).

    ``‖m₁ − m₂‖² + tr(C₁ + C₂ − 2 (C₁ C₂)^½)``, as used by Heusel et al. (NeurIPS 2017) for images. The trace of the root is
    the sum of the square roots of the eigenvalues of ``C₁^½ C₂ C₁^½``. The unit is the square of the embedding's unit, so
    only the ratio to the distance between real sets is meaningful. For small sets, of two rows or more, the distance is
    biased upwards.

    Example:
        >>> frechet(np.array([[0.0], [2.0]]), np.array([[3.0], [5.0]]))
        9.0
    """
    apart = np.square(first.mean(0, dtype=np.float64) - second.mean(0, dtype=np.float64)).sum()
    one, other = (np.atleast_2d(np.cov(codes.T.astype(np.float64))) for codes in (first, second))
    values, vectors = np.linalg.eigh(one)
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    common = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ other @ root), 0)).sum()
    return max(0.0, float(apart + np.trace(one) + np.trace(other) - 2 * common))


def frechet_distances(
    generated: Codes, source: Float[np.ndarray, "m d"], target: Float[np.ndarray, "k d"]
) -> FrechetDistances:
    """Compare generated images with real images of two classes; at least four of each."""
    to_target, real = frechet(generated, target), frechet(source, target)
    return FrechetDistances(
        to_target=to_target,
        to_source=frechet(generated, source),
        real=real,
        floor=frechet(target[::2], target[1::2]),
        ratio=to_target / real if real > 0 else None,
    )
