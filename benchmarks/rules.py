"""How often does the prediction stay the same when it should? The faithfulness error of rules about the classifier.

Claim: none; the figures describe the classifier, and show that a rule that must fail does fail.

Protocol: `seewhy.rule_error` (an explanation as a rule, and its expected error: Fong, Vedaldi, ICCV 2017). A photo is
converted to the classifier's view, then changed as the rule says. The rule fails if the predicted class of the changed
image differs from the original one (claim *stays*), or is still the same (claim *changes*). Rotation and translation
are compared with the same crop without rotation or translation, all others with the photo. Rules about regions are
tested only where the predicted class is the labelled one, and fill in with ``--infill``. Errors have 95 % Wilson
intervals; the photos are the same for all rules.

``python benchmarks/rules.py FOLDER [--list FILE] [--limit 200] [--rule SPEC]... [--json]``; FOLDER is the same as for
``seewhy test-rule``.
"""

from pathlib import Path

import click
from common import Row, classifier_option, environment, json_option, publish, settle, threads_option
from seewhy.runs.rule_report import RuleReport
from seewhy.runs.rule_test import rule_error

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


def summarise(report: RuleReport) -> list[Row]:
    """Return one row per rule and strength."""
    lines = []
    for rule in report.manifest["rules"]:
        for found in rule["strengths"]:
            line: Row = {
                "rule": rule["spec"],
                "claim": rule["claim"],
                "strength": found["strength"],
                "unit": rule["unit"],
            }
            lines.append(line | {name: found[name] for name in ("tested", "failed", "error", "low", "high")})
    return lines


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
    report = rule_error(classifier, folder, rules, infill=infill, limit=limit, only=only)
    if out is not None:
        report.save(out)
    manifest = report.manifest
    figures: Row = {
        "benchmark": "rules",
        "photos": manifest["pictures"],
        "unreadable": len(manifest["failed"]),
        "errors": summarise(report),
        "queries": manifest["queries"],
        "seconds": manifest["seconds"],
        "protocol": (
            f"{manifest['classifier']['spec']}, {manifest['classifier']['view']}; seed {manifest['seed']}; regions "
            f"filled in with {manifest['infill']}; low and high: 95 % Wilson"
        ),
        **environment(),
    }
    publish(figures, as_json=as_json)


if __name__ == "__main__":
    main()
