"""Do generated counterfactuals locate tumours in brain MRI, and better than other methods and simple controls?

Claim: the explanation of SyCE, ``|stable - adversarial|``, overlaps with the tumour more than the maps of gradients,
integrated gradients, SmoothGrad, Grad-CAM, occlusion, RISE, PMI, IBISA and meaningful perturbation do. It also overlaps
more than the image's brightness, by which tumours are visible on FLAIR.

Protocol: slices are selected by the rules of ``brain_slices.py`` and split by patient. The classifier, the oracle (of
another architecture and seed) and the generators (anew for each seed) are trained on the training patients. Settings
are chosen on the validation patients (``--evaluate-on validation``). Localisation is measured on tumour slices of the
test patients, whatever the classifier predicts, with at most ``--each`` evenly spaced slices per patient; ``right`` and
``wrong`` are the slices classified correctly and the others. The explained class is ``tumour``; counterfactuals explain
the predicted class, by construction. ``iou`` uses as many of the highest pixels as the tumour has, ``ncc`` is Pearson's
correlation with the region, and ``iou-percentiles`` is the mean overlap over the map's percentiles 70 to 99. No map is
smoothed. ``input`` is ``|input - adversarial|`` of the same generators; ``path`` uses gradients on the path to the
adversarial image. ``abs`` is the absolute value of the same map. Intervals are 95 % bootstrap intervals over patients
with 2,000 resamples; for several seeds, they are of the mean over seeds. ``intensity`` is the image itself: a map that
does not beat it shows nothing beyond what is visible in the image.

``python benchmarks/counterfactual_mri.py FILE.npz --out DIR [--size 64] [--seeds 3] [--arm syce --arm cyce] [--set
NAME=VALUE]... [--evaluate-on test] [--each 8] [--method NAME]... [--threads N] [--json]``; FILE is described in
``brain_slices.py``. ``--seeds 0`` trains no generators. All output is written to DIR in parts, and an interrupted run
resumes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import torch
from brain_slices import Sides, about, read
from common import Row, environment, json_option, publish, settle, threads_option
from generators import arm_option, direction_rows, set_option, trained_generators
from jaxtyping import Float, Int
from located import (
    CONTROLS,
    GRADIENT,
    Entry,
    answers,
    by_chance,
    explain,
    kept,
    pooled,
    same_as_before,
    score_maps,
    summarise,
    sure,
)

from seewhy.classifiers.module import TorchClassifier
from seewhy.classifiers.trained import trained
from seewhy.images.collection import Collection
from seewhy.nets.checkpoints import CARD
from seewhy.plots.generated import samples_png
from seewhy.training.accuracy import area
from seewhy.training.augment import Augment
from seewhy.training.classifier import Plan, train_classifier

TUMOUR = 1
"""Index of the class that is explained."""

AUGMENT = Augment(turn=15.0, zoom=0.15, shift=0.05, mirror="horizontal")
CLASSIFIERS = {
    "classifier": Plan(arch="plain", epochs=25, augment=AUGMENT, seed=0),
    "oracle": Plan(arch="residual", epochs=25, augment=AUGMENT, seed=1),
}
"""Training plans by folder: the explained classifier, and the oracle that checks whether changes generalise."""

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
"""Changes to the generators' default plan, for two CPU cores; ``--set`` is applied afterwards."""

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
"""Number of slices on the sheet, one per patient."""


@dataclass(frozen=True, eq=False)
class Study:
    """The data and networks that all methods share.

    Args:
        out: folder of all output.
        sides: the slices.
        classifier: the classifier that is explained.
        oracle: a second, independent classifier.
        side: which patients are used for evaluation.
        slices: the tumour slices on which maps are evaluated.
    """

    out: Path
    sides: Sides
    classifier: TorchClassifier
    oracle: TorchClassifier
    side: str
    slices: Collection

    @property
    def evaluated(self) -> Collection:
        """All slices of the patients used for evaluation."""
        side: Collection = getattr(self.sides, self.side)
        return side

    @property
    def parts(self) -> Path:
        """The folder with the figures of these slices."""
        return self.out / f"{self.side}-{len(self.slices)}"


def set_up(file: Path, out: Path, *, size: int, side: str, each: int) -> Study:
    """Read the slices, and train or load the two classifiers."""
    sides = read(file, size)
    for name, plan in CLASSIFIERS.items():
        if not (out / name / CARD).exists():
            train_classifier(sides.train, out / name, plan=plan)
            click.echo(f"trained the {name}", err=True)
    classifier, oracle = (trained(folder=str(out / name)) for name in CLASSIFIERS)
    chosen = spaced(getattr(sides, side), each)
    return Study(out, sides, classifier, oracle, side, getattr(sides, side).take(chosen))


def spaced(side: Collection, each: int) -> Int[np.ndarray, "m"]:
    """Choose at most ``each`` evenly spaced tumour slices of each patient."""
    places, patients = [], sure(side.groups, "patients")
    for patient in np.unique(patients):
        own = np.flatnonzero((patients == patient) & (side.labels == TUMOUR))
        places.append(own[np.unique(np.linspace(0, len(own) - 1, min(each, len(own))).round().astype(np.int64))])
    return np.concatenate(places)


