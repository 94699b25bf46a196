"""Train a patch sampler q(patch | ring) on a folder of photos by maximum likelihood.

The training recipe of the Patch Sampler (Yi et al., arXiv 2009.11150, 2020) is not published; this one is our own.
Windows are cut at random from photos at the classifier's scale. Some cross the image border, and some have part of the
ring hidden. The optimiser is Adam with a cosine schedule and a moving average of the weights. Everything at step t is a
function of ``(seed, t)``, so an interrupted run resumes exactly.
"""

import copy
import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from safetensors.torch import load_file, save, save_file
from torch import Tensor

from seewhy.core.errors import RequestError
from seewhy.nets.patch_sampler import CARD, WEIGHTS, PatchNet, build_sampler, load_sampler, read_card
from seewhy.runtime.machine import installed
from seewhy.training.sampler.photos import HELD_OUT_ONE_IN, SHORT_SIDE, VIEW, random_view, read_photos
from seewhy.training.sampler.windows import Windows, batches, cut_windows, held_out_windows, hide_ring

_HIDDEN_RINGS = 0.4  # fraction of the compact network's training windows with part of the ring hidden

Progress = Callable[[int, int, float], None]
"""Called after each step with the steps done, the steps planned, and the batch's bits per sub-pixel."""


@dataclass(frozen=True)
class Evaluation:
    """One evaluation on the held-out photos.

    Args:
        step: number of steps taken.
        trained: bits per sub-pixel of the training windows since the previous evaluation; 0 before the first step.
        held_out: bits per sub-pixel of the held-out windows.
    """

    step: int
    trained: float
    held_out: float


OnEvaluation = Callable[[Evaluation], None]
"""Called after each evaluation."""


@dataclass(frozen=True)
class Result:
    """The result of a training run.

    Args:
        steps: number of steps taken.
        bits: held-out bits per sub-pixel of the weights that were written.
        stopped: why training stopped.
        curve: all evaluations.
    """

    steps: int
    bits: float
    stopped: str
    curve: tuple[Evaluation, ...]


def no_progress(*facts: object) -> None:
    """Report nothing."""
    del facts


@runtime_checkable
class Likelihood(Protocol):
    """A model with an exact likelihood of a hidden patch."""

    def log_likelihood(
        self, windows: Float[Tensor, "n 3 s s"], outside: Float[Tensor, "n s s"], patches: Float[Tensor, "n 3 k k"]
    ) -> Float[Tensor, "n 3 k k"]:
        """Return the log-likelihood in nats per sub-pixel; see `seewhy.nets.patch_sampler`."""
        ...


def bits_per_subpixel(net: Likelihood, windows: Windows, *, batch: int = 256) -> float:
    """Return the mean of -log2 q over all sub-pixels; uniform noise costs 8, and lower is better."""
    total = 0.0
    with torch.inference_mode():
        for part in batches(windows, batch):
            total -= net.log_likelihood(part.windows, part.outside, part.patches).double().sum().item()
    return total / windows.patches.numel() / math.log(2)


@dataclass
class _Run:
    """The state of a training run between two steps: everything a checkpoint holds."""

    net: PatchNet
    average: PatchNet
    optimiser: torch.optim.Optimizer
    step: int = 0
    trained: float = 0.0  # sum of the bits since the last evaluation
    curve: list[Evaluation] = field(default_factory=list)

    @property
    def best(self) -> float:
        """The fewest held-out bits so far."""
        return min((evaluation.held_out for evaluation in self.curve), default=math.inf)

    @property
    def stale(self) -> int:
        """The number of evaluations since the best one."""
        held_out = [evaluation.held_out for evaluation in self.curve]
        return len(held_out) - 1 - held_out.index(self.best) if held_out else 0

    def save(self, path: Path) -> None:
        """Write the run to one safetensors file, atomically."""
        tensors = {f"net.{name}": value for name, value in self.net.state_dict().items()}
        tensors |= {f"average.{name}": value for name, value in self.average.state_dict().items()}
        for index, moments in self.optimiser.state_dict()["state"].items():
            tensors |= {f"adam.{index}.{name}": value for name, value in moments.items()}
        evaluations = [(evaluation.step, evaluation.trained, evaluation.held_out) for evaluation in self.curve]
        tensors["curve"] = torch.tensor(evaluations, dtype=torch.float64).reshape(-1, 3)
        tensors["step"] = torch.tensor([self.step])
        fresh = path.with_suffix(".tmp")
        save_file({name: value.contiguous() for name, value in tensors.items()}, fresh)
        fresh.replace(path)

    def restore(self, path: Path) -> None:
        """Resume from a file written by `save`.

        Raises:
            RequestError: the file belongs to another network.
        """
        tensors = load_file(path)
        try:
            for name, net in (("net.", self.net), ("average.", self.average)):
                net.load_state_dict(
                    {key.removeprefix(name): value for key, value in tensors.items() if key.startswith(name)}
                )
        except RuntimeError as error:
            raise RequestError(f"expected a checkpoint of this network, got {error}; choose another --out") from error
        moments: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            if key.startswith("adam."):
                _, index, name = key.split(".")
                moments.setdefault(int(index), {})[name] = value
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": moments})
        self.step = int(tensors["step"].item())
        self.curve = [Evaluation(int(step), trained, held_out) for step, trained, held_out in tensors["curve"].tolist()]


