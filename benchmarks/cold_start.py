"""How long does it take from the command to the report, with all defaults?

Claim: at most 15 s on two quiet processor cores, the first time as well as later.

Protocol: ``seewhy explain PHOTO --quiet`` as a fresh process, first with an empty cache (``cold``), then again with what that
left (``warm``), and so on. ``total`` is wall time from before the process starts until it has ended, in each run the sum of the
other columns: ``start`` until the imports are done, ``opening`` the classifier and the in-fill, ``door`` self-test and choice
of the runtime, ``explaining`` the seconds of the manifest, ``evidence`` the in-fills drawn again for the report, ``drawing`` the
overview, the report and the files, ``rest`` what is between and after. Medians over repeats; the lowest and highest total.
The operating system's own cache of files is warm from the second run on.

``python benchmarks/cold_start.py PHOTO [--repeats 5] [--option=--method=occlusion]... [--json]``: each ``--option`` is handed on to
the command.
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
"""Seconds."""


def once(photo: Path, out: Path, cache: Path, options: Sequence[str]) -> Row:
    """Run the command as a fresh process, and split its time."""
    asked = [sys.executable, stages.__file__, "explain", str(photo), "--out", str(out), "--quiet", *options]
    began = time.time()
    process = subprocess.run(  # noqa: S603 - our own command
        asked, env={**os.environ, "SEEWHY_CACHE": str(cache)}, stdout=subprocess.PIPE, text=True, check=True
    )
    total = time.time() - began
    said = json.loads(process.stdout.splitlines()[-1])
    manifest = json.loads((out / photo.stem / "explanation.json").read_text(encoding="utf-8"))
    parts = {"start": said["imported"] - began, "opening": said["opening"], "door": said["door"]}
    parts |= {
        "explaining": manifest["seconds"],
        "evidence": said["answer"] - manifest["seconds"],
        "drawing": said["drawing"],
    }
    facts = {"queries": manifest["queries"]["forward_images"], "runtime": manifest["runtime"]["name"]}
    return {"total": total, **parts, "rest": total - sum(parts.values()), **facts}


def middle(state: str, rows: Sequence[Row]) -> Row:
    """Take the median of each column, and the range of the total."""
    totals = [row["total"] for row in rows]
    medians = {name: float(np.median([row[name] for row in rows])) for name in rows[0] if name != "runtime"}
    runtimes = " ".join(dict.fromkeys(row["runtime"] for row in rows))
    return {"cache": state, **medians, "low": min(totals), "high": max(totals), "runtime": runtimes}


@click.command()
@click.argument("photo", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--repeats", default=5, show_default=True, type=click.IntRange(min=1), help="Of a cold and a warm run.")
@click.option("--option", "options", multiple=True, help="Handed on to `seewhy explain`; repeatable.")
@json_option
def main(photo: Path, *, repeats: int, options: tuple[str, ...], as_json: bool) -> None:
    """Print how long `seewhy explain` takes as a fresh process, and where the time goes."""
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
            + f" as a fresh process, with an empty cache and then with what that left; {repeats} times; wall time in seconds, "
            "medians; low and high: range of the total; in each run the total is the sum of start to rest"
        ),
        **environment(),
    }
    publish(figures, as_json=as_json)


if __name__ == "__main__":
    main()
