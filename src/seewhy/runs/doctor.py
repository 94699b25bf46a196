"""What is installed here, how fast it is, and which extras are missing."""

import importlib.util
import platform
import time
from importlib.metadata import version
from typing import Any

import torch

from seewhy import registry
from seewhy.core.errors import RequestError

EXTRAS = {"demo": "efficientnet_lite_pytorch", "onnx": "onnxruntime", "patchmatch": "patchmatch"}
"""Extra → a module that is there when the extra is installed."""


def examine() -> dict[str, dict[str, Any]]:
    """Look around.

    Returns:
        ``versions``, ``machine``, ``extras`` (installed, or the command that installs them) and ``speed`` (queries a
        second of the default classifier for several batch sizes, where it is installed).
    """
    return {"versions": _versions(), "machine": _machine(), "extras": _extras(), "speed": _speed()}


def _versions() -> dict[str, str]:
    """The versions that results depend on."""
    packages = ("seewhy", "torch", "numpy", "pillow", "opencv-python-headless")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def _machine() -> dict[str, Any]:
    """What torch can compute with."""
    cuda = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    return {"threads": torch.get_num_threads(), "cuda": cuda, "platform": platform.platform()}


def _extras() -> dict[str, str]:
    """Which optional groups are there."""
    return {
        extra: "installed" if importlib.util.find_spec(module) else f"missing: pip install 'seewhy[{extra}]'"
        for extra, module in EXTRAS.items()
    }


def _speed() -> dict[str, Any]:
    """Time the default classifier for a moment at each batch size."""
    try:
        classifier = registry.classifier()
    except RequestError as problem:
        return {registry.DEFAULT_CLASSIFIER: str(problem)}
    size = classifier.view.size or (224, 224)
    speeds = {}
    for batch in (1, 2, 4, 8, 16):
        images = torch.rand(batch, 3, *size, generator=torch.Generator().manual_seed(0)).to(classifier.device)
        speeds[f"batch {batch}"] = f"{_rate(classifier, images):.0f} queries/s"
    return speeds


def _rate(classifier: Any, images: torch.Tensor, seconds: float = 0.5) -> float:  # noqa: ANN401 - any Classifier
    """Queries a second, after one batch to warm up."""
    with torch.inference_mode():
        classifier(images)
        start, done = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            classifier(images)
            done += len(images)
    return done / (time.perf_counter() - start)
