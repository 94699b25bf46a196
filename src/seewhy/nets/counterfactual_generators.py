"""Generators that turn a picture of one class into a stable and an adversarial twin (Charachon et al., FGCS 132, 2022).

Trained once a classifier, by ``seewhy train counterfactual``, into ``counterfactual.safetensors`` and ``card.json``.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, final

import torch
from torch import Tensor, nn

from seewhy.core.arrays import Images
from seewhy.nets.carded import fill, read_carded, write_carded
from seewhy.nets.translator import Norm, Planes, UNet

Arm = Literal["syce", "cyce", "sagen"]
"""``syce``: symmetric and cyclic; ``cyce``: cyclic; ``sagen``: two heads and no critic, after the authors' earlier paper, a control."""

TENSORS = "counterfactual.safetensors"

REMEDY = (
    "train one with: seewhy train counterfactual PICTURES --classifier SPEC --out FOLDER, and give "
    "counterfactual:weights=FOLDER"
)
"""How to come by generators, for messages."""

USUAL_WIDTHS = (16, 32, 64)
"""Channels of the levels that the authors' generators have."""

_DEEPEST = 8  # pixels a side at the deepest level of a usual network, at most


class GeneratedBatch(NamedTuple):
    """What generators make of pictures; each ``(n, 3, h, w)`` in [0, 1].

    Args:
        adversarial: the picture as the other class.
        stable: the picture as it would be after the same treatment and its undoing; for ``cyce`` the picture itself.
        cycle: the adversarial picture brought back by the generator of the other class; None for ``sagen``.
    """

    adversarial: Images
    stable: Images
    cycle: Images | None


@final
class CounterfactualGenerators(nn.Module):
    """The generators of a trained folder behind one door; made by `build_generators`.

    Two classes have a generator each, named for the class of the pictures it is given, as in the paper. More classes share one
    that is told the class it is to make: its stable picture and its cycle are then the same.

    Args:
        arm: which of the three systems.
        classes: the classifier's indices that they were trained for.
        channels: 1 for gray pictures, 3 for colour.
        size: height and width of the pictures.
        widths: channels of each level of a generator.
        last: side of its last kernel.
        residual: whether it puts out a change that is added to the picture, and not the picture.
        norm: ``none`` or ``instance``; see `seewhy.nets.translator.Affine`.
    """

    def __init__(
        self,
        arm: Arm,
        classes: Sequence[int],
        channels: int,
        size: tuple[int, int],
        *,
        widths: Sequence[int],
        last: int,
        residual: bool,
        norm: Norm,
    ) -> None:
        super().__init__()
        self.arm, self.classes, self.channels, self.size = arm, tuple(classes), channels, size
        self.widths, self.last, self.residual, self.norm = tuple(widths), last, residual, norm
        shared = len(self.classes) > 2
        nets, conditions = (1, len(self.classes)) if shared else (2, 1)
        if arm == "sagen":
            nets, conditions = 1, conditions if shared else 1
        heads = 2 if arm == "sagen" else 1
        self.nets = nn.ModuleList(
            UNet(channels, widths, last=last, conditions=conditions, heads=heads, norm=norm) for _ in range(nets)
        )
        if residual:
            for net in self.nets:
                net.begin_small()  # type: ignore[operator]

    @property
    def shared(self) -> bool:
        """Whether one generator serves all classes."""
        return len(self.classes) > 2

    @property
    def settings(self) -> dict[str, Any]:
        """What builds the same networks again."""
        names = ("arm", "classes", "channels", "size", "widths", "last", "residual", "norm")
        return {name: getattr(self, name) for name in names}

    def forward(self, images: Images, source: int, target: int) -> GeneratedBatch:
        """Make the twins of pictures.

        Args:
            images: ``(n, 3, h, w)`` in [0, 1], all of the class ``source`` in the classifier's eyes.
            source: class index.
            target: the class that the adversarial pictures are to have.

        Cost: three passes of a generator, two for ``cyce``, one for ``sagen``.
        """
        planes = self.planes(images)
        first = self.edit(planes, source, target)
        if self.arm == "sagen":
            return GeneratedBatch(colour(first[1]), colour(first[0]), None)
        adversarial = first[0]
        cycle = self.back(adversarial, source, target)
        stable = planes if self.arm == "cyce" else self.undo(adversarial, source, target)
        return GeneratedBatch(colour(adversarial), colour(stable), colour(cycle))

    def planes(self, images: Images) -> Planes:
        """Reduce pictures to the channels that the generators work on."""
        return images if self.channels == 3 else images.mean(1, keepdim=True)

    def edit(self, planes: Planes, source: int, target: int) -> list[Planes]:
        """Turn pictures of one class into the other: one picture a head, in [0, 1]."""
        net, condition = self._net(source, target)
        drawn = net(planes, condition)
        return [_clip(planes + head) if self.residual else head.clamp(0, 1) for head in drawn]

    def undo(self, adversarial: Planes, source: int, target: int) -> Planes:
        """Apply the generator that made the pictures once more: the stable twin of ``syce`` (symmetry)."""
        return self.edit(adversarial, target, source)[0] if self.shared else self.edit(adversarial, source, target)[0]

    def back(self, adversarial: Planes, source: int, target: int) -> Planes:
        """Apply the generator of the other direction (cycle)."""
        return self.edit(adversarial, target, source)[0]

    def _net(self, source: int, target: int) -> tuple[UNet, int]:
        """Choose the generator, and what it is told."""
        if self.shared:
            return self.nets[0], self.classes.index(target)  # type: ignore[return-value]
        return self.nets[self.classes.index(source) if len(self.nets) > 1 else 0], 0  # type: ignore[return-value]


