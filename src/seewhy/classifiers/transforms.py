"""Read preprocessing from a transform of torchvision or timm, or an image processor of transformers; none is imported."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from seewhy.classifiers.scaling import read_triple
from seewhy.classifiers.settings import Channels
from seewhy.classifiers.views import ViewSettings, make_view, read_size
from seewhy.core.classifier import Color
from seewhy.core.errors import RequestError
from seewhy.core.view import View

_ORDER = (
    {"Resize", "ToImage", "PILToTensor"},
    {"CenterCrop"},
    {"ToTensor", "MaybeToTensor", "ToImage", "PILToTensor"},
    {"ToDtype", "ConvertImageDtype"},
    {"Normalize"},
)
"""The steps that can be read, in the order in which they may follow each other."""

_FLOATS = {"ToTensor", "MaybeToTensor", "ToDtype", "ConvertImageDtype"}
_FROM_PILLOW = {"ToTensor", "MaybeToTensor", "ToImage", "PILToTensor"}
_TIMM = {"input_size", "mean", "std", "interpolation", "crop_pct"}
_PILLOW = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")
"""Names of Pillow's kernels, by their numbers."""

_READ = {
    "do_resize",
    "size",
    "resample",
    "crop_pct",
    "do_center_crop",
    "crop_size",
    "do_rescale",
    "rescale_factor",
    "do_normalize",
    "image_mean",
    "image_std",
}
_HARMLESS = {
    "image_processor_type",
    "feature_extractor_type",
    "processor_class",
    "auto_map",
    "do_convert_rgb",
    "default_to_square",
    "data_format",
    "input_data_format",
    "device",
    "return_tensors",
    "disable_grouping",
    "pad_size",
    "model_input_names",
}
"""Keys of an image processor that are read, and those that do not change its result; others must be off."""


@dataclass(frozen=True)
class Preprocessing:
    """What a transform determines of a classifier: its view, and how its input is normalised."""

    view: View
    mean: Color
    std: Color
    channels: Channels = "rgb"

    def settings(self) -> dict[str, Any]:
        """Return it as settings of `seewhy.classifiers.module.from_module`."""
        view = {field.name: getattr(self.view, field.name) for field in fields(View)}
        return {**view, "mean": self.mean, "std": self.std, "channels": self.channels}


def read_transform(transform: object) -> Preprocessing:
    """Read the preprocessing that a network was evaluated with; images are then prepared exactly so.

    Args:
        transform: one of

            - a torchvision preset (``weights.transforms()``);
            - a ``torchvision.transforms.Compose``, v1 or v2, of ``Resize``, ``CenterCrop``, a conversion to float32 in
              [0, 1] (``ToTensor``, ``ToImage`` and ``ToDtype``, or ``PILToTensor`` and ``ConvertImageDtype``) and
              ``Normalize``, in this order, the first two and the last optional;
            - timm's data config, a dict with ``input_size``, ``mean``, ``std``, ``interpolation``, ``crop_pct`` and
              ``crop_mode``;
            - an image processor of transformers, or the dict that its ``to_dict()`` returns.

    Returns:
        View and normalisation; without a resize, each image keeps its native size.

    Raises:
        RequestError: a step, or a property of a step, cannot be expressed by a classifier's settings; nothing is left out.

    Example:
        >>> config = {"input_size": (3, 224, 224), "crop_pct": 0.875, "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
        >>> read_transform(config | {"interpolation": "bicubic"}).view.describe()
        'short side 256, centre crop 224 × 224, bicubic'
    """
    to_dict = getattr(transform, "to_dict", None)
    if isinstance(transform, Mapping) or callable(to_dict):
        config: Mapping[str, Any] = transform if isinstance(transform, Mapping) else to_dict()  # type: ignore[misc]
        return _of_processor(config) if "do_resize" in config else _of_timm(config)
    kind = _kind(transform)
    if kind == "ImageClassification":
        resize, crop = (_sides(getattr(transform, name, None)) for name in ("resize_size", "crop_size"))
        return _preprocessing(resize, crop, _resampling(transform, kind), vars(transform))
    if kind == "Compose":
        return _of_steps(list(getattr(transform, "transforms", ())))
    raise _refusal(
        f"a {kind}",
        "pass weights.transforms(), a torchvision Compose, timm's data config or an image processor of transformers",
    )


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
    determined = preprocessing.settings()
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


