"""The statistics of the first batch norm reveal a wrong normalisation of the input, and raise no false alarm."""

import pytest
import torch
from torch import Tensor, nn

from seewhy.classifiers.module import from_module
from seewhy.classifiers.validation import validate_classifier

IMAGENET: dict[str, object] = {"mean": "0.485/0.456/0.406", "std": "0.229/0.224/0.225"}
USUAL: list[dict[str, object]] = [{}, {"mean": 0.5, "std": 0.5}, IMAGENET, {"scale": 255.0}]


def pictures(count: int) -> Tensor:
    """Return smooth coloured pictures of 32 × 32 pixels, whose means vary."""
    torch.manual_seed(1)
    small = torch.rand(count, 3, 5, 5) * torch.rand(count, 1, 1, 1).clamp_min(0.5)
    return nn.functional.interpolate(small, size=(32, 32), mode="bicubic").clamp(0, 1)


def trained(**settings: object) -> nn.Module:
    """Return a network whose batch norm learnt the statistics of pictures that were normalised with these settings."""
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(16, momentum=None)
    net = nn.Sequential(nn.Conv2d(3, 16, 3), norm, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 5))
    scaling = from_module(net.eval(), **settings).scaling  # type: ignore[arg-type]
    net.train()
    with torch.no_grad():
        net(scaling.apply(pictures(64)))
        norm.weight.uniform_(0.5, 2)
        norm.bias.normal_()
    return net.eval()


@pytest.mark.parametrize("given", range(len(USUAL)))
@pytest.mark.parametrize("true", range(len(USUAL)))
@pytest.mark.parametrize("channels", ["rgb", "bgr"])
def test_normalisations(given: int, true: int, channels: str) -> None:
    """The right normalisation gets no word on any picture; a wrong scale is named on most."""
    net = trained(**USUAL[true])
    classifier = from_module(net, channels=channels, **USUAL[given])  # type: ignore[arg-type]
    said = [
        [text for text in validate_classifier(classifier, image).warnings if "norm" in text] for image in pictures(6)
    ]
    if given == true:
        assert not any(said)
    elif {given, true} != {1, 2}:  # these two differ by little
        named = [text for texts in said for text in texts if "unlike those of the training: batch norm '1'" in text]
        assert len(named) >= 3


def test_no_statistics() -> None:
    """A batch norm that never saw an image says nothing."""
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    assert validate_classifier(from_module(net, scale=255.0), pictures(1)[0]).warnings == ()
