"""Does an in-fill find evidence where there is some, and only there? Cut-outs of known location on textures and photos.

Claim: with the learned in-fill, the information (IG) on the object exceeds that off it by a larger factor than with
gray, noise or blur. This is the counterpart of ``false_evidence.py``: an in-fill that restores what was removed has no
false evidence there, and no true evidence here. As there, single windows are judged, and not the maps that the metrics
of the registry judge.

Protocol: each cut-out is pasted into a corner region of a synthetic texture, as in ``localisation.py``, or, with
``--backgrounds``, of a crop of a photo held out from the sampler's training (of eight crops, the one classified with
least confidence). The same windows are queried with every in-fill: equally many on the object (mean alpha >= 0.5) and
off it (alpha exactly 0), drawn by the image's seed, with the samples and the correction of `pmi`. ``ratio`` is the mean
PMI on the object divided by the mean absolute PMI off it, both averaged over images first. ``median`` is the median
over images of their own ratios, and ``times`` is the ratio divided by that of the first in-fill. The same figures are
given for the information (IG), which is more stable: parts of an object may count against the top class, so that its
mean PMI is near 0. Intervals are bootstrap intervals over images. Off the object, the noise of few samples adds to the
absolute value, which disadvantages stochastic in-fills. Textures are easy to continue, so read them together with
``--backgrounds``, where other content of the photo may be true evidence off the cut-out, the same for all in-fills.

``python benchmarks/true_evidence.py CUTOUTS [--backgrounds FOLDER] [--infill SPEC]... [--all] [--json]``; CUTOUTS holds
``labels.csv`` with the columns file and class_idx, and ``images/`` with RGBA images. The defaults use 1,096 queries per
image.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import numpy as np
import torch
from common import (
    Row,
    about_infills,
    all_option,
    bootstrap,
    build_infills,
    classifier_option,
    compared_option,
    environment,
    json_option,
    publish,
    settle,
    threads_option,
)
from jaxtyping import Float
from questions import KINDS, draw, object_share, probes, scores
from scenes import CANDIDATES, Scene, photo_ground, read_scenes, texture

import seewhy
from seewhy.core.probe import Probe
from seewhy.methods.windows._windows import SAMPLES


def on_and_off(scene: Scene, asked: Mapping[str, Probe], windows: int, samples: int, size: int) -> list[Row]:
    """Return the mean score on the object and the mean absolute score off it, with each in-fill."""
    share = object_share(scene.alpha, size)
    on, off = draw(share >= 0.5, windows, scene.seed), draw(share == 0, windows, scene.seed)
    if on is None or off is None:
        raise click.UsageError(
            f"expected {windows} positions on and off the object of {scene.file}, got fewer; use fewer --windows"
        )
    rows = []
    for name, probe in asked.items():
        found, top = scores(probe, size, torch.cat([on, off]), samples), int(probe.prediction.argmax())
        row: Row = {"file": scene.file, "infill": name, "top": top, "right": top == scene.label}
        row |= dict(zip((f"{kind}_on" for kind in KINDS), found[:windows].mean(0).tolist(), strict=True))
        row |= dict(zip((f"{kind}_off" for kind in KINDS), np.abs(found[windows:]).mean(0).tolist(), strict=True))
        rows.append(row)
    return rows


def summarise(rows: Sequence[Row], kind: str) -> list[Row]:
    """Return one row per in-fill: mean on, mean off, their ratio, and that divided by the first in-fill's ratio."""
    columns: dict[str, Float[np.ndarray, "n 2"]] = {
        name: np.array([[row[f"{kind}_on"], row[f"{kind}_off"]] for row in rows if row["infill"] == name])
        for name in dict.fromkeys(row["infill"] for row in rows)
    }
    first = next(iter(columns.values()))
    lines = []
    for name, pair in columns.items():
        (on, off), ratio = pair.mean(0).tolist(), bootstrap(pair, _ratio)
        times = bootstrap(np.hstack([pair, first]), lambda means: _ratio(means) / _ratio(means[..., 2:]))
        line: Row = {"infill": name, "on": on, "off": off, "ratio": ratio["mean"], "low": ratio["low"]}
        line |= {"high": ratio["high"], "median": _median_ratio(pair), "times": times["mean"]}
        lines.append(line | {"times_low": times["low"], "times_high": times["high"]})
    return lines


