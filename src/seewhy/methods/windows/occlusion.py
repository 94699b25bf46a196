"""Occlusion: cover a window and measure the drop in probability (Zeiler, Fergus, ECCV 2014)."""

from collections.abc import Sequence
from functools import partial

from jaxtyping import Float
from torch import Tensor

from seewhy.core.attribution import Attribution
from seewhy.core.probe import Probe
from seewhy.core.target import Target, weight_matrix
from seewhy.methods.windows._refine import refine
from seewhy.methods.windows._sweep import sweep
from seewhy.methods.windows._windows import Answers, Score, Scores, read_settings


def occlusion(
    probe: Probe,
    targets: Sequence[Target],
    *,
    size: int | tuple[int, ...] = 32,
    stride: int | None = None,
    samples: int | None = None,
) -> Attribution:
    """Measure how much the probability of a class drops when a window is covered.

    The value of a window is ``p(y|x) - mean over the samples of p(y | x with the window filled in)``. The value of a
    pixel is the mean over the windows that cover it.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together.
        targets: classes and contrasts.
        size: side of a window, pixels; with several sizes, as ``16+32+64``, the map is the mean over the sizes.
        stride: step between windows, pixels, 1 to ``size``; auto: the windows are chosen adaptively,
            denser where the map is least certain, and the mean over all windows is predicted from them.
        samples: in-fills drawn for each window, 1 or more; auto: 1 for a deterministic in-fill, else 2; with a stride
            4, or what the budget allows from 2 to 8.

    Returns:
        Maps of probability differences, -1 to 1: positive supports the class. Standard errors include the windows
        that were not queried; with a stride they cover only the variation of the in-fills, and need at least two
        samples.

    Raises:
        RequestError: the settings do not fit the image, or the budget does not cover the image once.

    Cost: without a budget four queries for each window of a tiling of the image, 197 at 224 x 224; with a stride ``1
    + windows x samples``.
    """
    sizes, drawn = read_settings(probe, size, stride, samples)
    settings: dict[str, object] = {"size": size, "stride": stride, "samples": drawn}
    score = drop(probe.prediction, targets)
    measure = refine if stride is None else partial(sweep, stride=stride)
    return measure(probe, targets, score, sizes=sizes, samples=drawn, unit="probability", settings=settings)


def drop(prediction: Float[Tensor, " k"], targets: Sequence[Target]) -> Score:
    """Return a function that converts the outputs for some windows to probability drops and their variances."""
    weights = weight_matrix(targets, prediction)

    def score(answers: Answers) -> tuple[Scores, Scores | None]:
        falls = (prediction - answers) @ weights
        samples = answers.shape[1]
        variance = falls.var(1).cpu().numpy() / samples if samples > 1 else None
        return falls.mean(1).cpu().numpy(), variance

    return score