def colour(planes: Planes) -> Images:
    """Bring gray pictures to three equal channels."""
    return planes.expand(-1, 3, -1, -1)


def _clip(planes: Planes) -> Planes:
    """Clip to [0, 1]; see `_Clip`."""
    clipped: Tensor = _Clip.apply(planes)  # type: ignore[no-untyped-call]
    return clipped


@final
class _Clip(torch.autograd.Function):
    """Clip to [0, 1]; of what is out of range, only those gradients pass that bring it back.

    Where none passes, as the authors have it, a generator that begins out of range learns nothing; where all pass, a critic that
    likes dark corners pushes them down without end.
    """

    @staticmethod
    def forward(ctx: Any, planes: Tensor) -> Tensor:  # noqa: ANN401 - torch's own
        """Clip."""
        ctx.save_for_backward(planes)
        return planes.clamp(0, 1)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Tensor:  # noqa: ANN401 - torch's own
        """Stop what leads further out."""
        (planes,), (slope,) = ctx.saved_tensors, slopes
        outwards = ((planes < 0) & (slope > 0)) | ((planes > 1) & (slope < 0))
        return slope.masked_fill(outwards, 0)


def usual_widths(size: tuple[int, int], first: Sequence[int] = USUAL_WIDTHS) -> tuple[int, ...]:
    """Channels of each level, of which there are more for larger pictures, as wide as the last.

    Args:
        size: of the pictures.
        first: of the levels that there are in any case.

    Example:
        >>> usual_widths((28, 28)), usual_widths((128, 128))
        ((16, 32, 64), (16, 32, 64, 64, 64))
    """
    levels = 1 + math.ceil(math.log2(max(1, min(size) / _DEEPEST)))
    return (*first, *[first[-1]] * (levels - len(first)))


def build_generators(
    *,
    arm: Arm,
    classes: Sequence[int],
    channels: int,
    size: tuple[int, int],
    widths: Sequence[int] | None = None,
    last: int = 3,
    residual: bool = True,
    norm: Norm = "instance",
    seed: int = 0,
) -> CounterfactualGenerators:
    """Build untrained generators; for the arguments see `CounterfactualGenerators`.

    Args:
        arm: which of the three systems.
        classes: two or more class indices.
        channels: 1 or 3.
        size: of the pictures.
        widths: None for `usual_widths`.
        last: 1 or 3.
        residual: see `CounterfactualGenerators`.
        norm: see `CounterfactualGenerators`.
        seed: of the weights; torch's own generator is left as it was.

    Example:
        >>> twins = build_generators(arm="syce", classes=(3, 8), channels=1, size=(8, 8), widths=(4, 4))
        >>> [tuple(made.shape) for made in twins(torch.zeros(5, 3, 8, 8), 3, 8)]
        [(5, 3, 8, 8), (5, 3, 8, 8), (5, 3, 8, 8)]
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return CounterfactualGenerators(
            arm, classes, channels, size, widths=widths or usual_widths(size), last=last, residual=residual, norm=norm
        )


def save_generators(folder: Path, twins: CounterfactualGenerators, facts: dict[str, Any], weights: dict[str, Tensor] | None = None) -> None:
    """Write weights and card.

    Args:
        folder: it is created.
        twins: the trained generators.
        facts: for the card: at least ``fingerprint`` and ``classifier``.
        weights: to write in place of the generators' own, such as their moving average.
    """
    write_carded(folder, TENSORS, weights or twins.state_dict(), {**facts, "networks": twins.settings})


def load_generators(folder: Path, *, fingerprint: str) -> tuple[CounterfactualGenerators, dict[str, Any]]:
    """Read what `save_generators` wrote.

    Args:
        folder: where it lies.
        fingerprint: of the classifier that is explained.

    Returns:
        The generators, ready to answer, and their card.

    Raises:
        RequestError: a file is missing or damaged, or belongs to another classifier.
    """
    raw, card = read_carded(folder, TENSORS, what="generators", fingerprint=fingerprint, remedy=REMEDY)
    settings = dict(card["networks"])
    settings["size"] = tuple(settings["size"])
    return fill(build_generators(**settings), raw, what="generators", folder=folder, remedy=REMEDY), card
