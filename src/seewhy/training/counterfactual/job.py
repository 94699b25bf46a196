"""A training job for counterfactual generators: epochs, evaluations, and an output folder that is always complete."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from seewhy.core.arrays import Images
from seewhy.core.classifier import Classifier, Differentiable, Scores
from seewhy.core.errors import RequestError
from seewhy.core.metric import plain
from seewhy.images.collection import Collection
from seewhy.nets.checkpoints import CARD
from seewhy.nets.counterfactual_generators import build_generators, save_generators
from seewhy.runtime.machine import installed
from seewhy.training.counterfactual.evaluation import better, collapse, directions, error, evaluate
from seewhy.training.counterfactual.loss import Batch, Losses
from seewhy.training.counterfactual.plan import Plan
from seewhy.training.counterfactual.run import CHECKPOINT, Evaluation, Run, build_critics, write_whole

UNFINISHED = "not finished"
"""Value of the card's ``stopped`` field while training is unfinished."""

RECORD = "training.json"
"""File that records which training run a checkpoint belongs to."""

_SHOWN = 6  # images per direction on the sample sheet of an epoch
_PUSH = 5.0  # factor on the flip weight during warm-up
_PLATEAU, _FALL, _FLOOR = 4, 0.3, 1e-5

Progress = Callable[[int, int, str], None]
"""Called after each iteration with the iterations done and planned, and the last evaluation as text."""


@dataclass(frozen=True)
class Trained:
    """The result of a training run.

    Args:
        kept: evaluation of the epoch whose generators were kept.
        stopped: why training stopped.
        curve: all evaluations.
        collapsed: what is wrong with the generators; empty if nothing is.
    """

    kept: Evaluation
    stopped: str
    curve: tuple[Evaluation, ...]
    collapsed: str


