"""The work of a contest: explain a picture by every method, judge every map by every metric, do nothing twice."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool

from seewhy import registry
from seewhy.classifiers.selftest import self_test
from seewhy.classifiers.tuning import Log, no_log, tune
from seewhy.core.access import Access
from seewhy.core.arrays import Image
from seewhy.core.errors import RequestError
from seewhy.core.maps import Companion, Map
from seewhy.core.probe import Probe, Progress, as_distributions, no_progress
from seewhy.core.score import Case, Measured, plain
from seewhy.core.target import ClassEvidence
from seewhy.core.view import Frame
from seewhy.images.labelled import Labelled, region
from seewhy.images.open import Picture
from seewhy.images.view import apply_view
from seewhy.runs.again import Repeat
from seewhy.runs.contest_request import Contest, Facts, Judge, in_full, release
from seewhy.runs.contest_store import key, read_map, read_part, write_part
from seewhy.runs.contest_table import DIRECTIONS, Row
from seewhy.runs.door import Door, expected
from seewhy.runs.manifest import label
from seewhy.runs.request import Request, bind

SURE = 0.5
"""A class below this probability is flagged: the classifier itself gives the others more."""


@dataclass(frozen=True, eq=False)
class Seat:
    """One picture of the contest.

    Args:
        picture: as the user has it.
        image: in the classifier's view.
        frame: what the classifier sees of it.
        region: where the object is; None where nobody said.
        name: of the work on it, see `seewhy.runs.contest_store.key`.
    """

    picture: Picture
    image: Image
    frame: Frame
    region: Bool[np.ndarray, "h w"] | None
    name: str


@dataclass(eq=False)
class Runner:
    """Works through the pictures; what is done is in the folder before the next begins, and is not done again.

    Args:
        contest: from `enter`.
        folder: of the parts.
        pictures: how many there will be.
        progress: called with (explanations and scores done, of how many).
        log: is told of a search for a runtime.
        max_megapixels: larger pictures are refused before they are decoded.
    """

    contest: Contest
    folder: Path
    pictures: int
    progress: Progress = no_progress
    log: Log = no_log
    max_megapixels: float = 200.0
    _done: int = field(default=0, init=False)
    _door: Door | None = field(default=None, init=False)

    def examine(self, labelled: Labelled) -> tuple[list[Row], Seat | None]:
        """Explain a picture by every method and judge every map.

        Returns:
            One row a method and metric, those that failed with their error; and the picture, None where it cannot be read.

        Raises:
            RequestError: the folder cannot be written, or the runtime that was asked for is not to be had.
            ClassifierError: the classifier contradicts its own description.
        """
        try:
            seat = self._seat(labelled)
        except RequestError as problem:
            self._tick(self._each)
            return [Row(labelled.path.name, error=str(problem))], None
        if (facts := read_part(self.folder, seat.name)) is None:
            door = self.door(seat)
            try:
                facts = _predicted(door, seat)
            except RequestError as problem:
                self._tick(self._each)
                return [Row(labelled.path.name, error=str(problem))], None
            write_part(self.folder, seat.name, facts)
        right = "" if labelled.label is None else str(labelled.label == facts["target"]).lower()
        start = Row(labelled.path.name, right=right, unsure=facts["probability"] < SURE, **facts)
        return [row for title in self.contest.methods for row in self._method(seat, title, start)], seat

    def maps(self, seat: Seat) -> dict[str, tuple[Facts, Map]]:
        """Return method → what is known of its map, and the map, for a picture that was examined; none that failed."""
        names = {title: self._name(seat, request) for title, request in self.contest.methods.items()}
        parts = {title: read_part(self.folder, name) for title, name in names.items()}
        return {
            title: (part, read_map(self.folder, names[title])[0]) for title, part in parts.items() if part is not None
        }

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the classifier's self-test found; nothing where there was nothing to ask."""
        return self._door.tested.warnings if self._door else ()

    @property
    def _each(self) -> int:
        """Explanations and scores of one picture."""
        return len(self.contest.methods) * (1 + len(self.contest.metrics))

    def _tick(self, work: int = 1) -> None:
        """Report that so much more is done."""
        self._done += work
        self.progress(self._done, self.pictures * self._each)

    def _seat(self, labelled: Labelled) -> Seat:
        """Open a picture."""
        picture = labelled.open(max_megapixels=self.max_megapixels)
        classifier = self.contest.classifier
        image, frame = apply_view(picture, classifier.view)
        size = list(picture.pixels.shape[:2])
        name = key("picture", release(), picture.sha256, size, classifier.fingerprint, classifier.view.describe())
        return Seat(picture, image, frame, region(labelled.boxes, frame), name)

    def door(self, seat: Seat) -> Door:
        """Test the classifier on the first picture that needs it, and choose how it is run, once for all."""
        if self._door is None:
            contest, classifier = self.contest, self.contest.classifier
            tested = self_test(classifier, seat.image)
            rows = [registry.row("methods", request.method.name) for request in contest.methods.values()]
            settings = [request.settings for request in contest.methods.values()]
            each = sum(expected(row, asked, seat.image) for row, asked in zip(rows, settings, strict=True))
            tuned, choice = tune(
                classifier, seat.image, contest.runtime_request, queries=each * self.pictures, log=self.log
            )
            self._door = Door(classifier, tested, tuned, choice)
        return self._door

    def _name(self, seat: Seat, request: Request) -> str:
        """Name an explanation."""
        return key("map", seat.name, in_full(request), request.infill.checksum, request.seed)

    def _method(self, seat: Seat, title: str, start: Row) -> list[Row]:
        """Explain by one method, and judge."""
        request, metrics = self.contest.methods[title], self.contest.metrics
        name = self._name(seat, request)
        part = read_part(self.folder, name)
        if part is None:
            door = self.door(seat)
            try:
                part, values, companions = _explain(door, seat, request, start.target)
            except RequestError as problem:
                self._tick(1 + len(metrics))
                return [replace(start, method=title, error=str(problem))]
            write_part(self.folder, name, part, values, companions)
        self._tick()
        price = {**part["queries"], "seconds": part["seconds"]}
        row = replace(start, method=title, **price)
        return [self._judged(seat, name, metric, request, row) for metric in metrics]

    def _judged(self, seat: Seat, name: str, metric: str, request: Request, row: Row) -> Row:
        """Judge one map by one metric."""
        judge = self.contest.metrics[metric]
        row = replace(row, metric=metric, protocol=judge.protocol, direction=DIRECTIONS[judge.found.higher_is_better])
        where = np.packbits(seat.region).tobytes().hex() if judge.found.region and seat.region is not None else None
        own = key("score", name, judge.protocol, judge.infill.checksum, where)
        part = read_part(self.folder, own)
        if part is None:
            door, (values, companions) = self.door(seat), read_map(self.folder, name)
            again = Repeat(_ready(door, request), door.classifier, seat.image, ClassEvidence(row.target))
            case = Case(row.target, seat.region, again, companions)
            try:
                part = _score(door, seat, judge, values, case)
            except RequestError as problem:
                self._tick()
                return replace(row, error=str(problem))
            write_part(self.folder, own, part)
        self._tick()
        return replace(row, value=math.nan if part["value"] is None else part["value"], note=part["note"])


