"""Run generators over pictures and write down, picture by picture, what became of them."""

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
from seewhy.core.arrays import Images
from seewhy.core.classifier import Classifier
from seewhy.core.maps import as_map
from seewhy.core.probe import Probe, as_distributions
from seewhy.core.score import Case
from seewhy.core.seeds import derive, normals
from seewhy.images.collection import Collection
from seewhy.infills.plain import gaussian_blur
from seewhy.audit import _image_statistics as generated
from seewhy.metrics.correlation import ncc
from seewhy.metrics.overlap import iou
from seewhy.nets.counterfactual_generators import GeneratedBatch

CONTROLS = 200
"""Pictures of a direction that the controls, the noise test and the diversity look at, at most."""

SHOWN = 10
"""Pictures of a direction that flipped, and that did not, that are kept to be looked at, at most."""

TIMED = 20
"""Explanations that are timed."""

NOISES = (0.02, 0.05, 0.1)
"""Standard deviations of what is added to a made picture before it is brought back, in intensity."""

UNDISTURBED, EIGHT_BITS, BLURRED = "none", "8 bits", "blur 0.5 px"
DISTURBANCES = (UNDISTURBED, EIGHT_BITS, *(f"noise {sigma:g}" for sigma in NOISES), BLURRED)
"""What is done to a made picture before it is brought back."""

Column = Float[np.ndarray, " n"]
Columns = Mapping[str, Column]
"""Name → a number a picture; NaN where there is none."""

Strip = Mapping[str, Float[np.ndarray, "_ 3 h w"]]
"""Input, stable, adversarial, cycle, difference → as many pictures each."""

Codes = Callable[[Images], Float[np.ndarray, "n d"]]
"""An embedding that has never seen the classifier."""


@runtime_checkable
class Generators(Protocol):
    """What is tested: `seewhy.nets.counterfactual_generators.CounterfactualGenerators`, or anything with its call."""

    @property
    def arm(self) -> str:
        """``syce``, ``cyce`` or ``sagen``."""
        ...

    @property
    def classes(self) -> tuple[int, ...]:
        """The classifier's classes that they know."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of their pictures."""
        ...

    def __call__(self, images: Images, source: int, target: int) -> GeneratedBatch:
        """Make the twins of pictures that are predicted ``source``."""
        ...


@dataclass(eq=False)
class Judge:
    """A classifier that is shown pictures in batches, and what its classes are called by another one.

    Args:
        classifier: what is asked.
        batch: pictures shown at once.
        names: its class → the number of that class in the classifier that is explained; None where they are the same.
    """

    classifier: Classifier
    batch: int
    names: Mapping[int, int] | None = None
    queries: int = 0

    @torch.no_grad()
    def probabilities(self, images: Images) -> Float[np.ndarray, "n k"]:
        """Return what it says."""
        self.queries += len(images)
        batches = torch.split(images.to(self.classifier.device), self.batch)
        return torch.cat([as_distributions(self.classifier(some), len(some)) for some in batches]).cpu().numpy()

    def classes(self, images: Images) -> Int[np.ndarray, " n"]:
        """Return the likeliest class of each picture, in the other's numbers; -1 for one that the other does not know."""
        found = self.probabilities(images).argmax(1)
        return found if self.names is None else np.array([self.names.get(int(each), -1) for each in found])


@dataclass(frozen=True, eq=False)
class Direction:
    """What became of the pictures of one class that were to be turned into another.

    Args:
        source: the class that they are predicted.
        target: the class that they are to have.
        places: of the pictures in the collection.
        columns: numbers a picture.
        codes: of the made pictures, by the embedding; None without one.
        spread: mean difference of two made pictures, and of two real ones of the target class.
        apart: mean difference of a real picture of the one class and one of the other.
        restored: disturbance → for ``back`` and ``undo`` the share of pictures that are given the source class again.
        undone_real: of real pictures of the target class, the share that the undoing generator turns into the source class.
        shown: whether they flipped → the first such pictures, name → in [0, 1], to be looked at.
    """

    source: int
    target: int
    places: Int[np.ndarray, " n"]
    columns: Columns
    codes: Float[np.ndarray, "n d"] | None
    spread: tuple[float, float]
    apart: float
    restored: Mapping[str, Mapping[str, float]]
    undone_real: float
    shown: Mapping[bool, Strip]


