"""Do generated counterfactuals find tumours in brain MRI, and better than other methods and simple controls do?

Claim: the explanation of SyCE, ``|stable - adversarial|``, overlaps with the tumour more than the maps of gradients, integrated gradients,
SmoothGrad, Grad-CAM, occlusion, RISE, PMI, IBISA and meaningful perturbation do, and more than the picture's own brightness does, by
which tumours can be seen on FLAIR.

Protocol: slices by the rules of ``brain_slices.py``, split by patient; the classifier is trained on the train patients, the oracle too, of
another architecture and seed, and so are the generators, for each seed anew. Settings are chosen on the validation patients
(``--judge validation``). Localisation is measured on tumour slices of the test patients, whatever the classifier says of them, at most
``--each`` a patient, evenly spaced; ``right`` and ``wrong`` are those that it gives the class and the others. Explained is the class
``tumour``; counterfactuals explain the predicted class, as they must. ``iou`` takes as many of the highest pixels as the tumour has,
``ncc`` is Pearson's correlation with the region, ``iou-percentiles`` the mean overlap over the map's percentiles 70 to 99. No map is
smoothed. ``input``: ``|input - adversarial|`` of the same generators; ``path``: gradients on the way to the adversarial picture. ``abs``:
the same map without its signs. 95 % intervals: bootstrap over patients, 2,000 resamples; those of seeds are of the mean
over seeds. ``intensity`` is the picture itself: a map that is not better says nothing that the eye does not see.

``python benchmarks/counterfactual_mri.py FILE.npz --out DIR [--size 64] [--seeds 3] [--arm syce --arm cyce] [--set NAME=VALUE]...
[--judge test] [--each 8] [--method NAME]... [--threads N] [--json]``; FILE as in ``brain_slices.py``. ``--seeds 0`` trains no generators.
Everything is written to DIR in parts, and a run that was broken off goes on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import torch
from brain_slices import Sides, about, read
from common import Row, environment, json_option, publish, settle, threads_option
from generators import about_twins, arm_option, set_option, trained_twins
from jaxtyping import Float, Int
from located import (
    CONTROLS,
    GRADIENT,
    Entry,
    answers,
    by_chance,
    explain,
    judge,
    kept,
    pooled,
    same_as_before,
    summarise,
    sure,
)

from seewhy.classifiers.module import TorchClassifier
from seewhy.classifiers.trained import trained
from seewhy.draw.twins import samples_png
from seewhy.images.collection import Collection
from seewhy.nets.carded import CARD
from seewhy.train.augment import Augment
from seewhy.train.classifier import Plan, train_classifier
from seewhy.train.judged import area

TUMOUR = 1
"""The class that is explained."""

AUGMENT = Augment(turn=15.0, zoom=0.15, shift=0.05, mirror="horizontal")
CLASSIFIERS = {
    "classifier": Plan(arch="plain", epochs=25, patience=8, augment=AUGMENT, seed=0),
    "oracle": Plan(arch="residual", epochs=25, patience=8, augment=AUGMENT, seed=1),
}
"""Folder → how what is explained is trained, and what judges whether a change is one that others see too."""

CHANGES = (
    "turn=10",
    "mirror=horizontal",
    "batch=16",
    "epochs=6",
    "half=true",
    "widths=8+16+32+32",
    "norm=none",
    "warm_up=0.2",
    "flip=0.5",
    "back=0.2",
    "stable=0.3",
    "realism=0.5",
)
"""To the usual plan of the generators, for two processor cores; ``--set`` comes after."""

OTHERS = (
    GRADIENT,
    Entry("integrated", "integrated-gradients"),
    Entry("integrated abs", "integrated-gradients", absolute=True),
    Entry("smoothgrad", "smoothgrad"),
    Entry("grad-cam", "grad-cam"),
    Entry("occlusion", "occlusion:size=12"),
    Entry("rise", "rise:masks=500,cells=8"),
    Entry("pmi", "pmi:size=8", "telea"),
    Entry("pmi abs", "pmi:size=8", "telea", absolute=True),
    Entry("ibisa", "ibisa"),
    Entry("perturbation", "meaningful-perturbation:cells=16,sigma=1.5,jitter=1", "blur:sigma=3"),
    *CONTROLS,
)
SHOWN = 8
"""Slices on the sheet, one a patient."""


@dataclass(frozen=True, eq=False)
class Study:
    """What all methods are asked about.

    Args:
        out: folder of all parts.
        sides: the slices.
        classifier: that is explained.
        oracle: another one.
        side: which patients are judged.
        slices: the tumour slices that maps are measured on.
    """

    out: Path
    sides: Sides
    classifier: TorchClassifier
    oracle: TorchClassifier
    side: str
    slices: Collection

    @property
    def judged(self) -> Collection:
        """All slices of the patients that are judged."""
        side: Collection = getattr(self.sides, self.side)
        return side

    @property
    def parts(self) -> Path:
        """Where the figures of these slices are kept."""
        return self.out / f"{self.side}-{len(self.slices)}"


def set_up(file: Path, out: Path, *, size: int, side: str, each: int) -> Study:
    """Read the slices, and train the two classifiers or find them trained."""
    sides = read(file, size)
    for name, plan in CLASSIFIERS.items():
        if not (out / name / CARD).exists():
            train_classifier(sides.train, out / name, plan=plan)
            click.echo(f"trained the {name}", err=True)
    classifier, oracle = (trained(folder=str(out / name)) for name in CLASSIFIERS)
    chosen = spaced(getattr(sides, side), each)
    return Study(out, sides, classifier, oracle, side, getattr(sides, side).take(chosen))


def spaced(side: Collection, each: int) -> Int[np.ndarray, "m"]:
    """Choose evenly spaced tumour slices of each patient, at most so many."""
    places, patients = [], sure(side.groups, "patients")
    for patient in np.unique(patients):
        own = np.flatnonzero((patients == patient) & (side.labels == TUMOUR))
        places.append(own[np.unique(np.linspace(0, len(own) - 1, min(each, len(own))).round().astype(np.int64))])
    return np.concatenate(places)


def about_classifier(study: Study, name: str) -> Row:
    """Say how good a classifier is on the judged patients, with intervals over patients."""
    pictures = study.judged
    said = torch.from_numpy(answers(getattr(study, name), pictures)[:, TUMOUR])
    truth = torch.from_numpy(sure(pictures.labels, "labels") == TUMOUR)
    groups = sure(pictures.groups, "patients")
    own = [np.flatnonzero(groups == patient) for patient in np.unique(groups)]
    draws = np.random.default_rng(0).integers(len(own), size=(1000, len(own)))
    areas = [
        area(said[chosen], truth[chosen]) for chosen in (np.concatenate([own[each] for each in row]) for row in draws)
    ]
    low, high = np.quantile(areas, [0.025, 0.975]).tolist()
    right = float(((said > 0.5) == truth).double().mean())
    row: Row = {"network": name, "plan": CLASSIFIERS[name].arch, "slices": len(pictures), "accuracy": right}
    return row | {"auc": area(said, truth), "auc_low": low, "auc_high": high}


def train_all(study: Study, arms: Sequence[str], seeds: int, changes: Sequence[str]) -> dict[str, Path]:
    """Train generators of every arm and seed, one after the other."""
    found = {}
    for arm, seed in ((arm, seed) for seed in range(seeds) for arm in arms):
        folder = study.out / f"{arm}-{seed}"
        pictures, settings = study.sides.train, (*CHANGES, *changes)
        found[folder.name] = trained_twins(study.classifier, pictures, folder, arm=arm, seed=seed, changes=settings)
    return found


def about_all(study: Study, folders: dict[str, Path]) -> list[Row]:
    """Test all generators on all slices of the judged patients."""
    asked = (study.classifier, study.oracle, study.judged)
    return [row for folder in folders.values() for row in about_twins(*asked, folder)]


def entries(folders: dict[str, Path], reference: Path) -> dict[str, Entry]:
    """List the methods that need something trained, by the name of their part, and those that do not."""
    found = {}
    for name, folder in folders.items():
        found[name] = Entry(name, f"counterfactual:weights={folder}")
        found[f"path-{name}"] = Entry(f"path-{name}", f"counterfactual-path:weights={folder}")
        if name.startswith("syce"):
            found[f"input-{name}"] = Entry(f"input-{name}", f"counterfactual:weights={folder},definition=input")
    nearest = Entry("nearest", f"nearest-counterfactual:reference={reference}")
    return found | {entry.name: entry for entry in (nearest, *OTHERS)}


def measure(study: Study, entry: Entry) -> list[Row]:
    """Judge a method on the tumour slices, or read what was found before."""
    click.echo(f"{entry.name}: {len(study.slices)} slices", err=True)
    path = study.parts / f"{entry.name.replace(' ', '-')}.json"
    return kept(path, lambda: judge(study.classifier, entry, study.slices, TUMOUR))


def save_reference(study: Study) -> Path:
    """Write the train slices as a file, where the nearest counterfactual takes its pictures from."""
    path, train = study.out / "train.npz", study.sides.train
    if not path.exists():
        np.savez(path, images=train.pixels, labels=sure(train.labels, "labels"), classes=np.array(train.classes))
    return path


def sheet(study: Study, chosen: Sequence[Entry]) -> bytes:
    """Draw a few slices, the truth, and every method's map, each from its least to its greatest value."""
    _, firsts = np.unique(sure(study.slices.groups, "patients"), return_index=True)
    some = study.slices.take(firsts[:SHOWN])
    images = some.images(slice(None))
    rows = {"slice": images.numpy(), "tumour": gray(sure(some.regions, "regions").astype(np.float32))}
    for entry in chosen:
        maps = [explain(study.classifier, entry, image, TUMOUR, seed=place)[0] for place, image in enumerate(images)]
        rows[entry.name] = gray(np.stack([stretched(values) for values in maps]))
    return samples_png({f"{study.side} patients": rows}, "Where is the tumour?")


