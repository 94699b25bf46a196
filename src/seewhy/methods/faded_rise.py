"""Faded RISE: random superpixels with soft edges, read by regression (after Pihlgren, Främling, IJCNN 2025)."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.core.errors import RequestError
from seewhy.core.maps import Maps
from seewhy.core.probe import Probe
from seewhy.core.target import Target, weight_matrix
from seewhy.methods.designs import Design, Outputs, ask_design
from seewhy.methods.lime import coin_tosses
from seewhy.methods.linear import Fit, least_squares
from seewhy.methods.segments import Labels, Shape, fade, split

_FEWEST = 8
"""Queries from which pairs have a scatter."""


def faded_rise(
    probe: Probe,
    targets: Sequence[Target],
    *,
    segments: int = 100,
    shape: Shape = "slic",
    samples: int = 1000,
    softness: float = 0.6,
) -> Maps:
    """Keep random superpixels with soft edges and find how much each adds to the score.

    Each segment is kept by the toss of a coin, each query followed by its complement, and what is kept is blurred with a Gaussian
    so that no edge is shown that is not in the picture. A segment's coefficient is that of a ridge regression of the
    score on what was kept: the covariance of the two over the variance, what the other segments explain taken off. A pixel
    gets the coefficients blurred the same way. Pihlgren and Främling found segments and soft edges to matter more
    than the formula of attribution; this combination is ours.

    Args:
        probe: the bound question.
        targets: classes and contrasts.
        segments: about how many the picture is cut into.
        shape: ``slic`` superpixels, or cells of a ``grid``, for which nothing need be installed.
        samples: queries, an even number; the budget may cut them.
        softness: standard deviation of the blur, in mean sides of a segment; 0 leaves the edges hard.

    Returns:
        Maps of probability, -1 to 1: how much keeping the segments around a pixel adds when each other one is there or not by
        the toss of a coin; positive supports the class. Standard errors of the draw; with few queries the ridge, worth
        ``segments / 2`` queries, also pulls the whole map towards 0.

    Raises:
        RequestError: a setting is out of range, scikit-image is missing for ``slic``, or the budget is less than 9 queries.

    Cost: ``1 + samples`` queries.
    """
    if softness < 0 or samples < _FEWEST or samples % 2:
        raise RequestError(
            f"expected softness >= 0 and an even number of samples >= {_FEWEST}, got {softness} and {samples}"
        )
    labels = split(probe.image, segments, shape)
    count = int(labels.max()) + 1
    sigma = softness * (labels.numel() / count) ** 0.5
    reach = (probe.affordable(1 + samples, smallest=1 + _FEWEST, hint="another method") - 1) // 2 * 2
    probe.plan(1 + reach)
    weights = weight_matrix(targets, probe.prediction)
    sets = coin_tosses(probe.seed, reach // 2, count).to(labels.device)
    answers, why = ask_design(
        probe, sets, lambda rows: fade(rows[:, labels], sigma), weights, fewest=_FEWEST, together=2
    )
    fit = effects(sets[: len(answers)], answers)
    keys, values = [target.key for target in targets], _soft(fit.slopes.T, labels, sigma)
    return Maps(
        dict(zip(keys, values.cpu().numpy(), strict=True)),
        {key: _soft_error(fit.covariance(i), labels, sigma).cpu().numpy() for i, key in enumerate(keys)},
        "probability",
        {"segments": segments, "shape": shape, "samples": len(answers), "softness": softness},
        why or ("queries" if reach < samples else "complete"),
    )


def effects(sets: Design, answers: Outputs) -> Fit:
    """Regress the answers on what was kept, with a ridge worth half as many queries as there are segments.

    Args:
        sets: which segments were kept, in pairs of complements.
        answers: to the sets.

    Returns:
        One row a segment.
    """
    x = sets.double() - 0.5  # with pairs every column has mean 0, so the intercept is the mean
    ridge = torch.full_like(x[0], x.shape[1] / 2 / 4)  # a toss of a coin has the variance 1/4
    return least_squares(
        x, answers - answers.mean(0), x.new_ones(len(x)), ridge, torch.arange(len(x), device=x.device) // 2
    )


def _soft(values: Float[Tensor, "n k"], labels: Labels, sigma: float) -> Float[Tensor, "n h w"]:
    """Give each pixel its segment's value and blur that as what was kept was blurred."""
    return fade(values.float()[:, labels], sigma)


def _soft_error(covariance: Float[Tensor, "k k"], labels: Labels, sigma: float) -> Float[Tensor, "h w"]:
    """Standard errors of the blurred values: covariance is a sum of squares of vectors, each of which is blurred."""
    power, vectors = torch.linalg.eigh(covariance)
    roots = (vectors * power.clamp(min=0).sqrt()).T
    squares = torch.zeros(labels.shape, device=labels.device)
    for some in roots.split(16):
        squares += _soft(some, labels, sigma).square().sum(0)
    return squares.sqrt()
