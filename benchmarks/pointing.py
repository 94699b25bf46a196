"""Does the highest point of a map lie on the object? The pointing game on photos with boxes, per in-fill.

Claim: none; this is the field's standard check. The location of the object is not necessarily what the classifier used,
and boxes contain background.

Protocol: the pointing game of Zhang, Lin, Brandt, Shen, Sclaroff (ECCV 2016). Windows on a grid of ``--step`` pixels
are queried with the samples and the correction of `pmi`. The highest window of the map of the top class (PMI), and of
that of the information (IG), is a hit if its centre lies on the object or within 15 pixels of it, in the classifier's
view (the paper counts pixels of the photo). ``chance`` is the fraction of all windows that would be hits. The photos
are held out from the sampler's training, their top class is the labelled one, and their chance is at most ``--easy``:
on other photos every map scores. Rates have Wilson intervals. All in-fills are tested on the same photos, so the rates
are paired, which the intervals do not use.

``python benchmarks/pointing.py FOLDER [--infill SPEC]... [--step 24] [--easy 0.75] [--all] [--json]``; FOLDER holds
``labels.csv`` with file and class_idx, ``images/``, and boxes or ``trimaps/`` (see ``scenes.py``). The defaults use
1,708 queries per photo.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import cv2
import numpy as np
import torch
from common import (
    Row,
    about_infills,
    all_option,
    build_infills,
    classifier_option,
    compared_option,
    environment,
    interval,
    json_option,
    publish,
    settle,
    threads_option,
    wilson,
)
from jaxtyping import Bool, Float
from questions import KINDS, probes, scores
from scenes import Scene, read_located

import seewhy
from seewhy.core.features import Positions
from seewhy.core.probe import Probe
from seewhy.methods.windows._windows import SAMPLES

TOLERANCE = 15
"""Largest distance from the object, in pixels, that still counts as a hit."""


def grid(height: int, width: int, size: int, step: int) -> Positions:
    """Return windows every ``step`` pixels, centred on the image."""
    down, across = (torch.arange((side - size) % step // 2, side - size + 1, step) for side in (height, width))
    return torch.cartesian_prod(down, across)


def near_object(alpha: Float[np.ndarray, "h w"], positions: Positions, size: int) -> Bool[np.ndarray, " m"]:
    """Return which windows have their centre on the object or at most `TOLERANCE` pixels from it."""
    distance = cv2.distanceTransform((alpha < 0.5).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    top, left = positions.numpy().T + size // 2
    near: Bool[np.ndarray, " m"] = distance[top, left] <= TOLERANCE
    return near


def point(scene: Scene, asked: Mapping[str, Probe], positions: Positions, samples: int, size: int) -> list[Row]:
    """Play the game on one photo with each in-fill."""
    near = near_object(scene.alpha, positions, size)
    rows = []
    for name, probe in asked.items():
        highest = scores(probe, size, positions, samples).argmax(0)
        row: Row = {"file": scene.file, "infill": name, "chance": float(near.mean())}
        rows.append(row | dict(zip(KINDS, near[highest].tolist(), strict=True)))
    return rows


def summarise(rows: Sequence[Row]) -> list[Row]:
    """Return one row per in-fill and map: hits, their rate, and the rate of chance."""
    lines = []
    for name in dict.fromkeys(row["infill"] for row in rows):
        chosen = [row for row in rows if row["infill"] == name]
        chance = interval([row["chance"] for row in chosen])["mean"]
        for kind in KINDS:
            hits = sum(row[kind] for row in chosen)
            line: Row = {"infill": name, "map": kind, "photos": len(chosen), "hits": hits}
            lines.append(line | wilson(hits, len(chosen)) | {"chance": chance})
    return lines


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@classifier_option("efficientnet-lite0")
@compared_option
@click.option(
    "--samples", default=SAMPLES, show_default=True, type=click.IntRange(min=2), help="Samples of a stochastic in-fill."
)
@click.option("--size", default=8, show_default=True, type=click.IntRange(min=1), help="Side of a window, in pixels.")
@click.option(
    "--step", default=24, show_default=True, type=click.IntRange(min=1), help="Distance between windows, in pixels."
)
@click.option("--easy", default=0.75, show_default=True, help="Highest chance rate of a photo that is used.")
@click.option("--limit", type=click.IntRange(min=1), help="Use at most this many photos.")
@all_option
@threads_option
@json_option
def main(
    folder: Path,
    *,
    classifier: str,
    infills: tuple[str, ...],
    samples: int,
    size: int,
    step: int,
    easy: float,
    limit: int | None,
    everything: bool,
    threads: int | None,
    as_json: bool,
) -> None:
    """Print how often the highest window lies on the object.

    Each in-fill is tested separately.
    """
    settle(threads)
    model = seewhy.classifier(classifier)
    built = build_infills(infills, model)
    rows: list[Row] = []
    wrong = unsuitable = 0
    for scene in read_located(folder, model.view, everything=everything, limit=limit):
        asked = probes(model, scene, built)
        positions = grid(*asked[infills[0]].size, size, step)
        chance = near_object(scene.alpha, positions, size).mean()
        if int(asked[infills[0]].prediction.argmax()) != scene.label:
            wrong += 1
        elif not 0 < chance <= easy:
            unsuitable += 1
        else:
            rows += point(scene, asked, positions, samples, size)
            click.echo(f"{len(rows) // len(infills)} {scene.file}: {rows[-len(infills)]}", err=True)
    figures: Row = {
        "benchmark": "pointing",
        "photos_played": len(rows) // len(infills),
        "another_top_class": wrong,
        "unsuitable": unsuitable,
        "rates": summarise(rows),
        "infills": about_infills(infills, model),
        "measurements": rows,
        "protocol": (
            f"photos{' (trained on or not)' if everything else ' held out from training'} whose top class is the "
            f"labelled one and whose chance is above 0 and at most {easy:g}; {model.name}, {model.view.describe()}; "
            f"windows of {size} × {size} every {step} pixels, {samples} samples and jackknife if the in-fill is "
            f"stochastic; a hit: the centre of the highest window on the object or at most {TOLERANCE} pixels from "
            "it; chance: fraction of windows that would be hits; low and high: 95 % Wilson"
        ),
        **environment(),
    }
    publish(figures, as_json=as_json, unprinted=("infills", "measurements"))


if __name__ == "__main__":
    main()
