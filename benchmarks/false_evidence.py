"""How much information (IG) does an in-fill assign to windows off the object? Less is better.

Claim: windows entirely off the object carry far less information with the learned in-fill than with gray, noise, blur
or patches from elsewhere in the image.

Protocol: photos whose object is known from boxes or a trimap, held out from the sampler's training by the hash of the
file (``--all`` uses the others too). In the classifier's view, the same windows are queried with every in-fill. They
are drawn by a seed of the photo, uniformly from all positions inside the view that touch no pixel of the object or of a
trimap's border. A photo's figure is the mean over its windows. The table shows the mean over photos and the paired
difference to the first in-fill, both with bootstrap intervals over photos, the median window, and the fraction of
windows above 0.01 nats. No metric of the registry measures this: they judge maps, and this judges the in-fill of a
window.

What a fair comparison requires, and what this one cannot tell:

- Averaging over N samples makes the IG of a stochastic in-fill smaller than that of its single samples. Therefore there
  are three tables: ``plain``, the IG of the mean over N; ``corrected``, the same without its first-order bias
  (jackknife), an estimate for infinitely many samples; ``one_draw``, the mean IG of single samples, which is comparable
  with a deterministic in-fill (for a single sample, all three are equal).
- An in-fill that restored what was removed would score 0 and be useless: blur (sigma 10) sees the removed pixels (about
  a tenth of its weight). Read the results with ``true_evidence.py``, which measures evidence where there should be
  some.
- Windows off the object may carry true evidence: context, other objects. It is the same for all in-fills, so
  differences mean more than levels.
- Photos that were resized and restored to their aspect ratio are smoother than before, which favours smooth in-fills.

``python benchmarks/false_evidence.py FOLDER... [--infill SPEC]... [--windows 16] [--samples 8] [--size 8] [--limit N]
[--all] [--json]``; a FOLDER holds ``labels.csv``, ``images/`` and boxes or ``trimaps/`` (see ``scenes.py``). The
defaults use 472 queries per photo.
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
from seewhy.methods.windows._windows import Answers
from seewhy.methods.windows.pmi import evidence

ESTIMATES = ("plain", "corrected", "one_draw")
HIGH = 0.01
"""A window with more nats than this changes the prediction noticeably."""

Found = dict[str, Float[np.ndarray, " m"]]
"""IG of each window in nats, by estimate."""


def information(answers: Answers, prediction: Float[Tensor, " k"]) -> Found:
    """Estimate the IG of each window in three ways."""
    plain, corrected = (evidence(prediction, [Information()], how) for how in ("none", "jackknife"))
    single = plain(answers.flatten(0, 1)[:, None])[0].reshape(answers.shape[:2]).mean(1)
    return {"plain": plain(answers)[0][:, 0], "corrected": corrected(answers)[0][:, 0], "one_draw": single}


def examine(
    scene: Scene, asked: Mapping[str, Probe], positions: Positions, samples: int, size: int
) -> tuple[Row, dict[str, Found]]:
    """Query the same windows of a photo with each in-fill; return a row for the record, and the estimates."""
    found = {name: information(ask(probe, size, positions, samples), probe.prediction) for name, probe in asked.items()}
    p, top = next(iter(asked.values())).prediction.max(0)
    means = {name: float(windows["corrected"].mean()) for name, windows in found.items()}
    return {"file": scene.file, "top": int(top), "p": float(p), "area": float(scene.alpha.mean()), **means}, found


def summarise(found: Sequence[Mapping[str, Found]], estimate: str) -> list[Row]:
    """Return one row per in-fill: mean, difference to the first, median window, fraction of high windows."""
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
@click.option("--windows", default=16, show_default=True, type=click.IntRange(min=1), help="Windows per photo.")
@click.option(
    "--samples",
    default=8,
    show_default=True,
    type=click.IntRange(min=2),
    help="Samples per window of a stochastic in-fill.",
)
@click.option("--size", default=8, show_default=True, type=click.IntRange(min=1), help="Side of a window, in pixels.")
@click.option("--limit", type=click.IntRange(min=1), help="Use at most this many photos of each folder.")
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
    """Print the information of windows off the object, per in-fill."""
    settle(threads)
    model = seewhy.classifier(classifier)
    built = build_infills(infills, model)
    photos: list[Row] = []
    found: list[dict[str, Found]] = []
    skipped = 0
    for folder in folders:
        for scene in read_located(folder, model.view, everything=everything, limit=limit):
            positions = draw(object_share(scene.alpha, size) == 0, windows, scene.seed)
            if positions is None:
                skipped += 1
                continue
            row, scored = examine(scene, probes(model, scene, built), positions, samples, size)
            photos.append({"folder": folder.name, **row})
            found.append(scored)
            click.echo(f"{len(photos)} {scene.file}", err=True)
    if not found:
        raise click.UsageError(
            f"expected photos with {windows} windows off the object, got none; use --all to include every photo"
        )
    figures: Row = {
        "benchmark": "false_evidence",
        "photos_scored": len(photos),
        "photos_skipped": skipped,
        **{estimate: summarise(found, estimate) for estimate in ESTIMATES},
        "infills": about_infills(infills, model),
        "photos": photos,
        "protocol": (
            f"{len(photos)} photos{' (trained on or not)' if everything else ' held out from training'}, {skipped} "
            f"skipped for having fewer than {windows} positions of {size} × {size} off the object; {model.name}, "
            f"{model.view.describe()}; the same {windows} windows per photo for every in-fill, {samples} samples if it "
            "is stochastic; IG in nats, mean over windows, then photos; plain: of the mean over samples; corrected: "
            f"jackknife; one_draw: mean over single samples; more: paired difference to {infills[0]}; high_share: "
            f"fraction of windows above {HIGH} nats; low and high: 95 % bootstrap over photos, 2,000 resamples, seed 0"
        ),
        **environment(),
    }
    publish(figures, as_json=as_json, unprinted=("infills", "photos"))


if __name__ == "__main__":
    main()
