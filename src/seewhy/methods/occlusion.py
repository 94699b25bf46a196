"""Occlusion: cover a window and watch the probability fall (Zeiler, Fergus, ECCV 2014)."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from seewhy.core.budget import Budget
from seewhy.core.errors import RequestError
from seewhy.core.maps import Maps
from seewhy.core.probe import Probe
from seewhy.core.target import Target, weight_matrix
from seewhy.methods.sweep import Answers, Score, Scores, plan, sweep

DEFAULT_SAMPLES = 4


def occlusion(
    probe: Probe,
    targets: Sequence[Target],
    *,
    size: int = 32,
    stride: int | None = None,
    samples: int | None = None,
) -> Maps:
    """Measure how much the probability of a class falls when a window is covered.

    The window's value is ``p(y|x) - mean over the samples of p(y | x with the window filled in)``; a pixel's value is the
    mean over the windows that cover it.

    Args:
        probe: the bound question.
        targets: classes and contrasts.
        size: side of a window, pixels.
        stride: step between windows, pixels, 1 to ``size``; auto: half of ``size``, or what the
            limits allow.
        samples: in-fills drawn for a window; auto: 1 where the in-fill is the same every time, else 4, or what the
            budget allows from 2 to 8.

    Returns:
        Maps in differences of probability, -1 to 1: positive supports the class. Standard errors where there are at
        least two samples.

    Raises:
        RequestError: the settings do not fit the picture, or the budget does not cover the picture once.

    Cost: ``1 + windows x samples`` queries; 170 for a picture of 224 x 224 with the defaults.
    """
    if samples is not None and samples < 1:
        raise RequestError(f"expected samples >= 1, got {samples}")
    if stride is None and probe.budget == Budget():
        stride = max(1, size // 2)
    chosen = plan(probe, size=size, stride=stride, samples=samples, default_samples=DEFAULT_SAMPLES)
    settings: dict[str, object] = {"size": size, "stride": chosen.windows.stride, "samples": chosen.samples}
    return sweep(probe, chosen, targets, drop(probe.prediction, targets), unit="probability", settings=settings)


def drop(prediction: Float[Tensor, " k"], targets: Sequence[Target]) -> Score:
    """Make the function that turns the answers for some windows into falls of probability and their variance."""
    weights = weight_matrix(targets, prediction)

    def score(answers: Answers) -> tuple[Scores, Scores | None]:
        falls = (prediction - answers) @ weights
        samples = answers.shape[1]
        variance = falls.var(1).cpu().numpy() / samples if samples > 1 else None
        return falls.mean(1).cpu().numpy(), variance

    return score
