"""Read a network's preprocessing from a torchvision or timm transform, by the names of its classes; neither is imported."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from seewhy.classifiers.settings import read_size, read_triple
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

_TIMM = {"input_size", "mean", "std", "interpolation", "crop_pct", "crop_mode"}
_INTERPOLATIONS = {"bilinear", "bicubic"}
_TIMM_CROP_PCT = 0.875  # timm's default


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

    The crop, the size and the normalisation are taken over exactly; images are resized bicubically, with antialiasing,
    also where the transform says bilinear, which changes a photo by about one grey level.

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
        >>> config = {"input_size": (3, 224, 224), "crop_pct": 0.875, "interpolation": "bicubic", "mean": (0.5, 0.5, 0.5)}
        >>> read_transform(config)
        Preprocessing(size=(224, 224), short_side=256, fit='crop', mean=(0.5, 0.5, 0.5), std=(1.0, 1.0, 1.0), channels='rgb')
    """
    kind = _kind(transform)
    if isinstance(transform, Mapping):
        return _of_config(transform)
    if kind == "ImageClassification":
        _check_resampling(transform, kind)
        resize, crop = getattr(transform, "resize_size", None), getattr(transform, "crop_size", None)
        return _preprocessing(_sides(resize), _sides(crop), transform)
    if kind == "Compose":
        return _of_steps(list(getattr(transform, "transforms", ())))
    raise _refusal(f"a {kind}", "pass weights.transforms(), a torchvision Compose, or timm's data config")


def with_transform(settings: dict[str, Any], *, normalises: bool = True) -> dict[str, Any]:
    """Replace ``transform`` among a classifier's settings by those that it determines.

    Args:
        settings: as the user gave them.
        normalises: whether the classifier can normalise its input; a function is called with plain pixels.

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
    if unknown := sorted(map(str, config.keys() - _TIMM)):
        raise _refusal(f"{unknown[0]!r} in a dict", f"pass timm's data config, with {', '.join(sorted(_TIMM))} only")
    channels, *sides = _numbers(config.get("input_size"))
    if channels != 3 or len(sides) != 2:
        raise _refusal(f"input_size={config.get('input_size')}", "pass timm's data config with input_size=(3, h, w)")
    _check_interpolation(config.get("interpolation", "bicubic"), "timm's data config")
    share, mode = config.get("crop_pct") or _TIMM_CROP_PCT, config.get("crop_mode") or "center"
    resize: tuple[int, ...] = ()
    if mode == "squash" and share == 1:
        resize = tuple(sides)
    elif mode == "center" and sides[0] == sides[1] and isinstance(share, float | int):
        resize = (math.floor(sides[0] / share),)
    else:
        raise _refusal(
            f"crop_mode={mode!r} with crop_pct={share} and input_size={config['input_size']}",
            "wrap the module in one that resizes",
        )
    return _preprocessing(resize, tuple(sides), config)


def _of_steps(steps: list[object]) -> Preprocessing:
    """Read the steps of a ``Compose``."""
    place, named, scaled = 0, dict[str, object](), False
    for step in steps:
        kind = _kind(step)
        place = next((at for at in range(place, len(_ORDER)) if kind in _ORDER[at]), len(_ORDER))
        if place == len(_ORDER) or kind in named:
            after = f" after {list(named)[-1]}" if named else ""
            raise _refusal(
                f"the step {kind}{after}", "it can read Resize, CenterCrop, ToTensor, Normalize, in this order"
            )
        if kind == "Resize":
            _check_resampling(step, kind)
        if kind in {"ToDtype", "ConvertImageDtype"} and not (
            str(getattr(step, "dtype", None)) == "torch.float32" and getattr(step, "scale", True)
        ):
            raise _refusal(f"a {kind} to other values than float32 in [0, 1]", "use dtype=torch.float32, scale=True")
        scaled |= kind in {"ToTensor", "MaybeToTensor", "ToDtype", "ConvertImageDtype"}
        named[kind] = step
    if not scaled:
        raise _refusal("a Compose without a conversion to floats in [0, 1]", "add ToTensor()")
    resize, crop = (_sides(getattr(named.get(kind), "size", ())) for kind in ("Resize", "CenterCrop"))
    return _preprocessing(resize, crop, named.get("Normalize"))


def _preprocessing(resize: tuple[int, ...], crop: tuple[int, ...], normalize: object) -> Preprocessing:
    """Combine a resize to the short side ``(s,)`` or to ``(h, w)``, a centre crop, and whatever has ``mean`` and ``std``."""
    mean, std = (_triple(normalize, name, plain) for name, plain in (("mean", 0.0), ("std", 1.0)))
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


def _triple(source: object, name: str, plain: float) -> Color:
    """Return ``mean`` or ``std`` of a step or a config, with the value that changes nothing where there is none."""
    value = source.get(name) if isinstance(source, Mapping) else getattr(source, name, None)
    return read_triple(name, plain if value is None else [float(number) for number in value])


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
    if interpolation not in _INTERPOLATIONS:
        raise _refusal(f"{kind} with interpolation={interpolation}", "use bilinear or bicubic")


def _sides(size: object) -> tuple[int, ...]:
    """Return one side or two as a tuple; an empty one where there is none."""
    sides = (size,) if isinstance(size, int) else tuple(_numbers(size))
    if len(sides) > 2:
        raise _refusal(f"a size of {size}", "use one side or (h, w)")
    return sides


def _numbers(value: object) -> list[int]:
    """Return whole numbers from a sequence; none from anything else."""
    return [int(number) for number in value] if isinstance(value, Iterable) else []


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
