"""What is explained: a class, the contrast of two, or the prediction as a whole.

Every target is linear in a vector over the classes: with the evidence vector e(y), a class is e(k), a contrast is
e(a) - e(b), and the information is the expectation of e under the prediction. So one query set answers them all.
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
    """What is explained."""

    @property
    def key(self) -> str:
        """The name of its map in an explanation."""
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
        """Return the weight of each class in this target, given the prediction on the whole picture."""
        ...


@dataclass(frozen=True)
class ClassEvidence:
    """How much speaks for one class.

    Args:
        index: the class.

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
    """Why one class rather than another: the difference of their evidence.

    Args:
        index: the class that is asked for.
        other: the class it is held against.

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
        """Return 1 at the one class, -1 at the other."""
        return ClassEvidence(self.index).weights(prediction) - ClassEvidence(self.other).weights(prediction)


@dataclass(frozen=True)
class WeightOfEvidence:
    """How much speaks for a class and against all others: its log odds instead of its log probability.

    ``PMI(y) - PMI(not y)`` (Good, 1950; prediction difference: Robnik-Šikonja, Kononenko, 2008). Unlike PMI it has no
    ceiling for a class that is nearly certain.

    Args:
        index: the class.

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
        """Return the weights of the evidence for each class; that for not being it weighs -1, see `complement_matrix`."""
        return ClassEvidence(self.index).weights(prediction)


@dataclass(frozen=True)
class Information:
    """How much the prediction as a whole rests on a pixel; no class is named.

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
        """Return the prediction itself: the expectation under it."""
        return prediction


def weight_matrix(targets: Sequence[Target], prediction: Float[Tensor, " k"]) -> Float[Tensor, "k t"]:
    """Stack the targets' weights, one column a target.

    Example:
        >>> weight_matrix([ClassEvidence(0), Information()], torch.tensor([0.5, 0.5])).tolist()
        [[1.0, 0.5], [0.0, 0.5]]
    """
    return torch.stack([target.weights(prediction) for target in targets], dim=1)


def complement_matrix(targets: Sequence[Target], prediction: Float[Tensor, " k"]) -> Float[Tensor, "k t"]:
    """Stack the targets' weights of the evidence for *not* being each class, one column a target.

    Example:
        >>> complement_matrix([WeightOfEvidence(1), Information()], torch.tensor([0.5, 0.5])).tolist()
        [[0.0, 0.0], [-1.0, 0.0]]
    """
    columns = weight_matrix(targets, prediction)
    weighed = torch.tensor([isinstance(target, WeightOfEvidence) for target in targets], device=columns.device)
    return -columns * weighed
