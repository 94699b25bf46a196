"""A classifier named on the command line: ``module:attribute`` of the user's own code."""

import inspect
import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from seewhy.classifiers.function import Dtype, Function, FunctionClassifier, Returns, from_function
from seewhy.classifiers.module import TorchClassifier, from_module
from seewhy.classifiers.settings import Channels, Size, Triple
from seewhy.core.errors import RequestError
from seewhy.core.view import Fit
from seewhy.runtime.code import find
from seewhy.runtime.notes import Noting


def python(
    *,
    object: str,  # noqa: A002 - the name that users type
    weights: str | Path | None = None,
    labels: str | Path | None = None,
    size: Size | None = None,
    short_side: int | None = None,
    fit: Fit = "crop",
    mean: Triple | None = None,
    std: Triple | None = None,
    outputs: Returns | None = None,
    classes: int | None = None,
    channels: Channels | None = None,
    device: str | None = None,
    dtype: Dtype | None = None,
    batch: int | None = None,
    fixed: bool = False,
    name: str | None = None,
    mean_color: Triple | None = None,
) -> TorchClassifier | FunctionClassifier:
    """Import the user's code and make what it names a classifier. This runs that code: whoever calls must trust it.

    Args:
        object: ``module:attribute``; modules in the working directory are found. A ``torch.nn.Module`` instance, or a
            function of ``(n, h, w, 3)`` arrays, or with ``weights`` a callable without arguments that builds a module.
        weights: a state dict for the module that is built: a safetensors file, or what ``torch.save`` wrote, plain
            tensors only. One level of ``{"state_dict": ...}`` and the prefix ``module.`` are taken off.
        labels: a text file with one name a line.
        size: side of its input, pixels, or ``HEIGHTxWIDTH``; None shows it each picture at its own size.
        short_side: the picture's short side before the centre crop, pixels; None for just enough.
        fit: ``crop`` or ``stretch``.
        mean: as in `from_module`; modules only.
        std: as in `from_module`; modules only.
        outputs: ``logits`` or ``probabilities``; of functions also ``labels`` or ``top-k``, see `from_function`; None is ``logits`` for a module,
            ``probabilities`` for a function.
        classes: how many there are, for ``labels`` and ``top-k``; functions only.
        channels: ``rgb`` or ``bgr``; None for ``rgb``.
        device: where it runs; modules only.
        dtype: ``uint8`` or ``float32``; functions only.
        batch: the most pictures it takes at once; functions only.
        fixed: it takes exactly ``batch``; functions only.
        name: what it is called in results; None for ``object``.
        mean_color: of its training pictures, RGB in [0, 1].

    Raises:
        RequestError: there is no such module or attribute, it is not a classifier, a setting does not belong to it, or
            the weights do not fit or hold more than plain tensors.
        ClassifierError: the module is in training mode.

    Example:
        ``python(object="my_code:net", size=224, mean=0.5, std=0.5)``, or ``--classifier python:object=my_code:net,size=224``
    """
    found = find(object)
    if weights is not None:
        found = _with_weights(_build(found, object), Path(weights))
    common: dict[str, Any] = {"labels": labels, "size": size, "short_side": short_side, "fit": fit, "outputs": outputs}
    common |= {"channels": channels, "name": name or object, "mean_color": mean_color}
    of_modules = {"mean": mean, "std": std, "device": device}
    of_functions = {"classes": classes, "dtype": dtype, "batch": batch, "fixed": fixed or None}
    if isinstance(found, nn.Module):
        return from_module(found, **_given(common | of_modules, of_functions, "modules"))
    return from_function(_function(found, object), **_given(common | of_functions, of_modules, "functions"))


def _given(own: dict[str, Any], foreign: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return the settings that were given, after refusing those that belong to the other kind."""
    stray = [setting for setting, value in foreign.items() if value is not None]
    if stray:
        raise RequestError(f"expected only settings of {kind}, got {stray[0]}={foreign[stray[0]]}; leave it out")
    return {setting: value for setting, value in own.items() if value is not None}


def _build(found: object, text: str) -> nn.Module:
    """Call the builder of a module."""
    if isinstance(found, nn.Module):
        module: object = found
    elif callable(found):
        with Noting(f"while {text} was called without arguments to build the module for weights="):
            module = found()
    else:
        module = found
    if not isinstance(module, nn.Module):
        raise RequestError(
            f"expected {text} to build a torch.nn.Module for weights=, got {type(module).__name__}; "
            "name a class or a function without arguments"
        )
    return module


def _with_weights(module: nn.Module, weights: Path) -> nn.Module:
    """Load a state dict into a module that was built for it, and set it to eval mode."""
    state = _state(weights)
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        lines = " ".join(line.strip() for line in str(error).splitlines()[1:4])
        raise RequestError(
            f"expected weights of {type(module).__name__}, got {weights}, which do not fit: {lines[:300]}; "
            "name the builder that they were saved from"
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
            f"expected plain tensors in {weights}, got a pickle that wants to run code; it was not loaded: "
            "save model.state_dict() instead of the model"
        ) from error
    except (OSError, RuntimeError, EOFError, SafetensorError) as error:
        reason = str(error).splitlines()[0] if str(error) else "it is empty"
        raise RequestError(f"expected a file of weights, got {weights}: {reason}; check the path") from error
    state = read.get("state_dict", read) if isinstance(read, dict) else read
    if not isinstance(state, dict) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise RequestError(f"expected a state dict in {weights}, got {type(state).__name__}; save model.state_dict()")
    wrapped = all(name.startswith("module.") for name in state)  # what DataParallel puts before each name
    return {name.removeprefix("module.") if wrapped else name: value for name, value in state.items()}


def _function(found: object, text: str) -> Function:
    """Refuse what is not a function of pictures."""
    if isinstance(found, type):
        raise RequestError(
            f"expected an object or a function, got the class {text}; "
            "name an instance of it, or add weights=FILE to build and load one"
        )
    if not callable(found):
        raise RequestError(f"expected a module or a function, got {text}, a {type(found).__name__}; name one")
    if _takes_nothing(found):
        raise RequestError(
            f"expected a function of pictures, got {text}, which takes no argument; "
            "name what it returns, or add weights=FILE if it builds a module"
        )
    return found


def _takes_nothing(function: Function) -> bool:
    """Tell a builder from a function of pictures."""
    try:
        return not inspect.signature(function).parameters
    except (TypeError, ValueError):  # built in C: no signature to read
        return False
