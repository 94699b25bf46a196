"""The classifier contract: the one door to the black box."""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seewhy.core.access import Access
from seewhy.core.arrays import Images, Probabilities
from seewhy.core.view import View

Color = tuple[float, float, float]
IMAGENET_MEAN: Color = (0.485, 0.456, 0.406)
"""The mean colour of ImageNet's training pictures, RGB in [0, 1]: the usual "gray"."""


@runtime_checkable
class Classifier(Protocol):
    """Anything that turns ``(n, c, h, w)`` pictures in [0, 1] into ``(n, k)`` probabilities.

    Preprocessing, channel order, device and framework live behind this door. Attributes, all read-only:

    * ``name``: what results call it.
    * ``spec``: the text that opens it again with `seewhy.classifier`, or None where only its caller can.
    * ``labels``: one name a class, or None when the caller gave none.
    * ``view``: how a user's picture becomes the input.
    * ``access``: what the classifier lets us see.
    * ``fingerprint``: changes when the weights or the preprocessing do.
    * ``mean_color``: the mean colour of its training pictures, RGB in [0, 1].
    * ``device``: where it wants its pictures.
    * ``runtime``: what computes it, for the record.
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
        """Return class probabilities, one row a picture.

        Args:
            images: ``(n, 3, h, w)`` float32 in [0, 1], RGB, on ``device``.
        """
        ...


Scores = Float[Tensor, "n k"]
"""Class scores before the soft-max (logits), or the logarithm of the probabilities where a network gives no logits."""


@runtime_checkable
class Differentiable(Protocol):
    """What a classifier with `Access.GRADIENTS` or more offers beside the contract of `Classifier`."""

    def scores(self, images: Images) -> Scores:
        """Return scores whose soft-max is what the classifier answers; a gradient can be taken through them.

        Args:
            images: ``(n, 3, h, w)`` float32 in [0, 1], RGB, on ``device``.
        """
        ...


@runtime_checkable
class Open(Protocol):
    """What a classifier with `Access.INTERNALS` offers beside `Differentiable`."""

    @property
    def module(self) -> nn.Module:
        """The network that runs whenever `Differentiable.scores` is called; its layers can be watched and changed."""
        ...
