"""The losses of SyCE, CyCE and the control without a critic (Charachon et al., FGCS 132, 2022), one direction at a time.

Weights are those of the authors' released configuration. Theirs is a sigmoid and a binary cross-entropy on probabilities; here it
is the cross-entropy over the classifier's classes, which for two classes is the same.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from seewhy.core.arrays import Images
from seewhy.core.classifier import Scores
from seewhy.nets.translator import Critic, Planes
from seewhy.nets.counterfactual_generators import CounterfactualGenerators, colour

Ask = Callable[[Images], Scores]
"""The classifier's class scores, with a graph."""


@dataclass(frozen=True, kw_only=True)
class Weights:
    """What each part of the loss counts.

    Args:
        symmetry: the stable picture is the input (``syce``; of the stable head in ``sagen``).
        cycle: the picture brought back is the input.
        near: the adversarial picture is near the input and the stable one (``sagen`` only; the others have no such term).
        flip: the adversarial picture has the other class.
        stable: the stable picture keeps the class.
        back: the picture brought back has the class.
        realism: the critic takes the adversarial picture for real.
        penalty: on the critic's gradient between real and made pictures.
        noise: standard deviation of what is added to the adversarial picture before it is undone, so that it cannot hide what it
            was in a pattern too faint to see; 0 in the authors' code.
        smooth: standard deviation of what is added to the adversarial picture when the classifier is asked: what flips under noise is
            less often a pattern that this classifier alone reacts to; 0 in the authors' code.
        scores: ``logits``, or ``probabilities`` as the authors', whose gradient vanishes where the classifier is sure.
    """

    symmetry: float = 10.0
    cycle: float = 2.0
    near: float = 0.0
    flip: float = 0.2
    stable: float = 0.01
    back: float = 0.005
    realism: float = 0.25
    penalty: float = 1.0
    noise: float = 0.0
    smooth: float = 0.0
    scores: Literal["logits", "probabilities"] = "logits"


class Batch(NamedTuple):
    """Pictures that were predicted ``source``, to be turned into ``target``; ``said`` is what is predicted of each now."""

    images: Images
    said: Int[Tensor, " n"]
    source: int
    target: int

    @property
    def wanted(self) -> Int[Tensor, " n"]:
        """The other class, picture by picture: a picture that is predicted otherwise since it was turned a little goes back."""
        return torch.where(self.said == self.target, self.source, self.target)


@dataclass(eq=False)
class Losses:
    """Computes the generators' loss of one direction.

    Args:
        twins: the generators.
        critics: one a class, or one for all.
        ask: the classifier.
        weights: of the parts.
    """

    twins: CounterfactualGenerators
    critics: nn.ModuleList
    ask: Ask
    weights: Weights = field(default_factory=Weights)

    def realism(self, planes: Planes, kind: int) -> Float[Tensor, " n"]:
        """Return the critic's logit that pictures are real ones of a class."""
        place = self.twins.classes.index(kind)
        critic: Critic = self.critics[place if len(self.critics) > 1 else 0]  # type: ignore[assignment]
        answers: Tensor = critic(planes, place if len(self.critics) == 1 else 0)
        return answers

    def generators(self, batch: Batch, generator: torch.Generator, *, push: float = 1.0) -> tuple[Tensor, Tensor]:
        """Return the loss, and the adversarial pictures without a graph.

        Args:
            batch: pictures of one direction.
            generator: of the noise.
            push: factor of the flip's weight.
        """
        planes = self.twins.planes(batch.images)
        first = self.twins.edit(planes, batch.source, batch.target)
        if self.twins.arm == "sagen":
            return self._without_critic(batch, planes, first[1], first[0], push), first[1].detach()
        adversarial = first[0]
        weights, noisy = self.weights, _noisy(adversarial, self.weights.noise, generator)
        parts = [_noisy(adversarial, weights.smooth, generator)]
        loss = weights.realism * self._told(adversarial, batch.target, -1) if weights.realism else planes.new_zeros(())
        kept = [0.0]
        if self.twins.arm == "syce" and (weights.symmetry or weights.stable):
            parts.append(self.twins.undo(noisy, batch.source, batch.target))
            kept.append(weights.stable)
            loss = loss + weights.symmetry * distance(planes, parts[-1])
        parts.append(self.twins.back(noisy, batch.source, batch.target))
        kept.append(weights.back)
        loss = loss + weights.cycle * distance(planes, parts[-1])
        answers = self.ask(colour(torch.cat(parts))).chunk(len(parts))
        loss = loss + push * weights.flip * self.entropy(answers[0], batch.wanted)
        for answer, weight in zip(answers[1:], kept[1:], strict=True):
            loss = loss + weight * self.entropy(answer, batch.said)
        return loss, adversarial.detach()

    def _without_critic(self, batch: Batch, planes: Planes, adversarial: Planes, stable: Planes, push: float) -> Tensor:
        """The loss of ``sagen``: the stable head keeps class and picture, the adversarial one flips and stays near both."""
        weights = self.weights
        flipped, kept = self.ask(colour(torch.cat([adversarial, stable]))).chunk(2)
        return (
            push * weights.flip * self.entropy(flipped, batch.wanted)
            + weights.flip * self.entropy(kept, batch.said)
            + weights.symmetry * distance(planes, stable)
            + weights.near * (distance(planes, adversarial) + distance(stable, adversarial))
        )

    def entropy(self, scores: Scores, classes: Int[Tensor, " n"]) -> Tensor:
        """Return the mean cross-entropy of pictures with classes, nats."""
        if self.weights.scores == "logits":
            return functional.cross_entropy(scores, classes)
        chosen = scores.softmax(1).gather(1, classes[:, None])
        return -chosen.clamp(1e-7, 1 - 1e-7).log().mean()

    def critic(self, real: Planes, made: Planes, kind: int, generator: torch.Generator) -> Tensor:
        """Return the loss of the critic of a class: logistic, with a penalty on gradients whose norm is not 1.

        Args:
            real: pictures predicted to be of the class.
            made: as many adversarial ones, without a graph.
            kind: the class.
            generator: of the places between real and made.
        """
        loss = self._told(real, kind, -1) + self._told(made, kind, 1)
        if not self.weights.penalty:
            return loss
        share = torch.rand(len(real), 1, 1, 1, generator=generator).to(real)
        between = (real + share * (made - real)).requires_grad_()
        (slope,) = torch.autograd.grad(self.realism(between, kind).sum(), [between], create_graph=True)
        steepness: Tensor = slope.flatten(1).norm(dim=1)
        return loss + self.weights.penalty * (steepness - 1).square().mean()

    def _told(self, planes: Planes, kind: int, sign: int) -> Tensor:
        """Return the logistic loss for pictures that are to be taken for real (-1) or for made (1)."""
        return functional.softplus(sign * self.realism(planes, kind)).mean()


def _noisy(planes: Planes, deviation: float, generator: torch.Generator) -> Planes:
    """Add noise, if that is wanted."""
    if not deviation:
        return planes
    drawn = torch.randn(planes.shape, generator=generator).to(planes)
    return (planes + deviation * drawn).clamp(0, 1)


def distance(first: Planes, second: Planes) -> Tensor:
    """Return the mean squared plus the mean absolute difference."""
    return functional.mse_loss(second, first) + functional.l1_loss(second, first)
