"""Which method is best, by which metric, at what price? `seewhy compare` on a frozen list of photos and more than one network.

Claim: by insertion and deletion `ibisa` is not inferior, by a margin of 0.01 that was declared before any score was looked at, to
RISE with 4,000 masks, the information bottleneck, Grad-CAM, RISE with 20 and with 40 queries, and the picture's middle.

Protocol: that of ``seewhy compare``: one map a photo and method, for the class that the network finds likeliest; every metric
as its row says (insertion and deletion: 28 steps as in RISE, blur and gray); the controls `random`, `center` and `edges`. Means
and paired differences with 95 % bootstrap intervals over photos. A claim is "non-inferior" where the lower end of the paired
difference in insertion is above -0.01, or the upper end in deletion below 0.01: one-sided, 97.5 %, each for itself, without a
correction for their number. ``--rival`` adds another package's own maps (see ``rivals.py``), judged by the same metrics.

``python benchmarks/compare_methods.py FOLDER --out DIR [--list benchmarks/lists/imagenet_boxes_test.txt] [--classifier SPEC]...
[--mobilenet FILE] [--method SPEC]... [--metric SPEC]... [--limit N] [--rival NAME]... [--seed N] [--threads N] [--json]``; FOLDER
holds ``labels.csv`` and ``images/``; ``--mobilenet`` adds a second network, see ``networks.py``. A run that was broken off goes on
where it was. The defaults ask some 15,000 queries a photo and network.
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
from seewhy.core.maps import Maps
from seewhy.core.probe import Probe
from seewhy.core.target import Target
from seewhy.runs.contest_table import difference, flat, not_inferior

OURS = "ibisa"
AS_CHEAP = tuple(
    f"rise:masks={masks},cells={cells},normalisation=coverage,sampling=independent"
    for masks, cells in ((20, 4), (40, 6))
)
"""RISE with 20 and with 40 queries, on grids coarse enough for so few; one more for the picture itself."""

REFERENCES = ("rise:masks=4000", "iba", "grad-cam", *AS_CHEAP, "center")
"""What `OURS` is held against."""

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
"""Of each rival."""

RIVAL_METHODS = {"package-" + re.sub(r"\W+", "-", rival.name.lower()): rival for rival in RIVALS}
"""Name as a method → other package's explanation."""


def as_method(rival: Rival) -> registry.Method:
    """Make a rival's own map a row of the table of methods, so that it is asked, counted and judged as all others are."""

    def run(probe: Probe, targets: Sequence[Target], *, queries: int = QUERIES) -> Maps:
        (target,) = targets
        wanted = int(target.weights(probe.prediction).argmax())
        likeliest = torch.topk(probe.prediction, min(CLASSES, len(probe.prediction))).indices.tolist()
        classes = tuple(dict.fromkeys((wanted, *likeliest)))[:CLASSES]
        job = Job(_model(probe), probe.image, classes, queries, probe.batch_size)
        values = np.ascontiguousarray(rival.run(job), dtype=np.float32)
        return Maps({target.key: values}, {}, "of its own", {"queries": queries}, "complete")

    return registry.Method(
        run,
        f"{rival.name}, its own map",
        rival.package,
        Access.PROBABILITIES,
        queries=lambda run: registry.Cost(run["queries"] * run.targets),
    )


def _model(probe: Probe) -> Callable[[torch.Tensor], torch.Tensor]:
    """Answer as a network does; every picture is counted."""
    return lambda images: probe.show(images).float()


def enter_rivals(names: Sequence[str]) -> None:
    """Add rivals to the table of methods, under the names of `RIVAL_METHODS`."""
    for name in names:
        rival = RIVAL_METHODS[name]
        if rival.missing:
            raise click.UsageError(
                f"{rival.name} is not installed; pip install 'seewhy[rivals]', or leave out --rival {name}"
            )
        registry.METHODS[name] = as_method(rival)


def claims(found: seewhy.Standings) -> list[Row]:
    """Hold `OURS` against each of `REFERENCES` by the margin, where both were asked."""
    lines = {(line.metric, line.method): line for line in found.lines}
    rows = []
    for metric in ("insertion", "deletion"):
        for other in REFERENCES:
            if {(metric, OURS), (metric, other)} <= lines.keys():
                gap, pairs = difference(found.rows, metric, OURS, other)
                shown = not_inferior(gap, lines[metric, OURS].direction, MARGIN)
                line: Row = {"metric": metric, "against": other, "photos": pairs}
                line |= {"difference": gap.value, "low": gap.low, "high": gap.high}
                rows.append(line | {"verdict": "non-inferior" if shown else "not shown"})
    return rows


def line_of(classifier: str, line: dict[str, Any]) -> Row:
    """Leave out of a line what the protocol says for all."""
    return {"classifier": classifier} | {
        name: value for name, value in line.items() if name not in {"protocol", "control"}
    }


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="A contest a network in it."
)
@click.option("--list", "only", type=click.Path(path_type=Path), help="Text file: names of the photos, one a line.")
@click.option("--classifier", "classifiers", multiple=True, default=("efficientnet-lite0",), help="Spec; repeatable.")
@click.option(
    "--method", "methods", multiple=True, default=METHODS, help="Spec; repeatable; the first is held against all."
)
@click.option("--metric", "metrics", multiple=True, default=METRICS, help="Spec; repeatable.")
@click.option(
    "--mobilenet", type=click.Path(exists=True, path_type=Path), help="Weights of MobileNetV2, which is added."
)
@click.option("--limit", type=click.IntRange(min=1), help="Only the first photos.")
@click.option(
    "--rival",
    "rivals",
    multiple=True,
    type=click.Choice(list(RIVAL_METHODS)),
    help="Another package's maps; repeatable.",
)
@click.option("--seed", default=0, show_default=True)
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
    """Print how every method does by every metric on every network, and what `ibisa` is not inferior to."""
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
        table += [line_of(classifier.name, flat(line)) for line in found.lines]
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
        "standings": table,
        "non_inferiority": shown,
        "failures": failures,
        "protocol": (
            f"photos of {only.name if only else 'the folder'}; each network's likeliest class, right or not; metrics: "
            f"{', '.join(dict.fromkeys(line.protocol for line in found.lines))}; difference: paired, to {methods[0]}; price: "
            "pictures shown + 2 × pictures that a gradient was taken for, the first query included; low and high: 95 % bootstrap "
            f"over photos, 2,000 resamples; non-inferior: the difference of {OURS} is on the better side of {MARGIN}, one-sided 97.5 %"
        ),
        **environment(),
    }
    publish(figures, as_json=as_json)


if __name__ == "__main__":
    main()
