"""Pointwise mutual information and information gain of a patch (Yi, Kim, Kim, Yoon, arXiv 2009.11150, 2020)."""

from collections.abc import Sequence
from functools import partial
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.core.attribution import Attribution
from seewhy.core.errors import RequestError
from seewhy.core.probe import Probe
from seewhy.core.target import Target, complement_matrix, weight_matrix
from seewhy.methods.windows._refine import refine
from seewhy.methods.windows._sweep import sweep
from seewhy.methods.windows._windows import Answers, Score, Scores, read_settings

Correction = Literal["jackknife", "none"]

_FLOOR = 1e-30
"""Added to every probability, then renormalised, so that the logarithm of an exact 0 stays finite, at about -69.

It is far below what a float32 soft-max gives to any relevant class, so all other values are unchanged to the last
digit.
"""


def pmi(
    probe: Probe,
    targets: Sequence[Target],
    *,
    size: int | tuple[int, ...] = 8,
    stride: int | None = None,
    samples: int | None = None,
    correction: Correction | None = None,
) -> Attribution:
    """Measure how much each patch supports each class, and how informative it is, by predicting with and without it.

    For a window i, p̄ᵢ(y) is the mean of p(y | x with the window filled in) over the samples. Then ``PMIᵢ(y) = log
    p(y|x) - log p̄ᵢ(y)`` and ``IGᵢ = Σ_y p(y|x) PMIᵢ(y) = KL(p(·|x) ‖ p̄ᵢ)``, in nats, with logarithms in float64.
    The value of a pixel is the mean over the windows that cover it. The same queries serve every class, contrast,
    weight of evidence and the information. ``size=8, stride=1, samples=8, correction=none`` is the setting of the
    paper's authors.

    With few samples both measures are biased upwards by about ``Var[p(y)] / (2 N p̄(y)²)``; the jackknife
    (Quenouille, 1956; Efron, 1982) removes that term and gives the standard error. It needs two samples.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together.
        targets: classes, contrasts, weights of evidence and the information.
        size: side of a window, pixels; with several sizes, as ``8+16+32``, the map is the mean over the sizes.
        stride: step between windows, pixels, 1 to ``size``; auto: the windows are chosen adaptively,
            denser where the map is least certain, and the mean over all windows is predicted from them.
        samples: in-fills drawn for each window, 1 or more; auto: 2, or 1 if the budget is too small for 2; with a
            stride 4, or what the budget allows from 2 to 8. A deterministic in-fill is drawn once.
        correction: ``jackknife`` or ``none``; auto: jackknife if there are at least two samples.

    Returns:
        Maps in nats: positive supports the class, negative opposes it. The information is non-negative except for the
        correction and its noise. Standard errors include the windows that were not queried; with a stride they cover
        only the variation of the in-fills, and need at least two samples.

    Raises:
        RequestError: the settings do not fit the image or each other, or the budget does not cover the image once.

    Cost: without a budget four queries for each window of a tiling of the image, 3,137 at 224 x 224; with a stride
    ``1 + windows x samples``.
    """
    sizes, drawn = read_settings(probe, size, stride, samples)
    if correction is None:
        correction = "jackknife" if drawn > 1 else "none"
    if correction == "jackknife" and drawn < 2:
        raise RequestError("expected samples >= 2 for correction=jackknife, got 1; write correction=none")
    settings: dict[str, object] = {"size": size, "stride": stride, "samples": drawn, "correction": correction}
    score = evidence(probe.prediction, targets, correction)
    measure = refine if stride is None else partial(sweep, stride=stride)
    return measure(probe, targets, score, sizes=sizes, samples=drawn, unit="nats", settings=settings)


def evidence(prediction: Float[Tensor, " k"], targets: Sequence[Target], correction: Correction) -> Score:
    """Return a function that converts the outputs for some windows to evidence and its variance."""
    weights, against = weight_matrix(targets, prediction), complement_matrix(targets, prediction)
    odds = bool(against.any())

    def scale(answers: Float[Tensor, "*n k"]) -> Float[Tensor, "*n t"]:
        """Return each target's log score of a distribution; evidence is the difference of two such scores."""
        return _log(answers) @ weights + (_log(1 - answers) @ against if odds else 0)

    whole = scale(prediction)

    def score(answers: Answers) -> tuple[Scores, Scores | None]:
        plain = whole - scale(answers.mean(1))
        samples = answers.shape[1]
        if samples == 1:
            return plain.cpu().numpy(), None
        rest = ((answers.sum(1, keepdim=True) - answers) / (samples - 1)).clamp(0, 1)
        without_one = whole - scale(rest)
        center = without_one.mean(1)
        variance = (samples - 1) * (without_one - center[:, None]).square().mean(1)
        value = plain if correction == "none" else samples * plain - (samples - 1) * center
        return value.cpu().numpy(), variance.cpu().numpy()

    return score


def _log(probabilities: Float[Tensor, "*n k"]) -> Float[Tensor, "*n k"]:
    """Natural logarithm of probabilities kept above zero and still summing to 1, so that the KL stays non-negative."""
    return torch.log((probabilities + _FLOOR) / (1 + _FLOOR * probabilities.shape[-1]))
