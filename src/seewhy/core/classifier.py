"""The interface that every classifier implements."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seewhy.core.access import Access
from seewhy.core.arrays import Images, Probabilities
from seewhy.core.view import View

Color = tuple[float, float, float]
IMAGENET_MEAN: Color = (0.485, 0.456, 0.406)
"""Mean colour of the ImageNet training images, RGB in [0, 1]; commonly used as "gray"."""


@runtime_checkable
class Classifier(Protocol):
    """A classifier that maps ``(n, c, h, w)`` images in [0, 1] to ``(n, k)`` class probabilities.

    Preprocessing, channel order, device and framework are handled inside the classifier. All attributes are read-only:

    * ``name``: what results call it.
    * ``spec``: the text that opens it again with `seewhy.classifier`, or None where only its caller can.
    * ``labels``: one name per class, or None if unknown.
    * ``view``: how a user's image is cropped and resized to the input.
    * ``access``: the access level, see `seewhy.core.access.Access`.
    * ``fingerprint``: a hash that changes when the weights or the preprocessing change.
    * ``mean_color``: mean colour of its training images, RGB in [0, 1].
    * ``device``: the device on which it expects its input.
    * ``runtime``: a description of the runtime, for the record.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def spec(self) -> str | None: ...  # noqa: D102

    @property
    def labels(self) -> tuple[str, ...] | None: ...  # noqa: D102

    @property
    def view(self) -> View: ...  # noqa: D102

    @property
    def access(self) -> Access: ...  # noqa: D102

    @property
    def fingerprint(self) -> str: ...  # noqa: D102

    @property
    def mean_color(self) -> Color: ...  # noqa: D102

    @property
    def device(self) -> torch.device: ...  # noqa: D102

    @property
    def runtime(self) -> str: ...  # noqa: D102

    def __call__(self, images: Images) -> Probabilities:
        """Return class probabilities, one row per image, for ``(n, 3, h, w)`` float32 in [0, 1], RGB, on ``device``."""
        ...


def class_name(labels: Sequence[str] | None, index: int) -> str:
    """Return the name of a class, with its index where two classes share the name; ``class INDEX`` where it has none.

    Example:
        >>> class_name(["crane", "dog", "crane"], 2)
        'crane (class 2)'
    """
    name = labels[index] if labels else ""
    if not (labels and name):
        return f"class {index}"
    return name if labels.count(name) == 1 else f"{name} (class {index})"


Scores = Float[Tensor, "n k"]
"""Class scores before the softmax (logits), or log-probabilities if the network outputs no logits."""


@runtime_checkable
class Differentiable(Protocol):
    """Additional interface of a classifier with `Access.GRADIENTS` or more."""

    def scores(self, images: Images) -> Scores:
        """Return differentiable scores whose softmax equals the probabilities that ``__call__`` returns."""
        ...


@runtime_checkable
class Open(Protocol):
    """Additional interface of a classifier with `Access.INTERNALS`, on top of `Differentiable`."""

    @property
    def module(self) -> nn.Module:
        """The network behind `Differentiable.scores`; hooks on its layers can read and change activations."""
        ...
