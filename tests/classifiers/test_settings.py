"""Settings are equivalent as values and as text, and error messages show how to write them."""

import pytest
import torch

from seewhy.classifiers.settings import (
    as_probabilities,
    check_choice,
    digest,
    read_device,
)
from seewhy.core.errors import ClassifierError, RequestError


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
