"""Do generated counterfactuals find a synthetic lesion, reveal a learned shortcut, and depend on the classifier?

Claims: (1) on images with a lesion, the changes made by SyCE and CyCE lie on it: their overlap is at least five times
that of chance, their correlation is at least 0.35, and both exceed those of gradients; (2) if a classifier relies on a
tag in the corner, so that its accuracy falls by 0.2 or more when the tags are swapped, at least half of the changes lie
in the tag; (3) generators trained against a classifier with random weights change something else: their maps correlate
by less than 0.5 with those of the trained classifier.

Protocol: images from ``lesions.py``, 32 × 32: ``--pictures`` for training, 500 others for the test. Task ``lesion``
uses them unchanged. Task ``tag`` has lesions of 0.4 of the contrast, and a tag on 95 % of the ill and 5 % of the
healthy images; the contrast was chosen by whether the classifier relies on the tag, before any explanation was
computed. For each seed, the images, a classifier, an oracle (another architecture and seed) and generators of each arm
are created anew. ``iou`` and ``ncc`` are measured on ill test images, whatever the classifier predicts, as in
``counterfactual_mri.py``. The share in the tag is the fraction of a map's absolute values in the 3 × 3 pixels of the
tag, on test images that are tagged and predicted as ill. The classifier with random weights has the same architecture
as the trained one; its last bias is set so that it predicts half of the images as ill. Intervals are 95 % bootstrap
intervals over images; ``least`` and ``most`` are over seeds.

``python benchmarks/counterfactual_shortcut.py --out DIR [--seeds 3] [--pictures 2000] [--arm syce --arm cyce] [--set
NAME=VALUE]... [--limit 100] [--threads N] [--json]``; no data are needed. All output is written to DIR in parts, and an
interrupted run resumes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click
import lesions
import numpy as np
import torch
from common import Row, environment, interval, json_option, publish, settle, threads_option
from generators import arm_option, direction_rows, set_option, trained_generators
from jaxtyping import Bool
from located import (
    CONTROLS,
    GRADIENT,
    Entry,
    answers,
    by_chance,
    explain,
    kept,
    same_as_before,
    score_maps,
    summarise,
    sure,
)

from seewhy.classifiers.module import TorchClassifier
from seewhy.classifiers.trained import as_classifier, trained
from seewhy.core.attribution import Map
from seewhy.images.collection import Collection
from seewhy.nets.checkpoints import CARD
from seewhy.nets.small_classifier import SmallClassifier, load_small
from seewhy.training.classifier import Plan, train_classifier

ILL = 1
STRENGTHS = {"lesion": 1.0, "tag": 0.4}
"""Contrast of the lesions, by task."""

TEST = 500
NETWORKS = {
    "classifier": Plan(arch="plain", width=32, epochs=6),
    "oracle": Plan(arch="residual", width=32, epochs=6, seed=100),
}
"""Training plan by folder; the seed of the run is added to the plan's."""

CHANGES = ("turn=0", "zoom=0", "shift=0", "widths=8+16+32", "critic_widths=16+32+48", "epochs=6", "half=true")
"""Changes to the generators' default plan: small, short, and without augmentation, so that the tag stays in place."""

OTHERS = (
    GRADIENT,
    Entry("integrated abs", "integrated-gradients", absolute=True),
    Entry("smoothgrad", "smoothgrad"),
    Entry("grad-cam", "grad-cam"),
    Entry("occlusion", "occlusion:size=6"),
    *CONTROLS,
)


@dataclass(frozen=True, eq=False)
class Study:
    """One task with one seed.

    Args:
        out: folder of its output.
        train: training images.
        test: test images.
        swapped: test images with the tags swapped between tagged and untagged ones; the test images themselves if there
            are no tags.
        tagged: which test images have a tag.
        classifier: the classifier that is explained.
        oracle: a second, independent classifier.
    """

    out: Path
    train: Collection
    test: Collection
    swapped: Collection
    tagged: Bool[np.ndarray, "n"]
    classifier: TorchClassifier
    oracle: TorchClassifier


def set_up(out: Path, task: str, seed: int, pictures: int) -> Study:
    """Draw the images, and train or load the two networks."""
    strength, folder = STRENGTHS[task], out / f"{task}-{seed}"
    train = lesions.draw(pictures, 2 * seed, strength=strength)
    test = lesions.draw(TEST, 2 * seed + 1, strength=strength)
    swapped, which = test, np.zeros(TEST, bool)
    if task == "tag":
        train = lesions.tagged(train, lesions.mostly_ill(sure(train.labels, "labels"), 2 * seed))
        which = lesions.mostly_ill(sure(test.labels, "labels"), 2 * seed + 1)
        test, swapped = lesions.tagged(test, which), lesions.tagged(test, ~which)
    for name, plan in NETWORKS.items():
        if not (folder / name / CARD).exists():
            train_classifier(train, folder / name, plan=replace(plan, seed=plan.seed + seed))
            click.echo(f"{folder.name}: trained the {name}", err=True)
    classifier, oracle = (trained(folder=str(folder / name)) for name in NETWORKS)
    return Study(folder, train, test, swapped, which, classifier, oracle)


