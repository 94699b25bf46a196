"""Do the 95 % intervals cover the converged map, and is the expected correlation of the diagnostics right?

Claims: value ± 1.96 standard errors covers the converged value at 93 to 97 % of the pixels of each photo, and the
expected correlation of the diagnostics equals the measured one.

Protocol: each method is run with seeds from 1 on and compared with a long run with seed 0. For `pmi`, the long run is
the jackknife-corrected mean over every window of ``--truth-stride`` with ``--truth-samples`` in-fills each; for
`occlusion`, it has the same windows and samples; for `rise`, it is a run of ``--truth-budget`` grids. A method with a
stride keeps it. The long run has noise of its own, independent of the other runs: its variance is added to the stated
variance in every comparison. Measures over all pixels: ``inside`` is the fraction with |difference| <= 1.96 sqrt(stated
variance). ``error_ratio`` is the mean squared difference divided by the mean stated variance. ``expected`` is the
correlation with the converged map that the diagnostics predict from the run's own standard errors. ``measured`` is the
correlation with the long run divided by the root of the long run's reliability (Spearman, 1904), so that its noise does
not count against the map. It can exceed 1, mainly when that noise is mostly a common offset, as with `rise`, which
changes no correlation. The figures are means over seeds for each target, and over targets for each photo, with the
lowest and highest ``inside`` of a target; ``in_goal`` counts the photos from 93 to 97 %. Measures of the long runs:
``noise`` is the root mean square of the standard errors divided by the standard deviation of the map; the standard
errors are those of the jackknife, or those the method states. ``halves`` is the same ratio estimated from the
difference of the maps of the two halves of the samples, for `pmi`. ``length`` is the correlation length of the
corrected evidence, in window sides, from windows half a side apart.

``python benchmarks/calibration.py PHOTO... [--method SPEC]... [--infill SPEC]... [--budget QUERIES] [--seeds 5]
[--truth-stride 2] [--truth-samples 8] [--truth-budget 20000] [--cache FOLDER] [--classifier SPEC] [--runtime auto]
[--json]``; the defaults use about 15,700 queries per photo, and 95,048 for the long run, only once with a cache.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import click
import numpy as np
from common import (
    Row,
    classifier_option,
    environment,
    infill_option,
    json_option,
    method_option,
    pairs,
    publish,
    runtime_option,
)
from truths import TRUTH_SEED, Plan, Subject, cache_option, long_run, pearson, samples_option

import seewhy
from seewhy.core.attribution import Attribution, Map, relative_error, reliability

GOAL = (0.93, 0.97)
"""Target range for the fraction of pixels that 95 % intervals cover."""

MEANS = ("inside", "error_ratio", "expected", "measured")


@dataclass(frozen=True)
class Long:
    """The length of the long runs.

    Args:
        stride: stride of the windows, in pixels.
        samples: in-fills per window.
        budget: number of grids of `rise`.
        cache: folder that keeps the long runs of `pmi`; None for no cache.
    """

    stride: int
    samples: int
    budget: int
    cache: Path | None


@dataclass(frozen=True, eq=False)
class Reference:
    """The result of a long run.

    Args:
        values: the map of each target.
        errors: the standard errors of each target; zeros for a deterministic method.
        facts: further figures of each target.
    """

    values: Mapping[str, Map]
    errors: Mapping[str, Map]
    facts: Mapping[str, Row]


def run(subject: Subject, settings: Mapping[str, object], seed: int, budget: int | None = None) -> Attribution:
    """Run the subject's method with these settings."""
    maps: Attribution = subject.request.method.row.run(subject.probe(seed, budget), subject.targets, **settings)
    return maps


def reference(subject: Subject, long: Long) -> Reference:
    """Make the long run of a subject's method."""
    name, settings = subject.request.method.name, dict(subject.request.method.settings)
    stride = settings.get("stride") or long.stride
    if name == "pmi":
        size = settings.get("size", 8)
        if not (isinstance(size, int) and isinstance(stride, int)):
            raise click.UsageError(
                f"expected pmi with one size, got {subject.request.method.spec}; test each size separately"
            )
        return _of_pmi(subject, Plan(size, stride, long.samples), long.cache)
    if name == "occlusion":
        settings |= {"stride": stride, "samples": long.samples}
    elif name == "rise":
        settings |= {"masks": long.budget}
    else:
        raise click.UsageError(
            f"expected pmi, occlusion or rise, got {name}; other methods have no long run in this script"
        )
    maps = run(subject, settings, TRUTH_SEED)
    errors = {key: maps.stderr.get(key, np.zeros_like(values)) for key, values in maps.values.items()}
    return Reference(maps.values, errors, {key: {} for key in errors})


def _of_pmi(subject: Subject, plan: Plan, cache: Path | None) -> Reference:
    """Make the long run of pmi, with its noise estimated from halves and its correlation length."""
    truth = long_run(subject, plan, cache)
    values, first, second = (truth.maps(kind) for kind in ("corrected", "first", "second"))
    errors = {key: np.sqrt(variance) for key, variance in truth.maps("variance").items()}
    halves = {key: relative_error(values[key], (first[key] - second[key]) / 2) for key in truth.keys}
    return Reference(values, errors, {key: {"halves": halves[key], "length": truth.length(key)} for key in truth.keys})


