"""Score the maps of an explanation by metrics, each with a stated protocol."""

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from seewhy.classifiers.tuning import RuntimeRequest, tune
from seewhy.core.budget import Queries
from seewhy.core.classifier import Classifier
from seewhy.core.context import plain_torch
from seewhy.core.errors import RequestError, did_you_mean
from seewhy.core.metric import MetricInput, MetricResult
from seewhy.core.probe import Probe, Progress
from seewhy.explaining.announcement import announce
from seewhy.explaining.bound_metric import BoundMetric, Reexplainer, bind_metric
from seewhy.explaining.explanation import Explanation
from seewhy.explaining.prepared import expected_queries
from seewhy.explaining.progress import ProgressLike, showing
from seewhy.explaining.rehearsal import rehearse_metric
from seewhy.explaining.reopen import Reopened, reopen
from seewhy.explaining.request import Request
from seewhy.explaining.targets import parse_targets
from seewhy.images.labelled import Box
from seewhy.images.labelled import region as region_of
from seewhy.registry import ClassifierLike
from seewhy.results.codec import json_bytes
from seewhy.results.folder import write_files
from seewhy.results.record import TargetInfo
from seewhy.results.scores import FILE, Score, ScoresRecord

DEFAULT_METRICS = ("deletion", "insertion")
LOCATED = ("pointing", "energy-in-box")
"""The default metrics where the region of the object is known."""

Region = Bool[np.ndarray, "h w"] | Sequence[Box]
"""Where the object is: booleans in the classifier's view, or boxes ``(x0, y0, x1, y1)`` as shares of the full image."""


@plain_torch()
def score(
    classifier: ClassifierLike | None,
    explanation: Explanation | str | Path,
    metrics: str | Sequence[str] = DEFAULT_METRICS,
    *,
    region: Region | None = None,
    targets: str | Sequence[str] | None = None,
    infill: str | None = None,
    batch_size: int | None = None,
    runtime: str = "auto",
    trust: bool = True,
    device: str | None = None,
    progress: ProgressLike = False,
) -> list[Score]:
    """Score the maps of an explanation by metrics of the literature, each with its protocol.

    Every metric has its own probe, with the explanation's seed, on the image that the explanation keeps in the classifier's view.

    Args:
        classifier: the one that was explained, in any form that `seewhy.explain` takes; None: opened as the record says.
        explanation: from `seewhy.explain` or `seewhy.load`, or its folder.
        metrics: Specs, such as ``"degradation:tile=14"``; see ``seewhy list metrics``.
        region: where the object is, for metrics that need it: booleans of the map's size, or boxes ``(x0, y0, x1, y1)`` as
            shares of the full image, 0 to 1.
        targets: keys or names of the maps to score; None for all but contrasts. The information map is scored by the predicted
            class.
        infill: the Spec of an in-fill in place of each metric's own; the protocol is then another one.
        batch_size: images per call; None: the fastest.
        runtime: as for `seewhy.explain`.
        trust: as for `seewhy.classifier`.
        device: where torch computes; None: where the classifier is.
        progress: True shows a bar on stderr; or a function that is called with (queries done, queries planned) of each metric in turn.

    Returns:
        One score for each target and metric, target by target.

    Raises:
        RequestError: the classifier is not the one that was explained, a metric or a target does not exist, a metric needs the
            region of the object, or a metric re-explains and the in-fill cannot be made again.

    Cost in queries: for each target as the metrics' rows say; those of `seewhy.classifiers.tuning.tune` aside.
    """
    names = [metrics] if isinstance(metrics, str) else list(metrics)
    if not names:
        raise RequestError("expected at least one metric, got none; see `seewhy list metrics`")
    opened = reopen(explanation, classifier, trust=trust, device=device)
    bound = [bind_metric(name, opened.classifier, infill, trust=trust) for name in names]
    where = None if region is None else _where(region, opened.explanation)
    _check_region(bound, where)
    request = opened.request(trust=trust) if any(metric.row.reexplains for metric in bound) else None
    watched = _watched(opened.explanation, [targets] if isinstance(targets, str) else targets)
    for target, index in watched:
        case = MetricInput(index, where, None, opened.explanation.generated)
        for metric in bound:
            rehearse_metric(metric, opened.classifier, opened.image, opened.explanation.maps[target.key], case)
    queries = len(watched) * sum(_cost(metric, opened, request) for metric in bound)
    announce("score", opened.image, queries=queries, pace=opened.pace)
    tuned, choice = tune(opened.classifier, opened.image, RuntimeRequest(runtime, batch_size), queries=queries)
    batched = None if request is None else replace(request, batch_size=choice.batch_size)
    with showing(progress, "score") as tick:
        scorer = _Scorer(opened, tuned, choice.batch_size, batched, where, tick)
        return [scorer.score(metric, target, index) for target, index in watched for metric in bound]


