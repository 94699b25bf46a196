"""Counterfactual generators of a stable and an adversarial image from an input image (Charachon et al., FGCS 132, 2022).

``seewhy train counterfactual`` trains them once per classifier.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, final

import torch
from torch import Tensor, nn

from seewhy.core.arrays import Images
from seewhy.nets.checkpoints import Card, fixed_seed, load_network, write_checkpoint
from seewhy.nets.translator import Critic, Norm, Planes, UNet

Arm = Literal["syce", "cyce", "sagen"]
"""``syce``: symmetric and cyclic; ``cyce``: cyclic; ``sagen``: two heads, no discriminator, a control after an earlier paper."""

TENSORS = "counterfactual.safetensors"

REMEDY = (
    "train one with: seewhy train counterfactual IMAGES --classifier SPEC --out FOLDER, and use "
    "counterfactual:weights=FOLDER"
)

USUAL_WIDTHS = (16, 32, 64)
"""Number of channels of each level in the authors' generators."""

CRITIC_WIDTHS = (16, 32, 48)
"""Channels of each level of a critic, half of those in the authors' code."""

LOWEST_VARIETY = 0.5
"""Generated images are reported as a mode collapse below this variety, a fraction of the variety of real images."""

_DEEPEST = 8  # maximum side of the deepest level of a default network, in pixels


class GeneratedBatch(NamedTuple):
    """Generated images.

    Args:
        adversarial: the image translated to the target class.
        stable: an image that keeps the source class. ``syce`` passes the adversarial image through the same generator
            again, ``sagen`` has a separate head, and ``cyce`` returns the input image.
        cycle: the adversarial image translated back by the generator of the opposite direction; None for ``sagen``.
    """

    adversarial: Images
    stable: Images
    cycle: Images | None


@final
class CounterfactualGenerators(nn.Module):
    """Counterfactual generators of stable and adversarial images, with one interface.

    With two classes there is one generator per source class, as in the paper. With more classes, all share one generator
    that is conditioned on the target class; its stable image and its cycle image are then identical.

    Args:
        arm: variant of the system.
        classes: indices of the classes that the generators were trained for.
        channels: 1 for gray images, 3 for colour images.
        size: height and width of the images, in pixels.
        widths: number of channels of each level of a generator; None for `usual_widths`.
        last: kernel size of the last convolution.
        residual: whether a generator outputs a change that is added to the image, instead of the image.
        norm: see `seewhy.nets.translator.Affine`.
        seed: seed of the initial weights.
    """

    def __init__(
        self,
        *,
        arm: Arm,
        classes: Sequence[int],
        channels: int,
        size: Sequence[int],
        widths: Sequence[int] | None = None,
        last: int = 3,
        residual: bool = True,
        norm: Norm = "instance",
        seed: int = 0,
    ) -> None:
        super().__init__()
        height, width = size
        self.arm, self.classes, self.channels, self.size = arm, tuple(classes), channels, (height, width)
        self.widths, self.last, self.residual, self.norm = (
            tuple(widths or usual_widths(self.size)),
            last,
            residual,
            norm,
        )
        conditions, heads = len(self.classes) if self.shared else 1, 2 if arm == "sagen" else 1
        count = 1 if self.shared or arm == "sagen" else 2
        with fixed_seed(seed):
            self.nets = nn.ModuleList(
                UNet(channels, self.widths, last=last, conditions=conditions, heads=heads, norm=norm)
                for _ in range(count)
            )
        if residual:
            for net in self.nets:
                net.begin_small()  # type: ignore[operator]

    @property
    def shared(self) -> bool:
        """Whether all classes share one generator."""
        return len(self.classes) > 2

    @property
    def settings(self) -> Card:
        """The constructor arguments that rebuild the same networks."""
        names = ("arm", "classes", "channels", "size", "widths", "last", "residual", "norm")
        return {name: getattr(self, name) for name in names}

    def forward(self, images: Images, source: int, target: int) -> GeneratedBatch:
        """Generate images of class ``target`` from images predicted as class ``source``; see `GeneratedBatch`."""
        planes = self.planes(images)
        first = self.edit(planes, source, target)
        if self.arm == "sagen":
            return GeneratedBatch(colour(first[1]), colour(first[0]), None)
        adversarial = first[0]
        cycle = self.back(adversarial, source, target)
        stable = planes if self.arm == "cyce" else self.undo(adversarial, source, target)
        return GeneratedBatch(colour(adversarial), colour(stable), colour(cycle))

    def planes(self, images: Images) -> Planes:
        """Reduce images to the channels of the generators."""
        return images if self.channels == 3 else images.mean(1, keepdim=True)

    def edit(self, planes: Planes, source: int, target: int) -> list[Planes]:
        """Translate images from the source to the target class: one image per head, in [0, 1]."""
        net, condition = self._net(source, target)
        drawn = net(planes, condition)
        return [_clip(planes + head) if self.residual else head.clamp(0, 1) for head in drawn]

    def undo(self, adversarial: Planes, source: int, target: int) -> Planes:
        """Apply the same generator again, which gives the stable image of ``syce`` (symmetry)."""
        return self.edit(adversarial, target, source)[0] if self.shared else self.edit(adversarial, source, target)[0]

    def back(self, adversarial: Planes, source: int, target: int) -> Planes:
        """Apply the generator of the opposite direction (cycle)."""
        return self.edit(adversarial, target, source)[0]

    def _net(self, source: int, target: int) -> tuple[UNet, int]:
        """Return the generator and its condition."""
        if self.shared:
            return self.nets[0], self.classes.index(target)  # type: ignore[return-value]
        return self.nets[self.classes.index(source) if len(self.nets) > 1 else 0], 0  # type: ignore[return-value]


