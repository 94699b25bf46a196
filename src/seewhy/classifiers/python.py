"""A classifier from user code, specified as ``module:attribute``."""

import inspect
import pickle
from pathlib import Path
from typing import Any, Unpack

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from seewhy.classifiers.function import Dtype, Function, Returns, from_function
from seewhy.classifiers.module import from_module
from seewhy.classifiers.scaling import Scale, Triple
from seewhy.classifiers.settings import Channels
from seewhy.classifiers.views import ViewSettings
from seewhy.core.classifier import Classifier
from seewhy.core.errors import RequestError
from seewhy.runtime.code import find, noting


def python(
    *,
    object: str,  # noqa: A002 - the setting's public name
    weights: str | Path | None = None,
    labels: str | Path | None = None,
    mean: Triple | None = None,
    std: Triple | None = None,
    scale: Scale = "auto",
    outputs: Returns | None = None,
    label: int | str | None = None,
    classes: int | None = None,
    channels: Channels | None = None,
    device: str | None = None,
    dtype: Dtype | None = None,
    batch: int | None = None,
    fixed: bool = False,
    name: str | None = None,
    mean_color: Triple | None = None,
    **view: Unpack[ViewSettings],
) -> Classifier:
    """Import user code and wrap the named object as a classifier. This runs the code, so the caller must trust it.

    Args:
        object: ``module:attribute``; modules in the working directory are found. A ``torch.nn.Module`` instance, a
            function of ``(n, h, w, 3)`` arrays, or, with ``weights``, a callable without arguments that builds a
            module. What `seewhy.classifier` returned is used as it is, and takes no settings.
        weights: a state dict for the module that is built: a safetensors file, or a file saved by ``torch.save`` with
            plain tensors only. One level of ``{"state_dict": ...}`` and the prefix ``module.`` are removed.
        labels: path of a text file with one name per line.
        mean: as in `from_module`; modules only.
        std: as in `from_module`; modules only.
        scale: as in `from_module`; modules only.
        outputs: ``logits``, ``probabilities``, ``log-probabilities`` or ``sigmoid``; for functions also ``labels`` or
            ``top-k``, see `from_function`. None means ``logits`` for a module and ``probabilities`` for a function,
            which the self-test checks.
        label: the one of several independent labels to explain, by name or index; the classes are then "not X" and "X".
        classes: number of classes, for ``labels`` and ``top-k``; functions only.
        channels: ``rgb`` or ``bgr``; None for ``rgb``.
        device: device to run on; modules only.
        dtype: ``uint8`` or ``float32``; functions only.
        batch: maximum number of images per call; functions only.
        fixed: whether the function takes exactly ``batch`` images; functions only.
        name: name shown in results; None for ``object``.
        mean_color: mean colour of the training images, RGB in [0, 1].
        **view: ``size``, ``fit``, ``interpolation`` and the other settings of `seewhy.classifiers.views.ViewSettings`.

    Raises:
        RequestError: the module or attribute does not exist, it is not a classifier, a setting does not apply to it, or
            the weights do not fit or contain more than plain tensors.
        ClassifierError: the module is in training mode.

    Example:
        ``python(object="my_code:net", size=224, mean=0.5, std=0.5)``, or ``--classifier python:object=my_code:net,size=224``
    """
    code = find(object)
    common: dict[str, Any] = {"labels": labels, "outputs": outputs, "label": label, **view}
    common |= {"channels": channels, "name": name, "mean_color": mean_color}
    of_modules = {"mean": mean, "std": std, "scale": None if scale == "auto" else scale, "device": device}
    of_functions = {"classes": classes, "dtype": dtype, "batch": batch, "fixed": fixed or None}
    if isinstance(code, Classifier):
        return _finished(code, object, {"weights": weights} | common | of_modules | of_functions)
    if weights is not None:
        code = _with_weights(_build(code, object), Path(weights))
    common["name"] = name or object
    if isinstance(code, nn.Module):
        return from_module(code, **_given(common | of_modules, of_functions, "modules"))
    return from_function(_function(code, object), **_given(common | of_functions, of_modules, "functions"))


