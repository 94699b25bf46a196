"""Do maps lie on the target region? Methods on the same images with known regions, scored by the package's own metrics.

The scripts about counterfactuals share this code. Figures are means over images; their intervals are over groups (such
as patients), because images of one group are similar.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import torch
from common import Row, bootstrap
from jaxtyping import Bool, Float, Shaped

import seewhy
from seewhy import registry
from seewhy.core.arrays import Image
from seewhy.core.attribution import Map, as_map
from seewhy.core.metric import MetricInput, plain
from seewhy.core.probe import Probe, no_progress
from seewhy.core.target import ClassEvidence
from seewhy.explaining.request import bind, prepare
from seewhy.images.collection import Collection
from seewhy.nets.checkpoints import write_whole

METRICS = ("iou", "ncc", "iou-percentiles")
COUNTERFACTUAL = ("counterfactual", "counterfactual-path", "nearest-counterfactual")
"""Methods that change the predicted class, and therefore explain only that class."""


@dataclass(frozen=True)
class Entry:
    """A method in the table.

    Args:
        name: name of the row.
        method: Spec of the method.
        infill: Spec of the in-fill; None for the method's usual one.
        absolute: whether to use the absolute values of the map.
    """

    name: str
    method: str
    infill: str | None = None
    absolute: bool = False


def intensity(image: Image) -> Map:
    """Return the image itself, averaged over colours: a control that finds whatever is bright."""
    return as_map(image.mean(0))


GRADIENT = Entry("gradient", "smoothgrad:samples=1,sigma=0")
"""The magnitude of the plain gradient."""

CONTROLS = tuple(Entry(name, name) for name in ("random", "center", "edges", "intensity"))


def explain(
    classifier: seewhy.Classifier, entry: Entry, image: Image, wanted: int, *, seed: int = 0
) -> tuple[Map, int]:
    """Explain one image; return the map and the number of queries, including that of the unmodified image.

    Args:
        classifier: the classifier that is explained.
        entry: the method.
        image: the image in the classifier's view.
        wanted: the class to explain; methods of `COUNTERFACTUAL` explain the predicted one.
        seed: seed of the method's random draws.
    """
    if entry.method == "intensity":
        return intensity(image), 0
    request = prepare(classifier, method=entry.method, infill=entry.infill, seed=seed)
    probe = bind(request, image, no_progress)
    about = int(probe.prediction.argmax()) if request.method.name in COUNTERFACTUAL else wanted
    maps = request.method.row.run(probe, [ClassEvidence(about)], **request.method.settings)
    (values,) = maps.values.values()
    return np.abs(values) if entry.absolute else values, probe.queries.forward_images


def sure(part: np.ndarray | None, what: str) -> np.ndarray:
    """Return a part of a collection that this script requires."""
    if part is None:
        raise SystemExit(f"expected {what} of the images, got none; use data that include them")
    return part


def score_maps(classifier: seewhy.Classifier, entry: Entry, pictures: Collection, wanted: int) -> list[Row]:
    """Explain images that show the target region, and compare each map with the truth.

    Args:
        classifier: the classifier that is explained.
        entry: the method.
        pictures: images with regions.
        wanted: the class of the images.

    Returns:
        One row per image: its index and group, whether it is classified correctly, one figure per metric, queries, and
        seconds.
    """
    rows, regions = [], sure(pictures.regions, "regions")
    for place in range(len(pictures)):
        image = pictures.images(slice(place, place + 1))[0]
        started = time.perf_counter()
        values, queries = explain(classifier, entry, image, wanted, seed=place)
        row: Row = {"picture": place, "queries": queries, "seconds": time.perf_counter() - started}
        rows.append(row | score_map(classifier, image, values, regions[place], wanted))
    probabilities = answers(classifier, pictures)
    groups = range(len(pictures)) if pictures.groups is None else pictures.groups.tolist()
    for row, group, probability in zip(rows, groups, probabilities[:, wanted].tolist(), strict=True):
        row |= {"group": group, "right": probability > 0.5}
    return rows


def score_map(
    classifier: seewhy.Classifier, image: Image, values: Map, region: Bool[np.ndarray, "h w"], wanted: int
) -> Row:
    """Score one map by every metric; a constant map correlates with nothing, which counts as 0."""
    probe = Probe(classifier, registry.infill("gray", classifier)[1], image)
    given = MetricInput(wanted, region)
    return {name: plain(registry.METRICS[name].run(probe, values, given).value) or 0.0 for name in METRICS}


@torch.no_grad()
def answers(classifier: seewhy.Classifier, pictures: Collection) -> Float[np.ndarray, "n k"]:
    """Return the class probabilities of every image."""
    starts = range(0, len(pictures), 256)
    return torch.cat([classifier(pictures.images(slice(at, at + 256))) for at in starts]).double().cpu().numpy()


def kept(path: Path, work: Callable[[], list[Row]]) -> list[Row]:
    """Return rows from a file, or compute and write them, so that an interrupted run resumes."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(work(), indent=0, allow_nan=False).encode() + b"\n")
    rows: list[Row] = json.loads(path.read_text(encoding="utf-8"))
    return rows


