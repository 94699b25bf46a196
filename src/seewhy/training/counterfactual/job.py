"""A training job for counterfactual generators: epochs, evaluations, and an output folder that is always complete."""

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from seewhy.core.classifier import Classifier
from seewhy.core.errors import RequestError
from seewhy.core.metric import plain
from seewhy.images.collection import Collection
from seewhy.nets.checkpoints import CARD, Card, update_card, write_whole
from seewhy.nets.counterfactual_generators import (
    CounterfactualGenerators,
    build_critics,
    save_generators,
)
from seewhy.runtime.machine import installed
from seewhy.training.counterfactual.evaluation import Evaluation, better, collapse, directions, evaluate
from seewhy.training.counterfactual.loss import Batch, Classify, Losses
from seewhy.training.counterfactual.plan import Plan
from seewhy.training.loop import CHECKPOINT, Progress, Run, follow

UNFINISHED = "not finished"
"""Value of the card's ``stopped`` field while training is unfinished."""

LONGEST = 1.0
"""Gradients are clipped to this norm: without batch norm, a single batch can throw the generators far off."""

_SHOWN = 6  # images per direction on the sample sheet of an epoch
_PUSH = 5.0  # factor on the flip weight during warm-up
_PLATEAU, _FALL, _FLOOR = 4, 0.3, 1e-5


@dataclass(frozen=True)
class Trained:
    """The evaluation of the epoch that was kept, why training stopped, all evaluations, and what is wrong, if anything is."""

    kept: Evaluation
    stopped: str
    curve: tuple[Evaluation, ...]
    collapsed: str


