"""Explain a picture again, with another seed or with a classifier that has learned nothing."""

from dataclasses import dataclass, field, replace

from seewhy import registry
from seewhy.classifiers.randomised import randomised
from seewhy.core.access import Access
from seewhy.core.arrays import Image
from seewhy.core.budget import Queries
from seewhy.core.classifier import Classifier
from seewhy.core.maps import Map
from seewhy.core.probe import no_progress
from seewhy.core.target import Target
from seewhy.runs.request import Request, bind


@dataclass(frozen=True, eq=False)
class Repeat:
    """What `seewhy.core.score.Case` calls ``again``: the same method, settings, in-fill and budget once more.

    Args:
        request: the question as it was asked.
        fast: the classifier as it is run for questions about probabilities.
        image: the picture in the classifier's view.
        target: whose map is wanted.
        asked: gets what each explanation asked.

    Example:
        ``Repeat(request, tuned, image, ClassEvidence(967))(seed=1)`` is a map.
    """

    request: Request
    fast: Classifier
    image: Image
    target: Target
    asked: list[Queries] = field(default_factory=list)

    def __call__(self, *, seed: int | None = None, randomise: bool = False) -> Map:
        """Explain again.

        Args:
            seed: another seed; None for the same.
            randomise: ask a copy of the classifier whose weights were shuffled, see `randomised`.

        Raises:
            RequestError: the classifier is to be randomised and is no torch module.
        """
        chosen = self.request.seed if seed is None else seed
        original = self.request.classifier
        found: registry.Method = registry.row("methods", self.request.method.name)
        asked = self.fast if found.access <= Access.PROBABILITIES else original
        if randomise:
            asked = randomised(original, chosen)
        probe = bind(replace(self.request, classifier=asked, seed=chosen), self.image, no_progress)
        probe.prediction  # noqa: B018 - every explanation begins with this query, as `seewhy explain` does
        maps = self.request.function(probe, [self.target], **self.request.settings)
        self.asked.append(probe.queries)
        return maps.values[self.target.key]
