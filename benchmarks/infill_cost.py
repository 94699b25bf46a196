"""What does an in-fill cost compared with the classifier?

Protocol: (1) images per second of each in-fill and of the classifier, in batches as `pmi` uses them: windows of 8 × 8,
with several samples of each if the in-fill is stochastic. Every round times all of them once on new windows; the first
round is not counted. ``ratio`` is the median over rounds of the in-fill's images per second divided by the classifier's
in the same round (above 1: the in-fill is faster); ``low`` and ``high`` are the quartiles. (2) ``explain`` with `pmi`
and each in-fill: the fraction of its total time that is spent in the in-fill.

``python benchmarks/infill_cost.py PHOTO [--infill SPEC]... [--batch 4 --batch 8] [--rounds 30] [--method pmi]
[--threads 1] [--json]``. Component (2) uses 13,336 queries with the defaults.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click
import numpy as np
import torch
from common import (
    Row,
    about_infills,
    build_infills,
    classifier_option,
    compared_option,
    environment,
    json_option,
    publish,
    settle,
    threads_option,
)
from jaxtyping import Float
from questions import removed

import seewhy
from seewhy.core.arrays import Image, Images, Keep, Seeds
from seewhy.core.infill import Infill
from seewhy.images.open import open_image
from seewhy.images.view import apply_view
from seewhy.methods.windows._windows import SAMPLES

SIZE = 8
"""Side of a window, in pixels."""

Turn = Callable[[], object]
"""A call that is timed."""


@dataclass
class Timed:
    """An in-fill that records the seconds spent in it."""

    infill: Infill
    seconds: float = 0.0

    @property
    def stochastic(self) -> bool:
        """Whether the in-fill is stochastic."""
        return self.infill.stochastic

    @property
    def checksum(self) -> str | None:
        """The checksum of the in-fill."""
        return self.infill.checksum

    def __call__(self, image: Image, keep: Keep, seeds: Seeds) -> Images:
        """Fill in, and add the time taken."""
        start = time.perf_counter()
        filled = self.infill(image, keep, seeds)
        self.seconds += time.perf_counter() - start
        return filled


def seconds(turn: Turn) -> float:
    """Time one call."""
    start = time.perf_counter()
    turn()
    return time.perf_counter() - start


def turns(
    classifier: seewhy.Classifier, infills: Mapping[str, Infill], image: Image, batch: int, rng: np.random.Generator
) -> list[Turn]:
    """Prepare one round on new windows: the classifier, then each in-fill."""
    height, width = image.shape[1:]
    pictures = image.repeat(batch, 1, 1, 1)
    found: list[Turn] = [partial(classifier, pictures)]
    for infill in infills.values():
        samples = min(batch, SAMPLES) if infill.stochastic else 1
        places = rng.integers(0, (height - SIZE + 1, width - SIZE + 1), (batch // samples, 2))
        keep, seeds = removed(torch.from_numpy(places).to(image.device), samples, SIZE, (height, width))
        found.append(partial(infill, image, keep, seeds))
    return found


def speeds(
    classifier: seewhy.Classifier, infills: Mapping[str, Infill], image: Image, batch: int, rounds: int
) -> list[Row]:
    """Time the classifier and all in-fills in every round, and return one row for each."""
    rng = np.random.default_rng(0)
    with torch.no_grad():
        taken = [[seconds(turn) for turn in turns(classifier, infills, image, batch, rng)] for _ in range(rounds + 1)]
    times: Float[np.ndarray, "r n"] = np.array(taken[1:])
    low, middle, high = np.quantile(times[:, :1] / times, [0.25, 0.5, 0.75], axis=0).tolist()
    per_second = (batch / np.median(times, axis=0)).tolist()
    names = ["classifier", *infills]
    return [
        {"infill": name, "batch": batch, "pictures_per_second": rate, "ratio": m, "low": a, "high": b}
        for name, rate, m, a, b in zip(names, per_second, middle, low, high, strict=True)
    ]


def share(classifier: seewhy.Classifier, photo: Path, method: str, name: str, infill: Infill) -> Row:
    """Explain the photo and return the fraction of the time spent in the in-fill."""
    timed = Timed(infill)
    start = time.perf_counter()
    explanation = seewhy.explain(classifier, photo, method=method, infill=timed)
    whole = time.perf_counter() - start
    queries = explanation.queries.forward_images
    return {"infill": name, "queries": queries, "seconds": whole, "infill_share": timed.seconds / whole}


@click.command()
@click.argument("photo", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@classifier_option("efficientnet-lite0")
@compared_option
@click.option(
    "--batch",
    "batches",
    multiple=True,
    default=(4, 8),
    show_default=True,
    type=click.IntRange(min=1),
    help="Batch size; repeatable.",
)
@click.option(
    "--rounds", default=30, show_default=True, type=click.IntRange(min=1), help="Number of rounds that are counted."
)
@click.option("--method", default="pmi", show_default=True, help="Spec of the method for part (2).")
@threads_option
@json_option
def main(
    photo: Path,
    *,
    classifier: str,
    infills: tuple[str, ...],
    batches: tuple[int, ...],
    rounds: int,
    method: str,
    threads: int | None,
    as_json: bool,
) -> None:
    """Print the speed of in-fills relative to the classifier.

    Their share of an explanation's time is printed as well.
    """
    settle(threads)
    model = seewhy.classifier(classifier)
    built = build_infills(infills, model)
    image = apply_view(open_image(photo), model.view)[0].to(model.device)
    shares = []
    for name, infill in built.items():
        shares.append(share(model, photo, method, name, infill))
        click.echo(f"{len(shares)}/{len(built)} {name}", err=True)
    figures: Row = {
        "benchmark": "infill_cost",
        "speeds": [row for batch in batches for row in speeds(model, built, image, batch, rounds)],
        "shares": shares,
        "infills": about_infills(infills, model),
        "protocol": (
            f"one photo, {model.name}, {model.view.describe()}; speeds: windows of {SIZE} × {SIZE}, per batch up to "
            f"{SAMPLES} samples of a window if the in-fill is stochastic, else one; {rounds} rounds after one that is "
            "not counted, each in-fill once per round, on new windows; ratio: images per second over the "
            "classifier's in the same round, median, low and high: quartiles; shares: of the total time of explain() "
            f"with {method}, including the classifier checks and the in-fills drawn again for the report; freed "
            "memory is kept, as by the command line"
        ),
        **environment(),
    }
    publish(figures, as_json=as_json, unprinted=("infills",))


if __name__ == "__main__":
    main()
