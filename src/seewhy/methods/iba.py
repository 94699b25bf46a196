"""IBA: how much information a decision needs of each place of a layer (Schulz, Sixt, Tombari, Landgraf, ICLR 2020)."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.core.errors import RequestError
from seewhy.core.maps import Maps
from seewhy.core.probe import Probe
from seewhy.core.seeds import derive, normals
from seewhy.core.target import Target, weight_matrix
from seewhy.methods.inside import Layout, enlarge, find
from seewhy.nets.bottleneck import Statistics, bits_per_pixel, information, load_statistics, smooth

IBA_STRIDE = 8.0
"""Pixels between two places of the layer that is chosen: conv4 of VGG-16 and layer2 of ResNet-50, as in the paper."""

ADVISED = 1000
"""Fewer photos than this are mentioned: the authors advise 10,000 and warn below 1,000."""

_START = 5.0
"""Where the learned logits of the share that is let through begin: at 0.993."""


def iba(
    probe: Probe,
    targets: Sequence[Target],
    *,
    layer: str | None = None,
    beta: float = 10.0,
    steps: int = 10,
    samples: int = 10,
    rate: float = 1.0,
    sigma: float = 1.0,
    relu: bool = False,
    statistics: str | None = None,
) -> Maps:
    """Put noise into a layer, learn where the decision can do without its features, and measure what still gets through.

    With the features R, noise e of their mean and spread, and ``Z = lam R + (1 - lam) e``: the shares
    ``lam = blur(sigmoid(alpha))``, one alpha a feature, are learned with Adam to make
    ``-mean over the noise of log p(class | Z) + beta · mean over features of KL`` small. The map is that KL, an upper bound
    on what Z tells of the picture, summed over channels. It is taken after the last step; the authors' code reads it one
    step earlier.

    Args:
        probe: the bound question.
        targets: classes and contrasts; each costs ``steps x samples`` queries.
        layer: its name; auto: the one with places nearest to 8 pixels apart, see `seewhy.methods.inside.find`.
        beta: what information costs, beside the mean of nats over features.
        steps: of the optimiser. Its rate is 1, so that fewer or more steps change the meaning of beta.
        samples: draws of noise a step, shown in one batch whatever the batch size of the run.
        rate: learning rate.
        sigma: standard deviation of the blur, places of the layer; 0 for none.
        relu: the layer is behind a ReLU: noise around 0 with the spread of the values other than 0, cut at 0.
        statistics: folder of mean and spread of the features, written by ``seewhy train iba``; auto: those of this picture's
            own map, channel by channel, which a finding says.

    Returns:
        Maps in bits for each pixel, 0 or more: where it is near 0, the decision did not need the layer's features.

    Raises:
        RequestError: a setting is out of range, there is no such layer or no map at it, the statistics are of another
            classifier or layer, or the budget is too small.

    Cost: ``2 + targets x steps x samples`` queries; as many pictures backward, as far as the layer.
    """
    plan = _Plan(beta, steps, samples, rate, sigma, relu)
    total = 2 + len(targets) * steps * samples
    probe.affordable(total, smallest=total, hint="fewer targets")
    probe.plan(total)
    weights = weight_matrix(targets, probe.prediction).float()
    known = None
    if statistics is not None:
        known, layer = load_statistics(Path(statistics), layer=layer, fingerprint=probe.classifier.fingerprint)
    where = find(probe, layer, stride=IBA_STRIDE)
    values, traces = {}, {}
    for target, column in zip(targets, weights.T, strict=True):
        neck = _Bottleneck.start(where, plan, known, probe)
        traces[f"{target.key} loss"] = [neck.step(probe, column, number) for number in range(steps)]
        values[target.key] = enlarge(bits_per_pixel(neck.nats().detach(), probe.size), probe.size)
    settings = {"layer": where.layer, **asdict(plan), "statistics": statistics}
    return Maps(values, {}, "bits per pixel", settings, "complete", findings=_findings(known), traces=traces)


@dataclass(frozen=True)
class _Plan:
    """The settings of the optimisation, held to what makes sense."""

    beta: float
    steps: int
    samples: int
    rate: float
    sigma: float
    relu: bool

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("samples", 1), ("beta", 0), ("sigma", 0)):
            if not getattr(self, name) >= least:
                raise RequestError(
                    f"expected {name} >= {least}, got {getattr(self, name)}; leave it out for the paper's"
                )
        if not self.rate > 0:
            raise RequestError(f"expected rate > 0, got {self.rate}; leave it out for the paper's")


@dataclass(eq=False)
class _Bottleneck:
    """Noise in a layer, and the shares of its features that are let through."""

    where: Layout
    plan: _Plan
    known: Statistics | None
    alpha: Tensor
    optimiser: torch.optim.Optimizer
    deviation: Tensor

    @classmethod
    def start(cls, where: Layout, plan: _Plan, known: Statistics | None, probe: Probe) -> "_Bottleneck":
        """Let nearly everything through."""
        shape = (where.channels, where.rows, where.columns)
        if known is not None and known.mean.shape != shape:
            raise RequestError(
                f"expected statistics of maps {shape}, got {tuple(known.mean.shape)}; show the classifier pictures of the size that "
                "they were measured at"
            )
        alpha = torch.full(shape, _START, device=probe.image.device, requires_grad=True)
        return cls(where, plan, known, alpha, torch.optim.Adam([alpha], lr=plan.rate), torch.zeros_like(alpha))

    def removed(self) -> Float[Tensor, "c h w"]:
        """The share of each feature that the noise replaces: ``1 - blur(sigmoid(alpha)) = blur(sigmoid(-alpha))``."""
        return smooth(torch.sigmoid(-self.alpha), self.plan.sigma)

    def nats(self) -> Float[Tensor, "c h w"]:
        """What gets through; known after a first `step`, which sees the features."""
        return information(self.deviation, self.removed())

    def step(self, probe: Probe, column: Float[Tensor, " k"], number: int) -> float:
        """Take one step of the optimiser and return the loss before it."""
        numbers = torch.arange(self.plan.samples, device=self.alpha.device) + self.plan.samples * number
        noise = normals(derive(probe.seed, numbers), self.alpha.numel()).view(-1, *self.alpha.shape)

        def disturb(output: Tensor) -> Tensor:
            features = self.where.features(output.detach().float())
            if seen or features.shape != noise.shape:
                raise RequestError(f"expected a layer that runs once a picture, got {self.where.layer}; choose another")
            return self.where.output(self.mix(features, noise), output).to(output.dtype)

        with probe.watching(self.where.layer, disturb) as seen:
            scores = probe.scores(probe.image.expand(self.plan.samples, -1, -1, -1))
        loss = -(scores.log_softmax(1) @ column).mean() + self.plan.beta * self.nats().mean()
        (self.alpha.grad,) = probe.gradient(loss, [self.alpha], self.plan.samples)
        self.optimiser.step()
        return loss.item()

    def mix(self, features: Float[Tensor, "n c h w"], noise: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Let a share of the features through and fill up with noise of their mean and spread."""
        known = self.known or Statistics.of_one(features[0])
        mean, std = known.noise(relu=self.plan.relu)
        mean, std = mean.to(features.device), std.to(features.device)
        self.deviation = (features[0] - mean) / std
        mixed = features + self.removed() * (mean + std * noise - features)
        return mixed.relu() if self.plan.relu else mixed


def _findings(known: Statistics | None) -> tuple[str, ...]:
    """Say where the noise comes from, where that is not as the authors advise."""
    if known is None:
        own = (
            "The noise has the mean and spread of this picture's own features, channel by channel; with "
            "iba:statistics=FOLDER, written by seewhy train iba, it has those of photos, as in the paper."
        )
        return (own,)
    if known.photos < ADVISED:
        return (
            f"The noise has the mean and spread of {known.photos} photos; the authors advise 10,000 and warn below 1,000.",
        )
    return ()
