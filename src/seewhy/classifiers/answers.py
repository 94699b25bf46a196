"""What the numbers mean that a classifier returns, and how they become probabilities."""

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, SupportsIndex, get_args, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.classifiers.endings import Ending
from seewhy.classifiers.settings import check_choice
from seewhy.core.arrays import Images, Probabilities
from seewhy.core.classifier import Scores
from seewhy.core.errors import ClassifierError, RequestError, did_you_mean

Outputs = Literal["logits", "probabilities", "log-probabilities", "sigmoid", "value", "embeddings"]
"""What a classifier returns: a score per class before the softmax; a probability per class, or its logarithm; an independent
probability per label; a number that is no probability; or a vector that describes the image."""

LabelLike = SupportsIndex | str
"""A label by its index or by its name."""

Rows = Float[Tensor, "n k"]
"""What a classifier returns, one row per image, before it is read as probabilities."""

ONE_NUMBER = (
    "expected outputs= for a classifier that returns one number per image, got none; pass outputs='logits' if it is the "
    "log odds of a yes/no class, outputs='sigmoid' if it is the probability of yes, or outputs='value' for a regression"
)

_NO_CLASSES = {
    "value": "a number that is no probability; wrap it in a function that returns (1 - p, p), p the probability of a question "
    "such as 'above the threshold?', and pass outputs='probabilities'",
    "embeddings": "vectors without classes; wrap them in a function that returns one similarity per class, to a reference "
    "of each class, times a scale, and pass outputs='logits'",
}


@dataclass(frozen=True)
class Reading:
    """How the raw answers of a classifier are read.

    Args:
        outputs: what they are.
        stated: whether the user said so; otherwise it is the usual kind, which the self-test checks.
        given: the labels that the user gave.
        label: index of the one label that is explained as yes or no; None for all classes.
    """

    outputs: Outputs
    stated: bool = True
    given: tuple[str, ...] | None = None
    label: int | None = None

    @property
    def identity(self) -> tuple[str | int, ...]:
        """What a fingerprint depends on."""
        return (self.outputs,) if self.label is None else (self.outputs, self.label)

    @property
    def names(self) -> tuple[str, ...] | None:
        """One name per probability."""
        if self.label is not None:
            name = self.given[self.label] if self.given else f"label {self.label}"
            return f"not {name}", name
        return (f"not {self.given[0]}", self.given[0]) if self.given and len(self.given) == 1 else self.given

    def probabilities(self, answers: Tensor, rows: int) -> Probabilities:
        """Convert raw answers for ``rows`` images; an invalid distribution is left for the self-test to report.

        One number per image, or one label of several, becomes (1 - p, p).

        Raises:
            ClassifierError: the shape is wrong, or there is one number per image and the user did not say what it is.
            RequestError: independent labels without the one to explain.
        """
        raw = self._explained(as_rows(answers, rows))
        if self.outputs == "logits":
            return raw.softmax(1) if raw.shape[1] > 1 else torch.cat([-raw, raw], 1).sigmoid()
        values = raw.exp() if self.outputs == "log-probabilities" else raw
        return values if values.shape[1] > 1 else torch.cat([1 - values, values], 1)

    def scores(self, answers: Tensor, rows: int) -> Scores:
        """Convert raw answers to scores whose softmax is the probabilities."""
        raw = self._explained(as_rows(answers, rows))
        if self.outputs == "logits":
            return raw if raw.shape[1] > 1 else torch.cat([-raw, raw], 1) / 2
        if self.outputs == "log-probabilities" and raw.shape[1] > 1:
            return raw
        return self.probabilities(answers, rows).clamp(min=torch.finfo(torch.float32).tiny).log()

    def _explained(self, raw: Rows) -> Float[Tensor, "n j"]:
        """Select the label to explain, if there is one; otherwise all classes."""
        if raw.shape[1] == 1 and not self.stated:
            raise ClassifierError(ONE_NUMBER)
        self._check_labels(raw)
        if self.label is not None:
            return raw[:, self.label, None]
        if self.outputs == "sigmoid" and raw.shape[1] > 1:
            raise no_label(self.given, raw.shape[1])
        return raw

    def _check_labels(self, raw: Rows) -> None:
        """Check that there is a name per number, or two names for one number."""
        numbers = raw.shape[1]
        if self.label is not None and self.label >= numbers:
            raise RequestError(f"expected label= from 0 to {numbers - 1}, got {self.label}; name one of the outputs")
        if self.given is not None and len(self.given) != numbers and (numbers, len(self.given)) != (1, 2):
            raise ClassifierError(
                f"expected one label per class, got {len(self.given)} labels for {numbers} classes; "
                f"provide {numbers} labels"
            )


