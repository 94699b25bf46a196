"""``seewhy test-rule``: does a rule about the classifier hold on a folder of pictures?"""

import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from seewhy import registry
from seewhy.classifiers.tuning import no_log
from seewhy.cli.options import how, in_order
from seewhy.cli.progress import bars, messages
from seewhy.core.errors import RequestError
from seewhy.runs.explanation import check_free
from seewhy.runs.rule_report import RECORD, RuleReport
from seewhy.runs.rule_test import rule_error

_SOME_FAILED = 3

_options = in_order(
    click.argument("source", type=click.Path(path_type=Path)),
    click.option("--rule", "rules", multiple=True, required=True, help="Spec; see `seewhy list rules`; repeatable."),
    click.option("--strengths", help="Such as 5+15+45, for the one rule that is named."),
    click.option(
        "--classifier",
        default=registry.DEFAULT_CLASSIFIER,
        show_default=True,
        help="Spec, or a file.onnx, or module:attribute.",
    ),
    click.option("--infill", default="gray", show_default=True, help="What stands where a rule removes a region."),
    click.option("--limit", type=click.IntRange(min=1), help="Only the first pictures."),
    click.option(
        "--list", "only", type=click.Path(path_type=Path), help="Text file with the names of the pictures to take."
    ),
    how,
    click.option(
        "--out", type=click.Path(path_type=Path), default=Path("seewhy-rules"), show_default=True, help="Folder."
    ),
)


@click.command("test-rule")
@_options
def test_rule(rules: tuple[str, ...], strengths: str | None, out: Path, **options: Any) -> int:  # noqa: ANN401
    """Change the pictures of SOURCE (a folder, perhaps with labels.csv) as each rule says, and count how often it fails."""
    check_free(out, RECORD)
    as_json, quiet, source = options.pop("as_json"), options.pop("quiet"), options.pop("source")
    log = no_log if quiet else messages.print
    with bars(quiet=quiet) as watch:
        report = rule_error(
            source=source, rules=_with_strengths(rules, strengths), log=log, progress=watch("pictures"), **options
        )
    report.save(out)
    failed = report.manifest["failed"]
    if as_json:
        click.echo(json.dumps({**report.manifest, "folder": str(out)}, ensure_ascii=False, allow_nan=False))
    elif not quiet:
        _show(report, out)
    for failure in failed:
        click.echo(f"{failure['file']}: {failure['error']}", err=True)
    return _SOME_FAILED if failed else 0


def _with_strengths(rules: tuple[str, ...], strengths: str | None) -> list[str]:
    """Write the strengths into the Spec of the rule."""
    if strengths is None:
        return list(rules)
    if len(rules) != 1:
        raise RequestError(
            f"expected one rule with --strengths, got {len(rules)}; write --rule rotation:strengths=5+15"
        )
    return [rules[0] + ("," if ":" in rules[0] else ":") + f"strengths={strengths}"]


def _show(report: RuleReport, out: Path) -> None:
    """Say how often each rule failed, and for which classes most."""
    table = Table("rule", "strength", "pictures", "error", "95 %", "worst class", box=None, header_style="bold")
    for rule in report.manifest["rules"]:
        for line in rule["strengths"]:
            table.add_row(*_cells(rule, line))
    Console(highlight=False).print(table)
    for warning in report.manifest["warnings"]:
        click.echo(f"warning: {warning}", err=True)
    click.echo(f"counter-examples: {out}/counterexamples.png")


def _cells(rule: dict[str, Any], line: dict[str, Any]) -> tuple[str, ...]:
    """One line of the table."""
    strength = f"{line['strength']:g}" if rule["unit"] else ""
    if line["error"] is None:
        return rule["spec"], strength, "0", "–", "", ""
    worst = next((f"{each['class']} {each['error']:.0%} of {each['tested']}" for each in line["classes"]), "")
    interval = f"{line['low']:.1%} to {line['high']:.1%}"
    return rule["spec"], strength, str(line["tested"]), f"{line['error']:.1%}", interval, worst
