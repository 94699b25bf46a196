"""Which method is best by which metric, and at what cost? `seewhy compare` on fixed photos and several networks.

Claim: by insertion and deletion, `ibisa` is non-inferior to RISE with 4,000 masks, the information bottleneck,
Grad-CAM, RISE with 20 and with 40 queries, and the image centre. The margin of 0.01 was declared before any score was
computed.

Protocol: that of ``seewhy compare``: one map per photo and method, for the class that the network predicts. Every
metric follows its description (insertion and deletion: 28 steps as in RISE, blur and gray). The controls are `random`,
`center` and `edges`. The figures are means and paired differences with 95 % bootstrap intervals over photos. A claim is
"non-inferior" if the lower end of the paired difference in insertion is above -0.01, or the upper end in deletion below
0.01: one-sided, 97.5 %, each claim on its own, without a correction for multiple comparisons. ``--rival`` adds the maps
of another package (see ``rivals.py``), scored by the same metrics.

``python benchmarks/compare_methods.py FOLDER --out DIR [--list benchmarks/lists/imagenet_boxes_test.txt] [--classifier
SPEC]... [--mobilenet FILE] [--method SPEC]... [--metric SPEC]... [--limit N] [--rival NAME]... [--seed N] [--threads N]
[--json]``; FOLDER holds ``labels.csv`` and ``images/``; ``--mobilenet`` adds a second network, see ``networks.py``. An
interrupted run resumes. The defaults use about 15,000 queries per photo and network.
In-fills are compared by methods such as ``--method pmi@patch-sampler --method pmi@gray``, also in the pointing game.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from common import Row, environment, json_option, publish, settle, threads_option
from networks import mobilenet_v2
from rivals import CLASSES, RIVALS, Job, Rival

import seewhy
from seewhy import registry
from seewhy.core.access import Access
from seewhy.core.attribution import Attribution
from seewhy.core.intervals import Interval
from seewhy.core.probe import Probe
from seewhy.core.target import Target
from seewhy.results.benchmark import difference, flat

OURS = "ibisa"
AS_CHEAP = tuple(
    f"rise:masks={masks},cells={cells},normalisation=coverage,sampling=independent"
    for masks, cells in ((20, 4), (40, 6))
)
"""RISE with 20 and with 40 masks, on grids coarse enough for so few, plus one query for the unmodified image."""

REFERENCES = ("rise:masks=4000", "iba", "grad-cam", *AS_CHEAP, "center")
"""The methods that `OURS` is compared with."""

METHODS = (
    OURS,
    *REFERENCES[:-1],
    "pmi",
    "occlusion",
    "grad-cam++",
    "integrated-gradients",
    "smoothgrad",
    "hsic",
    "sobol",
)
METHODS += ("kernel-shap", "lime", "faded-rise")
METRICS = ("insertion", "deletion", "degradation", "pointing", "energy-in-box")
MARGIN = 0.01
QUERIES = 500
"""Queries of each rival."""

RIVAL_METHODS = {"package-" + re.sub(r"\W+", "-", rival.name.lower()): rival for rival in RIVALS}
"""Maps each method name to the other package's explanation."""


def as_method(rival: Rival) -> registry.Method:
    """Register a rival's map as a method, so that it is run, counted and scored like all others."""

    def run(probe: Probe, targets: Sequence[Target], *, queries: int = QUERIES) -> Attribution:
        (target,) = targets
        wanted = int(target.weights(probe.prediction).argmax())
        most_probable = torch.topk(probe.prediction, min(CLASSES, len(probe.prediction))).indices.tolist()
        classes = tuple(dict.fromkeys((wanted, *most_probable)))[:CLASSES]
        job = Job(_model(probe), probe.image, classes, queries, probe.batch_size)
        values = np.ascontiguousarray(rival.run(job), dtype=np.float32)
        return Attribution({target.key: values}, {}, "of its own", {"queries": queries}, "complete")

    return registry.Method(
        run,
        f"{rival.name}, that package's own map",
        rival.package,
        Access.PROBABILITIES,
        queries=lambda run: registry.Cost(run["queries"] * run.targets),
    )