class Job:
    """A training job that fits generators to one classifier, on images grouped by predicted class."""

    def __init__(
        self,
        classifier: Classifier,
        classify: Classify,
        plan: Plan,
        out: Path,
        *,
        pictures: Mapping[int, Collection],
        held_out: Mapping[int, Collection],
        source: str,
    ) -> None:
        self.device, self.plan, self.out, self.pictures = classifier.device, plan, out, pictures
        self.held_out = {kind: some.images(slice(None)).to(self.device) for kind, some in held_out.items()}
        self.losses = Losses(*self._networks(), classify, plan.weights)
        generators, critics = self.losses.generators, self.losses.critics
        self.slow = copy.deepcopy(generators).requires_grad_(requires_grad=False)
        self.kept_losses = Losses(self.slow if plan.average else generators, critics, classify, plan.weights)
        rates = ((generators, plan.rate), (critics, plan.critic_rate))
        self.adams = [
            torch.optim.Adam(nets.parameters(), lr=rate, betas=(plan.beta, 0.999))
            for nets, rate in rates
            if list(nets.parameters())
        ]
        networks = {"generators": generators, "slow": self.slow, "critics": critics}
        self.run: Run[Evaluation] = Run(networks, self.adams, self._better)
        rarest = min(len(some) for some in pictures.values())
        self.length = plan.length or max(1, rarest // plan.batch)
        self.steps = plan.epochs * self.length
        self.sums = [0.0, 0.0]  # losses of generators and critics since the last evaluation
        facts = {**_about(classifier, plan, pictures, held_out), "source": source}
        self.facts: Card = json.loads(json.dumps(facts))  # as they are read from a card

    def _networks(self) -> tuple[CounterfactualGenerators, nn.ModuleList]:
        """Build generators and critics for images with the size and channels of the training images."""
        plan, some = self.plan, next(iter(self.pictures.values()))
        generators = CounterfactualGenerators(
            arm=plan.arm,
            classes=tuple(self.pictures),
            channels=some.channels,
            size=some.size,
            widths=plan.widths,
            last=plan.last,
            residual=plan.residual,
            norm=plan.norm,
            seed=plan.seed,
        )
        critics = nn.ModuleList()
        if plan.weights.realism:
            critics = build_critics(generators, plan.critic_widths, seed=plan.seed + 1)
        for nets in (generators, critics):
            nets.to(self.device)
            if plan.half:  # bfloat16 is fast in this layout only
                nets.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return generators, critics

    def train(self, progress: Progress) -> Trained:
        """Train to the end, or resume; RequestError if the folder holds something else or cannot be written to."""
        try:
            self._begin()
            stopped = self.run.train(
                self.take_step,
                steps=self.steps,
                progress=progress,
                evaluate=self.evaluate,
                every=self.length,
                ended=self.ended,
            )
            stopped = stopped or "epochs"
            update_card(self.out, self._results(stopped))
            (self.out / CHECKPOINT).unlink(missing_ok=True)
        except OSError as problem:
            raise RequestError(
                f"cannot write to {self.out}: {problem.strerror}; free some space and run the same command again, which "
                "resumes from the last epoch"
            ) from problem
        kept = self.run.kept
        return Trained(kept, stopped, tuple(self.run.curve), collapse(kept))

    def _begin(self) -> None:
        """Create the folder, or resume from its checkpoint."""
        earlier = check_unfinished(self.out)
        self.out.mkdir(parents=True, exist_ok=True)
        if not (self.out / CHECKPOINT).exists():
            return
        if any(earlier.get(name) != self.facts[name] for name in ("fingerprint", "pictures", "plan")):
            raise RequestError(
                f"{self.out} holds the checkpoint of another training run (its classifier, images or settings differ); "
                "repeat the original command to resume it, or choose another --out"
            )
        self.run.restore(self.out, Evaluation)

    def take_step(self, step: int) -> str:
        """Take one step of the generators for each direction of a pair of classes, then one of the critics.

        All random draws are functions of the seed and the step.
        """
        rng = np.random.default_rng([self.plan.seed, step])
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        kinds = tuple(self.pictures)
        source, target = kinds if len(kinds) == 2 else rng.choice(kinds, 2, replace=False).tolist()
        batches = [self._batch(one, other, rng, generator) for one, other in ((source, target), (target, source))]
        for adam, peak in zip(self.adams, (self.plan.rate, self.plan.critic_rate), strict=False):
            adam.param_groups[0]["lr"] = peak * self.rate(step)
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.plan.half):
            self._train_generators(batches, generator, push=_PUSH if step < self.plan.warm_up * self.steps else 1.0)
            if len(self.adams) > 1:
                self._train_critics(batches, generator)
        follow(self.slow, self.losses.generators, self.plan.average, step)
        return ""

    def _batch(self, source: int, target: int, rng: np.random.Generator, generator: torch.Generator) -> Batch:
        """Draw images of a class, augment them, and predict the classes of the augmented images."""
        chosen = rng.integers(0, len(self.pictures[source]), self.plan.batch)
        images = self.plan.augment(self.pictures[source].images(chosen).to(self.device), generator)
        with torch.no_grad():
            predicted = self.losses.classify(images).argmax(1)
        return Batch(images, predicted, source, target)

    def _train_generators(self, batches: Sequence[Batch], generator: torch.Generator, *, push: float) -> None:
        """Take a step after each direction (SyCE), or one after both, as in the authors' code."""
        apart = self.losses.generators.arm == "syce"
        for group in [[batch] for batch in batches] if apart else [batches]:
            loss = torch.stack([self.losses.generator_loss(batch, generator, push=push) for batch in group]).sum()
            self._descend(0, loss)

    def _train_critics(self, batches: Sequence[Batch], generator: torch.Generator) -> None:
        """Take one step of the critics; each is given real images of its class and images generated for that class."""
        generators, (one, other) = self.losses.generators, batches
        loss = torch.zeros((), device=self.device)
        for batch, real in ((one, other), (other, one)):
            with torch.no_grad():
                generated = generators.edit(generators.planes(batch.images), batch.source, batch.target)[0]
            loss = loss + self.losses.critic_loss(generators.planes(real.images), generated, batch.target, generator)
        self._descend(1, loss)

    def _descend(self, number: int, loss: Tensor) -> None:
        """Take one step of the generators (0) or the critics (1), whose gradients do not reach the other networks."""
        weights = self.adams[number].param_groups[0]["params"]
        gradients = torch.autograd.grad(loss, weights, allow_unused=True)
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = gradient
        torch.nn.utils.clip_grad_norm_(weights, LONGEST)
        self.adams[number].step()
        self.sums[number] += loss.item()

    def rate(self, step: int) -> float:
        """Return the learning rate at a step as a fraction of the planned one."""
        if self.plan.schedule == "plateau":
            return max(_FALL ** self._falls()[0], _FLOOR / self.plan.rate)
        return 0.5 + 0.5 * float(np.cos(np.pi * step / self.steps))

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

    def ended(self) -> str:
        """Return why training ends early, or an empty text."""
        return "plateau" if self.plan.schedule == "plateau" and self._falls()[1] else ""

    def evaluate(self) -> None:
        """Evaluate the generators, keep them if they are the best so far, and write all files."""
        from seewhy.plots.generated import curves_png, samples_png  # noqa: PLC0415 - loads matplotlib

        run, generators = self.run, self.kept_losses.generators
        loss, critic = (total / self.length for total in self.sums)
        self.sums = [0.0, 0.0]
        if run.add(Evaluation(step=run.step, loss=loss, critic=critic, **evaluate(self.kept_losses, self.held_out))):
            save_generators(self.out, generators, {**self.facts, **self._results(UNFINISHED)})
        epoch, sheets = run.step // self.length, self.out / "epochs"
        sheets.mkdir(exist_ok=True)
        write_whole(sheets / f"epoch_{epoch:04d}.png", samples_png(self._samples(), f"epoch {epoch}"))
        curve = [{name: float(value) for name, value in asdict(each).items()} for each in run.curve]
        write_whole(self.out / "curves.png", curves_png(curve, self.length))
        run.save(self.out)

    def _better(self, new: Evaluation, kept: Evaluation) -> bool:
        """Return whether an epoch replaces the kept one; by ``error``, any of the second half replaces one of the first."""
        half = self.steps // 2
        return (self.plan.select == "error" and kept.step <= half < new.step) or better(
            new, kept, select=self.plan.select
        )

    def _results(self, stopped: str) -> Card:
        """Return the fields of the card on how the generators perform on held-out images."""
        kept = self.run.kept
        return {
            "stopped": stopped,
            "validation": _numbers(kept),
            "collapsed": collapse(kept),
            "curve": [list(_numbers(evaluation).values()) for evaluation in self.run.curve],
        }

    @torch.no_grad()
    def _samples(self) -> dict[str, dict[str, np.ndarray]]:
        """Generate counterfactuals of a few held-out images per direction."""
        generators, sheet = self.kept_losses.generators, {}
        for source, target in directions(generators.classes):
            images = self.held_out[source][:_SHOWN]
            adversarial, stable, cycle = generators(images, source, target)
            change = (stable - adversarial).abs()
            rows = {"input": images, "stable": stable, "adversarial": adversarial, "cycle": cycle}
            rows["stretched"] = change / change.max().clamp(min=1e-3)
            title = " to ".join(self.facts["classes"][generators.classes.index(kind)] for kind in (source, target))
            sheet[title] = {name: images.cpu().numpy() for name, images in rows.items() if images is not None}
        return sheet


