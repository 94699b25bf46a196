"""Run counterfactual generators on many images and measure each result."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from seewhy import registry
from seewhy.audit import _image_statistics as statistics
from seewhy.core.arrays import Images
from seewhy.core.attribution import as_map
from seewhy.core.classifier import Classifier
from seewhy.core.metric import MetricInput
from seewhy.core.probe import Probe, Progress, as_distributions
from seewhy.core.seeds import derive, normals
from seewhy.images.collection import Collection
from seewhy.infills.plain import gaussian_blur
from seewhy.metrics.localisation import iou, ncc
from seewhy.nets.counterfactual_generators import GeneratedBatch
from seewhy.results.audit_counterfactual import Restored

CONTROLS = 200
"""At most this many images of a direction are used for the controls, the disturbances and the diversity."""

SHOWN = 10
"""At most this many example images of a direction that flipped are kept, and as many that did not."""

TIMED = 20
"""The number of explanations that are timed."""

NOISES = (0.02, 0.05, 0.1)
"""Standard deviations, in intensity, of the noise added to an adversarial image before it is translated back."""

UNDISTURBED, EIGHT_BITS, BLURRED = "none", "8 bits", "blur 0.5 px"
DISTURBANCES = (UNDISTURBED, EIGHT_BITS, *(f"noise {sigma:g}" for sigma in NOISES), BLURRED)
"""The disturbances of an adversarial image before it is translated back."""

Column = Float[np.ndarray, " n"]
Columns = Mapping[str, Column]
"""Name → one number per image; NaN where nothing was measured."""

Examples = Mapping[str, Float[np.ndarray, "_ 3 h w"]]
"""Input, stable, adversarial, cycle, difference → the same number of images each."""

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
        source: the class that the images are predicted as.
        target: the class that they are translated to.
        places: indices of the images in the collection.
        columns: the measurements.
        codes: embedding codes of the adversarial images; None without an embedding.
        spread: mean difference of two adversarial images, and of two real images of the target class.
        apart: mean difference of a real image of the source class and one of the target class.
        restored: disturbance → the fractions of images that are predicted as the source class again.
        undone_real: fraction of real images of the target class that the undoing generator translates to the source class.
        shown: whether they flipped → the first such images with their generated images, in [0, 1].
    """

    source: int
    target: int
    places: Int[np.ndarray, " n"]
    columns: Columns
    codes: Float[np.ndarray, "n d"] | None
    spread: tuple[float, float]
    apart: float
    restored: Mapping[str, Restored]
    undone_real: float
    shown: Mapping[bool, Examples]