def score(maps: Attribution, long: Reference) -> list[Row]:
    """Compare a run with the long run, for each target."""
    rows: list[Row] = []
    for key, values in maps.values.items():
        true, doubt = long.values[key].astype(np.float64), long.errors[key].astype(np.float64)
        gap, stated = (values - true) ** 2, maps.stderr[key].astype(np.float64) ** 2 + doubt**2
        sure, expected = reliability(true, doubt, predicted=False), maps.reliability(key)
        rows.append(
            {
                "target": key,
                "inside": float((gap <= 1.96**2 * stated).mean()),
                "error_ratio": float(gap.mean() / stated.mean()),
                "expected": None if expected is None else float(np.sqrt(expected)),
                "measured": pearson(values, true) / np.sqrt(sure) if sure > 0 else None,
            }
        )
    return rows


def average(rows: Sequence[Row]) -> Row:
    """Return the means of the figures; None where a value is missing."""
    known = {key: [row[key] for row in rows] for key in MEANS}
    return {key: None if None in values else float(np.mean(values)) for key, values in known.items()}


def of_photo(subject: Subject, about: Row, long: Long, seeds: int, budget: int | None) -> tuple[list[Row], list[Row]]:
    """Evaluate one method on one photo; ``about`` names them.

    Returns:
        One row per target, and one row per target of the long run.
    """
    true = reference(subject, long)
    rows: list[Row] = []
    for seed in range(1, seeds + 1):
        maps = run(subject, subject.request.method.settings, seed, budget)
        if not maps.stderr:
            raise click.UsageError(
                f"expected standard errors from {about['method']}, got none; use at least two samples"
            )
        rows += score(maps, true)
        click.echo(f"{subject.name}: {about['method']}, seed {seed}", err=True)
    keys = list(true.values)
    found = [{**about, "target": key, **average([row for row in rows if row["target"] == key])} for key in keys]
    truths = [
        {**about, "target": key, "noise": relative_error(true.values[key], true.errors[key]), **true.facts[key]}
        for key in keys
    ]
    return found, truths


def summarise(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Average over targets for each photo and over photos for each method; count the photos in the target range."""
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["method"], row["infill"], row["photo"]), []).append(row)
    photos: list[Row] = []
    for (method, infill, photo), some in groups.items():
        inside = [row["inside"] for row in some]
        about = {"photo": photo, "method": method, "infill": infill}
        photos.append({**about, **average(some), "lowest": min(inside), "highest": max(inside)})
    methods: list[Row] = []
    for method, infill in dict.fromkeys((row["method"], row["infill"]) for row in photos):
        own = [row for row in photos if (row["method"], row["infill"]) == (method, infill)]
        good = sum(GOAL[0] <= row["inside"] <= GOAL[1] for row in own)
        methods.append({"method": method, "infill": infill, "photos": len(own), "in_goal": good, **average(own)})
    return photos, methods


@click.command()
@click.argument("photos", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@classifier_option("efficientnet-lite0")
@method_option
@infill_option
@click.option("--budget", type=click.IntRange(min=1), help="Queries per run. Default: the method's own plan.")
@click.option("--seeds", default=5, show_default=True, type=click.IntRange(min=1), help="Number of runs to evaluate.")
@click.option(
    "--truth-stride",
    default=2,
    show_default=True,
    type=click.IntRange(min=1),
    help="Stride of the long runs, in pixels.",
)
@samples_option
@click.option(
    "--truth-budget",
    default=20000,
    show_default=True,
    type=click.IntRange(min=1),
    help="Number of grids in the long run of rise.",
)
@cache_option
@runtime_option
@json_option
def main(
    photos: tuple[Path, ...],
    *,
    classifier: str,
    methods: tuple[str, ...],
    infills: tuple[str, ...],
    budget: int | None,
    seeds: int,
    truth_stride: int,
    truth_samples: int,
    truth_budget: int,
    cache: Path | None,
    runtime: str,
    as_json: bool,
) -> None:
    """Test the coverage of intervals and the expected correlation."""
    model, long = seewhy.classifier(classifier), Long(truth_stride, truth_samples, truth_budget, cache)
    rows: list[Row] = []
    truths: list[Row] = []
    for (method, infill), photo in product(pairs(methods, infills, (("pmi", None),)), photos):
        subject = Subject.open(photo, model, method=method, infill=infill, runtime=runtime, queries=truth_budget)
        about: Row = {"photo": photo.name, "method": method, "infill": infill or subject.request.infill_info.name}
        found, references = of_photo(subject, about, long, seeds, budget)
        rows, truths = rows + found, truths + references
    by_photo, by_method = summarise(rows)
    figures: Row = {
        "benchmark": "calibration",
        "truths": truths,
        "targets": rows,
        "photos": by_photo,
        "methods": by_method,
        "protocol": (
            f"{len(photos)} photos, {model.name}, {model.view.describe()}, {seeds} seeds from 1 on, budget "
            f"{budget or 'of the method'}; long runs with seed {TRUTH_SEED}: windows at stride {truth_stride} unless "
            f"the method has one, {truth_samples} samples, pmi corrected by the jackknife, rise {truth_budget} grids; "
            "inside: fraction of pixels with |difference| <= 1.96 sqrt(stated variance), the long run's variance "
            "included; error_ratio: mean squared difference over mean stated variance; measured: correlation over "
            "the root of the long run's reliability; means over seeds, and for photos over targets, with the lowest "
            f"and highest target; in_goal: photos from {GOAL[0]:.0%} to {GOAL[1]:.0%}; noise, halves: standard errors "
            "of the long run over its standard deviation; length: correlation length in window sides"
        ),
        **environment(),
    }
    publish(figures, as_json=as_json)


if __name__ == "__main__":
    main()
