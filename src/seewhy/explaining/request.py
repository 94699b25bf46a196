"""What a user asks, checked before any work starts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from numbers import Integral
from typing import TypedDict

from seewhy import registry
from seewhy.classifiers.tuning import PLAIN_BATCH, RuntimeRequest
from seewhy.core.arrays import Image
from seewhy.core.attribution import Attribution
from seewhy.core.budget import Budget
from seewhy.core.classifier import Classifier
from seewhy.core.errors import RequestError
from seewhy.core.infill import Infill
from seewhy.core.probe import Probe, Progress
from seewhy.core.spec import Spec
from seewhy.core.target import Target
from seewhy.core.view import Frame
from seewhy.explaining.targets import TargetLike, as_list, as_text, check_classes, default_targets, parse_targets
from seewhy.registry import Bound, ClassifierLike, Method
from seewhy.results.record import InfillInfo

MethodLike = str | Callable[..., Attribution]
"""A Spec, or a function ``(probe, targets) → Attribution``."""


class Question(TypedDict, total=False):
    """The arguments of `prepare` that several in-fills of one image share."""

    method: MethodLike
    targets: TargetLike | Sequence[TargetLike] | None
    budget: int | Budget | None
    seed: int
    batch_size: int | None
    runtime: str
    trust: bool
    device: str | None


class Options(Question, total=False):
    """All arguments of `prepare` but the classifier."""

    infill: str | Infill | None
    check_infill: bool
    check: bool


@dataclass(frozen=True, eq=False)
class Request:
    """A checked question: everything that can be checked without the image was checked when it was made.

    Args:
        infill_info: the same, for the record.
        targets: to be explained; None for the usual ones.
        batch_size: images per call; None for the fastest, which is found when the classifier is prepared.
        runtime: how the classifier is to be run; see `seewhy.classifiers.tuning.tune`.
    """

    classifier: Classifier
    method: Bound[Method]
    infill: Infill
    infill_info: InfillInfo
    targets: tuple[Target, ...] | None
    requested: tuple[str, ...] | None
    budget: Budget
    seed: int
    batch_size: int | None
    runtime: str
    check_infill: bool = False
    check: bool = True

    def targets_for(self, probe: Probe) -> tuple[Target, ...]:
        """Return the targets for an image; the usual ones depend on the classifier's prediction."""
        if self.targets is not None:
            check_classes(self.targets, len(probe.prediction))
            return self.targets
        row, settings = self.method.row, self.method.settings
        usual = default_targets(
            probe.prediction,
            information=row.information,
            classes=row.classes,
            contrast=row.contrast,
            rivals=row.rivals(settings) if row.rivals else None,
        )
        return tuple(sorted(usual, key=lambda target: target.kind == "information")) if row.first_leads else usual


def prepare(
    classifier: ClassifierLike,
    *,
    method: MethodLike = registry.DEFAULT_METHOD,
    targets: TargetLike | Sequence[TargetLike] | None = None,
    infill: str | Infill | None = None,
    budget: int | Budget | None = None,
    seed: int = 0,
    batch_size: int | None = None,
    runtime: str = "auto",
    trust: bool = True,
    device: str | None = None,
    check_infill: bool = False,
    check: bool = True,
) -> Request:
    """Check a question before any work starts; see `seewhy.explain` and `seewhy.classifier` for arguments and errors."""
    _check_types(method, infill, budget, seed)
    RuntimeRequest(runtime, batch_size)  # raises on an unknown runtime, or a batch size that is not a positive number
    opened = registry.classifier(classifier, trust=trust, device=device)
    bound = bind_method(method)
    _check_access(opened, bound)
    filler, about = build_infill(infill or bound.row.usual_infill(bound.settings), opened, trust=trust)
    if not -(2**63) <= seed < 2**63:
        raise RequestError(f"expected a seed of 64 bits, from -2**63 to 2**63 - 1, got {seed}")
    parsed = None if targets is None else parse_targets(targets, opened.labels, information=bound.row.information)
    return Request(
        classifier=opened,
        method=bound,
        infill=filler,
        infill_info=about,
        targets=parsed,
        requested=None if targets is None else tuple(map(as_text, as_list(targets))),
        budget=budget if isinstance(budget, Budget) else Budget(queries=None if budget is None else int(budget)),
        seed=seed,
        batch_size=batch_size,
        runtime=runtime,
        check_infill=check_infill,
        check=check,
    )


