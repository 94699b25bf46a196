"""The classifier's view: images are resized, cropped and padded exactly as other libraries do; tensors of the right size are unchanged."""

import math
from collections.abc import Callable, Mapping
from typing import Any, get_args

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from seewhy.classifiers.views import make_view
from seewhy.core.errors import RequestError
from seewhy.core.view import Frame, Interpolation, View
from seewhy.images.open import open_image
from seewhy.images.view import apply_view, resized

COFFEE = np.asarray(data.coffee())  # type: ignore[no-untyped-call]
SHAPES = [(96, 160), (160, 96), (101, 67), (67, 102), (64, 64), (31, 200), (200, 31), (7, 5), (400, 600)]
"""Height and width of pictures: of the shape of an input, wide and tall, odd, square, thin, tiny, large."""

Picture = Image.Image
Kernel = Image.Resampling
BICUBIC, BILINEAR, LANCZOS = Kernel.BICUBIC, Kernel.BILINEAR, Kernel.LANCZOS


def picture(height: int, width: int) -> Picture:
    """Return a picture of that size with the structure of a photo at every scale."""
    return Image.fromarray(COFFEE[:height, :width])


def short_side(image: Picture, side: int, how: Kernel) -> Picture:
    """Resize as ``torchvision.transforms.Resize(side)`` does."""
    short, long = min(image.size), max(image.size)
    scaled = int(side * long / short)
    return image.resize((side, scaled) if image.width <= image.height else (scaled, side), how)


