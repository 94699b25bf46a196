"""Read a network's preprocessing from a torchvision or timm transform, by the names of its classes; neither is imported."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from seewhy.classifiers.scaling import read_triple
from seewhy.classifiers.settings import read_size
from seewhy.core.classifier import Color
from seewhy.core.errors import RequestError
from seewhy.core.view import Fit

_ORDER = (
    {"Resize", "ToImage", "PILToTensor"},
    {"CenterCrop"},
    {"ToTensor", "MaybeToTensor", "ToImage", "PILToTensor"},
    {"ToDtype", "ConvertImageDtype"},
    {"Normalize"},
)
"""The steps that can be read, in the order in which they may follow each other."""

_FLOATS = {"ToTensor", "MaybeToTensor", "ToDtype", "ConvertImageDtype"}
_TIMM = {"input_size", "mean", "std", "interpolation", "crop_pct"}


@dataclass(frozen=True)
class Preprocessing:
    """Settings of `seewhy.classifiers.module.from_module` that a transform determines."""

    size: tuple[int, int] | None
    short_side: int | None
    fit: Fit
    mean: Color
    std: Color
    channels: str = "rgb"


def read_transform(transform: object) -> Preprocessing:
    """Read the preprocessing that a network was evaluated with.

    Images are resized bicubically, also where the transform says bilinear, which changes a photo by one or two grey levels.
    Where the sides do not divide evenly, the crop may lie up to a pixel beside torchvision's, which changes fine detail by
    several levels: the view rounds the resized long side and rounds an odd margin down, torchvision truncates the former
    and rounds the latter to even.

    Args:
        transform: a torchvision preset (``weights.transforms()``); a ``torchvision.transforms.Compose``, v1 or v2, of
            ``Resize``, ``CenterCrop``, a conversion to float32 in [0, 1] (``ToTensor``, ``ToImage`` and ``ToDtype``, or
            ``PILToTensor`` and ``ConvertImageDtype``) and ``Normalize``, in this order, the first two and the last
            optional; or timm's data config, a dict with ``input_size``, ``mean``, ``std``, ``interpolation``,
            ``crop_pct`` and ``crop_mode``. ``Resize((h, w))`` stretches the image.

    Returns:
        The settings; without a ``Resize``, each image keeps its native size.

    Raises:
        RequestError: a step, or a property of a step, cannot be expressed by a classifier's settings; nothing is left out.

    Example:
        >>> config = {"input_size": (3, 224, 224), "crop_pct": 0.875, "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
        >>> read_transform(config | {"interpolation": "bicubic"}).short_side
        256
    """
    kind = _kind(transform)
    if isinstance(transform, Mapping):
        return _of_config(transform)
    if kind == "ImageClassification":
        _check_resampling(transform, kind)
        resize, crop = (_numbers(getattr(transform, name, None)) for name in ("resize_size", "crop_size"))
        return _preprocessing(resize, crop, vars(transform))
    if kind == "Compose":
        return _of_steps(list(getattr(transform, "transforms", ())))
    raise _refusal(f"a {kind}", "pass weights.transforms(), a torchvision Compose, or timm's data config")


def with_transform(settings: dict[str, Any], *, normalises: bool = True) -> dict[str, Any]:
    """Replace ``transform`` among the settings that a user gave by those that it determines.

    A classifier that does not normalise is a function, which is called with plain pixels.

    Raises:
        RequestError: the transform cannot be read, or another setting contradicts it.
    """
    given = {name: value for name, value in settings.items() if name != "transform"}
    if settings.get("transform") is None:
        return given
    preprocessing = read_transform(settings["transform"])
    determined = asdict(preprocessing)
    for name in determined.keys() & given.keys():
        if given[name] is not None and not _same(name, given[name], determined[name]):
            raise RequestError(
                f"expected {name}={determined[name]}, as in transform=, got {name}={given[name]}; omit {name}= or transform="
            )
    if not normalises:
        if (preprocessing.mean, preprocessing.std) != ((0.0,) * 3, (1.0,) * 3):
            raise _refusal("Normalize, for a function", "normalise inside the function, or pass a torch module")
        del determined["mean"], determined["std"]
    return given | determined


def _of_config(config: Mapping[str, object]) -> Preprocessing:
    """Read timm's data config, as ``timm.data.create_transform`` does."""
    if (config.keys() ^ _TIMM) - {"crop_mode"}:
        keys = ", ".join(sorted(_TIMM))
        raise _refusal(f"a dict with {', '.join(map(str, config))}", f"pass timm's data config: {keys}, crop_mode")
    channels, *sides = _numbers(config["input_size"])
    share, mode = config["crop_pct"], config.get("crop_mode") or "center"
    _check_interpolation(config["interpolation"], "timm's data config")
    if channels == 3 and mode == "squash" and share == 1:
        return _preprocessing(tuple(sides), tuple(sides), config)
    if channels == 3 and mode == "center" and len(set(sides)) == 1 and isinstance(share, float | int):
        return _preprocessing((math.floor(sides[0] / share),), tuple(sides), config)
    raise _refusal(
        f"input_size={config['input_size']} with crop_mode={mode!r} and crop_pct={share}",
        "use a square RGB input with crop_mode='center', or crop_mode='squash' with crop_pct=1",
    )


def _of_steps(steps: list[object]) -> Preprocessing:
    """Read the steps of a ``Compose``."""
    place, named = 0, dict[str, object]()
    for step in steps:
        kind = _kind(step)
        place = next((at for at in range(place, len(_ORDER)) if kind in _ORDER[at]), len(_ORDER))
        if place == len(_ORDER) or kind in named:
            what = f"the step {kind}" + (f" after {list(named)[-1]}" if named else "")
            raise _refusal(what, "it can read Resize, CenterCrop, ToTensor, Normalize, in this order")
        named[kind] = step
        if kind == "Resize":
            _check_resampling(step, kind)
        dtype, scale = str(getattr(step, "dtype", "torch.float32")), getattr(step, "scale", True)
        if kind in _FLOATS and not (dtype == "torch.float32" and scale):
            raise _refusal(f"a {kind} to other values than float32 in [0, 1]", "use dtype=torch.float32, scale=True")
    if not _FLOATS & named.keys():
        raise _refusal("a Compose without a conversion to floats in [0, 1]", "add ToTensor()")
    resize, crop = (_numbers(getattr(named.get(kind), "size", None)) for kind in ("Resize", "CenterCrop"))
    return _preprocessing(resize, crop, vars(named["Normalize"]) if "Normalize" in named else {})


def _preprocessing(resize: tuple[int, ...], crop: tuple[int, ...], scaling: Mapping[str, Any]) -> Preprocessing:
    """Combine a resize to the short side ``(s,)`` or to ``(h, w)``, a centre crop, and ``mean`` and ``std``."""
    plain = {"mean": [0.0], "std": [1.0]}
    mean, std = (read_triple(name, list(map(float, scaling.get(name, plain[name])))) for name in plain)
    size = (crop[0], crop[-1]) if crop else None
    if not resize and not crop:
        return Preprocessing(None, None, "crop", mean, std)
    if len(resize) == 2 and size in {None, resize}:
        return Preprocessing((resize[0], resize[1]), None, "stretch", mean, std)
    if len(resize) == 1 and size is not None and resize[0] >= max(size):
        return Preprocessing(size, resize[0], "crop", mean, std)
    raise _refusal(
        f"Resize{resize} with CenterCrop{crop}",
        "it can resize the short side to at least the sides of a centre crop, or resize to (h, w) without another crop",
    )


def _kind(step: object) -> str:
    """Return the name of a class of torchvision or timm; the full name of any other, so that it is not mistaken for one."""
    kind = type(step)
    ours = kind.__module__.partition(".")[0] in {"torchvision", "timm"}
    return kind.__name__ if ours else f"{kind.__module__}.{kind.__qualname__}"


def _check_resampling(step: object, kind: str) -> None:
    """Reject a resize that differs from the view's by more than the kernel."""
    interpolation = getattr(step, "interpolation", "bilinear")
    _check_interpolation(getattr(interpolation, "value", interpolation), kind)
    if getattr(step, "antialias", True) is False or getattr(step, "max_size", None) is not None:
        raise _refusal(f"a {kind} with antialias=False or max_size", "leave both at their defaults")


def _check_interpolation(interpolation: object, kind: str) -> None:
    """Reject an interpolation that bicubic does not come close to."""
    if interpolation not in {"bilinear", "bicubic"}:
        raise _refusal(f"{kind} with interpolation={interpolation}", "use bilinear or bicubic")


def _numbers(value: object) -> tuple[int, ...]:
    """Return one whole number or several as a tuple; an empty one where there is none."""
    several = value if isinstance(value, Iterable) else () if value is None else (value,)
    return tuple(map(int, several))


def _same(name: str, given: object, determined: object) -> bool:
    """Return whether a setting that the user gave, in any of its forms, equals one from the transform."""
    if name == "size" and isinstance(given, int | str | tuple):
        return read_size(given) == determined
    if name in {"mean", "std"} and isinstance(given, float | int | str | Sequence):
        return read_triple(name, given) == determined
    return given == determined


def _refusal(what: str, advice: str) -> RequestError:
    """Return the error for what a classifier's settings cannot express."""
    return RequestError(
        f"expected a transform that size, short_side, fit, mean and std can express, got {what}; {advice}"
    )
