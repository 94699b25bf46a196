"""``seewhy compare-infills``: how far does the map depend on the in-fill?"""

from pathlib import Path
from typing import Unpack

import click

from seewhy.cli.images import Job, Output, work_through
from seewhy.cli.options import (
    ClassifierOptions,
    RunOptions,
    classifier_option,
    images_argument,
    method_option,
    out_option,
    run_options,
    targets_option,
)
from seewhy.cli.progress import Watch
from seewhy.cli.tables import agreement_table
from seewhy.core.budget import Budget
from seewhy.explaining.compare_infills import compare_variants, prepare_variants
from seewhy.explaining.infill_comparison import InfillComparison
from seewhy.explaining.prepared import PreparedClassifier, Viewed
from seewhy.images.sources import list_images
from seewhy.results.folder import claim
from seewhy.results.infill_comparison import FILE


class _Options(ClassifierOptions, RunOptions):
    """What the comparison takes as it is."""

    method: str


@click.command("compare-infills")
@images_argument
@classifier_option
@method_option
@targets_option
@click.option("--infill", "infills", multiple=True, help="Spec; give two or more. Default: five common ones.")
@click.option("--budget", type=int, help="Maximum number of queries per in-fill, the unmodified image included.")
@run_options
@out_option("seewhy-compared")
def compare_infills(
    images: tuple[Path, ...],
    *,
    targets: tuple[str, ...],
    infills: tuple[str, ...],
    budget: int | None,
    max_megapixels: float,
    out: Path,
    as_json: bool,
    quiet: bool,
    **options: Unpack[_Options],
) -> int:
    """Compare the maps of several in-fills.

    Each IMAGE is explained with every in-fill, and the same windows are asked about. Where the maps agree, the in-fill does not
    matter.
    """
    paths = list_images(images)
    folders = claim(out, paths, FILE)
    variants = prepare_variants(infills=infills or None, budget=Budget(budget), targets=targets or None, **options)

    def work(viewed: Viewed, prepared: PreparedClassifier, watch: Watch) -> InfillComparison:
        name = viewed.picture.name
        return compare_variants(variants, viewed, prepared=prepared, watch=lambda title: watch(f"{name} · {title}"))

    job = Job(
        variants[0].request,
        work,
        lambda result: [agreement_table(result.record)],
        lambda _: (),
        "image: {}/comparison.png",
    )
    output = Output(as_json=as_json, quiet=quiet)
    return work_through(job, dict(zip(folders, paths, strict=True)), max_megapixels=max_megapixels, output=output)
