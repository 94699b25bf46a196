"""Validate the classifier on one image and choose the runtime it will use."""

from dataclasses import asdict, dataclass, replace

import torch

from seewhy.classifiers.fast import FastClassifier
from seewhy.classifiers.tuning import Log, RuntimeChoice, RuntimeRequest, no_log, tune
from seewhy.classifiers.validation import Validation, validate_classifier
from seewhy.core.access import Access
from seewhy.core.arrays import Image
from seewhy.core.classifier import Classifier
from seewhy.core.errors import RequestError
from seewhy.explaining.request import Request
from seewhy.results.record import RuntimeInfo


@dataclass(frozen=True, eq=False)
class PreparedClassifier:
    """A classifier that was validated and bound to a runtime; the same for many images.

    Args:
        original: the classifier as the user gave it.
        validation: what its self-test found.
        classifier: what is asked from now on.
        choice: how it is run.

    Example:
        ``prepare_classifier(request, image).choice.name`` is ``"openvino"`` where that is fastest.
    """

    original: Classifier
    validation: Validation
    classifier: Classifier
    choice: RuntimeChoice

    def for_image(self, request: Request, image: Image) -> Request:
        """Point a request at the classifier as it is run now, ready for questions about an image in its view."""
        asked = self.classifier.on(image) if isinstance(self.classifier, FastClassifier) else self.classifier
        return replace(request, classifier=asked, batch_size=self.choice.batch_size, runtime=self.choice.name)

    def info(self) -> RuntimeInfo:
        """Describe how the classifier is run, for the record."""
        choice = {name: getattr(self.choice, name) for name in asdict(self.choice)}
        return RuntimeInfo(
            **choice,
            engine=self.classifier.runtime,
            alone_or_in_batch=self.validation.agreement,
            device=str(self.original.device),
            threads=torch.get_num_threads(),
        )


def prepare_classifier(request: Request, image: Image, log: Log = no_log) -> PreparedClassifier:
    """Test the classifier on an image and choose how it is run, once for many images.

    See `seewhy.classifiers.validation.validate_classifier` and `seewhy.classifiers.tuning.tune`. A method that needs more than
    probabilities runs the classifier unchanged.

    Args:
        request: from `seewhy.explaining.request.prepare`.
        image: ``(3, h, w)`` in the classifier's view.
        log: told of a search for a runtime.

    Raises:
        RequestError: the runtime that was asked for is not available.
        ClassifierError: the classifier contradicts its own description.
    """
    tested = validate_classifier(request.classifier, image)
    method = request.method
    runtime_request = RuntimeRequest(request.runtime, request.batch_size)
    if method.row.access > Access.PROBABILITIES:
        if runtime_request.runtime not in {"auto", "eager"}:
            raise RequestError(
                f"{method.name} needs {method.row.access.name} and runs the classifier unchanged, got runtime={runtime_request.runtime}; "
                "leave the runtime out"
            )
        runtime_request = replace(runtime_request, runtime="eager")
    queries = request.budget.queries or expected_queries(request, image)
    box = min(method.row.windows(method.settings), default=None)  # the whole network sees larger ones
    tuned, choice = tune(request.classifier, image, runtime_request, queries=queries, box=box, log=log)
    return PreparedClassifier(request.classifier, tested, tuned, choice)


def expected_queries(request: Request, image: Image) -> int:
    """Return about how many queries a request asks about one image when it runs to its end."""
    height, width = image.shape[1:]
    settings, stochastic = request.method.settings, request.infill.stochastic
    return request.method.row.cost(settings, (height, width), stochastic=stochastic).forward
