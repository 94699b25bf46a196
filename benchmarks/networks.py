"""A second network for the scripts that compare methods: MobileNetV2, built from a file of float weights.

``mobilenet_v2(PATH)`` reads an ``.npz`` file with batch norm folded in: ``stem``, ``b0`` to ``b16`` with ``expand``,
``dw`` and ``project``, ``last`` and ``logits``, each with ``.w`` (out, in / groups, h, w) and ``.b``. The first logit
is a background class, which is dropped.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

import seewhy

_BLOCKS = ((1, 1), (6, 2), (6, 1), (6, 2), *((6, 1),) * 2, (6, 2), *((6, 1),) * 6, (6, 2), *((6, 1),) * 3)
"""Expansion and stride of each block."""


class _Convolution(nn.Module):
    """A convolution with TensorFlow's SAME padding, and optionally ReLU6."""

    def __init__(self, weight: Tensor, bias: Tensor, *, stride: int = 1, relu: bool = True) -> None:
        super().__init__()
        outputs, inputs, size, _ = weight.shape
        groups = outputs if inputs == 1 else 1
        self.conv = nn.Conv2d(inputs * groups, outputs, size, stride, groups=groups)
        self.conv.weight, self.conv.bias = nn.Parameter(weight), nn.Parameter(bias)
        self.padding = (0, 0, 0, 0) if size == 1 else (0, 1, 0, 1) if stride == 2 else (1, 1, 1, 1)
        self.act: nn.Module = nn.ReLU6() if relu else nn.Identity()

    def forward(self, pictures: Tensor) -> Tensor:
        """Pad, convolve, and apply the activation."""
        answer: Tensor = self.act(self.conv(functional.pad(pictures, self.padding)))
        return answer


class _Block(nn.Module):
    """An inverted residual block (Sandler, Howard, Zhu, Zhmoginov, Chen, CVPR 2018)."""

    def __init__(self, parts: nn.Sequential, *, residual: bool) -> None:
        super().__init__()
        self.parts, self.residual = parts, residual

    def forward(self, pictures: Tensor) -> Tensor:
        """Run the layers; add the input if the shapes are equal."""
        answer: Tensor = self.parts(pictures)
        return pictures + answer if self.residual else answer


def mobilenet_v2(path: Path) -> seewhy.Classifier:
    """Read the weights and return the network as a classifier of 1,000 ImageNet classes at 224 x 224."""
    with np.load(path) as stored:
        weights = {name: torch.from_numpy(stored[name]).float() for name in stored.files}

    def part(name: str, *, stride: int = 1, relu: bool = True) -> _Convolution:
        return _Convolution(weights[f"{name}.w"], weights[f"{name}.b"], stride=stride, relu=relu)

    layers: list[nn.Module] = [part("stem", stride=2)]
    for number, (expansion, stride) in enumerate(_BLOCKS):
        name = f"b{number}"
        parts = [part(f"{name}.expand")] if expansion > 1 else []
        parts += [part(f"{name}.dw", stride=stride), part(f"{name}.project", relu=False)]
        same = parts[0].conv.in_channels == parts[-1].conv.out_channels
        layers.append(_Block(nn.Sequential(*parts), residual=stride == 1 and same))
    kept = weights["logits.w"].flatten(1)[1:]
    head = nn.Linear(kept.shape[1], len(kept))
    head.weight, head.bias = nn.Parameter(kept), nn.Parameter(weights["logits.b"][1:])
    network = nn.Sequential(*layers, part("last"), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)
    labels = seewhy.classifier("efficientnet-lite0").labels
    return seewhy.classifier(
        network.requires_grad_(requires_grad=False).eval(),
        name="mobilenet-v2",
        size=224,
        short_side=256,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        labels=labels,
    )
