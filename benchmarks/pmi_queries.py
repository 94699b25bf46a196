"""How close does `pmi` come to the full map of the paper with a small fraction of its queries?

Claims: choosing windows from coarse to fine and predicting the rest (`pmi` without a stride) comes closer to the full
map than striding with the same number of queries; a few per cent of the queries give most of the agreement that the
noise of the full map allows.

Protocol: the reference is the full map in the paper's setting: every window of ``--truth-stride``, ``--truth-samples``
in-fills each, no correction, means over the covering windows; seed 0. A stride above 1 favours alternatives with the
same stride. A share is a percentage of the windows at stride 1 times 8 samples: 376,712 queries for 8 × 8 windows at
224 × 224. For each share and each seed from 1 on, with the usual targets, the script runs ``pmi:size=8`` with this
budget, and ``pmi:size=8,stride=s,samples=n,correction=none`` for s = size, size/2, …, 1 and the largest n up to 8 that
the budget allows (``queries`` is the number actually used). Of the latter, only the one with the highest mean Pearson
correlation is printed, separately for each target.

The figures are means over photos and seeds, for the evidence for the top class and for the information: ``pearson``;
``rank`` (Spearman); ``top`` (overlap of the highest 5 % of pixels); and ``deletion``, the absolute difference from the
reference's deletion AUC (RISE, BMVC 2018: pixels are replaced by gray, the data set's mean colour, in order of
decreasing value, in 28 steps of 1,792 pixels each at 224 × 224; trapezoidal area under the probability of the top
class). ``worst`` is the lowest Pearson correlation of a photo (mean over seeds).

A full map has noise of its own, which sets a ceiling. ``halves`` is the correlation of the maps from the first and the
second half of the samples. ``ceiling`` is sqrt(2r / (1 + r)) of it (Spearman, Brown, 1910): the correlation of a
noise-free map with the full map. For the overlap of the highest pixels, where that formula does not apply, it is the
halves' own overlap, at least the 5 % of chance, which more samples can exceed. ``of_…`` are fractions of the ceiling,
for each photo.

``python benchmarks/pmi_queries.py PHOTO... [--share PERCENT]... [--size 8] [--truth-stride 1] [--truth-samples 8]
[--seeds 1] [--cache FOLDER] [--classifier SPEC] [--infill SPEC] [--runtime auto] [--json]``; the defaults use about
376,712 queries per photo for the reference, only once with a cache, and 137,000 per photo and seed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from pathlib import Path

import click
import numpy as np
import torch
from common import Row, classifier_option, environment, json_option, publish, runtime_option
from rise_estimators import TOP, highest
from truths import TRUTH_SEED, Plan, Subject, Truth, cache_option, long_run, pearson, samples_option

import seewhy
from seewhy import registry
from seewhy.core.attribution import Attribution, Map
from seewhy.core.features import Windows
from seewhy.core.probe import Probe
from seewhy.core.ranks import spearman

SAMPLES = 8
"""In-fills per window in the paper's setting."""

STEPS = 28
"""Number of steps in which the pixels are deleted."""

LIKE = ("pearson", "rank", "top")
"""Figures that have a ceiling."""

NAMES = ("class", "information")
"""Targets that are evaluated; the class is the predicted one."""


@dataclass(frozen=True)
class Asked:
    """A method and the number of queries it may use.

    Args:
        method: Spec of the method.
        budget: number of queries; None if the Spec fixes it.
    """

    method: str
    budget: int | None = None


def number(share: float, size: int, picture: tuple[int, int]) -> int:
    """Return the number of queries of a share given in per cent."""
    return round(share / 100 * SAMPLES * len(Windows(size, 1).positions(*picture)))


