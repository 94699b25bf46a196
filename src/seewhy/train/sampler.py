"""Learn a patch sampler q(patch | ring) from a folder of photos, by maximising its exact likelihood.

The training recipe of the Patch Sampler (Yi et al., arXiv 2009.11150, 2020) is not published; this one is our own: windows
cut at random from photos at the classifier's scale, some of them across the picture's border, Adam, a cosine schedule, a
moving average of the weights. Everything at step t is a function of ``(seed, t)``, so a run that was cut off goes on as if
nothing had happened.
"""

import hashlib
import json
import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import click
import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image, ImageOps
from safetensors.torch import load_file, save, save_file
from torch import Tensor

from seewhy.core.errors import RequestError
from seewhy.nets.patch_sampler import CARD, WEIGHTS, PatchNet, build_sampler

VIEW, SHORT_SIDE = 224, 256  # the classifier's picture: short side 256, centre crop 224
_STORED = 400  # longest short side that is kept in memory: more is never needed
_HELD_OUT = 10  # one photo in ten
_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}


@dataclass(frozen=True)
class Windows:
    """Windows with their true middles: ``windows`` and ``patches`` in [0, 1] on 8-bit levels, ``outside`` 0 or 1."""

    windows: Float[Tensor, "n 3 s s"]
    outside: Float[Tensor, "n s s"]
    patches: Float[Tensor, "n 3 k k"]


@dataclass(frozen=True)
class Result:
    """What a training run came to: steps taken, held-out bits a sub-pixel of the weights that were written."""

    steps: int
    bits: float
    stopped: str


def is_held_out(content: bytes) -> bool:
    """Tell from a photo file's content alone whether training never sees it; one photo in ten is held out.

    Example:
        >>> is_held_out(b"a photo")
        False
    """
    return int(hashlib.sha256(content).hexdigest(), 16) % _HELD_OUT == 0


def read_photos(folders: Iterable[Path]) -> tuple[list[Image.Image], list[Image.Image]]:
    """Decode every photo below the folders, once, into memory.

    Args:
        folders: searched recursively; a file that occurs twice counts once.

    Returns:
        Training photos and held-out photos, RGB, in an order that depends on their content only.
    """
    paths = [path for folder in folders for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES]
    contents = {hashlib.sha256(path.read_bytes()).digest(): path for path in sorted(paths)}
    parts: tuple[list[Image.Image], list[Image.Image]] = ([], [])
    for _, path in sorted(contents.items()):
        with Image.open(path) as opened:
            photo = ImageOps.exif_transpose(opened).convert("RGB")
        scale = min(1, _STORED / min(photo.size))
        if scale < 1:
            photo = photo.resize((round(photo.width * scale), round(photo.height * scale)), Image.Resampling.BICUBIC)
        parts[is_held_out(path.read_bytes())].append(photo)
    return parts


def centre_view(photo: Image.Image) -> UInt8[np.ndarray, "224 224 3"]:
    """Bring a photo to the classifier's view: short side 256, centre crop 224."""
    scale = SHORT_SIDE / min(photo.size)
    width, height = (max(SHORT_SIDE, round(side * scale)) for side in photo.size)
    left, top = (width - VIEW) // 2, (height - VIEW) // 2
    whole = photo.resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(whole.crop((left, top, left + VIEW, top + VIEW)))


def random_view(photo: Image.Image, rng: np.random.Generator) -> UInt8[np.ndarray, "224 224 3"]:
    """Bring a photo to the classifier's scale give or take a fifth, a little stretched, at random place, maybe mirrored."""
    scale = max(VIEW, SHORT_SIDE * np.exp(rng.uniform(-0.13, 0.2))) / min(photo.size)
    stretch = np.exp(rng.uniform(-0.08, 0.08))
    width, height = (
        min(side, VIEW / factor) for side, factor in zip(photo.size, (scale * stretch, scale / stretch), strict=True)
    )
    left, top = rng.uniform(0, photo.width - width), rng.uniform(0, photo.height - height)
    view = photo.resize((VIEW, VIEW), Image.Resampling.BICUBIC, box=(left, top, left + width, top + height))
    return np.asarray(ImageOps.mirror(view) if rng.random() < 0.5 else view)


