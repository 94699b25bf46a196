"""What an audit of rules found: error rates with intervals, the worst counter-examples, and their folder."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from seewhy.core.intervals import wilson
from seewhy.results.audit_rules import (
    FILE,
    ClassErrorRate,
    CounterExample,
    ErrorRate,
    RuleRow,
    RulesRecord,
    StrengthResult,
)
from seewhy.results.codec import json_bytes
from seewhy.results.folder import check_free, table_csv, write_files

ENOUGH = 5
"""Images of a class that it takes to report the class apart."""

EXAMPLES = 6
"""Counter-examples that are kept for each rule."""


@dataclass(frozen=True, eq=False)
class RulesReport:
    """What an audit of rules found.

    Args:
        record: all that is written to ``rules.json``.
        rows: one for each image, rule and strength; one for an image that could not be read.
        examples: Spec of a rule → its worst counter-examples: those whose probability changed most for a rule that says that the
            prediction stays, and least for one that says that it changes.
    """

    record: RulesRecord
    rows: Sequence[RuleRow]
    examples: Mapping[str, Sequence[CounterExample]]

    def curves(self) -> bytes:
        """Draw the error over the strength, one panel per rule; PNG."""
        from seewhy.plots.audit_rules import curves_png  # noqa: PLC0415 - matplotlib is loaded when something is drawn

        return curves_png(self.record.rules)

    def counterexamples(self) -> bytes:
        """Draw the worst counter-examples, before and after; PNG."""
        from seewhy.plots.audit_rules import examples_png  # noqa: PLC0415 - matplotlib is loaded when something is drawn

        return examples_png({rule.spec: self.examples.get(rule.spec, ()) for rule in self.record.rules})

    def save(self, folder: str | Path) -> Path:
        """Write ``rules.json``, ``rows.csv``, ``curves.png`` and ``counterexamples.png``, each whole or not at all.

        Raises:
            RequestError: the folder cannot be written, or holds something other than an earlier audit.
        """
        check_free(Path(folder), FILE)
        files = {
            "rows.csv": table_csv([field.name for field in fields(RuleRow)], map(asdict, self.rows)),
            "curves.png": self.curves(),
            "counterexamples.png": self.counterexamples(),
            FILE: json_bytes(self.record),
        }
        return write_files(Path(folder), files)


def summarise(strength: float, rows: Sequence[RuleRow]) -> StrengthResult:
    """Compute how often a rule failed at one strength, overall and for each class with `ENOUGH` images.

    Example:
        >>> summarise(1.0, [RuleRow("a", holds=True), RuleRow("b", holds=False), RuleRow("c")]).rate.error
        0.5
    """
    tested = [row for row in rows if row.holds is not None]
    common = [name for name, count in Counter(row.predicted for row in tested).items() if count >= ENOUGH]
    classes = [ClassErrorRate(name, _rate([row for row in tested if row.predicted == name])) for name in common]
    worst_first = sorted(classes, key=lambda each: (-(each.rate.error or 0.0), each.label))
    return StrengthResult(strength, _rate(tested), len(rows) - len(tested), tuple(worst_first))


def _rate(tested: Sequence[RuleRow]) -> ErrorRate:
    """Compute how often a rule failed, and by how much the probability changed on average."""
    if not tested:
        return ErrorRate(0, 0, None, None, None, None)
    failed = sum(row.holds is False for row in tested)
    found = wilson(failed, len(tested))
    changes = [abs((row.p or 0.0) - (row.p_after or 0.0)) for row in tested]
    return ErrorRate(len(tested), failed, found.value, found.low, found.high, sum(changes) / len(changes))


def keep_worst(examples: list[CounterExample], new: CounterExample) -> None:
    """Add a counter-example if it is among the worst; of each image the worst one stays."""
    worst: dict[str, CounterExample] = {}
    for example in sorted([*examples, new], key=lambda each: -each.badness):
        worst.setdefault(example.file, example)
    examples[:] = list(worst.values())[:EXAMPLES]
