"""IBA: information a decision uses at each position of a layer (Schulz, Sixt, Tombari, Landgraf, ICLR 2020)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.core.attribution import Attribution
from seewhy.core.errors import RequestError
from seewhy.core.probe import Probe, require_gradient
from seewhy.core.seeds import normals
from seewhy.core.target import Target, weight_matrix
from seewhy.methods._shared import at_least, enlarge, name_maps, positive, reserve, seeds
from seewhy.methods.layers._feature_maps import Layout, check_layer, find
from seewhy.nets.bottleneck import Statistics, bits_per_pixel, information, load_statistics, smooth

IBA_STRIDE = 8.0
"""Pixels between adjacent positions of the chosen layer: conv4 of VGG-16 and layer2 of ResNet-50, as in the paper."""

ADVISED = 1000
"""A finding reports statistics from fewer photos than this: the authors advise 10,000 and warn below 1,000."""

_START = 5.0
"""Initial logits of the fraction that passes the bottleneck: 0.993 after the sigmoid."""


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
    statistics: str | None = None,
) -> Attribution:
    """Measure how much information the decision needs from each feature of a layer, by replacing features with noise.

    With the features R, noise e of the same mean and standard deviation, and ``Z = lam R + (1 - lam) e``: the
    fractions ``lam = blur(sigmoid(alpha))``, with one alpha per feature, are learned with Adam to minimise ``-mean
    over the noise of log p(class | Z) + beta · mean over features of KL``. The map is that KL, an upper bound on the
    information that Z has about the image, summed over channels. It is taken after the last step; the authors' code
    takes it one step earlier.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together; the in-fill is not used.
        targets: classes and contrasts; each costs ``steps x samples`` queries.
        layer: name of the layer; auto: the one whose positions are closest to 8 pixels apart, see
            `seewhy.methods.layers._feature_maps.find`.
        beta: weight of the information, the mean over features in nats; 0 or more.
        steps: number of optimiser steps, 1 or more. With the learning rate of 1, other numbers change the effect of
            beta.
        samples: noise samples per step, 1 or more; shown in one batch, whatever the batch size of the run.
        rate: learning rate, above 0.
        sigma: standard deviation of the blur, in positions of the layer; 0 for none.
        statistics: folder with the mean and standard deviation of the features, written by ``seewhy train iba``;
            auto: those of this image's own features, channel by channel, which a finding reports.

    Returns:
        Maps in bits per pixel, 0 or more: where a map is near 0, the decision did not need the layer's features.

    Raises:
        RequestError: a setting is out of range, the layer does not exist or its output is not a map, the statistics
            belong to another classifier or layer, or the budget is too small.

    Cost: ``2 + targets x steps x samples`` queries; as many images backward, down to the layer.
    """
    at_least(steps=(steps, 1), samples=(samples, 1), beta=(beta, 0), sigma=(sigma, 0))
    positive(rate=rate)
    reserve(probe, 2 + len(targets) * steps * samples, hint="fewer targets")
    known = None
    if statistics is not None:
        known, layer = load_statistics(Path(statistics), layer=layer, fingerprint=probe.classifier.fingerprint)
    check_layer(probe, layer)
    weights = weight_matrix(targets, probe.prediction).float()
    where = find(probe, layer, stride=IBA_STRIDE, once=True)
    bits, traces = [], {}
    for target, column in zip(targets, weights.T, strict=True):
        neck = _Bottleneck.start(probe, where, known, sigma)
        traces[f"{target.key} loss"] = neck.learn(column, steps, samples, rate, beta)
        bits.append(bits_per_pixel(neck.nats().detach(), probe.size))
    settings = {"layer": where.layer, "beta": beta, "steps": steps, "samples": samples, "rate": rate, "sigma": sigma}
    settings["statistics"] = statistics
    values = name_maps(targets, enlarge(torch.stack(bits), probe.size))
    return Attribution(values, {}, "bits per pixel", settings, "complete", findings=_findings(known), traces=traces)


@dataclass(eq=False)
class _Bottleneck:
    """Noise injected into a layer, and the learned logits ``alpha`` of the fraction of each feature that passes."""

    probe: Probe
    where: Layout
    known: Statistics | None
    sigma: float
    alpha: Tensor
    deviation: Tensor

    @classmethod
    def start(cls, probe: Probe, where: Layout, known: Statistics | None, sigma: float) -> "_Bottleneck":
        """Start with nearly everything passing."""
        shape = (where.channels, where.rows, where.columns)
        if known is not None and known.mean.shape != shape:
            raise RequestError(
                f"expected statistics of shape {shape}, got {tuple(known.mean.shape)}; explain images of the size that the "
                "statistics were measured at"
            )
        alpha = torch.full(shape, _START, device=probe.image.device, requires_grad=True)
        return cls(probe, where, known, sigma, alpha, torch.zeros_like(alpha))

    def learn(self, column: Float[Tensor, " k"], steps: int, samples: int, rate: float, beta: float) -> list[float]:
        """Optimise the fractions, and return the loss before each step."""
        optimiser = torch.optim.Adam([self.alpha], lr=rate)
        losses = []
        for number in range(steps):
            scores = self._noisy_scores(number * samples, samples)
            loss = -(scores.log_softmax(1) @ column).mean() + beta * self.nats().mean()
            (self.alpha.grad,) = self.probe.gradient(loss, [self.alpha], samples)
            optimiser.step()
            losses.append(loss.item())
        return losses

    def nats(self) -> Float[Tensor, "c h w"]:
        """Return the information that passes, in nats; needs a first step of `learn`, which records the features."""
        return information(self.deviation, self._removed())

    def _removed(self) -> Float[Tensor, "c h w"]:
        """Return the fraction of each feature replaced by noise: ``1 - blur(sigmoid(alpha)) = blur(sigmoid(-alpha))``."""
        return smooth(torch.sigmoid(-self.alpha), self.sigma)

    def _noisy_scores(self, first: int, samples: int) -> Float[Tensor, "n k"]:
        """Show the image with noise in the layer, and return the scores."""
        own = seeds(self.probe, first, samples)
        noise = normals(own, self.alpha.numel()).view(-1, *self.alpha.shape)

        def disturb(output: Tensor) -> Tensor:
            features = self.where.features(output.detach().float())
            if seen or features.shape != noise.shape:
                raise RequestError(f"expected a layer that runs once per image, got {self.where.layer}; choose another")
            return self.where.output(self._mix(features, noise), output).to(output.dtype)

        with self.probe.watching(self.where.layer, disturb) as seen:
            scores = self.probe.scores(self.probe.image.expand(samples, -1, -1, -1))
        require_gradient(scores, seen[0], f"layer {self.where.layer}")
        return scores

    def _mix(self, features: Float[Tensor, "n c h w"], noise: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Replace a fraction of the features with noise of the same mean and standard deviation."""
        known = self.known or Statistics.of_one(features[0])
        mean, std = (part.to(features.device) for part in known.noise())
        self.deviation = (features[0] - mean) / std
        return features + self._removed() * (mean + std * noise - features)


def _findings(known: Statistics | None) -> tuple[str, ...]:
    """Report the source of the noise statistics where it differs from the authors' advice."""
    if known is None:
        own = (
            "The noise has the mean and standard deviation of this image's own features, channel by channel. For statistics "
            "of a photo collection, as in the paper, run seewhy train iba and give iba:statistics=FOLDER."
        )
        return (own,)
    few = f"The noise statistics come from {known.photos} photos; the authors advise 10,000 and warn below 1,000."
    return (few,) if known.photos < ADVISED else ()
