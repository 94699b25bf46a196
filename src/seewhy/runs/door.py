"""What is settled at the classifier's door, on a picture and before any question: does it hold to its word, how is it run."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from seewhy import registry
from seewhy.classifiers.fast import FastClassifier
from seewhy.classifiers.selftest import SelfTest, self_test
from seewhy.classifiers.tuning import Log, RuntimeChoice, RuntimeRequest, no_log, tune
from seewhy.core.access import Access
from seewhy.core.arrays import Image
from seewhy.core.classifier import Classifier
from seewhy.core.errors import RequestError
from seewhy.images.open import Picture
from seewhy.images.view import apply_view
from seewhy.runs.request import Request


@dataclass(frozen=True, eq=False)
class Door:
    """A classifier, tested and made ready; the same for many pictures.

    Args:
        original: the classifier as it came.
        tested: what its self-test found.
        classifier: what is asked from now on.
        choice: how it is run.

    Example:
        ``test_door(request, picture).choice.name`` is ``"openvino"`` where that is fastest.
    """

    original: Classifier
    tested: SelfTest
    classifier: Classifier
    choice: RuntimeChoice

    def let_in(self, request: Request, image: Image) -> Request:
        """Point a request at the classifier as it is run now, ready for questions about a picture in its view."""
        asked = self.classifier.on(image) if isinstance(self.classifier, FastClassifier) else self.classifier
        return replace(request, classifier=asked, batch_size=self.choice.batch_size, runtime=self.choice.name)

    def facts(self) -> dict[str, Any]:
        """Say how the classifier is run, for the record."""
        said = asdict(self.choice)
        tried = [{name: value for name, value in trial.items() if value is not None} for trial in said.pop("tried")]
        for part in (said, *tried):
            if part.get("queries_per_second"):
                part["queries_per_second"] = round(part["queries_per_second"], 1)
        return {**said, "engine": self.classifier.runtime, "alone_or_in_batch": self.tested.agreement, "tried": tried}


def test_door(request: Request, picture: Picture, log: Log = no_log) -> Door:  # noqa: PT028 - not a test
    """Test the classifier on a picture and choose how it is run, once for many pictures; ``log`` is told of a search.

    See `seewhy.classifiers.selftest.self_test` and `seewhy.classifiers.tuning.tune`. A method that needs more than
    probabilities asks the classifier as it came.

    Raises:
        RequestError: the runtime that was asked for is not to be had.
        ClassifierError: the classifier contradicts its own description.
    """
    image = apply_view(picture, request.classifier.view)[0]
    tested = self_test(request.classifier, image)
    found: registry.Method = registry.row("methods", request.method.name)
    runtime_request = RuntimeRequest(request.runtime, request.batch_size)
    if found.access > Access.PROBABILITIES:
        if runtime_request.runtime not in {"auto", "eager"}:
            raise RequestError(
                f"expected --runtime eager for {request.method.name}, which needs {found.access.name}, got {runtime_request.runtime}"
            )
        runtime_request = replace(runtime_request, runtime="eager")
    queries = request.budget.queries or expected(found, request.settings, image)
    box = min(found.windows(request.settings), default=None)  # larger ones are shown to the whole network
    tuned, choice = tune(request.classifier, image, runtime_request, queries=queries, box=box, log=log)
    return Door(request.classifier, tested, tuned, choice)


def expected(found: registry.Method, settings: Mapping[str, object], image: Image) -> int:
    """About how many queries a run without a budget asks: as its row says, more for smaller steps and larger pictures."""
    usual = re.search(r"\d[\d,]*", found.cost)
    queries = float(usual[0].replace(",", "")) if usual else 0.0
    if usual and (sides := found.windows({})):
        stride = settings.get("stride")
        steps = (stride,) if isinstance(stride, int) else found.windows(settings)
        queries *= sum(1 / max(step, 1) ** 2 for step in steps) / sum(1 / side**2 for side in sides)
        queries *= image[0].numel() / 224**2
    return round(queries)
