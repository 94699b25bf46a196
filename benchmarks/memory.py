"""Does memory grow with the number of queries?

Claims: it does not. A run of 20,000 queries needs no more memory than one of 1,000, since the methods keep sums per
pixel and nothing per query. An image of 12 megapixels, explained at its own size with 1,000 queries of `rise`, needs
less than 2 GB more than the idle process.

Protocol: each run is a fresh process that imports seewhy, builds the classifier and explains one photo within a budget.
Its peak resident memory is read at the end (including import and classifier, but not saving and drawing). ``idle`` is
the same process after import and five queries.

With ``--megapixels``, the photo is enlarged to that size (bicubic, keeping the aspect ratio) and the mean-colour
classifier receives it at its own size. The run is saved as well, so the peak includes maps, overview and report.
``idle`` has then opened the enlarged photo without querying it. There is one run per method, size and number of
queries.

``python benchmarks/memory.py PHOTO [--queries N]... [--megapixels N]... [--method SPEC]... [--infill SPEC]...
[--classifier SPEC] [--json]``; the default classifier is a soft-max of the image's mean colour at 224 x 224, so that
20,000 queries are cheap. For the second claim: ``--megapixels 0.25 --megapixels 1 --megapixels 4 --megapixels 12
--queries 1000 --method rise``.
"""

import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from multiprocessing import get_context
from pathlib import Path

import click
import numpy as np
from common import Asked, Row, classifier_option, environment, infill_option, json_option, method_option, pairs, publish
from jaxtyping import Float, UInt8
from PIL import Image

import seewhy

DEFAULT: tuple[Asked, ...] = (
    ("pmi:size=32,stride=1,samples=4", "donor"),
    ("occlusion:size=32,stride=1", "gray"),
    ("rise:masks=1000000", "gray"),
)
TINY = "mean-colour"
STATUS = Path("/proc/self/status")


def mean_colour(pictures: UInt8[np.ndarray, "n h w 3"]) -> Float[np.ndarray, "n 3"]:
    """Return three logits: the mean of each channel, 0 to 10."""
    logits: Float[np.ndarray, "n 3"] = pictures.mean((1, 2), dtype=np.float32) / np.float32(25.5)
    return logits


def build(spec: str) -> seewhy.Classifier:
    """Build the requested classifier, or the tiny one."""
    return seewhy.classifier(mean_colour, size=224, outputs="logits") if spec == TINY else seewhy.classifier(spec)


def enlarged(photo: Path, megapixels: float) -> Image.Image:
    """Open the photo and resize it to a number of megapixels (10**6 pixels)."""
    with Image.open(photo) as opened:
        picture = opened.convert("RGB")
    factor = (megapixels * 1e6 / (picture.width * picture.height)) ** 0.5
    return picture.resize((round(picture.width * factor), round(picture.height * factor)), Image.Resampling.BICUBIC)


def peak() -> float:
    """Return the largest resident memory of this process so far, in MB (2**20 bytes)."""
    if STATUS.exists():  # on Linux ru_maxrss survives exec: a child's is never less than its parent's
        line = next(line for line in STATUS.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    import resource  # noqa: PLC0415 - not available on every system

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)


def idle(spec: str, photo: Path) -> Row:
    """Build the classifier, run a few queries, and return the memory used."""
    seewhy.explain(build(spec), photo, method="rise:masks=4,cells=2", infill="gray")
    return {"peak_mb": peak()}


def run(spec: str, photo: Path, asked: Asked, queries: int) -> Row:
    """Explain within a budget; return the number of queries, the time and the memory used."""
    found = seewhy.explain(build(spec), photo, method=asked[0], infill=asked[1], budget=queries)
    return {"queries": found.queries.forward_images, "peak_mb": peak(), "seconds": found.seconds}


def idle_native(photo: Path, megapixels: float) -> Row:
    """Open the enlarged photo and the classifier, and explain a tiny image."""
    picture = enlarged(photo, megapixels)
    seewhy.explain(mean_colour_native(), picture.resize((32, 32)), method="rise:masks=8,cells=2", infill="gray")
    return {"peak_mb": peak()}


def run_native(photo: Path, megapixels: float, asked: Asked, queries: int) -> Row:
    """Explain the enlarged photo at its own size, save it, and return the memory and disk space used."""
    picture = enlarged(photo, megapixels)
    found = seewhy.explain(mean_colour_native(), picture, method=asked[0], infill=asked[1], budget=queries)
    explained = peak()
    with tempfile.TemporaryDirectory() as folder:
        report = found.save(folder) / "report.html"
        size = report.stat().st_size / 2**20
    row: Row = {"queries": found.queries.forward_images, "peak_explained_mb": explained, "peak_mb": peak()}
    return row | {"report_mb": size, "seconds": found.seconds}


