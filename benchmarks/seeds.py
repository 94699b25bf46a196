"""Do maps satisfy their formulas at any batch size, and are their error bars right?

Claims: (1) IG = Σ_y p(y|x) PMI(y) at every pixel, a contrast is the difference of its classes, and uncorrected IG is
never negative, all up to float rounding; (2) the batch size does not change a map beyond rounding, and the same seed
gives the same map; (3) maps of two other seeds differ as their standard errors predict.

Protocol: a small sweep (``--method``, ``--infill``) of each photo with the real classifier. For (1), PMI is computed
for every class, ``--classes`` at a time with the same seed, so with the same answers. For (3), z = (map 1 - map 2) /
sqrt(se 1² + se 2²) at each pixel: with exact Gaussian errors, |z| <= 2 for a fraction of 0.954 and mean |z| = 0.798.
Errors that are themselves estimated from 4 samples make z more like Student's t with 6 degrees of freedom: 0.908 and
0.919.

``python benchmarks/seeds.py PHOTO... [--method SPEC] [--infill SPEC] [--errors-method SPEC] [--errors-infill SPEC]
[--classifier SPEC] [--json]``; the defaults use about 3,260 queries per photo with 1,000 classes.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import click
import numpy as np
import torch
from common import Row, classifier_option, environment, interval, json_option, largest_difference, publish
from jaxtyping import Float

import seewhy
from seewhy.core.attribution import Map
from seewhy.core.probe import as_distributions

Ask = Callable[..., seewhy.Explanation]
"""``seewhy.explain`` with classifier, photo and in-fill bound."""

BATCHES = (1, 7, 64)
SEEDS = (1, 2)
WORST = ("identity", "identity_uncorrected", "contrast", "batch")


def uncorrected(method: str) -> str:
    """Return the method's Spec without the correction for few samples."""
    spec = seewhy.Spec.parse(method)
    return str(seewhy.Spec(spec.name, {**spec.settings, "correction": "none"}))


def sum_and_information(ask: Ask, prediction: Float[np.ndarray, " k"], step: int) -> tuple[Map, Map]:
    """Return Σ_y p(y|x) PMI(y) over all classes, and IG, from the same set of answers."""
    total = np.zeros(())
    for start in range(0, len(prediction), step):
        classes = range(start, min(start + step, len(prediction)))
        maps = ask(targets=["information", *classes]).maps
        total = total + np.sum([prediction[index] * maps[f"class:{index}"].astype(np.float64) for index in classes], 0)
    return total, maps["information"].astype(np.float64)


def identities(ask: Ask, classifier: seewhy.Classifier, method: str, step: int) -> Row:
    """Measure the deviations from the formulas."""
    first = ask(method=method)
    image = torch.from_numpy(first.samples.image)[None].to(classifier.device)
    with torch.no_grad():
        prediction = as_distributions(classifier(image), 1)[0].cpu().numpy()
    total, information = sum_and_information(partial(ask, method=method), prediction, step)
    plain_total, plain = sum_and_information(partial(ask, method=uncorrected(method)), prediction, step)
    a, b = (entry.index for entry in first.predicted[:2])
    maps = ask(method=method, targets=[a, b, ("contrast", a, b)]).maps
    difference = maps[f"class:{a}"].astype(np.float64) - maps[f"class:{b}"]
    return {
        "identity": float(np.abs(total - information).max()),
        "identity_uncorrected": float(np.abs(plain_total - plain).max()),
        "lowest_information": float(plain.min()),
        "contrast": float(np.abs(difference - maps[f"contrast:{a}/{b}"]).max()),
    }


def seed_reproducibility(ask: Ask) -> Row:
    """Compare batch sizes, and repeat one seed."""
    runs = [ask(batch_size=size).maps for size in BATCHES]
    again = ask(batch_size=BATCHES[0]).maps
    same = all(np.array_equal(values, again[key]) for key, values in runs[0].items())
    return {"batch": max(largest_difference(runs[0], run) for run in runs[1:]), "same_seed_same_map": same}


