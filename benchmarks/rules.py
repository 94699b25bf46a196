"""How often does the prediction stay the same when it should? The faithfulness error of rules about the classifier.

Claim: none; the figures describe the classifier, and show that a rule that must fail does fail.

Protocol: `seewhy.audit_rules` (an explanation as a rule, and its expected error: Fong, Vedaldi, ICCV 2017). A photo is
converted to the classifier's view, then changed as the rule says. The rule fails if the predicted class of the changed
image differs from the original one (claim *stays*), or is still the same (claim *changes*). Rotation and translation
are compared with the same crop without rotation or translation, all others with the photo. Rules about regions are
tested only where the predicted class is the labelled one, and fill in with ``--infill``. Errors have 95 % Wilson
intervals; the photos are the same for all rules.

``python benchmarks/rules.py FOLDER [--list FILE] [--limit 200] [--rule SPEC]... [--json]``; FOLDER is the same as for
``seewhy audit rules``.
"""

from pathlib import Path

import click
from common import Row, classifier_option, environment, json_option, publish, settle, threads_option

import seewhy
from seewhy.audit.rules_report import RulesReport

RULES = (
    "flip",
    "rotation",
    "rotation:drawn=exact",
    "translation",
    "hue",
    "brightness",
    "blur",
    "noise",
    "jpeg",
    "needs-region",
    "needs-background",
)
RATE = ("tested", "failed", "error", "low", "high")
"""Columns of an error rate."""


def summarise(report: RulesReport) -> list[Row]:
    """Return one row per rule and strength."""
    rows = []
    for rule in report.record.rules:
        for found in rule.strengths:
            row: Row = {"rule": rule.spec, "claim": rule.claim, "strength": found.strength, "unit": rule.unit}
            rows.append(row | {name: getattr(found.rate, name) for name in RATE})
    return rows


@click.command()
@click.argument("folder", type=click.Path(exists=True, path_type=Path))
@classifier_option("efficientnet-lite0")
@click.option("--rule", "rules", multiple=True, default=RULES, help="Spec of a rule; repeatable.")
@click.option("--infill", default="gray", show_default=True, help="Spec of the in-fill for removed regions.")
@click.option("--limit", type=click.IntRange(min=1), help="Use at most this many photos.")
@click.option(
    "--list",
    "only",
    type=click.Path(exists=True, path_type=Path),
    help="Text file with the names of the photos to use.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the curves and the counterexamples.")
@threads_option
@json_option
def main(
    folder: Path,
    *,
    classifier: str,
    rules: tuple[str, ...],
    infill: str,
    limit: int | None,
    only: Path | None,
    out: Path | None,
    threads: int | None,
    as_json: bool,
) -> None:
    """Print the error of each rule at each strength."""
    settle(threads)
    report = seewhy.audit_rules(classifier, folder, rules, infill=infill, limit=limit, only=only)
    if out is not None:
        report.save(out)
    record = report.record
    figures: Row = {
        "benchmark": "rules",
        "photos": record.images,
        "unreadable": len(record.failed),
        "errors": summarise(report),
        "queries": record.queries,
        "seconds": record.seconds,
        "protocol": (
            f"{record.classifier.spec}, {record.view}; seed {record.seed}; regions filled in with {record.infill}; "
            "low and high: 95 % Wilson"
        ),
        **environment(),
    }
    publish(figures, as_json=as_json)


if __name__ == "__main__":
    main()
