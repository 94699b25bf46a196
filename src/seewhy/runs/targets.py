"""What a user asks to have explained, turned into targets."""

from collections.abc import Collection, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.core.errors import RequestError, did_you_mean
from seewhy.core.target import ClassEvidence, Contrast, Information, Target, WeightOfEvidence

Asked = int | str | tuple[str, int | str, int | str]
"""A class index or name, ``"information"``, ``"woe:a"`` (weight of evidence), ``"contrast:a/b"`` or ``("contrast", a, b)``."""

DEFAULT_CLASSES = 3


def read_targets(
    asked: Sequence[Asked] | None,
    prediction: Float[Tensor, " k"],
    labels: Sequence[str] | None,
    *,
    information: bool,
    classes: int = DEFAULT_CLASSES,
    contrast: bool = False,
    rivals: Collection[int] | None = None,
) -> list[Target]:
    """Turn a request into targets.

    Args:
        asked: what the user wrote; None means the likeliest classes, and the information where the method has it.
        prediction: the classifier's answer to the whole picture.
        labels: one name a class, or None.
        information: whether the method answers the class-free target.
        classes: how many of the likeliest are taken.
        contrast: whether the likeliest is also held against the runner-up.
        rivals: the classes among which the runner-up is sought; None: all.

    Raises:
        RequestError: a class does not exist (the nearest names are offered), or the method has no information map.

    Example:
        >>> [t.key for t in read_targets(["cat"], torch.tensor([0.1, 0.9]), ["cat", "dog"], information=True)]
        ['class:0']
    """
    if asked is None:
        top = torch.topk(prediction, min(classes, len(prediction))).indices.tolist()
        likeliest: list[Target] = [ClassEvidence(index) for index in top]
        against = [Contrast(top[0], _runner_up(prediction, top[0], rivals))] if contrast else []
        return [*([Information()] if information else []), *likeliest, *against]
    if not asked:
        raise RequestError(
            "expected at least one target, got an empty list; leave targets out for the likeliest classes"
        )
    targets = [_read(target, len(prediction), labels) for target in asked]
    if not information and any(isinstance(target, Information) for target in targets):
        raise RequestError("this method has no information map; ask for classes, or use pmi")
    if not information and any(isinstance(target, WeightOfEvidence) for target in targets):
        raise RequestError("this method has no weight of evidence; ask for classes, or use pmi")
    return list({target.key: target for target in targets}.values())


def _runner_up(prediction: Float[Tensor, " k"], likeliest: int, rivals: Collection[int] | None) -> int:
    """Return the likeliest of the classes that may be it, but for the likeliest of all."""
    others = [index for index in range(len(prediction)) if index != likeliest]
    allowed = [index for index in others if rivals is None or index in rivals]
    return max(allowed or others, key=lambda index: float(prediction[index]))


def _read(asked: Asked, classes: int, labels: Sequence[str] | None) -> Target:
    """Read one target."""
    if asked == "information":
        return Information()
    if isinstance(asked, str) and asked.startswith("woe:"):
        return WeightOfEvidence(class_index(asked.removeprefix("woe:"), classes, labels))
    if isinstance(asked, str) and asked.startswith("contrast:"):
        first, slash, second = asked.removeprefix("contrast:").partition("/")
        if not slash:
            raise RequestError(f"expected contrast:a/b, got {asked!r}")
        asked = ("contrast", first, second)
    if isinstance(asked, tuple):
        if len(asked) != 3 or asked[0] != "contrast":
            raise RequestError(f'expected ("contrast", a, b), got {asked!r}')
        index, other = (class_index(which, classes, labels) for which in asked[1:])
        if index == other:
            raise RequestError(f"expected two different classes in {asked!r}, got class {index} twice")
        return Contrast(index, other)
    return ClassEvidence(class_index(asked, classes, labels))


def class_index(which: int | str, classes: int, labels: Sequence[str] | None) -> int:
    """Find a class by index or by name (any letter case; ``class:967`` is an index too).

    Raises:
        RequestError: it does not exist, or the classifier has no names.

    Example:
        >>> class_index("Dog", 2, ["cat", "dog"])
        1
    """
    text = str(which).strip().removeprefix("class:")
    if text.lstrip("-").isdigit():
        if not 0 <= int(text) < classes:
            raise RequestError(f"expected a class index from 0 to {classes - 1}, got {text}")
        return int(text)
    if labels is None:
        raise RequestError(f"this classifier has no class names, got {text!r}; give an index from 0 to {classes - 1}")
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
