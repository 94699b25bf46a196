"""Whether the input normalisation of a torch module fits it, by the statistics that its first batch norm learnt."""

from dataclasses import replace

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from seewhy.classifiers.module import TorchClassifier
from seewhy.classifiers.scaling import Scaling
from seewhy.core.arrays import Image
from seewhy.core.layers import watching

_USUAL = {
    "mean=0, std=1": Scaling(),
    "mean=0.5, std=0.5": Scaling((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "mean=0.485/0.456/0.406, std=0.229/0.224/0.225": Scaling((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "scale=255": Scaling(white=255.0),
    "mean=123.675/116.28/103.53": Scaling((123.675, 116.28, 103.53), white=255.0),
}
"""Input normalisations in use, as a user would write them, for RGB."""

_MISFIT, _FIT, _RATIO = 0.5, 0.4, 3.0
"""The given normalisation is suspected above the first divergence, if another is below the second and so many times smaller. On
60 photos each, five networks with the right normalisation were never suspected."""


def usual_scalings(channels: str) -> dict[str, Scaling]:
    """Return the usual normalisations by their settings, in the channel order of a network."""
    if channels == "rgb":
        return _USUAL
    return {_reversed(text): _turned(scaling) for text, scaling in _USUAL.items()}


def _reversed(text: str) -> str:
    """Write settings for the other channel order."""
    pairs = (setting.split("=") for setting in text.split(", "))
    return ", ".join(f"{name}={'/'.join(reversed(value.split('/')))}" for name, value in pairs)


def _turned(scaling: Scaling) -> Scaling:
    """Return a normalisation for the other channel order."""
    (a, b, c), (d, e, f) = scaling.mean, scaling.std
    return Scaling((c, b, a), (f, e, d), scaling.white)


def unlike_training(classifier: TorchClassifier, image: Image) -> str | None:
    """Return a warning if another usual normalisation fits the first batch norm far better; None for a module without one.

    Only the layers up to the batch norm run, once per normalisation.
    """
    name = _first_norm(classifier.module)
    if name is None:
        return None
    given = _divergence(classifier, name, image)
    others = {
        text: _divergence(replace(classifier, scaling=scaling), name, image)
        for text, scaling in usual_scalings(classifier.channels).items()
    }
    best = min(others, key=lambda text: others[text])
    if not (given > max(_MISFIT, _RATIO * others[best]) and others[best] < _FIT):
        return None
    return (
        f"the values of the input are unlike those of the training: batch norm {name!r} is off by {given:.2g} nats, and by "
        f"{others[best]:.2g} with {best}; check mean, std and scale, or pass these"
    )


def _first_norm(module: nn.Module) -> str | None:
    """Return the name of the first batch norm that learnt statistics."""
    for name, part in module.named_modules():
        if isinstance(part, _BatchNorm) and part.running_mean is not None and part.running_var is not None:
            fresh = bool((part.running_mean == 0).all()) and bool((part.running_var == 1).all())
            return None if fresh or not name else name
    return None


class _SeenError(Exception):
    """Ends a forward pass at a layer, with its output."""

    def __init__(self, output: Tensor) -> None:
        super().__init__("the forward pass ends here")
        self.output = output


def _stop(output: Tensor) -> Tensor:
    """End the forward pass."""
    raise _SeenError(output)


def _divergence(classifier: TorchClassifier, name: str, image: Image) -> float:
    """Return the Kullback-Leibler divergence of a batch norm's input from what it learnt, the median of its channels, in nats."""
    try:
        with watching(classifier.module, name, _stop):
            classifier.raw(image[None])
    except _SeenError as seen:
        return _from_standard(seen.output, classifier.module.get_submodule(name))
    return 0.0  # the batch norm does not run


def _from_standard(output: Tensor, norm: nn.Module) -> float:
    """Undo the affine part of a batch norm, and compare each channel with mean 0 and variance 1."""
    channels = output.detach().double().transpose(0, 1).flatten(1)
    if isinstance(norm, _BatchNorm) and norm.affine:
        weight, bias = norm.weight.detach().double(), norm.bias.detach().double()
        alive = weight.abs() > 1e-3
        channels = (channels[alive] - bias[alive, None]) / weight[alive, None]
    variance = channels.var(1).clamp_min(1e-12)
    divergence = (variance + channels.mean(1) ** 2 - 1 - variance.log()) / 2
    return float(divergence.median()) if len(divergence) else 0.0
