"""Judge the maps of an explanation by metrics, each with a stated protocol."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool

from seewhy import registry
from seewhy.classifiers.tuning import RuntimeRequest, tune
from seewhy.core.budget import Budget, Queries
from seewhy.core.errors import RequestError, did_you_mean
from seewhy.core.infill import Infill
from seewhy.core.probe import Progress, no_progress
from seewhy.core.score import Case, Curve, Measured, plain
from seewhy.core.spec import Spec
from seewhy.images.labelled import Box
from seewhy.images.labelled import region as region_of
from seewhy.runs.again import Repeat
from seewhy.runs.door import expected
from seewhy.runs.explanation import Explanation, as_record, load, write_files
from seewhy.runs.request import Request, bind, prepare
from seewhy.runs.targets import read_targets

SCORES = "scores.json"
DEFAULT_METRICS = ("deletion", "insertion")
LOCATED = ("pointing", "energy-in-box")
"""The usual ones where it is known where the object is."""

Region = Bool[np.ndarray, "h w"] | Sequence[Box]
"""Where the object is: the classifier's view as booleans, or boxes ``(x0, y0, x1, y1)`` as parts of the whole picture."""


@dataclass(frozen=True, eq=False)
class Score:
    """What a metric says of a map, and how it was measured.

    Args:
        metric: its Spec with every setting.
        target: the key of the map.
        value: the score; NaN where it is not defined, with the reason in ``note``.
        higher_is_better: the direction; None where neither is.
        infill: the Spec of what was put in; None where the metric puts nothing in.
        curve: what the value was made from, where there is one.
        queries: what was asked of the classifier.
        note: why there is no value.

    Example:
        ``seewhy.score(classifier, explanation, ["deletion"])[0].value``
    """

    metric: str
    target: str
    value: float
    higher_is_better: bool | None
    infill: str | None
    curve: Curve | None
    queries: Queries
    note: str

    def facts(self) -> dict[str, Any]:
        """Write it down as plain data; a value that is not defined is None."""
        curve = self.curve and self.curve.facts()
        said = {"value": plain(self.value), "curve": curve, "queries": asdict(self.queries)}
        names = ("metric", "target", "value", "higher_is_better", "infill", "curve", "queries", "note")
        return {name: said.get(name, getattr(self, name)) for name in names}


def score(
    classifier: object,
    explanation: Explanation | str | Path,
    metrics: str | Sequence[str] = DEFAULT_METRICS,
    *,
    region: Region | None = None,
    targets: str | Sequence[str] | None = None,
    infill: str | None = None,
    batch_size: int | None = None,
    runtime: str = "auto",
    trust: bool = True,
    progress: Progress = no_progress,
) -> list[Score]:
    """Say how good the maps of an explanation are, by metrics of the literature with their protocols.

    Every metric has a probe of its own, with the explanation's seed, on the picture that the explanation keeps in the classifier's
    view.

    Args:
        classifier: the one that was explained, in any form that `seewhy.explain` takes.
        explanation: from `seewhy.explain` or `seewhy.load`, or its folder.
        metrics: Specs, ``"degradation:tile=14"`` say; see ``seewhy list metrics``.
        region: where the object is, for metrics that must know: booleans of the map's size, or boxes ``(x0, y0, x1, y1)`` as
            parts of the whole picture, 0 to 1.
        targets: keys or names of the maps to judge; None for all but contrasts. The information map is judged by the likeliest
            class.
        infill: the Spec of what every metric puts in, in place of its own; the protocol is then another one.
        batch_size: pictures shown at once; None: the fastest.
        runtime: as for `seewhy.explain`.
        trust: as for `seewhy.classifier`.
        progress: called with (queries done, queries planned) of each metric in turn.

    Returns:
        One score a target and metric, target by target.

    Raises:
        RequestError: the classifier is not the one that was explained, a metric or a target does not exist, a metric must know
            where the object is and was not told, or it explains again and the method or the in-fill cannot be made again.

    Cost in queries: as the metrics' rows say, a target; those of `seewhy.classifiers.tuning.tune` aside.
    """
    judged = load(explanation) if isinstance(explanation, str | Path) else explanation
    asked = [metrics] if isinstance(metrics, str) else list(metrics)
    if not asked:
        raise RequestError("expected at least one metric, got none; see `seewhy list metrics`")
    wanted = [targets] if isinstance(targets, str) else targets
    request = _request(classifier, judged, trust=trust)
    lines = [_ready(spec, request, infill, trust=trust) for spec in asked]
    where = None if region is None else _where(region, judged)
    _check(lines, where, judged)
    room = _Room.of(request, judged, lines, RuntimeRequest(runtime, batch_size), progress)
    return [room.ask(line, key, watched, where) for key, watched in _watched(judged, wanted) for line in lines]


