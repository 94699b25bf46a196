"""Do generated counterfactuals of digits change what a digit is, or only the prediction of one classifier?

Claim: a separately trained classifier (the oracle) predicts the other digit for the adversarial images of SyCE and
CyCE, and these images resemble real ones. Neither holds for the control without a critic. Without its symmetry loss,
SyCE has no stable image.

Protocol: two classes of a data set with a training and a test file (MNIST: 3 and 8). The classifier (plain, seed 0),
the oracle (residual, seed 1) and the embedding for the Fréchet distances (an auto-encoder trained without labels) are
trained on the training file. So are the generators, anew for each seed, with one in five images held out to choose the
epoch. Every figure is over all test images of the two classes, whatever the classifier predicts, flipped or not.
``worst`` is the worse of the two directions. ``rho`` is the Fréchet distance to real images of the other class, divided
by that between the two classes. ``restored`` is the fraction of the adversarial images that return to their class after
noise of 0.05, by symmetry for SyCE and by the cycle for CyCE. ``undone`` is the effect of one class's generator on real
images of the other; 0 means that it undoes only its own edits. The figures are means over seeds, with minimum and
maximum. Memory is the largest resident size of the training process.

``python benchmarks/counterfactual_digits.py TRAIN TEST --out DIR [--classes 3,8] [--seeds 3] [--arm NAME]... [--set
NAME=VALUE]... [--threads N] [--workers N] [--json]``; files are read by `seewhy.images.collection.read_collection`. All
output is written to DIR in parts, and an interrupted run resumes. ``--arm syce-paper`` takes hours on two cores.
"""

import json
import multiprocessing
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import click
import numpy as np
from common import Row, environment, json_option, publish, settle
from safetensors.torch import load_file, save_file

from seewhy.audit.counterfactual import audit_counterfactual
from seewhy.classifiers.trained import trained
from seewhy.core.intervals import Interval
from seewhy.images.collection import Collection, read_collection
from seewhy.nets.checkpoints import CARD
from seewhy.nets.counterfactual_generators import load_generators
from seewhy.nets.embedding import Embedding
from seewhy.results.audit_counterfactual import CounterfactualRecord, Restored
from seewhy.results.codec import from_json, to_json
from seewhy.training.accuracy import keep_classes
from seewhy.training.classifier import Plan as ClassifierPlan
from seewhy.training.classifier import train_classifier
from seewhy.training.counterfactual.plan import Plan, make_plan, read_changes
from seewhy.training.counterfactual.train import train_counterfactual
from seewhy.training.embedding import train_embedding
from seewhy.training.loop import CHECKPOINT

ARMS: dict[str, tuple[str, str, dict[str, float]]] = {
    "syce": ("syce", "usual", {}),
    "cyce": ("cyce", "usual", {}),
    "sagen": ("sagen", "usual", {}),
    "syce-without-symmetry": ("syce", "usual", {"symmetry": 0.0, "stable": 0.0, "cycle": 15.0}),
    "syce-without-critic": ("syce", "usual", {"realism": 0.0}),
    "syce-paper": ("syce", "paper", {}),
    "cyce-paper": ("cyce", "paper", {}),
}
"""Arm, preset and changed settings by name; an ablation keeps all other settings."""

USUAL = tuple(name for name in ARMS if not name.endswith("paper"))
CLASSIFIERS = {"classifier": ClassifierPlan(arch="plain", seed=0), "oracle": ClassifierPlan(arch="residual", seed=1)}
EMBEDDING = "embedding.safetensors"
COLUMNS = (
    "flip",
    "stable",
    "oracle_flip",
    "error_stable",
    "error_cycle",
    "l1",
    "rho",
    "variety",
    "restored",
    "undone",
    "minutes",
    "megabytes",
    "ms",
)


def plan_of(name: str, seed: int, settings: tuple[str, ...]) -> Plan:
    """Return the training plan of an arm."""
    arm, preset, changes = ARMS[name]
    given = read_changes(settings) if preset == "usual" else {}
    return make_plan(arm, preset, **{**given, **changes}, seed=seed)


def prepare(train: Collection, test: Collection, out: Path) -> None:
    """Train the classifier, the oracle and the embedding, unless they exist."""
    for name, plan in CLASSIFIERS.items():
        if not (out / name / CARD).exists():
            found = train_classifier(train, out / name, plan=plan, test=test)
            click.echo(f"{name}: {found.test}", err=True)
    if not (out / EMBEDDING).exists():
        save_file(train_embedding(train, seed=0).state_dict(), out / EMBEDDING)


def read_embedding(pictures: Collection, out: Path) -> Embedding:
    """Read the embedding trained by `prepare`."""
    net = Embedding(pictures.channels, pictures.size, dim=64, seed=0)
    net.load_state_dict(load_file(out / EMBEDDING))
    return net.eval().requires_grad_(requires_grad=False)


