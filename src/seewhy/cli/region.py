"""``seewhy region``: the smallest regions behind a saved map."""

import json
from pathlib import Path
from typing import TypedDict, Unpack

import click

from seewhy.cli.options import (
    DONE,
    device_option,
    infill_option,
    json_option,
    quiet_option,
    result_argument,
    saved_classifier_option,
    seed_option,
    trust_option,
)
from seewhy.cli.progress import bars
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
@result_argument
@click.option("--target", "targets", multiple=True, help="Class name or index, or contrast:A/B; repeatable.")
@infill_option("gray", "Spec of the in-fill; it must fill holes of any size.")
@click.option("--budget", type=int, help="Maximum number of queries.")
@click.option("--tile", type=click.IntRange(min=1), default=16, show_default=True, help="Side of a tile, pixels.")
@seed_option
@saved_classifier_option
@device_option
@trust_option
@json_option
@quiet_option
def region(
    folder: Path,
    *,
    targets: tuple[str, ...],
    classifier: str | None,
    as_json: bool,
    quiet: bool,
    **options: Unpack[_Options],
) -> int:
    """Find the smallest sufficient and necessary regions.

    The search follows the order of the saved map in DIR: the smallest region that alone keeps the prediction, and the smallest
    whose removal changes it. region.png and region.json are added to DIR.
    """
    explanation = load(folder, Explanation)
    with bars(quiet=quiet or as_json) as watch:
        found = find_region(classifier, explanation, targets or None, progress=watch("region"), **options)
    found.save(folder)
    if as_json:
        facts = {**to_json(found.record), "folder": str(folder)}
        click.echo(json.dumps(facts, ensure_ascii=False, allow_nan=False))
    elif not quiet:
        click.echo("\n".join([*found.record.findings, f"image: {folder}/region.png"]))
    return DONE
