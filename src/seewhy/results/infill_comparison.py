"""How far the maps of several in-fills agree."""

from collections.abc import Mapping
from dataclasses import dataclass

from seewhy.core.budget import Budget, Queries
from seewhy.results.codec import SCHEMA_VERSION, Setting
from seewhy.results.diagnostics import AgreementLevel
from seewhy.results.record import ClassifierInfo, ClassProbability, ImageInfo, InfillInfo, RuntimeInfo, ViewInfo

FILE = "comparison.json"


@dataclass(frozen=True)
class ComparedInfill:
    """One in-fill of a comparison.

    Args:
        name: name of its folder, and its key in the comparison.
        title: the in-fill as the user wrote it.
        infill: what stood where something was removed.
        settings: settings of the method, as they were run with it.
        queries: what its explanation asked of the classifier.
        seconds: seconds that its explanation took.
        stopped_because: as in `seewhy.results.record.Record`.
    """

    name: str
    title: str
    infill: InfillInfo
    settings: Mapping[str, Setting]
    queries: Queries
    seconds: float
    stopped_because: str


@dataclass(frozen=True)
class LeftOut:
    """An in-fill that could not fill the method's holes.

    Args:
        title: the in-fill as the user wrote it.
        because: the reason.
    """

    title: str
    because: str


@dataclass(frozen=True)
class ComparedTarget:
    """How far the maps of one target agree.

    Args:
        key: key of the maps.
        label: the target's name for people.
        probability: probability of the class on the full image; None where the target is not a class.
        correlation: mean rank correlation over the pairs of in-fills; None where a map has one value everywhere.
        expected: the correlation that noise alone would leave.
        level: what that means.
        reliability: reliability of each in-fill's map; None for a map without standard errors.
        correlations: correlations of each pair of in-fills.
        sign_conflict: the share of pixels that one in-fill says support the class and another says oppose it; None for the
            information, which has no sign.
    """

    key: str
    label: str
    probability: float | None
    correlation: float | None
    expected: float | None
    level: AgreementLevel
    reliability: tuple[float | None, ...]
    correlations: tuple[tuple[float | None, ...], ...]
    sign_conflict: float | None


@dataclass(frozen=True)
class AgreementProtocol:
    """The limits behind a level; see `seewhy.explaining.diagnostics.agreement`.

    Args:
        agree: mean rank correlation from which on maps agree.
        in_part: mean rank correlation below which a map depends on the in-fill.
        standard_errors: the number of standard errors that a value is away from zero when its sign counts.
        visible: share of its map's largest absolute value that a value has when its sign counts.
    """

    agree: float
    in_part: float
    standard_errors: float
    visible: float


@dataclass(frozen=True)
class InfillComparisonRecord:
    """The content of ``comparison.json``.

    Args:
        image: the image that was explained.
        view: the part of it that the classifier saw.
        classifier: the classifier that was explained.
        runtime: how it was run.
        predicted: its most probable classes, best first.
        method: Spec of the method, every setting written out.
        paper: paper of the method.
        infills: the in-fills that were compared.
        skipped: the in-fills that could not be used, each with the reason.
        targets: one for each target that was compared.
        requested: the targets as the user wrote them; None for the usual ones.
        protocol: the limits behind the levels.
        seed: seed of every run.
        budget: budget of every run.
        unit: unit of the maps.
        queries: queries of all runs together, images.
        seconds: time in seconds of all runs together.
        warnings: the warnings that the user should read first.
        versions: versions of the packages behind the numbers.
        schema_version: version of this record.
    """

    image: ImageInfo
    view: ViewInfo
    classifier: ClassifierInfo
    runtime: RuntimeInfo
    predicted: tuple[ClassProbability, ...]
    method: str
    paper: str
    infills: tuple[ComparedInfill, ...]
    skipped: tuple[LeftOut, ...]
    targets: tuple[ComparedTarget, ...]
    requested: tuple[str, ...] | None
    protocol: AgreementProtocol
    seed: int
    budget: Budget
    unit: str
    queries: int
    seconds: float
    warnings: tuple[str, ...]
    versions: Mapping[str, str | None]
    schema_version: int = SCHEMA_VERSION