def save_scores(folder: str | Path, scores: Iterable[Score], explanation: Explanation) -> Path:
    """Write ``scores.json`` into an explanation's folder, over an earlier one, and return the file."""
    about = explanation.record
    record = ScoresRecord(about.classifier, about.method, about.infill, about.seed, tuple(scores))
    return write_files(Path(folder), {FILE: json_bytes(record)}) / FILE


@dataclass(frozen=True, eq=False)
class _Scorer:
    """Scores the maps of one explanation."""

    opened: Reopened
    classifier: Classifier
    batch_size: int
    request: Request | None
    region: Bool[np.ndarray, "h w"] | None
    progress: Progress

    def score(self, metric: BoundMetric, target: TargetInfo, index: int) -> Score:
        """Ask one metric about one map; ``index`` is the class that it watches."""
        explanation, image = self.opened.explanation, self.opened.image
        request = self.request
        (explained,) = parse_targets(target.key, None, information=True)
        again = None if request is None else Reexplainer(request, self.classifier, image, explained)
        probe = Probe(
            self.classifier,
            metric.infill,
            image,
            seed=explanation.record.seed,
            batch_size=self.batch_size,
            progress=self.progress,
        )
        case = MetricInput(index, self.region, again, explanation.generated)
        result: MetricResult = metric.row.run(probe, explanation.maps[target.key], case, **metric.bound.settings)
        return Score(
            metric=str(metric.bound.full()),
            target=target.key,
            value=float(result.value),
            higher_is_better=metric.row.higher_is_better,
            infill=str(metric.infill_spec) if metric.row.asks else None,
            curve=result.curve,
            queries=_sum([probe.queries, *(again.asked if again else ())]),
            note=result.note,
        )


def _cost(metric: BoundMetric, opened: Reopened, request: Request | None) -> int:
    """Return about how many queries a metric asks about one map."""
    height, width = opened.image.shape[1:]
    cost = metric.row.cost(metric.bound.settings, (height, width))
    return cost.forward + (cost.explanations * expected_queries(request, opened.image) if request else 0)


def _check_region(metrics: Sequence[BoundMetric], where: Bool[np.ndarray, "h w"] | None) -> None:
    """Refuse, before any query, a metric that needs the region of the object and does not have it."""
    for metric in metrics:
        if not metric.row.region:
            continue
        if where is None:
            raise RequestError(
                f"{metric.bound.name} needs the region of the object; give region= (--boxes on the command line)"
            )
        MetricInput(0, where).where()


def _where(region: Region, explanation: Explanation) -> Bool[np.ndarray, "h w"]:
    """Bring a region into the classifier's view."""
    if isinstance(region, np.ndarray):
        if region.shape != explanation.frame.size or region.dtype != np.bool_:
            raise RequestError(
                f"expected a region of {explanation.frame.size} booleans, got {region.dtype} of {region.shape}; "
                "or give boxes as shares of the full image"
            )
        return region
    inside = region_of(region, explanation.frame)
    if inside is None:
        raise RequestError("expected boxes (x0, y0, x1, y1), got none; leave region out if it is not known")
    return inside


def _watched(explanation: Explanation, names: Sequence[str] | None) -> list[tuple[TargetInfo, int]]:
    """List the maps to score, each with the class that the metrics watch."""
    record = explanation.record
    top = record.predicted[0].index
    classes = {
        info.key: (info, top if info.index is None else info.index)
        for info in record.targets
        if info.kind != "contrast"
    }
    if not classes:
        raise RequestError("a metric watches one class, got an explanation of contrasts alone; explain a class")
    if names is None:
        return list(classes.values())
    keys = {info.label: key for key, (info, _) in classes.items()}
    chosen = [keys.get(name, name) for name in names]
    for name in chosen:
        if name not in classes:
            raise RequestError(
                f"a metric watches one class, and there is no map {name!r}; {did_you_mean(name, classes)}"
            )
    return [classes[key] for key in dict.fromkeys(chosen)]


def _sum(asked: Iterable[Queries]) -> Queries:
    """Add up what was asked."""
    return Queries(*(sum(column) for column in zip(*map(astuple, asked), strict=True)))