def _ratio(means: Float[np.ndarray, "*n c"]) -> Float[np.ndarray, "*n"]:
    """Return the first column divided by the second."""
    ratio: Float[np.ndarray, "*n"] = means[..., 0] / means[..., 1]
    return ratio


def _median_ratio(pair: Float[np.ndarray, "n 2"]) -> float | None:
    """Return the median over images of their own ratios; None if most have nothing off the object."""
    with np.errstate(divide="ignore", invalid="ignore"):
        median = float(np.median(_ratio(pair)))
    return median if math.isfinite(median) else None


@click.command()
@click.argument("cutouts", type=click.Path(exists=True, file_okay=False, path_type=Path))
@classifier_option("efficientnet-lite0")
@compared_option
@click.option(
    "--backgrounds",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of photos for backgrounds.",
)
@click.option(
    "--windows",
    default=32,
    show_default=True,
    type=click.IntRange(min=1),
    help="Windows on the object, and as many off it.",
)
@click.option(
    "--samples", default=SAMPLES, show_default=True, type=click.IntRange(min=2), help="Samples of a stochastic in-fill."
)
@click.option("--size", default=8, show_default=True, type=click.IntRange(min=1), help="Side of a window, in pixels.")
@click.option(
    "--scale",
    default=0.5,
    show_default=True,
    help="Longer side of the object, as a fraction of the view's shorter side.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Use at most this many cut-outs.")
@all_option
@threads_option
@json_option
def main(
    cutouts: Path,
    *,
    classifier: str,
    infills: tuple[str, ...],
    backgrounds: Path | None,
    windows: int,
    samples: int,
    size: int,
    scale: float,
    limit: int | None,
    everything: bool,
    threads: int | None,
    as_json: bool,
) -> None:
    """Compare the evidence on an object with that off it.

    Each in-fill is tested separately.
    """
    settle(threads)
    model = seewhy.classifier(classifier)
    built = build_infills(infills, model)
    ground = photo_ground(backgrounds, model, everything=everything) if backgrounds else texture
    scenes = read_scenes(cutouts, model.view, scale, limit, ground)
    rows: list[Row] = []
    for number, scene in enumerate(scenes):
        rows += on_and_off(scene, probes(model, scene, built), windows, samples, size)
        click.echo(f"{number + 1}/{len(scenes)} {scene.file}", err=True)
    kind = f"the least confidently classified of {CANDIDATES} crops of photos" if backgrounds else "synthetic textures"
    figures: Row = {
        "benchmark": "true_evidence",
        "pictures": len(scenes),
        "right": sum(row["right"] for row in rows if row["infill"] == infills[0]),
        **{name: summarise(rows, name) for name in KINDS},
        "infills": about_infills(infills, model),
        "measurements": rows,
        "protocol": (
            f"{len(scenes)} cut-outs in a corner region of {kind}, longer side {scale:g} of the view; {model.name}, "
            f"{model.view.describe()}; {windows} windows of {size} × {size} on the object (mean alpha >= 0.5) and as "
            f"many off it (alpha 0), the same for every in-fill; {samples} samples and jackknife if it is stochastic; "
            "top class, right or not; nats; on: mean; off: mean of the absolute value; ratio of the means over "
            f"images; median: of the images' own ratios; times: over the ratio of {infills[0]}; low and high: 95 % "
            "bootstrap over images, 2,000 resamples, seed 0"
        ),
        **environment(),
    }
    publish(figures, as_json=as_json, unprinted=("infills", "measurements"))


if __name__ == "__main__":
    main()
