"""A map lies where the classifier looked."""

import numpy as np

from seewhy.core.view import Frame
from seewhy.plots.overlay import draw_map, fade_outside, ghost, lay_in, lay_over, place, resize
from seewhy.plots.scales import Scale


def test_the_identity_view_leaves_a_map_alone() -> None:
    """When the classifier saw the picture as it is, a map is placed without interpolation."""
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert (place(values, Frame((0.0, 0.0, 4.0, 3.0), (3, 4), (3, 4))) == values).all()


def test_a_map_is_scaled_linearly_and_nothing_lies_outside_the_view() -> None:
    """Twice the size and shifted by two pixels: interpolated inside, unknown outside."""
    placed = place(np.array([[0.0, 4.0]], np.float32), Frame((2.0, 0.0, 6.0, 2.0), (1, 2), (2, 8)))
    assert np.isnan(placed[:, [0, 1, 6, 7]]).all()
    assert placed[0, 2:6].tolist() == [0.0, 1.0, 3.0, 4.0]


def test_an_unknown_pixel_does_not_spread() -> None:
    """NaN in a map stays where it is; its neighbours keep their values."""
    values = np.array([[np.nan, 4.0, 4.0]], np.float32)
    placed = place(values, Frame((0.0, 0.0, 12.0, 1.0), (1, 3), (1, 12)))
    assert np.isnan(placed[0, :4]).all()
    assert (placed[0, 4:] == 4).all()


def test_a_frame_scales_with_its_picture() -> None:
    """Half the picture, half the box; the classifier's input stays what it is."""
    frame = Frame((10.0, 0.0, 110.0, 100.0), (224, 224), (100, 120)).scaled(50, 60)
    assert frame == Frame((5.0, 0.0, 55.0, 50.0), (224, 224), (50, 60))


def test_a_zero_map_shows_the_greyed_photo() -> None:
    """No evidence, no colour: red, green and blue stay equal everywhere."""
    picture = np.random.default_rng(0).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    frame = Frame((0.0, 0.0, 6.0, 6.0), (3, 3), (6, 6))
    scale = Scale("evidence", "nats", -1.0, 1.0, diverging=True)
    drawn = draw_map(picture, frame, np.zeros((3, 3), np.float32), scale)
    assert (drawn == ghost(picture)).all()


def test_full_opacity_hides_the_picture() -> None:
    """Laying over is ordinary blending."""
    under = np.zeros((1, 2, 3), np.uint8)
    paint = np.array([[[200, 100, 50, 255], [200, 100, 50, 0]]], np.uint8)
    assert lay_over(under, paint).tolist() == [[[200, 100, 50], [0, 0, 0]]]


def test_what_was_not_seen_is_faded() -> None:
    """Black beside the view becomes pale; a picture seen whole is left alone."""
    picture = np.zeros((20, 40, 3), np.uint8)
    faded = fade_outside(picture, Frame((10.0, 0.0, 30.0, 20.0), (5, 5), (20, 40)))
    assert faded[10, 2].min() > 100
    assert faded[10, 20].max() == 0
    assert (fade_outside(picture, Frame((0.0, 0.0, 40.0, 20.0), (5, 5), (20, 40))) == picture).all()


def test_a_dark_photo_is_brightened_below_a_map() -> None:
    """What is seen of a dark photo is what is seen of the same photo in better light; black stays dark."""
    bright = np.random.default_rng(0).integers(0, 256, (20, 20, 3)).astype(np.uint8)
    dark = (bright / 5).astype(np.uint8)
    assert np.abs(ghost(dark).astype(int) - ghost(bright)).mean() < 5
    assert (ghost(np.zeros((4, 4, 3), np.uint8)) == 133).all()


def test_another_image_takes_the_place_of_what_was_seen() -> None:
    """A generated image fills the frame; the photo around it is faded."""
    photo, white = np.zeros((20, 40, 3), np.uint8), np.full((5, 5, 3), 255, np.uint8)
    combined = lay_in(photo, Frame((10.0, 0.0, 30.0, 20.0), (5, 5), (20, 40)), white)
    assert (combined[:, 10:30] == 255).all()
    assert 100 < combined[:, :10].min() == combined[:, 30:].max() < 255


def test_small_images_keep_square_pixels() -> None:
    """An image of a few pixels is enlarged without inventing what lies between them."""
    image = np.array([[[0] * 3, [255] * 3]], np.uint8)
    assert set(np.unique(resize(image, 10, 20))) == {0, 255}
    assert len(np.unique(resize(np.repeat(image, 10, axis=0), 11, 20))) > 2