def _predicted(door: Door, seat: Seat) -> Facts:
    """Say which class is explained: the one that the classifier, as it came, finds likeliest; one query."""
    classifier = door.original
    with torch.no_grad():
        answer = as_distributions(classifier(seat.image[None].to(classifier.device)), 1)[0]
    top = int(answer.argmax())
    return {"target": top, "label": label(top, classifier), "probability": float(answer[top])}


def _ready(door: Door, request: Request) -> Request:
    """Take over how many pictures are shown at once."""
    return replace(request, batch_size=door.choice.batch_size)


def _explain(door: Door, seat: Seat, request: Request, target: int) -> tuple[Facts, Map, Mapping[str, Companion]]:
    """Ask one method about one class."""
    found: registry.Method = registry.row("methods", request.method.name)
    ready = door.let_in(request, seat.image) if found.access <= Access.PROBABILITIES else _ready(door, request)
    probe = bind(ready, seat.image, no_progress)
    probe.prediction  # noqa: B018 - every explanation begins with this query, as `seewhy explain` does
    maps = request.function(probe, [ClassEvidence(target)], **request.settings)
    part = {
        "method": in_full(request),
        "target": target,
        "unit": maps.unit,
        "queries": asdict(probe.queries),
        "seconds": round(probe.seconds, 4),
        "stopped_because": maps.stopped_because,
        "runtime": probe.classifier.runtime,
        "findings": list(maps.findings),
    }
    return part, maps.values[ClassEvidence(target).key], maps.companions


def _score(door: Door, seat: Seat, judge: Judge, values: Map, case: Case) -> Facts:
    """Ask one metric."""
    if judge.found.region:
        try:
            case.where()
        except RequestError as problem:  # the score is not defined for this picture, which is no failure
            return {"value": None, "note": str(problem)}
    again = case.again
    probe = Probe(door.classifier, judge.infill, seat.image, seed=judge.seed, batch_size=door.choice.batch_size)
    measured: Measured = judge.found.run(probe, values, case, **judge.settings)
    asked = [probe.queries, *(again.asked if isinstance(again, Repeat) else ())]
    return {
        "value": plain(float(measured.value)),
        "note": measured.note,
        "curve": measured.curve and measured.curve.facts(),
        "queries": [asdict(queries) for queries in asked],
        "seconds": round(probe.seconds, 4),
    }
