"""``seewhy explain``: which parts of an image drive the prediction?"""

from pathlib import Path
from typing import Unpack

import click
from rich.table import Table

from seewhy.cli import options
from seewhy.cli.images import work_through
from seewhy.cli.progress import Watch
from seewhy.cli.tables import explanation_table, faithfulness_table
from seewhy.core.budget import Budget
from seewhy.explaining.explain import explain_viewed
from seewhy.explaining.explanation import FILE, Explanation
from seewhy.explaining.prepared import PreparedClassifier, Viewed
from seewhy.explaining.request import prepare
from seewhy.images.levels import Window
from seewhy.images.sources import list_images
from seewhy.results.folder import claim


class _Options(options.RunOptions):
    """What the request takes as it is."""

    method: str
    infill: str | None
    check: bool
    check_infill: bool


@click.command()
@options.images_argument
@options.classifier_option
@options.method_option
@options.targets_option
@options.infill_option()
@click.option("--budget", metavar="N", type=int, help="Use at most N queries, the unmodified image included.")
@click.option(
    "--seconds",
    metavar="S",
    type=float,
    help="Stop after S seconds, once the smallest plan that covers the image is done.",
)
@click.option(
    "--tolerance",
    metavar="X",
    type=float,
    help="Stop once the standard error is at most X times the map's standard deviation.",
)
@click.option("--check-infill", is_flag=True, help="Ask again with two other in-fills, and compare the maps.")
@click.option(
    "--check/--no-check", default=True, help="Compare the map with random regions. This takes 45 more queries."
)
@options.window_option
@options.run_options
@options.out_option("seewhy-out")
def explain(
    images: tuple[Path, ...],
    *,
    targets: tuple[str, ...],
    budget: int | None,
    seconds: float | None,
    tolerance: float | None,
    max_megapixels: float,
    window: Window | None,
    out: Path,
    as_json: bool,
    quiet: bool,
    **settings: Unpack[_Options],
) -> int:
    """Explain which parts of images drive the prediction.

    An IMAGE is a file, or a folder of images. Each image gets a folder of its own under --out, with the maps, a record, an
    overview, and a report to open in a browser.
    """
    paths = list_images(images)
    folders = claim(out, paths, FILE)
    request = prepare(budget=Budget(budget, seconds, tolerance), targets=targets or None, **settings)

    def work(viewed: Viewed, prepared: PreparedClassifier, watch: Watch) -> Explanation:
        return explain_viewed(request, viewed, prepared=prepared, progress=watch(viewed.opened.name))

    return work_through(
        dict(zip(folders, paths, strict=True)),
        request,
        work,
        _readable,
        max_megapixels=max_megapixels,
        window=window,
        as_json=as_json,
        quiet=quiet,
    )


def _readable(result: Explanation, folder: Path) -> list[Table | str]:
    """Return the targets, the check against random regions, the findings, and where the report is."""
    check = result.record.diagnostics.faithfulness
    tables = [explanation_table(result.record), *([] if check is None else [faithfulness_table(check)])]
    return [*tables, *result.findings, f"report: {folder}/report.html"]