def coverage(ask: Ask) -> Row:
    """Compare the difference of two seeds with its standard error, for the information and the top classes."""
    one, two = (ask(seed=seed) for seed in SEEDS)
    if not one.stderr:
        raise click.UsageError(
            "expected a method with standard errors, got none; use at least 2 samples and a stochastic in-fill"
        )
    scores = {key: _scores(one.maps[key], two.maps[key], one.stderr[key], two.stderr[key]) for key in one.maps}
    row: Row = {}
    for name, keys in (
        ("information", ["information"]),
        ("classes", [key for key in scores if key.startswith("class:")]),
    ):
        row[f"{name}_within_2"] = float(np.mean([(scores[key] <= 2).mean() for key in keys]))
        row[f"{name}_mean_z"] = float(np.mean([scores[key].mean() for key in keys]))
    return row


def _scores(one: Map, two: Map, one_error: Map, two_error: Map) -> Float[np.ndarray, "h w"]:
    """Return |z| at each pixel; 0 where two windows agree exactly, whatever the error."""
    gap = np.abs(one.astype(np.float64) - two)
    error = np.sqrt(one_error.astype(np.float64) ** 2 + two_error.astype(np.float64) ** 2)
    scores: Float[np.ndarray, "h w"] = np.where(gap > 0, gap / np.maximum(error, np.finfo(np.float64).tiny), 0)
    return scores


def summarise(rows: Sequence[Row]) -> list[Row]:
    """Return the worst case of each identity over the photos, and means with intervals for the error bars."""
    numbers = {key: [row[key] for row in rows] for key in rows[0] if key not in {"photo", "same_seed_same_map"}}
    worst = [{"figure": f"largest {key}", "value": max(numbers[key])} for key in WORST]
    lowest = [{"figure": "lowest information, uncorrected", "value": min(numbers["lowest_information"])}]
    same = [
        {"figure": "photos with identical maps when repeated", "value": sum(row["same_seed_same_map"] for row in rows)}
    ]
    means = [
        {"figure": f"mean {key}", "value": found["mean"], "low": found["low"], "high": found["high"]}
        for key, found in ((key, interval(values)) for key, values in numbers.items() if key.endswith(("_2", "_z")))
    ]
    return [*worst, *lowest, *same, *means]


@click.command()
@click.argument("photos", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@classifier_option("efficientnet-lite0")
@click.option("--method", default="pmi:size=32,stride=32", show_default=True, help="Spec of a PMI sweep.")
@click.option("--infill", default="donor", show_default=True, help="Spec of a stochastic in-fill.")
@click.option("--classes", default=250, show_default=True, help="Number of class maps in memory at once.")
@click.option("--errors-method", help="Spec of the sweep whose errors are tested. Default: that of --method.")
@click.option("--errors-infill", help="In-fill of --errors-method. Default: that of --infill.")
@json_option
def main(
    photos: tuple[Path, ...],
    *,
    classifier: str,
    method: str,
    infill: str,
    classes: int,
    errors_method: str | None,
    errors_infill: str | None,
    as_json: bool,
) -> None:
    """Test the identities and the standard errors of PMI maps."""
    model = seewhy.classifier(classifier)
    rows: list[Row] = []
    for photo in photos:
        ask: Ask = partial(seewhy.explain, model, photo, infill=infill)
        exact, chosen = identities(ask, model, method, classes), partial(ask, method=method)
        with_errors = partial(ask, method=errors_method or method, infill=errors_infill or infill)
        rows.append({"photo": photo.name, **exact, **seed_reproducibility(chosen), **coverage(with_errors)})
        click.echo(f"{len(rows)}/{len(photos)} {photo.name}", err=True)
    figures: Row = {
        "benchmark": "seeds",
        "photos": rows,
        "summary": summarise(rows),
        "protocol": (
            f"{len(photos)} photos, {model.name}, {method}, in-fill {infill}; nats; identity: largest difference over "
            "pixels between Σ_y p(y|x) PMI(y) over all classes and IG, corrected by default and uncorrected; "
            "contrast: of the two top classes, from the difference of their maps; batch: largest change of a map "
            f"from batch size {BATCHES[0]} to {BATCHES[1:]}; within_2 and mean_z ({errors_method or method}, in-fill "
            f"{errors_infill or infill}): |difference| of seeds {SEEDS} over its standard error, all pixels "
            "(information, and the mean over the 3 top classes), Gaussian 0.954 and 0.798, t with 6 degrees of "
            "freedom (4 samples) 0.908 and 0.919; low and high: 95 % bootstrap over photos, 2,000 resamples, seed 0"
        ),
        **environment(),
    }
    publish(figures, as_json=as_json)


if __name__ == "__main__":
    main()
