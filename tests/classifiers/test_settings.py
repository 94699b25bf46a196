"""Settings are equivalent as values and as text, and error messages show how to write them."""

from pathlib import Path

import pytest
import torch

from seewhy.classifiers.labels import read_labels
from seewhy.classifiers.settings import (
    Scaling,
    as_probabilities,
    check_choice,
    digest,
    make_mean_color,
    make_scaling,
    make_view,
    read_device,
    read_size,
    read_triple,
)
from seewhy.core.classifier import IMAGENET_MEAN
from seewhy.core.errors import ClassifierError, RequestError


@pytest.mark.parametrize(("given", "read"), [(8, (8, 8)), ("8", (8, 8)), ("8x9", (8, 9)), ((8, 9), (8, 9))])
def test_sizes(given: int | str | tuple[int, int], read: tuple[int, int]) -> None:
    """A size is one number, two numbers, or text."""
    assert read_size(given) == read


@pytest.mark.parametrize("text", ["big", "1x2x3", ""])
def test_wrong_size(text: str) -> None:
    """Invalid text shows how to write a size."""
    with pytest.raises(RequestError, match=r"expected size=SIDE or size=HEIGHTxWIDTH.*write size=224"):
        read_size(text)


@pytest.mark.parametrize("given", [0.5, "0.5", "0.5/0.5/0.5", [0.5, 0.5, 0.5], (0.5, 0.5, 0.5)])
def test_triples(given: float | str | list[float]) -> None:
    """A triple is three numbers, one number for all channels, or text."""
    assert read_triple("std", given) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize("given", ["a", "1/2", [1.0, 2.0], "nan", float("inf"), []])
def test_wrong_triple(given: float | str | list[float]) -> None:
    """The error for anything but three finite numbers names the setting."""
    with pytest.raises(RequestError, match=r"expected mean as one or three numbers"):
        read_triple("mean", given)


def test_scale_mix_up() -> None:
    """A mean of 123 for images in [0, 1] implies the 0 to 255 range, and the message states so."""
    with pytest.raises(RequestError, match=r"divide mean and std by 255"):
        make_scaling((123.7, 116.8, 103.9), None)
    assert make_scaling((123.7, 116.8, 103.9), None, top=255.0).mean[0] == 123.7


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
    assert make_mean_color(None, Scaling((51.0, 102.0, 153.0)), "bgr", top=255.0) == (0.6, 0.4, 0.2)
    assert make_mean_color(None, Scaling((-1.0, -1.0, -1.0)), "rgb") == IMAGENET_MEAN
    with pytest.raises(RequestError, match=r"expected mean_color in .0, 1.*divide by 255"):
        make_mean_color(128.0, Scaling(), "rgb")


def test_native_view_takes_no_short_side() -> None:
    """Cropping and stretching require a size."""
    assert make_view(None, None, "crop").size is None
    with pytest.raises(RequestError, match=r"set size="):
        make_view(None, 256, "crop")
    with pytest.raises(RequestError, match=r"set size="):
        make_view(None, None, "stretch")


def test_labels_from_file(tmp_path: Path) -> None:
    """A label file has one name per line; a byte-order mark and trailing blank lines are ignored."""
    path = tmp_path / "labels.txt"
    path.write_bytes(b"\xef\xbb\xbfcat\r\ndog \n\n")
    assert read_labels(path) == read_labels(str(path)) == ("cat", "dog")
    assert read_labels(None) is None


def test_label_file_that_cannot_be_read(tmp_path: Path) -> None:
    """A missing file and a file that is not text are rejected."""
    path = tmp_path / "labels.bin"
    path.write_bytes(b"\xff\xfe\x00")
    for wrong in (path, tmp_path / "none.txt"):
        with pytest.raises(RequestError, match=r"expected a text file with one label per line"):
            read_labels(wrong)


@pytest.mark.parametrize("device", ["nope", "cuda:99"])
def test_device_that_is_not_here(device: str) -> None:
    """An unavailable device is never replaced by another."""
    with pytest.raises(RequestError, match=f"expected an available device, got '{device}'.*try device=cpu"):
        read_device(device)


def test_choice() -> None:
    """An invalid choice lists the valid ones."""
    with pytest.raises(RequestError, match=r"expected channels=rgb or bgr, got 'grb'"):
        check_choice("channels", "grb", ("rgb", "bgr"))


def test_one_number_per_image() -> None:
    """A single logit is not a distribution, and the message shows how to convert it."""
    with pytest.raises(ClassifierError, match=r"at least 2 classes, got 1.*\(1 - p, p\)"):
        as_probabilities(torch.zeros(2, 1), 2, "logits")
    with pytest.raises(ClassifierError, match=r"shape \(2, classes\), got \(3, 4\)"):
        as_probabilities(torch.zeros(3, 4), 2, "logits")
    assert as_probabilities(torch.zeros(2, 4, 1, 1), 2, "logits").shape == (2, 4)


def test_digest_keeps_parts_apart() -> None:
    """Moving a byte from one part to the next changes the digest."""
    assert digest(b"ab", b"c") != digest(b"a", b"bc")
