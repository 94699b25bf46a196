"""Grad-CAM (Selvaraju et al., ICCV 2017) and Grad-CAM++ (Chattopadhay et al., WACV 2018)."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.core.attribution import Attribution
from seewhy.core.probe import Probe
from seewhy.core.target import Target, weight_matrix
from seewhy.methods._shared import enlarge, name_maps, reserve
from seewhy.methods.layers._feature_maps import Feature, Layout, check_layer, find

Weigh = Callable[[Feature, Feature], Float[Tensor, "n c"]]
"""Computes a weight for each channel from the activations and the gradient of the score with respect to them."""

_EPSILON = 1e-6
"""Keeps Grad-CAM++'s weights finite, as in common implementations."""


def grad_cam(probe: Probe, targets: Sequence[Target], *, layer: str | None = None) -> Attribution:
    """Sum the channels of a layer, each weighted by the mean gradient of the score with respect to it.

    With the activations A of the layer and the score y before the soft-max, the map is ``relu(Σ_c A_c · mean over
    positions of ∂y/∂A_c)`` (Selvaraju, Cogswell, Das, Vedantam, Parikh, Batra, ICCV 2017), upsampled bilinearly.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together; the in-fill is not used.
        targets: classes and contrasts; each costs one query.
        layer: name of the layer; auto: the last one whose output is a map of at least 2 × 2.

    Returns:
        Maps in units of the score, 0 or more: activation times gradient, at each position of the layer.

    Raises:
        RequestError: the layer does not exist or its output is not a map, or the budget is too small.

    Cost: ``2 + targets`` queries, one backward pass per target.
    """
    return _cam(probe, targets, layer, lambda _, gradient: gradient.mean((2, 3)))


def grad_cam_plus_plus(probe: Probe, targets: Sequence[Target], *, layer: str | None = None) -> Attribution:
    """Sum the channels of a layer, weighted by positive gradients, so that several objects of a class all count.

    With ``g = ∂y/∂A``, a position has the weight ``a = g² / (2 g² + g³ Σ_positions A)``, or 0 where g is 0. The
    channel has the weight ``Σ a · relu(g)``, and the map is ``relu(Σ_c weight_c A_c)`` (Chattopadhay, Sarkar,
    Howlader, Balasubramanian, WACV 2018). As in the paper, a is the closed form for the exponential of the score; the
    common factor is omitted.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together; the in-fill is not used.
        targets: classes and contrasts; each costs one query.
        layer: name of the layer; auto: the last one whose output is a map of at least 2 × 2.

    Returns:
        Maps in units of the score, 0 or more; larger than those of `grad_cam`, which averages over positions where
        this method sums.

    Raises:
        RequestError: the layer does not exist or its output is not a map, or the budget is too small.

    Cost: ``2 + targets`` queries, one backward pass per target.
    """
    return _cam(probe, targets, layer, _higher_order)


def _cam(probe: Probe, targets: Sequence[Target], layer: str | None, weigh: Weigh) -> Attribution:
    """Compute the map of each target from its own forward and backward pass."""
    check_layer(probe, layer)
    reserve(probe, 2 + len(targets), hint="fewer targets")
    weights = weight_matrix(targets, probe.prediction).float()
    where = find(probe, layer, stride=None)
    coarse = []
    for column in weights.T:
        features, gradient = _activations(probe, where, column)
        coarse.append((weigh(features, gradient)[0, :, None, None] * features[0]).sum(0).relu())
    values = name_maps(targets, enlarge(torch.stack(coarse).float(), probe.size))
    findings = [
        f"The map of {key} is 0 everywhere: no activation of {where.layer} raises the score; choose another layer."
        for key, map_ in values.items()
        if not map_.any()
    ]
    return Attribution(values, {}, "score", {"layer": where.layer}, "complete", findings=tuple(findings))


def _activations(probe: Probe, where: Layout, column: Float[Tensor, " k"]) -> tuple[Feature, Feature]:
    """Return the layer's output for the image, and the gradient of the score with respect to it."""
    kept: list[Tensor] = []

    def begin(output: Tensor) -> Tensor:
        kept.append(output.detach().requires_grad_())
        return kept[-1].clone()  # the next layer may modify its input in place

    with probe.watching(where.layer, begin):
        score = (probe.scores(probe.image[None]) @ column).sum()
    # adding 0 times the output gives a zero gradient, not an error, where the score does not depend on it
    (gradient,) = probe.gradient(score + 0 * kept[-1].sum(), kept[-1:], 1)
    return where.features(kept[-1].detach()), where.features(gradient)


def _higher_order(features: Feature, gradient: Feature) -> Float[Tensor, "n c"]:
    """Return Grad-CAM++'s channel weights."""
    square, total = gradient.square(), features.sum((2, 3), keepdim=True)
    share = square / (2 * square + total * gradient**3 + _EPSILON)
    return (share.where(gradient != 0, 0) * gradient.relu()).sum((2, 3))