@dataclass(eq=False)
class Bench:
    """Where generators are tested.

    Args:
        twins: the generators.
        judge: the classifier that they were trained for.
        oracle: another classifier; None where there is none.
        codes: an embedding; None where there is none.
        pictures: what they are tested on.
        said: class that the classifier gives each picture.
        tau: see `seewhy.audit._image_statistics.sparsity`.
        seed: of the noise.
        progress: told of pictures done.
    """

    twins: Generators
    judge: Judge
    oracle: Judge | None
    codes: Codes | None
    pictures: Collection
    said: Int[np.ndarray, " n"]
    tau: float
    seed: int
    progress: Callable[[int], None]

    @property
    def undoes(self) -> bool:
        """Whether a picture is undone by the very generator that made it, so that this can be held against real pictures."""
        return self.twins.arm == "syce" and len(self.twins.classes) == 2

    def images(self, places: Int[np.ndarray, " m"]) -> Images:
        """Return pictures where the classifier wants them."""
        return self.pictures.images(places).to(self.judge.classifier.device)

    @torch.no_grad()
    def test(self, source: int, target: int, places: Int[np.ndarray, " n"]) -> Direction:
        """Turn pictures of one class into another one and measure."""
        some, real = places[:CONTROLS], np.flatnonzero(self.said == target)[:CONTROLS]
        rows: list[Columns] = []
        codes, first = [], []
        shown: dict[bool, Strip] = {}
        for start in range(0, len(places), self.judge.batch):
            batch = places[start : start + self.judge.batch]
            images = self.images(batch)
            made = self.twins(images, source, target)
            rows.append(self._measure(images, made, batch, (source, target)))
            if self.codes is not None:
                codes.append(self.codes(made.adversarial))
            if start < CONTROLS:
                first.append(made.adversarial)
            _keep(shown, _strip(images, made), rows[-1]["flipped"])
            self.progress(len(batch))
        adversarial = torch.cat(first)[:CONTROLS]
        originals, others = self.images(some), self.images(real)
        return Direction(
            source,
            target,
            places,
            {name: np.concatenate([row[name] for row in rows]) for name in rows[0]},
            np.concatenate(codes) if codes else None,
            (generated.spread(adversarial), generated.spread(others)),
            _apart(originals, others),
            self._restored(adversarial, some, (source, target)),
            self._undone(others, (source, target)),
            shown,
        )

    def _measure(
        self, images: Images, made: GeneratedBatch, places: Int[np.ndarray, " m"], way: tuple[int, int]
    ) -> dict[str, Column]:
        """Everything that is known of each picture of a batch."""
        source, target = way
        nothing = np.full(len(images), np.nan)
        own = self.twins.arm != "cyce"  # else the stable picture is the picture itself, and says nothing
        l1, l2 = generated.proximity(images, made.adversarial)
        even, every = generated.shift(made.stable, made.adversarial)
        said = self.judge.probabilities(made.adversarial)
        columns = {
            "p_target": said[:, target],
            "flipped": _is(said.argmax(1), target),
            "stays": _is(self.judge.classes(made.stable), source) if own else nothing,
            "returns": nothing if made.cycle is None else _is(self.judge.classes(made.cycle), source),
            "l1": l1,
            "l2": l2,
            "changed": generated.sparsity(made.stable, made.adversarial, tau=self.tau),
            "error_stable": generated.proximity(images, made.stable)[0] if own else nothing,
            "error_cycle": nothing if made.cycle is None else generated.proximity(images, made.cycle)[0],
            "even": even,
            "every": every,
        }
        if self.oracle is not None:
            columns["oracle_agrees"] = _is(self.oracle.classes(images), source)
            columns["oracle_flipped"] = _is(self.oracle.classes(made.adversarial), target)
        return columns | self._located(images, made, places, source)

    def _located(self, images: Images, made: GeneratedBatch, places: Int[np.ndarray, " m"], source: int) -> dict[str, Column]:
        """Hold the explanation against the truth about where, for pictures that have one."""
        if self.pictures.regions is None:
            return {}
        found = {name: np.full(len(images), np.nan) for name in ("iou", "ncc", "chance")}
        maps = generated.change(made.stable, made.adversarial)
        infill = registry.infill("gray", self.judge.classifier)[1]
        for row, place in enumerate(places.tolist()):
            region = self.pictures.regions[place]
            if region.any() and not region.all():
                probe, case = Probe(self.judge.classifier, infill, images[row]), Case(source, region)
                found["iou"][row] = iou(probe, as_map(maps[row]), case).value
                found["ncc"][row] = ncc(probe, as_map(maps[row]), case).value
                share = float(region.mean())
                found["chance"][row] = share / (2 - share)
        return found

    def _restored(
        self, adversarial: Images, places: Int[np.ndarray, " m"], way: tuple[int, int]
    ) -> dict[str, dict[str, float]]:
        """Bring made pictures back after something happened to them that nobody would see, or hardly."""
        source, target = way
        routes = {"back": (target, source)} if self.twins.arm in {"syce", "cyce"} else {}
        if self.undoes:
            routes["undo"] = (source, target)
        seeds = derive(self.seed, torch.from_numpy(places))
        found: dict[str, dict[str, float]] = {}
        for disturbance in DISTURBANCES if routes else ():
            disturbed = _disturb(adversarial, disturbance, seeds)
            found[disturbance] = {name: self._share(disturbed, route, source) for name, route in routes.items()}
        return found

    def _undone(self, real: Images, way: tuple[int, int]) -> float:
        """Ask the undoing generator about real pictures of the class that it is to undo."""
        return self._share(real, way, way[0]) if self.undoes and len(real) else math.nan

    def _share(self, images: Images, route: tuple[int, int], wanted: int) -> float:
        """Send pictures through a generator and return the share that then has a class."""
        made = [self.twins(some, *route).adversarial for some in torch.split(images, self.judge.batch)]
        return float((self.judge.classes(torch.cat(made)) == wanted).mean())

    def seconds(self, way: tuple[int, int], places: Int[np.ndarray, " m"]) -> float:
        """Return the median time of one explanation, a picture at a time, after one that is not counted."""
        times = []
        for place in places[: TIMED + 1]:
            image = self.images(np.array([place]))
            started = time.perf_counter()
            with torch.no_grad():
                made = self.twins(image, *way)
                generated.change(made.stable, made.adversarial).cpu()
            times.append(time.perf_counter() - started)
        return float(np.median(times[1:])) if len(times) > 1 else math.nan