def centre(image: Picture, height: int, width: int, *, color: tuple[int, int, int] = (0, 0, 0)) -> Picture:
    """Crop as ``torchvision.transforms.CenterCrop`` does, which pads smaller images first."""
    if width > image.width or height > image.height:
        wide, tall = max(width, image.width), max(height, image.height)
        canvas = Image.new("RGB", (wide, tall), color)
        canvas.paste(image, ((wide - image.width) // 2, (tall - image.height) // 2))
        image = canvas
    top, left = round((image.height - height) / 2.0), round((image.width - width) / 2.0)
    return image.crop((left, top, left + width, top + height))


def keep_ratio(image: Picture, height: int, width: int, how: Kernel, *, longest: bool) -> Picture:
    """Resize as timm's ``ResizeKeepRatio`` does."""
    ratios = image.height / height, image.width / width
    ratio = max(ratios) if longest else min(ratios)
    return image.resize((round(image.width / ratio), round(image.height / ratio)), how)


def floored(image: Picture, height: int, width: int) -> Picture:
    """Crop a larger image as transformers does."""
    top, left = (image.height - height) // 2, (image.width - width) // 2
    return image.crop((left, top, left + width, top + height))


def beside(image: Picture, height: int, width: int, color: tuple[int, int, int]) -> Picture:
    """Resize and pad as PaddleOCR prepares lines of text, with Pillow's kernel."""
    across = min(width, math.ceil(height * (image.width / float(image.height))))
    canvas = Image.new("RGB", (width, height), color)
    canvas.paste(image.resize((across, height), BILINEAR), (0, 0))
    return canvas


RULES: list[tuple[Mapping[str, Any], Callable[[Picture], Picture]]] = [
    ({"size": (48, 48), "short_side": 56}, lambda p: centre(short_side(p, 56, BICUBIC), 48, 48)),
    ({"size": (48, 48)}, lambda p: centre(short_side(p, 48, BICUBIC), 48, 48)),
    ({"size": (47, 61), "short_side": 64}, lambda p: centre(short_side(p, 64, BICUBIC), 47, 61)),
    ({"size": (48, 80)}, lambda p: centre(keep_ratio(p, 48, 80, BICUBIC, longest=False), 48, 80)),
    (
        {"size": (48, 80), "crop_pct": 0.875, "interpolation": "bilinear"},
        lambda p: centre(keep_ratio(p, 54, 91, BILINEAR, longest=False), 48, 80),
    ),
    ({"size": (48, 48), "crop_pct": 0.9}, lambda p: centre(short_side(p, 53, BICUBIC), 48, 48)),
    ({"size": (48, 96), "short_side": 56}, lambda p: centre(short_side(p, 56, BICUBIC), 48, 96)),
    (
        {"size": (96, 48), "short_side": 56, "pad_color": (1.0, 0.0, 0.2)},
        lambda p: centre(short_side(p, 56, BICUBIC), 96, 48, color=(255, 0, 51)),
    ),
    ({"size": (48, 48), "resize": (57, 60)}, lambda p: centre(p.resize((60, 57), BICUBIC), 48, 48)),
    (
        {"size": (48, 48), "resize": (57, 61), "crop_offset": "floor", "interpolation": "lanczos"},
        lambda p: floored(p.resize((61, 57), LANCZOS), 48, 48),
    ),
    ({"size": (48, 80), "resize": (40, 90)}, lambda p: centre(p.resize((90, 40), BICUBIC), 48, 80)),
    ({"size": (33, 50), "fit": "stretch"}, lambda p: p.resize((50, 33), BICUBIC)),
    *(
        (
            {"size": (33, 50), "fit": "stretch", "interpolation": how.name.lower()},
            lambda p, how=how: p.resize((50, 33), how),
        )
        for how in Kernel
        if how.name.lower() in get_args(Interpolation)
    ),
    ({"size": (48, 80), "fit": "pad"}, lambda p: centre(keep_ratio(p, 48, 80, BICUBIC, longest=True), 48, 80)),
    (
        {"size": (48, 48), "fit": "pad", "crop_pct": 0.8, "pad_color": (0.0, 1.0, 0.0), "interpolation": "hamming"},
        lambda p: centre(keep_ratio(p, 60, 60, Kernel.HAMMING, longest=True), 48, 48, color=(0, 255, 0)),
    ),
    (
        {"size": (48, 96), "fit": "pad-right", "interpolation": "bilinear", "pad_color": (0.0, 0.0, 1.0)},
        lambda p: beside(p, 48, 96, (0, 0, 255)),
    ),
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("number", range(len(RULES)))
def test_every_rule_equals_resizing_the_whole_image_then_cropping(number: int, shape: tuple[int, int]) -> None:
    """Every level of 255 is that of Pillow, whatever the shape of the picture; and the frame says what is where."""
    settings, replica = RULES[number]
    view = make_view(**settings)
    opened = open_image(picture(*shape))
    image, frame = apply_view(opened, view)
    expected = np.asarray(replica(picture(*shape)))
    np.testing.assert_array_equal((image * 255).round().byte().permute(1, 2, 0).numpy(), expected)
    np.testing.assert_array_equal(resized(opened.pixels, view), expected)
    left, top, right, bottom = frame.box
    inside = max(0, min(right, shape[1]) - max(left, 0)) * max(0, min(bottom, shape[0]) - max(top, 0))
    assert frame.shown == pytest.approx(inside / (shape[0] * shape[1]))
    assert frame.padding == pytest.approx(1 - inside / ((right - left) * (bottom - top)))


def by_points(pixels: np.ndarray, height: int, width: int, weights: Callable[[float], dict[int, float]]) -> np.ndarray:
    """Sample an image point by point at half-pixel centres, with the weights of the neighbours of a fraction of a pixel."""
    tall, wide = pixels.shape[:2]
    result = np.zeros((height, width, 3))
    for row in range(height):
        for column in range(width):
            y, x = (row + 0.5) * tall / height - 0.5, (column + 0.5) * wide / width - 0.5
            for down, share in weights(y - math.floor(y)).items():
                for across, part in weights(x - math.floor(x)).items():
                    at = min(max(math.floor(y) + down, 0), tall - 1), min(max(math.floor(x) + across, 0), wide - 1)
                    result[row, column] += share * part * pixels[at]
    return result


def cubic(t: float) -> dict[int, float]:
    """Return the weights of Keys' cubic convolution with a = -0.75, which cv2 and torch use."""
    a = -0.75

    def far(d: float) -> float:
        return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a

    def near(d: float) -> float:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1

    return {-1: far(1 + t), 0: near(t), 1: near(1 - t), 2: far(2 - t)}


@pytest.mark.parametrize("shape", [(31, 50), (100, 60), (12, 90)])
@pytest.mark.parametrize("kernel", ["bilinear", "bicubic", "nearest"])
def test_without_antialiasing_single_points_are_sampled(kernel: Any, shape: tuple[int, int]) -> None:
    """The result is that of the definition, and of torch, in whose words ``nearest`` means the pixel at ``floor(x · scale)``.

    A level of 8-bit images is rounded to the nearest one, but for ``bilinear``, where OpenCV's integers may round down.
    """
    view = View((24, 30), "stretch", interpolation=kernel, antialias=False)
    pixels = COFFEE[: shape[0], : shape[1]]
    seen = resized(pixels, view)
    tensor = torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1)[None]
    corners = {} if kernel == "nearest" else {"align_corners": False}
    torchs = torch.nn.functional.interpolate(tensor, (24, 30), mode=kernel, **corners)[0].permute(1, 2, 0).numpy()
    bound = 0.9 if kernel == "bilinear" else 0.51
    assert np.abs(seen - torchs.clip(0, 255)).max() < bound
    deep = resized(pixels.astype(np.uint16) * 257, view) / 257
    assert np.abs(deep - torchs.clip(0, 255)).max() < 0.01
    if kernel != "nearest":
        replica = by_points(pixels, 24, 30, cubic if kernel == "bicubic" else lambda t: {0: 1 - t, 1: t})
        assert np.abs(seen - replica.clip(0, 255)).max() < bound


@pytest.mark.parametrize("size", [(24, 30), (50, 75), (200, 70), (64, 64), (7, 300)])
@pytest.mark.parametrize("shape", [(31, 50), (100, 150), (400, 600), (12, 90)])
def test_opencv(shape: tuple[int, int], size: tuple[int, int]) -> None:
    """Without antialiasing, ``bilinear`` is ``cv2.resize``, level by level; ``bicubic`` rounds a few levels otherwise."""
    cv2 = pytest.importorskip("cv2")
    pixels = np.ascontiguousarray(COFFEE[: shape[0], : shape[1]])
    linear = resized(pixels, View(size, "stretch", interpolation="bilinear", antialias=False))
    np.testing.assert_array_equal(linear, cv2.resize(pixels, size[::-1]))
    grey = resized(pixels[:, :, :1], View(size, "stretch", interpolation="bilinear", antialias=False))
    np.testing.assert_array_equal(grey, linear[:, :, :1])
    cubed = resized(pixels, View(size, "stretch", antialias=False)).astype(int)
    assert np.abs(cubed - cv2.resize(pixels, size[::-1], interpolation=cv2.INTER_CUBIC)).max() <= 1


def test_a_crop_without_antialiasing_is_part_of_the_whole() -> None:
    """The samples of a crop are those of the whole image."""
    whole = resized(COFFEE, View((200, 300), "stretch", interpolation="bilinear", antialias=False))
    cropped = resized(COFFEE, View((100, 180), resize=(200, 300), interpolation="bilinear", antialias=False))
    np.testing.assert_array_equal(cropped, whole[50:150, 60:240])


def test_a_picture_of_the_inputs_shape_is_shown_whole() -> None:
    """An input that is not square takes the whole of a picture of its shape, bit for bit where the size is the same."""
    for settings in ({}, {"short_side": 96}, {"fit": "pad"}, {"fit": "pad-right"}, {"fit": "stretch"}):
        view = make_view(size=(96, 160), **settings)
        image, frame = apply_view(open_image(picture(96, 160)), view)
        assert frame == Frame((0.0, 0.0, 160.0, 96.0), (96, 160), (96, 160))
        assert torch.equal((image * 255).round().byte(), torch.from_numpy(np.array(picture(96, 160))).permute(2, 0, 1))


def test_the_margin_has_exactly_its_colour() -> None:
    """The colour of the margin is not rounded to 8 bits, so that a grey of 0.5 is 0 after ``(x - 0.5) / 0.5``."""
    image, frame = apply_view(open_image(picture(48, 40)), View((48, 80), "pad-right", pad_color=(0.5, 0.25, 0.1)))
    assert (image[:, :, 40:] == torch.tensor([0.5, 0.25, 0.1])[:, None, None]).all()
    assert frame.box == (0.0, 0.0, 80.0, 48.0)
    assert frame.padding == 0.5
    grey = np.full((4, 4, 1), 10, np.uint8)
    assert resized(grey, View((4, 8), "pad", pad_color=(1.0, 1.0, 1.0)))[0, :, 0].tolist() == [
        255,
        255,
        10,
        10,
        10,
        10,
        255,
        255,
    ]
    assert resized(grey, View((4, 8), "pad", pad_color=(1.0, 0.0, 0.0)))[0, 0].tolist() == [255, 0, 0]


def test_native() -> None:
    """A native view leaves every pixel unchanged."""
    image, frame = apply_view(open_image(COFFEE), View.native())
    assert torch.equal((image * 255).round().byte().permute(1, 2, 0), torch.tensor(COFFEE))
    assert frame == Frame((0.0, 0.0, 600.0, 400.0), (400, 600), (400, 600))


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("shape", [(2, 50_000), (50_000, 2)])
def test_long_thin_picture(shape: tuple[int, int], antialias: bool) -> None:
    """An image with aspect ratio 25,000 : 1 is cropped directly from its centre: 224/256 of its short side."""
    picture = open_image(np.full((*shape, 3), 77, np.uint8))
    image, frame = apply_view(picture, View((224, 224), short_side=256, interpolation="bilinear", antialias=antialias))
    assert bool(((image * 255).round() == 77).all())
    left, top, right, bottom = frame.box
    assert (right - left, bottom - top) == pytest.approx((1.75, 1.75))
    image, frame = apply_view(picture, View((224, 224), "pad"))
    assert int((image > 0).any(0).sum()) == 224  # one line


@pytest.mark.parametrize("side", range(225, 260, 7))
def test_box_never_leaves_the_picture(side: int) -> None:
    """Rounding of the frame never raises an error, for any size."""
    image, _ = apply_view(open_image(np.zeros((side, 333, 3), np.uint8)), View((224, 224)))
    assert image.shape == (3, 224, 224)


def test_tensor_is_shown_exactly() -> None:
    """A tensor that is not resized reaches the classifier exactly, cropped or padded; another one is resized."""
    tensor = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
    picture = open_image(tensor)
    for view in (View.native(), View((8, 8)), View((8, 8), "stretch"), View((8, 8), "pad")):
        assert torch.equal(apply_view(picture, view)[0], tensor)
    assert torch.equal(apply_view(picture, View((4, 4), short_side=8))[0], tensor[:, 2:6, 2:6])
    assert torch.equal(apply_view(picture, View((8, 12), "pad"))[0][:, :, 2:10], tensor)
    assert apply_view(picture, View((4, 4)))[0].shape == (3, 4, 4)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"fit": "stretch", "short_side": 9}, "expected short_side only with fit=crop, got fit=stretch"),
        ({"fit": "stretch", "pad_color": 0.0}, "expected pad_color only with fit=crop or pad or pad-right"),
        ({"fit": "pad", "resize": 9}, "expected resize only with fit=crop"),
        ({"fit": "pad", "crop_offset": "floor"}, "expected crop_offset only with fit=crop"),
        ({"fit": "pad-right", "crop_pct": 0.9}, "expected crop_pct only with fit=crop or pad"),
        ({"short_side": 9, "resize": 9}, "expected one of short_side, resize and crop_pct, got short_side and resize"),
        ({"short_side": 9, "crop_pct": 0.9}, "got short_side and crop_pct"),
        ({"pad_color": 0.5}, "expected pad_color only where the image may be smaller"),
        ({"short_side": 8, "pad_color": 0.5}, "expected pad_color only where the image may be smaller"),
        ({"crop_pct": 1.2}, "expected 0 < crop_pct <= 1, got 1.2"),
        ({"crop_pct": 0}, "expected 0 < crop_pct"),
        ({"fit": "pad", "pad_color": "128"}, "expected pad_color in .0, 1.*divide by 255"),
        ({"interpolation": "cubic"}, "expected interpolation=nearest or bilinear or bicubic.*got 'cubic'"),
        ({"interpolation": "lanczos", "antialias": False}, "expected antialias=True for interpolation=lanczos"),
        ({"crop_offset": "ceil"}, "expected crop_offset=round or floor"),
        ({"fit": "fill"}, "expected fit=crop or stretch or pad"),
        ({"fit": "native"}, "expected a size for fit='native' and none"),
        ({"size": None, "interpolation": "bilinear"}, "expected a size for interpolation='bilinear'"),
        ({"size": None, "fit": "pad"}, "expected a size for fit='pad'"),
        ({"size": None, "crop_pct": 0.9}, "expected a size for crop_pct=0.9"),
        ({"short_side": 0}, "expected short_side > 0"),
        ({"resize": "12"}, None),
        ({"resize": "12x"}, "expected resize=SIDE or resize=HEIGHTxWIDTH"),
        ({"size": "3x8x8"}, "expected size=SIDE or size=HEIGHTxWIDTH"),
        ({"size": "8.5"}, "expected size=SIDE"),
        ({"size": (0, 8)}, "expected size > 0"),
        ({"size": [8, 8], "short_side": "9"}, None),
    ],
)
def test_no_setting_is_ignored(settings: Mapping[str, Any], words: str | None) -> None:
    """A setting that is wrong, contradicts another one or would have no effect is refused, by name."""
    if words is None:
        assert make_view(**{"size": (8, 8), **settings}).size == (8, 8)
        return
    with pytest.raises(RequestError, match=words):
        make_view(**{"size": (8, 8), **settings})


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "short side 96, centre crop 96 × 96, bicubic"),
        ({"size": "96x160"}, "cover 96 × 160, centre crop 96 × 160, bicubic"),
        ({"short_side": 64}, "short side 64, centre crop 96 × 96, bicubic, padded with black"),
        ({"crop_pct": 0.9, "size": (90, 45)}, "cover 100 × 50, centre crop 90 × 45, bicubic"),
        (
            {"resize": 100, "crop_offset": "floor"},
            "resized to 100 × 100, centre crop 96 × 96 (offset rounded down), bicubic",
        ),
        ({"fit": "stretch", "interpolation": "box"}, "stretched to 96 × 96, box"),
        ({"fit": "pad", "pad_color": 0.5}, "resized to fit inside 96 × 96, bicubic, padded with RGB 0.5/0.5/0.5"),
        (
            {"fit": "pad", "crop_pct": 0.96},
            "resized to fit inside 100 × 100, centre 96 × 96, bicubic, padded with black",
        ),
        (
            {"fit": "pad-right", "size": (48, 192), "interpolation": "bilinear", "antialias": False},
            "height 48, width at most 192, bilinear without antialiasing, padded with black at the right",
        ),
        ({"size": None}, "the image at its native size"),
    ],
)
def test_the_rule_is_said_in_full(settings: Mapping[str, Any], words: str) -> None:
    """The record names resize, crop, kernel and margin."""
    assert make_view(**{"size": 96, **settings}).describe() == words


def test_fingerprints_of_earlier_versions_stay() -> None:
    """The text of a view, which is part of a classifier's fingerprint, has new settings only where they are used."""
    assert repr(View((8, 8), short_side=9)) == "View(size=(8, 8), fit='crop', short_side=9)"
    assert (
        repr(View((8, 8), "pad", interpolation="box"))
        == "View(size=(8, 8), fit='pad', short_side=None, interpolation='box')"
    )
