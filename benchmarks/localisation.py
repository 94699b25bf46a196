"""Does the evidence fall on the object? Cut-outs with exact alpha are pasted off-centre onto synthetic textures.

Claim: the share of the positive PMI of the top class that falls on the object is well above the object's share of the
area; the same holds for the information (IG).

Protocol: each cut-out is scaled and pasted into a corner region of a synthetic texture (power-law noise in one colour),
both chosen by its own seed, so the object's pixels in the classifier's view are known: those with alpha >= 0.5.
``seewhy score`` compares them with the maps: ``energy-in-box`` is the share of the positive values on the object and
``ratio`` that share over the object's share of the area; ``box-ratio`` uses as many of the highest pixels as the object
has, and ``pointing`` only the highest, without a tolerance. RISE has no zero (its values are all probabilities), so its
minimum is subtracted first; the last two need no zero. For a random map, all but ``ratio`` equal ``area`` on average.

``python benchmarks/localisation.py FOLDER [--method SPEC]... [--infill SPEC]... [--out DIR] [--json]``; FOLDER holds
``labels.csv`` with the columns file and class_idx, and ``images/`` with RGBA images. The defaults use 6,332 queries per
image. For photos with boxes, and for methods by other metrics, see ``compare_methods.py``.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click
from common import (
    Asked,
    Row,
    classifier_option,
    environment,
    infill_option,
    interval,
    json_option,
    method_option,
    pairs,
    publish,
)
from scenes import Scene, read_scenes

import seewhy
from seewhy.core.metric import plain

DEFAULT: tuple[Asked, ...] = (
    ("pmi", "patch-sampler"),
    ("pmi:samples=2", "donor"),
    ("pmi", "gray"),
    ("pmi:size=32,stride=16", "gray"),
    ("occlusion", "gray"),
    ("rise:masks=500", "gray"),
)
ALL_POSITIVE = {"rise"}
"""Methods whose maps are never negative, so that "positive values" would be meaningless."""

METRICS = {"energy-in-box": "energy-in-box", "box-ratio": "box-ratio:largest=1", "pointing": "pointing:tolerance=0"}
FIGURES = ("energy-in-box", "ratio", "box-ratio", "pointing")


def examine(classifier: seewhy.Classifier, scene: Scene, asked: Asked, out: Path | None) -> list[Row]:
    """Explain one image with one method; return rows for the top class and the information."""
    explanation = seewhy.explain(classifier, scene.pixels, method=asked[0], infill=asked[1])
    if out is not None:
        explanation.save(out / Path(scene.file).stem / re.sub(r"\W+", "-", f"{asked[0]} {asked[1] or ''}").strip("-"))
    top, region = explanation.predicted[0], scene.alpha >= 0.5
    fixed: Row = {"file": scene.file, "method": asked[0], "infill": explanation.record.infill.spec}
    fixed |= {"right": top.index == scene.label, "top": top.label, "p": top.probability, "area": float(region.mean())}
    fixed |= {"queries": explanation.queries.forward_images, "seconds": explanation.seconds}
    if explanation.record.method.name in ALL_POSITIVE:
        maps = {key: values - values.min() for key, values in explanation.maps.items()}
        explanation = replace(explanation, maps=maps)
    rows = []
    for target, key in (("class", f"class:{top.index}"), ("information", "information")):
        if key in explanation.maps:
            scores = seewhy.score(classifier, explanation, list(METRICS.values()), region=region, targets=key)
            row = dict(zip(METRICS, (plain(score.value) for score in scores), strict=True))
            share = row["energy-in-box"]
            rows.append(fixed | {"target": target, **row, "ratio": None if share is None else share / fixed["area"]})
    return rows


def summarise(measurements: Sequence[Row]) -> list[Row]:
    """Return the mean and interval of each figure, over all images and over the correctly classified ones."""
    groups = dict.fromkeys((row["method"], row["infill"], row["target"]) for row in measurements)
    rows = []
    for group in groups:
        every = [row for row in measurements if (row["method"], row["infill"], row["target"]) == group]
        for name, chosen in (("all", every), ("right", [row for row in every if row["right"]])):
            line: Row = dict(zip(("method", "infill", "target"), group, strict=True))
            line |= {"pictures": name, "n": len(chosen), "area": interval([row["area"] for row in chosen])["mean"]}
            for figure in FIGURES:
                found = interval([row[figure] for row in chosen if row[figure] is not None])
                line |= {figure: found["mean"], f"{figure}_low": found["low"], f"{figure}_high": found["high"]}
            rows.append(line | {"queries": interval([row["queries"] for row in chosen])["mean"]})
    return rows


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@classifier_option("efficientnet-lite0")
@method_option
@infill_option
@click.option("--limit", type=click.IntRange(min=1), help="Use at most this many images.")
@click.option(
    "--scale",
    default=0.5,
    show_default=True,
    help="Longer side of the object, as a fraction of the view's shorter side.",
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for the explanations.")
@json_option
def main(
    folder: Path,
    *,
    classifier: str,
    methods: tuple[str, ...],
    infills: tuple[str, ...],
    limit: int | None,
    scale: float,
    out: Path | None,
    as_json: bool,
) -> None:
    """Print how much positive evidence falls on pasted cut-outs.

    It is compared with the cut-outs' fraction of the area.
    """
    asked, model = pairs(methods, infills, DEFAULT), seewhy.classifier(classifier)
    scenes = read_scenes(folder, model.view, scale, limit)
    measurements: list[Row] = []
    for number, scene in enumerate(scenes):
        measurements += [row for one in asked for row in examine(model, scene, one, out)]
        click.echo(f"{number + 1}/{len(scenes)} {scene.file}: {measurements[-1]['top']}", err=True)
    firsts = [next(row for row in measurements if row["file"] == scene.file) for scene in scenes]
    figures: Row = {
        "benchmark": "localisation",
        "pictures": [{key: row[key] for key in ("file", "top", "right", "p", "area")} for row in firsts],
        "summary": summarise(measurements),
        "measurements": measurements,
        "right": sum(row["right"] for row in firsts),
        "protocol": (
            f"{len(scenes)} cut-outs on synthetic textures in a corner region, longer side {scale:g} of the view; "
            f"{model.name}, {model.view.describe()}; top class of each image, right or not (rows 'right': only where "
            f"it is the labelled one); metrics: {', '.join(METRICS.values())}; ratio: energy-in-box over area; the "
            "object: alpha >= 0.5; the minimum of RISE is subtracted; low and high: 95 % bootstrap over images, 2,000 "
            "resamples, seed 0"
        ),
        **environment(),
    }
    publish(figures, as_json=as_json, unprinted=("measurements",))


if __name__ == "__main__":
    main()
