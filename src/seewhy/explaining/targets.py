"""What a user asks to have explained, turned into targets."""

from collections.abc import Collection, Sequence
from numbers import Integral
from typing import SupportsIndex, cast

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
    if isinstance(targets, str | Integral) or (isinstance(targets, tuple) and targets[:1] == ("contrast",)):
        return [cast("TargetLike", targets)]
    return list(cast("Sequence[TargetLike]", targets))


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
    return Information() if target == "information" else ClassEvidence(_class_index(target, labels))


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
    """Find a class by index or by name, in any letter case; ``class:967`` is an index too."""
    text = str(which).strip().removeprefix("class:")
    if text.lstrip("-").isdigit():
        if int(text) < 0 or (labels and int(text) >= len(labels)):
            last = f" to {len(labels) - 1}" if labels else ""
            raise RequestError(f"expected a class index from 0{last}, got {text}")
        return int(text)
    if labels is None:
        raise RequestError(f"this classifier has no class names, got {text!r}; give a class index, counted from 0")
    lowered = [label.lower() for label in labels]
    if text.lower() not in lowered:
        raise RequestError(f"unknown class {text!r}; {_nearest(text, lowered)}")
    return lowered.index(text.lower())


def _nearest(text: str, labels: Sequence[str]) -> str:
    """Offer names that contain the text, then names that are spelt alike; never a thousand of them."""
    holding = [label for label in labels if text.lower() in label][:3]
    if holding:
        return f"did you mean {' or '.join(holding)}?"
    hint = did_you_mean(text, labels)
    return hint if hint.startswith("did") else "give an index, or see the predicted classes"
