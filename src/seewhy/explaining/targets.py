"""What a user asks to have explained, turned into targets."""

from collections.abc import Collection, Sequence
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.core.errors import RequestError, did_you_mean
from seewhy.core.target import ClassEvidence, Contrast, Information, Target, WeightOfEvidence

TargetLike = int | str | tuple[str, int | str, int | str]
"""A class index or name, ``"information"``, ``"woe:a"`` (weight of evidence), ``"contrast:a/b"`` or ``("contrast", a, b)``."""


def parse_targets(
    asked: TargetLike | Sequence[TargetLike], labels: Sequence[str] | None, *, information: bool
) -> tuple[Target, ...]:
    """Read what the user wrote; each target appears once.

    Args:
        asked: one target or several.
        labels: class names, or None where the classifier has none.
        information: whether the method answers the class-free targets.

    Raises:
        RequestError: a class does not exist (the nearest names are offered), or the method lacks the kind of target.

    Example:
        >>> [target.key for target in parse_targets(["cat", 1], ["cat", "dog"], information=True)]
        ['class:0', 'class:1']
    """
    several = as_list(asked)
    if not several:
        raise RequestError(
            "expected at least one target, got an empty list; leave targets out for the most probable classes"
        )
    targets = [parse_target(each, labels) for each in several]
    for target in targets:
        if target.kind in {"information", "woe"} and not information:
            lacking = "information map" if target.kind == "information" else "weight of evidence"
            raise RequestError(f"this method has no {lacking}; ask for classes, or use pmi")
    return tuple({target.key: target for target in targets}.values())


def as_list(asked: TargetLike | Sequence[TargetLike]) -> list[TargetLike]:
    """Make a list of one target or several; a tuple that begins with ``"contrast"`` is one.

    Example:
        >>> as_list("cat"), as_list(("cat", "dog")), as_list(("contrast", "cat", "dog"))
        (['cat'], ['cat', 'dog'], [('contrast', 'cat', 'dog')])
    """
    if isinstance(asked, int | str) or (isinstance(asked, tuple) and asked[:1] == ("contrast",)):
        return [cast("TargetLike", asked)]
    return list(asked)


def parse_target(asked: TargetLike, labels: Sequence[str] | None) -> Target:
    """Read one target.

    Args:
        asked: what the user wrote.
        labels: class names, or None where the classifier has none.

    Raises:
        RequestError: a class does not exist, or the text is not a target.

    Example:
        >>> parse_target(("contrast", "dog", 0), ["cat", "dog"]).key
        'contrast:1/0'
    """
    if asked == "information":
        return Information()
    if isinstance(asked, str) and asked.startswith("woe:"):
        return WeightOfEvidence(class_index(asked.removeprefix("woe:"), labels))
    if isinstance(asked, str) and asked.startswith("contrast:"):
        first, slash, second = asked.removeprefix("contrast:").partition("/")
        if not slash:
            raise RequestError(f"expected contrast:a/b, got {asked!r}")
        asked = ("contrast", first, second)
    if isinstance(asked, tuple):
        return _contrast(asked, labels)
    return ClassEvidence(class_index(asked, labels))


def _contrast(asked: tuple[str, int | str, int | str], labels: Sequence[str] | None) -> Contrast:
    """Read a contrast of two classes."""
    if len(asked) != 3 or asked[0] != "contrast":
        raise RequestError(f'expected ("contrast", a, b), got {asked!r}')
    index, other = (class_index(which, labels) for which in asked[1:])
    if index == other:
        raise RequestError(f"expected two different classes in {asked!r}, got class {index} twice")
    return Contrast(index, other)


def as_text(asked: TargetLike) -> str:
    """Write a target as a user would type it on the command line.

    Example:
        >>> as_text(967), as_text(("contrast", "espresso", "cup"))
        ('967', 'contrast:espresso/cup')
    """
    return f"contrast:{asked[1]}/{asked[2]}" if isinstance(asked, tuple) else str(asked)


def check_classes(targets: Sequence[Target], classes: int) -> None:
    """Refuse a target whose class the classifier does not have.

    Args:
        targets: the targets that were asked for.
        classes: how many the classifier answers with.

    Raises:
        RequestError: one names a class beyond the last.
    """
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
    """Choose what is explained when the user names no target.

    Args:
        prediction: the classifier's answer to the full image.
        information: whether the method answers the class-free target.
        classes: the number of most probable classes to explain.
        contrast: whether the predicted class is also contrasted with the runner-up.
        rivals: classes eligible as runner-up; None for all.

    Example:
        >>> [t.key for t in default_targets(torch.tensor([0.1, 0.9]), information=True, classes=1)]
        ['information', 'class:1']
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


def class_index(which: int | str, labels: Sequence[str] | None) -> int:
    """Find a class by index or by name (any letter case; ``class:967`` is an index too).

    Args:
        which: index or name.
        labels: class names, or None where the classifier has none.

    Raises:
        RequestError: the class does not exist, or the classifier has no names.

    Example:
        >>> class_index("Dog", ["cat", "dog"])
        1
    """
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
