"""Explain an image again, with another seed or with a classifier whose weights were shuffled."""

from dataclasses import dataclass, field, replace

from seewhy.classifiers.randomised import randomised
from seewhy.core.access import Access
from seewhy.core.arrays import Image
from seewhy.core.attribution import Attribution, Map
from seewhy.core.budget import Queries
from seewhy.core.classifier import Classifier
from seewhy.core.probe import no_progress
from seewhy.core.target import Target
from seewhy.explaining.request import Request, bind


@dataclass(frozen=True, eq=False)
class Reexplainer:
    """Repeats an explanation with the same method, settings, in-fill and budget; see `seewhy.core.score.Case`.

    Args:
        request: the question as it was asked.
        fast: the classifier as it is run for questions about probabilities.
        image: ``(3, h, w)`` in the classifier's view.
        target: whose map is wanted.
        asked: collects the queries of each explanation.

    Example:
        ``Reexplainer(request, tuned, image, ClassEvidence(967))(seed=1)`` is a map.
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
            randomise: ask a copy of the classifier with shuffled weights, see `randomised`.

        Raises:
            RequestError: the classifier is to be randomised and is not a torch module.
        """
        chosen = self.request.seed if seed is None else seed
        original, method = self.request.classifier, self.request.method
        asked = self.fast if method.row.access <= Access.PROBABILITIES else original
        if randomise:
            asked = randomised(original, chosen)
        probe = bind(replace(self.request, classifier=asked, seed=chosen), self.image, no_progress)
        probe.prediction  # noqa: B018 - every explanation begins with this query, as `seewhy explain` does
        maps: Attribution = method.row.run(probe, [self.target], **method.settings)
        self.asked.append(probe.queries)
        return maps.values[self.target.key]
