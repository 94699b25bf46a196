"""Which estimator and sampling of RISE is closest to the reference with the same queries, and are its errors right?

Claims: all estimators converge to the same map; ``regression`` on ``antithetic`` grids, the default, needs the fewest
queries; its 95 % intervals cover the reference at about 95 % of the pixels.

Protocol: each photo, its most probable classes. The reference is a run of ``--truth`` independent grids with a separate
seed and the regression estimator, which has the smallest error. ``same_map`` is the fraction of pixels at which the
paper's estimate from the same answers is within 1.96 of its own standard errors of it. All estimators and numbers of
queries use the same stored answers of a seed and a sampling. ``error`` is the root mean square over pixels, seeds,
classes and photos, in units of the reference map's standard deviation over its pixels, with the reference's own squared
error subtracted. ``shape`` is the same after subtracting the mean over pixels from each map, since an offset does not
change where a map is high. ``pearson``, ``rank`` (Spearman) and ``top`` (overlap of the highest 5 % of pixels) are
means. ``inside`` is the fraction of pixels within 1.96 standard errors of the reference, its own error included.
``same_error_at`` and ``same_shape_at`` are the numbers of queries at which ``error`` and ``shape`` fall to those of the
paper's estimator on independent grids with the most queries, interpolated in logarithms; none if they do not.

``python benchmarks/rise_estimators.py PHOTO... [--queries N]... [--seeds N] [--truth N] [--classes N] [--classifier
SPEC] [--json]``; the defaults use about 56,000 queries per photo.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from pathlib import Path
from typing import get_args

import click
import numpy as np
import torch
from common import Row, classifier_option, environment, json_option, publish
from jaxtyping import Bool, Float

import seewhy
from seewhy import registry
from seewhy.core.arrays import Keep, Seeds
from seewhy.core.attribution import Attribution
from seewhy.core.features import Sampling
from seewhy.core.probe import Answers, Probe
from seewhy.core.ranks import spearman
from seewhy.core.target import ClassEvidence
from seewhy.images.open import open_image
from seewhy.images.view import apply_view
from seewhy.methods.sampling.rise import Normalisation, rise

Stack = Float[np.ndarray, "t h w"]
How = tuple[Normalisation, Sampling]

PAPER: How = ("paper", "independent")
TOP = 0.05
TRUTH_SEED = 1 << 32


@dataclass(eq=False)
class Replay(Probe):
    """A probe that reuses the answers of an earlier, longer run with the same sequence of queries."""

    memory: list[Answers] = field(default_factory=list)
    place: int = 0

    def __call__(self, keep: Keep, seeds: Seeds) -> Answers:
        """Return stored answers, and query the classifier only for the others."""
        stop = self.place + len(keep)
        if new := max(0, stop - max(self.place, len(self.memory))):
            self.memory += super().__call__(keep[-new:], seeds[-new:])
        answers = torch.stack(self.memory[self.place : stop])
        self.place = stop
        return answers


def ask(probe: Replay, classes: Sequence[int], queries: int, how: How) -> Attribution:
    """Run RISE from the first answer on."""
    probe.place = 0
    targets = [ClassEvidence(index) for index in classes]
    return rise(probe, targets, masks=queries, normalisation=how[0], sampling=how[1])


def stacked(maps: Attribution) -> tuple[Stack, Stack]:
    """Return the maps and standard errors of all targets."""
    return tuple(np.stack(list(kind.values())).astype(np.float64) for kind in (maps.values, maps.stderr))  # type: ignore[return-value]


def compare(found: tuple[Stack, Stack], truth: tuple[Stack, Stack]) -> list[Row]:
    """Compare each class's map with the reference."""
    rows: list[Row] = []
    for value, error, true, doubt in zip(*found, *truth, strict=True):
        gap, spread = value - true, true.var()
        rows.append(
            {
                "error": ((gap**2).mean() - (doubt**2).mean()) / spread,
                "shape": (gap.var() - (doubt**2).mean() * _shape_share(gap)) / spread,
                "pearson": np.corrcoef(value.ravel(), true.ravel())[0, 1],
                "rank": spearman(value, true),
                "top": (highest(value) & highest(true)).sum() / highest(true).sum(),
                "inside": (np.abs(gap) <= 1.96 * np.hypot(error, doubt)).mean(),
            }
        )
    return rows


def _shape_share(gap: Float[np.ndarray, "h w"]) -> float:
    """Return the fraction of a squared error that is not a constant offset."""
    return float(gap.var() / (gap**2).mean())


