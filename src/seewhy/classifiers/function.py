"""Wrap any Python function as a classifier."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Unpack, final

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from seewhy.classifiers.answers import LabelLike, Outputs, Reading, Rows, as_rows, make_reading
from seewhy.classifiers.endings import Ending
from seewhy.classifiers.labels import Labels, read_labels
from seewhy.classifiers.scaling import Scaling, Triple, make_mean_color
from seewhy.classifiers.settings import (
    Channels,
    Described,
    check_choice,
    digest,
    source_of,
    tensor_bytes,
)
from seewhy.classifiers.views import ViewSettings, make_view
from seewhy.core.access import Access
from seewhy.core.arrays import Images, Probabilities
from seewhy.core.errors import ClassifierError, RequestError
from seewhy.runtime.code import noting
from seewhy.runtime.engines import in_batches

Dtype = Literal["uint8", "float32"]
Fewer = Literal["labels", "top-k"]
"""What a function returns that does not tell all probabilities: the predicted class, or the top-k classes with theirs."""

Returns = Outputs | Fewer
"""What a function returns; see `seewhy.classifiers.answers.Outputs` and `Fewer`."""

Function = Callable[..., object]
"""Maps an ``(n, h, w, 3)`` uint8 or float32 array to ``(n, k)`` numbers, as an array, a list or a tensor; see
`Returns`."""

_SLACK = 1e-3
"""Tolerance for rounding of the given probabilities."""

_ACCESS = {"labels": Access.LABEL, "top-k": Access.TOP_K}


@final
@dataclass(frozen=True, eq=False)
class FunctionClassifier(Described):
    """A classifier that wraps a Python function; created by `from_function`, which describes the settings."""

    function: Function
    dtype: Dtype
    channels: Channels
    outputs: Returns
    reading: Reading
    classes: int | None
    batch: int | None
    fixed: bool
    access: Access

    @property
    def runtime(self) -> str:
        """Description of how the function is called."""
        return f"python function, {self.dtype} {self.channels}, batch {self.batch or 'any'}"

    def __call__(self, images: Images) -> Probabilities:
        """Return class probabilities. If the function returns labels, the predicted class gets 1 and all others 0."""
        return self.reading.probabilities(self.raw(images), len(images))

    def raw(self, images: Images) -> Rows:
        """Return what the function returns; of labels and top-k classes, the probabilities that they stand for."""
        return in_batches(self._call, images.detach().cpu(), self.batch, fixed=self.fixed)

    def observed(self, images: Images) -> tuple[Rows, Ending]:
        """Return what the function returns; how it computes that is unknown."""
        return self.raw(images), ()

    def _call(self, images: Images) -> Float[Tensor, "n k"]:
        """Call the function once, with a copy of the images in its input format."""
        array = _as_array(images, self.dtype, self.channels)
        with noting(f"while {self.name} was called with an array of shape {array.shape}, {array.dtype}"):
            answer = self.function(array)
        if self.classes is not None:
            spread = _spread_labels if self.outputs == "labels" else _spread_top
            return spread(answer, len(images), self.classes)
        return _as_rows(answer, len(images))


def _as_array(images: Images, dtype: Dtype, channels: Channels) -> Shaped[np.ndarray, "n h w 3"]:
    """Convert images to an ``(n, h, w, 3)`` array; always a copy, so that the function may modify it."""
    array = images.permute(0, 2, 3, 1).numpy()
    array = array[..., ::-1] if channels == "bgr" else array
    if dtype == "float32":
        return np.array(array, dtype=np.float32, order="C")
    levels = np.empty(array.shape, np.uint8)
    for row, image in zip(levels, array, strict=True):  # one at a time: 12 megapixels take 144 MB as floats
        row[...] = (image * np.float32(255)).round().clip(0, 255)
    return levels


def _as_rows(answer: object, rows: int) -> Float[Tensor, "n k"]:
    """Convert the function's return value to a new float tensor, one row per image."""
    try:
        array = answer.detach().cpu().double().numpy() if isinstance(answer, Tensor) else np.asarray(answer)
    except (TypeError, ValueError, RuntimeError):
        array = np.asarray(None)
    if array.dtype.kind not in "biuf":
        raise ClassifierError(
            f"expected ({rows}, classes) numbers from the function, got {type(answer).__name__}; "
            "return an array, a list of equally long lists or a tensor"
        )
    # Copy, because the function may reuse its output buffer in the next call.
    numbers = torch.tensor(array.astype(np.float32))
    return as_rows(numbers, rows)


