"""LIME on segments: a local linear model near the image (Ribeiro, Singh, Guestrin, KDD 2016)."""

from collections.abc import Sequence

import torch

from seewhy.core.attribution import Attribution
from seewhy.core.errors import RequestError
from seewhy.core.probe import Probe
from seewhy.core.target import Target, weight_matrix
from seewhy.images.regions import Shape, split
from seewhy.methods._shared import allow, name_maps, stop_reason
from seewhy.methods.sampling._linear import Fit, least_squares
from seewhy.methods.sampling._sampling_designs import Design, Outputs, ask_design, coin_tosses, even_samples


def lime(
    probe: Probe,
    targets: Sequence[Target],
    *,
    segments: int = 50,
    shape: Shape = "slic",
    samples: int = 1000,
    width: float = 0.25,
    ridge: float = 1.0,
) -> Attribution:
    """Fit a linear model of which segments are kept, giving more weight to queries that keep more.

    Each segment is kept with probability 1/2, and each query is followed by its complement. The weights are those of
    the authors' code: ``exp(-d² / (2 width²))``, with the cosine distance to the full image, ``d = 1 - sqrt(fraction
    kept)``. So is the ridge penalty, which does not apply to the intercept. Unlike in their code, the segments are
    SLIC's, removed parts are filled by the in-fill as in every other method, and all segments stay in the model.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together.
        targets: classes and contrasts.
        segments: approximate number of segments, 1 or more.
        shape: ``slic`` superpixels (needs scikit-image), parts of a ``tree`` grown from the picture, or cells of a ``grid``.
        samples: number of queries: an even number, at least the number of segments plus 2; the budget may reduce it.
        width: width of the kernel, above 0.
        ridge: penalty on the squared coefficients, 0 or more.

    Returns:
        Maps of probability: each pixel has the coefficient of its segment, undivided; positive supports the class.
        Standard errors cover the random choice of segments and hold even if the model is wrong; they do not include
        the shrinkage by the penalty.

    Raises:
        RequestError: a setting is out of range, scikit-image is missing for ``slic``, or the budget is less than one
            query per segment.

    Cost: ``1 + samples`` queries.
    """
    if width <= 0 or ridge < 0:
        raise RequestError(f"expected width > 0 and ridge >= 0, got {width} and {ridge}")
    labels = split(probe.image, segments, shape)
    count = int(labels.max()) + 1
    fewest = count + count % 2 + 2
    even_samples(samples, fewest, count)
    allowed = allow(probe, samples, fewest=fewest, hint="fewer segments", multiple=2)
    weights = weight_matrix(targets, probe.prediction)
    sets = coin_tosses(probe.seed, allowed // 2, count).to(labels.device)
    answers, why = ask_design(probe, sets, lambda rows: rows[:, labels], weights, fewest=fewest)
    answered = len(answers) // 2 * 2
    known = torch.cat([probe.prediction[None] @ weights, answers[:answered]])
    fit = local_model(torch.cat([sets.new_ones(1, count), sets[:answered]]), known, width=width, ridge=ridge)
    return Attribution(
        name_maps(targets, fit.slopes[1:].T[:, labels]),
        name_maps(targets, fit.errors()[1:].T[:, labels]),
        "probability",
        {"segments": segments, "shape": shape, "samples": answered, "width": width, "ridge": ridge},
        stop_reason(why, allowed, samples),
    )


def local_model(sets: Design, answers: Outputs, *, width: float, ridge: float) -> Fit:
    """Fit the weighted ridge regression to the full image, then pairs of complements; return the intercept, then slopes."""
    kept = sets.double()
    x = torch.cat([kept.new_ones(len(kept), 1), kept], dim=1)
    penalty = torch.full_like(x[0], ridge)
    penalty[0] = 0
    groups = (torch.arange(len(x), device=x.device) + 1) // 2
    nearness = torch.exp(-(((1 - kept.mean(1).sqrt()) / width) ** 2) / 2)  # to the full image
    return least_squares(x, answers, nearness, penalty, groups)
