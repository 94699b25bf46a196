"""How much of a run is spent in the classifier, and how much outside it?

Claim: at least 90 % of the wall time of a run of 4,000 queries is spent in the runtime chosen for the classifier.

Protocol: the classifier is checked and its runtime chosen first, as in ``explain``; this is not counted. Then each
method explains the photo. Every call of the classifier and of the in-fill is timed, and so is the total, from the
image's view to the finished explanation (without saving and drawing). ``classifier_share`` and ``infill_share`` are
fractions of the total; the latter includes the in-fills drawn again for the report. ``beside_ms`` is the cost per query
outside the classifier. Methods alternate, and the first round is not counted. The figures are medians over the rounds,
with the lowest and highest share.

``python benchmarks/overhead.py PHOTO [--method SPEC]... [--infill SPEC]... [--classifier SPEC] [--runtime auto]
[--rounds 3] [--threads 1] [--json]``. A round uses about 15,000 queries with the defaults. The machine should be idle:
other work slows the small steps outside the classifier more than the classifier itself.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np
import torch
from common import (
    Asked,
    Row,
    classifier_option,
    environment,
    infill_option,
    json_option,
    method_option,
    pairs,
    publish,
    runtime_option,
    settle,
    threads_option,
)
from infill_cost import Timed

import seewhy
from seewhy.classifiers.fast import FastClassifier
from seewhy.core.arrays import Images, Probabilities
from seewhy.explaining.explain import explain_viewed
from seewhy.explaining.prepared import PreparedClassifier, Viewed, open_viewed, prepare_classifier
from seewhy.explaining.request import Request, prepare

DEFAULT: tuple[Asked, ...] = (
    ("pmi", "patch-sampler"),
    ("occlusion:size=32,stride=3", "gray"),
    ("rise", "gray"),
    ("rise", "blur"),
)


@dataclass
class Clocked:
    """A classifier that records the seconds spent in it."""

    classifier: seewhy.Classifier
    seconds: float = 0.0

    def __call__(self, images: Images) -> Probabilities:
        """Classify, and add the time taken."""
        start = time.perf_counter()
        answers = self.classifier(images)
        if answers.is_cuda:
            torch.cuda.synchronize(answers.device)
        self.seconds += time.perf_counter() - start
        return answers


def once(request: Request, prepared: PreparedClassifier, viewed: Viewed) -> Row:
    """Explain the image, and break down the time."""
    clocked, infill = Clocked(prepared.classifier), Timed(request.infill)
    timed = replace(prepared, classifier=FastClassifier.of(prepared.classifier, clocked, prepared.classifier.runtime))
    start = time.perf_counter()
    explanation = explain_viewed(replace(request, infill=infill), viewed, prepared=timed)
    whole = time.perf_counter() - start
    queries = explanation.queries.forward_images
    return {
        "queries": queries,
        "seconds": whole,
        "classifier_share": clocked.seconds / whole,
        "infill_share": infill.seconds / whole,
        "classifier_ms": 1e3 * clocked.seconds / queries,
        "beside_ms": 1e3 * (whole - clocked.seconds) / queries,
    }


def middle(rounds: Sequence[Row]) -> Row:
    """Return the median of each figure, and the range of the share."""
    shares = [row["classifier_share"] for row in rounds]
    medians = {name: float(np.median([row[name] for row in rounds])) for name in rounds[0]}
    return {**medians, "queries": rounds[0]["queries"], "low": min(shares), "high": max(shares)}


@click.command()
@click.argument("photo", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@classifier_option("efficientnet-lite0")
@runtime_option
@method_option
@infill_option
@click.option(
    "--rounds", default=3, show_default=True, type=click.IntRange(min=1), help="Number of rounds that are counted."
)
@threads_option
@json_option
def main(
    photo: Path,
    *,
    classifier: str,
    runtime: str,
    methods: tuple[str, ...],
    infills: tuple[str, ...],
    rounds: int,
    threads: int | None,
    as_json: bool,
) -> None:
    """Print how much of a run is spent in the classifier."""
    settle(threads)
    opened = seewhy.classifier(classifier)
    asked = pairs(methods, infills, DEFAULT)
    requests = [prepare(opened, method=method, infill=infill, runtime=runtime) for method, infill in asked]
    viewed = open_viewed(opened, photo)
    prepared = prepare_classifier(requests[0], viewed.image)
    taken = [[once(request, prepared, viewed) for request in requests] for _ in range(rounds + 1)][1:]
    figures: Row = {
        "benchmark": "overhead",
        "runs": [
            {"method": str(request.method.spec), "infill": str(request.infill_info), **middle(rows)}
            for request, rows in zip(requests, zip(*taken, strict=True), strict=True)
        ],
        "runtime": prepared.classifier.runtime,
        "batch_size": prepared.choice.batch_size,
        "protocol": (
            f"one photo, {opened.name}, {opened.view.describe()}; classifier checks and choice of the runtime not "
            "counted; wall time of each run from the image's view to the finished explanation, without saving and "
            f"drawing; {rounds} rounds after one that is not counted, each method once per round; medians, low and "
            "high: range of the share; freed memory is kept, as by the command line"
        ),
        **environment(),
    }
    publish(figures, as_json=as_json)


if __name__ == "__main__":
    main()
