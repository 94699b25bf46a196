"""``seewhy score``: how good are the maps of a saved explanation?"""

from pathlib import Path
from typing import TypedDict, Unpack

import click

from seewhy.cli import options
from seewhy.cli.progress import bars, show
from seewhy.cli.tables import score_table
from seewhy.explaining.explanation import Explanation
from seewhy.explaining.load import load
from seewhy.explaining.score import DEFAULT_METRICS, LOCATED, save_scores
from seewhy.explaining.score import score as score_maps
from seewhy.images.labelled import read_boxes
from seewhy.results.codec import to_json


class _Options(TypedDict):
    """What scoring takes as it is."""

    infill: str | None
    device: str | None
    batch_size: int | None
    runtime: str
    trust: bool


@click.command()
@options.result_argument
@options.repeatable_option("--metric", "metrics", "SPEC", "Score with this metric, from `seewhy list metrics`.")
@click.option(
    "--boxes", help="Say where the object is: 'x0 y0 x1 y1; x0 y0 x1 y1', as shares of the full image, 0 to 1."
)
@options.repeatable_option("--target", "targets", "T", "Score the map of this name or key, such as class:967.")
@options.infill_option(text="Use this in-fill in place of each metric's own.")
@options.saved_classifier_option
@options.device_option
@options.batch_size_option
@options.runtime_option
@options.trust_option
@options.output_options
def score(
    folder: Path,
    *,
    metrics: tuple[str, ...],
    boxes: str | None,
    targets: tuple[str, ...],
    classifier: str | None,
    as_json: bool,
    quiet: bool,
    **settings: Unpack[_Options],
) -> None:
    """Score the maps of a saved explanation.

    DIR is a folder that `seewhy explain` wrote. scores.json is added to it.
    """
    explanation = load(folder, Explanation)
    where = None if boxes is None else read_boxes(boxes)
    chosen = metrics or (*DEFAULT_METRICS, *(LOCATED if boxes is not None else ()))
    with bars(quiet=quiet or as_json) as watch:
        progress = watch(folder.name)
        scores = score_maps(
            classifier, explanation, chosen, region=where, targets=targets or None, progress=progress, **settings
        )
    path = save_scores(folder, scores, explanation)
    table = score_table(explanation.record.image.name, scores, {t.key: t.label for t in explanation.record.targets})
    notes = dict.fromkeys(f"{score.metric.partition(':')[0]}: {score.note}" for score in scores if score.note)
    facts = [to_json(score) for score in scores]
    show(facts, table, *notes, f"scores: {path}", as_json=as_json, quiet=quiet)
