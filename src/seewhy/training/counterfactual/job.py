"""A training job: epochs of iterations, a look after each, and the folder that is never left half-written."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from seewhy.core.arrays import Images
from seewhy.core.classifier import Classifier, Differentiable, Scores
from seewhy.core.errors import RequestError
from seewhy.core.score import plain
from seewhy.draw.twins import curves_png, samples_png
from seewhy.images.collection import Collection
from seewhy.nets.carded import CARD
from seewhy.nets.counterfactual_generators import build_generators, save_generators
from seewhy.training.counterfactual.evaluation import better, collapse, error, look, pairs
from seewhy.training.counterfactual.loss import Batch, Losses
from seewhy.training.counterfactual.plan import Plan
from seewhy.training.counterfactual.run import CHECKPOINT, Look, Run, build_critics, put

UNFINISHED = "not finished"
"""What a card says of why the training stopped while it has not."""

RECORD = "training.json"
"""What a checkpoint belongs to."""

_SHOWN = 6  # pictures of each direction on the sheet of an epoch
_PUSH = 5.0  # the flip's factor while generators warm up
_PLATEAU, _FALL, _FLOOR = 4, 0.3, 1e-5

Progress = Callable[[int, int, str], None]
"""Told after each iteration: iterations done and planned, and the last look in words."""


@dataclass(frozen=True)
class Trained:
    """A training run: the epoch that was kept, why it stopped, every look, and what is wrong with the generators, if anything."""

    kept: Look
    stopped: str
    curve: tuple[Look, ...]
    collapsed: str


class Job:
    """Trains generators for one classifier.

    Args:
        classifier: with gradients.
        plan: how.
        out: the folder.
        pictures: class → training pictures that are predicted so.
        held_out: class → pictures that an epoch is judged on.
        facts: for the card.
    """

    def __init__(
        self,
        classifier: Classifier,
        plan: Plan,
        out: Path,
        *,
        pictures: Mapping[int, Collection],
        held_out: Mapping[int, Collection],
        facts: Mapping[str, object],
    ) -> None:
        self.classifier, self.plan, self.out, self.pictures = classifier, plan, out, pictures
        self.held_out = {kind: each.images(slice(None)).to(classifier.device) for kind, each in held_out.items()}
        losses = _networks(classifier, plan, tuple(pictures), next(iter(pictures.values())))
        self.run = Run(losses, (plan.rate, plan.critic_rate), (plan.beta, 0.999), plan.average)
        rarest = min(len(each) for each in pictures.values())
        self.length = plan.length or max(1, rarest // plan.batch)
        self.steps = plan.epochs * self.length
        self.kept: Look | None = None
        self.facts = {**_about(classifier, plan, pictures, held_out), **facts}

    def train(self, progress: Progress, stop_at: int | None) -> Trained:
        """Train to the end, or to an iteration as if cut off there.

        Raises:
            RequestError: the folder holds something else, or cannot be written.
        """
        with _room(self.out):
            self._begin()
            stopped = self._stopped()
            while not stopped:
                if stop_at is not None and self.run.step >= stop_at:
                    return self._result("cut off")
                self._iterate()
                if self.run.step % self.length == 0:
                    self._look()
                    stopped = self._stopped()
                progress(self.run.step, self.steps, self._words())
            self._close(stopped)
            (self.out / CHECKPOINT).unlink(missing_ok=True)
            (self.out / RECORD).unlink(missing_ok=True)
        return self._result(stopped)

    def _begin(self) -> None:
        """Make the folder, or go on where it was left."""
        self.out.mkdir(parents=True, exist_ok=True)
        mine = {name: self.facts[name] for name in ("fingerprint", "pictures", "plan")}
        record, checkpoint = self.out / RECORD, self.out / CHECKPOINT
        text = json.dumps(mine, indent=2) + "\n"
        if not checkpoint.exists():
            record.write_text(text, encoding="utf-8")
            return
        if not record.exists() or json.loads(record.read_text(encoding="utf-8")) != json.loads(text):
            raise RequestError(
                f"{self.out} holds the checkpoint of another training (classifier, pictures or settings differ); "
                "give the same as before to go on, or another --out"
            )
        self.run.restore(self.out)
        for seen in self.run.curve:
            self._consider(seen)

    def _iterate(self) -> None:
        """Take one iteration; all draws are functions of seed and iteration."""
        rng = np.random.default_rng([self.plan.seed, self.run.step])
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        kinds = tuple(self.pictures)
        source, target = kinds if len(kinds) == 2 else rng.choice(kinds, 2, replace=False).tolist()
        batches = [self._batch(one, other, rng, generator) for one, other in ((source, target), (target, source))]
        push = _PUSH if self.run.step < self.plan.warm_up * self.steps else 1.0
        with torch.autocast(self.classifier.device.type, dtype=torch.bfloat16, enabled=self.plan.half):
            self.run.iterate(batches, generator, push=push, rate=self._rate())

    def _batch(self, source: int, target: int, rng: np.random.Generator, generator: torch.Generator) -> Batch:
        """Draw pictures of a class, change them a little, and ask what they are now."""
        chosen = rng.integers(0, len(self.pictures[source]), self.plan.batch)
        images: Images = self.pictures[source].images(chosen).to(self.classifier.device)
        images = self.plan.augment(images, generator)
        with torch.no_grad():
            said = self.run.losses.ask(images).argmax(1)
        return Batch(images, said, source, target)

    def _rate(self) -> float:
        """The learning rate now, as a share of that in the plan."""
        if self.plan.schedule == "plateau":
            return max(_FALL ** self._falls()[0], _FLOOR / self.plan.rate)
        return 0.5 + 0.5 * float(np.cos(np.pi * self.run.step / self.steps))

    def _falls(self) -> tuple[int, bool]:
        """How often the rate has fallen, and whether it ought to once more at its floor."""
        best, stale, falls = float("inf"), 0, 0
        for seen in self.run.curve:
            stale = 0 if seen.held_out < best else stale + 1
            best = min(best, seen.held_out)
            if stale >= _PLATEAU:
                if self.plan.rate * _FALL**falls <= _FLOOR:
                    return falls, True
                falls, stale = falls + 1, 0
        return falls, False

    def _stopped(self) -> str:
        """Why training is over; empty while it is not."""
        if self.run.step >= self.steps:
            return "epochs"
        if self.plan.schedule == "plateau" and self._falls()[1]:
            return "plateau"
        if self.plan.patience is not None and self.kept in self.run.curve:
            stale = len(self.run.curve) - 1 - self.run.curve.index(self.kept)
            return "patience" if stale >= self.plan.patience else ""
        return ""

    def _look(self) -> None:
        """Judge the generators, keep them if they are the best so far, and write everything down."""
        seen = look(self.run, self.held_out, self.length)
        self.run.curve.append(seen)
        if self._consider(seen):
            save_generators(self.out, self.run.shown, self._card(""))
        epoch = self.run.step // self.length
        sheets = self.out / "epochs"
        sheets.mkdir(exist_ok=True)
        put(sheets / f"epoch_{epoch:04d}.png", samples_png(self._samples(), f"epoch {epoch}"))
        put(self.out / "curves.png", curves_png([seen.facts() for seen in self.run.curve], self.length))
        self.run.save(self.out)

    def _consider(self, seen: Look) -> bool:
        """Keep an epoch if it is better than the one that is kept; by ``error``, epochs of the first half count only until then."""
        half = self.steps // 2
        rival = self.kept
        if self.plan.select == "error" and rival is not None and rival.step <= half < seen.step:
            rival = None
        if better(seen, rival, arm=self.plan.arm, select=self.plan.select):
            self.kept = seen
            return True
        return False

    def _card(self, stopped: str) -> dict[str, object]:
        """Say how the generators were trained, and what they did on held-out pictures."""
        kept = self.kept
        return {
            **self.facts,
            "stopped": stopped or UNFINISHED,
            "validation": {} if kept is None else {name: _number(value) for name, value in kept.facts().items()},
            "collapsed": "" if kept is None else collapse(kept),
            "curve": [[_number(value) for value in seen.facts().values()] for seen in self.run.curve],
        }

    def _close(self, stopped: str) -> None:
        """Say in the card that training is over; the weights beside it are those of the epoch that was kept."""
        card = self.out / CARD
        facts = json.loads(card.read_text(encoding="utf-8")) | self._card(stopped)
        put(card, (json.dumps(facts, indent=2, ensure_ascii=False) + "\n").encode())

    def _result(self, stopped: str) -> Trained:
        """Sum up."""
        if self.kept is None:
            raise RequestError(f"cut off after {self.run.step} iterations, before the first of {self.length} was over")
        return Trained(self.kept, stopped, tuple(self.run.curve), collapse(self.kept))

    def _words(self) -> str:
        """The last look, for the bar."""
        if not self.run.curve:
            return ""
        seen = self.run.curve[-1]
        return f"flip {seen.flip:.2f} · stable {seen.stable:.2f} · error {error(seen, self.plan.arm):.3f}"

    @torch.no_grad()
    def _samples(self) -> dict[str, dict[str, np.ndarray]]:
        """Make the twins of a few held-out pictures of each direction."""
        twins, found = self.run.shown, {}
        for source, target in pairs(twins.classes):
            images = self.held_out[source][:_SHOWN]
            made = twins(images, source, target)
            rows = {"input": images, "stable": made.stable, "adversarial": made.adversarial, "cycle": made.cycle}
            change = (made.stable - made.adversarial).abs()
            rows["stretched"] = change / change.max().clamp(min=1e-3)
            title = " to ".join(self.facts["classes"][twins.classes.index(kind)] for kind in (source, target))
            found[title] = {name: images.cpu().numpy() for name, images in rows.items() if images is not None}
        return found


def _networks(classifier: Classifier, plan: Plan, classes: tuple[int, ...], some: Collection) -> Losses:
    """Build generators and critics for pictures like some."""
    shape = {"widths": plan.widths, "last": plan.last, "residual": plan.residual, "norm": plan.norm}
    twins = build_generators(
        arm=plan.arm,
        classes=classes,
        channels=some.channels,
        size=some.size,
        seed=plan.seed,
        **shape,  # type: ignore[arg-type]
    )
    critics = nn.ModuleList()
    if plan.weights.realism:
        critics = build_critics(twins, plan.critic_widths, seed=plan.seed + 1)
    for nets in (twins, critics):
        nets.to(classifier.device)
        if plan.half:  # bfloat16 is fast in this layout only
            nets.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Losses(twins, critics, _ask(classifier), plan.weights)


def _about(
    classifier: Classifier, plan: Plan, pictures: Mapping[int, Collection], held_out: Mapping[int, Collection]
) -> dict[str, Any]:
    """Say what is trained on what."""
    return {
        "what": "generators of stable and adversarial twins of a picture",
        "classifier": classifier.name,
        "fingerprint": classifier.fingerprint,
        "classes": [classifier.labels[kind] if classifier.labels else str(kind) for kind in pictures],
        "pictures": {
            "trained_on": {str(kind): len(each) for kind, each in pictures.items()},
            "held_out": {str(kind): len(each) for kind, each in held_out.items()},
        },
        "plan": plan.facts(),
        "seewhy": version("seewhy"),
    }


def _ask(classifier: Classifier) -> Callable[[Images], Scores]:
    """Return the classifier's scores; it was checked to give some."""
    if not isinstance(classifier, Differentiable):
        raise TypeError("checked before")
    return classifier.scores


def _number(value: float) -> float | None:
    """Round for the card; None where there is no number."""
    return plain(round(value, 5))


@contextmanager
def _room(out: Path) -> Iterator[None]:
    """Turn what a disk says into what to do; the checkpoint before it stays whole."""
    try:
        yield
    except OSError as problem:
        raise RequestError(
            f"cannot write to {out}: {problem.strerror}; make room there and give the same command again, which goes on "
            "from the last epoch"
        ) from problem
