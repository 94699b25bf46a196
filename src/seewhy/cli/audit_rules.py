"""``seewhy audit rules``: do rules about the classifier hold on a folder of images?"""

import json
from pathlib import Path
from typing import Unpack

import click
from rich.console import Console

from seewhy.audit.rules import audit_rules
from seewhy.audit.rules_report import RulesReport
from seewhy.classifiers.tuning import no_log
from seewhy.cli.options import (
    DONE,
    SOME_FAILED,
    ClassifierOptions,
    RunOptions,
    classifier_option,
    infill_option,
    limit_option,
    list_option,
    out_option,
    run_options,
    source_argument,
)
from seewhy.cli.progress import bars, messages
from seewhy.cli.tables import rules_table
from seewhy.core.errors import RequestError
from seewhy.results.audit_rules import FILE
from seewhy.results.codec import to_json
from seewhy.results.folder import check_free


class _Options(ClassifierOptions, RunOptions):
    """What the audit takes as it is."""

    infill: str
    limit: int | None
    only: Path | None
    max_megapixels: float


@click.command("rules")
@source_argument
@click.option("--rule", "rules", multiple=True, required=True, help="Spec; repeatable; see `seewhy list rules`.")
@click.option("--strengths", help="Strengths to test, such as 5+15+45, for a single rule.")
@classifier_option
@infill_option("gray", "Spec of the in-fill for rules that remove a region.")
@limit_option
@list_option
@run_options
@out_option("seewhy-rules", "Output directory.")
def rules(
    source: Path,
    *,
    rules: tuple[str, ...],
    strengths: str | None,
    out: Path,
    as_json: bool,
    quiet: bool,
    **options: Unpack[_Options],
) -> int:
    """Measure how often rules about the classifier fail.

    SOURCE is a folder of images, optionally with labels.csv. A rule says that the prediction stays, or changes, when the image
    is changed in a certain way.
    """
    check_free(out, FILE)
    with bars(quiet=quiet) as watch:
        report = audit_rules(
            source=source,
            rules=_with_strengths(rules, strengths),
            log=no_log if quiet else messages.print,
            progress=watch("images"),
            **options,
        )
    report.save(out)
    if as_json:
        facts = {**to_json(report.record), "folder": str(out)}
        click.echo(json.dumps(facts, ensure_ascii=False, allow_nan=False))
    elif not quiet:
        _show(report, out)
    for failure in report.record.failed:
        click.echo(f"{failure.file}: {failure.error}", err=True)
    return SOME_FAILED if report.record.failed else DONE


def _with_strengths(rules: tuple[str, ...], strengths: str | None) -> list[str]:
    """Write the strengths into the Spec of the rule."""
    if strengths is None:
        return list(rules)
    if len(rules) != 1:
        raise RequestError(
            f"expected one rule with --strengths, got {len(rules)}; write --rule rotation:strengths=5+15"
        )
    return [rules[0] + ("," if ":" in rules[0] else ":") + f"strengths={strengths}"]


def _show(report: RulesReport, out: Path) -> None:
    """Print how often each rule failed, and for which classes most."""
    Console(highlight=False).print(rules_table(report.record.rules))
    for warning in report.record.warnings:
        click.echo(f"warning: {warning}", err=True)
    click.echo(f"counter-examples: {out}/counterexamples.png")
