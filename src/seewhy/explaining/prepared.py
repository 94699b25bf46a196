"""What stands ready before an explanation: the image as the classifier sees it, and the classifier, tested and bound to a runtime."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from seewhy import registry
from seewhy.classifiers.fast import FastClassifier
from seewhy.classifiers.tuning import Log, RuntimeChoice, RuntimeRequest, clock_of, no_log, options_for, tune
from seewhy.classifiers.validation import Validation, validate_classifier
from seewhy.core.access import Access
from seewhy.core.arrays import Image
from seewhy.core.classifier import Classifier
from seewhy.core.errors import RequestError
from seewhy.core.view import Frame
from seewhy.explaining.announcement import LONG, announce
from seewhy.explaining.diagnostics.faithfulness import QUERIES as CHECK_QUERIES
from seewhy.explaining.rehearsal import check_answers, check_settings
from seewhy.explaining.request import Request
from seewhy.images.levels import Window
from seewhy.images.open import ImageLike, OpenedImage, open_image
from seewhy.images.view import apply_view
from seewhy.registry import Cost
from seewhy.results.record import RuntimeInfo
from seewhy.runtime.tune import seconds

_MANY = 100
"""Fewer queries than this are not worth timing an in-fill."""

_SHORT = 0.005
"""An in-fill that takes fewer seconds than this, or more than one, is timed once."""


@dataclass(frozen=True, eq=False)
class Viewed:
    """A user's image: as it was opened, as a classifier sees it (``(3, h, w)`` in [0, 1]), and its path if it came from a file."""

    opened: OpenedImage
    image: Image
    frame: Frame
    source: str | None


def open_viewed(
    classifier: Classifier,
    image: ImageLike,
    *,
    max_megapixels: float = 200.0,
    name: str | None = None,
    window: Window | None = None,
) -> Viewed:
    """Open an image and bring it into a classifier's view; ``name`` replaces its file name in results."""
    opened = open_image(image, max_megapixels=max_megapixels, name=name, window=window)
    shown, frame = apply_view(opened, classifier.view)
    return Viewed(opened, shown, frame, str(image) if isinstance(image, str | Path) else None)


@dataclass(frozen=True, eq=False)
class PreparedClassifier:
    """A classifier that was tested and bound to a runtime, and the ``original`` that the user gave; the same for many images.

    ``pace`` is about how many seconds a query takes.
    """

    original: Classifier
    validation: Validation
    classifier: Classifier
    choice: RuntimeChoice
    pace: float

    def for_image(self, request: Request, image: Image) -> Request:
        """Point a request at the classifier as it is run now, ready for questions about an image in its view.

        A method that needs more than probabilities runs the classifier unchanged.
        """
        asked = self.classifier if registry.access_of(request.method) <= Access.PROBABILITIES else self.original
        if isinstance(asked, FastClassifier):
            asked = asked.on(image)
        return replace(request, classifier=asked, batch_size=self.choice.batch_size, runtime=self.choice.name)

    def info(self) -> RuntimeInfo:
        """Describe how the classifier is run, for the record."""
        return RuntimeInfo(
            **vars(self.choice),
            engine=self.classifier.runtime,
            alone_or_in_batch=self.validation.agreement,
            device=str(self.original.device),
            threads=torch.get_num_threads(),
        )


def prepare_classifier(
    request: Request, image: Image, log: Log = no_log, *, together: Sequence[Request] | None = None
) -> PreparedClassifier:
    """Check a request, test its classifier on an image and choose how it is run, once for many images.

    Requests that are carried out ``together`` are all checked first; None: this one. A method that needs more than
    probabilities runs the classifier unchanged. A run that will be long is announced.
    """
    for checked in (request,) if together is None else together:
        check_settings(checked, image)
        check_answers(checked, image)
    method, runtime = request.method, request.runtime
    if registry.access_of(method) > Access.PROBABILITIES:
        if runtime not in {"auto", "eager"}:
            raise RequestError(
                f"{method.name} needs {registry.access_of(method).name} and runs the classifier unchanged, got runtime={runtime}; "
                "leave the runtime out"
            )
        runtime = "eager"
    queries = request.budget.queries or expected_queries(request, image)
    box = min(method.row.windows(method.settings), default=None)  # the whole network sees larger ones
    wanted = RuntimeRequest(runtime, request.batch_size)
    prepared = validate_and_tune(request.classifier, image, wanted, queries=queries, box=box, log=log)
    _announce(request, prepared, image, runs=1 if together is None else len(together))
    return prepared


def _announce(request: Request, prepared: PreparedClassifier, image: Image, *, runs: int) -> None:
    """Say what the explanation of an image will cost, where that takes long."""
    planned = planned_cost(request, image)
    limit = request.budget.queries or planned.forward
    queries = min(limit, planned.forward) + 2 * min(limit, planned.backward) + (CHECK_QUERIES if request.check else 0)
    pace = prepared.pace + (_filling(request, image) if queries >= _MANY else 0)
    if request.budget.seconds is None or queries * pace <= request.budget.seconds:
        announce(
            request.method.name,
            image,
            queries=runs * queries,
            pace=pace,
            batch=prepared.choice.batch_size,
            own_size=request.classifier.view.size is None,
        )


def _filling(request: Request, image: Image) -> float:
    """Time the in-fill, in seconds per image; 0 where it refuses the holes, which its method then reports."""
    image = image.to(request.classifier.device)
    side = max(request.method.row.windows(request.method.settings), default=max(image.shape[1:]))
    keep = torch.ones_like(image[:1])
    keep[:, :side, :side] = 0
    times = [0.0]
    with suppress(RequestError):
        for _ in range(2):  # the first may load weights
            start = time.perf_counter()
            request.infill(image, keep, torch.zeros(1, dtype=torch.int64, device=image.device))
            times.append(time.perf_counter() - start)
            if not _SHORT < times[-1] < 1:
                break
    return times[-1]


def validate_and_tune(
    classifier: Classifier,
    image: Image,
    wanted: RuntimeRequest,
    *,
    queries: int,
    box: int | None = None,
    log: Log = no_log,
) -> PreparedClassifier:
    """Test a classifier on an image, then choose how it is run; see `seewhy.classifiers.tuning.tune`."""
    options_for(classifier, image, wanted, box=box)  # refuses the runtime before the self-test
    start = time.perf_counter()
    validation = validate_classifier(classifier, image)
    pace = (time.perf_counter() - start) / max(1, validation.queries)
    tuned, choice = tune(classifier, image, wanted, queries=queries, box=box, log=log)
    if choice.queries_per_second is not None:
        pace = 1 / choice.queries_per_second
    elif pace * queries > LONG:  # the first call may be slower than the rest, so two more are timed
        pace = seconds(tuned, image[None].to(tuned.device), 1, clock_of(tuned.device))
    return PreparedClassifier(classifier, validation, tuned, choice, pace)


def planned_cost(request: Request, image: Image) -> Cost:
    """Return about what a request costs for one image when it runs to its end."""
    height, width = image.shape[1:]
    row, settings, stochastic = request.method.row, request.method.settings, request.infill.stochastic
    targets = row.classes if request.targets is None else len(request.targets)
    return row.cost(settings, (height, width), targets=targets, stochastic=stochastic)


def expected_queries(request: Request, image: Image) -> int:
    """Return about how many queries a request asks about one image when it runs to its end."""
    return planned_cost(request, image).forward