def _check_types(method: object, infill: object, budget: object, seed: object) -> None:
    """Refuse what the arguments of a function with type hints cannot be, as not everybody checks types."""
    if not (isinstance(method, str) or callable(method)):
        raise RequestError(f"expected a method as a Spec or a function, got {method!r}; see seewhy.methods()")
    if not (infill is None or isinstance(infill, str | Infill)):
        raise RequestError(f"expected an in-fill as a Spec or an Infill, got {infill!r}; see seewhy.infills()")
    if not (budget is None or isinstance(budget, Integral | Budget)):
        raise RequestError(f"expected a budget as a whole number or a Budget, got {budget!r}; write budget=1000")
    if not isinstance(seed, Integral):
        raise RequestError(f"expected a seed as a whole number, got {seed!r}; write seed=0")


def bind_method(method: MethodLike) -> Bound[Method]:
    """Look up a method by its Spec, or take a function ``(probe, targets) → Attribution`` as one."""
    if isinstance(method, str):
        return registry.lookup("methods", method)
    function = method.func if isinstance(method, partial) else method
    name = getattr(function, "__name__", type(function).__name__).strip("<>")

    def run(probe: Probe, targets: Sequence[Target]) -> Attribution:
        return method(probe, targets)

    return Bound(Method(run=run, summary="a function of the caller's", paper="", rehearsed=False), Spec(name), {})


def _check_access(classifier: Classifier, method: Bound[Method]) -> None:
    """Refuse a method that needs to see more of the classifier than there is to see."""
    if classifier.access < registry.access_of(method):
        rows: dict[str, Method] = registry.table("methods")
        fitting = sorted(name for name, row in rows.items() if row.access <= classifier.access and not row.control)
        hint = f"these work with it: {', '.join(fitting)}" if fitting else "no method works with it"
        raise RequestError(
            f"{method.name} needs {registry.access_of(method).name}, this classifier gives {classifier.access.name}; {hint}"
        )


def build_infill(infill: str | Infill, classifier: Classifier, *, trust: bool = True) -> tuple[Infill, InfillInfo]:
    """Build an in-fill, and describe it for the record."""
    if isinstance(infill, str):
        spec, built = registry.infill(infill, classifier, trust=trust)
        return built, InfillInfo(spec.name, str(spec), built.checksum, built.stochastic)
    return infill, InfillInfo(type(infill).__name__, None, infill.checksum, infill.stochastic)


def bind(request: Request, image: Image, progress: Progress, frame: Frame | None = None) -> Probe:
    """Bind a request to an image ``(3, h, w)`` in the classifier's view; the frame says what it shows of the user's image."""
    return Probe(
        request.classifier,
        request.infill,
        image,
        seed=request.seed,
        budget=request.budget,
        batch_size=request.batch_size or PLAIN_BATCH,
        progress=progress,
        frame=frame,
    )


def follow(
    request: Request, leader: Infill, settled: Mapping[str, object], queries: int, *, samples: int | None = None
) -> Request:
    """Bind a request to what another in-fill was asked: the same number of windows, or the same grids, however that run ended.

    Args:
        request: with its own in-fill; its settings and its budget are replaced.
        leader: the other in-fill.
        settled: every setting as the leader's run had it.
        queries: those of the leader's run.
        samples: in-fills per window, where the in-fill is stochastic; None for the leader's number.
    """
    settings = dict(settled)
    if not (request.infill.stochastic and leader.stochastic):
        settings.pop("correction", None)  # the bias to correct depends on the in-fill's scatter
    before = now = 1
    if isinstance(led := settings.get("samples"), int):
        before, now = led, (samples or led) if request.infill.stochastic else 1
        settings["samples"] = now
    budget = Budget(queries=1 + (queries - 1) // before * now)
    return replace(request, method=replace(request.method, settings=settings), budget=budget)
