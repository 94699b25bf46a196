"""``seewhy compare-infills``: how far does the map depend on the in-fill?"""

from pathlib import Path
from typing import Unpack

import click

from seewhy.cli import options
from seewhy.cli.images import work_through
from seewhy.cli.progress import Watch
from seewhy.cli.tables import agreement_table
from seewhy.core.budget import Budget
from seewhy.explaining.compare_infills import InfillComparison, compare_variants, prepare_variants, to_check
from seewhy.explaining.prepared import PreparedClassifier, Viewed
from seewhy.images.levels import Window
from seewhy.images.sources import list_images
from seewhy.results.folder import claim
from seewhy.results.infill_comparison import FILE


@click.command("compare-infills")
@options.images_argument
@options.classifier_option
@options.method_option
@options.targets_option
@options.repeatable_option(
    "--infill", "infills", "SPEC", "Compare this in-fill with others; name two or more. Default: five common in-fills."
)
@click.option(
    "--budget", metavar="N", type=int, help="Use at most N queries per in-fill, the unmodified image included."
)
@options.window_option
@options.run_options
@options.out_option("seewhy-compared")
def compare_infills(
    images: tuple[Path, ...],
    *,
    method: str,
    targets: tuple[str, ...],
    infills: tuple[str, ...],
    budget: int | None,
    max_megapixels: float,
    window: Window | None,
    out: Path,
    as_json: bool,
    quiet: bool,
    **settings: Unpack[options.RunOptions],
) -> int:
    """Compare the maps of several in-fills.

    Each IMAGE is explained with every in-fill, with the same windows removed. Where the maps agree, the in-fill does not matter.
    """
    paths = list_images(images)
    folders = claim(out, paths, FILE)
    variants = prepare_variants(
        method=method, infills=infills or None, budget=Budget(budget), targets=targets or None, **settings
    )

    def work(viewed: Viewed, prepared: PreparedClassifier, watch: Watch) -> InfillComparison:
        name = viewed.opened.name
        return compare_variants(variants, viewed, prepared=prepared, watch=lambda title: watch(f"{name} · {title}"))

    return work_through(
        dict(zip(folders, paths, strict=True)),
        variants[0].request,
        work,
        lambda result, folder: [agreement_table(result.record), f"image: {folder}/comparison.png"],
        together=to_check(variants),
        max_megapixels=max_megapixels,
        window=window,
        as_json=as_json,
        quiet=quiet,
    )