def _of_timm(config: Mapping[str, Any]) -> Preprocessing:
    """Read timm's data config, as ``timm.data.create_transform`` does."""
    if (config.keys() ^ _TIMM) - {"crop_mode"}:
        keys = ", ".join(sorted(_TIMM))
        raise _refusal(
            f"a dict with {', '.join(map(str, config))}",
            f"pass timm's data config ({keys}, crop_mode) or the to_dict() of an image processor of transformers",
        )
    channels, *size = _sides(config["input_size"])
    share, mode = config["crop_pct"] or 0.875, config.get("crop_mode") or "center"
    if channels != 3 or len(size) != 2 or mode not in {"center", "squash", "border"}:
        raise _refusal(
            f"input_size={config['input_size']} with crop_mode={mode!r}",
            "use three channels, and crop_mode='center', 'squash' or 'border'",
        )
    scaled = tuple(math.floor(side / share) for side in size)
    how: ViewSettings = {"interpolation": config["interpolation"]}
    if mode == "squash" or (mode == "center" and scaled[0] == scaled[1]):
        return _preprocessing(scaled if mode == "squash" else scaled[:1], tuple(size), how, config)
    view: ViewSettings = {**how, "size": (size[0], size[1]), "crop_pct": share}
    if mode == "border":
        view |= {"fit": "pad", "pad_color": [round(255 * value) / 255 for value in config["mean"]]}
    return _normalised(make_view(**view), config)


def _of_processor(config: Mapping[str, Any]) -> Preprocessing:
    """Read the settings of an image processor of transformers."""
    kind = str(config.get("image_processor_type", "image processor"))
    strange = [name for name, value in config.items() if name not in _READ | _HARMLESS and value not in (None, False)]
    if strange:
        raise _refusal(f"an {kind} with {strange[0]}={config[strange[0]]}", "prepare images in a function of your own")
    size, crop = (
        _sides_of(config, name, step) for name, step in (("size", "do_resize"), ("crop_size", "do_center_crop"))
    )
    if config.get("crop_pct") is not None and size:
        size, crop = _of_convnext(kind, config["crop_pct"], size, crop)
    if size and config.get("resample") is None:
        raise _refusal(f"an {kind} without resample", "pass the image processor instead of its file")
    how: ViewSettings = {"crop_offset": "floor"}
    if size:
        how["interpolation"] = _PILLOW[int(config["resample"])]  # type: ignore[typeddict-item]
    return _preprocessing(size, crop, how, _scaling_of(config, kind))


