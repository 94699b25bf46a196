"""The table of classifiers, in the order of listing."""

from seewhy.classifiers.imagenet import efficientnet_lite0, efficientnet_lite1, efficientnet_lite2
from seewhy.classifiers.onnx import onnx
from seewhy.classifiers.python import python
from seewhy.classifiers.trained import trained
from seewhy.registry.rows import ClassifierRow

_IMAGENET = "ImageNet, 1,000 classes"
_PAPER = "Tan, Le, ICML 2019"

CLASSIFIERS: dict[str, ClassifierRow] = {
    "efficientnet-lite0": ClassifierRow(
        efficientnet_lite0, f"{_IMAGENET}, 224 pixels; the default", _PAPER, extra="demo"
    ),
    "efficientnet-lite1": ClassifierRow(efficientnet_lite1, f"{_IMAGENET}, 240 pixels", _PAPER, extra="demo"),
    "efficientnet-lite2": ClassifierRow(efficientnet_lite2, f"{_IMAGENET}, 260 pixels", _PAPER, extra="demo"),
    "onnx": ClassifierRow(onnx, "an ONNX file: onnx:path=model.onnx, or the path alone", extra="onnx"),
    "python": ClassifierRow(
        python, "your own function, torch module or classifier: module:attribute, or python:object=…", runs_code=True
    ),
    "trained": ClassifierRow(trained, "a network trained by seewhy train classifier: trained:folder=DIR"),
}
