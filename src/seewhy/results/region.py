"""The smallest regions behind a saved map."""

from collections.abc import Mapping
from dataclasses import dataclass

from seewhy.core.budget import Queries
from seewhy.results.codec import SCHEMA_VERSION, Setting

FILE = "region.json"


@dataclass(frozen=True)
class RegionRecord:
    """The content of ``region.json``.

    Args:
        areas: ``TARGET/NAME`` → area of the region, as a share of the view, 0 to 1.
        traces: ``TARGET/NAME`` → the probability after each step of the search.
        stopped_because: ``complete`` or ``queries``.
    """

    findings: tuple[str, ...]
    areas: Mapping[str, float]
    traces: Mapping[str, tuple[float, ...]]
    infill: str
    settings: Mapping[str, Setting]
    seed: int
    queries: Queries
    stopped_because: str
    schema_version: int = SCHEMA_VERSION
