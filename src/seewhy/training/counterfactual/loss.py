"""The losses of SyCE, CyCE and the control without a critic (Charachon et al., FGCS 132, 2022), for one direction.

The weights are those of the authors' released configuration. The authors use a sigmoid and a binary cross-entropy on
probabilities; this module uses the cross-entropy over the classifier's classes, which is the same for two classes.
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
from seewhy.nets.counterfactual_generators import CounterfactualGenerators, colour
from seewhy.nets.translator import Critic, Planes

Classify = Callable[[Images], Scores]
"""The classifier's scores, with a graph for gradients."""


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Weights of the terms of the loss.

    Args:
        symmetry: the stable image equals the input (``syce``; of the stable head in ``sagen``).
        cycle: the cycle image equals the input.
        near: the adversarial image is close to the input and to the stable image (``sagen`` only).
        flip: the adversarial image has the target class.
        stable: the stable image keeps the class.
        back: the cycle image has the class of the input.
        realism: the critic accepts the adversarial image as real.
        penalty: weight of the gradient penalty of the critic, between real and generated images.
        noise: standard deviation of noise added to the adversarial image before the cycle, so that it cannot hide the
            input in an imperceptible pattern; 0 in the authors' code.
        scores: ``logits``, or ``probabilities`` as in the authors' code, whose gradient vanishes where the classifier
            is certain.
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
    scores: Literal["logits", "probabilities"] = "logits"


class Batch(NamedTuple):
    """Images of class ``source``, to be translated to ``target``; ``predicted`` is their class after augmentation."""

    images: Images
    predicted: Int[Tensor, " n"]
    source: int
    target: int

    @property
    def wanted(self) -> Int[Tensor, " n"]:
        """The class that each adversarial image should have: ``source`` where the prediction is already ``target``."""
        return torch.where(self.predicted == self.target, self.source, self.target)


@dataclass(eq=False)
class Losses:
    """The losses of the generators and of the critics (one per class, or one for all) for one direction."""

    generators: CounterfactualGenerators
    critics: nn.ModuleList
    classify: Classify
    weights: Weights = field(default_factory=Weights)

    def realism(self, planes: Planes, kind: int) -> Float[Tensor, " n"]:
        """Return the critic's logits that images are real images of a class."""
        place = self.generators.classes.index(kind)
        critic: Critic = self.critics[place if len(self.critics) > 1 else 0]  # type: ignore[assignment]
        answers: Tensor = critic(planes, place if len(self.critics) == 1 else 0)
        return answers

    def generator_loss(self, batch: Batch, generator: torch.Generator, *, push: float = 1.0) -> Tensor:
        """Return the generators' loss; ``push`` is a factor on the flip weight."""
        planes = self.generators.planes(batch.images)
        first = self.generators.edit(planes, batch.source, batch.target)
        if self.generators.arm == "sagen":
            return self._without_critic(batch, planes, first[1], first[0], push)
        adversarial = first[0]
        weights, noisy = self.weights, _noisy(adversarial, self.weights.noise, generator)
        parts = [adversarial]
        loss = (
            weights.realism * self._logistic(adversarial, batch.target, -1) if weights.realism else planes.new_zeros(())
        )
        kept = [0.0]
        if self.generators.arm == "syce" and (weights.symmetry or weights.stable):
            parts.append(self.generators.undo(noisy, batch.source, batch.target))
            kept.append(weights.stable)
            loss = loss + weights.symmetry * distance(planes, parts[-1])
        parts.append(self.generators.back(noisy, batch.source, batch.target))
        kept.append(weights.back)
        loss = loss + weights.cycle * distance(planes, parts[-1])
        answers = self.classify(colour(torch.cat(parts))).chunk(len(parts))
        loss = loss + push * weights.flip * self.entropy(answers[0], batch.wanted)
        for answer, weight in zip(answers[1:], kept[1:], strict=True):
            loss = loss + weight * self.entropy(answer, batch.predicted)
        return loss

    def _without_critic(self, batch: Batch, planes: Planes, adversarial: Planes, stable: Planes, push: float) -> Tensor:
        """Return the loss of ``sagen``: both heads have a class to keep or to flip, and stay close to the image."""
        weights = self.weights
        flipped, kept = self.classify(colour(torch.cat([adversarial, stable]))).chunk(2)
        return (
            push * weights.flip * self.entropy(flipped, batch.wanted)
            + weights.flip * self.entropy(kept, batch.predicted)
            + weights.symmetry * distance(planes, stable)
            + weights.near * (distance(planes, adversarial) + distance(stable, adversarial))
        )

    def entropy(self, scores: Scores, classes: Int[Tensor, " n"]) -> Tensor:
        """Return the mean cross-entropy of scores with classes, in nats."""
        if self.weights.scores == "logits":
            return functional.cross_entropy(scores, classes)
        chosen = scores.softmax(1).gather(1, classes[:, None])
        return -chosen.clamp(1e-7, 1 - 1e-7).log().mean()

    def critic_loss(self, real: Planes, generated: Planes, kind: int, generator: torch.Generator) -> Tensor:
        """Return the loss of a class's critic: logistic, with a penalty on gradient norms other than 1."""
        loss = self._logistic(real, kind, -1) + self._logistic(generated, kind, 1)
        if not self.weights.penalty:
            return loss
        share = torch.rand(len(real), 1, 1, 1, generator=generator).to(real)
        between = (real + share * (generated - real)).requires_grad_()
        (slope,) = torch.autograd.grad(self.realism(between, kind).sum(), [between], create_graph=True)
        steepness: Tensor = slope.flatten(1).norm(dim=1)
        return loss + self.weights.penalty * (steepness - 1).square().mean()

    def _logistic(self, planes: Planes, kind: int, sign: int) -> Tensor:
        """Return the logistic loss for images to be classified as real (-1) or as generated (1)."""
        return functional.softplus(sign * self.realism(planes, kind)).mean()


def _noisy(planes: Planes, deviation: float, generator: torch.Generator) -> Planes:
    """Add Gaussian noise, if the deviation is not zero."""
    if not deviation:
        return planes
    drawn = torch.randn(planes.shape, generator=generator).to(planes)
    return (planes + deviation * drawn).clamp(0, 1)


def distance(first: Planes, second: Planes) -> Tensor:
    """Return the mean squared plus the mean absolute difference."""
    return functional.mse_loss(second, first) + functional.l1_loss(second, first)
