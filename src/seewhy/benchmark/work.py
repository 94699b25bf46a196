"""The work of a benchmark: explain each image by every method, score every map by every metric, do nothing twice."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool

from seewhy.benchmark.plan import BenchmarkPlan, in_full
from seewhy.benchmark.store import (
    CachedMap,
    CachedScore,
    PredictedClass,
    key,
    read_map,
    read_work,
    write_map,
    write_work,
)
from seewhy.classifiers.tuning import Log, no_log
from seewhy.core.arrays import Image
from seewhy.core.attribution import Attribution, GeneratedPixels, Map
from seewhy.core.errors import RequestError
from seewhy.core.metric import MetricInput, MetricResult
from seewhy.core.probe import Probe, Progress, as_distributions, no_progress
from seewhy.core.target import ClassEvidence
from seewhy.explaining.announcement import announce
from seewhy.explaining.bound_metric import BoundMetric, Reexplainer
from seewhy.explaining.facts import label
from seewhy.explaining.prepared import PreparedClassifier, Viewed, expected_queries, validate_and_tune
from seewhy.explaining.request import Request, bind
from seewhy.images.labelled import Labelled, region
from seewhy.images.view import apply_view
from seewhy.results.benchmark import DIRECTIONS, SURE, ScoreRow
from seewhy.runtime.machine import installed


@dataclass(frozen=True, eq=False)
class ImageTask:
    """One image of the benchmark, where its object is if that is known, and the name of the work on it."""

    viewed: Viewed
    region: Bool[np.ndarray, "h w"] | None
    name: str


@dataclass(eq=False)
class Runner:
    """Works through ``images`` images; what is done is in the folder before the next begins, and is not done again.

    ``progress`` is called with (explanations and scores done, the number planned).
    """

    plan: BenchmarkPlan
    folder: Path
    images: int
    progress: Progress = no_progress
    log: Log = no_log
    max_megapixels: float = 200.0
    _done: int = field(default=0, init=False)
    _prepared: PreparedClassifier | None = field(default=None, init=False)

    def examine(self, labelled: Labelled) -> tuple[list[ScoreRow], ImageTask | None]:
        """Explain an image by every method and score every map; what fails becomes a row with its error.

        The task is None where the image cannot be read.
        """
        try:
            task = self._task(labelled)
            predicted = self._predicted(task)
        except _ImageFailed as problem:
            self._tick(self._each)
            return [ScoreRow(labelled.path.name, error=str(problem))], None
        right = "" if labelled.label is None else str(labelled.label == predicted.target).lower()
        unsure = predicted.probability < SURE
        start = ScoreRow(labelled.path.name, right=right, unsure=unsure, **asdict(predicted))
        return [row for title in self.plan.methods for row in self._method(task, title, start)], task

    def maps(self, task: ImageTask) -> dict[str, tuple[CachedMap, Map]]:
        """Return method → the facts about its map, and the map, for an image that was examined; none that failed."""
        names = {title: self._name(task, request) for title, request in self.plan.methods.items()}
        works = {title: read_work(self.folder, name, CachedMap) for title, name in names.items()}
        return {
            title: (work, read_map(self.folder, names[title])[0]) for title, work in works.items() if work is not None
        }

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the classifier's self-test found; nothing where all work was done before."""
        return self._prepared.validation.warnings if self._prepared else ()

    @property
    def _each(self) -> int:
        """Explanations and scores of one image."""
        return len(self.plan.methods) * (1 + len(self.plan.metrics))

    def _tick(self, work: int = 1) -> None:
        """Report that more is done."""
        self._done += work
        self.progress(self._done, self.images * self._each)

    def _task(self, labelled: Labelled) -> ImageTask:
        """Open an image."""
        try:
            picture = labelled.open(max_megapixels=self.max_megapixels)
        except RequestError as problem:
            raise _ImageFailed(str(problem)) from problem
        classifier = self.plan.classifier
        image, frame = apply_view(picture, classifier.view)
        size, view = list(picture.pixels.shape[:2]), classifier.view.describe()
        name = key("image", installed("seewhy"), picture.sha256, size, classifier.fingerprint, view)
        viewed = Viewed(picture, image, frame, str(labelled.path))
        return ImageTask(viewed, region(labelled.boxes, frame), name)

    def _predicted(self, task: ImageTask) -> PredictedClass:
        """Find the class that is explained: the prediction of the unchanged classifier; one query."""
        if (known := read_work(self.folder, task.name, PredictedClass)) is not None:
            return known
        classifier = self.prepared(task).original
        try:
            with torch.no_grad():
                answer = as_distributions(classifier(task.viewed.image[None].to(classifier.device)), 1)[0]
        except RequestError as problem:
            raise _ImageFailed(str(problem)) from problem
        top = int(answer.argmax())
        predicted = PredictedClass(top, label(top, classifier), float(answer[top]))
        write_work(self.folder, task.name, predicted)
        return predicted

    def prepared(self, task: ImageTask) -> PreparedClassifier:
        """Test the classifier on the first image that needs it, and choose how it is run, once for all."""
        if self._prepared is None:
            plan, classifier, image = self.plan, self.plan.classifier, task.viewed.image
            each = sum(expected_queries(request, image) for request in plan.methods.values())
            queries = each * self.images
            self._prepared = validate_and_tune(classifier, image, plan.runtime_request, queries=queries, log=self.log)
            self._announce(self._prepared, image, queries)
        return self._prepared

    def _announce(self, prepared: PreparedClassifier, image: Image, queries: int) -> None:
        """Say what a long benchmark costs, its scores included, before it begins."""
        metrics = self.plan.metrics.values()
        size = (image.shape[1], image.shape[2])
        scores = sum(metric.row.cost(metric.bound.settings, size).forward for metric in metrics)
        queries += scores * len(self.plan.methods) * self.images
        batch = prepared.choice.batch_size
        announce("compare", image, queries=queries, pace=prepared.pace, batch=batch)

    def _name(self, task: ImageTask, request: Request) -> str:
        """Name an explanation."""
        return key("map", task.name, in_full(request), request.infill.checksum, request.seed)

    def _method(self, task: ImageTask, title: str, start: ScoreRow) -> list[ScoreRow]:
        """Explain by one method, and score the map."""
        request, metrics = self.plan.methods[title], self.plan.metrics
        name = self._name(task, request)
        work = read_work(self.folder, name, CachedMap)
        if work is None:
            prepared = self.prepared(task)
            try:
                work, values, generated = _explain(prepared, task, request, start.target)
            except RequestError as problem:
                self._tick(1 + len(metrics))
                return [replace(start, method=title, error=str(problem))]
            write_map(self.folder, name, values, generated)
            write_work(self.folder, name, work)
        self._tick()
        row = replace(start, method=title, seconds=work.seconds, **asdict(work.queries))
        return [self._scored(task, name, metric, request, row) for metric in metrics]

    def _scored(self, task: ImageTask, name: str, title: str, request: Request, row: ScoreRow) -> ScoreRow:
        """Score one map by one metric."""
        metric = self.plan.metrics[title]
        direction = DIRECTIONS[metric.row.higher_is_better]
        row = replace(row, metric=title, protocol=metric.protocol, direction=direction)
        where = np.packbits(task.region).tobytes().hex() if metric.row.region and task.region is not None else None
        own = key("score", name, metric.protocol, metric.infill.checksum, where)
        work = read_work(self.folder, own, CachedScore)
        if work is None:
            prepared, (values, generated) = self.prepared(task), read_map(self.folder, name)
            batched = replace(request, batch_size=prepared.choice.batch_size)
            again = Reexplainer(batched, prepared.classifier, task.viewed.image, ClassEvidence(row.target))
            case = MetricInput(row.target, task.region, again, generated)
            try:
                work = _score(prepared, task, metric, values, case, seed=self.plan.seed)
            except RequestError as problem:
                self._tick()
                return replace(row, error=str(problem))
            write_work(self.folder, own, work)
        self._tick()
        return replace(row, value=work.value, note=work.note)


