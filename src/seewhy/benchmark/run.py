"""Benchmark several methods on many images by several metrics: which scores best, at what cost?"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np

from seewhy.benchmark.plan import plan_benchmark
from seewhy.benchmark.work import ImageTask, Runner
from seewhy.classifiers.tuning import Log, no_log
from seewhy.core.context import plain_torch
from seewhy.core.errors import RequestError
from seewhy.explaining.progress import ProgressLike, showing
from seewhy.images.labelled import Labelled, list_labelled
from seewhy.registry import ClassifierLike
from seewhy.results.benchmark import FILE, ROWS, TABLE, BenchmarkResult, ScoreRow, SummaryRow, caveats, flat, summarise
from seewhy.results.codec import json_bytes
from seewhy.results.folder import check_free, table_csv, write_files
from seewhy.results.report_data import MapPanel, with_margin
from seewhy.results.samples import display_copy

CACHE, IMAGES = "cache", "images"


@plain_torch()
def compare(
    classifier: ClassifierLike,
    source: str | Path,
    methods: Sequence[str],
    *,
    metrics: Sequence[str] | None = None,
    out: str | Path = "seewhy-benchmark",
    limit: int | None = None,
    only: str | Path | None = None,
    images: int = 20,
    seed: int = 0,
    batch_size: int | None = None,
    runtime: str = "auto",
    trust: bool = True,
    device: str | None = None,
    max_megapixels: float = 200.0,
    progress: ProgressLike = False,
    log: Log = no_log,
) -> BenchmarkResult:
    """Explain each image by every method, score every map by every metric, and rank the methods and their cost.

    The predicted class of each image is explained and scored. The controls, methods that ignore the classifier, are always
    included. What is done is kept in ``out``: an interrupted run resumes, and methods, metrics and images can be added later.

    Args:
        classifier: as for `seewhy.explain`.
        source: a folder of images, optionally with ``labels.csv``; see `seewhy.images.labelled.list_labelled`.
        methods: Specs; the others are compared with the first. ``pmi@gray`` runs `pmi` with the in-fill gray.
        metrics: Specs; None: ``insertion`` and ``deletion``, and ``pointing`` and ``energy-in-box`` where there are boxes.
        out: the folder of the benchmark; a new one, or that of an earlier run.
        limit: use at most this many images.
        only: a text file with the names of the images to use, one per line.
        images: draw the maps of at most this many images.
        seed: seed of every explanation and every score.
        batch_size: as for `seewhy.explain`.
        runtime: as for `seewhy.explain`; methods that need more than probabilities run the classifier unchanged.
        trust: as for `seewhy.classifier`.
        device: where torch computes.
        max_megapixels: larger images are refused before they are decoded.
        progress: True shows a bar on stderr; or a function that is called with (explanations and scores done, the number planned).
        log: is told of a search for a runtime.

    Returns:
        Rows and their summary; ``rows.csv``, ``table.csv``, ``quality.png``, ``images/`` and ``benchmark.json`` are in the folder.

    Raises:
        RequestError: anything is wrong with the request; what is wrong with one image or one map becomes a row.
        ClassifierError: the classifier contradicts its own description.

    Cost in queries: those of the methods and metrics for each image, one for its class, and seven for the self-test.
    """
    entries = list_labelled(source, only, limit)
    _refuse_equal_names(entries)
    located = any(entry.boxes for entry in entries)
    plan = plan_benchmark(
        classifier,
        methods,
        metrics,
        located=located,
        seed=seed,
        batch_size=batch_size,
        runtime=runtime,
        trust=trust,
        device=device,
    )
    folder = Path(out)
    check_free(folder, FILE)
    plan.check()
    write_files(folder, {FILE: json_bytes(plan.record())})
    rows: list[ScoreRow] = []
    with showing(progress, "compare") as tick:
        runner = Runner(plan, folder / CACHE, len(entries), tick, log, max_megapixels)
        for number, entry in enumerate(entries):
            found, task = runner.examine(entry)
            rows += found
            if number < images and task is not None and any(row.metric for row in found):
                write_files(folder / IMAGES, {f"{entry.path.stem}.png": _contact_sheet(runner, task, found[0])})
    summary = summarise(rows, next(iter(plan.methods)), plan.controls)
    _write(folder, rows, summary)
    return BenchmarkResult(folder, tuple(rows), tuple(summary), (*runner.warnings, *caveats(rows)))


def _write(folder: Path, rows: Sequence[ScoreRow], summary: Sequence[SummaryRow]) -> None:
    """Write the tables and the figure."""
    from seewhy.plots.benchmark import quality_png  # noqa: PLC0415 - matplotlib is loaded when something is drawn

    lines = [flat(row) for row in summary]
    columns = list(lines[0]) if lines else [field.name for field in fields(SummaryRow)]
    files = {
        ROWS: table_csv([field.name for field in fields(ScoreRow)], map(asdict, rows)),
        TABLE: table_csv(columns, lines),
        "quality.png": quality_png(summary),
    }
    write_files(folder, files)


def _refuse_equal_names(entries: Sequence[Labelled]) -> None:
    """Refuse two images with the same name: scores are paired by it."""
    twice = [name for name, count in Counter(entry.path.stem for entry in entries).items() if count > 1]
    if twice:
        raise RequestError(f"expected images with different names, got {twice[0]} twice; rename one")


def _contact_sheet(runner: Runner, task: ImageTask, row: ScoreRow) -> bytes:
    """Draw an image and its maps side by side; PNG."""
    from seewhy.plots.figures import png  # noqa: PLC0415 - matplotlib is loaded when something is drawn
    from seewhy.plots.overview import contact_sheet  # noqa: PLC0415 - matplotlib is loaded when something is drawn

    plan, viewed = runner.plan, task.viewed
    panels = [
        MapPanel(title, title, "", values.astype(np.float32), None, plan.methods[title].method.row.signed, work.unit)
        for title, (work, values) in runner.maps(task).items()
    ]
    photo, frame = with_margin(display_copy(viewed.opened.pixels), viewed.frame, plan.classifier.view.pad_color)
    sheet = contact_sheet(
        photo,
        frame,
        panels,
        size=viewed.frame.image_size,
        title=row.image,
        subtitle=f"{row.label} {row.probability:.3f}",
        footer=f"{plan.classifier.name}  ·  seed {plan.seed}",
    )
    return png(sheet)
