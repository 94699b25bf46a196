"""Does the evidence fall on the object? Cut-outs with exact alpha are pasted off-centre onto synthetic textures.

Claim: the fraction of the positive PMI mass of the top class that falls on the object is well above the object's
fraction of the area; the same holds for the information (IG).

Protocol: each cut-out is scaled and pasted into a corner region of a synthetic texture (power-law noise in one colour),
both chosen by its own seed, so the object's pixels in the classifier's view are known. The negative part of the map is
set to zero, and the rest is weighted with the object's alpha. RISE has no zero (its values are all probabilities), so
its minimum is subtracted first. ``top_area`` uses as many of the highest pixels as the object has, and ``pointing``
only the highest (ties averaged); these two need no zero. For a random map, all three equal ``area`` on average.

``python benchmarks/localisation.py FOLDER [--method SPEC]... [--infill SPEC]... [--out DIR] [--json]``; FOLDER holds
``labels.csv`` with the columns file and class_idx, and ``images/`` with RGBA images. The defaults use 6,332 queries per
image.
"""

from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
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
from jaxtyping import Float
from PIL import Image
from scenes import Scene, read_scenes

import seewhy
from seewhy.core.attribution import Map
from seewhy.images.open import open_image
from seewhy.images.view import apply_view

DEFAULT: tuple[Asked, ...] = (
    ("pmi", "patch-sampler"),
    ("pmi:samples=2", "donor"),
    ("pmi", "gray"),
    ("pmi:size=32,stride=16", "gray"),
    ("occlusion", "gray"),
    ("rise:masks=500", "gray"),
)
ALL_POSITIVE = {"rise"}
"""Methods whose maps are never negative, so that "positive mass" would be meaningless."""

FIGURES = ("share", "ratio", "top_area", "pointing")


def measure(values: Map, alpha: Float[np.ndarray, "h w"]) -> Row:
    """Return how much of a map lies on the object; None for fractions of a map without positive values."""
    area, positive = float(alpha.mean()), values.astype(np.float64).clip(min=0)
    share = float((positive * alpha).sum() / positive.sum()) if positive.any() else None
    highest = np.argsort(-values, axis=None, kind="stable")[: max(1, round(float(alpha.sum())))]
    return {
        "share": share,
        "ratio": None if share is None else share / area,
        "top_area": float(alpha.flat[highest].mean()),
        "pointing": float((alpha[values == values.max()] >= 0.5).mean()),
    }


def examine(classifier: seewhy.Classifier, scene: Scene, asked: Asked) -> tuple[list[Row], Map]:
    """Explain one image with one method; return rows for the top class and the information, and the class's map."""
    explanation = seewhy.explain(classifier, scene.pixels, method=asked[0], infill=asked[1])
    top, infill = explanation.predicted[0], explanation.record.infill.spec
    fixed: Row = {"file": scene.file, "method": asked[0], "infill": infill, "right": top.index == scene.label}
    fixed |= {"top": top.label, "p": top.probability, "area": float(scene.alpha.mean())}
    fixed |= {"queries": explanation.queries.forward_images, "seconds": explanation.seconds}
    rows, shown = [], explanation.maps[f"class:{top.index}"]
    for target, key in (("class", f"class:{top.index}"), ("information", "information")):
        if key in explanation.maps:
            values = explanation.maps[key]
            values = values - values.min() if explanation.record.method.name in ALL_POSITIVE else values
            rows.append(fixed | {"target": target} | measure(values, scene.alpha))
    return rows, shown


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


def save(scenes: Sequence[Scene], maps: Sequence[Map], view: seewhy.View, out: Path) -> None:
    """Write the images, and a sheet of each view beside the first method's map, red for and blue against the class."""
    out.mkdir(parents=True, exist_ok=True)
    side = 224
    sheet = Image.new("RGB", (8 * side, side * -(-len(scenes) // 4)), "white")
    for number, (scene, values) in enumerate(zip(scenes, maps, strict=True)):
        Image.fromarray(scene.pixels).save(out / f"{number:02}-{Path(scene.file).stem}.png")
        seen = apply_view(open_image(scene.pixels), view)[0].permute(1, 2, 0).numpy() * 255
        level = (values / (np.abs(values).max() or 1) * 255).astype(np.int64)
        colours = np.stack([255 - (-level).clip(0), 255 - np.abs(level), 255 - level.clip(0)], axis=2)
        for column, pixels in enumerate((seen, colours)):
            tile = Image.fromarray(pixels.round().astype(np.uint8)).resize((side, side))
            sheet.paste(tile, (side * (2 * (number % 4) + column), side * (number // 4)))
    sheet.save(out / "sheet.png")


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
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for the images and a sheet.")
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
    maps: list[Map] = []
    for number, scene in enumerate(scenes):
        found = [examine(model, scene, one) for one in asked]
        measurements += [row for rows, _ in found for row in rows]
        maps.append(found[0][1])
        click.echo(f"{number + 1}/{len(scenes)} {scene.file}: {measurements[-1]['top']}", err=True)
    if out is not None:
        save(scenes, maps, model.view, out)
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
            "it is the labelled one); share = positive mass × alpha over positive mass, ratio = share over area, "
            "top_area = mean alpha of the highest pixels, as many as the object has, pointing = fraction of the "
            "highest pixels with alpha >= 0.5; the minimum of RISE is subtracted; low and high: 95 % bootstrap over "
            "images, 2,000 resamples, seed 0"
        ),
        **environment(),
    }
    publish(figures, as_json=as_json, unprinted=("measurements",))


if __name__ == "__main__":
    main()
