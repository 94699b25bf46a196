"""Settings are equivalent as values and as text, and error messages show how to write them."""

import pytest

from seewhy.classifiers.settings import (
    check_choice,
    digest,
    read_device,
)
from seewhy.core.errors import RequestError


@pytest.mark.parametrize("device", ["nope", "cuda:99"])
def test_device_that_is_not_here(device: str) -> None:
    """An unavailable device is never replaced by another."""
    with pytest.raises(RequestError, match=f"expected an available device, got '{device}'.*try device=cpu"):
        read_device(device)


def test_choice() -> None:
    """An invalid choice lists the valid ones."""
    with pytest.raises(RequestError, match=r"expected channels=rgb or bgr, got 'grb'"):
        check_choice("channels", "grb", ("rgb", "bgr"))


def test_digest_keeps_parts_apart() -> None:
    """Moving a byte from one part to the next changes the digest."""
    assert digest(b"ab", b"c") != digest(b"a", b"bc")
