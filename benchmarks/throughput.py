"""How many queries per second does an explanation make, compared with the bare classifier and with other libraries?

Claims: inside ``explain``, each method reaches at least 0.9 of the speed of the fastest bare loop with the same output
as the classifier; and each complete call makes at least five times as many queries per second as any rival.

Protocol: one photo, one network, one process. *Bare*: each runtime of the search, at its fastest batch size, in a loop
over prepared batches and nothing else; one that cannot be built or has a different output is listed with the reason and
not timed. *Ours*: ``explain`` with each method, with the runtime chosen beforehand; ``explaining`` counts the seconds
in the record, ``whole call`` the complete call: opening the image, the classifier checks, the stored choice of
runtime, and the in-fills drawn again for the report. *Rivals* (`rivals.py`) query the classifier without optimisation,
which is what their users have; each is run at the fastest of several batch sizes, with the wall time of the complete
call. Queries are images that the model actually received. Every round runs all of them once, and the first round is not
counted. The figures are medians over rounds; ratios are taken within a round, and ``low`` and ``high`` are their
quartiles. Freed memory is kept, as by our command line, which makes plain torch and therefore the rivals faster too;
with ``--plain-memory`` all run as in an ordinary script.

``python benchmarks/throughput.py PHOTO [--classifier SPEC] [--device cuda] [--method SPEC]... [--runtime NAME]...
[--queries 1000] [--rounds 5] [--only NAME]... [--plain-memory] [--threads N] [--json]``. Rivals that are not installed
are listed; their extra is ``rivals``. For a network of ResNet-50's size with random weights, use ``--classifier
plain_resnet:network``. The script has not been run on CUDA yet.
"""

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import cycle, islice, product
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from common import Row, classifier_option, environment, json_option, method_option, publish, threads_option
from jaxtyping import Float
from rivals import CLASSES, RIVALS, Job, Rival

import seewhy
from seewhy.classifiers.fast import RUNTIMES, candidates
from seewhy.classifiers.tuning import RuntimeRequest, tune
from seewhy.core.arrays import Images, Probabilities
from seewhy.images.open import open_image
from seewhy.images.view import apply_view
from seewhy.runtime.cache import default_cache
from seewhy.runtime.engines import Answer
from seewhy.runtime.machine import installed, keep_freed_memory
from seewhy.runtime.tune import Clock, ask, attempt, perturbed

USUAL = 3137
"""Queries of a run with all defaults, which determine how long the search for a runtime may take."""

BATCHES = (1, 2, 4, 8, 16, 32)
"""Batch sizes that are tried for each rival."""

ATTEMPT = 100
"""Approximate number of queries of one such attempt."""

READY = 64
"""Number of images that bare loops cycle through."""

Rates = dict[str, float]
"""Queries per second by name."""


@dataclass(frozen=True, eq=False)
class Runner:
    """Something that is timed in every round.

    Args:
        name: name in the tables.
        kind: ``bare``, ``ours`` or ``rival``.
        turn: function that runs the queries and returns their number, and the seconds by name of the measurement.
        facts: further columns of its row.
    """

    name: str
    kind: str
    turn: Callable[[], tuple[int, Mapping[str, float]]]
    facts: Row


@dataclass(eq=False)
class Counted:
    """A model that counts the images it receives."""

    model: Answer
    images: int = 0

    def __call__(self, images: Images) -> Probabilities:
        """Run the model and count the images."""
        self.images += len(images)
        return self.model(images)


def clock_of(device: torch.device) -> Clock:
    """Return a clock that waits for the device on CUDA."""

    def synchronised() -> float:
        torch.cuda.synchronize(device)
        return time.perf_counter()

    return synchronised if device.type == "cuda" else time.perf_counter


def bare_runners(
    classifier: seewhy.Classifier, pictures: Images, names: Sequence[str], queries: int, clock: Clock
) -> tuple[list[Runner], list[Row]]:
    """Build the runtimes; those that are not available, or have a different output, give a row with the reason."""
    ways = candidates(classifier, default_cache())
    wanted = names or [way.name for way in ways]
    strange = [name for name in wanted if name not in {way.name for way in ways}]
    out: list[Row] = [
        {"runner": f"bare {name}", "kind": "bare", "reason": "not for this classifier"} for name in strange
    ]
    runners = []
    truth = ask(classifier, pictures)
    for way in [way for way in ways if way.name in wanted]:
        timing, answer = attempt(way, pictures, truth, clock)
        facts: Row = {"precision": timing.precision, "agreement": timing.agreement, "batch_size": timing.batch_size}
        if answer is None or timing.batch_size is None or timing.reason is not None:
            out.append({"runner": f"bare {way.name}", "kind": "bare", **facts, "reason": timing.reason})
            continue
        turn = partial(loop, answer, pictures, timing.batch_size, queries, clock)
        runners.append(Runner(f"bare {way.name}", "bare", turn, facts))
        click.echo(f"{way.name}: batches of {timing.batch_size}", err=True)
    return runners, out