def about_classifier(study: Study, name: str) -> Row:
    """Return the accuracy and AUC of a network on the evaluated patients, with intervals over patients."""
    pictures = study.evaluated
    probabilities = torch.from_numpy(answers(getattr(study, name), pictures)[:, TUMOUR])
    truth = torch.from_numpy(sure(pictures.labels, "labels") == TUMOUR)
    groups = sure(pictures.groups, "patients")
    own = [np.flatnonzero(groups == patient) for patient in np.unique(groups)]
    draws = np.random.default_rng(0).integers(len(own), size=(1000, len(own)))
    areas = [
        area(probabilities[chosen], truth[chosen])
        for chosen in (np.concatenate([own[each] for each in row]) for row in draws)
    ]
    low, high = np.quantile(areas, [0.025, 0.975]).tolist()
    right = float(((probabilities > 0.5) == truth).double().mean())
    row: Row = {"network": name, "plan": CLASSIFIERS[name].arch, "slices": len(pictures), "accuracy": right}
    return row | {"auc": area(probabilities, truth), "auc_low": low, "auc_high": high}


def train_all(study: Study, arms: Sequence[str], seeds: int, changes: Sequence[str]) -> dict[str, Path]:
    """Train generators of every arm and seed, in sequence."""
    found = {}
    for arm, seed in ((arm, seed) for seed in range(seeds) for arm in arms):
        folder = study.out / f"{arm}-{seed}"
        pictures, settings = study.sides.train, (*CHANGES, *changes)
        found[folder.name] = trained_generators(
            study.classifier, pictures, folder, arm=arm, seed=seed, changes=settings
        )
    return found


def about_all(study: Study, folders: dict[str, Path]) -> list[Row]:
    """Test all generators on all slices of the evaluated patients."""
    asked = (study.classifier, study.oracle, study.evaluated)
    return [row for folder in folders.values() for row in direction_rows(*asked, folder)]


def entries(folders: dict[str, Path], reference: Path) -> dict[str, Entry]:
    """Return all methods by name, first those that need training."""
    found = {}
    for name, folder in folders.items():
        found[name] = Entry(name, f"counterfactual:weights={folder}")
        found[f"path-{name}"] = Entry(f"path-{name}", f"counterfactual-path:weights={folder}")
        if name.startswith("syce"):
            found[f"input-{name}"] = Entry(f"input-{name}", f"counterfactual:weights={folder},definition=input")
    nearest = Entry("nearest", f"nearest-counterfactual:reference={reference}")
    return found | {entry.name: entry for entry in (nearest, *OTHERS)}


def measure(study: Study, entry: Entry) -> list[Row]:
    """Evaluate a method on the tumour slices, or load earlier results."""
    click.echo(f"{entry.name}: {len(study.slices)} slices", err=True)
    path = study.parts / f"{entry.name.replace(' ', '-')}.json"
    return kept(path, lambda: score_maps(study.classifier, entry, study.slices, TUMOUR))


def save_reference(study: Study) -> Path:
    """Write the training slices to a file, as reference images of the nearest counterfactual."""
    path, train = study.out / "train.npz", study.sides.train
    if not path.exists():
        np.savez(path, images=train.pixels, labels=sure(train.labels, "labels"), classes=np.array(train.classes))
    return path


def sheet(study: Study, chosen: Sequence[Entry]) -> bytes:
    """Draw a few slices, the truth, and the map of every method, each scaled from its minimum to its maximum."""
    _, firsts = np.unique(sure(study.slices.groups, "patients"), return_index=True)
    some = study.slices.take(firsts[:SHOWN])
    images = some.images(slice(None))
    rows = {"slice": images.numpy(), "tumour": gray(sure(some.regions, "regions").astype(np.float32))}
    for entry in chosen:
        maps = [explain(study.classifier, entry, image, TUMOUR, seed=place)[0] for place, image in enumerate(images)]
        rows[entry.name] = gray(np.stack([stretched(values) for values in maps]))
    return samples_png({f"{study.side} patients": rows}, "Where is the tumour?")


def gray(maps: Float[np.ndarray, "n h w"]) -> Float[np.ndarray, "n 3 h w"]:
    """Convert maps to grey images."""
    return np.repeat(maps[:, None], 3, axis=1)


def stretched(values: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """Rescale a map to 0 to 1, for display only."""
    shown: Float[np.ndarray, "h w"] = (values - values.min()) / max(float(np.ptp(values)), 1e-12)
    return shown


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder for all output.")
@click.option("--size", default=64, show_default=True, help="Side of the downscaled images.")
@click.option("--seeds", default=3, show_default=True, help="Number of generators of each arm; 0 for none.")
@arm_option
@set_option
@click.option(
    "--evaluate-on",
    "side",
    default="test",
    show_default=True,
    type=click.Choice(["validation", "test"]),
    help="Patients used for evaluation.",
)
@click.option("--each", default=8, show_default=True, help="Largest number of tumour slices per patient.")
@click.option("--method", "methods", multiple=True, help="Method to include, by its name in the table; repeatable.")
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
    """Train, explain and measure how well methods locate tumours."""
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
            f"{file.name} at {size} × {size}; rules of brain_slices.py; {side} patients, {len(study.slices)} tumour "
            f"slices, at most {each} per patient; no map is smoothed; intervals: 95 % bootstrap over patients; "
            "iou_less_first: paired difference to the first line; "
            f"generators: {' '.join((*CHANGES, *changes))}"
        ),
        **environment(),
    }
    publish(figures, as_json=as_json)


if __name__ == "__main__":
    main()
