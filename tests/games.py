"""Classifiers with known outputs that record their queries, and synthetic images."""

from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from seewhy.core.access import Access
from seewhy.core.view import View
from seewhy.training.sampler.photos import is_held_out


@dataclass(eq=False)
class Game:
    """A classifier whose logits are a closed form of the image; it records every batch it receives."""

    logits: "torch.nn.Module | object"
    classes: int = 3
    labels: tuple[str, ...] | None = None
    view: View = field(default_factory=View.native)
    access: Access = Access.PROBABILITIES
    name: str = "game"
    spec: str | None = None
    fingerprint: str = "game"
    mean_color: tuple[float, float, float] = (0.485, 0.456, 0.406)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    runtime: str = "test"
    seen: list[Tensor] = field(default_factory=list)

    def __call__(self, images: Tensor) -> Tensor:
        """Return the softmax of the closed form, in float64."""
        self.seen.append(images.clone())
        return torch.softmax(self.logits(images.double()), dim=1)  # type: ignore[operator]


@dataclass(eq=False)
class OpenGame:
    """A differentiable network with accessible layers that records every image it receives."""

    module: nn.Module
    labels: tuple[str, ...] | None = None
    view: View = field(default_factory=View.native)
    access: Access = Access.INTERNALS
    name: str = "open game"
    spec: str | None = None
    fingerprint: str = "open game"
    mean_color: tuple[float, float, float] = (0.485, 0.456, 0.406)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    runtime: str = "test"
    seen: list[Tensor] = field(default_factory=list)

    def scores(self, images: Tensor) -> Tensor:
        """Return logits with an autograd graph."""
        self.seen.append(images.detach().clone())
        answer: Tensor = self.module(images)
        return answer

    def __call__(self, images: Tensor) -> Tensor:
        """Return the softmax of the logits."""
        return torch.softmax(self.scores(images), dim=1)


class PixelNet(nn.Module):
    """`pixel_logits` as a network with a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.look = nn.Conv2d(3, 3, 1, bias=False)
        with torch.no_grad():
            self.look.weight.copy_(torch.eye(3)[:, :, None, None])
        self.requires_grad_(requires_grad=False).eval()

    def forward(self, images: Tensor) -> Tensor:
        """Return logits as `pixel_logits` does."""
        return pixel_logits(self.look(images))


def pixel_logits(images: Tensor) -> Tensor:
    """Return logits: class 0 depends on pixel (2, 3) only, class 1 on pixel (9, 9) only, class 2 on nothing."""
    zero = images[:, 0, 2, 3] * 3
    one = images[:, 1, 9, 9] * 2
    return torch.stack([zero, one, torch.zeros_like(zero)], dim=1)


def small_cnn(classes: int = 5, seed: int = 0) -> nn.Module:
    """Return a small random convolutional network whose output depends on the whole image."""
    generator = torch.Generator().manual_seed(seed)
    layers = nn.Sequential(
        nn.Conv2d(3, 8, 5, stride=2),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(64, classes),
    )
    with torch.no_grad():
        for parameter in layers.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.25)
    return layers.requires_grad_(requires_grad=False).eval()


def tall_cnn(classes: int = 3) -> nn.Module:
    """Return a random network with costly first layers on a large map; a small window changes little of it."""
    torch.manual_seed(0)
    last = nn.Linear(4, classes)
    nn.init.normal_(last.weight, std=9.0)
    first = (nn.Conv2d(3, 32, 3, 2, 1), nn.ReLU(), nn.Conv2d(32, 4, 3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(*first, last).eval()


def picture(height: int = 20, width: int = 17, seed: int = 1) -> Tensor:
    """Return a random 8-bit image, ``(3, height, width)`` in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (3, height, width), generator=generator).float() / 255


def smooth_photos(folder: Path) -> Path:
    """Fill a folder with smooth colour images, at least one of them held out; lossless bitmaps avoid codec effects."""
    rng, held = np.random.default_rng(0), 0
    for number in count():
        coarse = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        path = folder / f"{number}.bmp"
        cv2.imwrite(str(path), cv2.resize(coarse, (80, 60), interpolation=cv2.INTER_CUBIC))
        held += is_held_out(path.read_bytes())
        if number >= 8 and held:
            break
    return folder
