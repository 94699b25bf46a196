"""What the terminal shows."""

import io
import math
from dataclasses import replace

import pytest
from rich.console import Console
from rich.table import Table

from records import FAITHFULNESS, INFILL_CHECK, RUNTIME, comparison_record, counterfactual_record, record
from seewhy.cli.tables import (
    agreement_table,
    benchmark_table,
    explanation_table,
    faithfulness_table,
    rules_table,
    runtime_table,
    score_table,
)
from seewhy.core.budget import Queries
from seewhy.core.intervals import NOTHING, Interval
from seewhy.results.audit_rules import ClassErrorRate, ErrorRate, RuleResult, StrengthResult
from seewhy.results.benchmark import SummaryRow
from seewhy.results.scores import Score


def printed(table: Table, width: int = 100) -> list[str]:
    """Return the lines of a table, with single spaces."""
    console = Console(width=width, file=io.StringIO())
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    return [" ".join(line.split()) for line in console.file.getvalue().splitlines()]


def test_an_explanation_shows_the_strongest_evidence() -> None:
    """For and against, with errors and places; a dash where no pixel has that sign; nothing where there is no probability."""
    lines = printed(explanation_table(record()))
    assert lines[0] == "photo.jpg: strongest evidence (nats) at row, column of the view"
    assert "espresso 0.700 +2 ± 0.05 6, 2 -1.5 ± 0.05 9, 12" in lines
    assert "Information +0.6 ± 0.05 3, 4 - -" in lines
    assert "cup 0.200 +0.5 1, 0 - -" in lines
    assert "1,234 queries · 4.2 s · complete" in lines
    assert "in-fill mean" in lines


def test_an_explanation_shows_its_checks_and_generated_images() -> None:
    """The agreement of in-fills is a column; the answer to each generated image is a line."""
    made = counterfactual_record()
    checked = replace(made, diagnostics=replace(made.diagnostics, infill_check=INFILL_CHECK))
    lines = printed(explanation_table(checked))
    assert "espresso 0.700 +2 ± 0.05 6, 2 -1.5 ± 0.05 9, 12 0.81" in lines
    assert "agree: rank correlation with patch, 400 more queries" in lines
    assert "Counterfactual: now cup, p = 0.900" in lines
    assert lines[0].startswith("photo.jpg: strongest change (intensity)")


def test_a_faithfulness_check_has_three_rows() -> None:
    """The full image, the region removed, the region kept: beside what random regions and the centre do."""
    lines = printed(faithfulness_table(FAITHFULNESS))
    assert lines[0] == "Faithfulness check: probability of espresso"
    assert "highlighted region random regions (95 %) centre" in lines
    rows = [line for line in lines if line.startswith(("full", "removed", "kept"))]
    assert rows == [
        "full image 0.700",
        "removed 10 % 0.125 0.450 to 0.690 0.400",
        "kept 30 % 0.500 0.003 to 0.375 0.300",
    ]
    said = " ".join(lines)
    assert "20 random regions of the same size" in said
    assert "gray where removed, blur around what is kept" in said
    assert "45 more queries" in said


def test_in_fills_are_compared_target_by_target() -> None:
    """Correlation, what noise leaves, and the conclusion; the information has no sign and no probability."""
    lines = printed(agreement_table(comparison_record()))
    assert "espresso 0.700 0.55 0.90 12.5% partly robust" in lines
    assert "Information 0.55 0.90 partly robust" in lines
    assert "1,200 queries (mean 400, blur:sigma=10 400, patch:bank=64 400) · 4.5 s" in lines


def test_rejected_runtimes_say_why() -> None:
    """Speed and difference where they were measured."""
    lines = printed(runtime_table(RUNTIME))
    assert lines[0] == "fast: the fastest that agrees"
    assert "fast float32 32 512 2e-06" in lines
    assert "compiled bfloat16 0.02 differs by more than 0.001" in lines


def test_scores_come_with_their_direction() -> None:
    """A score that is not defined is a dash, and a negative one has a true minus sign."""
    scores = [
        Score("deletion:steps=28", "class:7", -0.25, False, "blur", None, Queries(1029, 20), ""),
        Score("pointing", "class:7", math.nan, True, None, None, Queries(), "no box"),
    ]
    lines = printed(score_table("photo.jpg", scores, {"class:7": "espresso"}))
    assert lines[0] == "photo.jpg: scores of the maps"
    assert "espresso −0.250 lower 1,029 deletion:steps=28 blur" in lines
    assert "espresso – higher 0 pointing" in lines


def summary(
    method: str, mean: Interval, gap: Interval | None = None, *, cost: float = 40.0, control: bool = False
) -> SummaryRow:
    """A row of ``table.csv``."""
    return SummaryRow("deletion", method, "lower", "deletion:steps=28", control, 3, mean, gap, 3, cost, 0.5)


def test_a_benchmark_fits_a_terminal_of_80_columns() -> None:
    """Names are folded, numbers are whole; what is not known is a dash."""
    rows = [
        summary("rise:masks=4000", Interval(0.5, 0.4, 0.6), cost=4001.0),
        summary("center", NOTHING, NOTHING, control=True),
        summary("pmi", Interval(0.25, 0.2, 0.3), Interval(-0.125, -0.25, 0.0625)),
    ]
    lines = printed(benchmark_table(rows, "deletion"), width=80)
    assert lines[0] == "deletion (lower is better)"
    assert "rise:masks=4000 0.500 [0.400, 0.600] 3 4,001 0.5" in lines
    assert "center * – [–, –] – [–, –] 3 40 0.5" in lines
    assert "pmi 0.250 [0.200, 0.300] −0.125 [−0.250, +0.062] 3 40 0.5" in lines
    assert not any("…" in line for line in lines)


@pytest.mark.parametrize(("unit", "strength"), [("degrees", "15 "), ("", "")])
def test_rules_show_their_worst_class(unit: str, strength: str) -> None:
    """One line per strength; a rule without a unit has no strength; an untested one has a dash."""
    worst = ClassErrorRate("cup", ErrorRate(5, 4, 0.8, 0.4, 0.96, 0.3))
    results = (
        StrengthResult(15.0, ErrorRate(20, 5, 0.25, 0.112, 0.469, 0.1), 0, (worst,)),
        StrengthResult(45.0, ErrorRate(0, 0, None, None, None, None), 20, ()),
    )
    lines = printed(rules_table([RuleResult("rotation", "", "stays", unit, results)]))
    assert f"rotation {strength}20 25.0% 11.2% to 46.9% cup 80% of 5" in lines
    assert lines[-1].endswith("0 –")
