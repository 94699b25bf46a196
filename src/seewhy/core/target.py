"""Targets of an explanation: a class, a contrast of two classes, or the prediction as a whole.

Every target is linear in the evidence vector e(y) over the classes. A class is e(k), a contrast is e(a) - e(b), and the
information is the expectation of e under the prediction. One set of queries therefore answers all targets.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import ClassVar, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

TargetKind = Literal["class", "contrast", "woe", "information"]


@runtime_checkable
@dataclass(frozen=True)
class Target(Protocol):
    """A target of an explanation; its fields are the classes that it names."""

    kind: ClassVar[TargetKind]

    @property
    def classes(self) -> tuple[int, ...]:
        """The classes that it names, the one that is explained first; empty for the information."""
        return astuple(self)

    @property
    def key(self) -> str:
        """Key of the target's map in an explanation: ``class:INDEX``, ``contrast:INDEX/OTHER`` and so on."""
        return ":".join(filter(None, (self.kind, "/".join(map(str, self.classes)))))

    def weights(self, prediction: Float[Tensor, " k"]) -> Float[Tensor, " k"]:
        """Return the weight of each class, given the prediction on the unmodified image: 1 at the explained class."""
        weights = torch.zeros_like(prediction)
        weights[self.classes[0]] = 1
        return weights


@dataclass(frozen=True)
class ClassEvidence(Target):
    """Evidence for one class.

    Example:
        >>> ClassEvidence(967).key
        'class:967'
    """

    index: int
    kind: ClassVar[TargetKind] = "class"


@dataclass(frozen=True)
class Contrast(Target):
    """Evidence for one class rather than another: the difference of their evidence.

    Args:
        index: index of the explained class.
        other: index of the class that it is compared with.
    """

    index: int
    other: int
    kind: ClassVar[TargetKind] = "contrast"

    def weights(self, prediction: Float[Tensor, " k"]) -> Float[Tensor, " k"]:
        """Return 1 at the explained class, -1 at the contrast class."""
        return super().weights(prediction) - ClassEvidence(self.other).weights(prediction)


@dataclass(frozen=True)
class WeightOfEvidence(Target):
    """Weight of evidence for a class against all other classes: its log odds instead of its log probability.

    ``PMI(y) - PMI(not y)`` (Good, 1950; prediction difference: Robnik-Šikonja, Kononenko, 2008). Unlike PMI it has no
    upper limit for a class with a probability near 1. The evidence against the class has weight -1, see `complement_matrix`.
    """

    index: int
    kind: ClassVar[TargetKind] = "woe"


@dataclass(frozen=True)
class Information(Target):
    """Contribution of a pixel to the prediction as a whole, without singling out a class."""

    kind: ClassVar[TargetKind] = "information"

    def weights(self, prediction: Float[Tensor, " k"]) -> Float[Tensor, " k"]:
        """Return the prediction itself, so that the target is the expectation under it."""
        return prediction


def weight_matrix(targets: Sequence[Target], prediction: Float[Tensor, " k"]) -> Float[Tensor, "k t"]:
    """Stack the weights of the targets, one column per target.

    Example:
        >>> weight_matrix([ClassEvidence(0), Information()], torch.tensor([0.5, 0.5])).tolist()
        [[1.0, 0.5], [0.0, 0.5]]
    """
    return torch.stack([target.weights(prediction) for target in targets], dim=1)


def complement_matrix(targets: Sequence[Target], prediction: Float[Tensor, " k"]) -> Float[Tensor, "k t"]:
    """Stack the weights of the evidence *against* each class, one column per target."""
    columns = weight_matrix(targets, prediction)
    weighed = torch.tensor([isinstance(target, WeightOfEvidence) for target in targets], device=columns.device)
    return -columns * weighed
