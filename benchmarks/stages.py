"""The command ``seewhy`` with timed steps, which `cold_start.py` runs as a fresh process.

The last line of stdout is JSON: when the imports were done and when the process ended (Unix time), and the seconds of
each step.
"""

import importlib
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from seewhy import cli

STEPS = {
    ("seewhy.cli.explain", "prepare"): "opening",
    ("seewhy.cli.images", "prepare_classifier"): "preparing",
    ("seewhy.cli.explain", "explain_viewed"): "answer",
    ("seewhy.cli.images", "publish"): "drawing",
}
"""Module and name of each timed function of the command line, and its name in the table."""


def clocked(function: Callable[..., Any], name: str, spent: dict[str, float]) -> Callable[..., Any]:
    """Wrap a function so that its seconds are recorded."""

    def call(*arguments: Any, **settings: Any) -> Any:  # noqa: ANN401 - whatever the function takes
        start = time.perf_counter()
        found = function(*arguments, **settings)
        spent[name] = time.perf_counter() - start
        return found

    return call


def main() -> None:
    """Run the command line with this process's arguments, and print where the time went."""
    marks = {"imported": time.time()}
    spent: dict[str, float] = {}
    for (module, function), name in STEPS.items():
        place = importlib.import_module(module)
        setattr(place, function, clocked(getattr(place, function), name, spent))
    try:
        cli.main(sys.argv[1:])
    finally:
        print(json.dumps({**marks, "ended": time.time(), **spent}))


if __name__ == "__main__":
    main()
