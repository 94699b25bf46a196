"""Which kind of model should sample a hidden patch? Four kinds, with the same photos, windows and number of steps.

``factorised``: every sub-pixel has its own categorical distribution over 256 levels, given the ring (the paper's form;
here with a network of this project's size). ``dct``: one mixture of Laplace distributions for the whole patch, in the
basis of a discrete cosine transform of luminance and two colour differences, whose components model dependencies.
``gaussian``: the conditional Gaussian of prediction-difference analysis, which is fitted instead of trained.
``compact``: the shipped kind, which draws coarse pixels first and conditions each group on the previous ones.

Protocol: 8 × 8 patches, windows as in training (`seewhy.training.sampler`), Adam with the same schedule and seed, evaluated on the
held-out photos, as in ``sampler_bits.py``. The dct model is a density: its bits are those of levels with added uniform
noise of one level, an upper bound on the bits of the levels themselves (Theis, van den Oord, Bethge, ICLR 2016).

``python benchmarks/sampler_families.py FOLDER... [--steps N] [--batch N] [--json]``
"""

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import click
import numpy as np
import torch
from common import Row, environment, json_option, publish
from jaxtyping import Float
from paper_samplers import GaussianSampler, PaperSampler
from PIL import Image
from torch import Tensor, nn

from seewhy.nets.compact_sampler import CompactSampler
from seewhy.training.sampler.photos import random_view
from seewhy.training.sampler.train import bits_per_subpixel, descend, read_both, schedule
from seewhy.training.sampler.windows import Windows, cut_windows, held_out_windows

PATCH = 8
LEVELS = 256


def ring_encoder(outputs: int) -> nn.Sequential:
    """Return an encoder of a 24 × 24 window with its flags, about as large as the shipped network's."""
    return nn.Sequential(
        nn.Conv2d(5, 32, 4, stride=2, padding=1),
        nn.SiLU(),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.SiLU(),
        nn.Conv2d(64, 64, 4, stride=2, padding=1),
        nn.SiLU(),
        nn.Flatten(),
        nn.Linear(64 * 36, 256),
        nn.SiLU(),
        nn.Linear(256, outputs),
    )


def shown(windows: Float[Tensor, "n 3 s s"], outside: Float[Tensor, "n s s"]) -> Float[Tensor, "n 5 s s"]:
    """Blank the middle and add two flags: hidden, and outside."""
    keep = torch.ones_like(outside)
    keep[:, PATCH : 2 * PATCH, PATCH : 2 * PATCH] = 0
    return torch.cat([(windows * 2 - 1) * (keep * (1 - outside))[:, None], 1 - keep[:, None], outside[:, None]], dim=1)


