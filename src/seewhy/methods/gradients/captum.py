"""Input gradients: Integrated Gradients (Sundararajan et al., ICML 2017) and SmoothGrad (Smilkov et al., 2017)."""

import importlib
from collections.abc import Sequence
from types import ModuleType

import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.core.arrays import Images
from seewhy.core.attribution import Attribution, Map, as_map
from seewhy.core.errors import RequestError
from seewhy.core.probe import Probe
from seewhy.core.seeds import derive, normals
from seewhy.core.target import Target, weight_matrix
from seewhy.methods._shared import at_least, incompleteness, reserve, seeds


def integrated_gradients(probe: Probe, targets: Sequence[Target], *, steps: int = 50) -> Attribution:
    """Attribute the score difference between the image and a baseline to the pixels.

    The baseline b is the fully removed image, as the in-fill draws it; y is the score before the soft-max. The map is
    ``(x - b) · ∫ ∂y/∂x (b + t (x - b)) dt`` over t from 0 to 1, by Gauss-Legendre quadrature, summed over the colour
    channels (Sundararajan, Taly, Yan, ICML 2017). Computed by captum.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together.
        targets: classes and contrasts; each costs ``steps`` queries.
        steps: number of points on the path from the baseline to the image, 1 or more.

    Returns:
        Maps in units of the score, positive where the pixel raised it. A map sums to the score of the image minus
        that of the baseline (completeness); a finding reports a discrepancy of more than 5 %.

    Raises:
        RequestError: the extra ``captum`` is not installed, ``steps`` is not positive, or the budget is too small.

    Cost: ``3 + targets x steps`` queries, and ``targets x steps`` backward images.
    """
    at_least(steps=(steps, 1))
    reserve(probe, 3 + len(targets) * steps, hint="fewer steps or targets")
    attr = _captum()
    weights = weight_matrix(targets, probe.prediction).float()
    baseline = probe.fill(seeds(probe, 0))
    with torch.no_grad():
        now, before = probe.scores(torch.cat([probe.image[None], baseline])) @ weights
    values: dict[str, Map] = {}
    findings: list[str] = []
    for target, column, change in zip(targets, weights.T, (now - before).tolist(), strict=True):
        shares = _integrate(attr, probe, baseline, column, steps).double().sum(0)
        values[target.key] = as_map(shares)
        findings += incompleteness(target.key, "score", float(shares.sum()), change)
    return Attribution(values, {}, "score", {"steps": steps}, "complete", findings=tuple(findings))


def _captum() -> ModuleType:
    """Import captum's attribution methods."""
    try:
        return importlib.import_module("captum.attr")
    except ModuleNotFoundError as error:
        raise RequestError(
            "expected the package captum for integrated-gradients, got none installed; run: pip install 'seewhy[captum]'"
        ) from error


def _integrate(
    attr: ModuleType,
    probe: Probe,
    baseline: Images,
    column: Float[Tensor, " k"],
    steps: int,
) -> Float[Tensor, "c h w"]:
    """Run captum's Integrated Gradients; every image goes through the probe."""

    def score(images: Images) -> Float[Tensor, " n"]:
        return probe.scores(images) @ column

    def slope(*, inputs: tuple[Images, ...], **_: object) -> tuple[Tensor, ...]:
        return probe.gradient(score(*inputs).sum(), inputs, len(inputs[0]))

    captum = attr.IntegratedGradients(score)
    captum.gradient_func = slope  # replaces captum's own, so that backward passes are counted
    found = captum.attribute(probe.image[None], baseline, n_steps=steps, internal_batch_size=probe.batch_size)
    shares: Tensor = found[0].detach()
    return shares


def smoothgrad(probe: Probe, targets: Sequence[Target], *, samples: int = 50, sigma: float = 0.15) -> Attribution:
    """Average the gradient of the score over noisy copies of the image.

    The map is ``Σ_colours |mean over samples of ∂y/∂x (x + e)|`` with the score y before the soft-max and Gaussian
    noise e (Smilkov, Thorat, Kim, Viégas, Wattenberg, arXiv 1706.03825, 2017). The sign is dropped at the end, as in
    the paper's figures: a gradient tells how a pixel should change to raise the score, not whether the pixel supports
    the class.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together; the in-fill is not used.
        targets: classes and contrasts; each costs ``samples`` queries.
        samples: number of noisy copies, 1 or more.
        sigma: standard deviation of the noise, 0 or more, as a fraction of the image's range (maximum minus minimum).

    Returns:
        Maps in units of the score per unit of brightness, 0 or more. The noisy copies are not clipped to [0, 1].

    Raises:
        RequestError: a setting is out of range, or the budget is too small.

    Cost: ``1 + targets x samples`` queries, and ``targets x samples`` backward images.
    """
    at_least(samples=(samples, 1), sigma=(sigma, 0))
    reserve(probe, 1 + len(targets) * samples, hint="fewer samples or targets")
    weights = weight_matrix(targets, probe.prediction).float()
    values = {
        target.key: as_map(_smooth(probe, column, samples, sigma).abs().sum(0))
        for target, column in zip(targets, weights.T, strict=True)
    }
    return Attribution(values, {}, "score per brightness", {"samples": samples, "sigma": sigma}, "complete")


def _smooth(probe: Probe, column: Float[Tensor, " k"], samples: int, sigma: float) -> Float[Tensor, "c h w"]:
    """Return the mean gradient over the samples; all targets use the same noise."""
    image = probe.image
    scale = sigma * (image.max() - image.min())
    total = torch.zeros_like(image, dtype=torch.float64)
    for numbers in torch.split(torch.arange(samples, device=image.device), probe.batch_size):
        noise = normals(derive(probe.seed, numbers), image.numel()).view(-1, *image.shape)
        images = (image + scale * noise).requires_grad_()
        score = (probe.scores(images) @ column).sum()
        total += probe.gradient(score, [images], len(images))[0].double().sum(0)
    return total / samples
