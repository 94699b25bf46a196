"""``seewhy region``: the smallest regions behind a saved map."""

import json
from pathlib import Path
from typing import Any

import click

from seewhy.cli.progress import bars
from seewhy.runs.explanation import load
from seewhy.runs.region import region as find


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--target", "targets", multiple=True, help="Class name or index, or contrast:a/b; repeatable.")
@click.option("--infill", default="gray", show_default=True, help="Spec; it must fill holes of any size.")
@click.option("--budget", type=int, help="Queries at most.")
@click.option("--tile", type=click.IntRange(min=1), default=16, show_default=True, help="Side of a tile, pixels.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the in-fills.")
@click.option("--classifier", help="The one that was explained, if its name is not its Spec.")
@click.option("--trust", is_flag=True, help="Allow a Spec that runs code from a file.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@click.option("--quiet", is_flag=True, help="No progress and no text.")
def region(
    folder: Path,
    targets: tuple[str, ...],
    classifier: str | None,
    *,
    as_json: bool,
    quiet: bool,
    **options: Any,  # noqa: ANN401
) -> int:
    """Find what part of the picture alone keeps the answer, in the order of the map in DIR, and without what it changes."""
    explanation = load(folder)
    spec = classifier or explanation.manifest["classifier"]["spec"]
    with bars(quiet=quiet or as_json) as watch:
        found = find(spec, explanation, targets or None, progress=watch("region"), **options)
    found.save(folder)
    if as_json:
        click.echo(json.dumps({**found.record, "folder": str(folder)}, ensure_ascii=False, allow_nan=False))
    elif not quiet:
        click.echo("\n".join([*found.record["findings"], f"picture: {folder}/region.png"]))
    return 0
