"""What a user asks to have explained, turned into targets."""

import operator
from collections.abc import Collection, Iterable, Mapping, Sequence
from numbers import Integral
from typing import SupportsIndex, cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.core.errors import RequestError, did_you_mean
from seewhy.core.target import ClassEvidence, Contrast, Information, Target, WeightOfEvidence

ClassLike = SupportsIndex | str
"""A class by its index, of any integer type, or by its name."""

TargetLike = ClassLike | tuple[str, ClassLike, ClassLike]
"""A class index or name, ``"information"``, ``"woe:a"`` (weight of evidence), ``"contrast:a/b"`` or ``("contrast", a, b)``."""


def parse_targets(
    targets: TargetLike | Sequence[TargetLike], labels: Sequence[str] | None, *, information: bool
) -> tuple[Target, ...]:
    """Read one target or several; each appears once. ``information``: whether the method answers class-free targets.

    Raises:
        RequestError: a class does not exist (the nearest names are offered), or the method lacks the kind of target.

    Example:
        >>> [target.key for target in parse_targets(["cat", 1, ("contrast", 1, 0)], ["cat", "dog"], information=True)]
        ['class:0', 'class:1', 'contrast:1/0']
    """
    several = as_list(targets)
    if not several:
        raise RequestError(
            "expected at least one target, got an empty list; leave targets out for the most probable classes"
        )
    parsed = {target.key: target for target in (_parse(target, labels) for target in several)}
    for target in parsed.values():
        if target.kind in {"information", "woe"} and not information:
            lacking = "information map" if target.kind == "information" else "weight of evidence"
            raise RequestError(f"this method has no {lacking}; ask for classes, or use pmi")
    return tuple(parsed.values())


def as_list(targets: TargetLike | Sequence[TargetLike]) -> list[TargetLike]:
    """Make a list of one target or several; a tuple that begins with ``"contrast"`` is one."""
    single = isinstance(targets, str | Integral) or getattr(targets, "ndim", None) == 0
    if single or (isinstance(targets, tuple) and targets[:1] == ("contrast",)):
        return [_plain(targets)]
    if not isinstance(targets, Iterable) or isinstance(targets, Mapping | bytes):
        raise _not_a_target(targets)
    return [_plain(target) for target in targets]


def _plain(target: object) -> TargetLike:
    """Turn integers and texts of NumPy, torch and others into Python's own, also inside a contrast; refuse anything else."""
    if isinstance(target, tuple):
        return cast("TargetLike", tuple(_plain(part) for part in target))
    value = target.item() if isinstance(target, np.ndarray | np.generic | Tensor) and target.ndim == 0 else target
    if isinstance(value, str):
        return value
    try:
        index = operator.index(cast("SupportsIndex", value))
    except TypeError:
        raise _not_a_target(target) from None
    if isinstance(value, bool):
        raise _not_a_target(target)
    return index


def _not_a_target(target: object) -> RequestError:
    """Return the error for what is neither an index nor a name."""
    return RequestError(
        f'expected a class index, a class name or "information" as target, got {target!r} ({type(target).__name__}); '
        "give an integer such as 3, or a name"
    )


def _parse(target: TargetLike, labels: Sequence[str] | None) -> Target:
    """Read one target."""
    if isinstance(target, tuple):
        return _contrast(target, labels)
    kind, _, rest = str(target).partition(":")
    if kind == "contrast":
        first, slash, second = rest.partition("/")
        if not slash:
            raise RequestError(f"expected contrast:a/b, got {target!r}")
        return _contrast((kind, first, second), labels)
    if kind == "woe":
        return WeightOfEvidence(_class_index(rest, labels))
    if target != "information":
        return ClassEvidence(_class_index(target, labels))
    if same := _named("information", labels or ()):
        raise RequestError(
            f"expected one target, got 'information', which is also the name of class {same[0]}; write class:{same[0]} for the "
            "class, or leave targets out for the information"
        )
    return Information()


