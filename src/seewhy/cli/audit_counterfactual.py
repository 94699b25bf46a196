"""``seewhy audit counterfactual``: what do trained generators do to many images?"""

import json
from pathlib import Path
from typing import TypedDict, Unpack

import click
from rich.console import Console
from rich.table import Table

from seewhy import registry
from seewhy.audit.counterfactual import TAU, audit_counterfactual
from seewhy.audit.counterfactual_report import CounterfactualReport, table_rows
from seewhy.audit.counterfactual_work import Codes
from seewhy.cli.options import (
    DONE,
    device_option,
    json_option,
    limit_option,
    out_option,
    quiet_option,
    result_argument,
    seed_option,
    source_argument,
    trust_option,
)
from seewhy.cli.progress import bars
from seewhy.core.classifier import Classifier
from seewhy.images.collection import Collection, read_collection
from seewhy.nets.counterfactual_generators import load_generators
from seewhy.results.audit_counterfactual import FILE
from seewhy.results.codec import to_json
from seewhy.results.folder import check_free
from seewhy.training.embedding import train_embedding


class _Options(TypedDict):
    """What the audit takes as it is."""

    limit: int | None
    tau: float
    seed: int
    batch_size: int


@click.command("counterfactual")
@result_argument
@source_argument
@click.option("--classifier", required=True, help="Spec of the classifier that the generators were trained for.")
@click.option("--oracle", help="Spec of another classifier of the same classes, trained separately.")
@limit_option
@click.option(
    "--tau",
    type=float,
    default=TAU,
    show_default=True,
    help="Change of intensity above which a pixel counts as changed.",
)
@click.option(
    "--embedding-steps",
    type=click.IntRange(min=0),
    default=1000,
    show_default=True,
    help="Training steps of the embedding for Fréchet distances; 0 skips them.",
)
@seed_option
@device_option
@click.option("--batch-size", type=click.IntRange(min=1), default=64, show_default=True, help="Images per call.")
@out_option("seewhy-counterfactuals", "Output directory.")
@trust_option
@json_option
@quiet_option
def counterfactual(
    folder: Path,
    source: Path,
    *,
    classifier: str,
    oracle: str | None,
    embedding_steps: int,
    device: str | None,
    trust: bool,
    out: Path,
    as_json: bool,
    quiet: bool,
    **options: Unpack[_Options],
) -> int:
    """Audit counterfactual generators on many images.

    DIR holds the generators that `seewhy train counterfactual` wrote, SOURCE the images. Every image counts, flipped or not.
    """
    check_free(out, FILE)
    opened = registry.classifier(classifier, trust=trust, device=device)
    second = None if oracle is None else registry.classifier(oracle, trust=trust, device=device)
    load_generators(folder, fingerprint=opened.fingerprint)  # an error is raised before the embedding is trained
    images = read_collection(source, view=opened.view)
    codes = _train_codes(images, opened, embedding_steps, options["seed"], quiet=quiet) if embedding_steps else None
    with bars(quiet=quiet, unit="images") as watch:
        report = audit_counterfactual(
            opened, folder, images, oracle=second, codes=codes, progress=watch("images"), **options
        )
    report.save(out)
    if as_json:
        facts = {**to_json(report.record), "folder": str(out)}
        click.echo(json.dumps(facts, ensure_ascii=False, allow_nan=False))
    elif not quiet:
        _show(report, out)
    return DONE


def _train_codes(images: Collection, classifier: Classifier, steps: int, seed: int, *, quiet: bool) -> Codes:
    """Train the embedding for Fréchet distances, with a progress bar."""
    with bars(quiet=quiet, unit="steps") as watch:
        net = train_embedding(images, steps=steps, seed=seed, device=classifier.device, progress=watch("embedding"))
    return net.codes


def _show(report: CounterfactualReport, out: Path) -> None:
    """Print the figures and the findings."""
    head, *rows = table_rows(report.record)
    table = Table(*head, box=None, header_style="bold")
    for row in rows:
        table.add_row(*row)
    Console(highlight=False).print(table)
    for sentence in report.record.findings:
        click.echo(sentence)
    for warning in report.record.warnings:
        click.echo(f"warning: {warning}", err=True)
    click.echo(f"examples: {out}/examples.png")