def accuracy(classifier: TorchClassifier, pictures: Collection) -> float:
    """Return the fraction of images that are classified correctly."""
    return float((answers(classifier, pictures).argmax(1) == sure(pictures.labels, "labels")).mean())


def about_networks(study: Study) -> Row:
    """Return the accuracy of the classifier and the oracle, and the effect of swapping the tags."""
    right = {name: accuracy(getattr(study, name), study.test) for name in NETWORKS}
    swapped = accuracy(study.classifier, study.swapped)
    return {"run": study.out.name, **right, "swapped": swapped, "fall": right["classifier"] - swapped}


def randomised(study: Study, seed: int) -> TorchClassifier:
    """Build the classifier with random weights, and a bias with which it predicts half of the images as ill."""
    _, card = load_small(study.out / "classifier")
    settings = {**card["net"], "widths": tuple(card["net"]["widths"])}
    net = SmallClassifier(**settings, color=tuple(card["mean_color"]), seed=1000 + seed).eval()
    with torch.no_grad():
        scores = net(study.train.images(slice(0, TEST)))
        net.last.bias[ILL] -= (scores[:, ILL] - scores[:, 1 - ILL]).median()
    return as_classifier(net, {**card, "classifier": "random weights"})


def entries(folders: dict[str, Path]) -> list[Entry]:
    """List the generators of one seed, and the methods that need none."""
    made = [Entry(arm, f"counterfactual:weights={folder}") for arm, folder in folders.items()]
    return [*made, *OTHERS]


def localise(study: Study, entry: Entry, limit: int) -> list[Row]:
    """Compare the maps of ill test images with the truth, or load earlier results."""
    ill = np.flatnonzero(sure(study.test.labels, "labels") == ILL)[:limit]
    path = study.out / "iou" / f"{entry.name.replace(' ', '-')}.json"
    return kept(path, lambda: score_maps(study.classifier, entry, study.test.take(ill), ILL))


def in_tag(study: Study, entry: Entry, limit: int) -> list[Row]:
    """Measure the fraction of the map in the tag, on images that are tagged and predicted as ill."""
    said = answers(study.classifier, study.test).argmax(1)
    chosen = study.test.take(np.flatnonzero(study.tagged & (said == ILL))[:limit])

    def work() -> list[Row]:
        maps = (np.abs(explain(study.classifier, entry, image, ILL)[0]) for image in chosen.images(slice(None)))
        return [{"share": float(each[lesions.corner()].sum() / max(each.sum(), 1e-12))} for each in maps]

    return kept(study.out / "tag" / f"{entry.name.replace(' ', '-')}.json", work)


def correlation(one: Map, other: Map) -> float:
    """Return Pearson's correlation of two maps; 0 if either map is constant."""
    if min(np.ptp(one), np.ptp(other)) == 0:
        return 0.0
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def against_random(study: Study, seed: int, arm: str, changes: Sequence[str], limit: int) -> Row:
    """Train generators against random weights, and correlate their maps with those for the trained classifier."""
    other = randomised(study, seed)
    folder = trained_generators(other, study.train, study.out / f"{arm}-random", arm=arm, seed=seed, changes=changes)
    pair = ((study.classifier, study.out / arm), (other, folder))
    asked = [(classifier, Entry(arm, f"counterfactual:weights={where}")) for classifier, where in pair]
    ill = np.flatnonzero(sure(study.test.labels, "labels") == ILL)[:limit]
    images = study.test.take(ill).images(slice(None))
    maps = [[explain(classifier, entry, image, ILL)[0] for image in images] for classifier, entry in asked]
    found = interval([correlation(one, two) for one, two in zip(*maps, strict=True)])
    flips = {row["from"]: row["flip"] for row in direction_rows(other, study.oracle, study.test, folder)}
    return {"run": study.out.name, "arm": arm, **found, "flip_of_random": min(flips.values())}


