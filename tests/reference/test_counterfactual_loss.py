"""Test the losses against the formulas of the authors' released code, written out plainly."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from seewhy.nets.counterfactual_generators import CounterfactualGenerators, build_critics
from seewhy.training.counterfactual.loss import Batch, Losses, Weights
from seewhy.training.counterfactual.plan import make_plan

SHAPE = {
    "classes": (0, 1),
    "channels": 1,
    "size": (8, 8),
    "widths": (4, 4),
    "residual": False,
    "last": 1,
    "norm": "none",
}


def f(images: Tensor) -> Tensor:
    """Return the probability of class 1: a sigmoid of the brightness on the right minus that on the left."""
    return torch.sigmoid(4 * (images[..., 4:].mean((1, 2, 3)) - images[..., :4].mean((1, 2, 3))))


def classify(images: Tensor) -> Tensor:
    """Return the same as two logits."""
    logit = 4 * (images[..., 4:].mean((1, 2, 3)) - images[..., :4].mean((1, 2, 3)))
    return torch.stack([torch.zeros_like(logit), logit], 1)


def bce(y: Tensor, p: Tensor) -> Tensor:
    """Return the binary cross-entropy of probabilities."""
    return -(y * p.log() + (1 - y) * (1 - p).log()).mean()


def r(u: Tensor, v: Tensor) -> Tensor:
    """Return squares and absolute differences."""
    return ((u - v) ** 2).mean() + (u - v).abs().mean()


def softplus(t: Tensor) -> Tensor:
    """Return the softplus by definition."""
    return torch.log(1 + torch.exp(t))


def g(generators: CounterfactualGenerators, place: int, x: Tensor) -> Tensor:
    """Return a generator's output, clipped."""
    drawn: Tensor = generators.nets[place](x, 0)[0]
    return drawn.clip(0, 1)


def colour(x: Tensor) -> Tensor:
    """Return three equal channels."""
    return x.repeat(1, 3, 1, 1)


def test_syce() -> None:
    """Test six terms, in both directions; an image with a different prediction has its own target."""
    generators = CounterfactualGenerators(arm="syce", seed=1, **SHAPE)  # type: ignore[arg-type]
    critics = build_critics(generators, (3, 5), seed=2)
    x = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(3))
    predicted = (f(x) >= 0.5).long()
    assert 0 < int(predicted.sum()) < 6
    y = predicted.double()
    plan = make_plan("syce", "paper")
    for source in (0, 1):
        got = Losses(generators, critics, classify, plan.weights).generator_loss(
            Batch(colour(x), predicted, source, 1 - source), torch.Generator()
        )
        xa = g(generators, source, x)
        xsy, xcy = g(generators, source, xa), g(generators, 1 - source, xa)
        wanted = (
            10 * r(x, xsy)
            + 2 * r(x, xcy)
            + 0.2 * bce(1 - y, f(xa))
            + 0.01 * bce(y, f(xsy))
            + 0.005 * bce(y, f(xcy))
            + 0.25 * softplus(-critics[1 - source](xa, 0)).mean()
        )
        torch.testing.assert_close(got.double(), wanted.double(), rtol=1e-5, atol=1e-6)


def test_cyce() -> None:
    """Test four terms."""
    generators = CounterfactualGenerators(arm="cyce", seed=1, **SHAPE)  # type: ignore[arg-type]
    critics = build_critics(generators, (3, 5), seed=2)
    x = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(3))
    predicted = (f(x) >= 0.5).long()
    got = Losses(generators, critics, classify, make_plan("cyce", "paper").weights).generator_loss(
        Batch(colour(x), predicted, 0, 1), torch.Generator()
    )
    xa, y = g(generators, 0, x), predicted.double()
    back = g(generators, 1, xa)
    wanted = 10 * r(x, back) + 0.2 * bce(1 - y, f(xa)) + 0.005 * bce(y, f(back))
    wanted = wanted + 0.25 * softplus(-critics[1](xa, 0)).mean()
    torch.testing.assert_close(got.double(), wanted.double(), rtol=1e-5, atol=1e-6)