def _model(probe: Probe) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return a function that answers like the network and counts every image."""
    return lambda images: probe.show(images).float()


def enter_rivals(names: Sequence[str]) -> None:
    """Add rivals to the table of methods, under the names of `RIVAL_METHODS`."""
    for name in names:
        rival = RIVAL_METHODS[name]
        if rival.missing:
            raise click.UsageError(
                f"{rival.name} is not installed; pip install 'seewhy[rivals]', or omit --rival {name}"
            )
        registry.METHODS[name] = as_method(rival)


def claims(found: seewhy.BenchmarkResult) -> list[Row]:
    """Compare `OURS` with each of `REFERENCES` by the margin, where both were run."""
    lines = {(line.metric, line.method): line for line in found.summary}
    rows = []
    for metric in ("insertion", "deletion"):
        for other in REFERENCES:
            if {(metric, OURS), (metric, other)} <= lines.keys():
                gap, pairs = difference(found.rows, metric, OURS, other)
                shown = not_inferior(gap, lines[metric, OURS].direction, MARGIN)
                line: Row = {"metric": metric, "against": other, "photos": pairs}
                line |= {"difference": gap.value, "low": gap.low, "high": gap.high}
                rows.append(line | {"conclusion": "non-inferior" if shown else "not shown"})
    return rows


def not_inferior(gap: Interval, direction: str, margin: float) -> bool:
    """Test for non-inferiority: is a method worse than another by less than a margin, at one-sided 97.5 % confidence?

    ``gap`` is the method's score minus the other's; the margin is positive, and chosen before the scores were seen.
    """
    return gap.low > -margin if direction == "higher" else gap.high < margin


def line_of(classifier: str, line: dict[str, Any]) -> Row:
    """Drop the columns of a row that are the same for all rows."""
    return {"classifier": classifier} | {
        name: value for name, value in line.items() if name not in {"protocol", "control"}
    }


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for one comparison per network.",
)
@click.option("--list", "only", type=click.Path(path_type=Path), help="Text file with one photo name per line.")
@click.option(
    "--classifier",
    "classifiers",
    multiple=True,
    default=("efficientnet-lite0",),
    help="Spec of a classifier; repeatable.",
)
@click.option(
    "--method",
    "methods",
    multiple=True,
    default=METHODS,
    help="Spec of a method; repeatable. The first is compared with all others.",
)
@click.option("--metric", "metrics", multiple=True, default=METRICS, help="Spec of a metric; repeatable.")
@click.option(
    "--mobilenet", type=click.Path(exists=True, path_type=Path), help="Weights of MobileNetV2, to add that network."
)
@click.option("--limit", type=click.IntRange(min=1), help="Use at most this many photos.")
@click.option(
    "--rival",
    "rivals",
    multiple=True,
    type=click.Choice(list(RIVAL_METHODS)),
    help="Other package whose maps to include; repeatable.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of all methods.")
@threads_option
@json_option
def main(
    folder: Path,
    *,
    out: Path,
    only: Path | None,
    classifiers: tuple[str, ...],
    mobilenet: Path | None,
    methods: tuple[str, ...],
    metrics: tuple[str, ...],
    limit: int | None,
    rivals: tuple[str, ...],
    seed: int,
    threads: int | None,
    as_json: bool,
) -> None:
    """Compare methods by every metric on every network.

    The non-inferiority of `ibisa` is tested as well.
    """
    settle(threads)
    networks = [seewhy.classifier(spec) for spec in classifiers] + ([mobilenet_v2(mobilenet)] if mobilenet else [])
    enter_rivals(rivals)
    methods = (*methods, *rivals)
    figures: Row = {"benchmark": "compare_methods"}
    table: list[Row] = []
    shown: list[Row] = []
    failures: list[Row] = []
    for classifier in networks:
        found = seewhy.compare(
            classifier,
            folder,
            methods,
            metrics=metrics,
            out=out / re.sub(r"\W+", "-", classifier.name),
            only=only,
            limit=limit,
            seed=seed,
            progress=lambda done, of: click.echo(f"\r{classifier.name}: {done} of {of}", nl=done == of, err=True),  # noqa: B023
        )
        table += [line_of(classifier.name, flat(line)) for line in found.summary]
        shown += [{"classifier": classifier.name, **row} for row in claims(found)]
        failures += [
            {
                "classifier": classifier.name,
                "image": row.image,
                "method": row.method,
                "metric": row.metric,
                "error": row.error,
            }
            for row in found.failures
        ]
        figures |= {f"photos of {classifier.name}": len({row.image for row in found.rows})}
        figures |= {f"warnings of {classifier.name}": "; ".join(found.warnings) or None}
    figures |= {
        "summary": table,
        "non_inferiority": shown,
        "failures": failures,
        "protocol": (
            f"photos of {only.name if only else 'the folder'}; each network's predicted class, right or not; metrics: "
            f"{', '.join(dict.fromkeys(line.protocol for line in found.summary))}; difference: paired, to {methods[0]}; "
            "cost: forward images + 2 × images with a gradient, the first query included; low and high: 95 % "
            f"bootstrap over photos, 2,000 resamples; non-inferior: the difference of {OURS} is on the better side of "
            f"{MARGIN}, one-sided 97.5 %"
        ),
        **environment(),
    }
    publish(figures, as_json=as_json)


if __name__ == "__main__":
    main()
