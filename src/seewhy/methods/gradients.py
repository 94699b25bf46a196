"""Gradients at the input: Integrated Gradients (Sundararajan et al., ICML 2017), SmoothGrad (Smilkov et al., 2017)."""

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.core.arrays import Images
from seewhy.core.errors import RequestError
from seewhy.core.maps import Maps
from seewhy.core.probe import Probe
from seewhy.core.seeds import derive, normals
from seewhy.core.target import Target, weight_matrix

_GAP = 0.05
"""Integrated Gradients says so when its map misses the change of the score by more than this part of it."""


def integrated_gradients(probe: Probe, targets: Sequence[Target], *, steps: int = 50) -> Maps:
    """Share the change of the score between the baseline and the picture out to the pixels.

    With the baseline b, here what the in-fill puts where everything is removed, and the score y before the soft-max:
    ``(x - b) · ∫ ∂y/∂x (b + t (x - b)) dt`` over t from 0 to 1, by Gauss-Legendre, summed over the colours (Sundararajan,
    Taly, Yan, ICML 2017). Computed by captum.

    Args:
        probe: the bound question.
        targets: classes and contrasts; each costs ``steps`` queries.
        steps: points on the way from the baseline to the picture.

    Returns:
        Maps in units of the score, positive where the pixel raised it. A map sums to the score of the picture less that of the
        baseline (completeness); a finding says so where it misses by more than a twentieth.

    Raises:
        RequestError: the extra ``captum`` is not installed, ``steps`` is not positive, or the budget is too small.

    Cost: ``3 + targets x steps`` queries, and ``targets x steps`` pictures backward.
    """
    _check("steps", steps)
    total = 3 + len(targets) * steps
    probe.affordable(total, smallest=total, hint="fewer steps or targets")
    probe.plan(total)
    weights = weight_matrix(targets, probe.prediction).float()
    baseline = probe.fill(derive(probe.seed, torch.zeros(1, dtype=torch.int64, device=probe.image.device)))
    with torch.no_grad():
        now, before = probe.scores(torch.cat([probe.image[None], baseline])) @ weights
    values, findings = {}, []
    for target, column, change in zip(targets, weights.T, (now - before).tolist(), strict=True):
        shares = _integrate(probe, baseline, column, steps).double().sum(0)
        values[target.key] = shares.float().cpu().numpy()
        if abs(float(shares.sum()) - change) > _GAP * abs(change):
            findings.append(
                f"The map of {target.key} sums to {float(shares.sum()):.3g}, and the score changes by {change:.3g}: take more steps."
            )
    return Maps(values, {}, "score", {"steps": steps}, "complete", findings=tuple(findings))


def _integrate(probe: Probe, baseline: Images, column: Float[Tensor, " k"], steps: int) -> Float[Tensor, "c h w"]:
    """Have captum take the steps; every picture goes through the probe."""
    try:
        attr: Any = importlib.import_module("captum.attr")
    except ModuleNotFoundError as error:
        raise RequestError(
            "expected the package captum for integrated-gradients, got none installed; run: pip install 'seewhy[captum]'"
        ) from error

    def score(pictures: Images) -> Float[Tensor, " n"]:
        return probe.scores(pictures) @ column

    def slope(*, inputs: tuple[Images, ...], **_: object) -> tuple[Tensor, ...]:
        return probe.gradient(score(*inputs).sum(), inputs, len(inputs[0]))

    captum = attr.IntegratedGradients(score)
    captum.gradient_func = slope  # instead of captum's own: the account counts what goes backward
    found = captum.attribute(probe.image[None], baseline, n_steps=steps, internal_batch_size=probe.batch_size)
    shares: Tensor = found[0].detach()
    return shares


def smoothgrad(probe: Probe, targets: Sequence[Target], *, samples: int = 50, sigma: float = 0.15) -> Maps:
    """Average the gradient of the score over noisy copies of the picture.

    ``Σ_colours |mean over samples of ∂y/∂x (x + e)|`` with the score y before the soft-max and Gaussian noise e (Smilkov,
    Thorat, Kim, Viégas, Wattenberg, arXiv 1706.03825, 2017). The sign is dropped at the end, as in that paper's figures: a
    gradient says which way a pixel should change, not whether it speaks for the class.

    Args:
        probe: the bound question.
        targets: classes and contrasts; each costs ``samples`` queries.
        samples: noisy copies.
        sigma: the noise's standard deviation, as a part of the picture's own range from its least to its largest value.

    Returns:
        Maps in units of the score per unit of brightness, 0 or more. The noisy copies are not cut to [0, 1].

    Raises:
        RequestError: a setting is out of range, or the budget is too small.

    Cost: ``1 + targets x samples`` queries, and ``targets x samples`` pictures backward.
    """
    _check("samples", samples)
    if not sigma >= 0:
        raise RequestError(f"expected sigma >= 0, got {sigma}; 0.15 is usual")
    total = 1 + len(targets) * samples
    probe.affordable(total, smallest=total, hint="fewer samples or targets")
    probe.plan(total)
    weights = weight_matrix(targets, probe.prediction).float()
    values = {
        target.key: _smooth(probe, column, samples, sigma).abs().sum(0).cpu().numpy().astype(np.float32)
        for target, column in zip(targets, weights.T, strict=True)
    }
    return Maps(values, {}, "score per brightness", {"samples": samples, "sigma": sigma}, "complete")


def _smooth(probe: Probe, column: Float[Tensor, " k"], samples: int, sigma: float) -> Float[Tensor, "c h w"]:
    """Return the mean gradient over the samples; all targets see the same noise."""
    image = probe.image
    scale = sigma * (image.max() - image.min())
    total = torch.zeros_like(image, dtype=torch.float64)
    for numbers in torch.split(torch.arange(samples, device=image.device), probe.batch_size):
        noise = normals(derive(probe.seed, numbers), image.numel()).view(-1, *image.shape)
        pictures = (image + scale * noise).requires_grad_()
        score = (probe.scores(pictures) @ column).sum()
        total += probe.gradient(score, [pictures], len(pictures))[0].double().sum(0)
    return total / samples


def _check(name: str, value: int) -> None:
    """Refuse to average over nothing."""
    if value < 1:
        raise RequestError(f"expected {name} >= 1, got {value}; 50 is usual")
