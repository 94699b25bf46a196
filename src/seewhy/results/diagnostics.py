"""How far to trust the maps of an explanation, as measured; ``docs/reference/files.md`` explains the fields."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from seewhy.core.attribution import WindowEffect
from seewhy.results.codec import Setting

AgreementLevel = Literal["agree", "in part", "depends", "noisy", "flat"]
"""How far the maps of different in-fills agree; see `seewhy.explaining.diagnostics.agreement.agreement_level`."""


@dataclass(frozen=True)
class Chance:
    """A probability over random regions: its mean, and its 2.5 % and 97.5 % quantiles."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class RegionEffect:
    """The probability of the class after one change, made to the highlighted region, the middle and random regions of its size."""

    infill: str
    share: float
    map: float
    center: float
    random: Chance
    beaten: int


@dataclass(frozen=True)
class FaithfulnessCheck:
    """Whether the highlighted region matters more than random regions do; see `seewhy.explaining.diagnostics.faithfulness`."""

    key: str
    index: int
    label: str
    draws: int
    before: float
    removed: RegionEffect
    kept: RegionEffect
    queries: int


@dataclass(frozen=True)
class AlternativeInfill:
    """Another in-fill that was asked the same questions."""

    spec: str
    checksum: str | None
    settings: Mapping[str, Setting]
    queries: int
    seconds: float


@dataclass(frozen=True)
class SkippedInfill:
    """An in-fill that could not be asked, and the reason."""

    spec: str
    because: str


@dataclass(frozen=True)
class InfillAgreement:
    """How far a map agrees with those of other in-fills."""

    key: str
    correlation: float | None
    expected: float | None
    level: AgreementLevel
    each: tuple[float | None, ...]


@dataclass(frozen=True)
class InfillCheck:
    """Whether the maps stay the same with in-fills of another kind; its queries are beyond the budget."""

    infills: tuple[AlternativeInfill, ...]
    skipped: tuple[SkippedInfill, ...]
    queries: int
    targets: tuple[InfillAgreement, ...]

    @property
    def names(self) -> str:
        """The in-fills without their settings."""
        return " and ".join(infill.spec.partition(":")[0] for infill in self.infills)


@dataclass(frozen=True)
class Diagnostics:
    """How far to trust the maps, as measured."""

    expected_correlation: Mapping[str, float | None]
    windows: tuple[WindowEffect, ...]
    faithfulness: FaithfulnessCheck | None
    infill_check: InfillCheck | None
    findings: tuple[str, ...]
