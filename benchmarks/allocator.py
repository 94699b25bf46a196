"""Does keeping freed memory make queries faster, and change no answer?

Claim: with `seewhy.runtime.allocator.keep_freed_memory`, as the command line calls it, plain torch answers more queries a second
on a CPU under Linux; the probabilities are the same to the last bit.

Protocol: fresh processes in turn, with and without, three rounds; each asks the classifier about the same random pictures in
batches of 4 for some seconds after one to warm up; medians. Figures are ratios of one run.

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
from seewhy.runtime.allocator import keep_freed_memory

ROUNDS = 3
BATCH = 4


def ask(spec: str, seconds: float, *, keep: bool) -> Row:
    """Count the queries of this process."""
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
    """The same, with nothing left over from an earlier turn."""
    words = [sys.executable, __file__, "--classifier", spec, "--seconds", str(seconds), "--child", str(int(keep))]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout  # noqa: S603 - this very script
    answer: Row = json.loads(said)
    return answer


@click.command()
@classifier_option("efficientnet-lite0")
@click.option("--seconds", default=4.0, show_default=True, help="Of asking, each turn.")
@click.option("--child", type=click.IntRange(0, 1), hidden=True)
@json_option
def main(*, classifier: str, seconds: float, child: int | None, as_json: bool) -> None:
    """Print queries a second with freed memory kept and handed back, and their ratio."""
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
        "protocol": f"{classifier}, batches of {BATCH}, {ROUNDS} rounds of fresh processes in turn, {seconds} s each; medians",
        **environment(),
    }
    publish(figures, as_json=as_json)


if __name__ == "__main__":
    main()
