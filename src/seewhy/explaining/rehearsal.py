"""Check a request before any work: a method or a metric is run up to its first query, so each rule stands where it is used."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import final

import torch

from seewhy.classifiers.randomised import with_weights
from seewhy.core.access import Access
from seewhy.core.arrays import Image, Images, Keep, Seeds
from seewhy.core.attribution import Map
from seewhy.core.budget import Budget
from seewhy.core.classifier import Classifier
from seewhy.core.infill import Infill, Limited
from seewhy.core.metric import MetricInput
from seewhy.core.probe import Probe
from seewhy.core.target import Target
from seewhy.explaining.bound_metric import BoundMetric
from seewhy.explaining.request import Request
from seewhy.explaining.targets import default_targets


class _End(BaseException):  # so that no method catches it
    """Ends a rehearsal."""


@final
@dataclass(frozen=True)
class _Unfilled:
    """An in-fill that ends a rehearsal where it would fill something, after a check that it can."""

    infill: Infill

    @property
    def stochastic(self) -> bool:
        """As the in-fill."""
        return self.infill.stochastic

    @property
    def checksum(self) -> str | None:
        """As the in-fill."""
        return self.infill.checksum

    def check(self, image: Image, keep: Keep) -> None:
        """As the in-fill, if it checks anything."""
        if isinstance(self.infill, Limited):
            self.infill.check(image, keep)

    def __call__(self, image: Image, keep: Keep, seeds: Seeds) -> Images:
        """Fill nothing."""
        del seeds
        self.check(image, keep)
        raise _End


def rehearsing(
    classifier: Classifier, infill: Infill, image: Image, *, seed: int = 0, budget: Budget | None = None, free: int = 0
) -> Probe:
    """Return a probe that ends a run at the first in-fill, or at the first query after those that are ``free``."""

    def end(done: int, planned: int) -> None:  # a probe calls it before it asks
        del planned
        if done > free:
            raise _End

    return Probe(classifier, _Unfilled(infill), image, seed=seed, budget=budget or Budget(), progress=end)


def until_first_query(run: Callable[[], object]) -> None:
    """Run something that asks a `rehearsing` probe, as far as it comes."""
    with suppress(_End):
        run()


def check_settings(request: Request, image: Image) -> None:
    """Refuse a request that its method would refuse before its first query; asks none.

    Raises:
        RequestError: the method refuses the settings, the budget, the number of targets, or the size of the image.
    """
    row = request.method.row
    if row.rehearsed:
        probe, targets = _bound(request, image), request.targets or _likely(request)
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
        probe = _bound(request, image, free=2 if layers else 1)
        targets = request.targets_for(probe)
        if row.rehearsed:
            until_first_query(lambda: row.run(probe, targets, **settings))


def _bound(request: Request, image: Image, *, free: int = 0) -> Probe:
    """Bind a request to an image, for checks only."""
    return rehearsing(request.classifier, request.infill, image, seed=request.seed, budget=request.budget, free=free)


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
        rehearsing(classifier, metric.infill, image),
        MetricInput(case.target, case.region, again, case.generated),
    )
    until_first_query(lambda: metric.row.run(probe, values, again_case, **metric.bound.settings))
