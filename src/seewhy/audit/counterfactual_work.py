"""Run counterfactual generators on many images and measure each result."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seewhy import registry
from seewhy.audit import _image_statistics as statistics
from seewhy.core.arrays import Images
from seewhy.core.attribution import as_map
from seewhy.core.classifier import Classifier
from seewhy.core.intervals import bootstrap, mean, wilson
from seewhy.core.metric import MetricInput, plain
from seewhy.core.probe import Probe, Progress, as_distributions
from seewhy.core.seeds import derive, normals
from seewhy.images.collection import Collection
from seewhy.infills.plain import gaussian_blur
from seewhy.metrics.localisation import iou, ncc
from seewhy.nets.counterfactual_generators import GeneratedBatch
from seewhy.results.audit_counterfactual import (
    ClassName,
    DirectionResult,
    Diversity,
    Figures,
    FrechetDistances,
    Restored,
)

CONTROLS = 200
"""At most this many images of a direction are used for the controls, the disturbances and the diversity."""

SHOWN = 10
"""At most this many example images of a direction that flipped are kept, and as many that did not."""

TIMED = 20
"""The number of explanations that are timed."""

UNDISTURBED = "none"

Way = tuple[int, int]
"""Source class and target class."""

Column = Float[np.ndarray, " n"]
Columns = Mapping[str, Column]
"""Name → one number per image; NaN where nothing was measured."""

Examples = Mapping[str, Float[np.ndarray, "_ 3 h w"]]
"""Input, stable, adversarial, cycle, difference → the same number of images each."""

_FEWEST = 4
"""Fréchet distances need at least this many real images of each class."""

RATES = ("flip", "stable", "cycle", "oracle_flip", "oracle_agrees")
_MEANS = ("l1", "l2", "sparsity", "error_stable", "error_cycle", "iou", "ncc", "iou_by_chance")
"""Figures that are fractions of the images, and figures that are means over them; named like their columns."""

Codes = Callable[[Images], Float[np.ndarray, "n d"]]
"""An embedding that was trained without the classifier."""


@runtime_checkable
class Generators(Protocol):
    """What is audited: `seewhy.nets.counterfactual_generators.CounterfactualGenerators`, or anything with its interface."""

    @property
    def arm(self) -> str:
        """``syce``, ``cyce`` or ``sagen``."""

    @property
    def classes(self) -> tuple[int, ...]:
        """Indices of the classes that they were trained for."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of their images, in pixels."""

    def __call__(self, images: Images, source: int, target: int) -> GeneratedBatch:
        """Generate stable, adversarial and cycle images from images predicted as ``source``."""


@dataclass(eq=False)
class BatchedClassifier:
    """A classifier that is queried in batches; `queries` counts images, and `count` its classes after the first query.

    `renumbered` maps its class indices to those of the audited classifier; None where they are equal.
    """

    classifier: Classifier
    batch: int
    renumbered: Mapping[int, int] | None = None
    queries: int = 0
    count: int = 0

    @torch.no_grad()
    def probabilities(self, images: Images) -> Float[np.ndarray, "n k"]:
        """Return the class probabilities of each image."""
        self.queries += len(images)
        batches = torch.split(images.to(self.classifier.device), self.batch)
        found = torch.cat([as_distributions(self.classifier(some), len(some)) for some in batches]).cpu().numpy()
        self.count = found.shape[1]
        return found

    def classes(self, images: Images) -> Int[np.ndarray, " n"]:
        """Return the predicted class of each image as an index of the audited classifier; -1 for a class that it lacks."""
        found = self.probabilities(images).argmax(1)
        return found if self.renumbered is None else np.array([self.renumbered.get(int(each), -1) for each in found])


@dataclass(frozen=True, eq=False)
class Direction:
    """Measurements of the images of one class, translated to another class.

    Args:
        places: indices of the images in the collection.
        columns: the measurements of each image.
        result: their summary.
        shown: whether they flipped → the first such images with their generated images, in [0, 1].
    """

    places: Int[np.ndarray, " n"]
    columns: Columns
    result: DirectionResult
    shown: Mapping[bool, Examples]