def _of_convnext(
    kind: str, share: float, size: tuple[int, ...], crop: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return resize and crop of ConvNeXt, whose processor crops small inputs and squashes the image into large ones."""
    if not kind.startswith("ConvNext") or len(size) != 1 or crop:
        raise _refusal(f"an {kind} with crop_pct={share}", "set crop_pct=, size= and interpolation= yourself")
    side = size[0]
    return ((int(side / share),), (side, side)) if side < 384 else ((side, side), ())


def _sides_of(config: Mapping[str, Any], name: str, step: str) -> tuple[int, ...]:
    """Return the short side ``(s,)`` or ``(h, w)`` of a step of an image processor; nothing where it is left out."""
    if not config.get(step):
        return ()
    value = config.get(name)
    if isinstance(value, int) and name == "crop_size":
        return value, value
    entries = value if isinstance(value, Mapping) else getattr(value, "__dict__", {})
    sides = {edge: side for edge, side in entries.items() if side is not None}
    if sides.keys() == {"height", "width"}:
        return sides["height"], sides["width"]
    if sides.keys() == {"shortest_edge"} and name == "size":
        return (sides["shortest_edge"],)
    raise _refusal(f"{name}={value}", "it can read shortest_edge, or height and width; pass the image processor itself")


def _scaling_of(config: Mapping[str, Any], kind: str) -> dict[str, list[float]]:
    """Return mean and std for images in [0, 1] of an image processor, which multiplies levels by ``rescale_factor``."""
    missing = [name for name in ("image_mean", "image_std") if config.get("do_normalize") and config.get(name) is None]
    if missing or (config.get("do_rescale") and config.get("rescale_factor") is None):
        raise _refusal(
            f"an {kind} without {(*missing, 'rescale_factor')[0]}", "pass the image processor instead of its file"
        )
    white = 255 * config["rescale_factor"] if config.get("do_rescale") else 255.0
    white = 1.0 if math.isclose(white, 1) else white
    mean, std = (config["image_mean"], config["image_std"]) if config.get("do_normalize") else (0.0, 1.0)
    return {
        name: [value / white for value in (values if isinstance(values, Iterable) else [values])]
        for name, values in (("mean", mean), ("std", std))
    }


def _of_steps(steps: list[object]) -> Preprocessing:
    """Read the steps of a ``Compose``."""
    place, named = 0, dict[str, object]()
    how: ViewSettings = {}
    for step in steps:
        kind = _kind(step)
        place = next((at for at in range(place, len(_ORDER)) if kind in _ORDER[at]), len(_ORDER))
        if place == len(_ORDER) or kind in named:
            what = f"the step {kind}" + (f" after {list(named)[-1]}" if named else "")
            raise _refusal(what, "it can read Resize, CenterCrop, ToTensor, Normalize, in this order")
        if kind == "Resize":
            later = {_kind(other) for other in steps[steps.index(step) :]}
            how = _resampling(step, kind, tensors=not _FROM_PILLOW & later)
        named[kind] = step
        dtype, scale = str(getattr(step, "dtype", "torch.float32")), getattr(step, "scale", True)
        if kind in _FLOATS and not (dtype == "torch.float32" and scale):
            raise _refusal(f"a {kind} to other values than float32 in [0, 1]", "use dtype=torch.float32, scale=True")
    if not _FLOATS & named.keys():
        raise _refusal("a Compose without a conversion to floats in [0, 1]", "add ToTensor()")
    resize, crop = (_sides(getattr(named.get(kind), "size", None)) for kind in ("Resize", "CenterCrop"))
    return _preprocessing(resize, crop, how, vars(named["Normalize"]) if "Normalize" in named else {})


def _preprocessing(
    resize: tuple[int, ...], crop: tuple[int, ...], how: ViewSettings, scaling: Mapping[str, Any]
) -> Preprocessing:
    """Combine a resize to the short side ``(s,)`` or to ``(h, w)``, a centre crop, and ``mean`` and ``std``."""
    if not resize and not crop:
        return _normalised(View.native(), scaling)
    sides = crop or resize
    view: ViewSettings = {**how, "size": (sides[0], sides[-1])}
    if len(resize) == 2 and resize == sides:
        view["fit"] = "stretch"
        view.pop("crop_offset", None)
    elif len(resize) == 2:
        view["resize"] = (resize[0], resize[1])
    elif len(resize) == 1 and crop:
        view["short_side"] = resize[0]
    else:
        raise _refusal(
            f"Resize{resize} with CenterCrop{crop}",
            "it can resize the short side before a centre crop, or resize to (h, w) with or without a crop",
        )
    return _normalised(make_view(**view), scaling)


def _normalised(view: View, scaling: Mapping[str, Any]) -> Preprocessing:
    """Add ``mean`` and ``std`` to a view; without them nothing is normalised."""
    plain = {"mean": [0.0], "std": [1.0]}
    mean, std = (read_triple(name, list(map(float, scaling.get(name, plain[name])))) for name in plain)
    return Preprocessing(view, mean, std)


def _kind(step: object) -> str:
    """Return the name of a class of torchvision or timm; the full name of any other, so that it is not mistaken for one."""
    kind = type(step)
    ours = kind.__module__.partition(".")[0] in {"torchvision", "timm"}
    return kind.__name__ if ours else f"{kind.__module__}.{kind.__qualname__}"


def _resampling(step: object, kind: str, *, tensors: bool = False) -> ViewSettings:
    """Read the kernel of a resize of Pillow images, where torchvision always widens it, or of tensors."""
    mode = getattr(step, "interpolation", "bilinear")
    name = _PILLOW[mode] if isinstance(mode, int) else str(getattr(mode, "value", mode))
    if getattr(step, "max_size", None) is not None:
        raise _refusal(f"a {kind} with max_size", "omit it")
    points = getattr(step, "antialias", True) is False
    if points and not tensors:
        raise _refusal(f"a {kind} of Pillow images with antialias=False, which torchvision ignores", "omit it")
    if name.startswith("nearest"):  # of the two kinds, torch's own "nearest" is the one without antialiasing
        points, name = tensors and name == "nearest", "nearest"
    how: ViewSettings = {"interpolation": name, "antialias": not points}  # type: ignore[typeddict-item]
    return how


def _sides(value: object) -> tuple[int, ...]:
    """Return one whole number or several as a tuple; an empty one where there is none."""
    several = value if isinstance(value, Iterable) else () if value is None else (value,)
    return tuple(map(int, several))


def _same(name: str, given: object, determined: object) -> bool:
    """Return whether a setting that the user gave, in any of its forms, equals one from the transform."""
    if name in {"size", "resize"} and isinstance(given, int | str | Sequence):
        return read_size(given, name) == determined
    if name in {"mean", "std", "pad_color"} and isinstance(given, float | int | str | Sequence):
        return read_triple(name, given) == determined
    return given == determined


def _refusal(what: str, advice: str) -> RequestError:
    """Return the error for what a classifier's settings cannot express."""
    return RequestError(f"expected a transform that a classifier's settings can express, got {what}; {advice}")
