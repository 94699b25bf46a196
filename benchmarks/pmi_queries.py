"""How near does `pmi` come to the full map of the paper with a small share of its queries?

Claims: choosing windows coarse to fine and predicting the rest (`pmi` without a stride) comes nearer to the full map than striding
with as many queries; a few per cent of the queries give most of what its noise leaves.

Protocol: the truth is the full map in the paper's setting: every window of ``--truth-stride``, ``--truth-samples`` in-fills each,
no correction, means over the covering windows; seed 0. A stride above 1 favours rivals with the same one. A share is of windows
at stride 1 times 8 samples: 376,712 queries for 8 × 8 windows at 224 × 224. For each share and each seed from 1 on, with the usual
targets: ``pmi:size=8`` with this budget, and ``pmi:size=8,stride=s,samples=n,correction=none`` for s = size, size/2, …, 1 and the
largest n up to 8 that the number pays (``queries``: what was asked); of these only the one with the highest mean Pearson correlation
is printed, for each target its own.
Figures, means over photos and seeds, for the evidence for the top class and for the information: ``pearson``, ``rank`` (Spearman),
``top`` (shared part of the highest 5 % of pixels), and ``deletion``: the absolute difference to the truth's deletion AUC (RISE, BMVC
2018: pixels turn gray, the data set's mean colour, in order of falling value, in 28 steps, 1,792 pixels each at 224 × 224; trapezoids
under the probability of the top class). ``worst`` is the lowest Pearson correlation of a photo (mean over seeds).
Ceilings: a full map has noise of its own. ``halves``: correlation of the maps from the first and the second half of the samples;
``ceiling``: sqrt(2r / (1 + r)) of it (Spearman, Brown, 1910), what a map without any noise would have with the full map; for the
shared part of the highest pixels, where that formula says nothing, the halves' own, at least the 5 % of chance, which more samples
can exceed. ``of_…`` are shares of the ceiling, photo by photo.

``python benchmarks/pmi_queries.py PHOTO... [--share PERCENT]... [--size 8] [--truth-stride 1] [--truth-samples 8] [--seeds 1]
[--cache FOLDER] [--classifier SPEC] [--infill SPEC] [--runtime auto] [--json]``; the defaults ask about 376,712 queries a photo for
the truth, once where there is a cache, and 137,000 a photo and seed.
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
from seewhy.core.features import Windows
from seewhy.core.maps import Map, Maps
from seewhy.core.probe import Probe
from seewhy.core.ranks import spearman

SAMPLES = 8
"""In-fills a window in the paper's setting."""

STEPS = 28
"""In which the pixels are deleted."""

LIKE = ("pearson", "rank", "top")
"""Figures that have a ceiling."""

NAMES = ("class", "information")
"""Targets that are judged; the class is the likeliest."""


@dataclass(frozen=True)
class Asked:
    """A way to spend a number of queries.

    Args:
        method: Spec.
        budget: queries; None where the Spec says it all.
    """

    method: str
    budget: int | None = None


def number(share: float, size: int, picture: tuple[int, int]) -> int:
    """Count the queries of a share, in per cent."""
    return round(share / 100 * SAMPLES * len(Windows(size, 1).positions(*picture)))