@dataclass(eq=False)
class EvaluatedGenerators:
    """The generators, together with all that their audit needs; `total` and `done` count images.

    Args:
        names: index → name of each class that the generators know.
        labels: label of each image as an index of the classifier; -1 for a class that it lacks; None without labels.
        predicted: class of each image according to the classifier.
        seen: class of each image according to the oracle; None without an oracle.
    """

    generators: Generators
    names: Mapping[int, str]
    classifier: BatchedClassifier
    oracle: BatchedClassifier | None
    codes: Codes | None
    collection: Collection
    labels: Int[np.ndarray, " n"] | None
    predicted: Int[np.ndarray, " n"]
    seen: Int[np.ndarray, " n"] | None
    tau: float
    seed: int
    progress: Progress
    total: int
    done: int = 0

    @property
    def undoes(self) -> bool:
        """Whether the generator that made an image also undoes it, so that real images can be undone for comparison."""
        return self.generators.arm == "syce" and len(self.generators.classes) == 2

    def images(self, places: Int[np.ndarray, " m"]) -> Images:
        """Return images of the collection, on the classifier's device."""
        return self.collection.images(places).to(self.classifier.classifier.device)

    @torch.no_grad()
    def measure(self, way: Way, places: Int[np.ndarray, " n"]) -> Direction:
        """Translate images from the source to the target class and measure the result."""
        (source, target), controls = way, places[:CONTROLS]
        columns, codes, adversarial = self._translate(way, places)
        real = self.images(np.flatnonzero(self.predicted == target)[:CONTROLS])
        correct = None if self.labels is None else self.labels[places] == source
        result = DirectionResult(
            source=ClassName(source, self.names[source]),
            target=ClassName(target, self.names[target]),
            figures=summarise(columns),
            frechet=None if codes is None else self._frechet(codes, way),
            diversity=_diversity(adversarial, real),
            classes_apart=plain(statistics.apart(self.images(controls), real)),
            restored=self._restored(adversarial, controls, way),
            undone_real=self._fraction(real, way, source) if self.undoes and len(real) else None,
            correct=None if correct is None else summarise(columns, correct),
            incorrect=None if correct is None else summarise(columns, ~correct),
        )
        return Direction(places, columns, result, self._examples(places, columns["flip"], way))

    def _translate(
        self, way: Way, places: Int[np.ndarray, " n"]
    ) -> tuple[Columns, Float[np.ndarray, "n d"] | None, Images]:
        """Return the measurements and the codes of the adversarial images, and the first of these images."""
        rows, codes, first = list[Columns](), [], list[Images]()
        for start in range(0, len(places), self.classifier.batch):
            batch = places[start : start + self.classifier.batch]
            images = self.images(batch)
            generated = self.generators(images, *way)
            rows.append(self._columns(images, generated, batch, way))
            if self.codes is not None:
                codes.append(self.codes(generated.adversarial))
            if start < CONTROLS:
                first.append(generated.adversarial)
            self.done += len(batch)
            self.progress(self.done, self.total)
        columns = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
        return columns, np.concatenate(codes) if codes else None, torch.cat(first)[:CONTROLS]

    def _columns(
        self, images: Images, generated: GeneratedBatch, places: Int[np.ndarray, " m"], way: Way
    ) -> dict[str, Column]:
        """Measure everything about each image of a batch."""
        source, target = way
        nothing = np.full(len(images), np.nan)
        own = self.generators.arm != "cyce"  # the stable image of cyce is the input itself: there is nothing to measure
        l1, l2 = statistics.proximity(images, generated.adversarial)
        even, every = statistics.shift(generated.stable, generated.adversarial)
        probabilities, cycle = self.classifier.probabilities(generated.adversarial), generated.cycle
        columns = {
            "p_target": probabilities[:, target],
            "flip": _is(probabilities.argmax(1), target),
            "stable": _is(self.classifier.classes(generated.stable), source) if own else nothing,
            "cycle": nothing if cycle is None else _is(self.classifier.classes(cycle), source),
            "l1": l1,
            "l2": l2,
            "sparsity": statistics.sparsity(generated.stable, generated.adversarial, tau=self.tau),
            "error_stable": statistics.proximity(images, generated.stable)[0] if own else nothing,
            "error_cycle": nothing if cycle is None else statistics.proximity(images, cycle)[0],
            "even": even,
            "every": every,
        }
        if self.oracle is not None and self.seen is not None:
            columns["oracle_agrees"] = _is(self.seen[places], source)
            columns["oracle_flip"] = _is(self.oracle.classes(generated.adversarial), target)
        return columns | self._located(images, generated, places, source)

    def _located(
        self, images: Images, generated: GeneratedBatch, places: Int[np.ndarray, " m"], source: int
    ) -> dict[str, Column]:
        """Compare the map of each image with its true region, where there is one."""
        if self.collection.regions is None:
            return {}
        found = {name: np.full(len(images), np.nan) for name in ("iou", "ncc", "iou_by_chance")}
        maps = statistics.change(generated.stable, generated.adversarial)
        classifier = self.classifier.classifier
        infill = registry.infill("gray", classifier)[1]
        for row, place in enumerate(places.tolist()):
            region = self.collection.regions[place]
            if region.any() and not region.all():
                probe, case = Probe(classifier, infill, images[row]), MetricInput(source, region)
                found["iou"][row] = iou(probe, as_map(maps[row]), case).value
                found["ncc"][row] = ncc(probe, as_map(maps[row]), case).value
                share = float(region.mean())
                found["iou_by_chance"][row] = share / (2 - share)
        return found

    def _restored(self, adversarial: Images, places: Int[np.ndarray, " m"], way: Way) -> dict[str, Restored]:
        """Translate adversarial images back after disturbances that are hardly visible."""
        source, target = way
        back = self.generators.arm in {"syce", "cyce"}
        seeds = derive(self.seed, torch.from_numpy(places))
        found: dict[str, Restored] = {}
        for name, disturb in DISTURBANCES.items() if back or self.undoes else ():
            disturbed = disturb(adversarial, seeds)
            found[name] = Restored(
                back=self._fraction(disturbed, (target, source), source) if back else None,
                undo=self._fraction(disturbed, (source, target), source) if self.undoes else None,
            )
        return found

    def _fraction(self, images: Images, route: Way, wanted: int) -> float:
        """Translate images and return the fraction that is then predicted as the wanted class."""
        translated = [self.generators(some, *route).adversarial for some in torch.split(images, self.classifier.batch)]
        return float((self.classifier.classes(torch.cat(translated)) == wanted).mean())

    def _frechet(self, generated: Float[np.ndarray, "n d"], way: Way) -> FrechetDistances | None:
        """Compare adversarial images with real images, grouped by predicted class; None where they are too few."""
        real = [np.flatnonzero(self.predicted == each) for each in way]
        if self.codes is None or min(len(generated), *map(len, real)) < _FEWEST:
            return None
        source, target = (
            np.concatenate([self.codes(self.images(some)) for some in np.array_split(each, -(-len(each) // 256))])
            for each in real
        )
        return statistics.frechet_distances(generated, source, target)

    def _examples(self, places: Int[np.ndarray, " n"], flipped: Column, way: Way) -> dict[bool, Examples]:
        """Generate the first images that flipped and the first that did not; in the difference, white is no change."""
        shown: dict[bool, Examples] = {}
        for outcome in (True, False):
            if len(chosen := places[flipped == outcome][:SHOWN]):
                images = self.images(chosen)
                generated = self.generators(images, *way)
                rows = {
                    "input": images,
                    "stable": generated.stable,
                    "adversarial": generated.adversarial,
                    "cycle": generated.cycle,
                    "difference": (1 - (generated.stable - generated.adversarial).abs()).clamp(0, 1),
                }
                shown[outcome] = {name: row.cpu().numpy() for name, row in rows.items() if row is not None}
        return shown

    @torch.no_grad()
    def seconds(self, direction: Direction) -> float:
        """Return the median time of one explanation, one image at a time, after one warm-up."""
        source, target = direction.result.source.index, direction.result.target.index
        times = []
        for place in direction.places[: TIMED + 1]:
            image = self.images(np.array([place]))
            started = time.perf_counter()
            generated = self.generators(image, source, target)
            statistics.change(generated.stable, generated.adversarial).cpu()
            times.append(time.perf_counter() - started)
        return float(np.median(times[1:])) if len(times) > 1 else math.nan


def _is(found: Int[np.ndarray, " n"], wanted: int) -> Column:
    """Return 1.0 where a class is the wanted one, and 0.0 elsewhere."""
    hits: Column = (found == wanted).astype(np.float64)
    return hits


def summarise(columns: Columns, chosen: Bool[np.ndarray, " n"] | slice = slice(None)) -> Figures:
    """Summarise the chosen images, flipped or not: fractions with Wilson intervals, means with bootstrap intervals.

    ``shift`` is the fraction of the squared change that is the same at every pixel of an image.

    Example:
        >>> summarise({"flip": np.array([1.0, 0.0]), "even": np.ones(2), "every": np.ones(2)}).flip.value
        0.5
    """
    values = {name: column[chosen] for name, column in columns.items()}
    known = {name: values[name][np.isfinite(values[name])] for name in (*RATES, *_MEANS) if name in values}
    figures = {
        name: wilson(int(numbers.sum()), len(numbers)) if name in RATES else mean(numbers)
        for name, numbers in known.items()
        if len(numbers)
    }
    if values["every"].any():
        pair = np.stack([values["even"], values["every"]], 1)
        figures["shift"] = bootstrap(pair, lambda means: means[..., 0] / means[..., 1])
    return Figures(len(values["flip"]), **figures)


def _diversity(generated: Images, real: Float[Tensor, "m c h w"]) -> Diversity:
    """Compare how much generated images differ from each other with how much real images do."""
    own, natural = statistics.spread(generated), statistics.spread(real)
    return Diversity(plain(own), plain(natural), plain(own / natural) if natural > 0 else None)


def _noise(sigma: float, images: Images, seeds: Int[Tensor, " n"]) -> Images:
    """Add noise with a standard deviation, in intensity."""
    drawn = normals(seeds, images[0].numel()).view(images.shape).to(images)
    return (images + sigma * drawn).clamp(0, 1)


DISTURBANCES: Mapping[str, Callable[[Images, Int[Tensor, " n"]], Images]] = {
    UNDISTURBED: lambda images, _: images,
    "8 bits": lambda images, _: (images * 255).round() / 255,
    **{f"noise {sigma:g}": partial(_noise, sigma) for sigma in (0.02, 0.05, 0.1)},
    "blur 0.5 px": lambda images, _: torch.stack([gaussian_blur(image, 0.5) for image in images]),
}
"""Changes of an adversarial image, hardly visible, before it is translated back; each takes one seed per image."""


def group_by_direction(
    classes: Sequence[int], probabilities: Float[np.ndarray, "n k"]
) -> dict[Way, Int[np.ndarray, " m"]]:
    """Group images by direction: from the predicted class to the most probable other class that the generators know.

    Images that are predicted as a class unknown to the generators are left out.

    Example:
        >>> group_by_direction((0, 2), np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7], [0.1, 0.8, 0.1]]))
        {(0, 2): array([0]), (2, 0): array([1])}
    """
    top, found = probabilities.argmax(1), {}
    for source in classes:
        others = np.array([each for each in classes if each != source])
        targets = others[probabilities[:, others].argmax(1)]
        for target in others.tolist():
            places = np.flatnonzero((top == source) & (targets == target))
            if len(places):
                found[source, target] = places
    return found