def gray(maps: Float[np.ndarray, "n h w"]) -> Float[np.ndarray, "n 3 h w"]:
    """Show maps as pictures."""
    return np.repeat(maps[:, None], 3, axis=1)


def stretched(values: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """Bring a map to 0 to 1, for the eye only."""
    shown: Float[np.ndarray, "h w"] = (values - values.min()) / max(float(np.ptp(values)), 1e-12)
    return shown


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder for all parts.")
@click.option("--size", default=64, show_default=True, help="Side of the pictures, averaged from the slices.")
@click.option("--seeds", default=3, show_default=True, help="Generators of each arm; 0: none.")
@arm_option
@set_option
@click.option("--judge", "side", default="test", show_default=True, type=click.Choice(["validation", "test"]))
@click.option("--each", default=8, show_default=True, help="Tumour slices a patient, at most.")
@click.option("--method", "methods", multiple=True, help="Only these lines of the table; repeatable.")
@threads_option
@json_option
def main(
    file: Path,
    *,
    out: Path,
    size: int,
    seeds: int,
    arms: tuple[str, ...],
    changes: tuple[str, ...],
    side: str,
    each: int,
    methods: tuple[str, ...],
    threads: int | None,
    as_json: bool,
) -> None:
    """Train, explain and measure; print who finds tumours."""
    settle(threads)
    same_as_before(out, {"file": file.name, "size": size, "set": changes})
    study = set_up(file, out, size=size, side=side, each=each)
    folders = train_all(study, arms, seeds, changes)
    known = entries(folders, save_reference(study))
    chosen = [entry for name, entry in known.items() if not methods or name in methods]
    tables = pooled({entry.name: measure(study, entry) for entry in chosen})
    (study.parts / "sheet.png").write_bytes(sheet(study, chosen))
    figures: Row = {
        "benchmark": "counterfactual_mri",
        "slices": about(study.sides),
        "classifiers": [about_classifier(study, name) for name in CLASSIFIERS],
        "generators": about_all(study, folders),
        "methods": [{"name": entry.name, "method": entry.method, "infill": entry.infill} for entry in chosen],
        "localisation": summarise(tables, next(iter(tables))),
        "iou_by_chance": by_chance(sure(study.slices.regions, "regions")),
        "protocol": (
            f"{file.name} at {size} × {size}; rules of brain_slices.py; {side} patients, {len(study.slices)} tumour slices, at most "
            f"{each} a patient; no map is smoothed; intervals: 95 % bootstrap over patients; iou_less_first: paired difference to the first line; "
            f"generators: {' '.join((*CHANGES, *changes))}"
        ),
        **environment(),
    }
    publish(figures, as_json=as_json)


if __name__ == "__main__":
    main()
