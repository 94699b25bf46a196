"""Preprocessing read from transforms is what the network sees, and nothing of a transform is left out silently."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from torch import Tensor, nn

import seewhy
from seewhy.classifiers.transforms import Preprocessing, read_transform
from seewhy.core.view import View
from seewhy.images.open import open_image
from seewhy.images.view import apply_view

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PHOTO = Path(__file__).parents[2] / "examples" / "photos" / "coffee.jpg"
CONFIG = {"input_size": (3, 224, 224), "interpolation": "bicubic", "mean": MEAN, "std": STD, "crop_pct": 0.9}


def step(name: str, package: str = "torchvision.transforms", **attributes: object) -> object:
    """Return an object with the name and attributes of a library's transform, so that the library is not needed."""
    made: object = type(name, (), {"__module__": package})()
    vars(made).update(attributes)
    return made


def compose(*steps: object) -> object:
    """Return a stand-in for ``torchvision.transforms.Compose``."""
    return step("Compose", transforms=steps)


PROCESSOR: dict[str, Any] = {
    "image_processor_type": "ViTImageProcessor",
    "do_resize": True,
    "size": {"height": 224, "width": 224},
    "resample": 2,
    "do_center_crop": None,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": list(MEAN),
    "image_std": list(STD),
    "do_pad": False,
    "data_format": "channels_first",
}
CLIP: dict[str, Any] = {
    "size": {"shortest_edge": 248, "longest_edge": None},
    "do_center_crop": True,
    "crop_size": {"height": 224, "width": 224},
    "resample": 3,
}

RESIZE, CROP, TENSOR = step("Resize", size=256), step("CenterCrop", size=(224, 224)), step("ToTensor")
NORMALIZE = step("Normalize", mean=MEAN, std=STD)
FLOAT = step("ToDtype", dtype=torch.float32, scale=True)
CONVERT = step("ConvertImageDtype", dtype=torch.float32)
PRESET: dict[str, Any] = {
    "crop_size": [224],
    "resize_size": [256],
    "mean": MEAN,
    "std": STD,
    "interpolation": "bilinear",
}


