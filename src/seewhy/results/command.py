"""The command line that repeats a run, derived from its record."""

import shlex
from collections.abc import Iterator, Sequence

from seewhy import registry
from seewhy.results.record import Record


def explain_command(record: Record) -> str | None:
    """Return the command that makes the same maps again; None where the image, the classifier or the in-fill was an object."""
    if record.image.source is None or record.classifier.spec is None or record.infill.spec is None:
        return None
    words = ["seewhy", "explain", record.image.source, *_question(record, [record.infill.spec])]
    if record.diagnostics.infill_check is not None:
        words.append("--check-infill")
    if record.diagnostics.faithfulness is None:
        words.append("--no-check")
    return shlex.join(words)


def compare_infills_command(records: Sequence[Record]) -> str | None:
    """Return the command that compares the same in-fills again; the records come in the order in which they were asked for."""
    first = records[0]
    specs = [record.infill.spec for record in records]
    named = [spec for spec in specs if spec is not None]
    if first.image.source is None or first.classifier.spec is None or len(named) < len(specs):
        return None
    return shlex.join(["seewhy", "compare-infills", first.image.source, *_question(first, named)])


def _question(record: Record, infills: Sequence[str]) -> Iterator[str]:
    """Yield the options that both commands share."""
    classifier = record.classifier.spec or ""
    yield from ("--classifier", classifier, "--method", record.method.spec)
    for infill in infills:
        yield from ("--infill", infill)
    yield from ("--seed", str(record.seed), "--runtime", record.runtime.name)
    for target in record.requested or ():
        yield from ("--target", target)
    if record.stopped_because != "complete":  # windows come in one order, so the same number gives the same maps
        yield from ("--budget", str(record.queries.forward_images))
    if registry.runs_code(classifier) or any(registry.infill_runs_code(infill) for infill in infills):
        yield "--trust"
