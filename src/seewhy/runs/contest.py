"""Several methods on many pictures, judged by several metrics: who does better, at what price?"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seewhy import registry
from seewhy.classifiers.tuning import Log, no_log
from seewhy.core.errors import RequestError
from seewhy.core.probe import Progress, no_progress
from seewhy.draw.contest import quality_png
from seewhy.draw.overlay import resize_frame
from seewhy.draw.overview import overview_png
from seewhy.draw.scene import Panel, Scene
from seewhy.images.labelled import Labelled, list_labelled
from seewhy.runs.contest_request import Contest, enter
from seewhy.runs.contest_store import open_folder
from seewhy.runs.contest_table import Line, Row, flat, rows_csv, standings, table_csv
from seewhy.runs.contest_work import SURE, Runner, Seat
from seewhy.runs.evidence import display_copy
from seewhy.runs.explanation import write_files

PICTURES = "pictures"


@dataclass(frozen=True, eq=False)
class Standings:
    """The answer of a contest.

    Args:
        folder: where everything is kept.
        rows: one a picture, method and metric; see ``rows.csv``.
        lines: one a metric and method; see ``table.csv``.
        warnings: of the classifier's self-test, and of what the scores cannot say.
    """

    folder: Path
    rows: tuple[Row, ...]
    lines: tuple[Line, ...]
    warnings: tuple[str, ...]

    @property
    def failures(self) -> tuple[Row, ...]:
        """The rows of what could not be done."""
        return tuple(row for row in self.rows if row.error)


def compare(
    classifier: object,
    source: str | Path,
    methods: Sequence[str],
    *,
    metrics: Sequence[str] | None = None,
    out: str | Path = "seewhy-contest",
    limit: int | None = None,
    only: str | Path | None = None,
    pictures: int = 20,
    seed: int = 0,
    batch_size: int | None = None,
    runtime: str = "auto",
    trust: bool = True,
    device: str | None = None,
    max_megapixels: float = 200.0,
    progress: Progress = no_progress,
    log: Log = no_log,
) -> Standings:
    """Explain every picture by every method, judge every map by every metric, and say who does better, at what price.

    The likeliest class of each picture is explained and judged. The controls, methods that know nothing of the classifier, are
    always in. What is done is kept in ``out``: a run that is broken off goes on where it was, and methods, metrics and
    pictures can be added later.

    Args:
        classifier: as for `seewhy.explain`.
        source: a folder of pictures, perhaps with ``labels.csv``; see `seewhy.images.labelled.list_labelled`.
        methods: Specs; the first is what the others are held against. ``pmi@gray`` asks `pmi` with the in-fill gray.
        metrics: Specs; None: ``insertion`` and ``deletion``, and ``pointing`` and ``energy-in-box`` where there are boxes.
        out: the folder of the contest; a new one, or that of an earlier run.
        limit: only the first so many pictures.
        only: a text file with the names of the pictures to take, one a line.
        pictures: for how many pictures all maps are drawn side by side.
        seed: of every explanation and every score.
        batch_size: as for `seewhy.explain`.
        runtime: as for `seewhy.explain`; methods that need more than probabilities ask the classifier as it came.
        trust: as for `seewhy.classifier`.
        device: where torch computes.
        max_megapixels: larger pictures are refused before they are decoded.
        progress: called with (explanations and scores done, of how many).
        log: is told of a search for a runtime.

    Returns:
        Rows and lines; ``rows.csv``, ``table.csv``, ``quality.png``, ``pictures/`` and ``contest.json`` are in the folder.

    Raises:
        RequestError: anything is wrong with the request; what is wrong with one picture or one map becomes a row.
        ClassifierError: the classifier contradicts its own description.

    Cost in queries: those of the methods and metrics for each picture, one for its class, and seven for the self-test.
    """
    entries = _unlike(list_labelled(source, only)[:limit])
    located = any(entry.boxes for entry in entries)
    contest = enter(
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
    parts = open_folder(folder, contest.record())
    runner = Runner(contest, parts, len(entries), progress, log, max_megapixels)
    rows: list[Row] = []
    for number, entry in enumerate(entries):
        found, seat = runner.examine(entry)
        rows += found
        if number < pictures and seat is not None and any(row.metric for row in found):
            write_files(folder / PICTURES, {f"{entry.path.stem}.png": _sheet(runner, seat, found[0])})
    lines = standings(rows, next(iter(contest.methods)), contest.controls)
    files = {
        "rows.csv": rows_csv(rows),
        "table.csv": table_csv(lines),
        "quality.png": quality_png(list(map(flat, lines))),
    }
    write_files(folder, files)
    return Standings(folder, tuple(rows), tuple(lines), (*runner.warnings, *_caveats(rows, len(entries))))


def _unlike(entries: list[Labelled]) -> list[Labelled]:
    """Refuse two pictures of one name: scores are paired by it.

    Raises:
        RequestError: there are two.
    """
    twice = [name for name, count in Counter(entry.path.stem for entry in entries).items() if count > 1]
    if twice:
        raise RequestError(f"expected pictures with different names, got {twice[0]} twice; rename one")
    return entries


def _sheet(runner: Runner, seat: Seat, row: Row) -> bytes:
    """Draw a picture and its maps side by side; PNG."""
    contest, shown = runner.contest, display_copy(seat.picture.pixels)
    panels = tuple(
        Panel(title, title, "", values.astype(np.float32), None, _signed(contest, title), part["unit"])
        for title, (part, values) in runner.maps(seat).items()
    )
    said = {
        "image": {"name": row.image},
        "predicted": [{"label": row.label, "probability": row.probability}],
        "classifier": {"spec": contest.classifier.name},
        "seed": contest.seed,
    }
    return overview_png(Scene(shown, resize_frame(seat.frame, *shown.shape[:2]), panels, said))


def _signed(contest: Contest, title: str) -> bool:
    """Whether a method's 0 means neither for nor against."""
    found: registry.Method = registry.row("methods", contest.methods[title].method.name)
    return found.signed


def _caveats(rows: Sequence[Row], pictures: int) -> list[str]:
    """Say what a reader of the table should know: pictures of which the classifier is unsure, and scores that are not there."""
    unsure = len({row.image for row in rows if row.unsure})
    said = (
        [f"{unsure} of {pictures} pictures: the classifier gives its likeliest class less than {SURE}"]
        if unsure
        else []
    )
    for metric in dict.fromkeys(row.metric for row in rows if row.note):
        without = {row.image for row in rows if row.metric == metric and row.note}
        why = next(row.note for row in rows if row.metric == metric and row.note)
        said.append(f"{metric} has no score for {len(without)} of {pictures} pictures: {why}")
    return said
