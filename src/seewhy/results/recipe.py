"""Everything that a result depends on, as a table of names and values."""

from collections.abc import Iterable

from seewhy.core.budget import Budget
from seewhy.results.codec import Setting
from seewhy.results.diagnostics import InfillCheck
from seewhy.results.record import Extreme, MethodInfo, Record, RuntimeInfo, TargetInfo
from seewhy.results.wording import correlation, probability, queries, seconds

Row = tuple[str, str]
"""The name of a value, which may be empty, and the value."""

_ACCESS = {
    "LABEL": "the predicted label only",
    "TOP_K": "the top-k probabilities",
    "PROBABILITIES": "all probabilities",
    "GRADIENTS": "probabilities and gradients",
    "INTERNALS": "probabilities, gradients and internal layers",
}


def recipe(record: Record) -> list[tuple[str, list[Row]]]:
    """Return headings with their rows, in reading order; rows without a value and headings without rows are left out."""
    check = record.diagnostics.infill_check
    table = [
        ("Image", _image(record)),
        ("View", [("", record.view.rule), ("box in the image", _list(map(_number, record.view.box)))]),
        ("Classifier", _classifier(record)),
        ("Method", _method(record.method)),
        ("In-fill", _infill(record)),
        ("Seed", [("", str(record.seed))]),
        ("Targets", [(target.label, _target(target, record.unit_of(target))) for target in record.targets]),
        ("Budget", _budget(record.budget)),
        ("Cost", _cost(record)),
        ("Reliability", _reliability(record)),
        ("In-fill check", _infill_check(check) if check else []),
        ("Regions", [(target.label, _regions(record, target.key)) for target in record.targets]),
        ("Traces", [(name, _trace(values)) for name, values in record.traces.items()]),
        ("Runtime", _runtime(record.runtime)),
        ("Versions", [(name, version or "from source") for name, version in record.versions.items()]),
        ("Record", [("schema version", str(record.schema_version))]),
    ]
    filled = [(heading, [row for row in rows if row[1]]) for heading, rows in table]
    return [(heading, rows) for heading, rows in filled if rows]


def _image(record: Record) -> list[Row]:
    """Return the rows about the image."""
    image = record.image
    return [
        ("", image.name),
        ("size", f"{image.width} × {image.height} pixels"),
        ("opened", _list(image.notes)),
        ("path", image.source or ""),
        ("SHA-256", image.sha256),
    ]


def _classifier(record: Record) -> list[Row]:
    """Return the rows about the classifier."""
    classifier = record.classifier
    spec = classifier.spec if classifier.spec != classifier.name else None
    return [
        ("", classifier.name),
        ("opened with", spec or ""),
        ("fingerprint", classifier.fingerprint),
        ("classes", f"{classifier.classes:,}"),
        ("access", _ACCESS.get(classifier.access, classifier.access)),
    ]


def _infill(record: Record) -> list[Row]:
    """Return the rows about the in-fill."""
    infill = record.infill
    return [
        ("", str(infill)),
        ("random", _setting(infill.stochastic)),
        ("SHA-256 of its weights", infill.checksum or ""),
    ]


def _method(method: MethodInfo) -> list[Row]:
    """Return one row per setting, between the Spec and the paper."""
    settings = [(name.replace("_", " "), _setting(value)) for name, value in method.settings.items()]
    return [("", method.spec), *settings, ("paper", method.paper)]


def _target(target: TargetInfo, unit: str) -> str:
    """Write the probability and the extremes of a target."""
    chance = f"p = {probability(target.probability)}" if target.probability is not None else ""
    ends = (f"highest {_extreme(target.highest, unit)}", f"lowest {_extreme(target.lowest, unit)}")
    return _list([target.key, chance, *ends], "; ")


def _extreme(point: Extreme, unit: str) -> str:
    """Write the value and the position of a point of a map."""
    error = "" if point.stderr is None else f" ± {point.stderr:.2g}"
    return f"{_number(point.value, 3)}{error} {unit}".rstrip() + f" at row {point.row}, column {point.column}"


def _budget(budget: Budget) -> list[Row]:
    """Return one row per limit; a single row where there is none."""
    limits = (("queries", budget.queries), ("seconds", budget.seconds), ("tolerance", budget.tolerance))
    rows = [(name, _setting(limit)) for name, limit in limits if limit is not None]
    return rows or [("", "no limit")]


def _cost(record: Record) -> list[Row]:
    """Return the number of queries, of the explanation and of the checks after it, and the time it took."""
    faithfulness, infills = record.diagnostics.faithfulness, record.diagnostics.infill_check
    return [
        ("explanation", f"{queries(record.queries)}, {record.queries.forward_calls:,} batches"),
        ("faithfulness check", "" if faithfulness is None else f"{faithfulness.queries:,} more queries"),
        ("in-fill check", "" if infills is None else f"{infills.queries:,} more queries"),
        ("generated images", f"{record.generated.queries:,} more queries" if record.generated.queries else ""),
        ("time", seconds(record.seconds)),
        ("stopped", record.stopped_because),
    ]


def _reliability(record: Record) -> list[Row]:
    """Return the expected correlation of each map with the converged map."""
    expected = record.diagnostics.expected_correlation
    known = [(target.label, expected.get(target.key)) for target in record.targets]
    return [(label, f"correlation {correlation(value)}, expected") for label, value in known if value is not None]


def _infill_check(check: InfillCheck) -> list[Row]:
    """Return one row per alternative in-fill, also for those that could not be used."""
    used = [(infill.spec, f"{infill.queries:,} queries, {seconds(infill.seconds)}") for infill in check.infills]
    return [*used, *((infill.spec, f"skipped: {infill.because}") for infill in check.skipped)]


def _regions(record: Record, key: str) -> str:
    """Count the regions that a search chose, those that suffice, and their evidence."""
    chosen = [region for region in record.regions if region.target == key]
    enough = next((f", {place} suffice" for place, region in enumerate(chosen, 1) if region.suffices), "")
    nats = sum(region.evidence for region in chosen)
    return f"{len(chosen)} in order{enough}, {_number(nats, 3)} nats together" if chosen else ""


def _trace(values: tuple[float, ...]) -> str:
    """Summarise a series of numbers."""
    ends = f", first {_number(values[0])}, last {_number(values[-1])}" if values else ""
    return f"{len(values):,} values{ends}"


def _runtime(runtime: RuntimeInfo) -> list[Row]:
    """Return the rows about how the classifier was run."""
    speed = runtime.queries_per_second
    return [
        ("", runtime.name),
        ("reason", f"{runtime.why}{' (cached choice)' if runtime.cached else ''}"),
        ("precision", runtime.precision),
        ("batch size", str(runtime.batch_size)),
        ("queries per second", "" if speed is None else f"{speed:,.3g}"),
        ("difference to the original", f"{runtime.agreement:.2g}"),
        ("difference alone or in a batch", f"{runtime.alone_or_in_batch:.2g}"),
        ("engine", runtime.engine),
        ("device", runtime.device),
        ("threads", str(runtime.threads)),
    ]


def _setting(value: Setting) -> str:
    """Write the value of a setting."""
    if isinstance(value, tuple):
        return _list(map(_setting, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else _number(value) if isinstance(value, float) else str(value)


def _number(value: float, digits: int = 6) -> str:
    """Write a number with at most so many digits and a true minus sign."""
    return f"{value:.{digits}g}".replace("-", "−")


def _list(values: Iterable[str], separator: str = ", ") -> str:
    """Join what is not empty."""
    return separator.join(filter(None, values))
