"""Train the patch sampler q(patch | ring) on a folder of photos by maximum likelihood.

The training recipe of the Patch Sampler (Yi et al., arXiv 2009.11150, 2020) is not published; this one is our own.
Windows are cut at random from photos at the classifier's scale. Some cross the image border, and some have part of the
ring hidden. The optimiser is Adam with a cosine schedule and a moving average of the weights. Everything at step t is a
function of ``(seed, t)``, so an interrupted run resumes exactly.
"""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from seewhy.classifiers.settings import read_device
from seewhy.core.context import plain_torch
from seewhy.core.errors import RequestError
from seewhy.nets.checkpoints import Card, update_card, write_checkpoint
from seewhy.nets.compact_sampler import ARCH, WEIGHTS, CompactSampler, load_sampler
from seewhy.runtime.machine import installed
from seewhy.training.loop import CHECKPOINT, Progress, Run, check_settings, follow, no_progress
from seewhy.training.sampler.photos import HELD_OUT_ONE_IN, SHORT_SIDE, VIEW, random_view, read_photos
from seewhy.training.sampler.windows import Windows, batches, cut_windows, held_out_windows, hide_ring

_HIDDEN_RINGS = 0.4  # fraction of the training windows with part of the ring hidden


@dataclass(frozen=True)
class Plan:
    """Settings of the training; RequestError if a number is out of range.

    Args:
        patch: side K of the patch, in pixels.
        batch: windows per step.
        rate: peak learning rate.
        half: compute in bfloat16 where that is safe.
        check_every: steps between evaluations on the held-out photos.
    """

    patch: int = 8
    steps: int = 4000
    batch: int = 512
    rate: float = 2e-3
    seed: int = 0
    half: bool = False
    check_every: int = 250

    def __post_init__(self) -> None:
        check_settings(self, ("steps", "batch", "check_every"), lambda value: value >= 1, ">= 1")


@dataclass(frozen=True)
class Evaluation:
    """Bits per sub-pixel of the training windows since the previous evaluation (0 before the first step), and held out."""

    step: int
    trained: float
    held_out: float

    def __str__(self) -> str:
        return f"{self.trained:.4f} bits in training, {self.held_out:.4f} bits held out"


@dataclass(frozen=True)
class Result:
    """The step and the held-out bits per sub-pixel of the weights that were written, and all evaluations."""

    step: int
    bits: float
    curve: tuple[Evaluation, ...]


LogLikelihood = Callable[
    [Float[Tensor, "n 3 s s"], Float[Tensor, "n s s"], Float[Tensor, "n 3 k k"]], Float[Tensor, "n 3 k k"]
]
"""Windows, what is outside, patches → log-likelihood in nats per sub-pixel; see `seewhy.nets.compact_sampler`."""


def bits_per_subpixel(log_likelihood: LogLikelihood, windows: Windows, *, batch: int = 256) -> float:
    """Return the mean of -log2 q over all sub-pixels; uniform noise costs 8, and lower is better."""
    total = 0.0
    with torch.inference_mode():
        for part in batches(windows, batch):
            total -= log_likelihood(part.windows, part.outside, part.patches).double().sum().item()
    return total / windows.patches.numel() / math.log(2)


