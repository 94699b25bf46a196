"""Who is compared by what: the request of a contest, checked before any work."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from seewhy import registry
from seewhy.classifiers.tuning import RuntimeRequest
from seewhy.core.classifier import Classifier
from seewhy.core.errors import RequestError
from seewhy.core.infill import Infill
from seewhy.core.spec import Spec
from seewhy.runs.request import Request, prepare
from seewhy.runs.score import DEFAULT_METRICS, LOCATED

Facts = dict[str, Any]

_WITH = "@"
"""Stands between a method and the in-fill that it is asked with."""


@dataclass(frozen=True, eq=False)
class Judge:
    """A metric, ready to be asked.

    Args:
        found: its row.
        settings: the user's, read.
        infill: what it puts in.
        protocol: the metric with every setting, and its in-fill.
        seed: of what it puts in.
    """

    found: registry.Metric
    settings: Mapping[str, object]
    infill: Infill
    protocol: str
    seed: int


@dataclass(frozen=True, eq=False)
class Contest:
    """Who is compared, and by what; checked, before any work.

    Args:
        classifier: what is asked.
        methods: Spec as it was typed → the question; the first is what the others are held against.
        metrics: Spec as it was typed → the metric.
        controls: those of the methods that know nothing of the classifier.
        seed: of every explanation and every score.
        runtime_request: how the classifier is to be run.
    """

    classifier: Classifier
    methods: Mapping[str, Request]
    metrics: Mapping[str, Judge]
    controls: tuple[str, ...]
    seed: int
    runtime_request: RuntimeRequest

    def record(self) -> Facts:
        """All that is asked, for ``contest.json``."""
        return {
            "classifier": {"spec": self.classifier.name, "fingerprint": self.classifier.fingerprint},
            "methods": {title: in_full(request) for title, request in self.methods.items()},
            "metrics": {title: judge.protocol for title, judge in self.metrics.items()},
            "controls": list(self.controls),
            "seed": self.seed,
            "runtime": self.runtime_request.runtime,
            "version": release(),
        }


def enter(
    classifier: object,
    methods: Sequence[str],
    metrics: Sequence[str] | None = None,
    *,
    located: bool = False,
    seed: int = 0,
    batch_size: int | None = None,
    runtime: str = "auto",
    trust: bool = True,
    device: str | None = None,
) -> Contest:
    """Check a contest before any work starts; the controls of the table of methods are always in.

    Args:
        classifier: as for `seewhy.explain`.
        methods: Specs, each perhaps followed by ``@`` and the Spec of an in-fill; one that stands twice counts once.
        metrics: Specs; None: those of `seewhy.runs.score.DEFAULT_METRICS`, and of `LOCATED` there where it is known where the objects are.
        located: whether that is known.
        seed: of every explanation and every score.
        batch_size: pictures shown at once; None for the fastest.
        runtime: as for `seewhy.explain`; methods that need more than probabilities ask the classifier as it came.
        trust: allow Specs that run code from a file.
        device: where torch computes.

    Raises:
        RequestError: no method is named, a name or a setting is unknown, or a method needs more than the classifier gives.
    """
    if not methods:
        raise RequestError("expected at least one method, got none; name one with --method, see `seewhy list methods`")
    asked = registry.classifier(classifier, trust=trust, device=device)
    rows: dict[str, registry.Method] = registry.table("methods")
    titles = [_title(spec) for spec in methods]
    named = {Spec.parse(title.partition(_WITH)[0]).name for title in titles}
    titles += [name for name, found in rows.items() if found.control and name not in named]
    same: Facts = {"seed": seed, "batch_size": batch_size, "runtime": runtime, "trust": trust, "verdict": False}
    requests = {title: _question(asked, title, same) for title in titles}
    judged = (*DEFAULT_METRICS, *(LOCATED if located else ())) if metrics is None else metrics
    judges = {str(Spec.parse(spec)): _judge(spec, asked, seed, trust=trust) for spec in judged}
    if not judges:
        raise RequestError("expected at least one metric, got none; name one with --metric, see `seewhy list metrics`")
    controls = tuple(title for title, request in requests.items() if rows[request.method.name].control)
    return Contest(asked, requests, judges, controls, seed, RuntimeRequest(runtime, batch_size))


def _title(asked: str) -> str:
    """Write a method, and its in-fill if one is named, in one way."""
    method, at, infill = asked.partition(_WITH)
    return f"{Spec.parse(method)}{at}{Spec.parse(infill)}" if at else str(Spec.parse(method))


def _question(classifier: Classifier, title: str, same: Facts) -> Request:
    """Check one method."""
    method, _, infill = title.partition(_WITH)
    return prepare(classifier, method=method, infill=infill or None, **same)


def _judge(spec: str, classifier: Classifier, seed: int, *, trust: bool) -> Judge:
    """Make a metric ready."""
    asked, found, settings = registry.metric(spec)
    infill_spec, infill = registry.infill(found.infill, classifier, trust=trust)
    protocol = f"{Spec(asked.name, registry.resolved(found.run, settings))} · in-fill {infill_spec}"
    return Judge(found, settings, infill, protocol, seed)


def in_full(request: Request) -> str:
    """Write a method with every setting, and its in-fill."""
    settings = registry.resolved(request.function, request.settings)
    return f"{Spec(request.method.name, settings)} · in-fill {request.infill_spec}"


def release() -> str:
    """Return the version of this package; empty where it is run from its source tree."""
    try:
        return version("seewhy")
    except PackageNotFoundError:
        return ""
