"""How should `additive` read the answers to random grids? Variants of the score, the prior, the pairs and the in-fill.

Claim: none; this is how the defaults of `additive` were chosen.

Protocol: photos of a list, in order, whose predicted class is the labelled one. That class is explained by every
variant in `VARIANTS`, which share the queries of one in-fill: a variant with fewer samples reads the first of them.
``single`` replaces the half differences of pairs by the deviations of all queries from their mean. ``deletion`` is the
area under RISE's curve (28 steps, into the mean colour); ``insertion`` is from the image blurred with sigma 10,
``insertion_rise`` from RISE's own blur; ``gain`` and ``gain_rise`` are these minus deletion, with the 95 % bootstrap
interval of the former over the photos. ``mass`` is the share of the positive values in the boxes. ``agreement`` is
Spearman's correlation, over the pixels, of the maps of the first and the second half of the queries, for variants that
read at most half. ``--rise N`` adds `rise` with N masks and its usual in-fill.

``python benchmarks/additive_choice.py FOLDER [--only LIST] [--photos N] [--variant NAME]... [--rise N] [--threads N]
[--classifier SPEC] [--json]``; the folder has a ``labels.csv`` with classes and boxes. The defaults use about 2,700 queries per
photo and network.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import click
import torch
from black_box_frontier import Subject, known, subjects
from common import (
    Row,
    classifier_option,
    environment,
    finite,
    interval,
    json_option,
    photo_options,
    publish,
    runtime_option,
    settle,
    threads_option,
)
from jaxtyping import Float
from scipy.stats import spearmanr
from torch import Tensor

import seewhy
from seewhy.core.attribution import Map, as_map
from seewhy.core.probe import Answers
from seewhy.core.seeds import derive
from seewhy.core.target import ClassEvidence
from seewhy.images.labelled import list_labelled
from seewhy.methods.sampling import _smooth_regression as regression
from seewhy.methods.sampling import additive
from seewhy.methods.sampling._soft_grids import Lattice, draw

SAMPLES = 600
BATCH = 40
MEASURES = {
    "deletion": ("deletion", "gray"),
    "insertion": ("insertion", "blur"),
    "insertion_rise": ("insertion", "rise-blur"),
    "mass": ("energy-in-box", "gray"),
}


@dataclass(frozen=True)
class Variant:
    """How the answers are read; the defaults are those of `additive`."""

    samples: int = 300
    score: additive.Score = "log-odds"
    infill: str = "blur"
    level: float = regression.LEVEL
    lengths: tuple[float, ...] = regression.LENGTHS
    floor: float = 1e-4
    single: bool = False


VARIANTS = {
    "100": Variant(100),
    "300": Variant(),
    "600": Variant(600),
    "single": Variant(single=True, level=0.0),
    "pairs, no level": Variant(level=0.0),
    "length 1.5": Variant(lengths=(1.5,)),
    "length 4": Variant(lengths=(4.0,)),
    "length 1 to 4": Variant(lengths=(1.0, *regression.LENGTHS)),
    "length 1.5 to 6": Variant(lengths=(*regression.LENGTHS, 6.0)),
    "floor .01": Variant(floor=1e-2),
    "log p": Variant(score="log-probability"),
    "p": Variant(score="probability"),
    "gray": Variant(infill="gray"),
    "gray 600": Variant(600, infill="gray"),
}


@dataclass(frozen=True, eq=False)
class Asked:
    """The answers to the grids of one photo, and how much each lattice point was kept."""

    lattice: Lattice
    kept: Float[Tensor, "n m"]
    answers: Answers
    prediction: Float[Tensor, " k"]

    @classmethod
    def of(cls, subject: Subject, infill: str, samples: int) -> "Asked":
        """Query the grids that `additive` shows with seed 0."""
        probe = subject.probe(infill)
        lattice = Lattice.over(probe.size, 28, probe.image.device)
        kept, answers = [], []
        for numbers in torch.split(torch.arange(samples, device=probe.image.device), BATCH):
            grids = draw(0, numbers, probe.size)
            kept.append(grids.sums(lattice))
            answers.append(probe(grids.keep(*probe.size), derive(0, numbers)))
        return cls(lattice, torch.cat(kept), torch.cat(answers), probe.prediction)

    def map(self, label: int, variant: Variant, start: int = 0) -> Map:
        """Return the map that a variant reads from its number of queries, from ``start`` on."""
        some = slice(start, start + variant.samples)
        x = self.kept[some]
        sums = regression.Sums.start(x.shape[1], 1, x.device)
        with (
            patch.object(regression, "LEVEL", variant.level),
            patch.object(regression, "LENGTHS", variant.lengths),
            patch.object(additive, "_FLOOR", variant.floor),
        ):
            y = additive.scores([ClassEvidence(label)], self.prediction, variant.score)(self.answers[some])
            sums.add(*(_mirrored(x), _mirrored(y)) if variant.single else (x, y))
            return as_map(next(regression.posteriors(sums, self.lattice)).values())


def _mirrored(values: Float[Tensor, "n k"]) -> Float[Tensor, "twice k"]:
    """Follow each row's deviation from the mean by its negative, so that their half difference is the deviation."""
    deviations = values - values.mean(0)
    return torch.stack([deviations, -deviations], 1).flatten(0, 1)


