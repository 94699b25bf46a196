"""How a user's image becomes the input of a classifier: the settings that every adapter takes, as values or text."""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, TypedDict, Unpack

from seewhy.classifiers.scaling import Triple, read_triple
from seewhy.core.errors import RequestError
from seewhy.core.view import CropOffset, Fit, Interpolation, View, check_choices

Size = int | str | Sequence[int]
"""One side, (height, width), or text: ``224`` or ``224x320``."""


def read_size(size: Size, setting: str = "size") -> tuple[int, int]:
    """Return height and width in pixels."""
    parts = size.split("x") if isinstance(size, str) else size if isinstance(size, Sequence) else [size]
    try:
        sides = [int(part) if isinstance(part, str) else operator.index(part) for part in parts]
    except (TypeError, ValueError):
        sides = []
    if len(sides) not in {1, 2}:
        raise RequestError(
            f"expected {setting}=SIDE or {setting}=HEIGHTxWIDTH in pixels, got {size!r}; write {setting}=224"
        )
    return sides[0], sides[-1]


class ViewSettings(TypedDict, total=False):
    """How a user's image becomes the input of a classifier: settings of every adapter; see `seewhy.core.view.View`.

    Attributes:
        size: input side, or (height, width), in pixels; None passes each image at its native size.
        fit: ``crop`` resizes the image and takes the centre; ``stretch`` ignores the aspect ratio; ``pad`` shows the whole
            image between two margins (letterbox); ``pad-right`` resizes it to the input's height, with a margin at the
            right.
        short_side: for ``crop``: length in pixels to which the image's short side is resized (torchvision's
            ``Resize(S)``).
        resize: for ``crop``: side, or (height, width), to which the image is resized before the crop, whatever its aspect
            ratio (Caffe's 256 × 256).
        crop_pct: for ``crop`` and ``pad``: share of the resized image that the input takes (timm's ``crop_pct``). Without
            any of these three, ``crop`` shows as much of the image as possible and ``pad`` the whole image.
        interpolation: kernel of the resize.
        antialias: False samples single points, as ``cv2.resize`` and ``torch.nn.functional.interpolate`` do.
        pad_color: colour around an image that does not fill the input, RGB in [0, 1]; None for black.
        crop_offset: where a crop cannot be centred exactly, ``round`` half a pixel to even (torchvision, timm), or take
            the ``floor`` (transformers, most own code).
    """

    size: Annotated[Size | None, None]
    fit: Annotated[Fit, "crop"]
    short_side: Annotated[int | None, None]
    resize: Annotated[Size | None, None]
    crop_pct: Annotated[float | None, None]
    interpolation: Annotated[Interpolation, "bicubic"]
    antialias: Annotated[bool, True]
    pad_color: Annotated[Triple | None, None]
    crop_offset: Annotated[CropOffset, "round"]


def make_view(**settings: Unpack[ViewSettings]) -> View:
    """Return the view for the settings; without a size, images are left unchanged.

    Raises:
        RequestError: a setting is invalid, contradicts another one, or would be ignored.

    Example:
        >>> make_view(size="96x160", interpolation="bilinear").describe()
        'cover 96 × 160, centre crop 96 × 160, bilinear'
    """
    given = {name: value for name, value in settings.items() if value is not None}
    check_choices(given)
    read: Mapping[str, Callable[[Any], object]] = {
        "size": read_size,
        "resize": lambda value: read_size(value, "resize"),
        "short_side": lambda value: read_size(value, "short_side")[0],
        "crop_pct": float,
        "pad_color": lambda value: read_triple("pad_color", value),
    }
    given |= {name: read[name](value) for name, value in given.items() if name in read}
    if "size" in given:
        return View(**given)  # type: ignore[arg-type]
    plain = vars(View.native())
    ignored = [f"{name}={value!r}" for name, value in given.items() if value not in {plain[name], "crop"}]
    if ignored:
        raise RequestError(f"expected a size for {', '.join(ignored)}, got none; set size=")
    return View.native()
