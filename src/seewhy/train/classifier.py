"""Train a small classifier on pictures with labels: a convenience for people who have none, not a contest entry."""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
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
from seewhy.core.errors import RequestError
from seewhy.core.view import View
from seewhy.images.collection import Collection, split
from seewhy.nets.carded import CARD
from seewhy.nets.small_classifier import TENSORS, Arch, SmallClassifier, build_small, save_small, usual_widths
from seewhy.train.augment import Augment
from seewhy.train.judged import AT_ONCE, Judged, judge, labels_of

FEWEST = 10
"""Pictures of a class that training takes at least, before some are held out."""

_SHORTEST = 20  # batches an epoch at least, so that batch norm's averages follow where pictures are few
_DECAY = 0.01  # of AdamW
_FLATTEST = 0.01  # standard deviation that is divided by, at least

Progress = Callable[[int, int, str], None]
"""Told after each batch: batches done, batches planned, and how well it goes in words."""


def silent(*facts: object) -> None:
    """Report nothing."""
    del facts


@dataclass(frozen=True)
class Plan:
    """How a classifier is trained.

    Args:
        arch: ``plain`` or ``residual``.
        width: channels of the deepest level.
        epochs: at most; one shows as many pictures as there are, all classes equally often, and at least 20 batches.
        batch: pictures a step.
        rate: peak learning rate of AdamW; it falls along a cosine.
        patience: epochs without a lower loss on the held-out pictures that end the training.
        held_out: share of the pictures that training never sees.
        augment: what is done to training pictures.
        seed: of the weights, the split, the batches and every draw.

    Raises:
        RequestError: a number is out of range.
    """

    arch: Arch = "plain"
    width: int = 64
    epochs: int = 10
    batch: int = 64
    rate: float = 2e-3
    patience: int = 4
    held_out: float = 0.2
    augment: Augment = field(default_factory=Augment)
    seed: int = 0

    def __post_init__(self) -> None:
        if self.arch not in get_args(Arch):
            raise RequestError(f"expected arch {' or '.join(get_args(Arch))}, got {self.arch!r}; choose one of them")
        for name, least in (("width", 2), ("epochs", 1), ("batch", 2), ("patience", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise RequestError(f"expected {name} >= {least}, got {getattr(self, name)}; leave it out for the usual")
        for name in ("rate", "held_out"):
            if not 0 < getattr(self, name) < 1:
                raise RequestError(
                    f"expected {name} between 0 and 1, got {getattr(self, name)}; leave it out for the usual"
                )


@dataclass(frozen=True)
class Look:
    """An epoch: its number from 1 on, the mean loss in training, and how the network did on the held-out pictures after it."""

    epoch: int
    trained: float
    held_out: Judged


@dataclass(frozen=True)
class Trained:
    """A training run.

    Args:
        classifier: that was written.
        kept: the epoch that it is of.
        stopped: ``epochs`` or ``patience``.
        curve: every epoch.
        test: how it does on the test pictures, where there are any.
        notes: what is suspicious, in sentences.
    """

    classifier: TorchClassifier
    kept: Look
    stopped: str
    curve: tuple[Look, ...]
    test: Judged | None
    notes: tuple[str, ...]


def train_classifier(
    collection: Collection,
    out: Path,
    *,
    plan: Plan | None = None,
    test: Collection | None = None,
    view: View | None = None,
    device: str | torch.device | None = None,
    progress: Progress = silent,
) -> Trained:
    """Train a small convolutional classifier and write ``classifier.safetensors`` and ``card.json``.

    AdamW takes steps down the cross-entropy. The weights of the epoch with the lowest loss on the held-out pictures are kept. The
    Spec ``trained:folder=OUT`` is the classifier. Nothing is written before the end.

    Args:
        collection: pictures with labels of two or more classes; whole groups are held out.
        out: folder for the classifier; it is created.
        plan: architecture, epochs, rate, seed and so on; None for the usual.
        test: pictures with labels of the same classes, which are looked at once, at the end.
        view: how the pictures were framed, and how others are to be; None: those of another size are scaled and cropped.
        device: where torch computes; None for the CPU.
        progress: told after each batch.

    Raises:
        RequestError: there are no labels, fewer than two classes, a class with fewer than ten pictures or none on one side of
            the split; the test pictures do not fit; the folder holds something else; or the loss is not finite any more.

    Example:
        ``train_classifier(read_collection("pictures"), Path("mine")).kept.held_out.accuracy``
    """
    plan, view = plan or Plan(), view or View(collection.size)
    _check(collection, collection.classes, collection.size, FEWEST)
    if test is not None:
        _check(test, collection.classes, collection.size, 1)
    if view.size != collection.size:
        raise RequestError(f"expected a view of the pictures' size {collection.size}, got {view.size}; leave it out")
    place = read_device(device) or torch.device("cpu")
    rest, held_out = split(collection, share=plan.held_out, seed=plan.seed)
    for side, name in ((rest, "training"), (held_out, "the held-out pictures")):
        _check(side, collection.classes, collection.size, 1, where=f" in {name}")
    _claim(out)
    run = _Run(rest, held_out, plan, place)
    stopped = run.train(progress)
    judged = None if test is None else judge(run.net, test, place)
    notes = _notes(run.kept.held_out, collection, test)
    card = _facts(run, collection, judged, view) | {"stopped": stopped, "notes": list(notes)}
    classifier = as_classifier(run.net, card, device=place)
    save_small(out, run.net, card | {"fingerprint": classifier.fingerprint})
    return Trained(classifier, run.kept, stopped, tuple(run.curve), judged, notes)


def _check(
    collection: Collection, classes: Sequence[str], size: tuple[int, int], fewest: int, *, where: str = ""
) -> None:
    """Refuse pictures that a classifier of these classes cannot learn from or be judged on."""
    source, labels = collection.source, labels_of(collection)
    if len(classes) < 2 or collection.classes != tuple(classes):
        wanted = f"the classes {', '.join(classes)}" if len(classes) > 1 else "at least two classes"
        raise RequestError(f"expected {wanted} in {source}, got {', '.join(collection.classes)}; choose them by name")
    if collection.size != size:
        raise RequestError(
            f"expected pictures of size {size} in {source}, got {collection.size}; read them with a view"
        )
    for name, count in zip(classes, np.bincount(labels, minlength=len(classes)), strict=True):
        if count < fewest:
            raise RequestError(
                f"expected at least {fewest} of class {name!r}{where} of {source}, got {count}; give more pictures"
            )


def _claim(out: Path) -> None:
    """Make the folder, unless something else is there."""
    if (out / CARD).exists() and not (out / TENSORS).exists():
        raise RequestError(f"expected a new folder or one with {TENSORS}, got {out} with another {CARD}; name another")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise RequestError(f"expected a folder that can be made, got {out}: {problem}; name another") from problem


@dataclass(eq=False)
class _Run:
    """A training run between two epochs."""

    rest: Collection
    held_out: Collection
    plan: Plan
    device: torch.device
    curve: list[Look] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.labels, (self.color, spread) = labels_of(self.rest), _colors(self.rest)
        self.net: SmallClassifier = build_small(
            arch=self.plan.arch,
            classes=len(self.rest.classes),
            channels=self.rest.channels,
            widths=usual_widths(self.rest.size, self.plan.width),
            color=self.color,
            spread=spread,
            seed=self.plan.seed,
        ).to(self.device)
        self.length = max(_SHORTEST, math.ceil(len(self.rest) / self.plan.batch))
        self.adam = torch.optim.AdamW(self.net.parameters(), lr=self.plan.rate, weight_decay=_DECAY)

    @property
    def kept(self) -> Look:
        """The epoch with the lowest loss on the held-out pictures."""
        return min(self.curve, key=lambda look: look.held_out.loss)

    def train(self, progress: Progress) -> str:
        """Train, put back the weights of the best epoch, and say why it stopped."""
        best: dict[str, Tensor] = {}
        for epoch in range(self.plan.epochs):
            self._epoch(epoch, progress)
            if self.kept is self.curve[-1]:
                best = {name: value.clone() for name, value in self.net.state_dict().items()}
            elif len(self.curve) - self.kept.epoch >= self.plan.patience:
                break
        self.net.load_state_dict(best)
        self.net.requires_grad_(requires_grad=False)
        return "epochs" if len(self.curve) == self.plan.epochs else "patience"

    def _epoch(self, epoch: int, progress: Progress) -> None:
        """Show every picture once or so, and look at those held out."""
        rng = np.random.default_rng([self.plan.seed, epoch])
        generator = torch.Generator().manual_seed(int(rng.integers(1 << 63)))
        order = shuffled(self.labels, self.length * self.plan.batch, rng)
        words = f"held out: {self.curve[-1].held_out}" if self.curve else ""
        done, losses = epoch * self.length, []
        self.net.train()
        for step, chosen in enumerate(order.reshape(self.length, -1), done):
            planned = self.plan.epochs * self.length
            self.adam.param_groups[0]["lr"] = self.plan.rate * (1 + math.cos(math.pi * step / planned)) / 2
            losses.append(self._step(chosen, generator))
            progress(step + 1, planned, f"loss {losses[-1]:.3f} {words}")
        self.net.eval()
        self.curve.append(Look(epoch + 1, float(np.mean(losses)), judge(self.net, self.held_out, self.device)))

    def _step(self, chosen: Int[np.ndarray, "m"], generator: torch.Generator) -> float:
        """Take one step and return the loss before it."""
        images = self.plan.augment(self.rest.images(chosen).to(self.device), generator)
        loss = functional.cross_entropy(self.net(images), torch.from_numpy(self.labels[chosen]).to(self.device))
        if not loss.isfinite():
            raise RequestError(f"expected a finite loss, got {loss.item()} in training; try a lower --rate")
        self.adam.zero_grad()
        torch.autograd.backward(loss)
        self.adam.step()
        return loss.item()


def shuffled(labels: Int[np.ndarray, "n"], count: int, rng: np.random.Generator) -> Int[np.ndarray, "m"]:
    """Return the indices of ``count`` pictures in random order: as many of each class, and of a class, each as often, but for one.

    Example:
        >>> labels = np.array([0, 0, 0, 1])
        >>> np.bincount(labels[shuffled(labels, 12, np.random.default_rng(0))]).tolist()
        [6, 6]
    """
    classes = np.unique(labels)
    drawn = []
    for number, share in enumerate(np.array_split(np.arange(count), len(classes))):
        members = np.flatnonzero(labels == classes[number])
        rounds = math.ceil(len(share) / len(members))
        drawn.append(np.concatenate([rng.permutation(members) for _ in range(rounds)])[: len(share)])
    return rng.permutation(np.concatenate(drawn))


def _colors(collection: Collection) -> tuple[Color, Color]:
    """Mean and standard deviation of each channel over all pictures."""
    sums = torch.zeros(2, 3, dtype=torch.float64)
    for at in range(0, len(collection), AT_ONCE):
        batch = collection.images(slice(at, at + AT_ONCE)).double()
        sums += torch.stack([batch.sum((0, 2, 3)), batch.square().sum((0, 2, 3))])
    mean, square = sums / (len(collection) * math.prod(collection.size))
    spread = (square - mean**2).clamp(min=_FLATTEST**2).sqrt()
    return tuple(mean.tolist()), tuple(spread.tolist())


def _notes(held_out: Judged, collection: Collection, test: Collection | None) -> tuple[str, ...]:
    """Say what is suspicious."""
    notes = []
    if max(held_out.called) == sum(held_out.called):
        only = collection.classes[held_out.called.index(max(held_out.called))]
        notes.append(f"every held-out picture is called {only}: nothing was learned; try more pictures or a lower rate")
    if test is not None:
        known = {_digest(picture) for picture in collection.pixels}
        again = sum(_digest(picture) in known for picture in test.pixels)
        if again:
            notes.append(f"{again} test pictures are among those of training too: the test says too much")
        if collection.groups is not None and test.groups is not None:
            shared = np.intersect1d(collection.groups, test.groups)
            if len(shared):
                notes.append(f"{len(shared)} groups of the test are in training too: the test says too much")
    return tuple(notes)


def _digest(picture: np.ndarray) -> bytes:
    """Hash a picture's pixels."""
    return hashlib.sha256(picture.tobytes()).digest()


def _facts(run: _Run, collection: Collection, test: Judged | None, view: View) -> dict[str, Any]:
    """What tells what a classifier is, how to use it, and how well it was trained."""
    kept = run.kept
    return {
        "what": "a small convolutional classifier, trained by seewhy train classifier",
        "classifier": f"{run.plan.arch} on {collection.source}",
        "labels": list(collection.classes),
        "size": list(collection.size),
        "fit": view.fit,
        "short_side": view.short_side,
        "mean_color": list(run.color),
        "pictures": dict(zip(collection.classes, np.bincount(run.labels).tolist(), strict=True)),
        "plan": asdict(run.plan),
        "epoch": kept.epoch,
        "held_out": _report(kept.held_out, collection.classes),
        "test": None if test is None else _report(test, collection.classes),
        "curve": [[look.epoch, round(look.trained, 4), round(look.held_out.loss, 4)] for look in run.curve],
        "seewhy": version("seewhy"),
    }


def _report(judged: Judged, classes: Sequence[str]) -> dict[str, Any]:
    """A judgement for the card, with the right ones and all of each class."""
    rounded = {
        name: None if value is None else round(value, 5)
        for name, value in (("loss", judged.loss), ("accuracy", judged.accuracy), ("auc", judged.auc))
    }
    return rounded | {"right": dict(zip(classes, zip(judged.right, judged.pictures, strict=True), strict=True))}
