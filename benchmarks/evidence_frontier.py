"""What does a search for the evidence find, beside other methods, for a number of queries?

Claim: none by itself; the script measures `evidence` and `search` beside other methods, at any budget, on photos that it has never seen.

Protocol: photos with boxes from the command line, in order, whose predicted class is the labelled one; that class is explained by
every method with its usual in-fill, at each ``--budget``, or without one. ``deletion`` into gray, ``insertion``
from a blur of sigma 10 (``insertion``) and from the blur of RISE's authors (``insertion_rise``), 28 steps each; ``gain`` and
``gain_rise`` are insertion minus deletion. ``mean_noise`` is insertion from the mean colour minus deletion into noise: in-fills that
no method here searched with. ``energy`` is the share of the map's positive values in the boxes; a uniform map scores ``area``.
Means over photos; ``low`` and ``high`` are the 95 % bootstrap interval of ``gain``, and ``to_first`` that of the difference to the first
method, photo by photo.

``python benchmarks/evidence_frontier.py FOLDER [--only LIST] [--photos N] [--method SPEC]... [--budget N]...
[--classifier SPEC] [--threads N] [--json]``; the folder has a ``labels.csv`` with classes and boxes.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import numpy as np
from black_box_frontier import Subject, known, subjects
from common import (
    Row,
    classifier_option,
    environment,
    finite,
    interval,
    json_option,
    photo_options,
    publish,
    runtime_option,
    settle,
    threads_option,
)

import seewhy
from seewhy.images.labelled import list_labelled

METHODS = (
    "evidence",
    "search",
    "additive",
    "partition-shap",
    "partition-shap:tree=picture",
    "rise:masks=1000",
    "center",
)
MEASURES = {
    "deletion": ("deletion", "gray"),
    "insertion": ("insertion", "blur"),
    "insertion_rise": ("insertion", "rise-blur"),
    "deletion_noise": ("deletion", "noise"),
    "insertion_mean": ("insertion", "mean"),
    "energy": ("energy-in-box", "gray"),
}
"""Name of a column → the metric and its in-fill."""

SHOWN = ("queries", "deletion", "insertion", "insertion_rise", "gain_rise", "mean_noise", "energy", "seconds")


def run(subject: Subject, text: str, budget: int | None) -> Row:
    """Run a method and measure its map."""
    values, row = subject.explain(text, budget)
    row |= subject.measure(values, MEASURES)
    return {
        **row,
        "gain_rise": row["insertion_rise"] - row["deletion"],
        "mean_noise": row["insertion_mean"] - row["deletion_noise"],
    }


def summarise(rows: Sequence[Row]) -> Iterator[Row]:
    """Average over the photos, method by method and budget by budget."""
    first = [row["gain"] for row in rows if (row["method"], row["budget"]) == (rows[0]["method"], rows[0]["budget"])]
    for method, budget in dict.fromkeys((row["method"], row["budget"]) for row in rows):
        some = [row for row in rows if (row["method"], row["budget"]) == (method, budget)]
        gain = interval([row["gain"] for row in some])
        gap = interval([row["gain"] - other for row, other in zip(some, first, strict=True)])
        between = f"{gap['mean']:+.3f} ({gap['low']:+.3f} to {gap['high']:+.3f})"
        means = {name: known([row[name] for row in some]) for name in SHOWN}
        yield {"method": method, "budget": budget, "gain": gain["mean"], **gain, "to_first": between, **means}


@click.command()
@photo_options(8)
@click.option(
    "--method", "methods", multiple=True, default=METHODS, show_default=True, help="Spec of a method; repeatable."
)
@click.option(
    "--budget", "budgets", multiple=True, type=click.IntRange(min=50), help="Query budget; repeatable. Default: none."
)
@threads_option
@runtime_option
@classifier_option("efficientnet-lite0")
@json_option
def main(
    folder: Path,
    *,
    only: Path | None,
    photos: int,
    methods: tuple[str, ...],
    budgets: tuple[int, ...],
    threads: int | None,
    runtime: str,
    classifier: str,
    as_json: bool,
) -> None:
    """Print what a search finds, beside other methods."""
    settle(threads)
    model = seewhy.classifier(classifier)
    rows: list[Row] = []
    areas: list[float] = []
    for subject in subjects(list_labelled(folder, only), model, runtime, photos):
        rows += [run(subject, method, budget) for method in methods for budget in (budgets or (None,))]
        areas.append(float(subject.inside.mean()))
        click.echo(f"{len(areas)} {subject.name}", err=True)
    figures: Row = {
        "benchmark": "evidence_frontier",
        "summary": list(summarise(rows)),
        "rows": finite(rows),
        "area": float(np.mean(areas)),
        "protocol": (
            f"{len(areas)} photos whose predicted class by {model.name} is the labelled one; usual in-fills, seed 0; 28 steps; "
            "gain: insertion from a blur of sigma 10 minus deletion into gray, gain_rise: from RISE's blur, mean_noise: insertion "
            "from the mean colour minus deletion into noise; energy: on the boxes; 95 % bootstrap intervals over photos"
        ),
        **environment(),
    }
    publish(figures, as_json=as_json, unprinted=("rows",))


if __name__ == "__main__":
    main()