def from_function(
    function: Function,
    *,
    labels: Labels | None = None,
    dtype: Dtype = "uint8",
    channels: Channels = "rgb",
    outputs: Returns | None = None,
    label: LabelLike | None = None,
    classes: int | None = None,
    batch: int | None = None,
    fixed: bool = False,
    name: str | None = None,
    mean_color: Triple | None = None,
    **view: Unpack[ViewSettings],
) -> FunctionClassifier:
    """Wrap any callable as a classifier.

    Args:
        function: takes an ``(n, h, w, 3)`` array, returns ``(n, k)`` numbers (array, lists or tensor).
        labels: the names of the classes; see `seewhy.classifiers.labels.read_labels`.
        dtype: ``uint8``, 0 to 255, or ``float32``, 0 to 1.
        channels: channel order of the input array.
        outputs: what the function returns: ``probabilities``; ``logits`` (a softmax is applied); ``log-probabilities``;
            ``sigmoid`` for independent labels or the one probability of a yes/no class; ``labels``: the index of the
            predicted class, ``(n,)``; or ``top-k``: for each image, a pair of the most probable classes and their
            probabilities. The remaining probability is spread evenly over the other classes. One number per image is
            the class "yes" as opposed to "no". None for ``probabilities``, which the self-test checks.
        label: the one of several independent labels to explain, by name or index; the classes are then "not X" and "X".
        classes: number of classes, for ``labels`` and ``top-k``; None uses the number of ``labels``.
        batch: maximum number of images per call; None for any number.
        fixed: whether the function takes exactly ``batch`` images. Smaller batches are then padded with repeats, whose
            outputs are dropped.
        name: name shown in results; None for the function's own name.
        mean_color: mean colour of the training images, RGB in [0, 1]; None for that of ImageNet.
        **view: ``size``, ``fit``, ``interpolation`` and the other settings of `seewhy.classifiers.views.ViewSettings`.

    Raises:
        RequestError: a setting is invalid.

    Example:
        >>> classifier = from_function(lambda pictures: [[0.25, 0.75]] * len(pictures), labels=["no", "yes"], size=8)
        >>> classifier(torch.zeros(2, 3, 8, 8)).tolist()
        [[0.25, 0.75], [0.25, 0.75]]
    """
    check_choice("channels", channels, ("rgb", "bgr"))
    check_choice("dtype", dtype, ("uint8", "float32"))
    if (batch is None and fixed) or (batch is not None and batch < 1):
        raise RequestError(
            f"expected batch >= 1 images, got {batch}; use batch=8 for a function that takes 8 images at once"
        )
    rule, names = make_view(**view), read_labels(labels)
    classes = _count(outputs, classes, names)
    reading = _reading(outputs, names, label)
    kind = outputs or reading.outputs
    settings = (rule, dtype, channels, kind, *reading.identity[1:], *([] if classes is None else [classes]))
    return FunctionClassifier(
        function=function,
        name=name or str(getattr(function, "__qualname__", type(function).__qualname__)),
        labels=reading.names,
        view=rule,
        fingerprint=digest(*settings, *_identity(function)),
        mean_color=make_mean_color(mean_color, Scaling(), "rgb"),
        dtype=dtype,
        channels=channels,
        outputs=kind,
        reading=reading,
        classes=classes,
        batch=batch,
        fixed=fixed,
        access=_ACCESS.get(kind, Access.PROBABILITIES),
    )


def _reading(outputs: Returns | None, names: tuple[str, ...] | None, label: LabelLike | None) -> Reading:
    """Return how the answers are read; labels and top-k classes are converted to probabilities before."""
    if outputs == "labels" or outputs == "top-k":  # noqa: PLR1714 - mypy narrows the type
        if label is not None:
            raise RequestError(f"expected label= only for independent labels, got outputs={outputs!r}; name a target")
        return Reading("probabilities", given=names)
    return make_reading(outputs, "probabilities", names, label)


