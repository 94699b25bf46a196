"""What does an in-fill make of windows that are not on the object? The less information (IG) there, the better.

Claim: windows that lie wholly outside the object carry far less information when the learned in-fill stands in them than with
gray, noise, blur or pieces from elsewhere in the picture.

Protocol: photos whose object is known by boxes or a trimap, held out from the sampler's training by the hash of the file
(``--all`` takes the others too). In the classifier's view the same windows are asked with every in-fill: drawn by a seed of
the photo, uniformly from all places inside the view that touch no pixel of the object or of a trimap's border. A photo's
figure is the mean over its windows; the table shows the mean over photos, the paired difference to the first in-fill, both
with bootstrap intervals over photos, the median window, and the share of windows above 0.01 nats.

What the comparison needs to be fair, and what it cannot tell:

- Averaging over N samples makes the IG of a random in-fill smaller than that of its single samples. So three tables:
  ``plain``, IG of the mean over N; ``corrected``, the same without its first-order bias (jackknife), an estimate for
  endless samples; ``one_draw``, the mean IG of single samples, the like for like with an in-fill that is the same every
  time (asked once, all three are equal).
- An in-fill that put back what was removed would score 0 and be useless: blur (sigma 10) sees the removed pixels (about a
  tenth of its weight). Read with ``true_evidence.py``, which asks for evidence where there should be some.
- Windows off the object may carry true evidence: surroundings, other objects. It is the same for all in-fills, so
  differences mean more than levels.
- Photos that were squashed and brought back to their shape are smoother than they were, which favours smooth in-fills.

``python benchmarks/false_evidence.py FOLDER... [--infill SPEC]... [--windows 16] [--samples 8] [--size 8] [--limit N]
[--all] [--json]``; a FOLDER holds ``labels.csv``, ``images/`` and boxes or ``trimaps/`` (see ``scenes.py``). The defaults
ask 472 queries a photo.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import numpy as np
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
)
from jaxtyping import Float
from questions import ask, draw, object_share, probes
from scenes import Scene, read_located
from torch import Tensor

import seewhy
from seewhy.core.features import Positions
from seewhy.core.probe import Probe
from seewhy.core.target import Information
from seewhy.methods.pmi import evidence
from seewhy.methods.windows import Answers

ESTIMATES = ("plain", "corrected", "one_draw")
HIGH = 0.01
"""Nats; a window above this changes the prediction noticeably."""

Found = dict[str, Float[np.ndarray, " m"]]
"""Estimate → IG of each window, nats."""


def information(answers: Answers, prediction: Float[Tensor, " k"]) -> Found:
    """Work out the IG of each window in the three ways."""
    plain, corrected = (evidence(prediction, [Information()], how) for how in ("none", "jackknife"))
    single = plain(answers.flatten(0, 1)[:, None])[0].reshape(answers.shape[:2]).mean(1)
    return {"plain": plain(answers)[0][:, 0], "corrected": corrected(answers)[0][:, 0], "one_draw": single}


def examine(
    scene: Scene, asked: Mapping[str, Probe], positions: Positions, samples: int, size: int
) -> tuple[Row, dict[str, Found]]:
    """Ask about the same windows of a photo with each in-fill; a line for the record, and what was found."""
    found = {name: information(ask(probe, size, positions, samples), probe.prediction) for name, probe in asked.items()}
    p, top = next(iter(asked.values())).prediction.max(0)
    means = {name: float(windows["corrected"].mean()) for name, windows in found.items()}
    return {"file": scene.file, "top": int(top), "p": float(p), "area": float(scene.alpha.mean()), **means}, found


def summarise(found: Sequence[Mapping[str, Found]], estimate: str) -> list[Row]:
    """One line an in-fill: mean, what it has more than the first, median window, share of high windows."""
    rows: list[Row] = []
    values = {name: np.stack([photo[name][estimate] for photo in found]) for name in found[0]}
    first = next(iter(values.values())).mean(1)
    for name, windows in values.items():
        means = windows.mean(1)
        more = interval(means - first)
        row: Row = {"infill": name, **interval(means)}
        row |= {"more": more["mean"], "more_low": more["low"], "more_high": more["high"]}
        rows.append(row | {"median": float(np.median(windows)), "high_share": float((windows > HIGH).mean())})
    return rows


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@classifier_option("efficientnet-lite0")
@compared_option
@click.option("--windows", default=16, show_default=True, type=click.IntRange(min=1), help="Windows a photo.")
@click.option(
    "--samples", default=8, show_default=True, type=click.IntRange(min=2), help="Of a random in-fill, a window."
)
@click.option("--size", default=8, show_default=True, type=click.IntRange(min=1), help="Side of a window, pixels.")
@click.option("--limit", type=click.IntRange(min=1), help="Only the first photos of each folder.")
@all_option
@threads_option
@json_option
def main(
    folders: tuple[Path, ...],
    *,
    classifier: str,
    infills: tuple[str, ...],
    windows: int,
    samples: int,
    size: int,
    limit: int | None,
    everything: bool,
    threads: int | None,
    as_json: bool,
) -> None:
    """Print the information of windows outside the object, in-fill by in-fill."""
    settle(threads)
    door = seewhy.classifier(classifier)
    built = build_infills(infills, door)
    photos: list[Row] = []
    found: list[dict[str, Found]] = []
    skipped = 0
    for folder in folders:
        for scene in read_located(folder, door.view, everything=everything, limit=limit):
            positions = draw(object_share(scene.alpha, size) == 0, windows, scene.seed)
            if positions is None:
                skipped += 1
                continue
            row, judged = examine(scene, probes(door, scene, built), positions, samples, size)
            photos.append({"folder": folder.name, **row})
            found.append(judged)
            click.echo(f"{len(photos)} {scene.file}", err=True)
    if not found:
        raise click.UsageError(
            f"expected photos with {windows} windows off the object, got none; --all takes every photo"
        )
    figures: Row = {
        "benchmark": "false_evidence",
        "photos_judged": len(photos),
        "photos_skipped": skipped,
        **{estimate: summarise(found, estimate) for estimate in ESTIMATES},
        "infills": about_infills(infills, door),
        "photos": photos,
        "protocol": (
            f"{len(photos)} photos{' (trained on or not)' if everything else ' held out from training'}, {skipped} skipped "
            f"that have fewer than {windows} places of {size} × {size} off the object; {door.name}, {door.view.describe()}; the "
            f"same {windows} windows a photo for every in-fill, {samples} samples where it is random; IG in nats, mean over "
            "windows, then photos; plain: of the mean over samples; corrected: jackknife; one_draw: mean over single samples; "
            f"more: paired difference to {infills[0]}; high_share: windows above {HIGH} nats; low and high: 95 % bootstrap over "
            "photos, 2,000 resamples, seed 0"
        ),
        **environment(),
    }
    publish(figures, as_json=as_json, unprinted=("infills", "photos"))


if __name__ == "__main__":
    main()
