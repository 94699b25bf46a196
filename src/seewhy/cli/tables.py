"""Results as tables for the terminal."""

import math
from collections.abc import Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Column, Table

from seewhy.audit.counterfactual_report import table_rows
from seewhy.classifiers.tuning import RuntimeChoice
from seewhy.core.intervals import Interval
from seewhy.results import wording
from seewhy.results.audit_counterfactual import CounterfactualRecord
from seewhy.results.audit_rules import RuleResult, StrengthResult
from seewhy.results.benchmark import DIRECTIONS, SummaryRow
from seewhy.results.diagnostics import FaithfulnessCheck, RegionEffect
from seewhy.results.infill_comparison import InfillComparisonRecord
from seewhy.results.record import Extreme, Record, RuntimeInfo
from seewhy.results.report_data import INTENSITY
from seewhy.results.scores import Score


def explanation_table(record: Record) -> Table:
    """Tabulate the maps of an explanation: the probability of the class, and the strongest evidence for and against it."""
    intensity = record.unit == INTENSITY
    what, most, least = ("change", "highest", "lowest") if intensity else ("evidence", "for", "against")
    check = record.diagnostics.infill_check
    lines = [record.method.spec, f"in-fill {record.infill}", *wording.generated(record)]
    lines.append(f"{wording.queries(record.queries)} · {record.seconds:.1f} s · {record.stopped_because}")
    units = dict.fromkeys(record.unit_of(target) for target in record.targets)
    if len(units) > 1:
        lines += [f"{', '.join(_labels(record, name))}: {name}" for name in units]
    if check is not None:
        lines.append(f"agree: rank correlation with {check.names}, {check.queries:,} more queries")
    unit = f" ({record.unit})" if record.unit and len(units) == 1 else ""
    title = f"{record.image.name}: strongest {what}{unit} at row, column of the view"
    table = _table(title, "\n".join(lines), ("p", most, "at", least, "at", *(["agree"] if check else [])))
    agrees = {each.key: wording.correlation(each.correlation) for each in check.targets} if check else {}
    for target in record.targets:
        points = (*_point(target.highest, 1), *_point(target.lowest, -1))
        agree = [agrees.get(target.key, "")] if check else []
        table.add_row(target.label, wording.probability(target.probability), *points, *agree)
    return table


def _labels(record: Record, unit: str) -> list[str]:
    """Return the labels of the maps of a unit."""
    return [target.label for target in record.targets if record.unit_of(target) == unit]


def faithfulness_table(check: FaithfulnessCheck) -> Table:
    """Tabulate what the highlighted region does to the probability of the class, beside random regions and the centre."""
    caption = (
        f"low when removed and high when kept is better · {check.draws} random regions of the same size · in-fill: "
        f"{check.removed.infill} where removed, {check.kept.infill} around what is kept · {check.queries:,} more queries"
    )
    columns = ("highlighted region", "random regions (95 %)", "centre")
    table = _table(f"Faithfulness check: probability of {check.label}", caption, columns)
    table.add_row("full image", wording.probability(check.before), "", "")
    table.add_row(*_effect("removed", check.removed))
    table.add_row(*_effect("kept", check.kept))
    return table


def agreement_table(record: InfillComparisonRecord) -> Table:
    """Tabulate a comparison of in-fills: the mean rank correlation of the maps of each target, and what that means."""
    asked = ", ".join(f"{each.title} {each.queries.forward_images:,}" for each in record.infills)
    caption = f"{record.method}\n{record.queries:,} queries ({asked}) · {record.seconds:.1f} s"
    title = f"{record.image.name}: mean rank correlation of the maps of {len(record.infills)} in-fills"
    table = _table(title, caption, ("p", "correlation", "noise leaves", "signs differ"))
    table.add_column("conclusion", max_width=44)
    for target in record.targets:
        conflict = "" if target.sign_conflict is None else f"{target.sign_conflict:.1%}"
        numbers = (wording.correlation(target.correlation), wording.correlation(target.expected), conflict)
        chance = wording.probability(target.probability)
        table.add_row(target.label, chance, *numbers, wording.agreement(target.level))
    return table


def runtime_table(choice: RuntimeChoice | RuntimeInfo) -> Table:
    """Tabulate the runtimes that were tried: speed, difference to the original classifier, and why some are rejected."""
    table = _table(f"{choice.name}: {choice.why}", "", ("precision", "batch", "queries/s", "difference"))
    table.add_column("rejected because")
    for each in choice.tried:
        batch = "" if each.batch_size is None else f"{each.batch_size:,}"
        numbers = (batch, _digits(each.queries_per_second, 3), _digits(each.agreement, 1))
        table.add_row(each.name, each.precision, *numbers, each.reason or "")
    return table


