"""What a metric runs with: its settings and its in-fill, and a way to explain again."""

from dataclasses import dataclass, field, replace

from seewhy import registry
from seewhy.classifiers.randomised import randomised
from seewhy.core.access import Access
from seewhy.core.arrays import Image
from seewhy.core.attribution import Attribution, Map
from seewhy.core.budget import Queries
from seewhy.core.classifier import Classifier
from seewhy.core.infill import Infill
from seewhy.core.probe import no_progress
from seewhy.core.spec import Spec
from seewhy.core.target import Target
from seewhy.explaining.request import Request, bind
from seewhy.registry import Bound, Metric


@dataclass(frozen=True, eq=False)
class BoundMetric:
    """A metric with the user's settings, and the in-fill that it uses."""

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
    """Look up a metric and build its in-fill; the Spec ``infill`` replaces the metric's own, which changes the protocol."""
    bound = registry.lookup("metrics", spec)
    infill_spec, filler = registry.infill(infill or bound.row.infill, classifier, trust=trust)
    return BoundMetric(bound, filler, infill_spec)


@dataclass(frozen=True, eq=False)
class Reexplainer:
    """Repeats an explanation with the same method, settings, in-fill and budget; see `seewhy.core.metric.MetricInput`.

    The request has the classifier as the user gave it, ``fast`` is how it is run for questions about probabilities.
    """

    request: Request
    fast: Classifier
    image: Image
    target: Target
    asked: list[Queries] = field(default_factory=list)

    def __call__(self, *, seed: int | None = None, randomise: bool = False) -> Map:
        """Explain again, with another seed or with a copy of the classifier, a torch module, whose weights are shuffled."""
        chosen = self.request.seed if seed is None else seed
        original, method = self.request.classifier, self.request.method
        asked = self.fast if registry.access_of(method) <= Access.PROBABILITIES else original
        if randomise:
            asked = randomised(original, chosen)
        probe = bind(replace(self.request, classifier=asked, seed=chosen), self.image, no_progress)
        probe.prediction  # noqa: B018 - every explanation begins with this query, as `seewhy explain` does
        maps: Attribution = method.row.run(probe, [self.target], **method.settings)
        self.asked.append(probe.queries)
        return maps.values[self.target.key]