def schedule(step: int, steps: int) -> float:
    """Return the learning rate as a fraction of its peak: a short linear warm-up, then a cosine decay to zero."""
    rise = max(1, min(200, steps // 10))
    return min((step + 1) / rise, 0.5 * (1 + math.cos(math.pi * min(1, step / steps))))


def descend(
    log_likelihood: LogLikelihood, optimiser: torch.optim.Optimizer, batch: Windows, *, rate: float, half: bool
) -> float:
    """Take one optimiser step on a batch, and return its bits per sub-pixel."""
    for group in optimiser.param_groups:
        group["lr"] = rate
    device = batch.windows.device.type
    with torch.autocast(device, dtype=torch.bfloat16, enabled=half):
        nats = -log_likelihood(batch.windows, batch.outside, batch.patches).mean()
    optimiser.zero_grad()
    nats.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_([value for group in optimiser.param_groups for value in group["params"]], 1.0)
    optimiser.step()
    return nats.item() / math.log(2)


def read_both(folders: Sequence[Path]) -> tuple[list[Image.Image], list[Image.Image]]:
    """Read training and held-out photos, at least one of each."""
    train, held_out = read_photos(folders)
    if not train or not held_out:
        raise RequestError(
            f"expected training and held-out photos, got {len(train)} and {len(held_out)}; provide more photos"
        )
    return train, held_out


@plain_torch()
def train_sampler(
    folders: Sequence[Path],
    out: Path,
    *,
    plan: Plan | None = None,
    device: str | torch.device | None = None,
    begin: Path | None = None,
    photos: int | None = None,
    progress: Progress = no_progress,
) -> Result:
    """Train a patch sampler and write ``weights.safetensors`` and ``card.json``.

    Training resumes from ``out/checkpoint.safetensors`` if it exists, and removes it at the end. The weights written
    are those of the evaluation with the fewest held-out bits; the card lists every evaluation.

    The folders are searched recursively; one photo in ten is held out, by the hash of its content. ``begin`` is the folder
    of a trained sampler to start from, and ``photos`` the largest number of training photos, to measure the benefit of more.

    Raises:
        RequestError: there are too few photos, the device is not available, or the checkpoint belongs to another network.
    """
    plan = plan or Plan()
    train, held_out = read_both(folders)
    train = _some(train, photos, plan.seed)
    net, begun_from = (
        (CompactSampler(plan.patch, seed=plan.seed), None) if begin is None else load_sampler(begin, patch=plan.patch)
    )
    photo_counts = {"trained_on": len(train), "held_out": len(held_out)}
    facts = _card(net, plan) | {"begun_from": begun_from, "photos": photo_counts}
    out.mkdir(parents=True, exist_ok=True)
    job = _Job(net.to(read_device(device)), plan, train, held_out_windows(held_out, plan.patch), out, facts)
    if (out / CHECKPOINT).exists():
        job.run.restore(out, Evaluation)
    elif begin is not None:
        job.evaluate()  # so that the result is never worse than the starting weights
    return job.train(progress)


def _some(photos: list[Image.Image], count: int | None, seed: int) -> list[Image.Image]:
    """Choose ``count`` photos; with the same seed, a larger choice contains the smaller one."""
    order = np.random.default_rng(seed).permutation(len(photos))[:count]
    return [photos[index] for index in sorted(order.tolist())]


@dataclass(eq=False)
class _Job:
    """The training of one network."""

    net: CompactSampler
    plan: Plan
    photos: Sequence[Image.Image]
    held_out: Windows
    out: Path
    facts: Card
    trained: float = 0.0  # sum of the bits since the last evaluation

    def __post_init__(self) -> None:
        self.average = copy.deepcopy(self.net)
        weights = self.net.requires_grad_(True).parameters()
        self.adam = torch.optim.AdamW(weights, lr=self.plan.rate, betas=(0.9, 0.99), weight_decay=0.01)
        self.run: Run[Evaluation] = Run(
            {"net": self.net, "average": self.average}, [self.adam], lambda new, old: new.held_out < old.held_out
        )

    def train(self, progress: Progress) -> Result:
        """Train to the end."""
        run, plan = self.run, self.plan
        run.train(self.take_step, steps=plan.steps, progress=progress, evaluate=self.evaluate, every=plan.check_every)
        (self.out / CHECKPOINT).unlink(missing_ok=True)
        return Result(run.kept.step, run.kept.held_out, tuple(run.curve))

    def take_step(self, step: int) -> str:
        """Take one step on one batch, and update the moving average."""
        plan = self.plan
        rate = plan.rate * schedule(step, plan.steps)
        bits = descend(self.net.log_likelihood, self.adam, self._batch(step), rate=rate, half=plan.half)
        follow(self.average, self.net, 0.999, step + 1)
        self.trained += bits
        return f"{bits:.3f} bits"

    def _batch(self, step: int) -> Windows:
        """Cut the batch of a step: up to sixteen windows from each of several photos."""
        batch, rng = self.plan.batch, np.random.default_rng([self.plan.seed, step])
        each = min(16, batch)
        chosen = rng.integers(0, len(self.photos), batch // each)
        views = [random_view(self.photos[index], rng) for index in chosen]
        cut = hide_ring(cut_windows(views, self.plan.patch, each, rng), _HIDDEN_RINGS, rng)
        device = self.net.order.device
        return Windows(cut.windows.to(device), cut.outside.to(device), cut.patches.to(device))

    def evaluate(self) -> None:
        """Evaluate the averaged weights as they are shipped, write them if they are the best yet, and save a checkpoint."""
        run = self.run
        # half precision halves the download
        weights = {name: value.half().cpu() for name, value in self.average.state_dict().items()}
        shipped = CompactSampler(self.plan.patch, **self.net.settings)
        shipped.load_state_dict(weights)
        bits = bits_per_subpixel(shipped.log_likelihood, self.held_out)
        steps = run.step - (run.curve[-1].step if run.curve else 0)
        best = run.add(Evaluation(run.step, self.trained / max(1, steps), bits))
        self.trained = 0.0
        curve = [[each.step, round(each.trained, 4), round(each.held_out, 4)] for each in run.curve]
        if best:
            facts = {**self.facts, "steps": run.step, "held_out_bits_per_subpixel": round(bits, 4), "curve": curve}
            write_checkpoint(self.out, WEIGHTS, weights, facts)
        else:
            update_card(self.out, {"curve": curve})
        run.save(self.out)


def _card(net: CompactSampler, plan: Plan) -> Card:
    """Return the facts of a card: what the network models and how it is trained."""
    patch = plan.patch
    return {
        "what": f"q(patch | ring), {patch} × {patch} pixels hidden in a {3 * patch} × {3 * patch} window",
        "arch": ARCH,
        "patch": patch,
        "settings": net.settings,
        "parameters": sum(value.numel() for value in net.parameters()),
        "split": f"held out where SHA-256 of the photo file is divisible by {HELD_OUT_ONE_IN}",
        "scale": f"short side {SHORT_SIDE}, crops of {VIEW} × {VIEW}, 8-bit RGB",
        "seewhy": installed("seewhy"),
        "seed": plan.seed,
        "batch": plan.batch,
        "rate": plan.rate,
        "half": plan.half,
    }