def test_control_without_critic() -> None:
    """Both heads are penalised for their classes, their distance from the input and from each other."""
    generators = CounterfactualGenerators(arm="sagen", seed=1, **SHAPE)  # type: ignore[arg-type]
    x = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(3))
    predicted = torch.tensor([0, 0, 1, 0])
    weights = Weights(symmetry=3.0, near=2.0, flip=0.5)
    got = Losses(generators, build_critics(generators, (3,), seed=0), classify, weights).generator_loss(
        Batch(colour(x), predicted, 0, 1), torch.Generator()
    )
    xs, xa = (head.clip(0, 1) for head in generators.nets[0](x, 0))
    y = predicted.double()
    wanted = 0.5 * (bce(1 - y, f(xa)) + bce(y, f(xs))) + 3 * r(x, xs) + 2 * (r(x, xa) + r(xs, xa))
    torch.testing.assert_close(got.double(), wanted.double(), rtol=1e-5, atol=1e-6)


def test_critic() -> None:
    """Test the logistic loss and the gradient penalty: squared distance from norm 1, between real and generated images."""
    generators = CounterfactualGenerators(arm="syce", seed=1, **SHAPE)  # type: ignore[arg-type]
    critics = build_critics(generators, (3, 5), seed=2)
    draw = torch.Generator().manual_seed(3)
    real, made = (torch.rand(4, 1, 8, 8, generator=draw) for _ in range(2))
    got = Losses(generators, critics, classify, Weights()).critic_loss(real, made, 1, torch.Generator().manual_seed(4))
    share = torch.rand(4, 1, 1, 1, generator=torch.Generator().manual_seed(4))
    wanted = softplus(-critics[1](real, 0)).mean() + softplus(critics[1](made, 0)).mean()
    for number in range(4):
        u = (real + share * (made - real))[number : number + 1].detach().requires_grad_()
        (slope,) = torch.autograd.grad(critics[1](u, 0).sum(), [u])
        wanted = wanted + (slope.square().sum().sqrt() - 1) ** 2 / 4
    torch.testing.assert_close(got, wanted)


def test_logits_do_not_saturate() -> None:
    """Where the classifier is certain, probabilities give no gradient, but logits do."""
    for scores, moves in (("logits", True), ("probabilities", False)):
        logits = torch.tensor([[60.0, 0.0]], requires_grad=True)
        generators = CounterfactualGenerators(arm="cyce", **SHAPE)  # type: ignore[arg-type]
        losses = Losses(generators, torch.nn.ModuleList(), classify, Weights(scores=scores))  # type: ignore[arg-type]
        (slope,) = torch.autograd.grad(losses.entropy(logits, torch.tensor([1])), [logits])
        assert bool(slope.abs().max() > 0.1) == moves


def test_noise_is_added_before_the_cycle() -> None:
    """With an identity generator, the cycle's error is that of the noise."""
    generators = CounterfactualGenerators(arm="cyce", seed=1, **{**SHAPE, "residual": True})  # type: ignore[arg-type]
    with torch.no_grad():
        for weight in generators.parameters():
            weight.zero_()
    x = torch.full((64, 3, 8, 8), 0.5)
    losses = Losses(
        generators, torch.nn.ModuleList(), classify, Weights(flip=0.0, back=0.0, realism=0.0, cycle=1.0, noise=0.1)
    )
    got = losses.generator_loss(Batch(x, torch.zeros(64).long(), 0, 1), torch.Generator().manual_seed(0))
    torch.testing.assert_close(got.item(), 0.1**2 + 0.1 * math.sqrt(2 / math.pi), rtol=0.05, atol=0)
    assert functional.l1_loss(generators(x, 0, 1).adversarial, x) == 0