def _is(found: Int[np.ndarray, " n"], wanted: int) -> Column:
    """1.0 where a class is the wanted one, else 0.0."""
    hits: Column = (found == wanted).astype(np.float64)
    return hits


def _apart(first: Images, second: Float[Tensor, "m c h w"]) -> float:
    """Return the mean absolute difference of a picture of one set and one of the other; NaN where one is empty."""
    pairs = [float((second - image).abs().mean()) for image in first] if len(second) else []
    return float(np.mean(pairs)) if pairs else math.nan


def _keep(shown: dict[bool, Strip], strip: Strip, flipped: Column) -> None:
    """Add pictures to those that are kept, until there are enough."""
    for outcome in (True, False):
        new = {name: pictures[flipped == outcome][:SHOWN] for name, pictures in strip.items()}
        kept = shown.get(outcome, {name: pictures[:0] for name, pictures in new.items()})
        shown[outcome] = {name: np.concatenate([kept[name], new[name]])[:SHOWN] for name in new}


def _strip(images: Images, made: GeneratedBatch) -> Strip:
    """The pictures to look at; in the difference white is no change and black all there can be."""
    difference = (1 - (made.stable - made.adversarial).abs()).clamp(0, 1)
    pictures = {"input": images, "stable": made.stable, "adversarial": made.adversarial, "cycle": made.cycle}
    return {
        name: each.cpu().numpy() for name, each in {**pictures, "difference": difference}.items() if each is not None
    }


def _disturb(images: Images, how: str, seeds: Int[Tensor, " n"]) -> Images:
    """Do something to pictures that nobody would see, or hardly."""
    if how == EIGHT_BITS:
        return (images * 255).round() / 255
    if how == BLURRED:
        return torch.stack([gaussian_blur(image, float(how.split()[1])) for image in images])
    if how == UNDISTURBED:
        return images
    sigma = float(how.removeprefix("noise "))
    drawn = normals(seeds, images[0].numel()).view(images.shape).to(images)
    return (images + sigma * drawn).clamp(0, 1)


def pairs(classes: Sequence[int], said: Float[np.ndarray, "n k"]) -> dict[tuple[int, int], Int[np.ndarray, " m"]]:
    """Sort pictures by where they go: from the class that is predicted to the likeliest other one that the generators know.

    Args:
        classes: that the generators were trained for.
        said: probabilities of each picture.

    Returns:
        (source, target) → places of the pictures; those that are predicted to be of another class are left out.

    Example:
        >>> pairs((0, 2), np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7], [0.1, 0.8, 0.1]]))
        {(0, 2): array([0]), (2, 0): array([1])}
    """
    top, found = said.argmax(1), {}
    for source in classes:
        others = np.array([each for each in classes if each != source])
        targets = others[said[:, others].argmax(1)]
        for target in others.tolist():
            places = np.flatnonzero((top == source) & (targets == target))
            if len(places):
                found[source, target] = places
    return found
