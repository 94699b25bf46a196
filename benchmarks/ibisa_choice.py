"""Which settings of `ibisa` are best? Five figures on photos with boxes, one or more networks, averaged ranks.

Claim: none; this is how the default of `ibisa` was chosen: the simplest whose average rank is within one
standard error of the best, with one setting for all networks.

Protocol: each photo's predicted class is explained by every Spec, and the map is scored by the probability p of that
class. ``insertion`` is the mean p while the pixels are inserted, highest first, over the blurred image (sigma 10).
``deletion`` is the mean p while they are replaced, highest first, by the data set's mean colour. Both use ``--steps``
steps of equal size, both ends included (after Petsiuk, Das, Saenko, BMVC 2018, with fewer steps). ``tiles14`` and
``tiles8`` are the mean p over `TILE_STEPS` steps when tiles of 14 × 14 or 8 × 8 pixels are replaced by the mean colour,
least relevant first, minus the same with the most relevant first (Schulz, Sixt, Tombari, Landgraf, ICLR 2020, not
normalised, with fewer steps). ``box`` is the fraction of the highest pixels inside the boxes, for as many pixels as the
boxes hold, on photos whose boxes cover at most half of the view. Ties are broken by one fixed shuffle. For each photo
and network, the Specs are ranked in each figure (1 is best, ties share a rank). A photo's rank is the mean over figures
and networks. ``rank`` is the mean over photos, ``error`` is its standard error, and ``behind`` and ``behind_error`` are
the mean difference from the best Spec, paired by photo, and its standard error. A Spec that learns with ``gray`` or
``blur`` has seen what the figures insert; ``noise`` has not. Runtimes other than torch are used only for the queries of
the figures.

``python benchmarks/ibisa_choice.py FOLDER --photos benchmarks/lists/imagenet_boxes_dev.txt [--limit N] [--classifier
SPEC]... [--mobilenet FILE] [--cache FILE] [--method SPEC]... [--infill SPEC]... [--json]``; FOLDER holds ``labels.csv``
and ``images/``, see ``scenes.py``. The defaults use about 1,000 queries per photo and network. The second network is
given by ``--mobilenet WEIGHTS.npz``, see ``networks.py``.
"""

import json
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import numpy as np
import torch
from common import Asked, Row, environment, infill_option, json_option, method_option, pairs, publish, settle
from jaxtyping import Float, Int
from networks import mobilenet_v2
from scenes import Scene, read_located

import seewhy
from seewhy import registry
from seewhy.classifiers.fast import RUNTIMES
from seewhy.classifiers.tuning import RuntimeRequest, tune
from seewhy.core.arrays import Image, Images
from seewhy.core.attribution import Map
from seewhy.core.probe import Probe
from seewhy.core.target import ClassEvidence
from seewhy.images.open import open_image
from seewhy.images.view import apply_view
from seewhy.infills.plain import gaussian_blur

DEFAULT: tuple[Asked, ...] = (
    *((spec, infill) for spec in ("ibisa", "ibisa:p0=0.5,draws=4,steps=5") for infill in ("noise", "gray", "blur")),
    ("rise:masks=20,cells=4,normalisation=coverage,sampling=independent", "gray"),
    ("rise:masks=40,cells=6,normalisation=coverage,sampling=independent", "gray"),
)
BLUR = 10.0
BATCH = 8
TILE_STEPS = 10
LARGEST_BOX = 0.5
FIGURES = {"insertion": True, "deletion": False, "tiles14": True, "tiles8": True, "box": True}
"""Whether more is better, by figure."""


def ranked(values: Map, side: int) -> Int[np.ndarray, "h w"]:
    """Rank the tiles of a map by their mean, 0 for the highest, and return for each pixel the rank of its tile."""
    height, width = values.shape
    down, across = np.arange(height) // side, np.arange(width) // side
    tile = down[:, None] * (across[-1] + 1) + across[None]
    means = np.bincount(tile.ravel(), values.ravel().astype(np.float64)) / np.bincount(tile.ravel())
    shuffle = np.random.default_rng(0).permutation(len(means))
    order = np.empty(len(means), np.int64)
    order[np.lexsort((shuffle, -means))] = np.arange(len(means))
    places: Int[np.ndarray, "h w"] = order[tile]
    return places