class _ImageFailed(Exception):  # noqa: N818 - not shown to the user as it is: it becomes a row
    """An image that cannot be explained; the others go on."""


def _explain(
    prepared: PreparedClassifier, task: ImageTask, request: Request, target: int
) -> tuple[CachedMap, Map, Mapping[str, GeneratedPixels]]:
    """Explain one class by one method."""
    explained, method, image = ClassEvidence(target), request.method, task.viewed.image
    probe = bind(prepared.for_image(request, image), image, no_progress)
    probe.prediction  # noqa: B018 - every explanation begins with this query, as `seewhy explain` does
    maps: Attribution = method.row.run(probe, [explained], **method.settings)
    return CachedMap(maps.unit, probe.queries, round(probe.seconds, 4)), maps.values[explained.key], maps.generated


def _score(
    prepared: PreparedClassifier, task: ImageTask, metric: BoundMetric, values: Map, case: MetricInput, *, seed: int
) -> CachedScore:
    """Ask one metric."""
    if metric.row.region:
        try:
            case.where()
        except RequestError as problem:  # the score is not defined for this image, which is no failure
            return CachedScore(float("nan"), str(problem))
    batch = prepared.choice.batch_size
    probe = Probe(prepared.classifier, metric.infill, task.viewed.image, seed=seed, batch_size=batch)
    result: MetricResult = metric.row.run(probe, values, case, **metric.bound.settings)
    return CachedScore(float(result.value), result.note)
