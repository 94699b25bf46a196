"""Explain a torch module, and ask why it predicts one class rather than another.

Usage: python examples/own_torch_module.py [FOLDER]. The weights of this module are set by hand: it compares mean red,
green and blue.
"""

import sys
from pathlib import Path

import torch
from torch import nn

import seewhy

PHOTO = Path(__file__).parent / "photos" / "coffee.jpg"


def make_network() -> nn.Module:
    """Build a network whose logits are the mean of each channel."""
    channels = nn.Conv2d(3, 3, 1, bias=False)
    with torch.no_grad():
        channels.weight.copy_(torch.eye(3)[:, :, None, None])
    return nn.Sequential(channels, nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()


def main(folder: str = "seewhy-out/module") -> None:
    """Explain red, and red rather than green, and write the results to a folder."""
    classifier = seewhy.classifier(
        make_network(), labels=["red", "green", "blue"], size=64, mean=0.5, std=0.25, outputs="logits"
    )
    explanation = seewhy.explain(classifier, PHOTO, targets=["red", ("contrast", "red", "green")], infill="donor")
    for target in explanation.record.targets:
        best = target.highest
        print(f"{target.label}: at most {best.value:+.4f} ± {best.stderr:.4f} {explanation.unit}")
    print(f"{explanation.queries.forward_images} queries; open {explanation.save(folder) / 'report.html'}")


if __name__ == "__main__":
    main(*sys.argv[1:])