class Job:
    """A training job that fits generators to one classifier.

    Args:
        classifier: classifier with gradients.
        plan: training settings.
        out: output folder.
        pictures: training images, grouped by predicted class.
        held_out: images for the evaluation after each epoch, grouped by predicted class.
        facts: additional fields for the card.
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
        self.kept: Evaluation | None = None
        self.facts = {**_about(classifier, plan, pictures, held_out), **facts}

    def train(self, progress: Progress, stop_at: int | None) -> Trained:
        """Train to the end, or stop at an iteration as if interrupted there.

        Raises:
            RequestError: the folder holds something else, or cannot be written to.
        """
        with _disk_errors(self.out):
            self._begin()
            stopped = self._stopped()
            while not stopped:
                if stop_at is not None and self.run.step >= stop_at:
                    return self._result("cut off")
                self._iterate()
                if self.run.step % self.length == 0:
                    self._evaluate()
                    stopped = self._stopped()
                progress(self.run.step, self.steps, self._status())
            self._close(stopped)
            (self.out / CHECKPOINT).unlink(missing_ok=True)
            (self.out / RECORD).unlink(missing_ok=True)
        return self._result(stopped)

    def _begin(self) -> None:
        """Create the folder, or resume from its checkpoint."""
        self.out.mkdir(parents=True, exist_ok=True)
        mine = {name: self.facts[name] for name in ("fingerprint", "pictures", "plan")}
        record, checkpoint = self.out / RECORD, self.out / CHECKPOINT
        text = json.dumps(mine, indent=2) + "\n"
        if not checkpoint.exists():
            record.write_text(text, encoding="utf-8")
            return
        if not record.exists() or json.loads(record.read_text(encoding="utf-8")) != json.loads(text):
            raise RequestError(
                f"{self.out} holds the checkpoint of another training run (its classifier, images or settings differ); "
                "repeat the original command to resume it, or choose another --out"
            )
        self.run.restore(self.out)
        for evaluation in self.run.curve:
            self._keep_if_better(evaluation)

    def _iterate(self) -> None:
        """Run one iteration; all random draws are functions of the seed and the iteration."""
        rng = np.random.default_rng([self.plan.seed, self.run.step])
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        kinds = tuple(self.pictures)
        source, target = kinds if len(kinds) == 2 else rng.choice(kinds, 2, replace=False).tolist()
        batches = [self._batch(one, other, rng, generator) for one, other in ((source, target), (target, source))]
        push = _PUSH if self.run.step < self.plan.warm_up * self.steps else 1.0
        with torch.autocast(self.classifier.device.type, dtype=torch.bfloat16, enabled=self.plan.half):
            self.run.iterate(batches, generator, push=push, rate=self._rate())

    def _batch(self, source: int, target: int, rng: np.random.Generator, generator: torch.Generator) -> Batch:
        """Draw images of a class, augment them, and predict the classes of the augmented images."""
        chosen = rng.integers(0, len(self.pictures[source]), self.plan.batch)
        images: Images = self.pictures[source].images(chosen).to(self.classifier.device)
        images = self.plan.augment(images, generator)
        with torch.no_grad():
            predicted = self.run.losses.classify(images).argmax(1)
        return Batch(images, predicted, source, target)

    def _rate(self) -> float:
        """Return the current learning rate as a fraction of the planned one."""
        if self.plan.schedule == "plateau":
            return max(_FALL ** self._falls()[0], _FLOOR / self.plan.rate)
        return 0.5 + 0.5 * float(np.cos(np.pi * self.run.step / self.steps))

    def _falls(self) -> tuple[int, bool]:
        """Return how often the rate has fallen, and whether it plateaued again at its lowest value."""
        best, stale, falls = float("inf"), 0, 0
        for evaluation in self.run.curve:
            stale = 0 if evaluation.held_out < best else stale + 1
            best = min(best, evaluation.held_out)
            if stale >= _PLATEAU:
                if self.plan.rate * _FALL**falls <= _FLOOR:
                    return falls, True
                falls, stale = falls + 1, 0
        return falls, False

    def _stopped(self) -> str:
        """Return why training is over, or an empty string while it is not."""
        if self.run.step >= self.steps:
            return "epochs"
        if self.plan.schedule == "plateau" and self._falls()[1]:
            return "plateau"
        if self.plan.patience is not None and self.kept in self.run.curve:
            stale = len(self.run.curve) - 1 - self.run.curve.index(self.kept)
            return "patience" if stale >= self.plan.patience else ""
        return ""

    def _evaluate(self) -> None:
        """Evaluate the generators, keep them if they are the best so far, and write all files."""
        from seewhy.plots.generated import curves_png, samples_png  # noqa: PLC0415 - loads matplotlib

        evaluation = evaluate(self.run, self.held_out, self.length)
        self.run.curve.append(evaluation)
        if self._keep_if_better(evaluation):
            save_generators(self.out, self.run.evaluated, self._card(""))
        epoch = self.run.step // self.length
        sheets = self.out / "epochs"
        sheets.mkdir(exist_ok=True)
        write_whole(sheets / f"epoch_{epoch:04d}.png", samples_png(self._samples(), f"epoch {epoch}"))
        write_whole(self.out / "curves.png", curves_png(self.run.curve, self.length))
        self.run.save(self.out)

    def _keep_if_better(self, evaluation: Evaluation) -> bool:
        """Keep an epoch if it is better than the one kept so far.

        When selecting by ``error``, any epoch of the second half replaces one of the first half.
        """
        half = self.steps // 2
        kept = self.kept
        if self.plan.select == "error" and kept is not None and kept.step <= half < evaluation.step:
            kept = None
        if better(evaluation, kept, arm=self.plan.arm, select=self.plan.select):
            self.kept = evaluation
            return True
        return False

    def _card(self, stopped: str) -> dict[str, object]:
        """Return the card: how the generators were trained, and how they perform on held-out images."""
        kept = self.kept
        return {
            **self.facts,
            "stopped": stopped or UNFINISHED,
            "validation": {} if kept is None else {name: _number(value) for name, value in kept.facts().items()},
            "collapsed": "" if kept is None else collapse(kept),
            "curve": [[_number(value) for value in evaluation.facts().values()] for evaluation in self.run.curve],
        }

    def _close(self, stopped: str) -> None:
        """Mark training as finished in the card; the weights beside it are those of the kept epoch."""
        card = self.out / CARD
        facts = json.loads(card.read_text(encoding="utf-8")) | self._card(stopped)
        write_whole(card, (json.dumps(facts, indent=2, ensure_ascii=False) + "\n").encode())

    def _result(self, stopped: str) -> Trained:
        """Return the result of the run."""
        if self.kept is None:
            raise RequestError(
                f"expected at least one finished epoch, got {self.run.step} of {self.length} iterations; train longer"
            )
        return Trained(self.kept, stopped, tuple(self.run.curve), collapse(self.kept))

    def _status(self) -> str:
        """Return the last evaluation as text, for the progress bar."""
        if not self.run.curve:
            return ""
        evaluation = self.run.curve[-1]
        return f"flip {evaluation.flip:.2f} · stable {evaluation.stable:.2f} · error {error(evaluation, self.plan.arm):.3f}"

    @torch.no_grad()
    def _samples(self) -> dict[str, dict[str, np.ndarray]]:
        """Generate counterfactuals of a few held-out images per direction."""
        generators, found = self.run.evaluated, {}
        for source, target in directions(generators.classes):
            images = self.held_out[source][:_SHOWN]
            generated = generators(images, source, target)
            rows = {
                "input": images,
                "stable": generated.stable,
                "adversarial": generated.adversarial,
                "cycle": generated.cycle,
            }
            change = (generated.stable - generated.adversarial).abs()
            rows["stretched"] = change / change.max().clamp(min=1e-3)
            title = " to ".join(self.facts["classes"][generators.classes.index(kind)] for kind in (source, target))
            found[title] = {name: images.cpu().numpy() for name, images in rows.items() if images is not None}
        return found


def _networks(classifier: Classifier, plan: Plan, classes: tuple[int, ...], some: Collection) -> Losses:
    """Build generators and critics for images with the size and channels of ``some``."""
    shape = {"widths": plan.widths, "last": plan.last, "residual": plan.residual, "norm": plan.norm}
    generators = build_generators(
        arm=plan.arm,
        classes=classes,
        channels=some.channels,
        size=some.size,
        seed=plan.seed,
        **shape,  # type: ignore[arg-type]
    )
    critics = nn.ModuleList()
    if plan.weights.realism:
        critics = build_critics(generators, plan.critic_widths, seed=plan.seed + 1)
    for nets in (generators, critics):
        nets.to(classifier.device)
        if plan.half:  # bfloat16 is fast in this layout only
            nets.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Losses(generators, critics, _scores(classifier), plan.weights)


def _about(
    classifier: Classifier, plan: Plan, pictures: Mapping[int, Collection], held_out: Mapping[int, Collection]
) -> dict[str, Any]:
    """Return the fields of the card that describe the classifier, the data and the settings."""
    return {
        "what": "counterfactual generators of stable and adversarial images",
        "classifier": classifier.name,
        "fingerprint": classifier.fingerprint,
        "classes": [classifier.labels[kind] if classifier.labels else str(kind) for kind in pictures],
        "pictures": {
            "trained_on": {str(kind): len(each) for kind, each in pictures.items()},
            "held_out": {str(kind): len(each) for kind, each in held_out.items()},
        },
        "plan": plan.facts(),
        "seewhy": installed("seewhy"),
    }


def _scores(classifier: Classifier) -> Callable[[Images], Scores]:
    """Return the classifier's scoring function; gradients were checked before."""
    if not isinstance(classifier, Differentiable):
        raise TypeError(f"expected a Differentiable classifier, got {type(classifier).__name__}; use check_trainable")
    return classifier.scores


def _number(value: float) -> float | None:
    """Round a number for the card; return None if it is not finite."""
    return plain(round(value, 5))


@contextmanager
def _disk_errors(out: Path) -> Iterator[None]:
    """Turn a disk error into advice; the previous checkpoint stays intact."""
    try:
        yield
    except OSError as problem:
        raise RequestError(
            f"cannot write to {out}: {problem.strerror}; free some space and run the same command again, which resumes "
            "from the last epoch"
        ) from problem
