"""``seewhy judge``: how good are the maps of a saved explanation?"""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from seewhy import registry
from seewhy.cli.progress import bars
from seewhy.draw.scores import score_table
from seewhy.images.labelled import read_boxes
from seewhy.runs.explanation import load
from seewhy.runs.score import DEFAULT_METRICS, LOCATED, save_scores, score


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--metric", "metrics", multiple=True, help="Spec; repeatable; see `seewhy list metrics`.")
@click.option("--boxes", help="Where the object is: 'x0 y0 x1 y1; …', parts of the whole picture, 0 to 1.")
@click.option("--target", "targets", multiple=True, help="Name or key of a map, class:967 say; repeatable.")
@click.option("--infill", help="Spec of what every metric puts in, in place of its own.")
@click.option("--classifier", help="Spec of the one that was explained; as written down there if left out.")
@click.option("--device", help="Where torch computes: cpu, cuda, …")
@click.option("--batch-size", type=int, help="Pictures shown at once; the fastest if left out.")
@click.option("--runtime", default="auto", show_default=True, help="What runs the classifier.")
@click.option("--trust", is_flag=True, help="Allow a Spec that runs code from a file.")
@click.option("--json", "as_json", is_flag=True, help="The scores to stdout, one JSON object each.")
@click.option("--quiet", is_flag=True, help="No progress and no table.")
def judge(
    folder: Path,
    *,
    metrics: tuple[str, ...],
    boxes: str | None,
    targets: tuple[str, ...],
    infill: str | None,
    classifier: str | None,
    device: str | None,
    batch_size: int | None,
    runtime: str,
    trust: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Score the maps of the explanation in DIR and write scores.json there."""
    explanation = load(folder)
    where = None if boxes is None else read_boxes(boxes)
    door = registry.classifier(classifier or _opener(explanation.manifest), trust=trust, device=device)
    with bars(quiet=quiet or as_json) as watch:
        found = score(
            door,
            explanation,
            metrics or (*DEFAULT_METRICS, *(LOCATED if boxes is not None else ())),
            region=where,
            targets=targets or None,
            infill=infill,
            batch_size=batch_size,
            runtime=runtime,
            trust=trust,
            progress=watch(folder.name),
        )
    path = save_scores(folder, found, explanation)
    facts = [each.facts() for each in found]
    if as_json:
        for each in facts:
            click.echo(json.dumps(each, ensure_ascii=False, allow_nan=False))
    elif not quiet:
        labels = {target["key"]: target["label"] for target in explanation.manifest["targets"]}
        Console(highlight=False).print(score_table(explanation.manifest["image"]["name"], facts, labels))
        for note in dict.fromkeys(f"{each.metric.partition(':')[0]}: {each.note}" for each in found if each.note):
            click.echo(note)
        click.echo(f"scores: {path}")
    return 0


def _opener(manifest: Mapping[str, Any]) -> str:
    """What opens the classifier again: as the user typed it, or the name that it has."""
    words = shlex.split(manifest["command"] or "")
    return words[words.index("--classifier") + 1] if "--classifier" in words else str(manifest["classifier"]["spec"])
