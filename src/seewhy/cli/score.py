"""``seewhy score``: how good are the maps of a saved explanation?"""

import json
from pathlib import Path
from typing import TypedDict, Unpack

import click
from rich.console import Console

from seewhy.cli.options import (
    DONE,
    batch_size_option,
    device_option,
    infill_option,
    json_option,
    quiet_option,
    result_argument,
    runtime_option,
    saved_classifier_option,
    trust_option,
)
from seewhy.cli.progress import bars
from seewhy.cli.tables import score_table
from seewhy.explaining.explanation import Explanation
from seewhy.explaining.load import load
from seewhy.explaining.score import DEFAULT_METRICS, LOCATED, save_scores
from seewhy.explaining.score import score as score_maps
from seewhy.images.labelled import read_boxes
from seewhy.results.codec import to_json
from seewhy.results.scores import Score


class _Options(TypedDict):
    """What scoring takes as it is."""

    infill: str | None
    device: str | None
    batch_size: int | None
    runtime: str
    trust: bool


@click.command()
@result_argument
@click.option("--metric", "metrics", multiple=True, help="Spec; repeatable; see `seewhy list metrics`.")
@click.option("--boxes", help="Where the object is: 'x0 y0 x1 y1; …', as shares of the full image, 0 to 1.")
@click.option("--target", "targets", multiple=True, help="Name or key of a map, such as class:967; repeatable.")
@infill_option(text="Spec of an in-fill in place of each metric's own.")
@saved_classifier_option
@device_option
@batch_size_option
@runtime_option
@trust_option
@json_option
@quiet_option
def score(
    folder: Path,
    *,
    metrics: tuple[str, ...],
    boxes: str | None,
    targets: tuple[str, ...],
    classifier: str | None,
    as_json: bool,
    quiet: bool,
    **options: Unpack[_Options],
) -> int:
    """Score the maps of a saved explanation.

    DIR is a folder that `seewhy explain` wrote; scores.json is added to it.
    """
    explanation = load(folder, Explanation)
    where = None if boxes is None else read_boxes(boxes)
    chosen = metrics or (*DEFAULT_METRICS, *(LOCATED if boxes is not None else ()))
    with bars(quiet=quiet or as_json) as watch:
        scores = score_maps(
            classifier,
            explanation,
            chosen,
            region=where,
            targets=targets or None,
            progress=watch(folder.name),
            **options,
        )
    path = save_scores(folder, scores, explanation)
    if as_json:
        for each in scores:
            click.echo(json.dumps(to_json(each), ensure_ascii=False, allow_nan=False))
    elif not quiet:
        _show(explanation, scores, path)
    return DONE


def _show(explanation: Explanation, scores: list[Score], path: Path) -> None:
    """Print the scores, and why some are not defined."""
    labels = {target.key: target.label for target in explanation.record.targets}
    Console(highlight=False).print(score_table(explanation.record.image.name, scores, labels))
    for note in dict.fromkeys(f"{each.metric.partition(':')[0]}: {each.note}" for each in scores if each.note):
        click.echo(note)
    click.echo(f"scores: {path}")
