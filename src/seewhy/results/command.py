"""The command line that repeats a run, derived from its record."""

import shlex
from collections.abc import Sequence

from seewhy import registry
from seewhy.core.errors import RequestError
from seewhy.results.infill_comparison import InfillComparisonRecord
from seewhy.results.record import Record


def explain_command(record: Record) -> str | None:
    """Return the command that makes the same maps again; None where the image, the classifier, the method or the in-fill was an object."""
    words = _words("explain", record, record.method.spec, [record.infill.spec])
    if words is None or record.method.name not in registry.table("methods"):
        return None
    if record.stopped_because != "complete":  # windows come in one order, so the same number gives the same maps
        words += ["--budget", str(record.queries.forward_images)]
    if record.diagnostics.infill_check is not None:
        words.append("--check-infill")
    if record.diagnostics.faithfulness is None:
        words.append("--no-check")
    return shlex.join(words)


def compare_infills_command(record: InfillComparisonRecord) -> str | None:
    """Return the command that repeats a comparison; None where the image, the classifier or an in-fill was an object."""
    words = _words("compare-infills", record, record.method, [infill.infill.spec for infill in record.infills])
    if words is None:
        return None
    if record.budget.queries is not None:
        words += ["--budget", str(record.budget.queries)]
    return shlex.join(words)


def _words(
    command: str, record: Record | InfillComparisonRecord, method: str, infills: Sequence[str | None]
) -> list[str] | None:
    """Return the words that both commands share."""
    image, classifier = record.image.source, record.classifier.spec
    named = [infill for infill in infills if infill is not None]
    if image is None or classifier is None or len(named) < len(infills):
        return None
    words = ["seewhy", command, image, "--classifier", classifier, "--method", method]
    words += [word for infill in named for word in ("--infill", infill)]
    if record.image.window is not None:
        words += ["--window", "/".join(f"{value:g}" for value in record.image.window)]
    words += ["--seed", str(record.seed), "--runtime", record.runtime.name]
    words += [word for target in record.requested or () for word in ("--target", target)]
    if _needs_trust(classifier, named):
        words.append("--trust")
    return words


def _needs_trust(classifier: str, infills: Sequence[str]) -> bool:
    """Whether the command runs code from a file; no for a Spec of a package that is not installed here."""
    try:
        opened = registry.lookup("classifiers", classifier).row
        filled = [registry.lookup("infills", infill).row for infill in infills]
    except RequestError:
        return False
    return opened.runs_code or any(row.runs_code for row in filled)
