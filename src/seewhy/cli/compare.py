"""``seewhy compare``: benchmark methods on a folder of images."""

from itertools import groupby
from pathlib import Path
from typing import Unpack

import click

from seewhy.benchmark.run import compare as run_benchmark
from seewhy.classifiers.tuning import no_log
from seewhy.cli import options
from seewhy.cli.progress import bars, messages, show, warn
from seewhy.cli.tables import benchmark_table
from seewhy.results.benchmark import BenchmarkResult, flat
from seewhy.results.codec import JsonObject


@click.command()
@options.source_argument
@options.repeatable_option(
    "--method",
    "methods",
    "SPEC",
    "Compare this method, optionally as SPEC@INFILL. The others are compared with the first.",
)
@options.repeatable_option(
    "--metric",
    "metrics",
    "SPEC",
    "Score with this metric. Default: insertion and deletion, and pointing and energy-in-box where there are boxes.",
)
@options.classifier_option
@options.subset_options
@options.count_option("--images", 20, "Draw the maps of N images.", least=0)
@options.run_options
@options.out_option("seewhy-benchmark", "Write to this folder: a new one, or that of an earlier run to resume.")
def compare(
    source: Path,
    *,
    methods: tuple[str, ...],
    metrics: tuple[str, ...],
    images: int,
    out: Path,
    as_json: bool,
    quiet: bool,
    **settings: Unpack[options.FolderOptions],
) -> int:
    """Benchmark methods on a folder of images.

    Every method explains each image, and every metric scores each map. An interrupted run resumes. SOURCE is a folder of
    images, optionally with labels.csv.
    """
    try:
        with bars(quiet=quiet, unit="tasks") as watch:
            result = run_benchmark(
                source=source,
                methods=methods,
                metrics=metrics or None,
                images=images,
                out=out,
                progress=watch("compare"),
                log=no_log if quiet else messages.print,
                **settings,
            )
    except KeyboardInterrupt:
        messages.print(f"interrupted: what was finished is in {out}; run the same command to resume")
        return options.INTERRUPTED
    warn(result.warnings)
    tables = [benchmark_table(list(rows), metric) for metric, rows in groupby(result.summary, lambda row: row.metric)]
    where = f"tables, quality.png and images: {result.folder}"
    show(_facts(result), *tables, where, as_json=as_json, quiet=quiet)
    warn(
        (f"{' · '.join(filter(None, (row.image, row.method, row.metric)))}: {row.error}" for row in result.failures),
        "error",
    )
    if result.failures:
        return options.SOME_FAILED if any(not row.error for row in result.rows) else options.WRONG
    return options.DONE


def _facts(result: BenchmarkResult) -> JsonObject:
    """Return the result as plain data."""
    return {
        "folder": str(result.folder),
        "summary": [flat(row) for row in result.summary],
        "failures": [
            {"image": row.image, "method": row.method, "metric": row.metric, "error": row.error}
            for row in result.failures
        ],
        "warnings": list(result.warnings),
    }
