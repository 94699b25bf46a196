"""Read any result back from its folder."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, overload

from seewhy.core.errors import RequestError
from seewhy.explaining import explanation
from seewhy.explaining.compare_infills import InfillComparison, read_comparison
from seewhy.explaining.explanation import Explanation, read_explanation
from seewhy.results import audit_counterfactual, audit_rules, benchmark, infill_comparison, region, scores
from seewhy.results.audit_counterfactual import CounterfactualRecord
from seewhy.results.audit_rules import RulesRecord
from seewhy.results.benchmark import BenchmarkResult, read_benchmark
from seewhy.results.folder import read_record
from seewhy.results.region import RegionRecord
from seewhy.results.scores import ScoresRecord

_Record = RulesRecord | CounterfactualRecord | RegionRecord | ScoresRecord
Result = Explanation | InfillComparison | BenchmarkResult | _Record
"""Everything that `load` returns."""

T = TypeVar("T", bound=Result)

_READERS: dict[str, Callable[[Path], Result]] = {
    explanation.FILE: read_explanation,
    infill_comparison.FILE: read_comparison,
    benchmark.FILE: read_benchmark,
}
"""The file by which a folder is known → what reads the folder."""

_RECORDS: dict[str, type[_Record]] = {
    audit_rules.FILE: RulesRecord,
    audit_counterfactual.FILE: CounterfactualRecord,
    region.FILE: RegionRecord,
    scores.FILE: ScoresRecord,
}
"""The file of a result that is its record → the type of the record."""

_FILES = (*_READERS, *_RECORDS)
"""The first of these that a folder holds says what it is."""


@overload
def load(folder: str | Path) -> Result: ...
@overload
def load(folder: str | Path, kind: type[T]) -> T: ...
def load(folder: str | Path, kind: type[T] | None = None) -> Result:
    """Read a result back, whatever its kind.

    Args:
        folder: written by ``.save()`` or the command line; or one of its files, such as ``region.json``, where an explanation's
            folder holds several results.
        kind: the class that is expected, such as `seewhy.Explanation`; None: any.

    Returns:
        The result: an `Explanation`, an `InfillComparison` or a `BenchmarkResult`; of an audit (``rules.json``,
        ``counterfactuals.json``), a region (``region.json``) and scores (``scores.json``) the typed record.

    Raises:
        RequestError: there is no result, it is of another kind, a file is damaged, or another version wrote it.

    Example:
        ``seewhy.load("seewhy-out/photo").maps``, ``seewhy.load("seewhy-out/photo/scores.json").scores``
    """
    place = Path(folder)
    name = place.name if place.is_file() else next((name for name in _FILES if (place / name).is_file()), "")
    if name not in _FILES:
        raise RequestError(f"expected a result folder of seewhy, got {place}, which {_lacking(place)}")
    home = place.parent if place.is_file() else place
    result = read_record(_RECORDS[name], home / name) if name in _RECORDS else _READERS[name](home)
    if kind is not None and not isinstance(result, kind):
        raise RequestError(
            f"expected {kind.__name__} in {home}, got {type(result).__name__} ({name}); give another folder or file"
        )
    return result


def _lacking(place: Path) -> str:
    """Say why a place is no result folder, and what to do."""
    if not place.exists():
        return "does not exist; give the folder that --out or .save() wrote"
    inner = sorted({str(file.parent) for name in _FILES for file in place.glob(f"*/{name}")})
    if inner:
        return f"holds {len(inner)} results; give one of them: {', '.join(inner[:5])}{', …' if len(inner) > 5 else ''}"
    return f"holds none of {', '.join(_FILES)}; give the folder that --out or .save() wrote"
