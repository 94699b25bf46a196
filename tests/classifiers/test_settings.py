"""Settings are equivalent as values and as text, and error messages show how to write them."""

import pytest
import torch

from seewhy.classifiers.settings import (
    as_probabilities,
    check_choice,
    digest,
    make_view,
    read_device,
    read_size,
)
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


def test_native_view_takes_no_short_side() -> None:
    """Cropping and stretching require a size."""
    assert make_view(None, None, "crop").size is None
    with pytest.raises(RequestError, match=r"set size="):
        make_view(None, 256, "crop")
    with pytest.raises(RequestError, match=r"set size="):
        make_view(None, None, "stretch")


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
