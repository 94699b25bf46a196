"""``seewhy explain``: which parts of an image drive the prediction?"""

from pathlib import Path
from typing import Unpack

import click
from rich.table import Table

from seewhy.cli.images import Job, Output, work_through
from seewhy.cli.options import (
    ClassifierOptions,
    RunOptions,
    classifier_option,
    images_argument,
    infill_option,
    method_option,
    out_option,
    run_options,
    targets_option,
)
from seewhy.cli.progress import Watch
from seewhy.cli.tables import explanation_table, faithfulness_table
from seewhy.core.budget import Budget
from seewhy.explaining.explain import explain_viewed
from seewhy.explaining.explanation import FILE, Explanation
from seewhy.explaining.prepared import PreparedClassifier, Viewed
from seewhy.explaining.request import prepare
from seewhy.images.sources import list_images
from seewhy.results.folder import claim


class _Options(ClassifierOptions, RunOptions):
    """What the request takes as it is."""

    method: str
    infill: str | None
    check_infill: bool


@click.command()
@images_argument
@classifier_option
@method_option
@targets_option
@infill_option()
@click.option("--budget", type=int, help="Maximum number of queries, the unmodified image included.")
@click.option("--seconds", type=float, help="Time limit; the smallest plan that covers the image is always finished.")
@click.option(
    "--tolerance",
    type=float,
    help="Stop once the standard error is at most this fraction of the map's standard deviation.",
)
@click.option("--check-infill", is_flag=True, help="Ask again with two other in-fills and compare the maps.")
@click.option("--check/--no-check", default=True, help="Compare the map with random regions; takes 45 queries.")
@run_options
@out_option("seewhy-out")
def explain(
    images: tuple[Path, ...],
    *,
    targets: tuple[str, ...],
    budget: int | None,
    seconds: float | None,
    tolerance: float | None,
    check: bool,
    max_megapixels: float,
    out: Path,
    as_json: bool,
    quiet: bool,
    **options: Unpack[_Options],
) -> int:
    """Explain images: what drove the prediction?

    Each IMAGE (a file, or a folder of images) gets a folder of its own under --out with the maps, a record, an overview and a
    report to open in a browser.
    """
    paths = list_images(images)
    folders = claim(out, paths, FILE)
    limits = Budget(budget, seconds, tolerance)
    request = prepare(budget=limits, targets=targets or None, check=check, **options)

    def work(viewed: Viewed, prepared: PreparedClassifier, watch: Watch) -> Explanation:
        return explain_viewed(request, viewed, prepared=prepared, progress=watch(viewed.picture.name))

    job = Job(request, work, _tables, lambda result: result.findings, "report: {}/report.html")
    output = Output(as_json=as_json, quiet=quiet)
    return work_through(job, dict(zip(folders, paths, strict=True)), max_megapixels=max_megapixels, output=output)


def _tables(result: Explanation) -> list[Table]:
    """Tabulate the targets, and the check against random regions."""
    check = result.record.diagnostics.faithfulness
    return [explanation_table(result.record), *([] if check is None else [faithfulness_table(check)])]
