"""A ``torch.nn.Module`` as a classifier."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from seewhy.classifiers.settings import (
    Channels,
    Labels,
    Outputs,
    Scaling,
    Size,
    Triple,
    as_probabilities,
    check_choice,
    digest,
    make_mean_color,
    make_scaling,
    make_view,
    read_device,
    read_labels,
    tensor_bytes,
)
from seewhy.core.access import Access
from seewhy.core.arrays import Images, Probabilities
from seewhy.core.classifier import Color, Scores
from seewhy.core.errors import ClassifierError
from seewhy.core.view import Fit, View
from seewhy.runtime.notes import Noting


@final
@dataclass(frozen=True, eq=False)
class TorchClassifier:
    """A torch module behind the door; made by `from_module`.

    Args:
        module: takes ``(n, 3, h, w)``, returns ``(n, k)`` or an object with such ``logits``.
        name: what it is called in results.
        labels: one name a class, or None.
        view: how a user's picture becomes its input.
        fingerprint: SHA-256 of weights, settings and type.
        mean_color: of its training pictures, RGB in [0, 1].
        device: where its weights are.
        dtype: of its weights; pictures are brought to it.
        scaling: its own preprocessing.
        outputs: what the module returns.
        channels: the order that the module takes.
        spec: the text that opens it again, or None.

    Example:
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(12, 3)).eval()
        >>> from_module(net, size=2)(torch.zeros(5, 3, 2, 2)).shape
        torch.Size([5, 3])
    """

    module: nn.Module
    name: str
    labels: tuple[str, ...] | None
    view: View
    fingerprint: str
    mean_color: Color
    device: torch.device
    dtype: torch.dtype
    scaling: Scaling
    outputs: Outputs
    channels: Channels
    spec: str | None = None

    @property
    def access(self) -> Access:
        """Everything: its layers can be looked at."""
        return Access.INTERNALS

    @property
    def network(self) -> nn.Module:
        """The whole way from pictures to probabilities as one module, for converters and compilers."""
        return _Network(self)

    @property
    def runtime(self) -> str:
        """Torch, its version, the device and the precision."""
        return f"torch {torch.__version__}, {self.device}, {str(self.dtype).removeprefix('torch.')}"

    def __call__(self, images: Images) -> Probabilities:
        """Return class probabilities; a gradient can be taken through them.

        Args:
            images: ``(n, 3, h, w)`` float32 in [0, 1], RGB.

        Raises:
            ClassifierError: the module does not return one row a picture.
        """
        return as_probabilities(self._scores(images), len(images), self.outputs)

    def scores(self, images: Images) -> Scores:
        """Return logits, or the logarithm of the probabilities where the module gives those; see `__call__`."""
        raw = self._scores(images)
        probabilities = as_probabilities(raw, len(images), self.outputs)
        if self.outputs == "logits":
            return raw.flatten(1).float()
        return probabilities.clamp(min=torch.finfo(torch.float32).tiny).log()

    def _scores(self, images: Images) -> Tensor:
        """Preprocess and run the module."""
        pictures = images.to(self.device)
        pictures = pictures.flip(1) if self.channels == "bgr" else pictures
        with Noting(f"while the module {self.name} was called with pictures of shape {tuple(images.shape)}"):
            answer = self.module(self.scaling.apply(pictures).to(self.dtype))
        answer = getattr(answer, "logits", answer)
        if not isinstance(answer, Tensor):
            raise ClassifierError(
                f"expected the module to return a tensor or an object with .logits, got {type(answer).__name__}; "
                "wrap the module in one that returns the class scores"
            )
        return answer


@final
class _Network(nn.Module):
    """A classifier as a module, with its own module inside, so that copies and conversions find the weights."""

    def __init__(self, classifier: TorchClassifier) -> None:
        super().__init__()
        self.module = classifier.module
        self.classifier = classifier
        self.training = False  # and leave the parts as they are

    def forward(self, images: Images) -> Probabilities:
        """Preprocess, run the module, soft-max."""
        return self.classifier(images)


def from_module(
    module: nn.Module,
    *,
    labels: Labels | None = None,
    size: Size | None = None,
    short_side: int | None = None,
    fit: Fit = "crop",
    mean: Triple | None = None,
    std: Triple | None = None,
    outputs: Outputs = "logits",
    channels: Channels = "rgb",
    device: str | torch.device | None = None,
    name: str | None = None,
    mean_color: Triple | None = None,
) -> TorchClassifier:
    """Make a torch module a classifier.

    Args:
        module: takes ``(n, 3, h, w)`` floats, returns ``(n, k)``; in eval mode.
        labels: one name a class, or the path of a text file with one a line.
        size: side of its input, or (height, width), pixels; None shows it each picture at its own size.
        short_side: the picture's short side before the centre crop, pixels; None for just enough.
        fit: ``crop`` or ``stretch``.
        mean: taken off the pictures in [0, 1], in the order of ``channels``; None for 0.
        std: divided by after that; None for 1.
        outputs: ``logits`` (a soft-max is applied) or ``probabilities``.
        channels: the order that the module takes.
        device: moves the module there; None leaves it where its parameters are.
        name: what it is called in results; None for the name of its type.
        mean_color: of its training pictures, RGB in [0, 1]; None for ``mean`` where that is a colour, else ImageNet's.

    Raises:
        RequestError: a setting makes no sense, or the device is not here.
        ClassifierError: the module is in training mode.

    Example:
        >>> net = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2)).eval()
        >>> round(from_module(net, size=8)(torch.ones(1, 3, 8, 8)).sum().item(), 6)
        1.0
    """
    check_choice("outputs", outputs, ("logits", "probabilities"))
    check_choice("channels", channels, ("rgb", "bgr"))
    check_eval(module)
    place, scaling = read_device(device), make_scaling(mean, std)
    view = make_view(size, short_side, fit)
    module = module if place is None else module.to(place)
    kind = f"{type(module).__module__}.{type(module).__qualname__}"
    settings = (kind, view, scaling, outputs, channels)
    return TorchClassifier(
        module=module,
        name=name or type(module).__name__,
        labels=read_labels(labels),
        view=view,
        fingerprint=digest(*settings, *_state(module)),
        mean_color=make_mean_color(mean_color, scaling, channels),
        device=place or _home(module).device,
        dtype=_home(module).dtype,
        scaling=scaling,
        outputs=outputs,
        channels=channels,
    )


def check_eval(module: nn.Module) -> None:
    """Refuse a module whose answer would depend on chance or on the rest of the batch.

    Raises:
        ClassifierError: it, or a dropout or batch norm inside, is in training mode.

    Example:
        >>> check_eval(nn.Linear(1, 1).eval())
    """
    inside = [
        name for name, part in module.named_modules() if part.training and isinstance(part, _BatchNorm | _DropoutNd)
    ]
    if module.training or inside:
        where = f"{type(module).__name__}" if module.training else f"its part {inside[0]!r}"
        raise ClassifierError(f"expected a module in eval mode, got {where} in training mode; call model.eval()")


def _home(module: nn.Module) -> Tensor:
    """Return a floating tensor of the module, for its device and its precision."""
    tensors = [*module.parameters(), *module.buffers()]
    return next((tensor for tensor in tensors if tensor.is_floating_point()), torch.zeros(0))


def _state(module: nn.Module) -> list[object]:
    """List names, types, shapes and bytes of all weights."""
    parts: list[object] = []
    for name, value in module.state_dict().items():
        parts += (
            [name, value.dtype, tuple(value.shape), tensor_bytes(value)] if isinstance(value, Tensor) else [name, value]
        )
    return parts