def highest(values: Float[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Return which pixels are among the highest."""
    marked: Bool[np.ndarray, "h w"] = values >= np.quantile(values, 1 - TOP)
    return marked


def evaluate(
    make: "partial[Replay]", classes: Sequence[int], queries: Sequence[int], seeds: int, truth: int
) -> list[Row]:
    """Evaluate every estimator and sampling on one photo."""
    long = make(seed=TRUTH_SEED)
    true = stacked(ask(long, classes, truth, ("regression", "independent")))
    paper = stacked(ask(long, classes, truth, PAPER))
    same = (np.abs(paper[0] - true[0]) <= 1.96 * paper[1]).mean()
    rows: list[Row] = [
        {"same_map": same, "truth_error": np.sqrt((true[1] ** 2).mean((1, 2)) / true[0].var((1, 2))).mean()}
    ]
    for seed, sampling in product(range(seeds), get_args(Sampling)):
        probe = make(seed=seed)
        for normalisation, number in product(get_args(Normalisation), sorted(queries, reverse=True)):
            found = stacked(ask(probe, classes, number, (normalisation, sampling)))
            about = {"normalisation": normalisation, "sampling": sampling, "queries": number}
            rows += [{**about, **row} for row in compare(found, true)]
    return rows


def summarise(rows: Sequence[Row]) -> list[Row]:
    """Average over photos, classes and seeds: root mean squares of errors, means of the other figures."""
    groups: dict[tuple[str, str, int], list[Row]] = {}
    for row in rows:
        if "queries" in row:
            groups.setdefault((row["normalisation"], row["sampling"], row["queries"]), []).append(row)
    lines = []
    for (normalisation, sampling, queries), some in sorted(groups.items()):
        line: Row = {"normalisation": normalisation, "sampling": sampling, "queries": queries}
        line |= {key: float(np.sqrt(max(0, np.mean([row[key] for row in some])))) for key in ("error", "shape")}
        line |= {key: float(np.mean([row[key] for row in some])) for key in ("pearson", "rank", "top", "inside")}
        lines.append(line)
    return lines


def worth(lines: Sequence[Row]) -> list[Row]:
    """Return the number of queries at which each estimator matches the paper's with the most queries."""
    most = max(line["queries"] for line in lines)
    (goal,) = (line for line in lines if (line["normalisation"], line["sampling"], line["queries"]) == (*PAPER, most))
    found = []
    for how in dict.fromkeys((line["normalisation"], line["sampling"]) for line in lines):
        some = [line for line in lines if (line["normalisation"], line["sampling"]) == how]
        row: Row = {"normalisation": how[0], "sampling": how[1]}
        found.append(row | {f"same_{key}_at": reached(some, key, goal[key]) for key in ("error", "shape")})
    return found


def reached(lines: Sequence[Row], key: str, goal: float) -> float | None:
    """Interpolate the number of queries at which an error falls to the goal."""
    number, error = (np.log([max(line[name], 1e-12) for line in lines]) for name in ("queries", key))
    if error[-1] > np.log(goal) + 1e-9:
        return None
    return float(np.exp(np.interp(-np.log(goal), -error, number)))


@click.command()
@click.argument("photos", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--queries",
    multiple=True,
    type=click.IntRange(min=128),
    default=(250, 500, 1000, 2000, 4000),
    show_default=True,
    help="Number of queries; repeatable.",
)
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(min=1), help="Number of seeds.")
@click.option(
    "--truth", default=20000, show_default=True, type=click.IntRange(min=128), help="Number of grids of the reference."
)
@click.option(
    "--classes",
    default=2,
    show_default=True,
    type=click.IntRange(min=1),
    help="Number of most probable classes to explain.",
)
@classifier_option("efficientnet-lite0")
@json_option
def main(
    photos: tuple[Path, ...],
    *,
    queries: tuple[int, ...],
    seeds: int,
    truth: int,
    classes: int,
    classifier: str,
    as_json: bool,
) -> None:
    """Compare estimators and samplings of RISE with a long run.

    The coverage of their intervals is measured as well.
    """
    model = seewhy.classifier(classifier)
    infill = registry.infill("gray", model)[1]
    rows: list[Row] = []
    for photo in photos:
        image, _ = apply_view(open_image(photo), model.view)
        make = partial(Replay, model, infill, image, batch_size=8)
        top = make().prediction.topk(classes).indices.tolist()
        rows += [{"photo": photo.name, **row} for row in evaluate(make, top, queries, seeds, truth)]
        click.echo(photo.name, err=True)
    lines = summarise(rows)
    figures: Row = {
        "benchmark": "rise_estimators",
        "truth": [row for row in rows if "same_map" in row],
        "summary": lines,
        "worth": worth(lines),
        "protocol": (
            f"{len(photos)} photos, the {classes} most probable classes of {model.name}, gray, 7 x 7 cells, p = 0.5, "
            f"{seeds} seeds; reference: {truth} independent grids of another seed, regression; same_map: fraction of "
            "pixels where the paper's estimate from those answers is within 1.96 of its standard errors; error, "
            "shape: root mean square in units of the reference map's standard deviation over pixels, the reference's "
            "own error subtracted, shape without each map's mean; top: overlap of the highest 5 %; inside: within "
            "1.96 standard errors; same_…_at: queries to match the error of paper, independent, with the most queries"
        ),
        **environment(),
    }
    publish(figures, as_json=as_json)


if __name__ == "__main__":
    main()