class Factorised(nn.Module):
    """Independent categoricals: a feature map per pixel, then 256 logits per sub-pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = ring_encoder(64 * PATCH * PATCH)
        self.leave = nn.Sequential(nn.Conv2d(64, 128, 3, padding=1), nn.SiLU(), nn.Conv2d(128, 3 * LEVELS, 1))

    def log_likelihood(
        self, windows: Float[Tensor, "n 3 s s"], outside: Float[Tensor, "n s s"], patches: Float[Tensor, "n 3 k k"]
    ) -> Float[Tensor, "n 3 k k"]:
        """Return the log-likelihood in nats per sub-pixel."""
        features = self.encoder(shown(windows, outside)).view(-1, 64, PATCH, PATCH)
        logits = self.leave(features).float().unflatten(1, (3, LEVELS))
        levels = (patches * 255).round().long()
        nats: Tensor = logits.log_softmax(2).gather(2, levels[:, :, None])[:, :, 0]
        return nats


class Cosine(nn.Module):
    """A mixture of Laplace distributions in a fixed orthonormal basis of the patch."""

    basis: Float[Tensor, "d d"]

    def __init__(self, components: int = 6) -> None:
        super().__init__()
        self.components = components
        self.encoder = ring_encoder(components * (1 + 2 * 3 * PATCH * PATCH))
        place = torch.arange(PATCH)
        rows = torch.cos(math.pi * (place + 0.5) * place[:, None] / PATCH) * math.sqrt(2 / PATCH)
        rows[0] /= math.sqrt(2)
        third, half, sixth = (1 / math.sqrt(number) for number in (3, 2, 6))
        colours = torch.tensor([[third] * 3, [half, 0, -half], [sixth, -2 * sixth, sixth]])
        self.register_buffer("basis", torch.kron(colours, torch.kron(rows, rows)))

    def log_likelihood(
        self, windows: Float[Tensor, "n 3 s s"], outside: Float[Tensor, "n s s"], patches: Float[Tensor, "n 3 k k"]
    ) -> Float[Tensor, "n 3 k k"]:
        """Return the log-likelihood in nats per patch, spread evenly over its sub-pixels."""
        noise = torch.rand(patches.shape, generator=torch.Generator().manual_seed(0)) - 0.5
        coefficients = (patches * 255 + noise - 127.5).flatten(1) @ self.basis.T
        raw = self.encoder(shown(windows, outside)).float().view(len(windows), self.components, -1)
        weights, (centre, scale) = raw[..., 0].log_softmax(1), raw[..., 1:].chunk(2, dim=-1)
        spread = (scale + 2).clamp(-2, 8)
        each = -(coefficients[:, None] - 100 * centre).abs() * torch.exp(-spread) - spread - math.log(2)
        nats: Tensor = (weights + each.sum(2)).logsumexp(1)
        return (nats / patches[0].numel())[:, None, None, None].expand_as(patches)


Trainable = Factorised | Cosine | CompactSampler | PaperSampler


def batch_at(photos: Sequence[Image.Image], step: int, batch: int) -> Windows:
    """Return the windows of one step, the same for every family; the batch is a multiple of 16."""
    rng = np.random.default_rng([0, step])
    chosen = rng.integers(0, len(photos), batch // 16)
    return cut_windows([random_view(photos[index], rng) for index in chosen], PATCH, 16, rng)


def learn(net: Trainable, photos: Sequence[Image.Image], *, steps: int, batch: int, rate: float) -> float:
    """Train a network in place; return the seconds per step, without the cutting of windows."""
    optimiser, seconds = torch.optim.AdamW(net.parameters(), lr=rate, betas=(0.9, 0.99), weight_decay=0.01), []
    for step in range(steps):
        cut = batch_at(photos, step, batch)
        start = time.perf_counter()
        bits = descend(net.log_likelihood, optimiser, cut, rate=rate * schedule(step, steps), half=True)
        seconds.append(time.perf_counter() - start)
        if (step + 1) % 100 == 0:
            click.echo(f"{type(net).__name__}: step {step + 1}/{steps}, {bits:.3f} bits", err=True)
    return float(np.median(seconds))


def measure(folders: Sequence[Path], *, steps: int, batch: int) -> Row:
    """Train and evaluate each family."""
    train, held_out = read_both(folders)
    windows = held_out_windows(held_out, PATCH)
    gaussian = GaussianSampler(PATCH)
    gaussian.fit(train, windows=steps * batch)
    rows: list[Row] = [{"family": "gaussian", "bits": bits_per_subpixel(gaussian.log_likelihood, windows)}]
    networks: dict[str, Callable[[], Trainable]] = {"factorised": Factorised, "dct": Cosine, "compact": CompactSampler}
    for name, build in networks.items():
        torch.manual_seed(0)
        net = build()
        seconds = learn(net, train, steps=steps, batch=batch, rate=2e-3)
        bits = bits_per_subpixel(net.eval().log_likelihood, windows)
        rows.append(
            {
                "family": name,
                "bits": bits,
                "parameters": sum(value.numel() for value in net.parameters()),
                "seconds_a_step": seconds,
            }
        )
    for row in rows[1:]:
        row["time_to_compact"] = row.pop("seconds_a_step") / seconds  # compact is the last one
    return {
        "benchmark": "sampler_families",
        "families": rows,
        "protocol": (
            f"{len(train)} photos, {steps} steps of {batch} windows, 8 × 8 patches, bfloat16 products, seed 0; "
            f"evaluated on {len(held_out)} held-out photos, 32 patches each; time_to_compact: median seconds per step "
            "over those of compact"
        ),
        **environment(),
    }


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--steps", default=750, show_default=True, help="Number of training steps.")
@click.option("--batch", default=512, show_default=True, help="Windows per step.")
@click.option("--threads", default=1, show_default=True, help="Number of CPU threads.")
@json_option
def main(folders: tuple[Path, ...], *, steps: int, batch: int, threads: int, as_json: bool) -> None:
    """Print held-out bits per sub-pixel of four kinds of models.

    All kinds are trained in the same way.
    """
    torch.set_num_threads(threads)
    publish(measure(folders, steps=steps, batch=batch), as_json=as_json)


if __name__ == "__main__":
    main()