def course(image: Image, base: Image, order: Int[np.ndarray, "h w"], steps: int) -> Images:
    """Return images in which the first 0, 1/steps, … 1 of all places are from ``image``, the others from ``base``."""
    ranks = torch.from_numpy(order)
    cuts = torch.linspace(0, int(ranks.max()) + 1, steps + 1).round()
    return torch.where(ranks < cuts[:, None, None, None], image, base)


def score(answer: Probe, index: int, values: Map, alpha: Float[np.ndarray, "h w"], steps: int) -> Row:
    """Compute the figures of one map."""
    image = answer.image
    gray = torch.tensor(answer.classifier.mean_color)[:, None, None].expand_as(image)
    pixels = ranked(values, 1)

    def mean(pictures: Images) -> float:
        return float(answer.show(pictures)[:, index].mean())

    found: Row = {
        "insertion": mean(course(image, gaussian_blur(image, BLUR), pixels, steps)),
        "deletion": mean(course(gray, image, pixels, steps)),
    }
    for side in (14, 8):
        tiles = ranked(values, side)
        last, first = (mean(course(gray, image, order, TILE_STEPS)) for order in (tiles.max() - tiles, tiles))
        found[f"tiles{side}"] = last - first
    inside = alpha >= 0.5
    small = 0 < inside.mean() <= LARGEST_BOX
    found["box"] = float(inside[pixels < inside.sum()].mean()) if small else None
    return found


def examine(model: seewhy.Classifier, scene: Scene, asked: Sequence[Asked], steps: int, runtime: str) -> Iterator[Row]:
    """Explain the predicted class of one photo with every Spec, and score the maps."""
    image = apply_view(open_image(scene.pixels), model.view)[0]
    fast = tune(model, image, RuntimeRequest(runtime, BATCH))[0]
    answer = Probe(fast, registry.infill("gray", model)[1], image, batch_size=BATCH)
    index = int(answer.prediction.argmax())
    for spec, infill in asked:
        method = registry.lookup("methods", spec)
        fill = registry.infill(infill or method.row.infill, model)[1]
        probe = Probe(model, fill, image, seed=scene.seed >> 1, batch_size=BATCH)  # seeds have 63 bits
        probe.prediction  # noqa: B018 - the first query of every run
        started = time.perf_counter()
        values = method.row.run(probe, [ClassEvidence(index)], **method.settings).values[f"class:{index}"]
        row: Row = {"file": scene.file, "network": model.name, "steps": steps, "method": spec, "infill": infill}
        row |= {"seconds": time.perf_counter() - started, "forward": probe.queries.forward_images - 1}
        row |= {"backward": probe.queries.backward_calls, "empty": not values.any()}
        yield row | score(answer, index, values, scene.alpha, steps)


def cached(cache: Path | None) -> list[Row]:
    """Read the rows of earlier runs."""
    lines = cache.read_text(encoding="utf-8").splitlines() if cache is not None and cache.exists() else []
    return [json.loads(line) for line in lines]


def measure(
    model: seewhy.Classifier, scene: Scene, asked: Sequence[Asked], cache: Path | None, *, steps: int, runtime: str
) -> list[Row]:
    """Examine a photo for every Spec that is not in the cache, and add the new rows to it."""
    same = [
        row for row in cached(cache) if (row["network"], row["file"], row["steps"]) == (model.name, scene.file, steps)
    ]
    rows = [row for row in same if (row["method"], row["infill"]) in asked]
    known = [(row["method"], row["infill"]) for row in rows]
    for row in examine(model, scene, [each for each in asked if each not in known], steps, runtime):
        rows.append(row)
        if cache is not None:
            with cache.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
    return rows


def ranks(values: Sequence[float], *, more: bool) -> list[float]:
    """Rank numbers, 1 for the best; equal numbers share the mean of their ranks."""
    better = [[other > one if more else other < one for other in values] for one in values]
    return [1 + sum(row) + (values.count(one) - 1) / 2 for row, one in zip(better, values, strict=True)]


