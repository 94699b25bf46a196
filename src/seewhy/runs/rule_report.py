"""What a test of rules found: errors with intervals, a row a picture, the worst counter-examples, and their folder."""

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from seewhy.core.intervals import wilson
from seewhy.draw.rule import Curve, Example, curves_png, examples_png
from seewhy.runs.explanation import as_record, check_free, write_files

RECORD = "rule.json"

ENOUGH = 5
"""Pictures of a class that make a line of its own."""

EXAMPLES = 6
"""Counter-examples that are kept of each rule."""


@dataclass(frozen=True)
class Row:
    """One rule at one strength on one picture.

    Args:
        file: name of the picture.
        rule: Spec.
        strength: of the change.
        holds: whether it held; None where it could not be tested.
        said: the likeliest class before.
        p: its probability.
        said_after: the likeliest class of the changed picture.
        p_after: the probability of the class before.
        note: why it was not tested.
    """

    file: str
    rule: str = ""
    strength: float | None = None
    holds: bool | None = None
    said: str = ""
    p: float | None = None
    said_after: str = ""
    p_after: float | None = None
    note: str = ""


@dataclass(frozen=True, eq=False)
class RuleReport:
    """What a test of rules found.

    Args:
        manifest: all that is written to ``rule.json``.
        rows: one a picture, rule and strength; one for a picture that could not be read.
        examples: Spec of a rule → its worst counter-examples: those whose probability changed most under a rule that says
            that the answer stays, and least under one that says that it changes.
    """

    manifest: Mapping[str, Any]
    rows: Sequence[Row]
    examples: Mapping[str, Sequence[Example]]

    def curves(self) -> bytes:
        """Draw the error over the strength, one panel a rule; PNG."""
        return curves_png([_curve(rule) for rule in self.manifest["rules"]])

    def counterexamples(self) -> bytes:
        """Draw the worst counter-examples, before and after; PNG."""
        return examples_png({rule["spec"]: self.examples.get(rule["spec"], ()) for rule in self.manifest["rules"]})

    def save(self, folder: str | Path) -> Path:
        """Write ``rule.json``, ``rows.csv``, ``curves.png`` and ``counterexamples.png``, each whole or not at all.

        Raises:
            RequestError: the folder cannot be written, or holds something that is no earlier test.
        """
        check_free(Path(folder), RECORD)
        files = {
            "rows.csv": as_csv(self.rows),
            "curves.png": self.curves(),
            "counterexamples.png": self.counterexamples(),
            RECORD: as_record(self.manifest),
        }
        return write_files(Path(folder), files)


def as_csv(rows: Sequence[Row]) -> bytes:
    """Write rows as a table; what is not known is empty.

    Example:
        >>> as_csv([Row("a.jpg", note="damaged")]).splitlines()[1]
        b'a.jpg,,,,,,,,damaged'
    """
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, [field.name for field in fields(Row)])
    table.writeheader()
    table.writerows(asdict(row) for row in rows)
    return text.getvalue().encode()


def summarise(rows: Sequence[Row]) -> dict[str, Any]:
    """Say how often a rule failed at one strength, overall and for each class with `ENOUGH` pictures.

    Args:
        rows: of one rule and one strength.

    Returns:
        ``tested``, ``failed`` (the rule), ``not_tested``, ``error`` with ``low`` and ``high`` (Wilson, 95 %; None where
        nothing was tested), ``mean_change`` (of the probability), and ``classes`` with the same numbers, the worst first.

    Example:
        >>> summarise([Row("a", holds=True), Row("b", holds=False), Row("c")])["error"]
        0.5
    """
    tested = [row for row in rows if row.holds is not None]
    common = [name for name, count in Counter(row.said for row in tested).items() if count >= ENOUGH]
    classes = [{"class": name, **_error([row for row in tested if row.said == name])} for name in common]
    return {
        **_error(tested),
        "not_tested": len(rows) - len(tested),
        "classes": sorted(classes, key=lambda line: (-line["error"], line["class"])),
    }


def _error(tested: Sequence[Row]) -> dict[str, Any]:
    """How often a rule failed, and by how much the probability fell on average."""
    failed = sum(row.holds is False for row in tested)
    if not tested:
        return {"tested": 0, "failed": 0, "error": None, "low": None, "high": None, "mean_change": None}
    found = wilson(failed, len(tested))
    changes = [abs((row.p or 0.0) - (row.p_after or 0.0)) for row in tested]
    interval = {"error": found.value, "low": found.low, "high": found.high}
    return {"tested": len(tested), "failed": failed, **interval, "mean_change": sum(changes) / len(changes)}


def keep_worst(examples: list[Example], new: Example) -> None:
    """Add a counter-example, if it is among the worst; of each picture the worst one stays."""
    examples.append(new)
    examples.sort(key=lambda example: -example.badness)
    seen: set[str] = set()
    worst = [example for example in examples if not (example.file in seen or seen.add(example.file))]  # type: ignore[func-returns-value]
    examples[:] = worst[:EXAMPLES]


def _curve(rule: Mapping[str, Any]) -> Curve:
    """A rule's errors for drawing; what was never tested is left out."""
    points = [
        (line["strength"], line["error"], line["low"], line["high"])
        for line in rule["strengths"]
        if line["error"] is not None
    ]
    return Curve(rule["spec"], rule["unit"], tuple(points))