def save_scores(folder: str | Path, scores: Iterable[Score], explanation: Explanation) -> Path:
    """Write ``scores.json`` into an explanation's folder, over an earlier one.

    Returns:
        The file.

    Raises:
        RequestError: the folder cannot be written.
    """
    about = {name: explanation.manifest[name] for name in ("classifier", "method", "infill", "seed")}
    record = {"schema_version": 1, **about, "scores": [each.facts() for each in scores]}
    return write_files(Path(folder), {SCORES: as_record(record)}) / SCORES


@dataclass(frozen=True, eq=False)
class _Line:
    """A metric, ready to be asked.

    Args:
        spec: as it was asked for.
        found: its row.
        settings: the user's, read.
        infill_spec: of what it puts in, every setting written out.
        infill: what it puts in.
    """

    spec: Spec
    found: registry.Metric
    settings: Mapping[str, object]
    infill_spec: Spec
    infill: Infill


@dataclass(frozen=True, eq=False)
class _Room:
    """Where the maps of one explanation are judged.

    Args:
        request: the question that the maps answer, with the classifier as it came.
        ready: the same with the classifier as it is run, for the metrics.
        explanation: with the maps.
        progress: told of each batch.
    """

    request: Request
    ready: Request
    explanation: Explanation
    progress: Progress

    @classmethod
    def of(
        cls,
        request: Request,
        explanation: Explanation,
        lines: Sequence[_Line],
        runtime_request: RuntimeRequest,
        progress: Progress,
    ) -> "_Room":
        """Choose how the classifier is run."""
        image = torch.from_numpy(explanation.evidence.image)
        method: registry.Method = registry.row("methods", request.method.name)
        once = expected(method, request.settings, image)
        queries = sum(2 * once if line.found.again else _cost(line.found) for line in lines) * len(explanation.maps)
        tuned, choice = tune(request.classifier, image, runtime_request, queries=queries)
        batched = replace(request, batch_size=choice.batch_size)
        return cls(batched, replace(batched, classifier=tuned, budget=Budget()), explanation, progress)

    def ask(self, line: _Line, key: str, watched: int, where: Bool[np.ndarray, "h w"] | None) -> Score:
        """Ask one metric about one map."""
        image = torch.from_numpy(self.explanation.evidence.image)
        even = torch.full((int(self.explanation.manifest["classifier"]["labels"]),), 1.0)
        target = read_targets([key], even, None, information=True)[0]
        again = Repeat(self.request, self.ready.classifier, image, target)
        probe = bind(replace(self.ready, infill=line.infill), image, self.progress)
        case = Case(watched, where, again, self.explanation.companions)
        measured: Measured = line.found.run(probe, self.explanation.maps[key], case, **line.settings)
        return Score(
            metric=str(Spec(line.spec.name, registry.resolved(line.found.run, {**line.settings, **measured.settings}))),
            target=key,
            value=float(measured.value),
            higher_is_better=line.found.higher_is_better,
            infill=str(line.infill_spec) if line.found.asks else None,
            curve=measured.curve,
            queries=_sum([probe.queries, *again.asked]),
            note=measured.note,
        )


