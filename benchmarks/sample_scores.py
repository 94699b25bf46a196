"""Do in-fills insert plausible content? Sampled patches are scored against the true one, with or without a likelihood.

Claim: the samples of the shipped patch sampler are a better forecast of the hidden patch than those of any other
in-fill.

Protocol: 8 × 8 windows at random positions of held-out photos in the classifier's view, the same for every in-fill. The
energy score (Gneiting, Raftery, Journal of the American Statistical Association, 2007) is ``E|X - y| - E|X - X'| / 2``
with the true patch y and two independent samples X, X', where the Euclidean distance over the sub-pixels, in levels, is
divided by the root of their number. It is strictly proper: on average, no distribution scores better than the true one,
so neither bland nor wild samples win. The score of a deterministic in-fill is its distance. ``scatter`` is ``E|X - X'|
/ E|X - y|``: 1 if the truth looks like another sample, below 1 if the samples are too similar. No query is used.

``python benchmarks/sample_scores.py FOLDER... [--infill SPEC]... [--windows N] [--samples N] [--all] [--json]``
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import torch
from common import (
    Row,
    about_infills,
    all_option,
    build_infills,
    compared_option,
    environment,
    interval,
    json_option,
    publish,
    settle,
    threads_option,
)
from jaxtyping import Float
from questions import removed
from torch import Tensor

import seewhy
from seewhy.core.infill import Infill
from seewhy.training.sampler.photos import centre_view, read_photos


def forecast(samples: Float[Tensor, "m s d"], truth: Float[Tensor, "m d"]) -> tuple[float, float, float]:
    """Return the mean energy score, the mean distance to the truth, and the mean distance between two samples."""
    root = truth.shape[1] ** 0.5
    away = torch.linalg.vector_norm(samples - truth[:, None], dim=2).mean(1) / root
    count = samples.shape[1]
    apart = torch.cdist(samples, samples).sum((1, 2)) / (max(1, count * (count - 1)) * root)
    return float((away - apart / 2).mean()), float(away.mean()), float(apart.mean())


def examine(
    image: Float[Tensor, "3 h w"], infills: Mapping[str, Infill], *, windows: int, samples: int, size: int, seed: int
) -> dict[str, tuple[float, float, float]]:
    """Fill the same windows of one image with each in-fill."""
    height, width = image.shape[1:]
    random = torch.Generator().manual_seed(seed)
    tops, lefts = (torch.randint(side - size + 1, (windows,), generator=random) for side in (height, width))
    positions = torch.stack([tops, lefts], dim=1)
    found = {}
    for name, infill in infills.items():
        count = samples if infill.stochastic else 1
        keep, seeds = removed(positions, count, size, (height, width))
        filled = (
            torch.cat(
                [infill(image, *part) for part in zip(torch.split(keep, 64), torch.split(seeds, 64), strict=True)]
            )
            * 255
        )
        holes = (keep == 0)[:, None].expand_as(filled)
        drawn = filled[holes].view(windows, count, -1)
        truth = (image * 255).expand_as(filled)[holes].view(windows, count, -1)[:, 0]
        found[name] = forecast(drawn, truth)
    return found


def summarise(photos: Sequence[Mapping[str, tuple[float, float, float]]]) -> list[Row]:
    """Return one row per in-fill: score, difference to the first, and scatter."""
    first = next(iter(photos[0]))
    rows: list[Row] = []
    for name in photos[0]:
        scores = [photo[name][0] for photo in photos]
        away, apart = (sum(photo[name][part] for photo in photos) for part in (1, 2))
        more = interval([photo[name][0] - photo[first][0] for photo in photos])
        row: Row = {"infill": name, **interval(scores), "scatter": apart / away if away else None}
        rows.append(row | {"more": more["mean"], "more_low": more["low"], "more_high": more["high"]})
    return rows


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@compared_option
@click.option("--windows", default=32, show_default=True, type=click.IntRange(min=1), help="Windows per photo.")
@click.option(
    "--samples", default=8, show_default=True, type=click.IntRange(min=2), help="Samples of a stochastic in-fill."
)
@click.option("--size", default=8, show_default=True, type=click.IntRange(min=1), help="Side of a window, in pixels.")
@all_option
@threads_option
@json_option
def main(
    folders: tuple[Path, ...],
    *,
    infills: tuple[str, ...],
    windows: int,
    samples: int,
    size: int,
    everything: bool,
    threads: int | None,
    as_json: bool,
) -> None:
    """Print the energy score of each in-fill's samples."""
    settle(threads)
    train, held_out = read_photos(folders)
    photos = [*train, *held_out] if everything else held_out
    if not photos:
        raise click.UsageError("expected held-out photos, got none; use --all to include every photo")
    model = seewhy.classifier("efficientnet-lite0")
    built = build_infills(infills, model)
    found = []
    for seed, photo in enumerate(photos):
        image = torch.from_numpy(centre_view(photo).copy()).movedim(2, 0).float() / 255
        found.append(examine(image, built, windows=windows, samples=samples, size=size, seed=seed))
        click.echo(f"{seed + 1}/{len(photos)}", err=True)
    figures: Row = {
        "benchmark": "sample_scores",
        "scores": summarise(found),
        "infills": about_infills(infills, model),
        "protocol": (
            f"{len(photos)} photos{' (trained on or not)' if everything else ' held out from training'}, short side "
            f"256, centre crop 224, {windows} windows of {size} × {size} each, {samples} samples of a stochastic "
            "in-fill; energy score in levels per sub-pixel, lower is better; more: paired difference to "
            f"{infills[0]}; scatter: mean distance of two samples over that of a sample to the truth; low and high: "
            "95 % bootstrap over photos"
        ),
        **environment(),
    }
    publish(figures, as_json=as_json, unprinted=("infills",))


if __name__ == "__main__":
    main()
