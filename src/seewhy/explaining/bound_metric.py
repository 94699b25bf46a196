"""A metric that is ready to run: its registry row, its settings and its in-fill."""

from dataclasses import dataclass

from seewhy import registry
from seewhy.core.classifier import Classifier
from seewhy.core.infill import Infill
from seewhy.core.spec import Spec
from seewhy.registry import Bound, Metric


@dataclass(frozen=True, eq=False)
class BoundMetric:
    """A metric that is ready to run.

    Args:
        bound: its registry row with the user's settings.
        infill: the in-fill that it uses.
        infill_spec: the Spec of that in-fill, with every setting written out.
    """

    bound: Bound[Metric]
    infill: Infill
    infill_spec: Spec

    @property
    def row(self) -> Metric:
        """The metric's row."""
        return self.bound.row

    @property
    def protocol(self) -> str:
        """The metric with every setting, and its in-fill."""
        return f"{self.bound.full()} · in-fill {self.infill_spec}"


def bind_metric(spec: str, classifier: Classifier, infill: str | None = None, *, trust: bool) -> BoundMetric:
    """Look up a metric and build its in-fill.

    Args:
        spec: the Spec of the metric.
        classifier: the classifier; some in-fills take a default from it.
        infill: the Spec of an in-fill that replaces the metric's own, which changes the protocol; None: the metric's own.
        trust: allow Specs that run code from a file.

    Raises:
        RequestError: the metric, the in-fill or a setting is unknown.
    """
    bound = registry.lookup("metrics", spec)
    infill_spec, filler = registry.infill(infill or bound.row.infill, classifier, trust=trust)
    return BoundMetric(bound, filler, infill_spec)
