"""``seewhy test-counterfactual``: what do trained generators make of many pictures?"""

import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from seewhy import registry
from seewhy.cli.options import in_order
from seewhy.cli.progress import bars
from seewhy.images.collection import read_collection
from seewhy.audit._image_statistics import TAU
from seewhy.nets.counterfactual_generators import load_generators
from seewhy.runs.explanation import check_free
from seewhy.audit.counterfactual_report import RECORD, CounterfactualReport, lines
from seewhy.audit.counterfactual import evaluate
from seewhy.train.embedding import train_embedding

_options = in_order(
    click.argument("folder", metavar="DIR", type=click.Path(path_type=Path)),
    click.argument("source", type=click.Path(path_type=Path)),
    click.option("--classifier", required=True, help="Spec of the one that the generators were trained for."),
    click.option("--oracle", help="Spec of another classifier of the same classes, trained apart."),
    click.option("--limit", type=click.IntRange(min=1), help="Only so many pictures, drawn at random."),
    click.option("--tau", type=float, default=TAU, show_default=True, help="Change beyond which a pixel counts."),
    click.option(
        "--embedding-steps",
        type=click.IntRange(min=0),
        default=1000,
        show_default=True,
        help="Training of the embedding for Fréchet distances; 0 leaves them out.",
    ),
    click.option("--seed", type=int, default=0, show_default=True, help="Of the choice, the noise and the embedding."),
    click.option("--device", help="Where torch computes: cpu, cuda, …"),
    click.option("--batch-size", type=click.IntRange(min=1), default=64, show_default=True, help="Pictures at once."),
    click.option(
        "--out",
        type=click.Path(path_type=Path),
        default=Path("seewhy-counterfactuals"),
        show_default=True,
        help="Folder.",
    ),
    click.option("--trust", is_flag=True, help="Allow a Spec that runs code from a file."),
    click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout."),
    click.option("--quiet", is_flag=True, help="No progress and no table."),
)


@click.command("test-counterfactual")
@_options
def test_counterfactual(folder: Path, source: Path, out: Path, **options: Any) -> int:  # noqa: ANN401
    """Run the generators in DIR over the pictures of SOURCE and measure what becomes of them, flipped or not."""
    check_free(out, RECORD)
    as_json, quiet = options.pop("as_json"), options.pop("quiet")
    steps = options.pop("embedding_steps")
    where = {"trust": options.pop("trust"), "device": options.pop("device")}
    door = registry.classifier(options.pop("classifier"), **where)
    other = options.pop("oracle")
    oracle = other and registry.classifier(other, **where)
    load_generators(folder, fingerprint=door.fingerprint)  # refused, if it must be, before the embedding is trained
    pictures = read_collection(source, view=door.view)
    codes = None
    if steps:
        with bars(quiet=quiet, unit="steps") as watch:
            how = {"seed": options["seed"], "device": door.device, "progress": watch("embedding")}
            codes = train_embedding(pictures, steps=steps, **how).codes
    with bars(quiet=quiet, unit="pictures") as watch:
        report = evaluate(door, folder, pictures, oracle=oracle, codes=codes, progress=watch("pictures"), **options)
    report.save(out)
    if as_json:
        click.echo(json.dumps({**report.manifest, "folder": str(out)}, ensure_ascii=False, allow_nan=False))
    elif not quiet:
        _show(report, out)
    return 0


def _show(report: CounterfactualReport, out: Path) -> None:
    """Say what was found, and what it means."""
    head, *rows = lines(report.manifest)
    table = Table(*head, box=None, header_style="bold")
    for row in rows:
        table.add_row(*row)
    Console(highlight=False).print(table)
    for sentence in report.findings:
        click.echo(sentence)
    for warning in report.manifest["warnings"]:
        click.echo(f"warning: {warning}", err=True)
    click.echo(f"examples: {out}/examples.png")
