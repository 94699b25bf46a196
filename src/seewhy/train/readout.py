"""Train the network of `seewhy.methods.iba_readout`: what does this classifier need of a layer, whatever the picture?"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
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
from seewhy.images.open import open_picture
from seewhy.images.view import apply_view
from seewhy.methods.iba import IBA_STRIDE
from seewhy.methods.iba_readout import gather
from seewhy.methods.inside import Layout, find
from seewhy.nets.bottleneck import Counting
from seewhy.nets.readout import Readout, build_readout, save_readout
from seewhy.train.statistics import bind_photo, check_measurable

STRIDES = (IBA_STRIDE, 16.0, 32.0)
"""Pixels between two places of the layers that are read: from the layer of ``iba`` on, so that the maps can be compared.

The authors begin at 4 pixels, layer1 of ResNet-50, which costs four times as much.
"""

Progress = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and how much there is."""


def silent(*facts: object) -> None:
    """Report nothing."""
    del facts


@dataclass(frozen=True)
class Plan:
    """How a read-out is trained.

    Args:
        steps: of Adam.
        batch: photos a step.
        rate: learning rate.
        beta: what information costs, beside the mean of nats over features.
        seed: of the weights, of the batches and of the noise.

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
                raise RequestError(f"expected {name} >= {least}, got {getattr(self, name)}; leave it out for the usual")
        if not self.rate > 0:
            raise RequestError(f"expected rate > 0, got {self.rate}; leave it out for the usual")


@dataclass(frozen=True)
class Losses:
    """What one step came to, before it: cross-entropy in nats, and the mean over features of the nats that got through."""

    cross_entropy: float
    information: float

    def __str__(self) -> str:
        """Both in words."""
        return f"cross-entropy {self.cross_entropy:.3f} with {self.information:.3f} nats a feature"


@dataclass(frozen=True)
class Trained:
    """A training run: the layers that are read, the first with the bottleneck, and what each step came to."""

    layers: tuple[str, ...]
    losses: tuple[Losses, ...]


def train_readout(
    classifier: Classifier,
    photos: Sequence[Path],
    out: Path,
    *,
    layers: Sequence[str] = (),
    plan: Plan | None = None,
    progress: Progress = silent,
) -> Trained:
    """Measure what layers make of photos, train a read-out on them, and write ``readout.safetensors`` and ``card.json``.

    Adam takes steps down ``cross-entropy + beta · mean over features of KL`` with noise in one layer. The cross-entropy is that
    of the classifier's own likeliest class; the authors take the photo's label. The classifier stays as it is.

    Args:
        classifier: a network that shows its layers, with a fixed size of input.
        photos: picture files.
        out: folder for the weights; it is created when the training is done.
        layers: names of the layers that are read, the first with the bottleneck; none: the maps with places nearest to 8, 16 and
            32 pixels apart. The class scores are read as well.
        plan: steps, batch, rate, beta, seed; None for the usual.
        progress: told after each photo that is measured and after each step.

    Returns:
        The layers and what each step came to.

    Raises:
        RequestError: the classifier hides its layers or takes pictures of any size, there is no such layer or it cannot be
            read, or a photo cannot be read.

    Cost: one query a photo, two a photo of a batch, and one of them backward.
    """
    check_measurable(classifier)
    if not photos:
        raise RequestError("expected at least one photo, got none; name a folder that holds some")
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
    """Read a photo as the classifier sees it."""
    return apply_view(open_picture(photo), classifier.view)[0].to(classifier.device)


def _measured(probe: Probe, photos: Sequence[Path], layers: Sequence[str], plan: Plan, progress: Progress) -> Readout:
    """Build the network, with mean and spread of each feature over the photos."""
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
    """A training run between two steps."""

    probe: Probe
    where: Layout
    layers: Sequence[str]
    plan: Plan
    net: Readout

    def __post_init__(self) -> None:
        self.weights = list(self.net.parameters())
        self.optimiser = torch.optim.Adam(self.weights, lr=self.plan.rate)

    def step(self, pictures: Images, number: int) -> Losses:
        """Take one step and return what the losses were before it."""
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
        """Put one draw of noise a picture where features are removed."""
        rows = torch.arange(len(features), device=features.device) + len(features) * number
        mean, std = self.net.noise()
        noise = mean + std * normals(derive(self.plan.seed, rows), features[0].numel()).view_as(features)
        return features + removed * (noise - features)


def _facts(run: _Run, losses: Sequence[Losses], photos: int) -> dict[str, object]:
    """What tells whether a read-out fits a question, and how well it was trained."""
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
        "seewhy": version("seewhy"),
    }
