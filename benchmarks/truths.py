"""Reference maps: a photo with a prepared classifier, and the full map of `pmi`, computed once and cached."""

import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

import click
import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

import seewhy
from seewhy.classifiers.settings import digest
from seewhy.core.arrays import Image
from seewhy.core.attribution import Map
from seewhy.core.budget import Budget
from seewhy.core.features import Windows
from seewhy.core.probe import Probe, no_progress
from seewhy.core.target import Target
from seewhy.explaining.prepared import open_viewed, prepare_classifier
from seewhy.explaining.request import Request, bind, prepare
from seewhy.explaining.targets import default_targets
from seewhy.methods.windows._windows import Answers, ask
from seewhy.methods.windows.pmi import evidence
from seewhy.nets.checkpoints import write_whole

KINDS = ("full", "first", "second", "corrected", "variance")
"""What is stored for each window: the evidence from all samples, from the first half and from the second half, the
jackknife estimate from all, and the jackknife's variance."""

TRUTH_SEED = 0
"""Seed of every long run; the runs that are evaluated have seeds from 1 on."""

_REPORT_EVERY = 10  # rows of windows between progress messages

cache_option = click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder that caches full maps of pmi. Default: no cache.",
)
samples_option = click.option(
    "--truth-samples",
    default=8,
    show_default=True,
    type=click.IntRange(min=2),
    help="In-fills per window; an even number.",
)


@dataclass(frozen=True, eq=False)
class Subject:
    """A photo, with an in-fill and a classifier that is checked and prepared for it.

    Args:
        request: the request, from which every run takes all but method, seed and budget.
        image: the photo in the classifier's view.
        name: name of the photo's file.
        sha256: SHA-256 of the photo's file.
    """

    request: Request
    image: Image
    name: str
    sha256: str

    @classmethod
    def open(
        cls, photo: Path, classifier: seewhy.Classifier, *, method: str, infill: str | None, runtime: str, queries: int
    ) -> "Subject":
        """Open a photo; ``queries`` is about the number of queries to come, which limits the search for a runtime."""
        request = prepare(classifier, method=method, infill=infill, budget=queries, runtime=runtime)
        viewed = open_viewed(classifier, photo)
        prepared = prepare_classifier(request, viewed.image)
        return cls(prepared.for_image(request, viewed.image), viewed.image, photo.name, viewed.opened.sha256)

    def probe(self, seed: int, queries: int | None = None) -> Probe:
        """Bind a run to the photo."""
        return bind(replace(self.request, seed=seed, budget=Budget(queries=queries)), self.image, no_progress)

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """The usual targets: the three most probable classes, and the information if the method supports it."""
        prediction = self.probe(TRUTH_SEED).prediction
        return default_targets(prediction, information=self.request.method.row.information, classes=3)


@dataclass(frozen=True)
class Plan:
    """A long run of `pmi`.

    Args:
        size: side of a window, in pixels.
        stride: step between windows; 1 in the paper's setting.
        samples: in-fills of each window, an even number; 8 in the paper's setting.
    """

    size: int
    stride: int
    samples: int

    def __post_init__(self) -> None:
        if self.samples % 2:
            raise click.UsageError(
                f"expected an even number of --truth-samples, which are halved, got {self.samples}; add one"
            )

    def key(self, subject: Subject) -> str:
        """Return the name of the result, from photo, classifier and in-fill but not the runtime."""
        request = subject.request
        spec, checksum = str(request.infill_info), request.infill.checksum
        return digest(subject.sha256, request.classifier.fingerprint, spec, checksum, asdict(self), TRUTH_SEED)