def loop(answer: Answer, pictures: Images, batch: int, queries: int, clock: Clock) -> tuple[int, Mapping[str, float]]:
    """Run prepared batches one after another."""
    shown = torch.arange(max(READY, batch) // batch * batch) % len(pictures)
    ready = torch.split(pictures[shown], batch)
    calls = max(1, queries // batch)
    start = clock()
    for images in islice(cycle(ready), calls):
        answer(images)
    return calls * batch, {"loop": clock() - start}


def explain(classifier: seewhy.Classifier, photo: Path, method: str) -> tuple[int, Mapping[str, float]]:
    """Explain the photo with default settings."""
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # warnings about the map, which is not used here
        found = seewhy.explain(classifier, photo, method=method)
    whole = time.perf_counter() - start
    return found.queries.forward_images, {"explaining": found.seconds, "whole_call": whole}


def race(rival: Rival, job: Job) -> tuple[int, Mapping[str, float]]:
    """Run a rival's explanation."""
    counted, clock = Counted(job.model), clock_of(job.image.device)
    start = clock()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the rival's own warnings are not relevant here
        rival.run(replace(job, model=counted))
    return counted.images, {"whole_call": clock() - start}


def rival_runners(job: Job, wanted: Callable[[str], bool]) -> tuple[list[Runner], list[Row]]:
    """Find each rival's fastest batch size; rivals that are not installed give a row with the reason."""
    runners, out = [], []
    for rival in RIVALS:
        if not wanted(rival.name):
            continue
        if rival.missing:
            reason = "not installed: pip install 'seewhy[rivals]'"
            out.append({"runner": rival.name, "kind": "rival", "reason": reason})
            continue
        race(rival, replace(job, queries=2))  # warm-up: compilation and loading at the first call
        speeds = {}
        for batch in BATCHES:
            queries, seconds = race(rival, replace(job, queries=min(ATTEMPT, job.queries), batch=batch))
            speeds[batch] = queries / seconds["whole_call"]
        best = max(BATCHES, key=speeds.__getitem__)
        facts: Row = {"version": installed(rival.package), "batch_size": best}
        runners.append(Runner(rival.name, "rival", partial(race, rival, replace(job, batch=best)), facts))
        click.echo(f"{rival.name}: batches of {best}", err=True)
    return runners, out


def line_up(lines: Sequence[tuple[Runner, str]], rates: Float[np.ndarray, "r n"], queries: Sequence[int]) -> list[Row]:
    """Return one row per runner and measurement."""
    low, middle, high = np.quantile(rates, [0.25, 0.5, 0.75], axis=0).tolist()
    return [
        {"runner": runner.name, "kind": runner.kind, "counted": counted, **runner.facts, "queries": asked}
        | {"queries_per_second": m, "low": a, "high": b}
        for (runner, counted), asked, m, a, b in zip(lines, queries, middle, low, high, strict=True)
    ]


def ratios(lines: Sequence[tuple[Runner, str]], rates: Float[np.ndarray, "r n"]) -> list[Row]:
    """Compare each method with the fastest bare loop and each rival, and that loop with the unoptimised classifier."""
    kinds = ("bare", "ours", "rival")
    bare, ours, rivals = ([at for at, (runner, _) in enumerate(lines) if runner.kind == kind] for kind in kinds)
    fastest = sorted(bare, key=lambda at: -float(np.median(rates[:, at])))[:1]
    rows: dict[tuple[str, str], Row] = {}
    for at, other in [*product(fastest, bare[:1]), *product(ours, [*fastest, *rivals])]:
        (runner, counted), (over, _) = lines[at], lines[other]
        row = rows.setdefault((runner.name, over.name), {"runner": runner.name, "over": over.name, "kind": over.kind})
        low, middle, high = np.quantile(rates[:, at] / rates[:, other], [0.25, 0.5, 0.75]).tolist()
        row |= {counted: middle, f"{counted}_low": low, f"{counted}_high": high}
    return list(rows.values())


def measure(runners: Sequence[Runner], rounds: int) -> tuple[list[Row], list[Row]]:
    """Run everything once in every round, and return one row each and the ratios."""
    taken = []
    for done in range(rounds + 1):
        taken.append([(runner, *runner.turn()) for runner in runners])
        click.echo(f"round {done} of {rounds}", err=True)
    lines = [(runner, counted) for runner, _, seconds in taken[0] for counted in seconds]
    queries = [asked for _, asked, seconds in taken[0] for _ in seconds]
    rates: Float[np.ndarray, "r n"] = np.array(
        [[asked / spent for _, asked, seconds in turns for spent in seconds.values()] for turns in taken[1:]]
    )
    return line_up(lines, rates, queries), ratios(lines, rates)


def lowest(rows: Sequence[Row], kind: str, counted: str) -> float | None:
    """Return the lowest median ratio; None if there is nothing to compare."""
    return min((row[counted] for row in rows if row["kind"] == kind and counted in row), default=None)


def usual_methods(job: Job) -> tuple[str, ...]:
    """Return the default methods, with as many windows and grids as the rivals have."""
    size, stride = job.window
    return "pmi", f"occlusion:size={size},stride={stride}", f"rise:masks={job.queries}"


@click.command()
@click.argument("photo", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@classifier_option("efficientnet-lite0")
@click.option("--device", help="Torch device, such as cpu or cuda.")
@method_option
@click.option(
    "--runtime",
    "names",
    multiple=True,
    type=click.Choice(RUNTIMES),
    help="Runtime of a bare loop; repeatable. Default: all.",
)
@click.option(
    "--queries",
    default=1000,
    show_default=True,
    type=click.IntRange(min=4),
    help="Approximate number of queries per run.",
)
@click.option(
    "--rounds", default=5, show_default=True, type=click.IntRange(min=1), help="Number of rounds that are counted."
)
@click.option("--only", multiple=True, help="Run only those whose name contains this text; repeatable.")
@click.option("--plain-memory", is_flag=True, help="Leave the C library's memory settings unchanged.")
@threads_option
@json_option
@torch.no_grad()
def main(
    photo: Path,
    *,
    classifier: str,
    device: str | None,
    methods: tuple[str, ...],
    names: tuple[str, ...],
    queries: int,
    rounds: int,
    only: tuple[str, ...],
    plain_memory: bool,
    threads: int | None,
    as_json: bool,
) -> None:
    """Print queries per second of explanations and of rivals.

    The fastest bare loops over the classifier are measured too.
    """

    def wanted(name: str) -> bool:
        return not only or any(part.lower() in name.lower() for part in only)

    if not plain_memory:
        keep_freed_memory()
    if threads is not None:
        torch.set_num_threads(threads)
    settings: dict[str, Any] = {} if device is None else {"device": device}
    opened = seewhy.classifier(classifier, **settings)
    image = apply_view(open_image(photo), opened.view)[0].to(opened.device)
    most_probable = opened(image[None])[0].argsort(descending=True)[:CLASSES].tolist()
    job = Job(opened, image, tuple(most_probable), queries, BATCHES[0])
    choice = tune(opened, image, RuntimeRequest(), queries=USUAL)[1]
    bare, left_out = bare_runners(opened, perturbed(image), names, queries, clock_of(opened.device))
    ours = [Runner(each, "ours", partial(explain, opened, photo, each), {}) for each in methods or usual_methods(job)]
    rivals, absent = rival_runners(job, wanted)
    runners = [runner for runner in (*bare, *ours, *rivals) if wanted(runner.name)]
    if not runners:
        raise click.UsageError(
            f"expected --only to be part of a runner's name, got {', '.join(only)}; see --help for the methods and "
            "runtimes"
        )
    speeds, compared = measure(runners, rounds)
    figures: Row = {
        "benchmark": "throughput",
        "runners": [*speeds, *left_out, *absent],
        "ratios": compared,
        "chosen": choice.name,
        **{
            f"lowest_{counted}_over_{kind}": lowest(compared, kind, counted)
            for kind in ("bare", "rival")
            for counted in ("explaining", "whole_call")
        },
        "protocol": (
            f"one photo, {opened.name}, {opened.view.describe()}, on {opened.device}; about {queries} queries per "
            "run, `pmi` with its default number; bare: prepared batches, at the fastest batch size; ours: "
            f"{choice.name} in batches of {choice.batch_size}, chosen beforehand; rivals: the unoptimised classifier, "
            f"complete call, fastest of batches {', '.join(map(str, BATCHES))}; {rounds} rounds after one that is not "
            "counted, everything once per round; medians, low and high: quartiles; ratios within a round; "
            + ("default memory settings" if plain_memory else "freed memory is kept, as by the command line")
        ),
        **environment(),
    }
    publish(figures, as_json=as_json)


if __name__ == "__main__":
    main()
