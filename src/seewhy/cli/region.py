"""``seewhy region``: the smallest regions behind a saved map."""

from pathlib import Path
from typing import TypedDict, Unpack

import click

from seewhy.cli import options
from seewhy.cli.progress import bars, show
from seewhy.explaining.explanation import Explanation
from seewhy.explaining.load import load
from seewhy.explaining.region import region as find_region
from seewhy.results.codec import to_json


class _Options(TypedDict):
    """What the search takes as it is."""

    infill: str
    budget: int | None
    tile: int
    seed: int
    device: str | None
    trust: bool


@click.command()
@options.result_argument
@options.repeatable_option(
    "--target", "targets", "T", "Find the regions of this class (name or index) or contrast:A/B."
)
@options.infill_option("gray", "Fill removed parts with this in-fill. It must fill holes of any size.")
@click.option("--budget", metavar="N", type=int, help="Use at most N queries.")
@options.count_option("--tile", 16, "Use tiles with a side of N pixels.")
@options.seed_option
@options.saved_classifier_option
@options.device_option
@options.trust_option
@options.output_options
def region(
    folder: Path,
    *,
    targets: tuple[str, ...],
    classifier: str | None,
    as_json: bool,
    quiet: bool,
    **settings: Unpack[_Options],
) -> None:
    """Find the smallest sufficient and necessary regions.

    The search follows the order of the saved map in DIR. It finds the smallest region that alone keeps the prediction, and the
    smallest whose removal changes it. region.png and region.json are added to DIR.
    """
    explanation = load(folder, Explanation)
    with bars(quiet=quiet or as_json) as watch:
        found = find_region(classifier, explanation, targets or None, progress=watch("region"), **settings)
    found.save(folder)
    facts = {**to_json(found.record), "folder": str(folder)}
    show(facts, *found.record.findings, f"image: {folder}/region.png", as_json=as_json, quiet=quiet)