def score_table(name: str, scores: Sequence[Score], labels: Mapping[str, str]) -> Table:
    """Tabulate the scores of the maps of one image: the value, which direction is better, and how it was measured."""
    table = _table(f"{name}: scores of the maps", "", ("value", "better", "queries"))
    table.add_column("metric", overflow="fold")
    table.add_column("in-fill", overflow="fold")
    for each in scores:
        better, asked = DIRECTIONS[each.higher_is_better] or "neither", f"{each.queries.forward_images:,}"
        table.add_row(labels[each.target], _number(each.value, ".3f"), better, asked, each.metric, each.infill or "")
    return table


def benchmark_table(rows: Sequence[SummaryRow], title: str) -> Table:
    """Tabulate how each method scored on one metric."""
    first = rows[0]
    caption = (
        f"{first.protocol}\n- first: paired difference to {first.method}; in brackets: 95 % intervals over images; n: images "
        "with a score; cost: forward-pass equivalents (images + 2 × gradients); *: control, ignores the classifier"
    )
    better = f"{first.direction} is better" if first.direction else "neither direction is better"
    columns = ("mean", "", "- first", "", "n", "cost", "s")
    table = _table(f"{title} ({better})", caption, columns, Column("method", overflow="fold", min_width=16))
    table.padding = (0, 0, 0, 0)
    for row in rows:
        name = f"{row.method} *" if row.control else row.method
        gap = ("", "") if row is first else _interval(row.difference, "+.3f")
        numbers = (*_interval(row.mean, ".3f"), *gap, str(row.images))
        table.add_row(name, *numbers, _number(row.cost, ",.0f"), _number(row.seconds, ".1f"))
    return table


def rules_table(rules: Sequence[RuleResult]) -> Table:
    """Tabulate how often each rule failed at each strength, and for which class most often."""
    rows = [
        (rule.spec, f"{result.strength:g}" if rule.unit else "", *_failures(result))
        for rule in rules
        for result in rule.strengths
    ]
    return _plain_table(("rule", "strength", "images", "error", "95 %", "worst class"), *rows)


def counterfactual_table(record: CounterfactualRecord) -> Table:
    """Tabulate the figures of each direction of the generators."""
    return _plain_table(*table_rows(record))


def _plain_table(head: Sequence[str], *rows: Sequence[str]) -> Table:
    """Make a table of text, without lines."""
    table = Table(*head, box=None, header_style="bold")
    for row in rows:
        table.add_row(*row)
    return table


def _failures(result: StrengthResult) -> tuple[str, str, str, str]:
    """Write the number of images, the error and its interval, and the class with the largest error."""
    rate = result.rate
    if rate.error is None:
        return "0", "–", "", ""
    worst = next((f"{each.label} {each.rate.error:.0%} of {each.rate.tested}" for each in result.classes), "")
    return str(rate.tested), f"{rate.error:.1%}", f"{rate.low:.1%} to {rate.high:.1%}", worst


def _table(title: str, caption: str, numbers: Sequence[str], names: Column | None = None) -> Table:
    """Make an empty table with a column of names and some of numbers."""
    return Table(
        names or Column(overflow="ellipsis", no_wrap=True),
        *(Column(name, justify="right", no_wrap=True) for name in numbers),
        title=title,
        caption=caption,
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        title_justify="left",
        caption_justify="left",
    )


def _effect(done: str, effect: RegionEffect) -> tuple[str, str, str, str]:
    """Write one row of a faithfulness check."""
    own, center = wording.probability(effect.map), wording.probability(effect.center)
    return f"{done} {wording.percent(effect.share)}", own, wording.interval(effect.random), center


def _point(extreme: Extreme, sign: int) -> tuple[str, str]:
    """Write the value ± error, and the row and column; dashes where no pixel has that sign."""
    if extreme.value * sign <= 0:
        return "-", "-"
    error = "" if extreme.stderr is None else f" ± {extreme.stderr:.1g}"
    return f"{extreme.value:+.2g}{error}", f"{extreme.row}, {extreme.column}"


def _interval(found: Interval | None, form: str) -> tuple[str, str]:
    """Write a number and its interval; dashes where there is none."""
    if found is None:
        return "–", "[–, –]"
    return _number(found.value, form), f"[{_number(found.low, form)}, {_number(found.high, form)}]"


def _number(value: float, form: str) -> str:
    """Write a number with a true minus sign; a dash where it is not a number."""
    return "–" if math.isnan(value) else f"{value:{form}}".replace("-", "−")


def _digits(value: float | None, count: int) -> str:
    """Write a number with some significant digits; nothing for None."""
    return "" if value is None else f"{value:.{count}g}"