def make_reading(
    outputs: Outputs | None,
    usual: Outputs,
    labels: tuple[str, ...] | None = None,
    label: LabelLike | None = None,
) -> Reading:
    """Check what a user said about the answers; ``usual`` is the kind if the user did not say it.

    Raises:
        RequestError: the kind does not exist or has no classes, or the label does not exist or does not fit the kind.
    """
    kind = outputs or usual
    check_choice("outputs", kind, get_args(Outputs))
    if kind in _NO_CLASSES:
        raise RequestError(f"expected outputs with classes, got outputs={kind!r}, {_NO_CLASSES[kind]}")
    if label is not None and kind not in {"logits", "sigmoid"}:
        raise RequestError(
            f"expected label= with independent labels, got outputs={kind!r}; omit label= and name a target, "
            "or pass outputs='sigmoid' (probabilities) or outputs='logits' (log odds)"
        )
    if kind == "sigmoid" and label is None and labels is not None and len(labels) > 2:
        raise no_label(labels, len(labels))
    return Reading(kind, outputs is not None, labels, None if label is None else _find(label, labels))


def _find(label: LabelLike, labels: tuple[str, ...] | None) -> int:
    """Return the index of a label."""
    if isinstance(label, str):
        if labels is None:
            raise RequestError(
                f"expected labels= for label={label!r}, got none; pass labels= or the index of the label"
            )
        if label not in labels:
            raise RequestError(f"expected label= one of the labels, got {label!r}; {did_you_mean(label, labels)}")
        return labels.index(label)
    index, last = operator.index(label), len(labels or ()) - 1
    if index < 0 or (labels is not None and index > last):
        raise RequestError(f"expected label= from 0 to {last if labels else 'the last label'}, got {index}")
    return index


def no_label(labels: Sequence[str] | None, numbers: int) -> RequestError:
    """Return the error for independent labels without the one to explain."""
    names = ", ".join(map(repr, labels[:5])) if labels else f"0 to {numbers - 1}"
    more = f" and {numbers - 5} more" if labels and numbers > 5 else ""
    example = repr(labels[0]) if labels else "0"
    return RequestError(
        f"expected the label to explain, because {numbers} independent labels are no distribution, got none; "
        f"pass label={example}, or another of {names}{more}"
    )


def as_rows(answers: Tensor, rows: int) -> Rows:
    """Check the shape of the answers for ``rows`` images: ``(n, k)``, or ``(n,)``, with any axes of length 1 behind."""
    shape = tuple(answers.shape)
    while answers.ndim > 2 and answers.shape[-1] == 1:
        answers = answers.squeeze(-1)
    answers = answers[:, None] if answers.ndim == 1 else answers
    if answers.ndim != 2 or len(answers) != rows or answers.shape[1] == 0:
        raise ClassifierError(f"expected outputs of shape ({rows}, classes), got {shape}; return one row per image")
    return answers.float()


def as_probabilities(
    scores: Tensor, rows: int, outputs: Literal["logits", "probabilities", "log-probabilities", "sigmoid"]
) -> Probabilities:
    """Check the shape of a classifier's answers and convert them to probabilities.

    Args:
        scores: ``(n, k)``, or one number per image, which becomes (1 - p, p).
        rows: number of images.
        outputs: what the answers are: ``logits`` (a softmax is applied), ``probabilities``, ``log-probabilities``, or
            ``sigmoid`` for the one probability of a yes/no class.

    Returns:
        ``(n, k)`` float32; an invalid distribution is left for the self-test to report.

    Raises:
        ClassifierError: the shape is not one row per image.

    Example:
        >>> as_probabilities(torch.zeros(2), 2, "logits").tolist()
        [[0.5, 0.5], [0.5, 0.5]]
    """
    return Reading(outputs).probabilities(scores, rows)


@runtime_checkable
class Raw(Protocol):
    """Additional interface of a classifier whose answers can be checked before they are read as probabilities."""

    @property
    def reading(self) -> Reading:
        """How the answers are read."""
        ...

    def raw(self, images: Images) -> Rows:
        """Return the answers as they are."""
        ...

    def observed(self, images: Images) -> tuple[Rows, Ending]:
        """Return the answers as they are, and how the network ends; both from the same query."""
        ...
