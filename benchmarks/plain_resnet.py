"""A network of ResNet-50's size and shape with random weights (He, Zhang, Ren, Sun, CVPR 2016), for speed tests only.

Use it with ``--classifier 'python:object=plain_resnet:network,size=224'``. It has 25.6 million weights and needs 4.1
billion multiplications per image of 224 × 224.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Bottleneck(nn.Module):
    """A bottleneck block: reduce the channels, convolve, expand them, and add the input."""

    def __init__(self, entering: int, inner: int, stride: int) -> None:
        super().__init__()
        leaving = 4 * inner
        self.body = nn.Sequential(
            *_step(entering, inner, 1), nn.ReLU(), *_step(inner, inner, 3, stride), nn.ReLU(), *_step(inner, leaving, 1)
        )
        same = entering == leaving and stride == 1
        self.beside = nn.Identity() if same else nn.Sequential(*_step(entering, leaving, 1, stride))

    def forward(self, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d a b"]:
        """Compute the block."""
        return torch.relu(self.body(maps) + self.beside(maps))


def _step(entering: int, leaving: int, side: int, stride: int = 1) -> tuple[nn.Module, nn.Module]:
    """Return a convolution and its batch norm."""
    return nn.Conv2d(entering, leaving, side, stride, side // 2, bias=False), nn.BatchNorm2d(leaving)


def resnet50() -> nn.Module:
    """Return the network in evaluation mode, with the same weights every time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        blocks: list[nn.Module] = []
        channels = 64
        for stage, depth in enumerate((3, 4, 6, 3)):
            for place in range(depth):
                blocks.append(Bottleneck(channels, 64 * 2**stage, 2 if stage > 0 and place == 0 else 1))
                channels = 256 * 2**stage
        return nn.Sequential(
            *_step(3, 64, 7, 2),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, 1),
            *blocks,
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(channels, 1000),
        ).eval()


network = resnet50()
"""The network that ``--classifier`` refers to."""
