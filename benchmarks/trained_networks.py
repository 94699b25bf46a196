"""Real networks for `self_test.py`, built from files of weights: SqueezeNet 1.0, and ResNets for CIFAR-10."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional


class SqueezeNet(nn.Module):
    """SqueezeNet 1.0 (Iandola and others, 2016) from arrays of weights by name; for BGR from 0 to 255 minus (104, 117, 123)."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        super().__init__()
        self.weights = weights
        self.eval()

    def _convolve(self, x: Tensor, name: str, stride: int = 1, padding: int = 0) -> Tensor:
        """Apply a convolution and a ReLU."""
        bias = self.weights[f"{name}.bias"].flatten()
        return torch.relu(functional.conv2d(x, self.weights[f"{name}.weight"], bias, stride, padding))

    def _fire(self, x: Tensor, number: int) -> Tensor:
        """Apply a fire module: squeeze, then expand in two ways."""
        squeezed = self._convolve(x, f"fire{number}/conv1x1_1")
        wide = self._convolve(squeezed, f"fire{number}/conv3x3_2", padding=1)
        return torch.cat([self._convolve(squeezed, f"fire{number}/conv1x1_2"), wide], 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of 1,000 classes."""
        x = functional.max_pool2d(self._convolve(x, "conv1", 2), 3, 2, ceil_mode=True)
        for number in range(2, 9):
            x = self._fire(x, number)
            x = functional.max_pool2d(x, 3, 2, ceil_mode=True) if number in {4, 8} else x
        last = next(name for name in self.weights if name.startswith("conv") and not name.startswith("conv1."))
        return self._convolve(self._fire(x, 9), last.rpartition(".")[0], padding=1).mean((2, 3))


class _Block(nn.Module):
    """A block of a ResNet for CIFAR: two convolutions beside a shortcut without weights."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.stride, self.added = (1, 0) if inputs == outputs else (2, outputs // 4)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, self.stride, 1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the block."""
        inner = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        beside = functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.added, self.added))
        return torch.relu(inner + beside)


class CifarResNet(nn.Module):
    """A ResNet for CIFAR-10 (He, Zhang, Ren, Sun, CVPR 2016)."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        for number, (inputs, outputs) in enumerate(((16, 16), (16, 32), (32, 64)), 1):
            blocks = [_Block(inputs if place == 0 else outputs, outputs) for place in range((depth - 2) // 6)]
            setattr(self, f"layer{number}", nn.Sequential(*blocks))
        self.linear = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of ten classes."""
        x = torch.relu(self.bn1(self.conv1(x)))
        for number in (1, 2, 3):
            x = self.get_submodule(f"layer{number}")(x)
        logits: Tensor = self.linear(x.mean((2, 3)))
        return logits


def squeezenet(folder: Path) -> nn.Module:
    """Read SqueezeNet from ``squeezenet_v1.0_deepcompression_decoded.npz``."""
    with np.load(folder / "squeezenet_v1.0_deepcompression_decoded.npz") as stored:
        return SqueezeNet({name: torch.from_numpy(stored[name]).float() for name in stored.files})


def cifar_resnet(folder: Path, depth: int) -> nn.Module:
    """Read a ResNet from ``resnet20-12fca82f.th`` or the like."""
    (path,) = folder.glob(f"resnet{depth}-*.th")
    state = torch.load(path, weights_only=True, map_location="cpu")["state_dict"]
    network = CifarResNet(depth)
    network.load_state_dict({name.removeprefix("module."): value for name, value in state.items()})
    return network.eval()