def colour(planes: Planes) -> Images:
    """Expand gray images to three equal channels."""
    return planes.expand(-1, 3, -1, -1)


def _clip(planes: Planes) -> Planes:
    """Clip to [0, 1]; see `_Clip`."""
    clipped: Tensor = _Clip.apply(planes)  # type: ignore[no-untyped-call]
    return clipped


@final
class _Clip(torch.autograd.Function):
    """Clip to [0, 1]; for values out of range, only gradients that move them back into range are passed.

    If none were passed, as in the authors' code, a generator that starts out of range could not learn. If all were passed,
    a discriminator that prefers dark corners could push them down without limit.
    """

    @staticmethod
    def forward(ctx: Any, planes: Tensor) -> Tensor:  # noqa: ANN401 - torch's own
        """Clip to [0, 1]."""
        ctx.save_for_backward(planes)
        return planes.clamp(0, 1)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Tensor:  # noqa: ANN401 - torch's own
        """Zero the gradients that would move a value further out of range."""
        (planes,), (slope,) = ctx.saved_tensors, slopes
        outwards = ((planes < 0) & (slope > 0)) | ((planes > 1) & (slope < 0))
        return slope.masked_fill(outwards, 0)


def usual_widths(size: tuple[int, int], first: Sequence[int] = USUAL_WIDTHS) -> tuple[int, ...]:
    """Return the channels of each level: those of the first levels, and as many as the last one for each further level.

    Images of 28 × 28 have 16, 32 and 64 channels, those of 128 × 128 have 16, 32, 64, 64 and 64.
    """
    levels = 1 + math.ceil(math.log2(max(1, min(size) / _DEEPEST)))
    return (*first, *[first[-1]] * (levels - len(first)))


def build_critics(
    generators: CounterfactualGenerators, widths: Sequence[int] | None = None, *, seed: int
) -> nn.ModuleList:
    """Build the critics: one per class, or one conditional critic if the generators are shared."""
    count, kinds = (1, len(generators.classes)) if generators.shared else (2, 1)
    widths = widths or usual_widths(generators.size, CRITIC_WIDTHS)
    with fixed_seed(seed):
        return nn.ModuleList(Critic(generators.channels, generators.size, widths, kinds=kinds) for _ in range(count))


def save_generators(folder: Path, generators: CounterfactualGenerators, facts: Card) -> None:
    """Write weights and card; the card needs at least ``fingerprint`` and ``classifier``."""
    write_checkpoint(folder, TENSORS, generators.state_dict(), {**facts, "networks": generators.settings})


def load_generators(folder: Path, *, fingerprint: str) -> tuple[CounterfactualGenerators, Card]:
    """Read generators for the classifier with this fingerprint, and their card.

    Raises:
        RequestError: a file is missing or damaged, or belongs to another classifier.
    """
    return load_network(
        folder,
        TENSORS,
        lambda card: CounterfactualGenerators(**card["networks"]),
        what="generators",
        fingerprint=fingerprint,
        remedy=REMEDY,
    )
