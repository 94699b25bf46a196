"""``seewhy compare``: benchmark methods on a folder of images."""

import json
from itertools import groupby
from pathlib import Path
from typing import Unpack

import click
from rich.console import Console

from seewhy.benchmark.run import compare as run_benchmark
from seewhy.classifiers.tuning import no_log
from seewhy.cli.options import (
    DONE,
    INTERRUPTED,
    SOME_FAILED,
    WRONG,
    ClassifierOptions,
    RunOptions,
    classifier_option,
    limit_option,
    list_option,
    out_option,
    run_options,
    source_argument,
)
from seewhy.cli.progress import bars, messages
from seewhy.cli.tables import benchmark_table
from seewhy.results.benchmark import BenchmarkResult, flat


class _Options(ClassifierOptions, RunOptions):
    """What the benchmark takes as it is."""

    limit: int | None
    only: Path | None
    images: int
    max_megapixels: float


@click.command()
@source_argument
@click.option(
    "--method",
    "methods",
    multiple=True,
    help="Spec, optionally with @INFILL; repeatable. The others are compared with the first.",
)
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    help="Spec; repeatable. Default: insertion and deletion, and with boxes pointing and energy-in-box.",
)
@classifier_option
@limit_option
@list_option
@click.option(
    "--images", type=click.IntRange(min=0), default=20, show_default=True, help="Draw the maps of this many images."
)
@run_options
@out_option("seewhy-benchmark", "Folder of the benchmark: a new one, or that of an earlier run to resume.")
def compare(
    source: Path,
    *,
    methods: tuple[str, ...],
    metrics: tuple[str, ...],
    out: Path,
    as_json: bool,
    quiet: bool,
    **options: Unpack[_Options],
) -> int:
    """Benchmark methods on a folder of images.

    SOURCE is a folder of images, optionally with labels.csv. Each image is explained by every method and each map is scored by
    every metric; an interrupted run resumes.
    """
    try:
        with bars(quiet=quiet, unit="tasks") as watch:
            result = run_benchmark(
                source=source,
                methods=methods,
                metrics=metrics or None,
                out=out,
                progress=watch("compare"),
                log=no_log if quiet else messages.print,
                **options,
            )
    except KeyboardInterrupt:
        messages.print(f"interrupted: what was finished is in {out}; run the same command to resume")
        return INTERRUPTED
    return _show(result, quiet=quiet, as_json=as_json)


def _show(result: BenchmarkResult, *, quiet: bool, as_json: bool) -> int:
    """Print the tables, what to know about them, and what went wrong."""
    for warning in result.warnings:
        click.echo(f"warning: {warning}", err=True)
    if as_json:
        click.echo(json.dumps(_facts(result), ensure_ascii=False, allow_nan=False))
    elif not quiet:
        for metric, rows in groupby(result.summary, lambda row: row.metric):
            Console(highlight=False).print(benchmark_table(list(rows), metric))
        click.echo(f"tables, quality.png and images: {result.folder}")
    for row in result.failures:
        click.echo(f"error: {' · '.join(filter(None, (row.image, row.method, row.metric)))}: {row.error}", err=True)
    if result.failures:
        return SOME_FAILED if any(not row.error for row in result.rows) else WRONG
    return DONE


def _facts(result: BenchmarkResult) -> dict[str, object]:
    """Return the result as plain data."""
    names = ("image", "method", "metric", "error")
    return {
        "folder": str(result.folder),
        "summary": [flat(row) for row in result.summary],
        "failures": [{name: getattr(row, name) for name in names} for row in result.failures],
        "warnings": list(result.warnings),
    }