@dataclass(eq=False)
class EvaluatedGenerators:
    """The generators, together with all that their audit needs; `total` and `done` count images."""

    generators: Generators
    classifier: BatchedClassifier
    oracle: BatchedClassifier | None
    codes: Codes | None
    collection: Collection
    predicted: Int[np.ndarray, " n"]
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
    def measure(self, source: int, target: int, places: Int[np.ndarray, " n"]) -> Direction:
        """Translate images from the source to the target class and measure the result."""
        way, rows, codes, first = (source, target), list[Columns](), [], list[Images]()
        shown: dict[bool, Examples] = {}
        for start in range(0, len(places), self.classifier.batch):
            batch = places[start : start + self.classifier.batch]
            images = self.images(batch)
            generated = self.generators(images, source, target)
            rows.append(self._columns(images, generated, batch, way))
            if self.codes is not None:
                codes.append(self.codes(generated.adversarial))
            if start < CONTROLS:
                first.append(generated.adversarial)
            _keep(shown, _examples(images, generated), rows[-1]["flipped"])
            self.done += len(batch)
            self.progress(self.done, self.total)
        adversarial, controls = torch.cat(first)[:CONTROLS], places[:CONTROLS]
        real = self.images(np.flatnonzero(self.predicted == target)[:CONTROLS])
        return Direction(
            source=source,
            target=target,
            places=places,
            columns={name: np.concatenate([row[name] for row in rows]) for name in rows[0]},
            codes=np.concatenate(codes) if codes else None,
            spread=(statistics.spread(adversarial), statistics.spread(real)),
            apart=_apart(self.images(controls), real),
            restored=self._restored(adversarial, controls, way),
            undone_real=self._fraction(real, way, source) if self.undoes and len(real) else math.nan,
            shown=shown,
        )

    def _columns(
        self, images: Images, generated: GeneratedBatch, places: Int[np.ndarray, " m"], way: tuple[int, int]
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
            "flipped": _is(probabilities.argmax(1), target),
            "stays": _is(self.classifier.classes(generated.stable), source) if own else nothing,
            "returns": nothing if cycle is None else _is(self.classifier.classes(cycle), source),
            "l1": l1,
            "l2": l2,
            "changed": statistics.sparsity(generated.stable, generated.adversarial, tau=self.tau),
            "error_stable": statistics.proximity(images, generated.stable)[0] if own else nothing,
            "error_cycle": nothing if cycle is None else statistics.proximity(images, cycle)[0],
            "even": even,
            "every": every,
        }
        if self.oracle is not None:
            columns["oracle_agrees"] = _is(self.oracle.classes(images), source)
            columns["oracle_flipped"] = _is(self.oracle.classes(generated.adversarial), target)
        return columns | self._located(images, generated, places, source)

    def _located(
        self, images: Images, generated: GeneratedBatch, places: Int[np.ndarray, " m"], source: int
    ) -> dict[str, Column]:
        """Compare the map of each image with its true region, where there is one."""
        if self.collection.regions is None:
            return {}
        found = {name: np.full(len(images), np.nan) for name in ("iou", "ncc", "chance")}
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
                found["chance"][row] = share / (2 - share)
        return found

    def _restored(
        self, adversarial: Images, places: Int[np.ndarray, " m"], way: tuple[int, int]
    ) -> dict[str, Restored]:
        """Translate adversarial images back after disturbances that are hardly visible."""
        source, target = way
        back = self.generators.arm in {"syce", "cyce"}
        seeds = derive(self.seed, torch.from_numpy(places))
        found: dict[str, Restored] = {}
        for disturbance in DISTURBANCES if back or self.undoes else ():
            disturbed = _disturb(adversarial, disturbance, seeds)
            found[disturbance] = Restored(
                back=self._fraction(disturbed, (target, source), source) if back else None,
                undo=self._fraction(disturbed, (source, target), source) if self.undoes else None,
            )
        return found

    def _fraction(self, images: Images, route: tuple[int, int], wanted: int) -> float:
        """Translate images and return the fraction that is then predicted as the wanted class."""
        translated = [self.generators(some, *route).adversarial for some in torch.split(images, self.classifier.batch)]
        return float((self.classifier.classes(torch.cat(translated)) == wanted).mean())

    def seconds(self, way: tuple[int, int], places: Int[np.ndarray, " m"]) -> float:
        """Return the median time of one explanation, one image at a time, after one warm-up."""
        times = []
        for place in places[: TIMED + 1]:
            image = self.images(np.array([place]))
            started = time.perf_counter()
            with torch.no_grad():
                generated = self.generators(image, *way)
                statistics.change(generated.stable, generated.adversarial).cpu()
            times.append(time.perf_counter() - started)
        return float(np.median(times[1:])) if len(times) > 1 else math.nan


def _is(found: Int[np.ndarray, " n"], wanted: int) -> Column:
    """Return 1.0 where a class is the wanted one, and 0.0 elsewhere."""
    hits: Column = (found == wanted).astype(np.float64)
    return hits


def _apart(first: Images, second: Float[Tensor, "m c h w"]) -> float:
    """Return the mean absolute difference between images of two sets; NaN where one is empty."""
    pairs = [float((second - image).abs().mean()) for image in first] if len(second) else []
    return float(np.mean(pairs)) if pairs else math.nan


def _keep(shown: dict[bool, Examples], examples: Examples, flipped: Column) -> None:
    """Add examples to those that are kept, up to `SHOWN` of each outcome."""
    for outcome in (True, False):
        new = {name: images[flipped == outcome][:SHOWN] for name, images in examples.items()}
        kept = shown.get(outcome, {name: images[:0] for name, images in new.items()})
        shown[outcome] = {name: np.concatenate([kept[name], new[name]])[:SHOWN] for name in new}


def _examples(images: Images, generated: GeneratedBatch) -> Examples:
    """Collect the images to show; in the difference white is no change and black is the largest possible change."""
    difference = (1 - (generated.stable - generated.adversarial).abs()).clamp(0, 1)
    rows = {"input": images, "stable": generated.stable, "adversarial": generated.adversarial, "cycle": generated.cycle}
    return {name: each.cpu().numpy() for name, each in {**rows, "difference": difference}.items() if each is not None}


def _disturb(images: Images, how: str, seeds: Int[Tensor, " n"]) -> Images:
    """Disturb images in a way that is hardly visible."""
    if how == UNDISTURBED:
        return images
    if how == EIGHT_BITS:
        return (images * 255).round() / 255
    if how == BLURRED:
        return torch.stack([gaussian_blur(image, 0.5) for image in images])
    sigma = float(how.removeprefix("noise "))
    drawn = normals(seeds, images[0].numel()).view(images.shape).to(images)
    return (images + sigma * drawn).clamp(0, 1)


def group_by_direction(
    classes: Sequence[int], probabilities: Float[np.ndarray, "n k"]
) -> dict[tuple[int, int], Int[np.ndarray, " m"]]:
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
