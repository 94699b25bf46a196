"""``seewhy audit rules``: do rules about the classifier hold on a folder of images?"""

from pathlib import Path
from typing import Unpack

import click

from seewhy.audit.rules import audit_rules
from seewhy.classifiers.tuning import no_log
from seewhy.cli import options
from seewhy.cli.progress import bars, messages, show, warn
from seewhy.cli.tables import rules_table
from seewhy.results.audit_rules import FILE
from seewhy.results.codec import to_json
from seewhy.results.folder import check_free


@click.command("rules")
@options.source_argument
@options.repeatable_option(
    "--rule",
    "rules",
    "SPEC",
    "Test this rule, from `seewhy list rules`, such as rotation:strengths=5+15+45.",
    required=True,
)
@options.classifier_option
@options.infill_option("gray", "Fill removed regions with this in-fill.")
@options.subset_options
@options.run_options
@options.out_option("seewhy-rules", "Write to this folder.")
def rules(
    source: Path,
    *,
    rules: tuple[str, ...],
    infill: str,
    out: Path,
    as_json: bool,
    quiet: bool,
    **settings: Unpack[options.FolderOptions],
) -> int:
    """Measure how often rules about the classifier fail.

    A rule says that the prediction stays, or changes, when the image is changed in a certain way. SOURCE is a folder of images,
    optionally with labels.csv.
    """
    check_free(out, FILE)
    with bars(quiet=quiet) as watch:
        report = audit_rules(
            source=source,
            rules=rules,
            infill=infill,
            log=no_log if quiet else messages.print,
            progress=watch("images"),
            **settings,
        )
    report.save(out)
    warn(report.record.warnings)
    facts = {**to_json(report.record), "folder": str(out)}
    where = f"counter-examples: {out}/counterexamples.png"
    show(facts, rules_table(report.record.rules), where, as_json=as_json, quiet=quiet)
    warn((f"{failure.file}: {failure.error}" for failure in report.record.failed), "error")
    return options.SOME_FAILED if report.record.failed else options.DONE
