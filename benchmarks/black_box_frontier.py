"""Which black-box method gives the best maps for a given number of queries?

Claim: none by itself; the script draws the cost-quality frontier shown in `docs/explanation/black-box.md`.

Protocol: photos of a list, in order, whose predicted class is the labelled one. That class is explained with one seed,
by every method with its usual in-fill and its default settings except for those in `CHOICES`, at each budget of
queries. ``insertion`` and ``deletion`` are areas under the curve as in RISE's evaluation (28 steps; the authors' blur,
the classifier's mean colour). ``gain`` is insertion minus deletion, and ``low`` to ``high`` is its 95 % bootstrap
interval over the photos. ``on_object`` is the fraction of the highest pixels that lie in the boxes, for as many pixels
as the boxes have. ``energy`` is the fraction of the positive values in the boxes; a uniform map scores ``area``, and
the measure is unfair to maps without a natural zero. ``queries`` and ``seconds`` are means of the queries used and of
the time, in-fills included. ``frontier`` is ``*`` if no other line has a higher mean gain for at most as many queries.
The controls do not use the classifier.

``python benchmarks/black_box_frontier.py FOLDER [--only LIST] [--photos N] [--budget N]... [--method NAME]...
[--threads N] [--classifier SPEC] [--json]``; the folder has a ``labels.csv`` with classes and boxes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
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
from jaxtyping import Bool

import seewhy
from seewhy import registry
from seewhy.core.arrays import Image
from seewhy.core.attribution import Map
from seewhy.core.budget import Budget
from seewhy.core.classifier import Classifier
from seewhy.core.metric import MetricInput
from seewhy.core.probe import Probe
from seewhy.core.target import ClassEvidence
from seewhy.explaining.prepared import prepare_classifier
from seewhy.explaining.request import prepare
from seewhy.images.labelled import Labelled, list_labelled, region
from seewhy.images.view import apply_view

CHOICES: dict[str, dict[int, str]] = {
    "occlusion": {0: "occlusion"},
    "pmi": {0: "pmi:size=32", 200: "pmi:size=16", 800: "pmi"},
    "rise": {0: "rise:masks={n}"},
    "faded-rise": {0: "faded-rise:samples={n}"},
    "kernel-shap": {0: "kernel-shap:segments=20,samples={n}", 200: "kernel-shap:samples={n}"},
    "lime": {0: "lime:segments=20,samples={n}", 200: "lime:samples={n}"},
    "hsic": {0: "hsic:samples={n}"},
    "sobol": {0: "sobol:grid=4,samples={power}", 300: "sobol:samples={power}"},
    "aise": {0: "aise:preset=speed", 300: "aise:preset=balance", 500: "aise:preset=quality"},
}
"""Maps each method to its Spec from a given minimum budget on; smaller budgets use larger regions."""

CONTROLS = ("random", "center", "edges")
MEASURES = ("insertion", "deletion", "box-ratio", "energy-in-box")
_BATCH = 16


def specs(methods: Sequence[str], budgets: Sequence[int]) -> Iterator[tuple[str, int | None]]:
    """List the runs: each method at each budget, and the controls once."""
    for budget in sorted(budgets):
        even, power = (budget - 2) // 2 * 2, 2 ** int(np.log2(budget))
        for name in methods:
            least = max(least for least in CHOICES[name] if least <= budget)
            yield CHOICES[name][least].format(n=even, power=power), budget
    yield from ((name, None) for name in CONTROLS)


@dataclass(frozen=True, eq=False)
class Subject:
    """A correctly classified photo, with the classifier prepared for it."""

    classifier: Classifier
    image: Image
    label: int
    inside: Bool[np.ndarray, "h w"]
    name: str

    @classmethod
    def open(cls, photo: Labelled, model: seewhy.Classifier, runtime: str) -> "Subject | None":
        """Open a photo; None if it is misclassified, or if its boxes cover all or nothing of the view."""
        picture = photo.open()
        image, frame = apply_view(picture, model.view)
        inside = region(photo.boxes, frame)
        if inside is None or inside.all() or not inside.any() or photo.label is None:
            return None
        request = prepare(model, method="rise", budget=4000, runtime=runtime)
        ready = prepare_classifier(request, image).for_image(request, image).classifier
        predicted = int(ready(image[None].to(ready.device))[0].argmax())
        return cls(ready, image, photo.label, inside, photo.path.name) if predicted == photo.label else None

    def probe(self, infill: str, budget: int | None = None) -> Probe:
        """Bind an in-fill and a budget to the photo."""
        built = registry.infill(infill, self.classifier)[1]
        return Probe(self.classifier, built, self.image, budget=Budget(queries=budget), batch_size=_BATCH)

    def explain(self, text: str, budget: int | None) -> tuple[Map, Row]:
        """Run a method; return its map and what it cost."""
        method = registry.lookup("methods", text)
        probe = self.probe(method.row.usual_infill(method.settings), budget)
        probe.prediction  # noqa: B018 - the property runs the first query
        maps = method.row.run(probe, [ClassEvidence(self.label)], **method.settings)
        cost = {"queries": probe.queries.forward_images, "seconds": probe.seconds}
        return maps.values[f"class:{self.label}"], {"photo": self.name, "method": text, "budget": budget, **cost}

    def measure(self, values: Map, measures: Mapping[str, tuple[str, str]]) -> Row:
        """Evaluate a map by measures: name of the column → metric and in-fill; the gain is insertion minus deletion."""
        given = MetricInput(self.label, self.inside)
        row: Row = {
            name: registry.METRICS[metric].run(self.probe(infill), values, given).value
            for name, (metric, infill) in measures.items()
        }
        return {**row, "gain": row["insertion"] - row["deletion"]}

    def run(self, text: str, budget: int | None) -> Row:
        """Run a method and evaluate its map."""
        values, row = self.explain(text, budget)
        named = {"method": registry.lookup("methods", text).name, "budget": budget or 1}
        return {
            **row,
            **named,
            **self.measure(values, {name: (name, registry.METRICS[name].infill) for name in MEASURES}),
        }


def summarise(rows: Sequence[Row]) -> list[Row]:
    """Average over the photos, and mark the frontier."""
    groups: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["method"], row["budget"]), []).append(row)
    lines: list[Row] = []
    for (method, budget), some in groups.items():
        means = {key: known([row[key] for row in some]) for key in ("queries", "seconds", *MEASURES)}
        gain = interval([row["gain"] for row in some])
        lines.append(
            {"method": method, "budget": budget, "photos": len(some), **means, "gain": gain.pop("mean"), **gain}
        )
    for line in lines:
        beaten = [other for other in lines if other["queries"] <= line["queries"] and other["gain"] > line["gain"]]
        line["frontier"] = "" if beaten else "*"
    return sorted(lines, key=lambda line: (line["budget"], -line["gain"]))


def known(values: Sequence[float]) -> float | None:
    """Return the mean of the values that are defined; None if none is."""
    defined = [value for value in values if not np.isnan(value)]
    return float(np.mean(defined)) if defined else None


def subjects(photos: Sequence[Labelled], model: seewhy.Classifier, runtime: str, count: int) -> Iterator[Subject]:
    """Yield suitable photos until there are enough."""
    for photo in photos:
        if count == 0:
            return
        if subject := Subject.open(photo, model, runtime):
            count -= 1
            yield subject


@click.command()
@photo_options(15)
@click.option(
    "--budget",
    "budgets",
    multiple=True,
    type=click.IntRange(min=50),
    default=(100, 300, 1000),
    show_default=True,
    help="Query budget; repeatable.",
)
@click.option(
    "--method",
    "methods",
    multiple=True,
    type=click.Choice(tuple(CHOICES)),
    default=tuple(CHOICES),
    help="Method to run; repeatable. Default: all.",
)
@threads_option
@runtime_option
@classifier_option("efficientnet-lite0")
@json_option
def main(
    folder: Path,
    *,
    only: Path | None,
    photos: int,
    budgets: tuple[int, ...],
    methods: tuple[str, ...],
    threads: int | None,
    runtime: str,
    classifier: str,
    as_json: bool,
) -> None:
    """Print the cost and the quality of each black-box method."""
    settle(threads)
    model = seewhy.classifier(classifier)
    rows: list[Row] = []
    areas: list[float] = []
    for subject in subjects(list_labelled(folder, only), model, runtime, photos):
        rows += [subject.run(spec, budget) for spec, budget in specs(methods, budgets)]
        areas.append(float(subject.inside.mean()))
        click.echo(f"{len(areas)} {subject.name}", err=True)
    figures: Row = {
        "benchmark": "black_box_frontier",
        "summary": summarise(rows),
        "rows": finite(rows),
        "area": float(np.mean(areas)),
        "protocol": (
            f"{len(areas)} photos whose predicted class by {model.name} is the labelled one, which is explained; one "
            "seed, usual in-fills; insertion, deletion: 28 steps, blur and mean colour of RISE; gain: insertion "
            "minus deletion, 95 % bootstrap interval over photos; box-ratio, energy-in-box: on the boxes; frontier: "
            "no other line has a higher mean gain for at most as many queries"
        ),
        **environment(),
    }
    publish(figures, as_json=as_json, unprinted=("rows",))


if __name__ == "__main__":
    main()