def judge(subject: Subject, values: Map) -> Row:
    """Score a map by every measure."""
    row = subject.measure(values, MEASURES)
    return row | {"gain_rise": row["insertion_rise"] - row["deletion"]}


def examine(subject: Subject, names: Sequence[str], rise: int | None) -> Iterator[Row]:
    """Explain one photo by every variant."""
    asked: dict[str, Asked] = {}
    for name in names:
        variant = VARIANTS[name]
        if variant.infill not in asked:
            asked[variant.infill] = Asked.of(subject, variant.infill, SAMPLES)
        found = asked[variant.infill]
        values = found.map(subject.label, variant)
        row: Row = {"photo": subject.name, "variant": name, "samples": variant.samples, "agreement": math.nan}
        if 2 * variant.samples <= SAMPLES:
            other = found.map(subject.label, variant, start=variant.samples)
            row["agreement"] = float(spearmanr(values.ravel(), other.ravel())[0])
        yield row | judge(subject, values)
    if rise is not None:
        values, _ = subject.explain(f"rise:masks={rise}", None)
        row = {"photo": subject.name, "variant": f"rise {rise}", "samples": rise, "agreement": math.nan}
        yield row | judge(subject, values)


def summarise(rows: Sequence[Row]) -> list[Row]:
    """Average over the photos, in the order of the variants."""
    lines = []
    for name in dict.fromkeys(row["variant"] for row in rows):
        some = [row for row in rows if row["variant"] == name]
        line: Row = {"variant": name, "samples": some[0]["samples"]}
        gain = interval([row["gain"] for row in some])
        line |= {"gain": gain["mean"], "low": gain["low"], "high": gain["high"]}
        for key in ("gain_rise", "deletion", "insertion", "insertion_rise", "mass", "agreement"):
            line[key] = known([row[key] for row in some])
        lines.append(line)
    return lines


@click.command()
@photo_options(12)
@click.option(
    "--variant", "names", multiple=True, type=click.Choice(list(VARIANTS)), default=list(VARIANTS), help="Repeatable."
)
@click.option("--rise", type=click.IntRange(min=49), help="Masks of `rise`, for comparison.")
@threads_option
@classifier_option("efficientnet-lite0")
@runtime_option
@json_option
def main(
    folder: Path,
    *,
    only: Path | None,
    photos: int,
    names: tuple[str, ...],
    rise: int | None,
    threads: int | None,
    classifier: str,
    runtime: str,
    as_json: bool,
) -> None:
    """Print the figures of each variant."""
    settle(threads)
    model = seewhy.classifier(classifier)
    rows: list[Row] = []
    for subject in subjects(list_labelled(folder, only), model, runtime, photos):
        rows += examine(subject, names, rise)
        click.echo(subject.name, err=True)
    figures: Row = {
        "benchmark": "additive_choice",
        "photos": len({row["photo"] for row in rows}),
        "variants": summarise(rows),
        "measurements": finite(rows),
        "protocol": f"predicted class, correctly classified photos, {model.name}, 28 steps, one seed",
        **environment(),
    }
    publish(figures, as_json=as_json, unprinted=("measurements",))


if __name__ == "__main__":
    main()