def ways(queries: int, size: int, picture: tuple[int, int]) -> list[Asked]:
    """List the methods that use this number of queries; none if it does not cover the image."""
    if queries <= Windows(size, size).covering(*picture):
        return []
    found = [Asked(f"pmi:size={size}", queries)]
    for stride in (size >> level for level in range(size.bit_length())):
        samples = min(SAMPLES, (queries - 1) // len(Windows(size, stride).positions(*picture)))
        if samples > 0:
            found.append(Asked(f"pmi:size={size},stride={stride},samples={samples},correction=none"))
    return found


def likeness(found: Map, truth: Map) -> Row:
    """Compare a map with another one."""
    shared = (highest(found) & highest(truth)).sum() / highest(truth).sum()
    return {"pearson": pearson(found, truth), "rank": spearman(found, truth) or 0.0, "top": float(shared)}


def deletion_auc(probe: Probe, values: Map, index: int) -> float:
    """Delete the pixels in order of decreasing value; return the area under a class's probability; 29 queries."""
    turn = np.empty(values.size, np.int64)
    turn[np.argsort(-values, axis=None, kind="stable")] = np.arange(values.size)
    gone = np.arange(STEPS + 1) * values.size // STEPS
    keep = torch.from_numpy(turn >= gone[:, None]).float().view(-1, *values.shape)
    seeds = torch.zeros(len(keep), dtype=torch.int64, device=probe.image.device)
    answers = probe(keep.to(probe.image.device), seeds)[:, index]
    return float(np.trapezoid(answers.cpu().numpy(), gone / values.size))


@dataclass(frozen=True, eq=False)
class Scorer:
    """A comparison of maps with the reference map.

    Args:
        subject: the photo.
        truth: its long run.
    """

    subject: Subject
    truth: Truth

    @cached_property
    def gray(self) -> Probe:
        """The probe that replaces pixels by gray."""
        infill = registry.infill("gray", self.subject.request.classifier)[1]
        return replace(self.subject.probe(TRUTH_SEED), infill=infill)

    @property
    def keys(self) -> dict[str, str]:
        """The key of each of `NAMES` in the reference."""
        return {"class": f"class:{int(self.gray.prediction.argmax())}", "information": "information"}

    def deletion(self, values: Map) -> float:
        """Return the area under the deletion curve of the top class."""
        return deletion_auc(self.gray, values, int(self.gray.prediction.argmax()))

    def ceilings(self) -> list[Row]:
        """Return for each target how closely a noise-free map could match the reference."""
        full, first, second, corrected = (self.truth.maps(kind) for kind in ("full", "first", "second", "corrected"))
        rows: list[Row] = []
        for name, key in self.keys.items():
            halves = likeness(first[key], second[key])
            areas = [self.deletion(values[key]) for values in (full, first, second)]
            ceilings = {f"ceiling_{figure}": _ceiling(halves[figure]) for figure in ("pearson", "rank")}
            rows.append(
                {"photo": self.subject.name, "target": name}
                | {f"halves_{figure}": value for figure, value in halves.items()}
                | {**ceilings, "ceiling_top": max(TOP, halves["top"])}
                | {"corrected_pearson": pearson(corrected[key], full[key])}
                | {"deletion_auc": areas[0], "halves_deletion": abs(areas[1] - areas[2])}
            )
        return rows

    def score(self, asked: Asked, seed: int, ceilings: Sequence[Row]) -> list[Row]:
        """Run the method and compare its maps with the reference."""
        probe, method = self.subject.probe(seed, asked.budget), registry.lookup("methods", asked.method)
        maps: Attribution = method.row.run(probe, self.subject.targets, **method.settings)
        true = self.truth.maps("full")
        rows: list[Row] = []
        for (name, key), ceiling in zip(self.keys.items(), ceilings, strict=True):
            like = likeness(maps.values[key], true[key])
            about = {"photo": self.subject.name, "seed": seed, "method": asked.method, "budget": asked.budget}
            shares = {f"of_{figure}": like[figure] / ceiling[f"ceiling_{figure}"] for figure in LIKE}
            gap = abs(self.deletion(maps.values[key]) - ceiling["deletion_auc"])
            rows.append(
                {**about, "queries": probe.queries.forward_images, "target": name, **like, **shares, "deletion": gap}
            )
        return rows


def _ceiling(halves: float) -> float:
    """Return the correlation of a noise-free map with the full map, given the correlation of the halves; never 0."""
    alike = max(halves, np.finfo(np.float64).eps)
    return float(np.sqrt(2 * alike / (1 + alike)))


def average(rows: Sequence[Row]) -> Row:
    """Return the means over photos and seeds, and the lowest correlation of a photo."""
    means = {
        key: float(np.mean([row[key] for row in rows])) for key in (*LIKE, *(f"of_{key}" for key in LIKE), "deletion")
    }
    photos = {row["photo"] for row in rows}
    worst = min(float(np.mean([row["pearson"] for row in rows if row["photo"] == photo])) for photo in photos)
    return {"queries": round(np.mean([row["queries"] for row in rows])), **means, "worst": worst}


def summarise(
    runs: Mapping[Asked, Sequence[Row]], shares: Sequence[float], size: int, picture: tuple[int, int]
) -> Iterator[Row]:
    """Yield for each share and target a row for the adaptive run and one for the best of its alternatives."""
    for share, target in product(shares, NAMES):
        pays = number(share, size, picture)
        about: Row = {"share": share, "pays": pays, "target": target}
        lines = [
            {**about, "method": asked.method, **average([row for row in runs[asked] if row["target"] == target])}
            for asked in ways(pays, size, picture)
        ]
        if lines:
            yield lines[0]
            yield max(lines[1:], key=lambda line: line["pearson"])
        else:
            yield {**about, "method": f"none, at least {1 + Windows(size, size).covering(*picture)} queries are needed"}


@click.command()
@click.argument("photos", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@classifier_option("efficientnet-lite0")
@click.option("--infill", default="patch-sampler", show_default=True, help="Spec of a stochastic in-fill.")
@click.option("--size", default=8, show_default=True, type=click.IntRange(min=1), help="Side of a window, in pixels.")
@click.option(
    "--truth-stride",
    default=1,
    show_default=True,
    type=click.IntRange(min=1),
    help="Stride of the full map, in pixels.",
)
@samples_option
@click.option(
    "--share",
    "shares",
    multiple=True,
    default=(0.1, 0.3, 1.0, 3.0, 10.0),
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    help="Share of the full map's queries, in per cent; repeatable.",
)
@click.option("--seeds", default=1, show_default=True, type=click.IntRange(min=1), help="Number of seeds per method.")
@cache_option
@runtime_option
@json_option
def main(
    photos: tuple[Path, ...],
    *,
    classifier: str,
    infill: str,
    size: int,
    truth_stride: int,
    truth_samples: int,
    shares: tuple[float, ...],
    seeds: int,
    cache: Path | None,
    runtime: str,
    as_json: bool,
) -> None:
    """Compare adaptive and plain runs of pmi with the full map.

    The comparison is made for several shares of the full map's queries.
    """
    model, plan = seewhy.classifier(classifier), Plan(size, truth_stride, truth_samples)
    if (picture := model.view.size) is None:
        raise click.UsageError(f"expected a classifier with a fixed input size, got {model.name}; give size=")
    asked = dict.fromkeys(way for share in shares for way in ways(number(share, size, picture), size, picture))
    runs: dict[Asked, list[Row]] = {way: [] for way in asked}
    ceilings: list[Row] = []
    for photo in photos:
        method, queries = f"pmi:size={size}", number(100, size, picture)
        subject = Subject.open(photo, model, method=method, infill=infill, runtime=runtime, queries=queries)
        scorer = Scorer(subject, long_run(subject, plan, cache))
        ceilings += (limits := scorer.ceilings())
        for way, seed in product(runs, range(1, seeds + 1)):
            runs[way] += scorer.score(way, seed, limits)
            click.echo(f"{photo.name}: {way.method}, budget {way.budget}, seed {seed}", err=True)
    figures: Row = {
        "benchmark": "pmi_queries",
        "ceilings": ceilings,
        "runs": [row for rows in runs.values() for row in rows],
        "summary": list(summarise(runs, shares, size, picture)),
        "protocol": (
            f"{len(photos)} photos, {model.name}, {model.view.describe()}, in-fill {infill}, windows of {size} × "
            f"{size}; reference: all windows at stride {truth_stride}, {truth_samples} samples, no correction, seed "
            f"{TRUTH_SEED}; shares in per cent of {number(100, size, picture)} queries; {seeds} seeds from 1 on; top: "
            f"overlap of the highest {TOP:.0%}; deletion: absolute difference from the reference's deletion AUC, "
            f"gray, {STEPS} steps, top class; means over photos and seeds, worst: lowest pearson of a photo; for each "
            "share and target the adaptive run and the striding one with the highest pearson; halves: maps from half "
            "of the samples each; ceiling: sqrt(2r / (1 + r)) of their correlation r (Spearman-Brown), for top the "
            "halves' own; of_…: fractions of it, for each photo"
        ),
        **environment(),
    }
    publish(figures, as_json=as_json, unprinted=("runs",))


if __name__ == "__main__":
    main()
