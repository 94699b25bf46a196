"""Targets of an explanation: a class, a contrast of two classes, or the prediction as a whole.

Every target is linear in the evidence vector e(y) over the classes. A class is e(k), a contrast is e(a) - e(b), and the
information is the expectation of e under the prediction. One set of queries therefore answers all targets.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

TargetKind = Literal["class", "contrast", "woe", "information"]


@runtime_checkable
class Target(Protocol):
    """A target of an explanation."""

    @property
    def key(self) -> str:
        """Key of the target's map in an explanation."""
        ...

    @property
    def kind(self) -> TargetKind:
        """The kind of target."""
        ...

    @property
    def classes(self) -> tuple[int, ...]:
        """The classes that it names, the one that is explained first; empty for the information."""
        ...

    def weights(self, prediction: Float[Tensor, " k"]) -> Float[Tensor, " k"]:
        """Return the weight of each class in this target, given the prediction on the unmodified image."""
        ...


@dataclass(frozen=True)
class ClassEvidence:
    """Evidence for one class.

    Args:
        index: index of the class.

    Example:
        >>> ClassEvidence(967).key
        'class:967'
    """

    index: int

    @property
    def key(self) -> str:
        """``class:INDEX``."""
        return f"class:{self.index}"

    @property
    def kind(self) -> TargetKind:
        """``class``."""
        return "class"

    @property
    def classes(self) -> tuple[int, ...]:
        """The class."""
        return (self.index,)

    def weights(self, prediction: Float[Tensor, " k"]) -> Float[Tensor, " k"]:
        """Return 1 at the class, 0 elsewhere."""
        weights = torch.zeros_like(prediction)
        weights[self.index] = 1
        return weights


@dataclass(frozen=True)
class Contrast:
    """Evidence for one class rather than another: the difference of their evidence.

    Args:
        index: index of the explained class.
        other: index of the contrast class.

    Example:
        >>> Contrast(967, 968).key
        'contrast:967/968'
    """

    index: int
    other: int

    @property
    def key(self) -> str:
        """``contrast:INDEX/OTHER``."""
        return f"contrast:{self.index}/{self.other}"

    @property
    def kind(self) -> TargetKind:
        """``contrast``."""
        return "contrast"

    @property
    def classes(self) -> tuple[int, ...]:
        """The class that is explained, and the one that it is compared with."""
        return (self.index, self.other)

    def weights(self, prediction: Float[Tensor, " k"]) -> Float[Tensor, " k"]:
        """Return 1 at the explained class, -1 at the contrast class."""
        return ClassEvidence(self.index).weights(prediction) - ClassEvidence(self.other).weights(prediction)


@dataclass(frozen=True)
class WeightOfEvidence:
    """Weight of evidence for a class against all other classes: its log odds instead of its log probability.

    ``PMI(y) - PMI(not y)`` (Good, 1950; prediction difference: Robnik-Šikonja, Kononenko, 2008). Unlike PMI it has no
    upper limit for a class with a probability near 1.

    Args:
        index: index of the class.

    Example:
        >>> WeightOfEvidence(967).key
        'woe:967'
    """

    index: int

    @property
    def key(self) -> str:
        """``woe:INDEX``."""
        return f"woe:{self.index}"

    @property
    def kind(self) -> TargetKind:
        """``woe``."""
        return "woe"

    @property
    def classes(self) -> tuple[int, ...]:
        """The class."""
        return (self.index,)

    def weights(self, prediction: Float[Tensor, " k"]) -> Float[Tensor, " k"]:
        """Return the weights of the evidence for each class.

        The evidence against the class has weight -1, see `complement_matrix`.
        """
        return ClassEvidence(self.index).weights(prediction)


@dataclass(frozen=True)
class Information:
    """Contribution of a pixel to the prediction as a whole, without singling out a class.

    Example:
        >>> Information().weights(torch.tensor([0.9, 0.1])).tolist()
        [0.8999999761581421, 0.10000000149011612]
    """

    @property
    def key(self) -> str:
        """``information``."""
        return "information"

    @property
    def kind(self) -> TargetKind:
        """``information``."""
        return "information"

    @property
    def classes(self) -> tuple[int, ...]:
        """None."""
        return ()

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
    """Stack the weights of the evidence *against* each class, one column per target.

    Example:
        >>> complement_matrix([WeightOfEvidence(1), Information()], torch.tensor([0.5, 0.5])).tolist()
        [[-0.0, -0.0], [-1.0, -0.0]]
    """
    columns = weight_matrix(targets, prediction)
    weighed = torch.tensor([isinstance(target, WeightOfEvidence) for target in targets], device=columns.device)
    return -columns * weighed
