"""How far to trust the maps of an explanation, as measured."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from seewhy.core.attribution import WindowEffect
from seewhy.results.codec import Setting

AgreementLevel = Literal["agree", "in part", "depends", "noisy", "flat"]
"""How far the maps of different in-fills agree; see `seewhy.explaining.diagnostics.agreement.agreement_level`."""


@dataclass(frozen=True)
class Chance:
    """What random regions do to a probability.

    Args:
        mean: over the regions.
        low: the 2.5 % quantile.
        high: the 97.5 % quantile.
    """

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class RegionEffect:
    """The probability of the class after one change, made to the highlighted region and to others of its size.

    Args:
        infill: what was put in.
        share: share of the view that is changed or kept, 0 to 1.
        map: probability with the highlighted region.
        center: probability with the middle of the image.
        random: probability with random regions.
        beaten: the number of random regions that the highlighted region does better than.
    """

    infill: str
    share: float
    map: float
    center: float
    random: Chance
    beaten: int


@dataclass(frozen=True)
class FaithfulnessCheck:
    """Whether the highlighted region matters more than random regions do; see `seewhy.explaining.diagnostics.faithfulness`.

    Args:
        key: key of the map that was checked.
        index: the class whose probability is watched.
        label: its name.
        draws: the number of random regions.
        before: probability of the class on the full image.
        removed: what happens when the region is removed; lower is better.
        kept: what happens when only the region is kept; higher is better.
        queries: the queries that the check took, beyond the budget.
    """

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
    """Another in-fill that was asked the same questions.

    Args:
        spec: with every setting written out.
        checksum: checksum of its weights; None where it has none.
        settings: settings of the method, as they were run with it.
        queries: the queries that it took.
        seconds: seconds that it took.
    """

    spec: str
    checksum: str | None
    settings: Mapping[str, Setting]
    queries: int
    seconds: float


@dataclass(frozen=True)
class SkippedInfill:
    """An in-fill that could not be asked.

    Args:
        spec: with every setting written out.
        because: the reason.
    """

    spec: str
    because: str


@dataclass(frozen=True)
class InfillAgreement:
    """How far a map agrees with those of other in-fills.

    Args:
        key: key of the map.
        correlation: mean rank correlation with the others; None where a map has one value everywhere.
        expected: the correlation that noise alone would leave.
        level: what that means.
        each: the rank correlation with each of the others.
    """

    key: str
    correlation: float | None
    expected: float | None
    level: AgreementLevel
    each: tuple[float | None, ...]


@dataclass(frozen=True)
class InfillCheck:
    """Whether the maps stay the same with in-fills of another kind.

    Args:
        infills: the in-fills that were asked.
        skipped: the in-fills that could not be used, each with the reason.
        queries: the queries that it took, beyond the budget.
        targets: one agreement for each map.
    """

    infills: tuple[AlternativeInfill, ...]
    skipped: tuple[SkippedInfill, ...]
    queries: int
    targets: tuple[InfillAgreement, ...]

    @property
    def names(self) -> str:
        """The in-fills without their settings."""
        return " and ".join(each.spec.partition(":")[0] for each in self.infills)


@dataclass(frozen=True)
class Diagnostics:
    """How far to trust the maps, as measured.

    Args:
        expected_correlation: map → its expected correlation with the converged map; None without standard errors.
        windows: what windows of each size do, where the method has windows.
        faithfulness: the check against random regions; None where it was switched off.
        infill_check: the check against other in-fills; None where it was not asked for.
        findings: sentences for the reader.
    """

    expected_correlation: Mapping[str, float | None]
    windows: tuple[WindowEffect, ...]
    faithfulness: FaithfulnessCheck | None
    infill_check: InfillCheck | None
    findings: tuple[str, ...]