def over_seeds(rows: Sequence[Row], *figures: str) -> list[Row]:
    """Return the mean, minimum and maximum of figures over seeds, for each method."""
    lines = []
    for method in dict.fromkeys(row["method"] for row in rows):
        own = [row for row in rows if row["method"] == method]
        line: Row = {"method": method, "seeds": len(own)}
        for figure in figures:
            values = [row[figure] for row in own]
            line |= {figure: float(np.mean(values)), f"{figure}_least": min(values), f"{figure}_most": max(values)}
        lines.append(line)
    return lines


def claims(figures: Row, arms: Sequence[str]) -> list[Row]:
    """Compare the figures of each arm and seed with the claims."""
    chance, rows = figures["iou_by_chance"], []
    for arm in arms:
        for run in dict.fromkeys(row["run"] for row in figures["localisation"]):
            found = {row["method"]: row for row in figures["localisation"] if row["run"] == run}
            own = found[arm]
            gradients = [found[name] for name in ("gradient", "integrated abs", "smoothgrad", "grad-cam")]
            row: Row = {"arm": arm, "run": run, "5 x chance, ncc 0.35": own["iou"] >= 5 * chance and own["ncc"] >= 0.35}
            row["above gradients"] = all(own[name] > max(each[name] for each in gradients) for name in ("iou", "ncc"))
            rows.append(row)
        for row in figures["in_tag"]:
            if row["method"] == arm:
                fall = next(each["fall"] for each in figures["networks"] if each["run"] == row["run"])
                rows.append(
                    {"arm": arm, "run": row["run"], "takes the tag": fall >= 0.2, "half in tag": row["mean"] >= 0.5}
                )
    return rows


def work(
    out: Path, *, seeds: int, pictures: int, arms: Sequence[str], changes: Sequence[str], limit: int
) -> dict[str, list[Row]]:
    """Train and measure everything, saving each part."""
    found: dict[str, list[Row]] = {name: [] for name in ("networks", "generators", "localisation", "in_tag", "random")}
    for seed in range(seeds):
        for task in STRENGTHS:
            study = set_up(out, task, seed, pictures)
            found["networks"].append(about_networks(study))
            folders = {
                arm: trained_generators(
                    study.classifier, study.train, study.out / arm, arm=arm, seed=seed, changes=changes
                )
                for arm in arms
            }
            for folder in folders.values():
                rows = direction_rows(study.classifier, study.oracle, study.test, folder)
                found["generators"] += [{**row, "run": f"{study.out.name} {row['run']}"} for row in rows]
            if task == "tag":
                for entry in entries(folders):
                    shares = [row["share"] for row in in_tag(study, entry, limit)]
                    found["in_tag"].append({"run": study.out.name, "method": entry.name, **interval(shares)})
                continue
            tables = {entry.name: localise(study, entry, limit) for entry in entries(folders)}
            found["localisation"] += [{"run": study.out.name} | row for row in summarise(tables, next(iter(tables)))]
            found["random"].append(against_random(study, seed, arms[0], changes, limit))
    return found


@click.command()
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder for all output.")
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(min=1), help="Number of seeds.")
@click.option("--pictures", default=2000, show_default=True, help="Number of training images.")
@click.option("--limit", default=100, show_default=True, help="Number of test images that each method explains.")
@arm_option
@set_option
@threads_option
@json_option
def main(
    *,
    out: Path,
    seeds: int,
    pictures: int,
    limit: int,
    arms: tuple[str, ...],
    changes: tuple[str, ...],
    threads: int | None,
    as_json: bool,
) -> None:
    """Train, explain and measure; print which claims hold."""
    settle(threads)
    same_as_before(out, {"pictures": pictures, "limit": limit, "set": changes})
    settings = (*CHANGES, *changes)
    found = work(out, seeds=seeds, pictures=pictures, arms=arms, changes=settings, limit=limit)
    chance = by_chance(sure(lesions.draw(TEST, 1).regions, "regions")[1::2])
    figures: Row = {
        "benchmark": "counterfactual_shortcut",
        **found,
        "localisation_over_seeds": over_seeds(found["localisation"], "iou", "ncc"),
        "in_tag_over_seeds": over_seeds(found["in_tag"], "mean"),
        "iou_by_chance": chance,
        "tag_by_chance": float(lesions.corner().mean()),
        "protocol": (
            f"lesions.py, {lesions.SIZE} × {lesions.SIZE}; {pictures} images for training, {TEST} for the test, of "
            f"which {limit} are explained by each method; {seeds} seeds; contrast of the lesions {STRENGTHS}; "
            f"generators: {' '.join(settings)}"
        ),
        **environment(),
    }
    figures["claims"] = claims(figures, arms)
    publish(figures, as_json=as_json, unprinted=("localisation", "in_tag"))


if __name__ == "__main__":
    main()
