"""Train the network of `seewhy.methods.layers.iba_readout`, which tells which features of a layer the classifier needs."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from seewhy.core.arrays import Images
from seewhy.core.classifier import Classifier
from seewhy.core.errors import RequestError
from seewhy.core.probe import Probe
from seewhy.core.seeds import derive, normals
from seewhy.images.open import open_image
from seewhy.images.view import apply_view
from seewhy.methods.layers._feature_maps import Layout, find
from seewhy.methods.layers.iba import IBA_STRIDE
from seewhy.methods.layers.iba_readout import gather
from seewhy.nets.bottleneck import Counting
from seewhy.nets.readout import Readout, build_readout, save_readout
from seewhy.runtime.machine import installed
from seewhy.training.bottleneck.statistics import bind_photo, check_measurable

STRIDES = (IBA_STRIDE, 16.0, 32.0)
"""Strides in pixels of the layers that are read. The first is the layer of ``iba``, so that the maps are comparable.

The authors start at stride 4, layer1 of ResNet-50, which costs four times as much.
"""

Progress = Callable[[str, int, int], None]
"""Called with a description of the current task, the number of items done and the total."""


def no_progress(*facts: object) -> None:
    """Report nothing."""
    del facts


@dataclass(frozen=True)
class Plan:
    """Settings for training a readout.

    Args:
        steps: number of Adam steps.
        batch: photos per step.
        rate: learning rate.
        beta: weight of the information term, the mean nats per feature.
        seed: seed of the weights, the batches and the noise.

    Raises:
        RequestError: a number is out of range.
    """

    steps: int = 2000
    batch: int = 16
    rate: float = 1e-4
    beta: float = 10.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("batch", 1), ("beta", 0)):
            if not getattr(self, name) >= least:
                raise RequestError(f"expected {name} >= {least}, got {getattr(self, name)}; omit it to use the default")
        if not self.rate > 0:
            raise RequestError(f"expected rate > 0, got {self.rate}; omit it to use the default")


@dataclass(frozen=True)
class Losses:
    """The losses before one step: cross-entropy in nats, and the mean nats of information per feature."""

    cross_entropy: float
    information: float

    def __str__(self) -> str:
        """Return both losses as text."""
        return f"cross-entropy {self.cross_entropy:.3f} with {self.information:.3f} nats per feature"


@dataclass(frozen=True)
class Trained:
    """The result of a training run: the layers that are read, bottleneck layer first, and the losses of each step."""

    layers: tuple[str, ...]
    losses: tuple[Losses, ...]


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
    label. The classifier is not changed.

    Args:
        classifier: network with accessible layers and a fixed input size.
        photos: image files.
        out: folder for the weights; it is created when training ends.
        layers: names of the layers to read, bottleneck layer first; empty for the feature maps with strides nearest to
            8, 16 and 32 pixels. The class scores are read as well.
        plan: steps, batch, learning rate, beta and seed; None for the defaults.
        progress: called after each photo that is measured and after each step.

    Returns:
        The layers and the losses of each step.

    Raises:
        RequestError: the classifier does not expose its layers or has no fixed input size, a layer does not exist or
            cannot be read, or a photo cannot be read.

    Cost: one query per photo, then two per photo of each batch, one of them with a backward pass.
    """
    check_measurable(classifier)
    if not photos:
        raise RequestError("expected at least one photo, got none; give a folder that contains photos")
    plan = plan or Plan()
    probe = bind_photo(classifier, _view(classifier, photos[0]))
    asked = layers or [find(probe, None, stride=stride).layer for stride in STRIDES]
    names = tuple(dict.fromkeys(asked))
    run = _Run(probe, find(probe, names[0], stride=None), names, plan, _measured(probe, photos, names, plan, progress))
    losses = []
    for step in range(plan.steps):
        chosen = np.random.default_rng([plan.seed, step]).integers(0, len(photos), plan.batch)
        losses.append(run.step(torch.stack([_view(classifier, photos[number]) for number in chosen]), step))
        progress(str(losses[-1]), step + 1, plan.steps)
    save_readout(out, run.net, _facts(run, losses, len(photos)))
    return Trained(names, tuple(losses))


def _view(classifier: Classifier, photo: Path) -> Float[Tensor, "3 h w"]:
    """Read a photo in the classifier's view."""
    return apply_view(open_image(photo), classifier.view)[0].to(classifier.device)


def _measured(probe: Probe, photos: Sequence[Path], layers: Sequence[str], plan: Plan, progress: Progress) -> Readout:
    """Build the network, with the mean and standard deviation of each feature over the photos."""
    counting = [Counting() for _ in (*layers, "scores")]
    for number, path in enumerate(photos, 1):
        sources = gather(probe, layers, _view(probe.classifier, path)[None])
        for count, source in zip(counting, sources, strict=True):
            count.add(source[0])
        progress("photos", number, len(photos))
    spreads = [count.result().noise(relu=False) for count in counting]
    net = build_readout([(len(mean), *mean.shape[1:]) for mean, _ in spreads], seed=plan.seed)
    for number, (mean, std) in enumerate(spreads):
        for name, values in ((f"mean{number}", mean), (f"std{number}", std)):
            net.get_buffer(name).copy_(values)
    return net.to(probe.image.device)


@dataclass(eq=False)
class _Run:
    """The state of a training run between two steps."""

    probe: Probe
    where: Layout
    layers: Sequence[str]
    plan: Plan
    net: Readout

    def __post_init__(self) -> None:
        self.weights = list(self.net.parameters())
        self.optimiser = torch.optim.Adam(self.weights, lr=self.plan.rate)

    def step(self, pictures: Images, number: int) -> Losses:
        """Take one step and return the losses before it."""
        sources = gather(self.probe, self.layers, pictures)
        removed = self.net.removed(sources)
        mixed = self._mix(sources[0], removed, number)
        with self.probe.watching(self.where.layer, lambda output: self.where.output(mixed, output).to(output.dtype)):
            answers = self.probe.scores(pictures)
        cross_entropy = functional.cross_entropy(answers, sources[-1].flatten(1).argmax(1))
        information = self.net.nats(sources[0], removed).mean()
        loss = cross_entropy + self.plan.beta * information
        gradients = self.probe.gradient(loss, self.weights, len(pictures))
        for weight, gradient in zip(self.weights, gradients, strict=True):
            weight.grad = gradient
        self.optimiser.step()
        return Losses(cross_entropy.item(), information.item())

    def _mix(
        self, features: Float[Tensor, "n c h w"], removed: Float[Tensor, "n c h w"], number: int
    ) -> Float[Tensor, "n c h w"]:
        """Mix noise into the removed features, one draw per image."""
        rows = torch.arange(len(features), device=features.device) + len(features) * number
        mean, std = self.net.noise()
        noise = mean + std * normals(derive(self.plan.seed, rows), features[0].numel()).view_as(features)
        return features + removed * (noise - features)


def _facts(run: _Run, losses: Sequence[Losses], photos: int) -> dict[str, object]:
    """Return the card: what the readout was trained for, and how well it was trained."""
    last = losses[-max(1, len(losses) // 10) :]
    return {
        "what": "how much of each feature of the first layer its classifier needs, from the layers and the class scores",
        "layers": list(run.layers),
        "classifier": run.probe.classifier.name,
        "fingerprint": run.probe.classifier.fingerprint,
        "photos": photos,
        **asdict(run.plan),
        "cross_entropy": round(float(np.mean([step.cross_entropy for step in last])), 4),
        "information": round(float(np.mean([step.information for step in last])), 4),
        "seewhy": installed("seewhy"),
    }