def _contrast(target: tuple[str, ClassLike, ClassLike], labels: Sequence[str] | None) -> Contrast:
    """Read a contrast of two classes."""
    if len(target) != 3 or target[0] != "contrast":
        raise RequestError(f'expected ("contrast", a, b), got {target!r}')
    index, other = (_class_index(which, labels) for which in target[1:])
    if index == other:
        raise RequestError(f"expected two different classes in {target!r}, got class {index} twice")
    return Contrast(index, other)


def as_text(target: TargetLike) -> str:
    """Write a target as a user would type it on the command line."""
    return f"contrast:{target[1]}/{target[2]}" if isinstance(target, tuple) else str(target)


def check_classes(targets: Sequence[Target], classes: int) -> None:
    """Refuse a target whose class is beyond the last that the classifier has."""
    for target in targets:
        for index in target.classes:
            if index >= classes:
                raise RequestError(f"expected a class index from 0 to {classes - 1}, got {index}")


def default_targets(
    prediction: Float[Tensor, " k"],
    *,
    information: bool,
    classes: int,
    contrast: bool = False,
    rivals: Collection[int] | None = None,
) -> tuple[Target, ...]:
    """Choose what is explained when the user names no target: the information, the most probable classes, a contrast.

    The contrast is with the runner-up among the ``rivals``; None: among all classes.
    """
    top = torch.topk(prediction, min(classes, len(prediction))).indices.tolist()
    likely = [ClassEvidence(index) for index in top]
    against = [Contrast(top[0], _runner_up(prediction, top[0], rivals))] if contrast else []
    return (*([Information()] if information else []), *likely, *against)


def _runner_up(prediction: Float[Tensor, " k"], predicted: int, rivals: Collection[int] | None) -> int:
    """Return the most probable allowed class other than the predicted one."""
    others = [index for index in range(len(prediction)) if index != predicted]
    allowed = [index for index in others if rivals is None or index in rivals]
    return max(allowed or others, key=lambda index: float(prediction[index]))


def _class_index(which: ClassLike, labels: Sequence[str] | None) -> int:
    """Find a class by index or by name, in any letter case; ``class:967`` is an index, and so is a number that is no name."""
    text, count = str(which).strip(), len(labels or ())
    named = _named(text, labels or ()) if isinstance(which, str) else []
    number = text.removeprefix("class:")
    if not number.removeprefix("-").isdecimal():
        return _by_name(text, named, labels)
    index = int(number)
    if number == text and named and (index not in named or len(named) > 1):
        return _by_name(text, named if index >= count else [*dict.fromkeys([*named, index])], labels)
    if index < 0 or (labels and index >= count):
        last = f" to {count - 1}" if labels else ""
        raise RequestError(f"expected a class index from 0{last}, got {text}")
    return index


def _by_name(text: str, meant: Sequence[int], labels: Sequence[str] | None) -> int:
    """Return the only class that a text can mean."""
    if labels is None:
        raise RequestError(f"this classifier has no class names, got {text!r}; give a class index, counted from 0")
    if not meant:
        raise RequestError(f"unknown class {text!r}; {_nearest(text, [label.lower() for label in labels])}")
    if len(meant) > 1:
        keys = " or ".join(f"class:{index}" for index in meant)
        raise RequestError(f"expected one class, got {text!r}, which may mean {len(meant)} classes; write {keys}")
    return meant[0]


def _named(text: str, labels: Sequence[str]) -> list[int]:
    """Return the classes with a name: spelt exactly so or, if there is none, in another letter case."""
    exact = [index for index, label in enumerate(labels) if label == text]
    return exact or [index for index, label in enumerate(labels) if label.lower() == text.lower()]


def _nearest(text: str, labels: Sequence[str]) -> str:
    """Offer names that contain the text, then names that are spelt alike; never a thousand of them."""
    holding = [label for label in labels if text.lower() in label][:3]
    if holding:
        return f"did you mean {' or '.join(holding)}?"
    hint = did_you_mean(text, labels)
    return hint if hint.startswith("did") else "give an index, or see the predicted classes"