def _request(classifier: object, explanation: Explanation, *, trust: bool) -> Request:
    """Ask the explanation's question again, of the same classifier."""
    said = explanation.manifest
    door = registry.classifier(classifier, trust=trust)
    if door.fingerprint != said["classifier"]["fingerprint"]:
        raise RequestError(
            f"expected the classifier that was explained, {said['classifier']['spec']}, got {door.name} with another "
            "fingerprint; give the same weights and settings, or explain again"
        )
    known = said["infill"]["spec"].partition(":")[0] in registry.table("infills")
    whole = said["stopped_because"] == "complete"
    return prepare(
        door,
        method=said["method"]["spec"],
        infill=said["infill"]["spec"] if known else None,
        budget=None if whole else Budget(queries=said["queries"]["forward_images"]),
        seed=said["seed"],
        trust=trust,
    )


def _ready(text: str, request: Request, infill: str | None, *, trust: bool) -> _Line:
    """Look up a metric and what it puts in."""
    spec, found, settings = registry.metric(text)
    infill_spec, stand_in = registry.infill(infill or found.infill, request.classifier, trust=trust)
    return _Line(spec, found, settings, infill_spec, stand_in)


def _check(lines: Sequence[_Line], where: Bool[np.ndarray, "h w"] | None, explanation: Explanation) -> None:
    """Refuse before any query what a metric cannot do without."""
    infill = str(explanation.manifest["infill"]["spec"])
    for line in lines:
        name = line.spec.name
        if line.found.region and where is None:
            raise RequestError(
                f"{name} must be told where the object is, got no region; give region= (--boxes on the command line)"
            )
        if line.found.region:
            Case(0, where).where()
        if line.found.again and infill.partition(":")[0] not in registry.table("infills"):
            raise RequestError(f"{name} explains again, and the in-fill {infill} was an object; leave {name} out")


def _where(region: Region, explanation: Explanation) -> Bool[np.ndarray, "h w"]:
    """Bring a region into the classifier's view."""
    if isinstance(region, np.ndarray):
        if region.shape != explanation.frame.size or region.dtype != np.bool_:
            raise RequestError(
                f"expected a region of {explanation.frame.size} booleans, got {region.dtype} of {region.shape}; "
                "or give boxes as parts of the whole picture"
            )
        return region
    found = region_of(region, explanation.frame)
    if found is None:
        raise RequestError("expected boxes (x0, y0, x1, y1), got none; leave region out if nobody knows")
    return found


def _watched(explanation: Explanation, targets: Sequence[str] | None) -> list[tuple[str, int]]:
    """List the maps to judge, each with the class that the metrics watch."""
    classes: dict[str, int] = {}
    for key in explanation.maps:
        kind, _, rest = key.partition(":")
        if kind != "contrast":
            classes[key] = int(rest) if rest else int(explanation.predicted[0]["index"])
    if targets is None and classes:
        return list(classes.items())
    names = {each["label"]: each["key"] for each in explanation.manifest["targets"] if each["key"] in classes}
    chosen = [names.get(name, name) for name in targets or ()]
    for name in chosen or ["a class"]:
        if name not in classes:
            raise RequestError(
                f"a metric watches one class, and there is no map {name!r} of one; {did_you_mean(name, classes)}"
                if classes
                else "a metric watches one class, got an explanation of contrasts alone; explain a class"
            )
    return [(key, classes[key]) for key in dict.fromkeys(chosen)]


def _cost(found: registry.Metric) -> int:
    """About how many queries a metric asks, from its row."""
    said = re.fullmatch(r"[\d,]+", found.cost)
    return int(found.cost.replace(",", "")) if said else 0


def _sum(asked: Iterable[Queries]) -> Queries:
    """Add up what was asked."""
    return Queries(*(sum(column) for column in zip(*map(astuple, asked), strict=True)))
