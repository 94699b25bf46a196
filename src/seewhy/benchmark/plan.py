"""The plan of a benchmark: which methods and metrics, checked before any work."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from seewhy import registry
from seewhy.classifiers.tuning import RuntimeRequest, options_for
from seewhy.core.classifier import Classifier
from seewhy.core.errors import RequestError
from seewhy.core.metric import MetricInput
from seewhy.core.spec import Spec
from seewhy.explaining.bound_metric import BoundMetric, bind_metric
from seewhy.explaining.rehearsal import check_settings, rehearse_metric
from seewhy.explaining.request import Request, prepare
from seewhy.explaining.score import DEFAULT_METRICS, LOCATED
from seewhy.registry import ClassifierLike
from seewhy.results.benchmark import PlanRecord
from seewhy.runtime.machine import installed

_WITH = "@"
"""Stands between a method and the in-fill that it is run with."""


@dataclass(frozen=True, eq=False)
class BenchmarkPlan:
    """Which methods are compared by which metrics, each under its Spec as the user wrote it; ``controls`` ignore the classifier."""

    classifier: Classifier
    methods: Mapping[str, Request]
    metrics: Mapping[str, BoundMetric]
    controls: tuple[str, ...]
    seed: int
    runtime_request: RuntimeRequest

    def check(self) -> None:
        """Refuse, before any work, settings that no image of the classifier's size can have; asks nothing.

        A classifier of images of any size has none to check them with: there a method or a metric fails image by image.
        """
        size = self.classifier.view.size
        if size is None:
            return
        image, ramp = torch.full((3, *size), 0.5), np.linspace(0, 1, size[0] * size[1], dtype=np.float32).reshape(size)
        options_for(self.classifier, image, self.runtime_request)
        for request in self.methods.values():
            check_settings(request, image)
        for metric in self.metrics.values():
            rehearse_metric(metric, self.classifier, image, ramp, MetricInput(0, ramp < ramp.mean()))

    def record(self) -> PlanRecord:
        """Write down all that is asked."""
        return PlanRecord(
            classifier=self.classifier.name,
            spec=self.classifier.spec,
            fingerprint=self.classifier.fingerprint,
            methods={title: in_full(request) for title, request in self.methods.items()},
            metrics={title: metric.protocol for title, metric in self.metrics.items()},
            controls=self.controls,
            seed=self.seed,
            runtime=self.runtime_request.runtime,
            version=installed("seewhy"),
        )


def plan_benchmark(
    classifier: ClassifierLike,
    methods: Sequence[str],
    metrics: Sequence[str] | None = None,
    *,
    located: bool = False,
    seed: int = 0,
    batch_size: int | None = None,
    runtime: str = "auto",
    trust: bool = True,
    device: str | None = None,
) -> BenchmarkPlan:
    """Check a benchmark before any work starts; the controls are always included.

    A method is a Spec, optionally followed by ``@`` and the Spec of an in-fill; one that is named twice counts once. Without
    metrics, `seewhy.explaining.score.DEFAULT_METRICS` are taken, and `LOCATED` where the regions of the objects are known
    (`located`). The other arguments are those of `seewhy.compare`.
    """
    if not methods:
        raise RequestError("expected at least one method, got none; name one with --method, see `seewhy list methods`")
    opened = registry.classifier(classifier, trust=trust, device=device)
    rows: dict[str, registry.Method] = registry.table("methods")
    titles = [_title(spec) for spec in methods]
    named = {Spec.parse(title.partition(_WITH)[0]).name for title in titles}
    titles += [name for name, row in rows.items() if row.control and name not in named]
    requests = {
        title: prepare(
            opened,
            method=method,
            infill=infill or None,
            seed=seed,
            batch_size=batch_size,
            runtime=runtime,
            trust=trust,
            check=False,
        )
        for title in titles
        for method, _, infill in [title.partition(_WITH)]
    }
    usual = (*DEFAULT_METRICS, *(LOCATED if located else ()))
    chosen = {
        str(Spec.parse(spec)): bind_metric(spec, opened, trust=trust)
        for spec in (usual if metrics is None else metrics)
    }
    if not chosen:
        raise RequestError("expected at least one metric, got none; name one with --metric, see `seewhy list metrics`")
    controls = tuple(title for title, request in requests.items() if request.method.row.control)
    return BenchmarkPlan(opened, requests, chosen, controls, seed, RuntimeRequest(runtime, batch_size))


def _title(asked: str) -> str:
    """Write a method, and its in-fill if one is named, in one way."""
    method, at, infill = asked.partition(_WITH)
    return f"{Spec.parse(method)}{at}{Spec.parse(infill)}" if at else str(Spec.parse(method))


def in_full(request: Request) -> str:
    """Write a method with every setting, and its in-fill."""
    return f"{request.method.full()} · in-fill {request.infill_info}"
