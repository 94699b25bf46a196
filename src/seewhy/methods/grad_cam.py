"""Grad-CAM (Selvaraju et al., ICCV 2017) and Grad-CAM++ (Chattopadhay et al., WACV 2018)."""

from collections.abc import Callable, Sequence

from jaxtyping import Float
from torch import Tensor

from seewhy.core.maps import Maps
from seewhy.core.probe import Probe
from seewhy.core.target import Target, weight_matrix
from seewhy.methods.inside import Feature, Layout, enlarge, find

Weigh = Callable[[Feature, Feature], Float[Tensor, "n c"]]
"""Activations and the gradient of the score by them → a weight for each channel."""


def grad_cam(probe: Probe, targets: Sequence[Target], *, layer: str | None = None) -> Maps:
    """Add up the channels of a layer, each weighted by how much the score rises with it on average.

    With the activations A of the layer and the score y before the soft-max: ``relu(Σ_c A_c · mean over places of ∂y/∂A_c)``
    (Selvaraju, Cogswell, Das, Vedantam, Parikh, Batra, ICCV 2017), enlarged bilinearly.

    Args:
        probe: the bound question.
        targets: classes and contrasts; each costs a query.
        layer: its name; auto: the last that puts out a map of at least 2 × 2.

    Returns:
        Maps in units of the score, 0 or more: an activation times the rise of the score by it, at one place of the layer.

    Raises:
        RequestError: there is no such layer, it puts out no map, or the budget is too small.

    Cost: ``2 + targets`` queries, one backward a target.
    """
    return _cam(probe, targets, layer, _mean_gradient)


def grad_cam_plus_plus(probe: Probe, targets: Sequence[Target], *, layer: str | None = None) -> Maps:
    """Add up the channels of a layer, each weighted by its positive gradients, so that several objects each count.

    With ``g = ∂y/∂A``: a place has the weight ``a = g² / (2 g² + g³ Σ_places A)``, 0 where g is 0; the channel has
    ``Σ a · relu(g)``, and the map is ``relu(Σ_c weight_c A_c)`` (Chattopadhay, Sarkar, Howlader, Balasubramanian, WACV 2018).
    As there, a is the closed form for the exponential of the score, whose common factor is left out.

    Args:
        probe: the bound question.
        targets: classes and contrasts; each costs a query.
        layer: its name; auto: the last that puts out a map of at least 2 × 2.

    Returns:
        Maps in units of the score, 0 or more; larger than those of `grad_cam`, which takes means where this takes sums.

    Raises:
        RequestError: there is no such layer, it puts out no map, or the budget is too small.

    Cost: ``2 + targets`` queries, one backward a target.
    """
    return _cam(probe, targets, layer, _higher_order)


def _cam(probe: Probe, targets: Sequence[Target], layer: str | None, weigh: Weigh) -> Maps:
    """Run target by target and weigh the channels."""
    total = 2 + len(targets)
    probe.affordable(total, smallest=total, hint="fewer targets")
    probe.plan(total)
    weights = weight_matrix(targets, probe.prediction).float()
    where = find(probe, layer, stride=None)
    values = {}
    for target, column in zip(targets, weights.T, strict=True):
        features, gradient = _look(probe, where, column)
        map_ = (weigh(features, gradient)[0, :, None, None] * features[0]).sum(0).relu()
        values[target.key] = enlarge(map_, probe.size)
    findings = [
        f"The map of {key} is 0 everywhere: nothing that {where.layer} puts out there raises the score; take another layer."
        for key, map_ in values.items()
        if not map_.any()
    ]
    return Maps(values, {}, "score", {"layer": where.layer}, "complete", findings=tuple(findings))


def _look(probe: Probe, where: Layout, column: Float[Tensor, " k"]) -> tuple[Feature, Feature]:
    """Return what the layer puts out for the picture, and the gradient of the score by it."""
    kept: list[Tensor] = []

    def begin(output: Tensor) -> Tensor:
        kept.append(output.detach().requires_grad_())
        return kept[-1].clone()  # the next layer may write over what it gets

    with probe.watching(where.layer, begin):
        score = (probe.scores(probe.image[None]) @ column).sum()
    # what the score does not depend on has the gradient 0 and is no error
    (gradient,) = probe.gradient(score + 0 * kept[-1].sum(), kept[-1:], 1)
    return where.features(kept[-1].detach()), where.features(gradient)


def _mean_gradient(features: Feature, gradient: Feature) -> Float[Tensor, "n c"]:
    """Grad-CAM's weights."""
    del features
    return gradient.mean((2, 3))


def _higher_order(features: Feature, gradient: Feature) -> Float[Tensor, "n c"]:
    """Grad-CAM++'s weights."""
    square, total = gradient.square(), features.sum((2, 3), keepdim=True)
    share = square / (2 * square + total * gradient**3 + _EPSILON)
    return (share.where(gradient != 0, 0) * gradient.relu()).sum((2, 3))


_EPSILON = 1e-6
"""Keeps Grad-CAM++'s share finite, as in its usual implementations."""
