"""The generator and the discriminator of Charachon et al. (FGCS 2022).

Written from the description of the authors' released code. Their batch norm was never trained and acts as a factor and an
offset for each channel; here it is `Affine`, optionally after an instance norm. Their dropout was never active and is left
out.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

Planes = Float[Tensor, "n _ h w"]
"""Images or features with any number of channels."""

Norm = Literal["none", "instance"]
"""Normalisation of features before they are scaled and shifted."""

SMALL = 1e-3
"""Factor on the initial weights of the last layer, so that initial edits are small."""

_LEAK = 0.3  # negative slope of the discriminator's leaky ReLUs, as in the authors' framework


@final
class Affine(nn.Module):
    """A factor and an offset for each channel and condition.

    ``instance`` first normalises each channel of each image to mean 0 and standard deviation 1.
    """

    def __init__(self, channels: int, conditions: int, norm: Norm) -> None:
        super().__init__()
        self.norm = norm
        self.factor = nn.Parameter(torch.ones(conditions, channels))
        self.offset = nn.Parameter(torch.zeros(conditions, channels))

    def forward(self, features: Planes, condition: int) -> Planes:
        """Normalise if configured, then scale and shift."""
        features = functional.instance_norm(features) if self.norm == "instance" else features
        return features * self.factor[condition, :, None, None] + self.offset[condition, :, None, None]


@final
class Block(nn.Module):
    """An affine layer, a ReLU and a 3 × 3 convolution."""

    def __init__(self, before: int, after: int, conditions: int, norm: Norm) -> None:
        super().__init__()
        self.affine = Affine(before, conditions, norm)
        self.conv = _glorot(nn.Conv2d(before, after, 3, padding=1))

    def forward(self, features: Planes, condition: int) -> Planes:
        """Apply the layers."""
        edited: Planes = self.conv(self.affine(features, condition).relu())
        return edited


@final
class Chain(nn.Module):
    """A sequence of blocks; ``widths`` are the channels before the first one, then after each one."""

    def __init__(self, widths: Sequence[int], conditions: int, norm: Norm, *, residual: bool = False) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(before, after, conditions, norm) for before, after in pairwise(widths))
        self.residual = residual

    def forward(self, features: Planes, condition: int) -> Planes:
        """Apply the layers."""
        edited = features
        for block in self.blocks:
            edited = block(edited, condition)
        return edited + features if self.residual else edited


@final
class UNet(nn.Module):
    """The generator: a U-Net whose last features have the size of the image.

    ``widths`` are the channels of each level, from full size down; each level halves the sides. ``last`` is the kernel size
    of the last convolution: 1, as in the authors' code, leaves 2 × 2 block artefacts, and 3 avoids them. With several
    ``conditions`` the network learns as many edits; with several ``heads``, each has three convolutions and an image of its own.
    """

    def __init__(
        self,
        channels: int,
        widths: Sequence[int],
        *,
        last: int = 1,
        conditions: int = 1,
        heads: int = 1,
        norm: Norm = "none",
    ) -> None:
        super().__init__()
        first, *deeper = widths
        self.first = Chain((channels, first, first), conditions, norm)
        self.down = nn.ModuleList(Chain((before, after), conditions, norm) for before, after in pairwise(widths))
        self.rest = nn.ModuleList(Chain((width,) * 4, conditions, norm, residual=True) for width in deeper)
        self.up = nn.ModuleList()
        below = widths[-1]
        for width in reversed(widths[:-1]):
            self.up.append(Chain((below, width, width), conditions, norm))
            below = 2 * width
        self.heads = nn.ModuleList(_head(below, channels, last, alone=heads == 1) for _ in range(heads))

    @property
    def step(self) -> int:
        """The total downsampling factor: image side divided by feature side at the deepest level."""
        return 1 << len(self.down)

    def forward(self, pictures: Planes, condition: int) -> list[Planes]:
        """Return one image per head; values are not limited to [0, 1]."""
        height, width = pictures.shape[2:]
        pad = (0, -width % self.step, 0, -height % self.step)
        features = self.first(functional.pad(pictures, pad, mode="replicate") if any(pad) else pictures, condition)
        skips = [features]
        for down, rest in zip(self.down, self.rest, strict=True):
            features = rest(functional.max_pool2d(down(features, condition), 2), condition)
            skips.append(features)
        for up, skip in zip(self.up, reversed(skips[:-1]), strict=True):
            larger = functional.interpolate(up(features, condition), scale_factor=2.0, mode="nearest")
            features = torch.cat([skip, larger], 1)
        return [head(features)[:, :, :height, :width] for head in self.heads]

    def begin_small(self) -> None:
        """Scale down the last layer of each head, so that the output is nearly zero before training."""
        with torch.no_grad():
            for head in self.heads:
                head[-1].weight.mul_(SMALL)  # type: ignore[index]


@final
class Critic(nn.Module):
    """The discriminator: convolutions that halve the sides level by level, then one logit per kind of real image."""

    def __init__(self, channels: int, size: tuple[int, int], widths: Sequence[int], *, kinds: int = 1) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before, (height, width) = channels, size
        for after in widths:
            layers += [nn.LeakyReLU(_LEAK), _glorot(nn.Conv2d(before, after, 3, padding=1))]
            layers += [nn.LeakyReLU(_LEAK), _glorot(nn.Conv2d(after, after, 3, stride=2, padding=1))]
            before, height, width = after, (height + 1) // 2, (width + 1) // 2
        self.features = nn.Sequential(*layers)
        self.answer = nn.Linear(before * height * width, kinds)
        nn.init.xavier_uniform_(self.answer.weight)

    def forward(self, pictures: Planes, kind: int) -> Float[Tensor, " n"]:
        """Return a logit for each image: above 0 for real images of that kind."""
        answers: Tensor = self.answer(self.features(pictures).flatten(1))
        return answers[:, kind]


def _glorot(layer: nn.Conv2d) -> nn.Conv2d:
    """Initialise the weights as in the authors' framework, with zero bias."""
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.get_parameter("bias"))
    return layer


def _head(before: int, channels: int, last: int, *, alone: bool) -> nn.Sequential:
    """Build the layers from the last features to an image; with several heads, each has two extra layers."""
    if alone:
        return nn.Sequential(_glorot(nn.Conv2d(before, channels, last, padding=last // 2)))
    return nn.Sequential(
        _glorot(nn.Conv2d(before, 32, 3, padding=1)),
        _glorot(nn.Conv2d(32, 16, 3, padding=1)),
        _glorot(nn.Conv2d(16, channels, last, padding=last // 2)),
    )
