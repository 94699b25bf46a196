"""Check a request before any work: a method or a metric is run up to its first query, so each rule stands where it is used."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NoReturn, final

import torch

from seewhy.classifiers.randomised import with_weights
from seewhy.core.access import Access
from seewhy.core.arrays import Image, Images, Keep, Seeds
from seewhy.core.attribution import Map
from seewhy.core.classifier import Classifier
from seewhy.core.infill import Limited
from seewhy.core.metric import MetricInput
from seewhy.core.probe import Answers, Probe
from seewhy.core.target import Target
from seewhy.explaining.bound_metric import BoundMetric
from seewhy.explaining.request import Request
from seewhy.explaining.targets import default_targets


@final
class Rehearsal(Probe):
    """A probe that ends a run at the first in-fill, or at the first query after those that are ``free``."""

    free = 0

    def __call__(self, keep: Keep, seeds: Seeds) -> Answers:
        """End the run, after a check that the in-fill can fill the holes."""
        del seeds
        self._end(keep)

    def fill(self, seeds: Seeds) -> Images:
        """End the run, after a check that the in-fill can fill the whole image."""
        self._end(torch.zeros(len(seeds), *self.size))

    def _end(self, keep: Keep) -> NoReturn:
        self.check_holes(keep)
        raise _End

    def _count(self, images: int) -> None:
        """End the run at a query that is not free."""
        if self.free == 0:
            raise _End
        self.free -= 1
        super()._count(images)


class _End(BaseException):  # so that no method catches it
    """Ends a rehearsal."""


def until_first_query(run: Callable[[], object]) -> None:
    """Run something that asks a `Rehearsal`, as far as it comes."""
    with suppress(_End):
        run()


def check_settings(request: Request, image: Image) -> None:
    """Refuse a request that its method would refuse before its first query; asks none.

    Raises:
        RequestError: the method refuses the settings, the budget, the number of targets, or the size of the image.
    """
    row = request.method.row
    if row.rehearsed:
        probe, targets = _rehearsal(request, image), request.targets or _likely(request)
        until_first_query(lambda: row.run(probe, targets, **request.method.settings))


def check_answers(request: Request, image: Image) -> None:
    """Refuse a request for what the classifier has to be asked, before anything else is.

    That is a class by number where there are no names, the outputs of the layers, and the holes of an in-fill that cannot
    fill all. Such a request costs one query, or two for a method that reads layers; others cost none.

    Raises:
        RequestError: a class does not exist, or the method refuses the layer, the targets or the in-fill.
    """
    row, settings = request.method.row, request.method.settings
    layers = row.access == Access.INTERNALS
    unnamed = request.targets is not None and request.classifier.labels is None
    holes = isinstance(request.infill, Limited) and not row.windows(settings) and not row.needs
    if layers or unnamed or holes:
        probe = _rehearsal(request, image)
        probe.free = 2 if layers else 1
        targets = request.targets_for(probe)
        if row.rehearsed:
            until_first_query(lambda: row.run(probe, targets, **settings))


def _rehearsal(request: Request, image: Image) -> Rehearsal:
    """Bind a request to an image, for checks only."""
    return Rehearsal(request.classifier, request.infill, image, seed=request.seed, budget=request.budget)


def _likely(request: Request) -> Sequence[Target]:
    """Return as many targets as an image would get."""
    row, labels = request.method.row, request.classifier.labels
    classes = len(labels) if labels else max(2, row.classes)
    even = torch.full((classes,), 1 / classes)
    return default_targets(even, information=row.information, classes=row.classes, contrast=row.contrast)


def rehearse_metric(metric: BoundMetric, classifier: Classifier, image: Image, values: Map, case: MetricInput) -> None:
    """Refuse a metric that would refuse its settings, this map, this case or this classifier; asks no query."""

    def again(*, seed: int | None = None, randomise: bool = False) -> Map:
        del seed
        if randomise:
            with_weights(classifier)
        raise _End

    probe, again_case = (
        Rehearsal(classifier, metric.infill, image),
        MetricInput(case.target, case.region, again, case.generated),
    )
    until_first_query(lambda: metric.row.run(probe, values, again_case, **metric.bound.settings))
