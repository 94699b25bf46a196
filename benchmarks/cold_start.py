"""How long does it take from the command to the report, with all defaults?

Claim: at most 15 s on two idle CPU cores, for the first run as well as later ones.

Protocol: ``seewhy explain PHOTO --quiet`` runs as a fresh process, first with an empty cache (``cold``), then with the
cache which that run left (``warm``), repeatedly. ``total`` is the wall time from before the process starts until it has
ended. It is the sum of the other columns: ``start`` until the imports are done; ``opening`` for the classifier and the
in-fill; ``preparing`` for the classifier checks and the choice of the runtime; ``explaining``, the seconds in the record;
``checks`` for the in-fills drawn again for the report and the comparison with random regions; ``drawing`` for the
overview, the report and the files; ``rest`` for everything between and after. The figures are medians over repeats,
with the lowest and highest total. The operating system's file cache is warm from the second run on.

``python benchmarks/cold_start.py PHOTO [--repeats 5] [--option=--method=occlusion]... [--json]``; each ``--option`` is
passed to the command.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
import stages
from common import Row, environment, json_option, publish

CLAIMED = 15.0
"""Largest total time, in seconds."""


def once(photo: Path, out: Path, cache: Path, options: Sequence[str]) -> Row:
    """Run the command as a fresh process, and break down its time."""
    asked = [sys.executable, stages.__file__, "explain", str(photo), "--out", str(out), "--quiet", *options]
    began = time.time()
    process = subprocess.run(  # noqa: S603 - our own command
        asked, env={**os.environ, "SEEWHY_CACHE": str(cache)}, stdout=subprocess.PIPE, text=True, check=True
    )
    total = time.time() - began
    timings = json.loads(process.stdout.splitlines()[-1])
    record = json.loads((out / photo.stem / "explanation.json").read_text(encoding="utf-8"))
    parts = {"start": timings["imported"] - began, "opening": timings["opening"], "preparing": timings["preparing"]}
    parts |= {
        "explaining": record["seconds"],
        "checks": timings["answer"] - record["seconds"],
        "drawing": timings["drawing"],
    }
    facts = {"queries": record["queries"]["forward_images"], "runtime": record["runtime"]["name"]}
    return {"total": total, **parts, "rest": total - sum(parts.values()), **facts}


def middle(state: str, rows: Sequence[Row]) -> Row:
    """Return the median of each column, and the range of the total."""
    totals = [row["total"] for row in rows]
    medians = {name: float(np.median([row[name] for row in rows])) for name in rows[0] if name != "runtime"}
    runtimes = " ".join(dict.fromkeys(row["runtime"] for row in rows))
    return {"cache": state, **medians, "low": min(totals), "high": max(totals), "runtime": runtimes}


@click.command()
@click.argument("photo", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--repeats", default=5, show_default=True, type=click.IntRange(min=1), help="Number of cold and of warm runs."
)
@click.option("--option", "options", multiple=True, help="Option passed to `seewhy explain`; repeatable.")
@json_option
def main(photo: Path, *, repeats: int, options: tuple[str, ...], as_json: bool) -> None:
    """Print how long `seewhy explain` takes, and where the time goes.

    Every run is a fresh process.
    """
    taken: dict[str, list[Row]] = {"cold": [], "warm": []}
    for done in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            for rows in taken.values():
                rows.append(once(photo, Path(folder) / "out", Path(folder) / "cache", options))
        click.echo(f"{done + 1} of {repeats}", err=True)
    runs = [middle(state, rows) for state, rows in taken.items()]
    figures: Row = {
        "benchmark": "cold_start",
        "runs": runs,
        "longest": max(row["total"] for row in runs),
        "claimed": CLAIMED,
        "protocol": (
            f"seewhy explain {photo.name} --quiet {' '.join(options)}".rstrip()
            + f" as a fresh process, with an empty cache and then with the cache it left; {repeats} repeats; wall time in "
            "seconds, medians; low and high: range of the total; in each run the total is the sum of start to rest"
        ),
        **environment(),
    }
    publish(figures, as_json=as_json)


if __name__ == "__main__":
    main()