def check_unfinished(out: Path) -> Card:
    """Refuse a folder with finished generators, and return the card of an unfinished run."""
    card = out / CARD
    earlier: Card = json.loads(card.read_text(encoding="utf-8")) if card.exists() else {"stopped": UNFINISHED}
    if earlier.get("stopped") != UNFINISHED:
        raise RequestError(
            f"expected a folder without finished generators, got {out}, which holds finished generators; "
            "choose another --out, or remove the folder"
        )
    return earlier


def _about(
    classifier: Classifier, plan: Plan, pictures: Mapping[int, Collection], held_out: Mapping[int, Collection]
) -> Card:
    """Return the fields of the card that describe the classifier, the data and the settings."""
    return {
        "what": "counterfactual generators of stable and adversarial images",
        "classifier": classifier.name,
        "fingerprint": classifier.fingerprint,
        "classes": [classifier.labels[kind] if classifier.labels else str(kind) for kind in pictures],
        "pictures": {
            "trained_on": {str(kind): len(some) for kind, some in pictures.items()},
            "held_out": {str(kind): len(some) for kind, some in held_out.items()},
        },
        "plan": asdict(plan),
        "seewhy": installed("seewhy"),
    }


def _numbers(evaluation: Evaluation) -> dict[str, float | None]:
    """Return the numbers of an evaluation, rounded for the card; None for those that are not finite."""
    return {name: plain(round(float(value), 5)) for name, value in asdict(evaluation).items()}
