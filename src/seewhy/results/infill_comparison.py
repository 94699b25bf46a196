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
    """One in-fill of a comparison: ``name`` is its key there and its folder, ``title`` the in-fill as the user wrote it."""

    name: str
    title: str
    infill: InfillInfo
    settings: Mapping[str, Setting]
    queries: Queries
    seconds: float
    stopped_because: str


@dataclass(frozen=True)
class LeftOut:
    """An in-fill, as the user wrote it, that could not fill the method's holes, and the reason."""

    title: str
    because: str


@dataclass(frozen=True)
class ComparedTarget:
    """How far the maps of one target agree."""

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
    """The limits behind a level; see `seewhy.explaining.diagnostics.agreement`."""

    agree: float
    in_part: float
    standard_errors: float
    visible: float


@dataclass(frozen=True)
class InfillComparisonRecord:
    """The content of ``comparison.json``; fields that `seewhy.results.record.Record` has mean the same.

    Queries and seconds are those of all in-fills together.
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
