"""Report the installed versions, the speed of this machine, and the missing extras."""

import platform
import time
from importlib.metadata import version

import torch
from torch.nn.functional import interpolate

from seewhy import registry
from seewhy.classifiers.known import check_known
from seewhy.classifiers.tuning import RuntimeChoice, RuntimeRequest, tune
from seewhy.core.classifier import Classifier
from seewhy.core.context import plain_torch
from seewhy.core.errors import RequestError
from seewhy.runtime.extras import extras
from seewhy.runtime.machine import installed


def examine() -> dict[str, dict[str, str]]:
    """Examine the installation and this machine; ``speed`` is that of the unmodified default classifier, where it is installed."""
    packages = ("seewhy", "torch", "numpy", "pillow", "opencv-python-headless")
    return {
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
        "machine": _machine(),
        "extras": _extras(),
        "runtimes": {name: installed(name) or "none" for name in ("torch", "openvino", "onnxruntime")},
        "speed": _speed(),
    }


@plain_torch()
def tune_here(
    source: str = registry.DEFAULT_CLASSIFIER, *, device: str | None = None, trust: bool = False
) -> RuntimeChoice:
    """Search for the fastest runtime of a classifier without a time limit, and cache it for later runs.

    Every candidate is tried, including the one for the windows of the default method. The image is synthetic,
    and smooth like a photo; each run verifies the choice on its own image.
    """
    classifier = registry.classifier(source, trust=trust, device=device)
    colours = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    smooth = interpolate(colours, classifier.view.size or (224, 224), mode="bilinear")[0]
    box = min(registry.METHODS[registry.DEFAULT_METHOD].windows({}))
    return tune(classifier, (smooth * 255).round() / 255, RuntimeRequest(), box=box)[1]


def check_here(source: str, pictures: str, *, device: str | None = None, trust: bool = False) -> str:
    """Check a classifier on pictures of known class, and say how many are right; see `seewhy.classifiers.known.check_known`."""
    return check_known(registry.classifier(source, trust=trust, device=device), pictures)


def _machine() -> dict[str, str]:
    """Describe the hardware that torch can use."""
    cuda = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    return {"threads": str(torch.get_num_threads()), "cuda": cuda, "platform": platform.platform()}


def _extras() -> dict[str, str]:
    """Return the state of each optional dependency group."""
    return {
        extra: "installed" if all(map(installed, packages)) else f"missing: pip install 'seewhy[{extra}]'"
        for extra, packages in extras().items()
    }


def _speed() -> dict[str, str]:
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


def _rate(classifier: Classifier, images: torch.Tensor, seconds: float = 0.5) -> float:
    """Return the number of queries per second, after one warm-up batch."""
    with torch.inference_mode():
        classifier(images)
        start, done = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            classifier(images)
            done += len(images)
    return done / (time.perf_counter() - start)
