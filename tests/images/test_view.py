"""The classifier's view: images are cropped and resized correctly, and tensors of the right size are unchanged."""

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from seewhy.core.view import Frame, View
from seewhy.images.open import open_image
from seewhy.images.view import apply_view

COFFEE = np.asarray(data.coffee())  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(("size", "short"), [((224, 224), 256), ((100, 60), 130), ((300, 300), None)])
def test_crop_equals_resize_then_crop(size: tuple[int, int], short: int | None) -> None:
    """Resizing the box in one step equals resizing the full image and cropping, within one level of 255."""
    view = View(size, short_side=short)
    image, frame = apply_view(open_image(COFFEE), view)
    side = short or max(size)
    scaled = (max(side, round(COFFEE.shape[1] * side / 400)), side)
    left, top = (scaled[0] - size[1]) // 2, (scaled[1] - size[0]) // 2
    whole = np.asarray(Image.fromarray(COFFEE).resize(scaled, Image.Resampling.BICUBIC))
    expected = whole[top : top + size[0], left : left + size[1]].astype(int)
    assert (tuple(image.shape), image.dtype, frame.size) == ((3, *size), torch.float32, size)
    assert np.abs((image.permute(1, 2, 0).numpy() * 255).round() - expected).max() <= 1


def test_stretch() -> None:
    """Stretching ignores the aspect ratio."""
    image, frame = apply_view(open_image(COFFEE), View((20, 20), "stretch"))
    expected = np.asarray(Image.fromarray(COFFEE).resize((20, 20), Image.Resampling.BICUBIC))
    assert torch.equal((image * 255).round().byte().permute(1, 2, 0), torch.tensor(expected))
    assert frame.box == (0.0, 0.0, 600.0, 400.0)


def test_native() -> None:
    """A native view leaves every pixel unchanged."""
    image, frame = apply_view(open_image(COFFEE), View.native())
    assert torch.equal((image * 255).round().byte().permute(1, 2, 0), torch.tensor(COFFEE))
    assert frame == Frame((0.0, 0.0, 600.0, 400.0), (400, 600), (400, 600))


@pytest.mark.parametrize("shape", [(2, 50_000), (50_000, 2)])
def test_long_thin_picture(shape: tuple[int, int]) -> None:
    """An image with aspect ratio 25,000 : 1 is cropped directly from its centre: 224/256 of its short side."""
    picture = open_image(np.full((*shape, 3), 77, np.uint8))
    image, frame = apply_view(picture, View((224, 224), short_side=256))
    assert bool(((image * 255).round() == 77).all())
    left, top, right, bottom = frame.box
    assert (right - left, bottom - top) == pytest.approx((1.75, 1.75))


@pytest.mark.parametrize("side", range(225, 260, 7))
def test_box_never_leaves_the_picture(side: int) -> None:
    """Rounding of the frame never raises an error, for any size."""
    image, _ = apply_view(open_image(np.zeros((side, 333, 3), np.uint8)), View((224, 224)))
    assert image.shape == (3, 224, 224)


def test_tensor_is_shown_exactly() -> None:
    """A tensor of the right size reaches the classifier exactly; one of another size is resized."""
    tensor = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
    picture = open_image(tensor)
    for view in (View.native(), View((8, 8)), View((8, 8), "stretch")):
        assert torch.equal(apply_view(picture, view)[0], tensor)
    assert apply_view(picture, View((4, 4)))[0].shape == (3, 4, 4)