S224 = (224, 224)
READ: list[tuple[object, View]] = [
    (step("ImageClassification", **PRESET), View(S224, short_side=256, interpolation="bilinear")),
    (compose(RESIZE, CROP, TENSOR, NORMALIZE), View(S224, short_side=256, interpolation="bilinear")),
    (compose(RESIZE, CROP, step("ToImage"), FLOAT, NORMALIZE), View(S224, short_side=256, interpolation="bilinear")),
    (compose(step("ToImage"), RESIZE, CROP, FLOAT, NORMALIZE), View(S224, short_side=256, interpolation="bilinear")),
    (
        compose(RESIZE, CROP, step("PILToTensor"), CONVERT, NORMALIZE),
        View(S224, short_side=256, interpolation="bilinear"),
    ),
    (
        compose(step("Resize", size=[192, 224]), TENSOR, NORMALIZE),
        View((192, 224), "stretch", interpolation="bilinear"),
    ),
    (compose(step("Resize", size=S224), CROP, TENSOR, NORMALIZE), View(S224, "stretch", interpolation="bilinear")),
    (
        compose(step("Resize", size=(256, 256)), CROP, TENSOR, NORMALIZE),
        View(S224, resize=(256, 256), interpolation="bilinear"),
    ),
    (compose(step("Resize", size=192), CROP, TENSOR, NORMALIZE), View(S224, short_side=192, interpolation="bilinear")),
    (
        compose(step("Resize", size=96), step("CenterCrop", size=(96, 160)), TENSOR, NORMALIZE),
        View((96, 160), short_side=96, interpolation="bilinear"),
    ),
    (
        compose(
            step("Resize", size=256, interpolation=step("InterpolationMode", value="lanczos")), CROP, TENSOR, NORMALIZE
        ),
        View(S224, short_side=256, interpolation="lanczos"),
    ),
    (compose(step("Resize", size=256, interpolation=3), CROP, TENSOR, NORMALIZE), View(S224, short_side=256)),
    (
        compose(step("PILToTensor"), step("Resize", size=256, antialias=False), CROP, CONVERT, NORMALIZE),
        View(S224, short_side=256, interpolation="bilinear", antialias=False),
    ),
    (
        compose(step("PILToTensor"), step("Resize", size=256, interpolation="nearest"), CROP, CONVERT, NORMALIZE),
        View(S224, short_side=256, interpolation="nearest", antialias=False),
    ),
    (
        compose(step("Resize", size=256, interpolation="nearest"), CROP, TENSOR, NORMALIZE),
        View(S224, short_side=256, interpolation="nearest"),
    ),
    (compose(TENSOR, NORMALIZE), View.native()),
    (CONFIG, View(S224, short_side=248)),
    (CONFIG | {"interpolation": "lanczos", "crop_pct": None}, View(S224, short_side=256, interpolation="lanczos")),
    (CONFIG | {"crop_mode": "squash", "crop_pct": 1.0, "input_size": (3, 192, 224)}, View((192, 224), "stretch")),
    (CONFIG | {"crop_mode": "squash"}, View(S224, resize=(248, 248))),
    (CONFIG | {"input_size": (3, 192, 224)}, View((192, 224), crop_pct=0.9)),
    (CONFIG | {"crop_mode": "border"}, View(S224, "pad", crop_pct=0.9, pad_color=(124 / 255, 116 / 255, 104 / 255))),
    (PROCESSOR, View(S224, "stretch", interpolation="bilinear")),
    (
        step("ViTImageProcessor", "transformers", to_dict=lambda: PROCESSOR),
        View(S224, "stretch", interpolation="bilinear"),
    ),
    (PROCESSOR | CLIP, View(S224, short_side=248, crop_offset="floor")),
    (PROCESSOR | CLIP | {"crop_size": 224}, View(S224, short_side=248, crop_offset="floor")),
    (
        PROCESSOR | CLIP | {"size": {"height": 256, "width": 256}},
        View(S224, resize=(256, 256), crop_offset="floor"),
    ),
    (
        PROCESSOR
        | {"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 224}, "crop_pct": 0.875},
        View(S224, short_side=256, interpolation="bilinear", crop_offset="floor"),
    ),
    (
        PROCESSOR
        | {"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 384}, "crop_pct": 0.875},
        View((384, 384), "stretch", interpolation="bilinear"),
    ),
    (PROCESSOR | {"do_resize": False}, View.native()),
]


@pytest.mark.parametrize("number", range(len(READ)))
def test_what_is_read(number: int) -> None:
    """View and normalisation of presets, compositions, timm's data config and image processors of transformers."""
    transform, view = READ[number]
    assert read_transform(transform) == Preprocessing(view, MEAN, STD)


@pytest.mark.parametrize(
    ("config", "mean", "std"),
    [
        ({"do_normalize": False}, (0, 0, 0), (1, 1, 1)),
        (
            {"rescale_factor": 1 / 127.5, "image_mean": [1, 1, 1], "image_std": [1, 1, 1]},
            (0.5, 0.5, 0.5),
            (0.5, 0.5, 0.5),
        ),
        ({"do_rescale": False, "image_mean": [127.5] * 3, "image_std": [255] * 3}, (0.5, 0.5, 0.5), (1, 1, 1)),
        ({"do_rescale": False, "do_normalize": False}, (0, 0, 0), (1 / 255, 1 / 255, 1 / 255)),
    ],
)
def test_the_scale_of_an_image_processor(config: Mapping[str, Any], mean: Any, std: Any) -> None:
    """``mean`` and ``std`` for pixels in [0, 1] are those that give its ``(level * factor - mean) / std``."""
    read = read_transform({**PROCESSOR, **config})
    assert read.mean == pytest.approx(mean)
    assert read.std == pytest.approx(std)


def test_nothing_is_normalised_without_a_step_for_it() -> None:
    """A composition without ``Normalize`` passes pixels in [0, 1]."""
    read = read_transform(compose(RESIZE, CROP, TENSOR))
    assert (read.mean, read.std) == ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


@pytest.mark.parametrize(
    ("transform", "words"),
    [
        (lambda image: image, "got a builtins.function"),
        (step("SemanticSegmentation"), "got a SemanticSegmentation; pass weights.transforms()"),
        (compose(RESIZE, step("Pad", padding=3), CROP, TENSOR), "got the step Pad after Resize"),
        (compose(RESIZE, CROP, TENSOR, step("Lambda")), "got the step Lambda after ToTensor"),
        (compose(step("RandomHorizontalFlip"), TENSOR), "got the step RandomHorizontalFlip; it can read Resize"),
        (compose(RESIZE, CROP, TENSOR, step("Resize", package="albumentations")), "the step albumentations.Resize"),
        (compose(CROP, RESIZE, TENSOR), "got the step Resize after CenterCrop"),
        (compose(RESIZE, CROP, TENSOR, NORMALIZE, NORMALIZE), "got the step Normalize after Normalize"),
        (compose(RESIZE, CROP, step("ToImage"), NORMALIZE), "without a conversion to floats"),
        (
            compose(RESIZE, CROP, step("ToDtype", dtype=torch.float32, scale=False)),
            "ToDtype to other values than float32",
        ),
        (compose(RESIZE, CROP, TENSOR, step("ConvertImageDtype", dtype=torch.float16)), "ConvertImageDtype to other"),
        (compose(RESIZE, TENSOR), r"got Resize\(256,\) with CenterCrop\(\)"),
        (compose(CROP, TENSOR), r"got Resize\(\) with CenterCrop\(224, 224\)"),
        (compose(step("Resize", size=256, max_size=300), CROP, TENSOR), "Resize with max_size"),
        (
            compose(step("Resize", size=256, antialias=False), CROP, TENSOR),
            "Resize of Pillow images with antialias=False",
        ),
        (compose(TENSOR, RESIZE, CROP), "got the step Resize after ToTensor"),
        (step("ImageClassification", **PRESET | {"antialias": False}), "of Pillow images with antialias=False"),
        (CONFIG | {"interpolation": "random"}, "expected interpolation=nearest or .* got 'random'"),
        (CONFIG | {"crop_mode": "other"}, "with crop_mode='other'"),
        (PROCESSOR | {"do_pad": True}, "an ViTImageProcessor with do_pad=True"),
        (PROCESSOR | {"do_flip_channel_order": True}, "with do_flip_channel_order=True"),
        (PROCESSOR | {"size": 224}, "got size=224; it can read shortest_edge, or height and width"),
        (PROCESSOR | {"size": {"longest_edge": 224}}, "got size={'longest_edge': 224}"),
        (PROCESSOR | {"size": {"shortest_edge": 224, "longest_edge": 500}}, "got size="),
        (PROCESSOR | {"size": {"shortest_edge": 224}}, r"Resize\(224,\) with CenterCrop\(\)"),
        (PROCESSOR | CLIP | {"do_resize": False}, r"Resize\(\) with CenterCrop\(224, 224\)"),
        (PROCESSOR | {"crop_pct": 0.9, "size": {"shortest_edge": 224}}, "ViTImageProcessor with crop_pct=0.9"),
        (PROCESSOR | {"resample": None}, "without resample"),
        (PROCESSOR | {"image_std": None}, "without image_std"),
        (PROCESSOR | {"rescale_factor": None}, "without rescale_factor"),
        (CONFIG | {"input_size": (1, 224, 224)}, r"got input_size=\(1, 224, 224\)"),
        (
            CONFIG | {"fixed_input_size": True},
            "got a dict with input_size, .* fixed_input_size; pass timm's data config",
        ),
        ({"input_size": (3, 224, 224)}, "got a dict with input_size; pass timm's data config .crop_pct, input_size"),
        (compose(RESIZE, CROP, TENSOR, step("Normalize", mean=(0.5, 0.5), std=STD)), "expected mean as one or three"),
    ],
)
def test_what_cannot_be_expressed_is_refused_by_name(transform: object, words: str) -> None:
    """The message names the step or the property."""
    with pytest.raises(seewhy.RequestError, match=words):
        read_transform(transform)


class Recorder(nn.Module):
    """A network that keeps its last input."""

    def forward(self, images: Tensor) -> Tensor:
        """Keep the input and return some scores."""
        self.seen = images
        return images.mean((2, 3))


@pytest.mark.parametrize("name", ["size", "short_side", "fit", "interpolation", "mean", "std", "channels"])
def test_settings_that_contradict_it_are_refused(name: str) -> None:
    """The message shows both values; the same value in another form is accepted."""
    same: Mapping[str, Any] = {
        "size": "224x224",
        "short_side": 248,
        "fit": "crop",
        "interpolation": "bicubic",
        "std": "0.229/0.224/0.225",
    }
    same = {**same, "mean": list(MEAN), "channels": "rgb"}
    other: Mapping[str, Any] = {
        "size": 192,
        "short_side": 256,
        "fit": "stretch",
        "interpolation": "bilinear",
        "mean": 0.5,
        "std": 0.5,
        "channels": "bgr",
    }
    classifier = seewhy.classifier(Recorder().eval(), transform=CONFIG, **{name: same[name]})
    assert classifier.view.describe() == "short side 248, centre crop 224 × 224, bicubic"
    with pytest.raises(seewhy.RequestError, match=rf"expected {name}=.*, as in transform=, got {name}="):
        seewhy.classifier(Recorder().eval(), transform=CONFIG, **{name: other[name]})


def test_a_function_gets_plain_pixels() -> None:
    """A function has the view of a transform, but cannot have its normalisation."""
    function = seewhy.classifier(lambda pictures: [[0.5, 0.5]] * len(pictures), transform=compose(RESIZE, CROP, TENSOR))
    assert function.view.describe() == "short side 256, centre crop 224 × 224, bilinear"
    with pytest.raises(seewhy.RequestError, match="got Normalize, for a function; normalise inside the function"):
        seewhy.classifier(lambda pictures: [[0.5, 0.5]] * len(pictures), transform=CONFIG)


def levels_apart(transform: Any, picture: Pillow.Image) -> float:
    """Return the mean difference, in grey levels, between what a classifier's network sees and the transform's result."""
    network = Recorder().eval()
    classifier = seewhy.classifier(network, transform=transform)
    classifier(apply_view(open_image(np.asarray(picture)), classifier.view)[0][None])
    return float((network.seen[0] - transform(picture)).abs().mul(torch.tensor(STD)[:, None, None] * 255).mean())


SHAPES = [(400, 600), (600, 400), (363, 400), (400, 363), (101, 67), (50, 400)]
"""Height and width of pictures, some of which a resize does not divide evenly."""


def photo(shape: tuple[int, int]) -> Pillow.Image:
    """Return a part of a photo, or of the photo on its side, with that height and width."""
    whole = Pillow.open(PHOTO).convert("RGB")
    return (whole if shape[0] <= whole.height else whole.rotate(90, expand=True)).crop((0, 0, shape[1], shape[0]))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("weights", ["EfficientNet_B0_Weights", "ResNet50_Weights", "Inception_V3_Weights"])
def test_presets_of_the_real_torchvision(weights: str, shape: tuple[int, int]) -> None:
    """What the network sees equals ``weights.transforms()``, up to float rounding."""
    models = pytest.importorskip("torchvision.models")
    assert levels_apart(getattr(models, weights).DEFAULT.transforms(), photo(shape)) < 0.001


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_compositions_of_the_real_torchvision(version: str, shape: tuple[int, int]) -> None:
    """Compositions of both versions, cropped, stretched and padded, are what the network sees."""
    one = pytest.importorskip("torchvision.transforms")
    two = pytest.importorskip("torchvision.transforms.v2")
    library = {"v1": one, "v2": two}[version]
    floats = [one.ToTensor()] if version == "v1" else [two.ToImage(), two.ToDtype(torch.float32, scale=True)]
    cubic = library.InterpolationMode.BICUBIC
    steps = [
        [library.Resize(256, cubic), library.CenterCrop(224)],
        [library.Resize(97), library.CenterCrop((96, 160))],
        [library.Resize((250, 261)), library.CenterCrop(224)],
        [library.Resize((120, 200), cubic)],
        [library.Resize(90, library.InterpolationMode.NEAREST), library.CenterCrop(84)],
    ]
    for sizes in steps:
        transform = library.Compose([*sizes, *floats, library.Normalize(MEAN, STD)])
        assert levels_apart(transform, photo(shape)) < 0.001


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("name", "bound"), [("bilinear", 0.51), ("bicubic", 0.51), ("nearest", 0.001), ("nearest-exact", 0.3)]
)
def test_tensors_of_the_real_torchvision(name: str, bound: float, shape: tuple[int, int]) -> None:
    """A resize of tensors differs by rounding alone, for ``nearest-exact`` that of pixels half-way between two, with and without antialiasing."""
    two = pytest.importorskip("torchvision.transforms.v2")
    for antialias in (True, False):
        resize = two.Resize(97, two.InterpolationMode(name), antialias=antialias)
        steps = [two.ToImage(), resize, two.CenterCrop(84), two.ToDtype(torch.float32, scale=True)]
        assert levels_apart(two.Compose([*steps, two.Normalize(MEAN, STD)]), photo(shape)) < bound