def carry_out(job: tuple[str, int, tuple[str, ...], Path, Path, str, Path]) -> None:
    """Train and evaluate one arm with one seed, in a separate process; this writes ``result.json``."""
    name, seed, settings, train, test, classes, out = job
    settle(1)
    folder, names = out / f"{name}-{seed}", classes.split(",")
    asked, oracle = (trained(folder=str(out / each)) for each in CLASSIFIERS)
    pictures, others = (keep_classes(read_collection(each), names) for each in (train, test))
    begun, plan = time.monotonic(), plan_of(name, seed, settings)
    if not (folder / CARD).exists() or (folder / CHECKPOINT).exists():
        train_counterfactual(asked, pictures, folder, plan=plan)
    minutes, memory = (time.monotonic() - begun) / 60, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    report = audit_counterfactual(asked, folder, others, oracle=oracle, codes=read_embedding(pictures, out).codes)
    report.save(folder / "test")
    _, card = load_generators(folder, fingerprint=asked.fingerprint)
    kept = {name: card[name] for name in ("collapsed", "stopped", "validation", "plan", "pictures")}
    facts = {"minutes": minutes, "megabytes": memory, "card": kept, "report": to_json(report.record)}
    (folder / "result.json").write_text(json.dumps(facts, indent=1, default=str), encoding="utf-8")


def figures(result: Row) -> Row:
    """Return the table row of one result; quantities where one direction can be worse are of the worse direction."""
    record = from_json(CounterfactualRecord, result["report"], "result.json")
    worst, overall = record.overall.worst, record.overall.figures
    noisy = [each.restored.get("noise 0.05", Restored(None, None)) for each in record.directions]
    restored = [each.undo if record.generators.arm == "syce" else each.back for each in noisy]
    seconds = record.seconds_per_explanation

    def value(figure: Interval | None) -> float | None:
        return None if figure is None else figure.value

    return {
        **{name: worst.get(name) for name in ("flip", "stable", "oracle_flip")},
        **{name: value(getattr(overall, name)) for name in ("error_stable", "error_cycle", "l1")},
        "rho": worst.get("ratio"),
        "variety": least([each.diversity.ratio for each in record.directions]),
        "restored": least(restored),
        "undone": most([each.undone_real for each in record.directions]),
        "minutes": result["minutes"],
        "megabytes": result["megabytes"],
        "ms": None if seconds is None else 1000 * seconds,
    }


def least(values: list[float | None]) -> float | None:
    """Return the smallest value that is not None."""
    return min((value for value in values if value is not None), default=None)


def most(values: list[float | None]) -> float | None:
    """Return the largest value that is not None."""
    return max((value for value in values if value is not None), default=None)


def spread(values: list[float | None]) -> Row | None:
    """Return the mean over seeds, with minimum and maximum."""
    known = [each for each in values if each is not None]
    return {"mean": float(np.mean(known)), "low": min(known), "high": max(known)} if known else None


def means(found: Row | None) -> float | None:
    """Return only the mean, for the printed table."""
    return None if found is None else found["mean"]


@click.command()
@click.argument("train", type=click.Path(exists=True, path_type=Path))
@click.argument("test", type=click.Path(exists=True, path_type=Path))
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder for all output.")
@click.option("--classes", default="3,8", show_default=True, help="Names of two classes.")
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(min=1), help="Number of seeds.")
@click.option(
    "--arm",
    "arms",
    multiple=True,
    type=click.Choice(list(ARMS)),
    default=USUAL,
    show_default=True,
    help="Generator system to train; repeatable.",
)
@click.option("--set", "settings", multiple=True, help="Training setting of the generators, as NAME=VALUE; repeatable.")
@click.option("--workers", default=1, show_default=True, help="Number of processes, each with one thread.")
@json_option
def main(
    train: Path,
    test: Path,
    *,
    out: Path,
    classes: str,
    seeds: int,
    arms: tuple[str, ...],
    settings: tuple[str, ...],
    workers: int,
    as_json: bool,
) -> None:
    """Train every arm with every seed, and evaluate it.

    TRAIN holds the training images, TEST the test images.
    """
    settle(1)
    for name in arms:
        plan_of(name, 0, settings)  # raises on invalid settings before anything is trained
    known, unseen = (keep_classes(read_collection(each), classes.split(",")) for each in (train, test))
    prepare(known, unseen, out)
    jobs = [(name, seed, settings, train, test, classes, out) for seed in range(seeds) for name in arms]
    open_jobs = [job for job in jobs if not (out / f"{job[0]}-{job[1]}" / "result.json").exists()]
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as pool:
        for job, _ in zip(open_jobs, pool.map(carry_out, open_jobs), strict=True):
            click.echo(f"{job[0]}, seed {job[1]}: done", err=True)
    found = {
        name: [json.loads((out / f"{name}-{seed}" / "result.json").read_text("utf-8")) for seed in range(seeds)]
        for name in arms
    }
    rows: list[Row] = []
    for name, results in found.items():
        each = [figures(result) for result in results]
        rows.append({"arm": name, **{column: spread([row[column] for row in each]) for column in COLUMNS}})
    figures_of_all: Row = {
        "benchmark": "counterfactual_digits",
        "classifiers": [
            {"name": name, **json.loads((out / name / CARD).read_text("utf-8"))["test"]} for name in CLASSIFIERS
        ],
        "arms": [{"arm": row["arm"], **{name: means(row[name]) for name in COLUMNS}} for row in rows],
        "spread": rows,
        "collapsed": {name: [result["card"]["collapsed"] for result in results] for name, results in found.items()},
        "protocol": (
            f"{train.name} and {test.name}, classes {classes}, {seeds} seeds; "
            f"settings: {' '.join(settings) or 'the defaults'}"
        ),
        **environment(),
    }
    publish(figures_of_all, as_json=as_json, unprinted=("spread",))


if __name__ == "__main__":
    main()
