"""How long does `import seewhy`, or another import, take beyond `import torch`?

Claim: it loads none of `LATE`, which only drawing, some in-fills and metrics, or the command line need.

Protocol: fresh processes in turns, one that imports torch and one that imports torch and then seewhy (``--module``).
Each measures the time of its imports, from the start of the first to the end of the last. A figure is the median over
turns, that of ``seewhy`` is the median difference within a turn; the interval is that of order statistics (at least
95 %). All processes read bytecode from a private folder, which one unmeasured turn fills. The processor time is less
sensitive to other processes than the wall time.

``python benchmarks/import_time.py [--module seewhy] [--repeats 20] [--json]``
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence

import click
import numpy as np
from common import Row, environment, json_option, publish
from scipy.stats import binom

LATE = ("rich", "matplotlib", "jinja2", "cv2", "scipy", "pandas")

SCRIPT = f"""
import json, sys, time
wall, processor = time.perf_counter(), time.process_time()
import MODULES
spent = {{"wall_ms": time.perf_counter() - wall, "processor_ms": time.process_time() - processor}}
spent = {{clock: 1000 * seconds for clock, seconds in spent.items()}}
print(json.dumps({{**spent, "loaded": [name for name in {LATE} if name in sys.modules]}}))
"""


def once(modules: str, bytecode: str) -> Row:
    """Import modules in a fresh process; return the time spent, and which of `LATE` were loaded."""
    command = [sys.executable, "-c", SCRIPT.replace("MODULES", modules)]
    environ = {**os.environ, "PYTHONPYCACHEPREFIX": bytecode, "PYTHONDONTWRITEBYTECODE": ""}
    process = subprocess.run(command, env=environ, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603 - our own
    row: Row = json.loads(process.stdout)
    return row


def middle(values: Sequence[float], name: str) -> Row:
    """Return the median and the order statistics that enclose the true one with a confidence of at least 95 %."""
    ordered = sorted(values)
    rank = int(binom.ppf(0.025, len(ordered), 0.5)) - 1
    return {name: float(np.median(ordered)), f"{name}_low": ordered[rank], f"{name}_high": ordered[-1 - rank]}


@click.command()
@click.option("--module", default="seewhy", show_default=True, help="Module that is imported after torch.")
@click.option(
    "--repeats", default=20, show_default=True, type=click.IntRange(min=6), help="Number of processes of each kind."
)
@json_option
def main(*, module: str, repeats: int, as_json: bool) -> None:
    """Print how long `import seewhy` takes, and which packages it loads that it should not.

    Every import is measured in a fresh process.
    """
    kinds = ("torch", f"torch, {module}")
    with tempfile.TemporaryDirectory() as bytecode:
        turns = [[once(modules, bytecode) for modules in kinds] for _ in range(repeats + 1)][1:]
    times: list[Row] = [{"imported": name} for name in (*kinds, module)]
    for clock in ("wall_ms", "processor_ms"):
        alone, both = (np.array([turn[kind][clock] for turn in turns]) for kind in (0, 1))
        for row, values in zip(times, (alone, both, both - alone), strict=True):
            row.update(middle(values.tolist(), clock))
    loaded = turns[0][1]["loaded"]
    figures: Row = {
        "benchmark": "import_time",
        "times": times,
        "loaded": loaded,
        "holds": not loaded,
        "protocol": (
            f"{repeats} turns of two fresh processes after an unmeasured one, warm bytecode; milliseconds, medians; "
            f"{module}: paired difference; low and high: order statistics, at least 95 %; loaded: those of "
            f"{', '.join(LATE)} that were loaded with {module}"
        ),
        **environment(),
    }
    publish(figures, as_json=as_json)


if __name__ == "__main__":
    main()