@dataclass(frozen=True, eq=False)
class Truth:
    """The result of a long run, for each window.

    Args:
        keys: keys of the targets.
        tops: top rows of the windows.
        lefts: left columns of the windows.
        grids: one number per window for each of `KINDS` and each target.
        size: side of a window, in pixels.
        picture: height and width of the image.
    """

    keys: tuple[str, ...]
    tops: Int[np.ndarray, " a"]
    lefts: Int[np.ndarray, " b"]
    grids: Float[np.ndarray, "5 t a b"]
    size: int
    picture: tuple[int, int]

    def maps(self, kind: str) -> dict[str, Map]:
        """Return the map of each target: the mean over the windows that cover a pixel, or the variance of that mean."""
        down, across = (
            _cover(places, self.size, length, power=2 if kind == "variance" else 1)
            for places, length in zip((self.tops, self.lefts), self.picture, strict=True)
        )
        return dict(zip(self.keys, down @ self.grids[KINDS.index(kind)] @ across.T, strict=True))

    def length(self, key: str) -> float | None:
        """Return the correlation length of the windows' evidence, in window sides; see `seewhy.methods.windows._kriging`.

        It follows from the mean product of windows half a side apart (or the stride, if that is more), in rows and
        columns, divided by the mean square minus the noise. The result is None if there is only one row or column, or
        if neighbours are uncorrelated.
        """
        if (fewest := min(self.grids.shape[2:])) < 2:
            return None
        corrected, noise = (self.grids[KINDS.index(kind), self.keys.index(key)] for kind in ("corrected", "variance"))
        step = max(1, min(fewest - 1, round(self.size / 2 / float(self.tops[1] - self.tops[0]))))
        apart = float(self.tops[step] - self.tops[0]) / self.size
        products = (corrected[step:] * corrected[:-step]).mean(), (corrected[:, step:] * corrected[:, :-step]).mean()
        alike = np.mean(products) / max((corrected**2).mean() - noise.mean(), np.finfo(np.float64).tiny)
        return float(-apart / np.log(alike)) if 0 < alike < 1 else None

    def save(self, path: Path) -> None:
        """Write the result to a file, atomically."""
        path.parent.mkdir(parents=True, exist_ok=True)
        file = io.BytesIO()
        np.savez(file, **{**asdict(self), "keys": np.array(self.keys)})
        write_whole(path, file.getvalue())

    @classmethod
    def load(cls, path: Path) -> "Truth":
        """Read a file written by `save`."""
        with np.load(path) as found:
            height, width = found["picture"].tolist()
            keys, size = tuple(found["keys"].tolist()), int(found["size"])
            return cls(keys, found["tops"], found["lefts"], found["grids"], size, (height, width))


def _cover(places: Int[np.ndarray, " a"], size: int, length: int, *, power: int) -> Float[np.ndarray, "n a"]:
    """Return the weight of each window at each pixel of an axis: 1 over the number of covering windows, to a power."""
    pixel = np.arange(length)[:, None]
    covers = (places <= pixel) & (pixel < places + size)
    weights: Float[np.ndarray, "n a"] = covers / covers.sum(1, keepdims=True) ** power
    return weights


def numbers(prediction: Float[Tensor, " k"], targets: Sequence[Target], answers: Answers) -> Float[np.ndarray, "5 t m"]:
    """Convert the answers for some windows to the numbers stored for each, in the order of `KINDS`."""
    plain, half = evidence(prediction, targets, "none"), answers.shape[1] // 2
    value, variance = evidence(prediction, targets, "jackknife")(answers)
    whole, first, second = (plain(part)[0] for part in (answers, answers[:, :half], answers[:, half:]))
    scatter = np.zeros_like(value) if variance is None else variance
    return np.stack([whole, first, second, value, scatter]).swapaxes(1, 2)


def measure(subject: Subject, plan: Plan) -> Truth:
    """Query every window of the plan, in rows from the top.

    Memory holds the answers to one row; progress is printed to stderr.

    Cost: ``windows x samples`` queries, 376,712 for 8 samples of 8 × 8 windows at stride 1 of 224 × 224.
    """
    probe, windows = subject.probe(TRUTH_SEED), Windows(plan.size, plan.stride)
    tops, lefts = (torch.unique(places) for places in windows.positions(*probe.size).unbind(1))
    together = max(1, probe.rows // plan.samples)
    rows = []
    for top in tops:
        row = torch.cartesian_prod(top[None], lefts)
        answers = torch.cat([ask(probe, windows, plan.samples, part)[1] for part in torch.split(row, together)])
        rows.append(numbers(probe.prediction, subject.targets, answers))
        if len(rows) % _REPORT_EVERY == 0:
            click.echo(f"{subject.name}: {len(rows)} of {len(tops)} rows of windows", err=True)
    keys = tuple(target.key for target in subject.targets)
    return Truth(keys, tops.numpy(), lefts.numpy(), np.stack(rows, axis=2), plan.size, probe.size)


def long_run(subject: Subject, plan: Plan, cache: Path | None) -> Truth:
    """Return a full map from the cache, or compute and cache it."""
    request = subject.request
    if not request.infill.stochastic:
        raise click.UsageError(f"expected a stochastic in-fill, got {request.infill_info}; choose another one")
    if cache is None:
        return measure(subject, plan)
    path = cache / f"{Path(subject.name).stem}-{plan.key(subject)}.npz"
    if path.is_file():
        return Truth.load(path)
    truth = measure(subject, plan)
    truth.save(path)
    return truth


def pearson(one: Map, other: Map) -> float:
    """Return the correlation of two maps; 0 if either is constant."""
    first, second = (values - values.mean(dtype=np.float64) for values in (one, other))
    spread = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / spread if spread > 0 else 0.0