def _count(outputs: Returns | None, classes: int | None, names: tuple[str, ...] | None) -> int | None:
    """Determine the number of classes if the output does not."""
    if outputs not in _ACCESS:
        if classes is not None:
            raise RequestError(f"expected classes only with outputs='labels' or 'top-k', got {classes}; omit it")
        return None
    count = classes if classes is not None else len(names or ())
    if count < 2:
        raise RequestError(f"expected at least 2 classes for outputs={outputs!r}, got {count}; set classes=")
    return count


def _identity(function: Function) -> list[object]:
    """List what identifies a function: its name, its source, and the plain values it captures."""
    code = function if hasattr(function, "__qualname__") else type(function)
    carried = [*_closure(function), *(getattr(function, "__defaults__", None) or ())]
    carried += getattr(function, "__dict__", {}).values()
    return [code.__module__, code.__qualname__, source_of(code), *(_value(item) for item in carried)]


def _closure(function: Function) -> list[object]:
    """List the values captured in a function's closure."""
    try:
        return [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
    except ValueError:  # a name that is not bound yet
        return []


def _value(item: object) -> object:
    """Describe a captured value without its memory address."""
    if isinstance(item, Tensor):
        return (str(item.dtype), tuple(item.shape), tensor_bytes(item))
    if isinstance(item, np.ndarray):
        return (item.dtype.str, item.shape, item.tobytes())
    plain = isinstance(item, bool | int | float | str | bytes | None)
    return item if plain else type(item).__qualname__


def _spread_labels(answer: object, rows: int, classes: int) -> Float[Tensor, "n k"]:
    """Convert one predicted class index per image to one-hot rows."""
    indices = _indices(answer, classes)
    if indices is None or indices.shape != (rows,):
        raise ClassifierError(
            f"expected a class index from 0 to {classes - 1} for each of {rows} images, got {_shown(answer)}; "
            "return one integer per image"
        )
    return torch.nn.functional.one_hot(indices, classes).float()


def _spread_top(answer: object, rows: int, classes: int) -> Float[Tensor, "n k"]:
    """Convert a pair (class indices, probabilities) per image to rows; the other classes share the rest evenly."""
    if not isinstance(answer, list | tuple) or len(answer) != rows:
        raise ClassifierError(
            f"expected a list of {rows} pairs (classes, probabilities), got {_shown(answer)}; return one pair per image"
        )
    return torch.stack([_row(pair, number, classes) for number, pair in enumerate(answer)])


def _row(pair: object, number: int, classes: int) -> Float[Tensor, " k"]:
    """Convert the output for one image."""
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        raise ClassifierError(
            f"expected a pair (classes, probabilities) for image {number}, got {_shown(pair)}; return two lists of equal length"
        )
    indices, given = _indices(pair[0], classes), torch.as_tensor(np.asarray(pair[1], dtype=np.float64))
    if (
        indices is None
        or indices.ndim != 1
        or indices.shape != given.shape
        or len(set(indices.tolist())) != len(indices)
    ):
        raise ClassifierError(
            f"expected one distinct class from 0 to {classes - 1} per probability for image {number}, "
            f"got {_shown(pair[0])} and {_shown(pair[1])}; return two lists of equal length"
        )
    left, others = 1 - float(given.sum()), classes - len(indices)
    if not (float(given.min()) >= 0 and -_SLACK <= left <= others * float(given.min()) + _SLACK):
        raise ClassifierError(
            f"expected the largest probabilities of image {number}, with a remainder of 0 to {others} times the smallest, "
            f"got {given.tolist()} of {classes} classes; return probabilities, not logits, of the most probable classes"
        )
    row = torch.full((classes,), max(left, 0.0) / max(others, 1), dtype=torch.float64)
    row[indices] = given
    return row.float()


def _indices(answer: object, classes: int) -> Tensor | None:
    """Read class indices; return None if they are invalid."""
    try:
        array = answer.detach().cpu().numpy() if isinstance(answer, Tensor) else np.asarray(answer)
    except (TypeError, ValueError, RuntimeError):
        return None
    if array.dtype.kind not in "iu" or not array.size or array.min() < 0 or array.max() >= classes:
        return None
    return torch.from_numpy(array.astype(np.int64))


def _shown(answer: object) -> str:
    """Return a shortened text of a value for an error message."""
    text = " ".join(repr(answer).split())
    return text if len(text) <= 60 else f"{type(answer).__name__} {text[:57]}…"
