"""Path attribution between an image and its counterfactual (Charachon et al., iMIMIC 2021)."""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float64
from torch import Tensor

from seewhy.core.arrays import Image, blend
from seewhy.core.attribution import Attribution, as_map
from seewhy.core.errors import RequestError
from seewhy.core.probe import Probe
from seewhy.core.target import Target, weight_matrix
from seewhy.core.view import View
from seewhy.images.open import open_image
from seewhy.images.view import apply_view
from seewhy.methods._shared import at_least, incompleteness, reserve
from seewhy.methods.counterfactual._translation import flip_finding, translate

Weighting = Literal["output", "even"]


def counterfactual_path(
    probe: Probe,
    targets: Sequence[Target],
    *,
    weights: str | None = None,
    baseline: str | None = None,
    steps: int = 24,
    weighting: Weighting = "output",
    signed: bool = False,
) -> Attribution:
    """Weight the difference between an image and its counterfactual by the probability's gradients on the path between them.

    With the image x, its counterfactual ``x_a`` and the points ``g(l) = x + l (x_a - x)`` between them, the map is
    ``|x - x_a| Σ_l w(l) |∇f(g(l))|``, summed over the colour channels, with ``w(l) = |d f(g(l)) / dl|`` normalised to
    a sum of 1. This is our interpretation of Charachon et al., *Visual Explanation by Unifying Adversarial Generation
    and Feature Importance Attributions*, iMIMIC 2021. With ``weighting=even,signed=true`` it is Integrated Gradients
    (Sundararajan, Taly, Yan, ICML 2017) with the counterfactual as the baseline.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together; the in-fill is not used.
        targets: classes and contrasts, ``steps`` queries for each; with ``weights``, as for `counterfactual`.
        weights: folder written by ``seewhy train counterfactual`` for this classifier; its generator makes ``x_a``.
        baseline: image file to use as ``x_a`` instead; unchanged if it has the size of the image, else resized and
            cropped as the classifier's view does.
        steps: number of points on the path, 1 or more: the midpoints of equal intervals.
        weighting: ``output``, as above; or ``even``, equal weights.
        signed: keep the signs: ``(x - x_a) Σ_l w(l) ∇f(g(l))``, positive where the image supports the target.

    Returns:
        Maps of probability, 0 or more unless ``signed``. With ``weighting=even,signed=true`` a map sums to
        ``f(x) - f(x_a)``; a finding reports a discrepancy of more than 5 %.

    Raises:
        RequestError: not exactly one of ``weights`` and ``baseline`` is given, the file is not an image or has the
            wrong size, ``steps`` is not positive, the budget is too small, or a reason given for `counterfactual`
            applies.

    Cost: ``3 + targets x steps`` queries, and ``targets x steps`` backward images.
    """
    if (weights is None) == (baseline is None):
        raise RequestError(
            "expected either weights=FOLDER from seewhy train counterfactual or baseline=FILE with a counterfactual image, got "
            f"{'neither' if weights is None else 'both'}"
        )
    at_least(steps=(steps, 1))
    reserve(probe, 3 + len(targets) * steps, hint="fewer steps or targets")
    if baseline is None:
        made = translate(probe, targets, weights)
        name, end, other, notes = "adversarial", made.adversarial, made.other, made.notes
    else:
        name, end, other, notes = "baseline", _opened(probe, baseline), None, ()
    with torch.no_grad():
        ends = probe.scores(torch.stack([probe.image, end])).double().softmax(1)
    values, findings = {}, [flip_finding(probe, other, ends[1]), *notes]
    for target, column in zip(targets, weight_matrix(targets, probe.prediction).T, strict=True):
        shares = _shares(probe, end, column, steps, even=weighting == "even", signed=signed).sum(0)
        values[target.key] = as_map(shares)
        if weighting == "even" and signed:
            before, after = (ends @ column).tolist()
            findings += incompleteness(target.key, "probability", float(shares.sum()), before - after)
    settings = {"weights": weights, "baseline": baseline, "steps": steps, "weighting": weighting, "signed": signed}
    generated = {name: end.cpu().contiguous().numpy()}
    return Attribution(values, {}, "probability", settings, "complete", findings=tuple(findings), generated=generated)


def _opened(probe: Probe, path: str) -> Image:
    """Read a counterfactual from a file: unchanged if it has the image's size, else through the classifier's view."""
    picture = open_image(path)
    as_it_is = picture.pixels.shape[:2] == probe.size
    image, _ = apply_view(picture, View.native() if as_it_is else probe.classifier.view)
    if image.shape != probe.image.shape:
        rows, columns = probe.size
        raise RequestError(
            f"expected a baseline of {rows} x {columns} pixels, the size of the image, got {image.shape[1]} x "
            f"{image.shape[2]}; use the counterfactual image saved with an explanation of this image"
        )
    return image.to(probe.image)


def _shares(
    probe: Probe, end: Image, column: Float64[Tensor, " k"], steps: int, *, even: bool, signed: bool
) -> Float64[Tensor, "c h w"]:
    """Sum the weighted gradients along the path, and multiply by the difference between its ends."""
    difference = (probe.image - end).double()
    total, weight = torch.zeros_like(difference), 0.0
    for numbers in torch.split(torch.arange(steps, device=end.device), probe.batch_size):
        keep = (1 - (numbers + 0.5) / steps)[:, None, None].expand(-1, *probe.size)
        images = blend(probe.image, keep, end[None]).requires_grad_()
        output = (probe.scores(images).double().softmax(1) @ column).sum()
        slopes = probe.gradient(output, [images], len(images))[0].double()
        weights = torch.ones_like(slopes[:, 0, 0, 0]) if even else (slopes * difference).sum((1, 2, 3)).abs()
        total += torch.tensordot(weights, slopes if signed else slopes.abs(), 1)
        weight += float(weights.sum())
    mean = total / (weight or 1)  # all weights are 0 only if the output never changes: the gradients are 0 too
    return difference * mean if signed else difference.abs() * mean