def cut_windows(
    views: Sequence[UInt8[np.ndarray, "h w 3"]], patch: int, each: int, rng: np.random.Generator
) -> Windows:
    """Cut windows 3K × 3K at patch positions that are uniform over each picture, border included.

    Args:
        views: pictures of one size.
        patch: side K of the patch.
        each: windows a picture.
        rng: chooses the positions.

    Returns:
        ``len(views) · each`` windows; what lies outside the picture is 0 and flagged.
    """
    side, (height, width) = 3 * patch, views[0].shape[:2]
    padded = np.pad(np.stack(views), ((0, 0), (patch, patch), (patch, patch), (0, 0)))
    inside = np.pad(np.ones((height, width), np.float32), patch)
    picture = np.repeat(np.arange(len(views)), each)[:, None, None]
    rows = rng.integers(0, height - patch + 1, picture.size)[:, None, None] + np.arange(side)[:, None]
    columns = rng.integers(0, width - patch + 1, picture.size)[:, None, None] + np.arange(side)
    windows = torch.from_numpy(padded[picture, rows, columns]).movedim(3, 1).contiguous().float() / 255
    patches = windows[:, :, patch : 2 * patch, patch : 2 * patch].clone()
    return Windows(windows, 1 - torch.from_numpy(inside[rows, columns]), patches)


def held_out_windows(photos: Sequence[Image.Image], patch: int, *, each: int = 32) -> Windows:
    """Cut the same windows every time from the classifier's view of each photo."""
    return cut_windows([centre_view(photo) for photo in photos], patch, each, np.random.default_rng(2009_11150))


def bits_per_subpixel(net: PatchNet, windows: Windows, *, batch: int = 256) -> float:
    """Return the mean of -log2 q over all sub-pixels; uniform noise costs 8, lower is better."""
    total = 0.0
    with torch.inference_mode():
        for part in _batches(windows, batch):
            total -= net.log_likelihood(part.windows, part.outside, part.patches).double().sum().item()
    return total / windows.patches.numel() / math.log(2)


def _batches(windows: Windows, batch: int) -> Iterable[Windows]:
    """Split windows into batches in their order."""
    parts = (torch.split(tensor, batch) for tensor in (windows.windows, windows.outside, windows.patches))
    for window, outside, patch in zip(*parts, strict=True):
        yield Windows(window, outside, patch)