def same_as_before(out: Path, asked: Row) -> None:
    """Record what a folder's results belong to, or raise if it holds results of a different run."""
    path, text = out / "asked.json", json.dumps(asked, indent=2) + "\n"
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise click.UsageError(f"{out} holds results of a run with other settings, see {path}; choose another --out")
    out.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def over_groups(values: Float[np.ndarray, "n"], groups: Shaped[np.ndarray, "n"]) -> Row:
    """Return the mean over images, with its 95 % bootstrap interval over groups.

    Example:
        >>> over_groups(np.array([1.0, 1.0, 0.0]), np.array(["a", "a", "b"]))["mean"]
        0.6666666666666666
    """
    columns = [[values[groups == name].sum(), (groups == name).sum()] for name in np.unique(groups)]
    return bootstrap(np.array(columns, np.float64).reshape(-1, 2), lambda sums: sums[..., 0] / sums[..., 1])


def column(rows: Sequence[Row], name: str) -> Float[np.ndarray, "n"]:
    """Return one column."""
    return np.array([row[name] for row in rows], np.float64)


def summarise(tables: dict[str, list[Row]], first: str) -> list[Row]:
    """Return one row per method, and compare each with the first by paired differences on the same images.

    Args:
        tables: rows of the same images, by method name.
        first: name of the reference.
    """
    groups = np.array([str(row["group"]) for row in tables[first]])
    right = column(tables[first], "right") > 0
    lines = []
    for name, rows in tables.items():
        line: Row = {"method": name, "n": len(rows)}
        for metric in METRICS:
            found = over_groups(column(rows, metric), groups)
            line |= {metric: found["mean"], f"{metric}_low": found["low"], f"{metric}_high": found["high"]}
        line["iou_right"] = over_groups(column(rows, "iou")[right], groups[right])["mean"]
        line["iou_wrong"] = over_groups(column(rows, "iou")[~right], groups[~right])["mean"]
        gap = over_groups(column(rows, "iou") - column(tables[first], "iou"), groups)
        line |= {"iou_less_first": gap["mean"], "gap_low": gap["low"], "gap_high": gap["high"]}
        line["queries"] = float(column(rows, "queries").mean())
        line["seconds"] = float(np.median(column(rows, "seconds")))
        lines.append(line)
    return lines


def mean_of(runs: Sequence[list[Row]]) -> list[Row]:
    """Average the figures of several runs for each image: the same method with different seeds."""
    names = (*METRICS, "queries", "seconds")
    return [rows[0] | {name: float(column(rows, name).mean()) for name in names} for rows in zip(*runs, strict=True)]


def pooled(tables: dict[str, list[Row]]) -> dict[str, list[Row]]:
    """Put the mean over seeds of each method whose name ends with a seed, such as ``NAME-0``, before all others."""
    heads = dict.fromkeys(head for head, _, seed in (name.rpartition("-") for name in tables) if seed.isdigit())
    runs = {head: [rows for name, rows in tables.items() if name.rpartition("-")[0] == head] for head in heads}
    return {f"{head}, {len(found)} seeds": mean_of(found) for head, found in runs.items()} | tables


def by_chance(regions: Bool[np.ndarray, "n h w"]) -> float:
    """Return the mean overlap of regions with random pixels, as many as each region has."""
    areas = regions.mean((1, 2))
    return float((areas / (2 - areas)).mean())