def _start(arch: str, patch: int, *, seed: int, rate: float, device: str, begin: Path | None) -> _Run:
    """Build the network and its moving average, initially equal."""
    built = build_sampler(arch, patch, seed=seed) if begin is None else load_sampler(begin, arch=arch, patch=patch)[0]
    net = built.to(device).requires_grad_(True)
    average = copy.deepcopy(net).requires_grad_(False)
    optimiser = torch.optim.AdamW(net.parameters(), lr=rate, betas=(0.9, 0.99), weight_decay=0.01)
    return _Run(net.train(), average, optimiser)


def schedule(step: int, steps: int) -> float:
    """Return the learning rate as a fraction of its peak: a short linear warm-up, then a cosine decay to zero."""
    rise = max(1, min(200, steps // 10))
    return min((step + 1) / rise, 0.5 * (1 + math.cos(math.pi * min(1, step / steps))))


def descend(net: Likelihood, optimiser: torch.optim.Optimizer, batch: Windows, *, rate: float, half: bool) -> float:
    """Take one optimiser step on a batch, and return its bits per sub-pixel."""
    for group in optimiser.param_groups:
        group["lr"] = rate
    device = batch.windows.device.type
    with torch.autocast(device, dtype=torch.bfloat16, enabled=half):
        nats = -net.log_likelihood(batch.windows, batch.outside, batch.patches).mean()
    optimiser.zero_grad()
    nats.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_([value for group in optimiser.param_groups for value in group["params"]], 1.0)
    optimiser.step()
    return nats.item() / math.log(2)


def _train_step(run: _Run, batch: Windows, *, rate: float, half: bool) -> float:
    """Take one step on one batch, update the moving average, and return the batch's bits per sub-pixel."""
    bits = descend(run.net, run.optimiser, batch, rate=rate, half=half)
    run.step += 1
    keep = min(0.999, (1 + run.step) / (10 + run.step))
    with torch.no_grad():
        for slow, fast in zip(run.average.parameters(), run.net.parameters(), strict=True):
            slow.lerp_(fast, 1 - keep)
    run.trained += bits
    return bits


def _batch_at(photos: Sequence[Image.Image], run: _Run, *, batch: int, seed: int, device: str) -> Windows:
    """Cut the batch for the run's next step: up to sixteen windows from each of several photos."""
    rng = np.random.default_rng([seed, run.step])
    each = min(16, batch)
    chosen = rng.integers(0, len(photos), batch // each)
    cut = cut_windows([random_view(photos[index], rng) for index in chosen], run.net.patch, each, rng)
    if run.net.arch == "compact":  # the paper's network has no input for missing pixels
        cut = hide_ring(cut, _HIDDEN_RINGS, rng)
    return Windows(cut.windows.to(device), cut.outside.to(device), cut.patches.to(device))


def _rounded(net: PatchNet) -> dict[str, Tensor]:
    """Return the weights in half precision, as they are shipped, which halves the download."""
    return {name: value.half().cpu().contiguous() for name, value in net.state_dict().items()}


def _evaluate(run: _Run, held_out: Windows, out: Path, facts: dict[str, object]) -> None:
    """Evaluate the averaged weights in half precision, write them if they are the best yet, and save a checkpoint."""
    weights = _rounded(run.average)
    shipped = build_sampler(run.net.arch, run.net.patch, **run.net.settings)
    shipped.load_state_dict({name: value.float() for name, value in weights.items()})
    bits = bits_per_subpixel(shipped.eval(), held_out)
    steps = run.step - (run.curve[-1].step if run.curve else 0)
    run.curve.append(Evaluation(run.step, run.trained / max(1, steps), bits))
    run.trained = 0.0
    if run.stale == 0:
        facts["steps"], facts["held_out_bits_per_subpixel"] = run.step, round(bits, 4)
        facts["sha256"] = write_weights(out, weights)
    facts["curve"] = [
        [evaluation.step, round(evaluation.trained, 4), round(evaluation.held_out, 4)] for evaluation in run.curve
    ]
    write_card(out, facts)
    run.save(out / "checkpoint.safetensors")


def read_both(folders: Sequence[Path]) -> tuple[list[Image.Image], list[Image.Image]]:
    """Read training and held-out photos.

    Raises:
        RequestError: there are no training photos or no held-out photos.
    """
    train, held_out = read_photos(folders)
    if not train or not held_out:
        raise RequestError(
            f"expected training and held-out photos, got {len(train)} and {len(held_out)}; provide more photos"
        )
    return train, held_out


def _some(photos: list[Image.Image], count: int | None, seed: int) -> list[Image.Image]:
    """Choose ``count`` photos; with the same seed, a larger choice contains the smaller one."""
    order = np.random.default_rng(seed).permutation(len(photos))[:count]
    return [photos[index] for index in sorted(order.tolist())]


def train_sampler(
    folders: Sequence[Path],
    out: Path,
    *,
    patch: int = 8,
    arch: str = "compact",
    steps: int = 4000,
    batch: int = 512,
    rate: float = 2e-3,
    seed: int = 0,
    device: str = "cpu",
    half: bool = False,
    begin: Path | None = None,
    photos: int | None = None,
    check_every: int = 250,
    patience: int = 8,
    stop_at: int | None = None,
    data: str = "photos of the user's own",
    licence: str = "that of the photos it was trained on",
    progress: Progress = no_progress,
    on_evaluation: OnEvaluation = no_progress,
) -> Result:
    """Train a patch sampler and write ``weights.safetensors`` and ``card.json``.

    Training resumes from ``out/checkpoint.safetensors`` if it exists, and removes it at the end. The weights written
    are those of the evaluation with the fewest held-out bits; the card lists every evaluation.

    Args:
        folders: folders of photos, searched recursively; one photo in ten is held out, by the hash of its content.
        out: folder for the weights, the card and the checkpoint; it is created.
        patch: side K of the patch, in pixels.
        arch: network architecture, ``compact`` or ``paper``.
        steps: number of steps in the schedule.
        batch: windows per step.
        rate: peak learning rate.
        seed: seed of the weights and of every batch.
        device: torch device.
        half: compute in bfloat16 where that is safe; faster on hardware that supports it.
        begin: folder of a trained sampler to start from; None for random weights.
        photos: use at most this many training photos, to measure the benefit of more; None for all.
        check_every: steps between evaluations on the held-out photos.
        patience: number of evaluations without progress after which training stops.
        stop_at: step after which training stops as if interrupted, keeping the checkpoint; None to train to the end.
        data: description of the photos, for the card.
        licence: licence of the weights, for the card.
        progress: called after each step.
        on_evaluation: called after each evaluation.

    Returns:
        The steps taken, the best held-out bits per sub-pixel, why training stopped, and all evaluations.

    Raises:
        RequestError: there are too few photos, the architecture does not exist, or the checkpoint belongs to another
            network.
    """
    train, held_out = read_both(folders)
    train = _some(train, photos, seed)
    performance = held_out_windows(held_out, patch)
    run = _start(arch, patch, seed=seed, rate=rate, device=device, begin=begin)
    out.mkdir(parents=True, exist_ok=True)
    facts = card(run.net, data=data, licence=licence, photos=(len(train), len(held_out)))
    facts |= {"seed": seed, "batch": batch, "rate": rate, "half": half}
    facts["begun_from"] = None if begin is None else read_card(begin)["sha256"]
    checkpoint = out / "checkpoint.safetensors"
    if checkpoint.exists():
        run.restore(checkpoint)
        facts = json.loads((out / CARD).read_text(encoding="utf-8"))
    elif begin is not None:
        _evaluate(run, performance, out, facts)  # so that the result is never worse than the starting weights
        on_evaluation(run.curve[-1])
    last = min(steps, stop_at or steps)
    while run.step < last and run.stale < patience:
        cut = _batch_at(train, run, batch=batch, seed=seed, device=device)
        bits = _train_step(run, cut, rate=rate * schedule(run.step, steps), half=half)
        progress(run.step, steps, bits)
        if run.step % check_every == 0 or run.step == last:
            _evaluate(run, performance, out, facts)
            on_evaluation(run.curve[-1])
    stopped = "patience" if run.stale >= patience else "steps" if run.step >= steps else "cut off"
    if stopped != "cut off":
        checkpoint.unlink(missing_ok=True)
    return Result(run.step, run.best, stopped, tuple(run.curve))


def write_weights(out: Path, tensors: dict[str, Tensor]) -> str:
    """Write a sampler's weights to its folder and return their SHA-256."""
    raw = save(tensors)
    (out / WEIGHTS).write_bytes(raw)
    return hashlib.sha256(raw).hexdigest()


def write_card(out: Path, facts: dict[str, object]) -> None:
    """Write a sampler's card beside its weights."""
    (out / CARD).write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def card(net: PatchNet, *, data: str, licence: str, photos: tuple[int, int]) -> dict[str, object]:
    """Return the card of a sampler: what it models and what it was trained on."""
    return {
        "what": f"q(patch | ring), {net.patch} × {net.patch} pixels hidden in a {3 * net.patch} × {3 * net.patch} window",
        "arch": net.arch,
        "patch": net.patch,
        "settings": net.settings,
        "parameters": sum(value.numel() for value in net.parameters()),
        "data": data,
        "photos": {"trained_on": photos[0], "held_out": photos[1]},
        "split": f"held out where SHA-256 of the photo file is divisible by {HELD_OUT_ONE_IN}",
        "scale": f"short side {SHORT_SIDE}, crops of {VIEW} × {VIEW}, 8-bit RGB",
        "licence": licence,
        "seewhy": installed("seewhy"),
    }