def rank_rows(rows: Sequence[Row]) -> dict[Asked, dict[str, float]]:
    """Return the mean rank of each Spec on each photo, over figures and networks."""
    collected: dict[Asked, dict[str, list[float]]] = {}
    for question in dict.fromkeys((row["file"], row["network"]) for row in rows):
        chosen = [row for row in rows if (row["file"], row["network"]) == question]
        for figure, more in FIGURES.items():
            if chosen[0][figure] is not None:
                for row, rank in zip(chosen, ranks([row[figure] for row in chosen], more=more), strict=True):
                    spec = collected.setdefault((row["method"], row["infill"]), {})
                    spec.setdefault(row["file"], []).append(rank)
    return {spec: {file: statistics.fmean(all_) for file, all_ in files.items()} for spec, files in collected.items()}


def summarise(rows: Sequence[Row]) -> list[Row]:
    """Return one row per Spec, best rank first."""
    placed = rank_rows(rows)
    best = min(placed, key=lambda spec: statistics.fmean(placed[spec].values()))
    lines = []
    for spec, by_photo in sorted(placed.items(), key=lambda item: statistics.fmean(item[1].values())):
        behind = [rank - placed[best][file] for file, rank in by_photo.items()]
        mine = [row for row in rows if (row["method"], row["infill"]) == spec]
        line: Row = {"method": spec[0], "infill": spec[1], "rank": statistics.fmean(by_photo.values())}
        line |= {
            "error": error(list(by_photo.values())),
            "behind": statistics.fmean(behind),
            "behind_error": error(behind),
        }
        for figure in (*FIGURES, "seconds"):
            values = [row[figure] for row in mine if row[figure] is not None]
            line[figure] = statistics.fmean(values) if values else None
        lines.append(line | {"empty": sum(row["empty"] for row in mine)})
    return lines


def error(values: Sequence[float]) -> float | None:
    """Return the standard error of a mean; None for a single value."""
    return statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else None


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--photos",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Text file with one photo name per line.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Use at most this many photos.")
@click.option(
    "--classifier",
    "classifiers",
    multiple=True,
    help="Spec of a classifier; repeatable. Default: Lite0, if there is no other network.",
)
@click.option(
    "--mobilenet",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Weights of MobileNetV2; see networks.py.",
)
@method_option
@infill_option
@click.option(
    "--steps", default=28, show_default=True, type=click.IntRange(min=1), help="Steps of insertion and deletion."
)
@click.option(
    "--cache",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File that keeps every row, so that none is computed twice.",
)
@click.option(
    "--runtime",
    default="eager",
    show_default=True,
    type=click.Choice(RUNTIMES),
    help="Runtime of the queries of the figures.",
)
@click.option("--threads", type=click.IntRange(min=1), help="Number of CPU threads. Default: torch's choice.")
@json_option
def main(
    folder: Path,
    *,
    photos: Path | None,
    limit: int | None,
    classifiers: tuple[str, ...],
    mobilenet: Path | None,
    methods: tuple[str, ...],
    infills: tuple[str, ...],
    steps: int,
    cache: Path | None,
    runtime: str,
    threads: int | None,
    as_json: bool,
) -> None:
    """Print the figures and the average rank of each Spec."""
    settle(threads)
    listed = None if photos is None else photos.read_text(encoding="utf-8").split()[:limit]
    asked = pairs(methods, infills, DEFAULT)
    rows: list[Row] = []
    models = [seewhy.classifier(name) for name in classifiers]
    models += [mobilenet_v2(mobilenet)] if mobilenet is not None else []
    for model in models or [seewhy.classifier("efficientnet-lite0")]:
        for scene in read_located(folder, model.view, everything=True, limit=limit if photos is None else None):
            if listed is None or scene.file in listed:
                rows += measure(model, scene, asked, cache, steps=steps, runtime=runtime)
                click.echo(f"{model.name} {scene.file}", err=True)
    figures: Row = {
        "benchmark": "ibisa_choice",
        "photos": len({row["file"] for row in rows}),
        "specs": summarise(rows),
        "measurements": rows,
        "protocol": (
            f"predicted class; insertion over blur (sigma {BLUR:g}) and deletion to gray in {steps} steps; tiles to "
            f"gray in {TILE_STEPS} steps, least minus most relevant first; boxes that cover at most "
            f"{LARGEST_BOX:.0%}; ranks averaged over figures and networks for each photo; "
            f"{', '.join(dict.fromkeys(row['network'] for row in rows))}; runtime of the figures: {runtime}"
        ),
        **environment(),
    }
    publish(figures, as_json=as_json, unprinted=("measurements",))


if __name__ == "__main__":
    main()