def mean_colour_native() -> seewhy.Classifier:
    """Return the tiny classifier, which receives each image at its own size."""
    return seewhy.classifier(mean_colour, outputs="logits")


def measure_native(
    photo: Path, megapixels: Sequence[float], asked: Sequence[Asked], queries: Sequence[int]
) -> list[Row]:
    """Run each size, method and number of queries in its own process, and compare it with an idle process."""
    rows: list[Row] = []
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as fresh:
        for size in megapixels:
            base = fresh.submit(idle_native, photo, size).result()["peak_mb"]
            for one, number in product(asked, queries):
                found = fresh.submit(run_native, photo, size, one, number).result()
                row: Row = {"method": one[0], "infill": one[1], "megapixels": size, **found, "idle_mb": base}
                rows.append(row | {"above_idle_mb": found["peak_mb"] - base})
    return rows


def measure(spec: str, photo: Path, asked: Sequence[Asked], queries: Sequence[int]) -> list[Row]:
    """Run each method with each number of queries, each run in its own process, in sequence."""
    rows: list[Row] = []
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as fresh:
        rows.append({"method": "idle", **fresh.submit(idle, spec, photo).result()})
        for one in asked:
            for number in queries:
                found = fresh.submit(run, spec, photo, one, number).result()
                rows.append({"method": one[0], "infill": one[1], "asked": number, **found})
    return rows


def compare(rows: Sequence[Row]) -> list[Row]:
    """Compare the run with the most queries with the one with the fewest, for each method."""
    groups = dict.fromkeys((row["method"], row["infill"]) for row in rows if "queries" in row)
    lines = []
    for group in groups:
        runs = sorted(
            (row for row in rows if (row["method"], row.get("infill")) == group), key=lambda row: row["queries"]
        )
        few, many = runs[0], runs[-1]
        line: Row = {"method": group[0], "infill": group[1], "fewest": few["queries"], "most": many["queries"]}
        line |= {"growth_mb": many["peak_mb"] - few["peak_mb"], "ratio": many["peak_mb"] / few["peak_mb"]}
        lines.append(line)
    return lines


def growth(rows: Sequence[Row], classifier: str) -> Row:
    """Assemble the figures of the first claim."""
    changes = compare(rows)
    return {
        "benchmark": "memory",
        "runs": rows,
        "growth": changes,
        "largest_growth_mb": max(change["growth_mb"] for change in changes),
        "largest_ratio": max(change["ratio"] for change in changes),
        "protocol": (
            f"one photo, classifier {classifier}, batches of 4; each run in a fresh process within the requested "
            "budget (queries: those actually used, without the 7 of the classifier checks); peak resident memory of "
            "the process after explain(), in MB of 2**20 bytes; idle: after import and five queries; growth and "
            "ratio: most against fewest queries"
        ),
        **environment(),
    }


def native(rows: Sequence[Row], largest: float) -> Row:
    """Assemble the figures of the second claim."""
    return {
        "benchmark": "memory",
        "runs": rows,
        "largest_above_idle_mb": max(row["above_idle_mb"] for row in rows if row["megapixels"] == largest),
        "protocol": (
            "one photo enlarged to the given megapixels (10**6 pixels), passed to a function classifier at its own "
            "size in batches chosen by seewhy, the three most probable classes; each run in a fresh process; peak "
            "resident memory of the process in MB of 2**20 bytes, after explain() and after save(); idle: the "
            "enlarged photo open, an image of 32 x 32 explained"
        ),
        **environment(),
    }


@click.command()
@click.argument("photo", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--queries",
    multiple=True,
    type=click.IntRange(min=2),
    default=(1000, 20000),
    show_default=True,
    help="Query budget; repeatable.",
)
@click.option("--megapixels", multiple=True, type=float, help="Explain the photo enlarged to this size; repeatable.")
@classifier_option(TINY)
@method_option
@infill_option
@json_option
def main(
    photo: Path,
    *,
    queries: tuple[int, ...],
    megapixels: tuple[float, ...],
    classifier: str,
    methods: tuple[str, ...],
    infills: tuple[str, ...],
    as_json: bool,
) -> None:
    """Print the peak memory of runs with few and many queries."""
    asked = pairs(methods, infills, DEFAULT)
    if megapixels:
        if classifier != TINY:
            raise click.UsageError(
                f"expected no --classifier with --megapixels, got {classifier}; omit it, the mean-colour classifier "
                "is used"
            )
        figures = native(measure_native(photo, megapixels, asked, queries), largest=max(megapixels))
    else:
        figures = growth(measure(classifier, photo, asked, queries), classifier)
    publish(figures, as_json=as_json)


if __name__ == "__main__":
    main()
