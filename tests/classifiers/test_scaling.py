"""Mean, std and scale: read in any form, and refused where they belong to different ranges of pixels."""

from typing import Any

import pytest
import torch

from seewhy.classifiers.scaling import Scaling, make_mean_color, make_scaling, read_triple
from seewhy.core.classifier import IMAGENET_MEAN
from seewhy.core.errors import RequestError

pytestmark = pytest.mark.usefixtures("unchecked")


@pytest.mark.parametrize("given", [0.5, "0.5", "0.5/0.5/0.5", [0.5, 0.5, 0.5], (0.5, 0.5, 0.5)])
def test_triples(given: float | str | list[float]) -> None:
    """A triple is three numbers, one number for all channels, or text."""
    assert read_triple("std", given) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize("given", ["a", "1/2", [1.0, 2.0], "nan", float("inf"), []])
def test_wrong_triple(given: float | str | list[float]) -> None:
    """The error for anything but three finite numbers names the setting."""
    with pytest.raises(RequestError, match=r"expected mean as one or three numbers"):
        read_triple("mean", given)


@pytest.mark.parametrize(
    ("settings", "white"),
    [
        ({}, 1.0),
        ({"mean": 0.5, "std": 0.5}, 1.0),
        ({"mean": "0.485/0.456/0.406", "scale": "unit"}, 1.0),
        ({"mean": (123.7, 116.8, 103.9)}, 255.0),
        ({"mean": (123.7, 116.8, 103.9), "std": (58.4, 57.1, 57.4)}, 255.0),
        ({"mean": 127.5, "std": 127.5, "scale": "255"}, 255.0),
        ({"mean": 127.5, "scale": 255}, 255.0),
        ({"scale": 255.0}, 255.0),
        ({"std": 255, "scale": 255}, 255.0),
        ({"std": 2.0, "scale": 1}, 1.0),
        ({"std": 1 / 255}, 1.0),
    ],
)
def test_white_is_1_or_255(settings: dict[str, Any], white: float) -> None:
    """It is as stated, as a number or as text; a mean above 1 is one of pixels from 0 to 255."""
    scaling = make_scaling(settings.get("mean"), settings.get("std"), settings.get("scale", "auto"))
    assert scaling.white == white
    images = torch.rand(2, 3, 1, 1)
    mean, std = (torch.tensor(part)[:, None, None] for part in (scaling.mean, scaling.std))
    torch.testing.assert_close(scaling.apply(images), (images * white - mean) / std)


@pytest.mark.parametrize(
    ("settings", "better"),
    [
        ({"mean": 123.7, "scale": "unit"}, {"mean": 123.7, "scale": 255}),
        ({"mean": 123.7, "std": 0.229}, {"mean": 123.7, "std": 0.229 * 255}),
        ({"mean": 103.9, "std": 0.017}, {"mean": 103.9, "std": 1 / 0.017}),
        ({"mean": 0.485, "scale": 255}, {"mean": 0.485 * 255, "scale": 255}),
        ({"mean": 0.485, "scale": 255}, {"mean": 0.485}),
        ({"std": 0.5, "scale": 255}, {"std": 0.5 * 255, "scale": 255}),
        ({"std": 255}, {"std": 255, "scale": 255}),
        ({"std": 255}, {"std": 255, "scale": "unit"}),
    ],
)
def test_mean_and_std_of_different_ranges(settings: dict[str, Any], better: dict[str, Any]) -> None:
    """Numbers for pixels of another range are refused, and what the message advises is accepted."""
    with pytest.raises(RequestError, match=r"expected (mean|std) in the range of pixels from 0 to"):
        make_scaling(settings.get("mean"), settings.get("std"), settings.get("scale", "auto"))
    make_scaling(better.get("mean"), better.get("std"), better.get("scale", "auto"))


@pytest.mark.parametrize("scale", [127.5, 0, "signed", "2", True])
def test_wrong_scale(scale: Any) -> None:
    """Anything else is refused with the choices."""
    with pytest.raises(RequestError, match=r"expected scale=unit .white is 1., scale=255 or scale=auto, got"):
        make_scaling(None, None, scale)


def test_std_zero() -> None:
    """A zero divisor is rejected."""
    with pytest.raises(RequestError, match=r"expected std > 0"):
        make_scaling(None, 0.0)


def test_scaling_is_per_channel() -> None:
    """Each channel has its own mean and std."""
    images = torch.tensor([1.0, 2.0, 3.0])[None, :, None, None]
    assert Scaling((1.0, 1.0, 1.0), (1.0, 2.0, 4.0)).apply(images).flatten().tolist() == [0.0, 0.5, 0.5]


def test_mean_color() -> None:
    """The mean colour is the given one, then the normalisation mean, then that of ImageNet; always RGB in [0, 1]."""
    assert make_mean_color("0.1/0.2/0.3", Scaling(), "rgb") == (0.1, 0.2, 0.3)
    assert make_mean_color(None, Scaling((51.0, 102.0, 153.0), white=255.0), "bgr") == (0.6, 0.4, 0.2)
    assert make_mean_color(None, Scaling((-1.0, -1.0, -1.0)), "rgb") == IMAGENET_MEAN
    with pytest.raises(RequestError, match=r"expected mean_color in .0, 1.*divide by 255"):
        make_mean_color(128.0, Scaling(), "rgb")