def _finished(classifier: Classifier, text: str, settings: dict[str, Any]) -> Classifier:
    """Return a classifier that the user's code has made, after rejecting settings, which it cannot take any more."""
    stray = [f"{setting}={value}" for setting, value in settings.items() if value is not None]
    if stray:
        raise RequestError(
            f"expected no settings for {text}, a finished classifier, got {stray[0]}; "
            "omit it, or pass it to seewhy.classifier in that file"
        )
    return classifier


def _given(own: dict[str, Any], foreign: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return the given settings, after rejecting those that apply only to the other kind."""
    stray = [setting for setting, value in foreign.items() if value is not None]
    if stray:
        raise RequestError(f"expected only settings of {kind}, got {stray[0]}={foreign[stray[0]]}; omit it")
    return {setting: value for setting, value in own.items() if value is not None}


def _build(code: object, text: str) -> nn.Module:
    """Call the function that builds the module."""
    module = code
    if callable(code) and not isinstance(code, nn.Module):
        with noting(f"while {text} was called without arguments to build the module for weights="):
            module = code()
    if not isinstance(module, nn.Module):
        raise RequestError(
            f"expected {text} to build a torch.nn.Module for weights=, got {type(module).__name__}; "
            "name a class or a function without arguments"
        )
    return module


def _with_weights(module: nn.Module, weights: Path) -> nn.Module:
    """Load a state dict into the module built for it, and set the module to eval mode."""
    state = _state(weights)
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        lines = " ".join(line.strip() for line in str(error).splitlines()[1:4])
        raise RequestError(
            f"expected weights of {type(module).__name__}, got {weights}, which do not fit: {lines[:300]}; "
            "use the builder of the module that was saved"
        ) from error
    return module.eval()


def _state(weights: Path) -> dict[str, Tensor]:
    """Read a file of plain tensors."""
    try:
        read: Any = (
            load_file(weights)
            if weights.suffix == ".safetensors"
            else torch.load(weights, weights_only=True, map_location="cpu")
        )
    except pickle.UnpicklingError as error:
        raise RequestError(
            f"expected plain tensors in {weights}, got a pickle that would run code, so it was not loaded; "
            "save model.state_dict() instead of the model"
        ) from error
    except (OSError, RuntimeError, EOFError, SafetensorError) as error:
        reason = str(error).splitlines()[0] if str(error) else "it is empty"
        raise RequestError(f"expected a file of weights, got {weights}: {reason}; check the path") from error
    state = read.get("state_dict", read) if isinstance(read, dict) else read
    if not isinstance(state, dict) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise RequestError(f"expected a state dict in {weights}, got {type(state).__name__}; save model.state_dict()")
    wrapped = all(name.startswith("module.") for name in state)  # the prefix that DataParallel adds
    return {name.removeprefix("module.") if wrapped else name: value for name, value in state.items()}


def _function(code: object, text: str) -> Function:
    """Reject objects that are not functions of images."""
    if isinstance(code, type):
        raise RequestError(
            f"expected an object or a function, got the class {text}; "
            "name an instance of it, or add weights=FILE to build and load one"
        )
    if not callable(code):
        raise RequestError(
            f"expected a module or a function, got {text}, a {type(code).__name__}; name a module or a function"
        )
    if _takes_nothing(code):
        raise RequestError(
            f"expected a function of images, got {text}, which takes no arguments; "
            "name the object it returns, or add weights=FILE if it builds a module"
        )
    return code


def _takes_nothing(function: Function) -> bool:
    """Return whether a function takes no arguments, which marks a builder rather than a function of images."""
    try:
        return not inspect.signature(function).parameters
    except (TypeError, ValueError):  # functions built in C may have no readable signature
        return False
