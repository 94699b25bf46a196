"""Train a small classifier on labelled images: a convenience for users who have none, not a competitive model."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn import functional

from seewhy.classifiers.module import TorchClassifier
from seewhy.classifiers.settings import read_device
from seewhy.classifiers.trained import as_classifier
from seewhy.core.classifier import Color
from seewhy.core.context import plain_torch
from seewhy.core.errors import RequestError
from seewhy.core.view import View
from seewhy.images.collection import Collection, split
from seewhy.nets.checkpoints import CARD
from seewhy.nets.small_classifier import TENSORS, Arch, SmallClassifier, save_small, usual_widths
from seewhy.runtime.machine import installed
from seewhy.training.accuracy import AT_ONCE, Performance, evaluate, labels_of
from seewhy.training.augment import Augment
from seewhy.training.loop import Progress, Run, check_settings, no_progress

FEWEST = 10
"""Smallest number of images per class, before some are held out."""

_HELD_OUT = 0.2  # fraction of the images that are never used for training
_SHORTEST = 20  # fewest batches per epoch, so that batch norm's running averages keep up when images are few
_DECAY = 0.01  # weight decay of AdamW
_FLATTEST = 0.01  # smallest standard deviation used as a divisor


@dataclass(frozen=True)
class Plan:
    """Settings for training a classifier; a number out of range is a RequestError.

    ``width`` is the number of channels of the deepest level. One epoch shows as many images as there are, every class
    equally often, in at least 20 batches. ``rate`` is the peak learning rate of AdamW, which follows a cosine schedule.
    """

    arch: Arch = "plain"
    width: int = 64
    epochs: int = 10
    batch: int = 64
    rate: float = 2e-3
    augment: Augment = field(default_factory=Augment)
    seed: int = 0

    def __post_init__(self) -> None:
        if self.arch not in get_args(Arch):
            raise RequestError(f"expected arch {' or '.join(get_args(Arch))}, got {self.arch!r}; choose one of them")
        check_settings(self, ("width", "batch"), lambda value: value >= 2, ">= 2")
        check_settings(self, ("epochs",), lambda value: value >= 1, ">= 1")
        check_settings(self, ("seed",), lambda value: value >= 0, ">= 0")
        check_settings(self, ("rate",), lambda value: 0 < value < 1, "between 0 and 1")


@dataclass(frozen=True)
class Evaluation:
    """The mean training loss of an epoch, counted from 1, and the performance on held-out images after it."""

    epoch: int
    trained: float
    held_out: Performance

    def __str__(self) -> str:
        return f"held out: {self.held_out}"


@dataclass(frozen=True)
class Trained:
    """The classifier that was written, the epoch that was kept, all epochs, and the test.

    ``notes`` are warnings about the training or the data, one sentence each.
    """

    classifier: TorchClassifier
    kept: Evaluation
    curve: tuple[Evaluation, ...]
    test: Performance | None
    notes: tuple[str, ...]


@plain_torch()
def train_classifier(
    collection: Collection,
    out: Path,
    *,
    plan: Plan | None = None,
    test: Collection | None = None,
    view: View | None = None,
    device: str | torch.device | None = None,
    progress: Progress = no_progress,
) -> Trained:
    """Train a small convolutional classifier and write ``classifier.safetensors`` and ``card.json``.

    AdamW minimises the cross-entropy. The weights of the epoch with the lowest held-out loss are kept. Load the
    classifier with the Spec ``trained:folder=OUT``. Nothing is written before training ends.

    Each group of images is held out as a whole; ``test`` is evaluated once, at the end. ``view`` says how the images were
    framed and how new ones will be; None scales and crops images of another size.

    Raises:
        RequestError: there are no labels or fewer than two classes; a class has fewer than ten images or none on one
            side of the split; the test images do not match the classes or the size; the folder holds something else; or
            the loss is no longer finite.
    """
    plan, view = plan or Plan(), view or View(collection.size)
    _check(collection, collection.classes, collection.size, FEWEST)
    if test is not None:
        _check(test, collection.classes, collection.size, 1)
    if view.size != collection.size:
        raise RequestError(
            f"expected a view of the images' size {collection.size}, got {view.size}; omit view to use that size"
        )
    place = read_device(device) or torch.device("cpu")
    rest, held_out = split(collection, share=_HELD_OUT, seed=plan.seed)
    for side, name in ((rest, "training"), (held_out, "the held-out images")):
        _check(side, collection.classes, collection.size, 1, where=f" in {name}")
    _claim(out)
    job = _Job(rest, held_out, plan, place)
    job.train(progress)
    performance = None if test is None else evaluate(job.net, test, place)
    notes = _notes(job.run.kept.held_out, collection, test)
    card = _facts(job, collection, performance, view) | {"notes": list(notes)}
    classifier = as_classifier(job.net, card, device=place)
    save_small(out, job.net, card | {"fingerprint": classifier.fingerprint})
    return Trained(classifier, job.run.kept, tuple(job.run.curve), performance, notes)


def _check(
    collection: Collection, classes: Sequence[str], size: tuple[int, int], fewest: int, *, where: str = ""
) -> None:
    """Raise unless these images can train or test a classifier of these classes."""
    source, labels = collection.source, labels_of(collection)
    if len(classes) < 2 or collection.classes != tuple(classes):
        wanted = f"the classes {', '.join(classes)}" if len(classes) > 1 else "at least two classes"
        raise RequestError(
            f"expected {wanted} in {source}, got {', '.join(collection.classes)}; select the classes by name"
        )
    if collection.size != size:
        raise RequestError(
            f"expected images of size {size} in {source}, got {collection.size}; read them with a view of that size"
        )
    for name, count in zip(classes, np.bincount(labels, minlength=len(classes)), strict=True):
        if count < fewest:
            raise RequestError(
                f"expected at least {fewest} of class {name!r}{where} of {source}, got {count}; provide more images"
            )


def _claim(out: Path) -> None:
    """Create the output folder, unless it holds something else."""
    if (out / CARD).exists() and not (out / TENSORS).exists():
        raise RequestError(
            f"expected a new folder or one with {TENSORS}, got {out} with another {CARD}; choose another folder"
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise RequestError(
            f"expected a folder that can be created, got {out}: {problem}; choose another folder"
        ) from problem


@dataclass(eq=False)
class _Job:
    """The training of one network."""

    rest: Collection
    held_out: Collection
    plan: Plan
    device: torch.device
    losses: list[float] = field(default_factory=list)  # of this epoch
    best: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        plan, rest = self.plan, self.rest
        self.labels, (self.color, spread) = labels_of(rest), _colors(rest)
        self.net: SmallClassifier = SmallClassifier(
            arch=plan.arch,
            classes=len(rest.classes),
            channels=rest.channels,
            widths=usual_widths(rest.size, plan.width),
            color=self.color,
            spread=spread,
            seed=plan.seed,
        ).to(self.device)
        self.length = max(_SHORTEST, math.ceil(len(rest) / plan.batch))
        self.adam = torch.optim.AdamW(self.net.parameters(), lr=plan.rate, weight_decay=_DECAY)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.adam, plan.epochs * self.length)
        self.run: Run[Evaluation] = Run({}, [], lambda new, old: new.held_out.loss < old.held_out.loss)

    def train(self, progress: Progress) -> None:
        """Train, and restore the weights of the best epoch."""
        steps = self.plan.epochs * self.length
        self.run.train(self.take_step, steps=steps, progress=progress, evaluate=self.evaluate, every=self.length)
        self.net.load_state_dict(self.best)
        self.net.requires_grad_(requires_grad=False)

    def take_step(self, step: int) -> str:
        """Take one step, and return the loss before it."""
        epoch, place = divmod(step, self.length)
        if place == 0:
            rng = np.random.default_rng([self.plan.seed, epoch])
            self.generator = torch.Generator().manual_seed(int(rng.integers(1 << 63)))
            self.order = shuffled(self.labels, self.length * self.plan.batch, rng).reshape(self.length, -1)
            self.net.train()
        chosen = self.order[place]
        images = self.plan.augment(self.rest.images(chosen).to(self.device), self.generator)
        loss = functional.cross_entropy(self.net(images), torch.from_numpy(self.labels[chosen]).to(self.device))
        if not loss.isfinite():
            raise RequestError(f"expected a finite training loss, got {loss.item()}; try a lower --rate")
        self.adam.zero_grad()
        torch.autograd.backward(loss)
        self.adam.step()
        self.schedule.step()
        self.losses.append(loss.item())
        return f"loss {self.losses[-1]:.3f}"

    def evaluate(self) -> None:
        """Evaluate the network on the held-out images, and keep its weights if they are the best so far."""
        performance = evaluate(self.net.eval(), self.held_out, self.device)
        if self.run.add(Evaluation(len(self.run.curve) + 1, float(np.mean(self.losses)), performance)):
            self.best = {name: value.clone() for name, value in self.net.state_dict().items()}
        self.losses = []


def shuffled(labels: Int[np.ndarray, "n"], count: int, rng: np.random.Generator) -> Int[np.ndarray, "m"]:
    """Return the indices of ``count`` images in random order, balanced over classes.

    Class counts differ by at most one, and so do the counts of the images within a class.
    """
    classes = np.unique(labels)
    drawn = []
    for number, share in enumerate(np.array_split(np.arange(count), len(classes))):
        members = np.flatnonzero(labels == classes[number])
        rounds = math.ceil(len(share) / len(members))
        drawn.append(np.concatenate([rng.permutation(members) for _ in range(rounds)])[: len(share)])
    return rng.permutation(np.concatenate(drawn))


def _colors(collection: Collection) -> tuple[Color, Color]:
    """Return the mean and standard deviation of each channel over all images."""
    sums = torch.zeros(2, 3, dtype=torch.float64)
    for at in range(0, len(collection), AT_ONCE):
        batch = collection.images(slice(at, at + AT_ONCE)).double()
        sums += torch.stack([batch.sum((0, 2, 3)), batch.square().sum((0, 2, 3))])
    mean, square = sums / (len(collection) * math.prod(collection.size))
    spread = (square - mean**2).clamp(min=_FLATTEST**2).sqrt()
    return tuple(mean.tolist()), tuple(spread.tolist())


def _notes(held_out: Performance, collection: Collection, test: Collection | None) -> tuple[str, ...]:
    """Return warnings about the training and the test set."""
    notes = []
    recognised = [name for name, (right, _) in held_out.right.items() if right]
    if len(recognised) < 2:
        only = " and ".join(recognised) or "no class"
        notes.append(f"of the held-out images, {only} alone is recognised: try more images or a lower rate")
    known = {hashlib.sha256(picture.tobytes()).digest() for picture in collection.pixels}
    tested = () if test is None else test.pixels
    again = sum(hashlib.sha256(picture.tobytes()).digest() in known for picture in tested)
    if again:
        notes.append(f"{again} test images are also in the training data: the test accuracy is optimistic")
    return tuple(notes)


def _facts(job: _Job, collection: Collection, test: Performance | None, view: View) -> dict[str, Any]:
    """Return the card: what the classifier is, how to use it, and how well it was trained."""
    kept = job.run.kept
    return {
        "what": "a small convolutional classifier, trained by seewhy train classifier",
        "classifier": f"{job.plan.arch} on {collection.source}",
        "labels": list(collection.classes),
        **vars(view),
        "mean_color": list(job.color),
        "pictures": dict(zip(collection.classes, np.bincount(job.labels).tolist(), strict=True)),
        "plan": asdict(job.plan),
        "epoch": kept.epoch,
        "held_out": _report(kept.held_out),
        "test": None if test is None else _report(test),
        "curve": [
            [evaluation.epoch, round(evaluation.trained, 4), round(evaluation.held_out.loss, 4)]
            for evaluation in job.run.curve
        ],
        "seewhy": installed("seewhy"),
    }


def _report(performance: Performance) -> dict[str, Any]:
    """Return the performance for the card, rounded."""
    return {name: round(value, 5) if isinstance(value, float) else value for name, value in asdict(performance).items()}
