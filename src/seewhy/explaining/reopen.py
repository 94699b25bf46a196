"""Open a saved explanation again with its classifier: the one way in for scores and regions."""

from dataclasses import dataclass
from pathlib import Path

import torch

from seewhy import registry
from seewhy.core.arrays import Image
from seewhy.core.classifier import Classifier
from seewhy.core.errors import RequestError
from seewhy.explaining.explanation import Explanation
from seewhy.explaining.load import load
from seewhy.explaining.request import Request, prepare
from seewhy.registry import ClassifierLike


@dataclass(frozen=True, eq=False)
class Reopened:
    """A saved explanation, the classifier that it explains, and the image ``(3, h, w)`` in the classifier's view."""

    explanation: Explanation
    classifier: Classifier
    image: Image

    @property
    def pace(self) -> float:
        """About how many seconds a query takes: as long as those of the explanation took."""
        record = self.explanation.record
        return record.seconds / max(1, record.queries.forward_images)

    def request(self, *, trust: bool) -> Request:
        """Ask the explanation's question again.

        Raises:
            RequestError: the in-fill or the method was an object, which only its maker has.
        """
        record = self.explanation.record
        if record.infill.spec is None:
            raise RequestError(
                f"cannot explain again: the in-fill {record.infill.name} was an object; leave out metrics that re-explain"
            )
        if record.method.name not in registry.table("methods"):
            raise RequestError(
                f"cannot explain again: the method {record.method.name} was a function; leave out metrics that re-explain"
            )
        whole = record.stopped_because == "complete"
        return prepare(
            self.classifier,
            method=record.method.spec,
            infill=record.infill.spec,
            budget=None if whole else record.queries.forward_images,
            seed=record.seed,
            trust=trust,
        )


def reopen(
    explanation: Explanation | str | Path,
    classifier: ClassifierLike | None = None,
    *,
    trust: bool = True,
    device: str | None = None,
) -> Reopened:
    """Open an explanation, or its folder, and its classifier; None: the classifier is opened as the record says.

    Raises:
        RequestError: there is no explanation, the record cannot name its classifier, or the classifier is another one.
    """
    saved = load(explanation, Explanation) if isinstance(explanation, str | Path) else explanation
    known = saved.record.classifier
    source = known.spec if classifier is None else classifier
    if source is None:
        raise RequestError(
            f"the record cannot name its classifier, {known.name}, which was an object; give it (--classifier on the command line)"
        )
    opened = registry.classifier(source, trust=trust, device=device)
    if opened.fingerprint != known.fingerprint:
        raise RequestError(
            f"expected the classifier that was explained, {known.spec or known.name}, got {opened.name} with another "
            "fingerprint; give the same weights and settings, or explain again"
        )
    return Reopened(saved, opened, torch.from_numpy(saved.samples.image))
