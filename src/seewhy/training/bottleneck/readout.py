"""Train the network of `seewhy.methods.layers.iba_readout`, which tells which features of a layer the classifier needs."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from seewhy.core.classifier import Classifier
from seewhy.core.context import plain_torch
from seewhy.core.probe import Probe
from seewhy.core.seeds import derive, normals
from seewhy.methods.layers._feature_maps import Layout, check_layer, find
from seewhy.methods.layers.iba import IBA_STRIDE
from seewhy.methods.layers.iba_readout import gather
from seewhy.nets.bottleneck import Statistics
from seewhy.nets.readout import Readout, save_readout
from seewhy.results.folder import check_writable
from seewhy.runtime.machine import installed
from seewhy.training.bottleneck.statistics import bind_first, measure_layers, view_photo
from seewhy.training.loop import Progress, check_settings, no_progress

STRIDES = (IBA_STRIDE, 16.0, 32.0)
"""Strides in pixels of the layers that are read. The first is the layer of ``iba``, so that the maps are comparable.

The authors start at stride 4, layer1 of ResNet-50, which costs four times as much.
"""


@dataclass(frozen=True)
class Plan:
    """Settings for training a readout; ``beta`` weighs the information term, the mean nats per feature.

    Raises:
        RequestError: a number is out of range.
    """

    steps: int = 2000
    batch: int = 16
    rate: float = 1e-4
    beta: float = 10.0
    seed: int = 0

    def __post_init__(self) -> None:
        check_settings(self, ("steps", "batch"), lambda value: value >= 1, ">= 1")
        check_settings(self, ("beta",), lambda value: value >= 0, ">= 0")
        check_settings(self, ("rate",), lambda value: value > 0, "> 0")


@dataclass(frozen=True)
class Losses:
    """The losses before one step: cross-entropy in nats, and the mean nats of information per feature."""

    cross_entropy: float
    information: float

    def __str__(self) -> str:
        return f"cross-entropy {self.cross_entropy:.3f} with {self.information:.3f} nats per feature"


@dataclass(frozen=True)
class Trained:
    """The result of a training run: the layers that are read, bottleneck layer first, and the losses of each step."""

    layers: tuple[str, ...]
    losses: tuple[Losses, ...]


@plain_torch()
def train_readout(
    classifier: Classifier,
    photos: Sequence[Path],
    out: Path,
    *,
    layers: Sequence[str] = (),
    plan: Plan | None = None,
    progress: Progress = no_progress,
) -> Trained:
    """Train a readout of a classifier's layers on photos, and write ``readout.safetensors`` and ``card.json``.

    The layer statistics are measured first. Adam then minimises ``cross-entropy + beta · mean over features of KL``,
    with noise in one layer. The cross-entropy is that of the class the classifier predicts; the authors use the photo's
    label. The classifier is not changed, and nothing is written before training ends.

    Without names of ``layers``, those with strides nearest to 8, 16 and 32 pixels are read; the first has the bottleneck, and
    the class scores are read as well. The cost is one query per photo, then two per photo of each batch, one of them with
    a backward pass.
    """
    check_writable(out)
    plan, probe = plan or Plan(), bind_first(classifier, photos)
    for layer in layers:
        check_layer(probe, layer)
    names = tuple(dict.fromkeys(layers or [find(probe, None, stride=stride, once=True).layer for stride in STRIDES]))
    statistics = measure_layers(probe, names, photos, progress)
    net = _build(statistics, plan.seed).to(classifier.device)
    job = _Job(probe, photos, find(probe, names[0], stride=None, once=True), names, plan, net)
    for step in range(plan.steps):
        progress(step + 1, plan.steps, job.take_step(step), "")
    save_readout(out, net, _facts(job))
    return Trained(names, tuple(job.losses))


def _build(statistics: Sequence[Statistics], seed: int) -> Readout:
    """Build the network, with the mean and standard deviation of each feature of each layer."""
    spreads = [of_layer.noise() for of_layer in statistics]
    net = Readout([(len(mean), *mean.shape[1:]) for mean, _ in spreads], seed=seed)
    for number, (mean, std) in enumerate(spreads):
        for name, values in ((f"mean{number}", mean), (f"std{number}", std)):
            net.get_buffer(name).copy_(values)
    return net


@dataclass(eq=False)
class _Job:
    """The training of one network."""

    probe: Probe
    photos: Sequence[Path]
    where: Layout
    layers: Sequence[str]
    plan: Plan
    net: Readout
    losses: list[Losses] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.adam = torch.optim.Adam(self.net.parameters(), lr=self.plan.rate)

    def take_step(self, step: int) -> str:
        """Take one step on photos drawn at random, and return the losses before it."""
        chosen = np.random.default_rng([self.plan.seed, step]).integers(0, len(self.photos), self.plan.batch)
        pictures = torch.stack([view_photo(self.probe.classifier, self.photos[number]) for number in chosen])
        sources = gather(self.probe, self.layers, pictures)
        removed = self.net.removed(sources)
        mixed = self._mix(sources[0], removed, step)
        with self.probe.watching(self.where.layer, lambda output: self.where.output(mixed, output).to(output.dtype)):
            answers = self.probe.scores(pictures)
        cross_entropy = functional.cross_entropy(answers, sources[-1].flatten(1).argmax(1))
        information = self.net.nats(sources[0], removed).mean()
        weights = list(self.net.parameters())
        gradients = self.probe.gradient(cross_entropy + self.plan.beta * information, weights, len(pictures))
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = gradient
        self.adam.step()
        self.losses.append(Losses(cross_entropy.item(), information.item()))
        return str(self.losses[-1])

    def _mix(
        self, features: Float[Tensor, "n c h w"], removed: Float[Tensor, "n c h w"], step: int
    ) -> Float[Tensor, "n c h w"]:
        """Mix noise into the removed features, one draw per image."""
        rows = torch.arange(len(features), device=features.device) + len(features) * step
        mean, std = self.net.noise()
        noise = mean + std * normals(derive(self.plan.seed, rows), features[0].numel()).view_as(features)
        return features + removed * (noise - features)


def _facts(job: _Job) -> dict[str, object]:
    """Return the card: what the readout was trained for, and how well it was trained."""
    last = job.losses[-max(1, len(job.losses) // 10) :]
    return {
        "what": "how much of each feature of the first layer its classifier needs, from the layers and the class scores",
        "layers": list(job.layers),
        "classifier": job.probe.classifier.name,
        "fingerprint": job.probe.classifier.fingerprint,
        "photos": len(job.photos),
        **asdict(job.plan),
        "cross_entropy": round(float(np.mean([step.cross_entropy for step in last])), 4),
        "information": round(float(np.mean([step.information for step in last])), 4),
        "seewhy": installed("seewhy"),
    }