@dataclass
class _Run:
    """A training run between two steps: everything a checkpoint holds."""

    net: PatchNet
    average: PatchNet
    optimiser: torch.optim.Optimizer
    step: int = 0
    best: float = math.inf
    stale: int = 0

    def save(self, path: Path) -> None:
        """Write the run to one safetensors file, which appears whole or not at all."""
        tensors = {f"net.{name}": value for name, value in self.net.state_dict().items()}
        tensors |= {f"average.{name}": value for name, value in self.average.state_dict().items()}
        for index, moments in self.optimiser.state_dict()["state"].items():
            tensors |= {f"adam.{index}.{name}": value for name, value in moments.items()}
        tensors["run"] = torch.tensor([self.step, self.best, self.stale], dtype=torch.float64)
        fresh = path.with_suffix(".tmp")
        save_file({name: value.contiguous() for name, value in tensors.items()}, fresh)
        fresh.replace(path)

    def restore(self, path: Path) -> None:
        """Go on from a file that `save` wrote.

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
        step, self.best, stale = tensors["run"].tolist()
        self.step, self.stale = int(step), int(stale)


def _start(arch: str, patch: int, *, seed: int, rate: float, device: str) -> _Run:
    """Build the network and its moving average, equal to begin with."""
    net = build_sampler(arch, patch, seed=seed).to(device)
    average = build_sampler(arch, patch, seed=seed).to(device).requires_grad_(False)
    return _Run(net, average, torch.optim.AdamW(net.parameters(), lr=rate, betas=(0.9, 0.99), weight_decay=0.01))


def _schedule(step: int, steps: int) -> float:
    """Learning rate as a share of its peak: a short linear rise, then a cosine to nothing."""
    rise = max(1, min(200, steps // 10))
    return min((step + 1) / rise, 0.5 * (1 + math.cos(math.pi * min(1, step / steps))))


def _train_step(run: _Run, batch: Windows, *, rate: float, half: bool) -> float:
    """Take one step on one batch and return its bits a sub-pixel."""
    for group in run.optimiser.param_groups:
        group["lr"] = rate
    device = batch.windows.device.type
    with torch.autocast(device, dtype=torch.bfloat16, enabled=half):
        nats = -run.net.log_likelihood(batch.windows, batch.outside, batch.patches).mean()
    run.optimiser.zero_grad()
    nats.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(run.net.parameters(), 1.0)
    run.optimiser.step()
    run.step += 1
    keep = min(0.999, (1 + run.step) / (10 + run.step))
    with torch.no_grad():
        for slow, fast in zip(run.average.parameters(), run.net.parameters(), strict=True):
            slow.lerp_(fast, 1 - keep)
    return nats.item() / math.log(2)


def _batch_at(photos: Sequence[Image.Image], step: int, *, patch: int, batch: int, seed: int, device: str) -> Windows:
    """Cut the batch of one step: sixteen windows from each of as many photos as that takes."""
    rng = np.random.default_rng([seed, step])
    each = min(16, batch)
    chosen = rng.integers(0, len(photos), batch // each)
    cut = cut_windows([random_view(photos[index], rng) for index in chosen], patch, each, rng)
    return Windows(cut.windows.to(device), cut.outside.to(device), cut.patches.to(device))


def _rounded(net: PatchNet) -> dict[str, Tensor]:
    """The weights as they are shipped: half precision, half the download."""
    return {name: value.half().cpu().contiguous() for name, value in net.state_dict().items()}


def _judge(run: _Run, held_out: Windows, out: Path, card: dict[str, object]) -> float:
    """Measure the averaged weights as they would be shipped, and write them if they are the best so far."""
    shipped = build_sampler(run.net.arch, run.net.patch)
    shipped.load_state_dict({name: value.float() for name, value in _rounded(run.average).items()})
    bits = bits_per_subpixel(shipped.eval(), held_out)
    run.stale = 0 if bits < run.best else run.stale + 1
    if bits < run.best:
        run.best = bits
        raw = save(_rounded(run.average))
        (out / WEIGHTS).write_bytes(raw)
        figures = {
            "steps": run.step,
            "held_out_bits_per_subpixel": round(bits, 4),
            "sha256": hashlib.sha256(raw).hexdigest(),
        }
        (out / CARD).write_text(json.dumps(card | figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return bits


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
    check_every: int = 250,
    patience: int = 8,
    stop_at: int | None = None,
    data: str = "photos of the user's own",
    licence: str = "that of the photos it was trained on",
) -> Result:
    """Train a patch sampler and write ``weights.safetensors`` and ``card.json``.

    Goes on from ``out/checkpoint.safetensors`` if there is one, and removes it when done. The weights that are written are
    those of the check with the fewest held-out bits.

    Args:
        folders: photos, searched recursively; one in ten is held out by the hash of its content.
        out: folder for the weights, the card and the checkpoint; it is created.
        patch: side K of the patch.
        arch: ``compact`` or ``paper``.
        steps: length of the schedule.
        batch: windows a step.
        rate: peak learning rate.
        seed: of the weights and of every batch.
        device: torch device.
        half: multiply in bfloat16 where that is safe; faster on processors that have it.
        check_every: steps between two looks at the held-out photos.
        patience: looks without progress after which training ends.
        stop_at: end after this step as if cut off, keeping the checkpoint.
        data: what the photos are, in words, for the card.
        licence: under which terms the weights may be used, for the card.

    Returns:
        Steps taken, best held-out bits a sub-pixel, why it stopped.

    Raises:
        RequestError: too few photos, no such architecture, or a checkpoint of another network.
    """
    train, held_out = read_photos(folders)
    if not train or not held_out:
        raise RequestError(
            f"expected photos to train on and photos to hold out, got {len(train)} and {len(held_out)}; give more photos"
        )
    judged = held_out_windows(held_out, patch)
    run = _start(arch, patch, seed=seed, rate=rate, device=device)
    out.mkdir(parents=True, exist_ok=True)
    checkpoint = out / "checkpoint.safetensors"
    if checkpoint.exists():
        run.restore(checkpoint)
    card = _card(
        run.net,
        data=data,
        licence=licence,
        seed=seed,
        rate=rate,
        half=half,
        batch=batch,
        photos=(len(train), len(held_out)),
    )
    began, last = time.monotonic(), min(steps, stop_at or steps)
    while run.step < last and run.stale < patience:
        cut = _batch_at(train, run.step, patch=patch, batch=batch, seed=seed, device=device)
        bits = _train_step(run, cut, rate=rate * _schedule(run.step, steps), half=half)
        if run.step % check_every == 0 or run.step == last:
            judged_bits = _judge(run, judged, out, card)
            run.save(checkpoint)
            line = f"step {run.step}/{steps}  {bits:.3f} bits  held out {judged_bits:.4f}  {time.monotonic() - began:.0f} s"
            click.echo(line, err=True)
    stopped = "patience" if run.stale >= patience else "steps" if run.step >= steps else "cut off"
    if stopped != "cut off":
        checkpoint.unlink(missing_ok=True)
    return Result(run.step, run.best, stopped)


def _card(
    net: PatchNet, *, data: str, licence: str, seed: int, rate: float, half: bool, batch: int, photos: tuple[int, int]
) -> dict[str, object]:
    """What a reader must know to trust the weights, or not."""
    return {
        "what": f"q(patch | ring), {net.patch} × {net.patch} pixels hidden in a {3 * net.patch} × {3 * net.patch} window",
        "arch": net.arch,
        "patch": net.patch,
        "settings": net.settings,
        "parameters": sum(value.numel() for value in net.parameters()),
        "data": data,
        "photos": {"trained_on": photos[0], "held_out": photos[1]},
        "split": f"held out where SHA-256 of the photo file is divisible by {_HELD_OUT}",
        "scale": f"short side {SHORT_SIDE}, crops of {VIEW} × {VIEW}, 8-bit RGB",
        "licence": licence,
        "seed": seed,
        "batch": batch,
        "rate": rate,
        "half": half,
        "seewhy": version("seewhy"),
    }


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder for weights and card."
)
@click.option("--patch", default=8, show_default=True, help="Side K of the patch.")
@click.option("--arch", default="compact", show_default=True, type=click.Choice(["compact", "paper"]))
@click.option("--steps", default=4000, show_default=True)
@click.option("--batch", default=512, show_default=True, help="Windows a step.")
@click.option("--rate", default=2e-3, show_default=True, help="Peak learning rate.")
@click.option("--seed", default=0, show_default=True)
@click.option("--device", default="cpu", show_default=True)
@click.option("--half", is_flag=True, help="Multiply in bfloat16.")
@click.option("--threads", default=1, show_default=True, help="Processor threads.")
@click.option(
    "--data", default="photos of the user's own", show_default=True, help="What the photos are, for the card."
)
@click.option("--licence", default="that of the photos it was trained on", show_default=True, help="For the card.")
def main(folders: tuple[Path, ...], out: Path, *, threads: int, **settings: object) -> None:
    """Train a patch sampler on the photos in FOLDERS. Run it again to go on after an interruption."""
    torch.set_num_threads(threads)
    result = train_sampler(folders, out, **settings)  # type: ignore[arg-type]
    click.echo(f"{result.bits:.4f} bits per sub-pixel on held-out photos after {result.steps} steps ({result.stopped})")
