"""``seewhy compare``: several methods on many pictures, judged by several metrics."""

import json
from itertools import groupby
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from seewhy import registry
from seewhy.classifiers.tuning import no_log
from seewhy.cli.options import how
from seewhy.cli.progress import bars, messages
from seewhy.draw.contest import standings_table
from seewhy.runs.contest import Standings
from seewhy.runs.contest import compare as contest
from seewhy.runs.contest_table import flat

_DONE, _WRONG, _SOME_FAILED, _INTERRUPTED = 0, 2, 3, 130


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "--method",
    "methods",
    multiple=True,
    help="Spec, perhaps with @INFILL; repeatable; the others are held against the first.",
)
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    help="Spec; repeatable. Left out: insertion and deletion, with boxes also pointing and energy-in-box.",
)
@click.option(
    "--classifier",
    default=registry.DEFAULT_CLASSIFIER,
    show_default=True,
    help="Spec, or a file.onnx, or module:attribute.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Only the first so many pictures.")
@click.option("--list", "only", type=click.Path(path_type=Path), help="Text file: names of the pictures, one a line.")
@click.option(
    "--pictures", type=click.IntRange(min=0), default=20, show_default=True, help="Draw the maps of so many pictures."
)
@how
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("seewhy-contest"),
    show_default=True,
    help="Folder of the contest: a new one, or that of an earlier run to go on with.",
)
def compare(source: Path, *, quiet: bool, as_json: bool, out: Path, **asked: Any) -> int:  # noqa: ANN401 - click's own types
    """Explain every picture of SOURCE by several methods, judge the maps by several metrics, and say who does better.

    SOURCE is a folder of pictures, perhaps with labels.csv. A run that was broken off goes on where it was.
    """
    methods, metrics = asked.pop("methods"), asked.pop("metrics") or None
    try:
        with bars(quiet=quiet, unit="tasks") as watch:
            log = no_log if quiet else messages.print
            found = contest(
                asked.pop("classifier"),
                source,
                methods,
                metrics=metrics,
                out=out,
                progress=watch("compare"),
                log=log,
                **asked,
            )
    except KeyboardInterrupt:
        messages.print(f"interrupted; what was finished is in {out}: the same command goes on from there")
        return _INTERRUPTED
    return _show(found, quiet=quiet, as_json=as_json)


def _show(found: Standings, *, quiet: bool, as_json: bool) -> int:
    """Print the tables, what to know about them, and what went wrong."""
    lines = [flat(line) for line in found.lines]
    for warning in found.warnings:
        click.echo(f"warning: {warning}", err=True)
    if as_json:
        failures = [
            {name: getattr(row, name) for name in ("image", "method", "metric", "error")} for row in found.failures
        ]
        facts = {"folder": str(found.folder), "lines": lines, "failures": failures, "warnings": list(found.warnings)}
        click.echo(json.dumps(facts, ensure_ascii=False, allow_nan=False))
    elif not quiet:
        for metric, group in groupby(lines, lambda line: str(line["metric"])):
            Console(highlight=False).print(standings_table(list(group), metric))
        click.echo(f"tables, quality.png and pictures: {found.folder}")
    for row in found.failures:
        click.echo(f"error: {' · '.join(filter(None, (row.image, row.method, row.metric)))}: {row.error}", err=True)
    if found.failures:
        return _SOME_FAILED if any(not row.error for row in found.rows) else _WRONG
    return _DONE
