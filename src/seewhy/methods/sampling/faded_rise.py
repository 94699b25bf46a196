"""Faded RISE: random superpixels with soft edges and regression attribution (after Pihlgren, Främling, IJCNN 2025)."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.core.attribution import Attribution
from seewhy.core.probe import Probe
from seewhy.core.target import Target, weight_matrix
from seewhy.images.partition_tree import Labels
from seewhy.images.regions import Shape, split
from seewhy.methods._shared import allow, at_least, name_maps, stop_reason
from seewhy.methods.sampling._linear import Fit, least_squares
from seewhy.methods.sampling._sampling_designs import Design, Outputs, ask_design, coin_tosses, even_samples
from seewhy.methods.sampling._segments import fade

_FEWEST = 8
"""Minimum number of queries to estimate the variance between pairs."""


def faded_rise(
    probe: Probe,
    targets: Sequence[Target],
    *,
    segments: int = 100,
    shape: Shape = "slic",
    samples: int = 1000,
    softness: float = 0.6,
) -> Attribution:
    """Keep random superpixels with soft edges and estimate how much each adds to the score.

    Each segment is kept with probability 1/2, and each query is followed by its complement. The mask is blurred with
    a Gaussian, so that the perturbed image shows no edge that is not in the original. The coefficients of the
    segments come from a ridge regression of the score on which segments were kept, which adjusts each for the effect
    of the others. The map is the coefficients of the segments, blurred in the same way. Pihlgren and Främling found
    that segments and soft edges matter more than the attribution formula; this combination is ours.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together.
        targets: classes and contrasts.
        segments: approximate number of segments, 1 or more.
        shape: ``slic`` superpixels (needs scikit-image), parts of a ``tree`` grown from the picture, or cells of a ``grid``.
        samples: number of queries, an even number of at least 8; the budget may reduce it.
        softness: standard deviation of the blur in units of the mean segment side, 0 or more; 0 leaves the edges
            hard.

    Returns:
        Maps of probability, -1 to 1: how much keeping the segments around a pixel adds when every other segment is
        kept with probability 1/2; positive supports the class. Standard errors cover the random choice of segments.
        With few queries, the ridge penalty, equivalent to ``segments / 2`` queries, also shrinks the whole map
        towards 0.

    Raises:
        RequestError: a setting is out of range, scikit-image is missing for ``slic``, or the budget is less than 9
            queries.

    Cost: ``1 + samples`` queries.
    """
    at_least(softness=(softness, 0))
    labels = split(probe.image, segments, shape)
    count = int(labels.max()) + 1
    even_samples(samples, _FEWEST, count)
    sigma = softness * (labels.numel() / count) ** 0.5
    allowed = allow(probe, samples, fewest=_FEWEST, hint="another method", multiple=2)
    weights = weight_matrix(targets, probe.prediction)
    sets = coin_tosses(probe.seed, allowed // 2, count).to(labels.device)
    answers, why = ask_design(
        probe, sets, lambda rows: fade(rows[:, labels], sigma), weights, fewest=_FEWEST, together=2
    )
    fit = effects(sets[: len(answers)], answers)
    errors = torch.stack([_soft_error(fit.covariance(number), labels, sigma) for number in range(len(targets))])
    return Attribution(
        name_maps(targets, _soft(fit.slopes.T, labels, sigma)),
        name_maps(targets, errors),
        "probability",
        {"segments": segments, "shape": shape, "samples": len(answers), "softness": softness},
        stop_reason(why, allowed, samples),
    )


def effects(sets: Design, answers: Outputs) -> Fit:
    """Regress the outputs on which segments were kept, in pairs of complements; one row per segment.

    The ridge penalty is worth half as many queries as there are segments.
    """
    x = sets.double() - 0.5  # complementary pairs give each column mean 0, so the intercept is the mean
    ridge = torch.full_like(x[0], x.shape[1] / 2 / 4)  # a fair coin flip has variance 1/4
    return least_squares(
        x, answers - answers.mean(0), x.new_ones(len(x)), ridge, torch.arange(len(x), device=x.device) // 2
    )


def _soft(values: Float[Tensor, "n k"], labels: Labels, sigma: float) -> Float[Tensor, "n h w"]:
    """Give each pixel the value of its segment, blurred like the masks."""
    return fade(values.float()[:, labels], sigma)


def _soft_error(covariance: Float[Tensor, "k k"], labels: Labels, sigma: float) -> Float[Tensor, "h w"]:
    """Return standard errors of the blurred values; each eigenvector of the covariance matrix is blurred separately."""
    power, vectors = torch.linalg.eigh(covariance)
    roots = (vectors * power.clamp(min=0).sqrt()).T
    squares = torch.zeros(labels.shape, device=labels.device)
    for some in roots.split(16):
        squares += _soft(some, labels, sigma).square().sum(0)
    return squares.sqrt()
