"""How often does the answer stay when it should? The faithfulness error of rules about the classifier, on a folder of photos.

Claim: none; the figures say what the classifier does, and that a rule that must fail does.

Protocol: `seewhy.rule_error` (an explanation as a rule, and its expected error: Fong, Vedaldi, ICCV 2017). A photo is brought to
the classifier's view, then changed as the rule says; the rule fails where the likeliest class of the changed picture is
another one than before (claim *stays*), or is still the same (claim *changes*). Rotation and translation are held against the
same crop unrotated and unmoved, all others against the photo. Rules about regions are tested only where the likeliest class is
the labelled one, and fill in with ``--infill``. Errors with 95 % Wilson intervals; the photos are the same for all rules.

``python benchmarks/rules.py FOLDER [--list FILE] [--limit 200] [--rule SPEC]... [--json]``; FOLDER as for ``seewhy test-rule``.
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
    """One line a rule and strength."""
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
@click.option("--rule", "rules", multiple=True, default=RULES, help="Spec; repeatable.")
@click.option("--infill", default="gray", show_default=True, help="What stands where a region is removed.")
@click.option("--limit", type=click.IntRange(min=1), help="Only the first photos.")
@click.option("--list", "only", type=click.Path(exists=True, path_type=Path), help="Names of the photos to take.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the curves and the counter-examples.")
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
    said = report.manifest
    figures: Row = {
        "benchmark": "rules",
        "photos": said["pictures"],
        "unreadable": len(said["failed"]),
        "errors": summarise(report),
        "queries": said["queries"],
        "seconds": said["seconds"],
        "protocol": (
            f"{said['classifier']['spec']}, {said['classifier']['view']}; seed {said['seed']}; regions filled in with "
            f"{said['infill']}; low and high: 95 % Wilson"
        ),
        **environment(),
    }
    publish(figures, as_json=as_json)


if __name__ == "__main__":
    main()
