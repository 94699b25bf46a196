"""Does keeping freed memory make queries faster without changing the output?

Claim: with `seewhy.runtime.machine.keep_freed_memory`, as used by the command line, plain torch answers more queries
per second on a CPU under Linux, and the probabilities are identical to the last bit.

Protocol: fresh processes alternate between both settings, for three rounds. After one warm-up batch, each process
queries the classifier with the same random images, in batches of 4, for a few seconds. The figures are medians; each
ratio is from a single run of this script.

``python benchmarks/allocator.py [--classifier SPEC] [--seconds S] [--json]``
"""

import hashlib
import json
import statistics
import subprocess
import sys
import time

import click
import torch
from common import Row, classifier_option, environment, json_option, publish

import seewhy
from seewhy.runtime.machine import keep_freed_memory

ROUNDS = 3
BATCH = 4


def ask(spec: str, seconds: float, *, keep: bool) -> Row:
    """Measure the query rate in this process."""
    took_effect = keep and keep_freed_memory()
    classifier = seewhy.classifier(spec)
    images = torch.rand(BATCH, 3, *(classifier.view.size or (224, 224)), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        answer = classifier(images)
        start, done = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            classifier(images)
            done += BATCH
    rate = done / (time.perf_counter() - start)
    return {
        "kept": took_effect,
        "queries_per_second": rate,
        "digest": hashlib.sha256(answer.numpy().tobytes()).hexdigest(),
    }


def in_a_fresh_process(spec: str, seconds: float, *, keep: bool) -> Row:
    """Measure the query rate in a fresh process, unaffected by earlier measurements."""
    words = [sys.executable, __file__, "--classifier", spec, "--seconds", str(seconds), "--child", str(int(keep))]
    output = subprocess.run(words, capture_output=True, text=True, check=True).stdout  # noqa: S603 - this script itself
    answer: Row = json.loads(output)
    return answer


@click.command()
@classifier_option("efficientnet-lite0")
@click.option("--seconds", default=4.0, show_default=True, help="Seconds of queries per process.")
@click.option("--child", type=click.IntRange(0, 1), hidden=True)
@json_option
def main(*, classifier: str, seconds: float, child: int | None, as_json: bool) -> None:
    """Print the queries per second with and without keeping freed memory.

    The ratio of the two rates is printed as well.
    """
    if child is not None:
        click.echo(json.dumps(ask(classifier, seconds, keep=bool(child))))
        return
    turns = [in_a_fresh_process(classifier, seconds, keep=keep) for _ in range(ROUNDS) for keep in (False, True)]
    back, kept = turns[0::2], turns[1::2]
    rates = [statistics.median(float(str(turn["queries_per_second"])) for turn in side) for side in (back, kept)]
    figures: Row = {
        "benchmark": "allocator",
        "handed_back_queries_per_second": rates[0],
        "kept_queries_per_second": rates[1],
        "ratio": rates[1] / rates[0],
        "took_effect": all(turn["kept"] for turn in kept),
        "same_answers": len({turn["digest"] for turn in turns}) == 1,
        "protocol": (
            f"{classifier}, batches of {BATCH}, {ROUNDS} rounds of alternating fresh processes, {seconds} s each; "
            "medians"
        ),
        **environment(),
    }
    publish(figures, as_json=as_json)


if __name__ == "__main__":
    main()
