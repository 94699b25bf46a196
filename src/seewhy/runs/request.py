"""A question, checked before any work starts."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch

from seewhy import registry
from seewhy.classifiers.tuning import PLAIN_BATCH, RuntimeRequest
from seewhy.core.arrays import Image
from seewhy.core.budget import Budget
from seewhy.core.classifier import Classifier
from seewhy.core.errors import RequestError
from seewhy.core.infill import Infill
from seewhy.core.maps import Maps
from seewhy.core.probe import Probe, Progress
from seewhy.core.spec import Spec
from seewhy.runs.targets import Asked, read_targets


@dataclass(frozen=True, eq=False)
class Request:
    """A question, checked: all that can be checked without the picture was, when it was made.

    Args:
        classifier: what is asked.
        method: the method's Spec.
        function: the method.
        settings: the user's settings, read.
        information: whether it answers the class-free target.
        classes: how many of the likeliest classes are explained when no target is named.
        contrast: whether the likeliest is then also held against the runner-up.
        rivals: the classes among which the runner-up is sought; None: all.
        infill_spec: the in-fill's Spec with every setting.
        infill: what stands where something was removed.
        targets: what the user wrote, or None.
        budget: when to stop.
        seed: of the run.
        batch_size: pictures shown at once; None for the fastest, which is settled at the door.
        runtime: how the classifier is to be run; see `seewhy.classifiers.tuning.tune`.
        origin: what the user typed for the classifier, ``--device`` and ``--trust`` included; None for an object.
        check_infill: whether other in-fills are asked the same questions; see `seewhy.runs.check`.
        verdict: whether the map is put on trial; see `seewhy.runs.trial`.
    """

    classifier: Classifier
    method: Spec
    function: Callable[..., Maps]
    settings: Mapping[str, object]
    information: bool
    classes: int
    contrast: bool
    rivals: Collection[int] | None
    infill_spec: Spec
    infill: Infill
    targets: Sequence[Asked] | None
    budget: Budget
    seed: int
    batch_size: int | None
    runtime: str
    origin: tuple[str, ...] | None
    check_infill: bool = False
    verdict: bool = True


def prepare(
    classifier: object,
    *,
    method: str = registry.DEFAULT_METHOD,
    targets: Asked | Sequence[Asked] | None = None,
    infill: str | Infill | None = None,
    budget: int | Budget | None = None,
    seed: int = 0,
    batch_size: int | None = None,
    runtime: str = "auto",
    trust: bool = True,
    device: str | None = None,
    check_infill: bool = False,
    verdict: bool = True,
) -> Request:
    """Check a question before any work starts; see `seewhy.explain` and `seewhy.classifier` for arguments and errors."""
    asked = registry.classifier(classifier, trust=trust, device=device)
    spec, found, settings = registry.method(method)
    if asked.access < found.access:
        fitting = registry.allowed(asked.access)
        hint = f"these work with it: {', '.join(fitting)}" if fitting else "no method works with it"
        raise RequestError(f"{spec.name} needs {found.access.name}, this classifier gives {asked.access.name}; {hint}")
    if isinstance(infill, Infill):
        infill_spec, stand_in = Spec(type(infill).__name__), infill
    else:
        infill_spec, stand_in = registry.infill(infill or found.usual_infill(settings), asked, trust=trust)
    RuntimeRequest(runtime, batch_size)  # refuses what cannot be
    if not -(2**63) <= seed < 2**63:
        raise RequestError(f"expected a seed of 64 bits, from -2**63 to 2**63 - 1, got {seed}")
    return Request(
        classifier=asked,
        method=spec,
        function=found.run,
        settings=settings,
        information=found.information,
        classes=found.classes,
        contrast=found.contrast,
        rivals=found.rivals(settings) if found.rivals and targets is None else None,
        infill_spec=infill_spec,
        infill=stand_in,
        targets=_checked(targets, asked, information=found.information),
        budget=Budget(queries=budget) if isinstance(budget, int) else budget or Budget(),
        seed=seed,
        batch_size=batch_size,
        runtime=runtime,
        origin=_origin(classifier, device) if isinstance(classifier, str) else None,
        check_infill=check_infill,
        verdict=verdict,
    )


def bind(request: Request, image: Image, progress: Progress) -> Probe:
    """Bind a request to a picture, ``(3, h, w)`` in the classifier's view; ``progress`` is told of each batch."""
    return Probe(
        request.classifier,
        request.infill,
        image,
        seed=request.seed,
        budget=request.budget,
        batch_size=request.batch_size or PLAIN_BATCH,
        progress=progress,
    )


def follow(
    request: Request, leader: Infill, settled: Mapping[str, object], queries: int, *, samples: int | None = None
) -> Request:
    """Bind a request to what another in-fill was asked: as many windows, or the same grids, however that run ended.

    Args:
        request: with an in-fill of its own; its settings and its budget are replaced.
        leader: the other in-fill.
        settled: every setting as the leader's run had it.
        queries: what the leader's run took.
        samples: a window, where the in-fill is random; None: as many as the leader. One that is the same every time is
            asked once.
    """
    settings = dict(settled)
    if not (request.infill.stochastic and leader.stochastic):
        settings.pop("correction", None)  # what there is to correct depends on the in-fill's scatter
    before = each = 1
    if isinstance(asked := settings.get("samples"), int):
        before, each = asked, (samples or asked) if request.infill.stochastic else 1
        settings["samples"] = each
    return replace(request, settings=settings, budget=Budget(queries=1 + (queries - 1) // before * each))


def _checked(
    targets: Asked | Sequence[Asked] | None, classifier: Classifier, *, information: bool
) -> Sequence[Asked] | None:
    """Make a list of one target, and find a wrong name before the work where the classifier has names."""
    if isinstance(targets, int | str) or (isinstance(targets, tuple) and targets[:1] == ("contrast",)):
        targets = [cast("Asked", targets)]
    if targets is not None and classifier.labels:
        even = torch.full((len(classifier.labels),), 1 / len(classifier.labels))
        read_targets(targets, even, classifier.labels, information=information)
    return targets


def _origin(classifier: str, device: str | None) -> tuple[str, ...]:
    """The words of a command line that open the same classifier."""
    words = ["--classifier", classifier]
    words += [] if device is None else ["--device", device]
    return (*words, "--trust") if registry.runs_code(classifier) else tuple(words)