def ways(queries: int, size: int, picture: tuple[int, int]) -> list[Asked]:
    """List the ways to spend so many queries: none where they do not cover the picture."""
    if queries <= Windows(size, size).covering(*picture):
        return []
    found = [Asked(f"pmi:size={size}", queries)]
    for stride in (size >> level for level in range(size.bit_length())):
        samples = min(SAMPLES, (queries - 1) // len(Windows(size, stride).positions(*picture)))
        if samples > 0:
            found.append(Asked(f"pmi:size={size},stride={stride},samples={samples},correction=none"))
    return found


def likeness(found: Map, truth: Map) -> Row:
    """Hold a map against another one."""
    shared = (highest(found) & highest(truth)).sum() / highest(truth).sum()
    return {"pearson": pearson(found, truth), "rank": spearman(found, truth) or 0.0, "top": float(shared)}


def deletion_auc(probe: Probe, values: Map, index: int) -> float:
    """Delete the pixels in order of falling value and measure the area under a class's probability, 0 to 1; 29 queries."""
    turn = np.empty(values.size, np.int64)
    turn[np.argsort(-values, axis=None, kind="stable")] = np.arange(values.size)
    gone = np.arange(STEPS + 1) * values.size // STEPS
    keep = torch.from_numpy(turn >= gone[:, None]).float().view(-1, *values.shape)
    seeds = torch.zeros(len(keep), dtype=torch.int64, device=probe.image.device)
    answers = probe(keep.to(probe.image.device), seeds)[:, index]
    return float(np.trapezoid(answers.cpu().numpy(), gone / values.size))


@dataclass(frozen=True, eq=False)
class Judge:
    """Holds maps against the truth.

    Args:
        subject: the photo.
        truth: its long run.
    """

    subject: Subject
    truth: Truth

    @cached_property
    def gray(self) -> Probe:
        """Asks about what is left when pixels turn gray."""
        infill = registry.infill("gray", self.subject.request.classifier)[1]
        return replace(self.subject.probe(TRUTH_SEED), infill=infill)

    @property
    def keys(self) -> dict[str, str]:
        """What the truth calls each of `NAMES`."""
        return {"class": f"class:{int(self.gray.prediction.argmax())}", "information": "information"}

    def deletion(self, values: Map) -> float:
        """The area under the deletion curve of the top class."""
        return deletion_auc(self.gray, values, int(self.gray.prediction.argmax()))

    def ceilings(self) -> list[Row]:
        """Say for each target how much a map without noise can have in common with the truth."""
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

    def judge(self, asked: Asked, seed: int, ceilings: Sequence[Row]) -> list[Row]:
        """Spend the queries and hold the maps against the truth."""
        probe, (_, found, settings) = self.subject.probe(seed, asked.budget), registry.method(asked.method)
        maps: Maps = found.run(probe, self.subject.targets, **settings)
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
    """What a map without noise would have in common with the whole, given what its halves have; never 0."""
    alike = max(halves, np.finfo(np.float64).eps)
    return float(np.sqrt(2 * alike / (1 + alike)))


def average(rows: Sequence[Row]) -> Row:
    """Take means over photos and seeds, and the worst photo's correlation."""
    means = {
        key: float(np.mean([row[key] for row in rows])) for key in (*LIKE, *(f"of_{key}" for key in LIKE), "deletion")
    }
    photos = {row["photo"] for row in rows}
    worst = min(float(np.mean([row["pearson"] for row in rows if row["photo"] == photo])) for photo in photos)
    return {"queries": round(np.mean([row["queries"] for row in rows])), **means, "worst": worst}


def summarise(
    runs: Mapping[Asked, Sequence[Row]], shares: Sequence[float], size: int, picture: tuple[int, int]
) -> Iterator[Row]:
    """For each share and target give a line for the adaptive run and one for the best of its rivals."""
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
            yield {**about, "method": f"none, {1 + Windows(size, size).covering(*picture)} are the fewest"}


@click.command()
@click.argument("photos", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@classifier_option("efficientnet-lite0")
@click.option("--infill", default="patch-sampler", show_default=True, help="Spec; a random one.")
@click.option("--size", default=8, show_default=True, type=click.IntRange(min=1), help="Side of a window, pixels.")
@click.option("--truth-stride", default=1, show_default=True, type=click.IntRange(min=1), help="Of the full map.")
@samples_option
@click.option(
    "--share",
    "shares",
    multiple=True,
    default=(0.1, 0.3, 1.0, 3.0, 10.0),
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    help="Per cent of the full map's queries; repeatable.",
)
@click.option("--seeds", default=1, show_default=True, type=click.IntRange(min=1), help="Runs of each kind.")
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
    """Print how near adaptive and plain runs come to the full map, by the share of its queries that they ask."""
    door, plan = seewhy.classifier(classifier), Plan(size, truth_stride, truth_samples)
    if (picture := door.view.size) is None:
        raise click.UsageError(f"expected a classifier with an input of one size, got {door.name}")
    asked = dict.fromkeys(way for share in shares for way in ways(number(share, size, picture), size, picture))
    runs: dict[Asked, list[Row]] = {way: [] for way in asked}
    ceilings: list[Row] = []
    for photo in photos:
        method, queries = f"pmi:size={size}", number(100, size, picture)
        subject = Subject.open(photo, door, method=method, infill=infill, runtime=runtime, queries=queries)
        judge = Judge(subject, long_run(subject, plan, cache))
        ceilings += (limits := judge.ceilings())
        for way, seed in product(runs, range(1, seeds + 1)):
            runs[way] += judge.judge(way, seed, limits)
            click.echo(f"{photo.name}: {way.method}, budget {way.budget}, seed {seed}", err=True)
    figures: Row = {
        "benchmark": "pmi_queries",
        "ceilings": ceilings,
        "runs": [row for rows in runs.values() for row in rows],
        "summary": list(summarise(runs, shares, size, picture)),
        "protocol": (
            f"{len(photos)} photos, {door.name}, {door.view.describe()}, in-fill {infill}, windows of {size} × {size}; truth: all "
            f"windows at stride {truth_stride}, {truth_samples} samples, no correction, seed {TRUTH_SEED}; shares in per cent of "
            f"{number(100, size, picture)} queries; {seeds} seeds from 1 on; top: shared part of the highest {TOP:.0%}; deletion: absolute "
            f"difference to the truth's deletion AUC, gray, {STEPS} steps, top class; means over photos and seeds, worst: lowest "
            "pearson of a photo; of each share and target the adaptive run and the striding one with the highest pearson; "
            "halves: maps from half of the samples each; ceiling: sqrt(2r / (1 + r)) of their correlation r (Spearman-Brown), for top "
            "the halves' own; of_…: shares of it, photo by photo"
        ),
        **environment(),
    }
    publish(figures, as_json=as_json, unprinted=("runs",))


if __name__ == "__main__":
    main()
