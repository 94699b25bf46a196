"""Point-wise mutual information and information gain of a patch (Yi, Kim, Kim, Yoon, arXiv 2009.11150, 2020)."""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.core.errors import RequestError
from seewhy.core.maps import Maps
from seewhy.core.probe import Probe
from seewhy.core.target import Target, weight_matrix
from seewhy.methods.sweep import Answers, Score, Scores, plan, sweep

Correction = Literal["jackknife", "none"]

FLOOR = 1e-30
"""Added to every probability (and divided out again) so that the logarithm of an exact 0 stays finite, at about -69.

Far below what a float32 soft-max gives to any class that matters, so that the formulas hold to the last digit elsewhere.
"""

DEFAULT_SAMPLES = 4


def pmi(
    probe: Probe,
    targets: Sequence[Target],
    *,
    size: int = 8,
    stride: int | None = None,
    samples: int | None = None,
    correction: Correction | None = None,
) -> Maps:
    """Measure how much each patch supports each class, and how informative it is, with and without it.

    For a window i, p̄ᵢ(y) is the mean of p(y | x with the window filled in) over the samples. Then
    ``PMIᵢ(y) = log p(y|x) - log p̄ᵢ(y)`` and ``IGᵢ = Σ_y p(y|x) PMIᵢ(y) = KL(p(·|x) ‖ p̄ᵢ)``, in nats, logarithms in
    float64. A pixel's value is the mean over the windows that cover it. One query set answers every class, contrast and
    the information. ``size=8, stride=1, samples=8, correction=none`` is the setting of the paper's authors.

    With few samples both measures are too large by about ``Var[p(y)] / (2 N p̄(y)²)``; the jackknife (Quenouille, 1956;
    Efron, 1982) removes that term and gives the standard error. It needs two samples.

    Args:
        probe: the bound question.
        targets: classes, contrasts and the information.
        size: side of a window, pixels.
        stride: step between windows, pixels, 1 to ``size``; auto: ``size``, or as fine as the limits allow.
        samples: in-fills drawn for a window; auto: 4, or what the budget allows from 2 to 8. An in-fill that is the same
            every time is asked once.
        correction: ``jackknife`` or ``none``; auto: jackknife where there are two samples.

    Returns:
        Maps in nats: positive supports the class, negative opposes it; the information is non-negative but for the
        correction and its noise. Standard errors where there are at least two samples.

    Raises:
        RequestError: the settings do not fit the picture or each other, or the budget does not cover the picture once.

    Cost: ``1 + windows x samples`` queries; 3,137 for a picture of 224 x 224 with the defaults.
    """
    if samples is not None and samples < 1:
        raise RequestError(f"expected samples >= 1, got {samples}")
    chosen = plan(probe, size=size, stride=stride, samples=samples, default_samples=DEFAULT_SAMPLES)
    if correction is None:
        correction = "jackknife" if chosen.samples > 1 else "none"
    if correction == "jackknife" and chosen.samples < 2:
        raise RequestError("expected samples >= 2 for correction=jackknife, got 1; write correction=none")
    settings: dict[str, object] = {
        "size": size,
        "stride": chosen.windows.stride,
        "samples": chosen.samples,
        "correction": correction,
    }
    score = evidence(probe.prediction, targets, correction)
    return sweep(probe, chosen, targets, score, unit="nats", settings=settings)


def evidence(prediction: Float[Tensor, " k"], targets: Sequence[Target], correction: Correction) -> Score:
    """Make the function that turns the answers for some windows into evidence and its variance."""
    logs = _log(prediction)
    weights = weight_matrix(targets, prediction)

    def score(answers: Answers) -> tuple[Scores, Scores | None]:
        plain = (logs - _log(answers.mean(1))) @ weights
        samples = answers.shape[1]
        if samples == 1:
            return plain.cpu().numpy(), None
        rest = ((answers.sum(1, keepdim=True) - answers) / (samples - 1)).clamp(min=0)
        without_one = (logs - _log(rest)) @ weights
        center = without_one.mean(1)
        variance = (samples - 1) * (without_one - center[:, None]).square().mean(1)
        value = plain if correction == "none" else samples * plain - (samples - 1) * center
        return value.cpu().numpy(), variance.cpu().numpy()

    return score


def _log(probabilities: Float[Tensor, "*n k"]) -> Float[Tensor, "*n k"]:
    """Natural logarithm of probabilities that are kept off zero and still sum to 1, so that KL stays non-negative."""
    return torch.log((probabilities + FLOOR) / (1 + FLOOR * probabilities.shape[-1]))
