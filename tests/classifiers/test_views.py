"""The settings of a view are equivalent as values and as text, and error messages show how to write them."""

import pytest

from seewhy.classifiers.views import make_view, read_size
from seewhy.core.errors import RequestError


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
    assert make_view(fit="crop").size is None
    with pytest.raises(RequestError, match=r"set size="):
        make_view(short_side=256)
    with pytest.raises(RequestError, match=r"set size="):
        make_view(fit="stretch")
