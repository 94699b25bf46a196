"""A photo is shown with the margin of a padded input, and the frame says where both lie."""

import numpy as np
import pytest

from seewhy.core.view import Frame, View
from seewhy.results.report_data import with_margin
from seewhy.results.samples import DISPLAY_SIDE, display_copy

PHOTO = np.random.default_rng(0).integers(1, 255, (40, 60, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    ("view", "canvas", "at", "box"),
    [
        (View((30, 30), "pad"), (60, 60), (10, 0), (0, 0, 60, 60)),
        (View((20, 60), "pad"), (40, 120), (0, 30), (0, 0, 120, 40)),
        (View((20, 60), "pad-right"), (40, 120), (0, 0), (0, 0, 120, 40)),
        (View((40, 40), short_side=20), (80, 80), (20, 10), (0, 0, 80, 80)),
        (View((20, 40), short_side=20), (40, 80), (0, 10), (0, 0, 80, 40)),
        (View((20, 20), short_side=20), (40, 60), (0, 0), (10, 0, 50, 40)),
        (View((40, 20), short_side=20), (80, 60), (20, 0), (10, 0, 50, 80)),
        (View((20, 20), "stretch"), (40, 60), (0, 0), (0, 0, 60, 40)),
        (View.native(), (40, 60), (0, 0), (0, 0, 60, 40)),
    ],
)
def test_the_margin_surrounds_the_photo(
    view: View, canvas: tuple[int, int], at: tuple[int, int], box: tuple[float, ...]
) -> None:
    """The photo stands where the classifier saw it; around it is the colour of the margin; the box lies inside."""
    shown, frame = with_margin(PHOTO, view.frame(40, 60), (1.0, 0.0, 0.5))
    assert shown.shape[:2] == frame.image_size == canvas
    assert frame.box == pytest.approx(box, abs=0.5)
    assert frame.size == (view.size or (40, 60))
    np.testing.assert_array_equal(shown[at[0] : at[0] + 40, at[1] : at[1] + 60], PHOTO)
    margin = np.ones(canvas, bool)
    margin[at[0] : at[0] + 40, at[1] : at[1] + 60] = False
    assert (shown[margin] == (255, 0, 128)).all()
    black, _ = with_margin(PHOTO, view.frame(40, 60), None)
    assert (black[margin] == 0).all()


def test_a_copy_has_the_margin_of_the_image() -> None:
    """The margin of a reduced copy is reduced with it."""
    frame = View((30, 30), "pad").frame(40, 60)
    shown, fitted = with_margin(PHOTO[::2, ::2], frame, None)
    assert shown.shape[:2] == (30, 30)
    assert fitted == Frame((0.0, 0.0, 30.0, 30.0), (30, 30), (30, 30))


@pytest.mark.parametrize("shape", [(1600, 1200), (1600, 2), (3, 4)])
def test_a_margin_is_never_huge(shape: tuple[int, int]) -> None:
    """Where the image is a speck in its margin, the photo is reduced so that the whole stays displayable."""
    photo = display_copy(np.full((*shape, 3), 200, np.uint8))
    for view in (View((224, 224), short_side=1), View((224, 224), "pad"), View((8, 100), "pad")):
        shown, frame = with_margin(photo, view.frame(*shape), None)
        assert max(shown.shape[:2]) <= DISPLAY_SIDE * 1.05
        assert frame.image_size == shown.shape[:2]
        assert (shown == 200).any()
