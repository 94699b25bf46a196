"""Numbers and images survive the way into one HTML file."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from markup import unpack
from seewhy.pages._embed import (
    MAP_SIDE,
    image_uri,
    pack,
    packed_size,
    sprite,
    sprite_columns,
    sprite_uri,
    thin,
)
from seewhy.results.report_data import SampleTable


@pytest.mark.parametrize("scale", [1e-20, 1e-6, 1.0, 3e4, 1e30])
def test_maps_come_back_within_a_thousandth_of_the_largest_value(scale: float) -> None:
    """Half precision is used only where nobody can see the difference, whatever the size of the values."""
    values = (scale * np.random.default_rng(0).normal(size=(7, 5))).astype(np.float32)
    back = unpack(pack(values), (7, 5))
    assert np.abs(back - values).max() <= 1e-3 * np.abs(values).max()


def test_precision_is_chosen_by_the_error() -> None:
    """Nats fit into half precision, values beyond 65504 do not; those come back exactly."""
    assert pack(np.array([[2.5]], np.float32))["dtype"] == "float16"
    large = np.array([[1e9, -1.0]], np.float32)
    assert pack(large)["dtype"] == "float32"
    assert (unpack(pack(large), (1, 2)) == large).all()


def test_zero_and_unknown_come_back_exactly() -> None:
    """An all-zero map and NaN are kept as they are."""
    values = np.array([[0.0, np.nan, 0.0]], np.float32)
    assert np.array_equal(unpack(pack(values), (1, 3)), values, equal_nan=True)


def test_a_large_map_is_thinned_to_values_of_its_own() -> None:
    """Every value that is left is one of the map's, at its place; a small map is left alone."""
    values = np.arange(1900 * 3, dtype=np.float32).reshape(1900, 3)
    thinned = thin(values)
    assert thinned.shape == packed_size(values.shape) == (MAP_SIDE, 1)
    assert np.abs(thinned[:, 0] // 3 - (np.arange(MAP_SIDE) + 0.5) * 1900 / MAP_SIDE).max() <= 1
    assert (thinned % 3 == 1).all()
    assert np.array_equal(thin(values[:20]), values[:20])


def _open(uri: str) -> Image.Image:
    """The image behind a data URI."""
    return Image.open(io.BytesIO(base64.b64decode(uri.split(",", 1)[1])))


def test_a_photo_is_at_most_1200_pixels_long() -> None:
    """Large photos are brought down, small ones stay."""
    rng = np.random.default_rng(0)
    assert max(_open(image_uri(rng.integers(0, 256, (300, 2400, 3), dtype=np.uint8))).size) == 1200
    assert _open(image_uri(np.zeros((30, 40, 3), np.uint8))).size == (40, 30)


def test_the_sprite_holds_every_patch_where_the_script_looks_for_it() -> None:
    """Window k of layer j is at column k mod n, row k div n of block j, pixel for pixel, also from the file."""
    rng = np.random.default_rng(0)
    positions = np.array([(top, left) for top in (0, 4) for left in (0, 4, 8)] + [(8, 0)])
    patches = rng.integers(0, 256, (7, 2, 4, 4, 3), dtype=np.uint8)
    originals = rng.integers(0, 256, (7, 4, 4, 3), dtype=np.uint8)
    samples = SampleTable(4, positions, patches, originals, np.zeros((7, 2, 1)), ("a",), np.zeros(1))
    sheet, columns = sprite(samples), sprite_columns(samples)
    assert columns == 3
    for layer, shown in enumerate([originals, patches[:, 0], patches[:, 1]]):
        for window in range(7):
            top, left = (layer * 3 + window // columns) * 4, window % columns * 4
            assert (sheet[top : top + 4, left : left + 4] == shown[window]).all()
    assert (np.asarray(_open(sprite_uri(samples))) == sheet).all()
