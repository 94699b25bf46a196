"""Wrap a ``torch.nn.Module`` as a classifier."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Unpack, final

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from seewhy.classifiers.answers import LabelLike, Outputs, Reading, Rows, as_rows, make_reading
from seewhy.classifiers.endings import Ending, ending_of_tensor
from seewhy.classifiers.labels import Labels, own_labels, read_labels
from seewhy.classifiers.scaling import Scale, Scaling, Triple, make_mean_color, make_scaling
from seewhy.classifiers.settings import (
    Channels,
    Described,
    check_choice,
    digest,
    read_device,
    tensor_bytes,
)
from seewhy.classifiers.views import ViewSettings, make_view
from seewhy.core.access import Access
from seewhy.core.arrays import Images, Probabilities
from seewhy.core.classifier import Scores
from seewhy.core.errors import ClassifierError
from seewhy.core.layers import copied
from seewhy.runtime.code import noting


@final
@dataclass(frozen=True, eq=False)
class TorchClassifier(Described):
    """A classifier that wraps a torch module; created by `from_module`, which describes the settings."""

    module: nn.Module
    dtype: torch.dtype
    scaling: Scaling
    reading: Reading
    channels: Channels
    access: Access = Access.INTERNALS

    @property
    def outputs(self) -> Outputs:
        """What the module returns."""
        return self.reading.outputs

    @property
    def network(self) -> nn.Module:
        """The full pipeline from images to probabilities as one module, for converters and compilers."""
        return _Network(self)

    @property
    def runtime(self) -> str:
        """Torch version, device and precision."""
        return f"torch {torch.__version__}, {self.device}, {str(self.dtype).removeprefix('torch.')}"

    def __call__(self, images: Images) -> Probabilities:
        """Return class probabilities; differentiable."""
        return self.reading.probabilities(self._answer(images), len(images))

    def scores(self, images: Images) -> Scores:
        """Return logits, or log-probabilities if the module returns probabilities; see `__call__`."""
        return self.reading.scores(self._answer(images), len(images))

    def raw(self, images: Images) -> Rows:
        """Return what the module returns."""
        return as_rows(self._answer(images), len(images))

    def observed(self, images: Images) -> tuple[Rows, Ending]:
        """Return what the module returns, and its last operations, which autograd records where it can."""
        weights = list(self.module.parameters())
        graph = not any(weight.is_inference() for weight in weights)
        frozen = bool(weights) and not any(weight.requires_grad for weight in weights)
        with torch.inference_mode(mode=not graph), torch.set_grad_enabled(graph):
            answer = self._answer(images.clone().requires_grad_(graph and frozen))
        return as_rows(answer.detach(), len(images)), ending_of_tensor(answer)

    def _answer(self, images: Images) -> Tensor:
        """Preprocess the images and run the module."""
        pixels = images.to(self.device)
        pixels = pixels.flip(1) if self.channels == "bgr" else pixels
        with noting(f"while the module {self.name} was called with images of shape {tuple(images.shape)}"):
            answer = self.module(self.scaling.apply(pixels).to(self.dtype))
        answer = _only(answer)
        if not isinstance(answer, Tensor):
            raise ClassifierError(
                f"expected the module to return one tensor, or logits by that name, got {_parts(answer)}; "
                "wrap the module in one that returns the class scores"
            )
        return answer


def _only(answer: object) -> object:
    """Return the logits of an answer with several parts, or its only part."""
    if isinstance(answer, Mapping):
        answer = answer.get("logits", next(iter(answer.values())) if len(answer) == 1 else answer)
    answer = getattr(answer, "logits", answer)
    return answer[0] if isinstance(answer, tuple | list) and len(answer) == 1 else answer


def _parts(answer: object) -> str:
    """Describe what a module returned."""
    names = list(answer) if isinstance(answer, Mapping) else getattr(answer, "_fields", ())
    if names:
        return f"{type(answer).__name__} of {', '.join(map(str, names))}"
    return f"{type(answer).__name__} of {len(answer)}" if isinstance(answer, tuple | list) else type(answer).__name__


@final
class _Network(nn.Module):
    """A classifier as a module, with its own module registered inside, so that copies include the weights."""

    def __init__(self, classifier: TorchClassifier) -> None:
        super().__init__()
        self.module = classifier.module
        self.classifier = classifier
        self.training = False  # without changing the mode of the submodules

    def forward(self, images: Images) -> Probabilities:
        """Run the classifier."""
        return self.classifier(images)


def from_module(
    module: nn.Module,
    *,
    labels: Labels | None = None,
    mean: Triple | None = None,
    std: Triple | None = None,
    scale: Scale = "auto",
    outputs: Outputs | None = None,
    label: LabelLike | None = None,
    channels: Channels = "rgb",
    device: str | torch.device | None = None,
    name: str | None = None,
    mean_color: Triple | None = None,
    **view: Unpack[ViewSettings],
) -> TorchClassifier:
    """Wrap a torch module as a classifier.

    Args:
        module: takes ``(n, 3, h, w)`` floats, returns ``(n, k)``; in eval mode.
        labels: the names of the classes; see `seewhy.classifiers.labels.read_labels`. None: those in the module's
            ``config.id2label``, as transformers keeps them, if it has any.
        mean: subtracted from the pixels, in the range that ``scale`` names and the order of ``channels``; None for 0.
        std: divisor after the subtraction; None for 1.
        scale: value of white before ``mean`` and ``std``: ``unit`` is 1, ``255`` is 255; ``auto`` is 255 for a mean above 1,
            otherwise 1.
        outputs: what the module returns: ``logits`` (a softmax is applied), ``probabilities``, ``log-probabilities``, or
            ``sigmoid`` for independent labels or the one probability of a yes/no class. One number per image is the
            class "yes" as opposed to "no". None for ``logits``, which the self-test checks.
        label: the one of several independent labels to explain, by name or index; the classes are then "not X" and "X".
        channels: channel order of the module's input.
        device: device to move the module to; None leaves it where it is.
        name: name shown in results; None for the name of the module's type.
        mean_color: mean colour of the training images, RGB in [0, 1]; None for ``mean`` if that is a valid colour,
            otherwise that of ImageNet.
        **view: ``size``, ``fit``, ``interpolation`` and the other settings of `seewhy.classifiers.views.ViewSettings`.

    Raises:
        RequestError: a setting is invalid, or the device is not available.
        ClassifierError: the module is in training mode.

    Example:
        >>> net = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2)).eval()
        >>> round(from_module(net, size=8)(torch.ones(1, 3, 8, 8)).sum().item(), 6)
        1.0
    """
    names = own_labels(module) if labels is None else read_labels(labels)
    reading = make_reading(outputs, "logits", names, label)
    check_choice("channels", channels, ("rgb", "bgr"))
    check_eval(module)
    place, scaling = read_device(device), make_scaling(mean, std, scale)
    rule = make_view(**view)
    module = _outside_inference_mode(module if place is None else module.to(place))
    kind = f"{type(module).__module__}.{type(module).__qualname__}"
    settings = (kind, rule, *scaling.identity, *reading.identity, channels)
    return TorchClassifier(
        module=module,
        name=name or type(module).__name__,
        labels=reading.names,
        view=rule,
        fingerprint=digest(*settings, *_state(module)),
        mean_color=make_mean_color(mean_color, scaling, channels),
        device=place or _reference_tensor(module).device,
        dtype=_reference_tensor(module).dtype,
        scaling=scaling,
        reading=reading,
        channels=channels,
    )


def _outside_inference_mode(module: nn.Module) -> nn.Module:
    """Copy a module that was made in inference mode: gradients cannot pass its weights."""
    inside = any(tensor.is_inference() for tensor in (*module.parameters(), *module.buffers()))
    return copied(module) if inside else module


def check_eval(module: nn.Module) -> None:
    """Reject a module whose output would be random or depend on the rest of the batch.

    Raises:
        ClassifierError: the module, or a dropout or batch norm layer inside it, is in training mode.
    """
    inside = [
        name for name, part in module.named_modules() if part.training and isinstance(part, _BatchNorm | _DropoutNd)
    ]
    if module.training or inside:
        where = f"{type(module).__name__}" if module.training else f"its submodule {inside[0]!r}"
        raise ClassifierError(f"expected a module in eval mode, got {where} in training mode; call model.eval()")


def _reference_tensor(module: nn.Module) -> Tensor:
    """Return a floating-point tensor of the module, which determines its device and precision."""
    tensors = [*module.parameters(), *module.buffers()]
    return next((tensor for tensor in tensors if tensor.is_floating_point()), torch.zeros(0))


def _state(module: nn.Module) -> list[object]:
    """List the names, types, shapes and bytes of all weights."""
    parts: list[object] = []
    for name, value in module.state_dict().items():
        tensor = isinstance(value, Tensor)
        parts += [name, value.dtype, tuple(value.shape), tensor_bytes(value)] if tensor else [name, value]
    return parts
