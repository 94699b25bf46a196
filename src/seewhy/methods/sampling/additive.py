"""The additive evidence map: each pixel's share in the score of partly covered pictures, with a smooth prior."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seewhy.core.access import Access
from seewhy.core.attribution import Attribution, Map, as_map, worst_error
from seewhy.core.errors import RequestError
from seewhy.core.probe import Answers, Probe, pieces
from seewhy.core.seeds import derive
from seewhy.core.target import ClassEvidence, Target, complement_matrix, weight_matrix
from seewhy.methods._shared import allow, stop_reason
from seewhy.methods.sampling._smooth_regression import Posterior, Sums, posteriors
from seewhy.methods.sampling._soft_grids import SCALES, Lattice, draw

Score = Literal["log-odds", "log-probability", "probability"]

_FEWEST = 2 * len(SCALES)
"""A pair of grids of each scale."""

_POINTS = 28
"""Lattice points along the longer side: a point for every 8 pixels of a picture of 224."""

_FLOOR = 1e-4
"""Added to probabilities before the logarithm is taken: below it, their changes say little about the picture."""

UNITS: Mapping[Score, str] = {
    "log-odds": "nats per pixel",
    "log-probability": "nats per pixel",
    "probability": "probability per pixel",
}


def additive(probe: Probe, targets: Sequence[Target], *, samples: int = 600, score: Score | None = None) -> Attribution:
    """Fit the score of randomly covered pictures by a sum over the pixels that are kept.

    The model is ``v(keep) = v₀ + Σ keep(pixel) map(pixel) + noise``, where v is the score of the picture with
    everything else filled in. Its prior is a Gaussian process: neighbouring pixels have similar values. Over which
    distance, and how noisy the scores are, is learned from the scores (mean over priors, weighted by their marginal
    likelihood). Random grids of 4, 5, 7, 10 and 14 cells per side with soft edges are shown in pairs of complements, each
    keeping 10 to 90 % of its cells. After Covert, Lee (AISTATS 2021: pairs) and Slack, Hilgard, Singh, Lakkaraju
    (NeurIPS 2021: LIME and SHAP with credible intervals).

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together.
        targets: classes, contrasts, weights of evidence and the information. All are computed from the same queries,
            which depend on the seed alone; no target changes the map of another one.
        samples: number of grids, an even number of at least 10; the budget may reduce it.
        score: what is explained. ``log-odds``: of the class against all others; of a contrast's class against the other;
            for the information, the expected log probability under the prediction, minus the divergence from it up to a
            constant. ``log-probability``: the same with log p of a class. ``probability``. auto: ``log-odds``, or
            ``probability`` if the classifier gives no probabilities of all classes.

    Returns:
        Maps in nats or probability per pixel, ``(h, w)``: the sum of a map over a region is what the region adds to the
        score, on average over what else is shown; positive supports the target. Standard errors are those of
        the posterior. They cover the choice of the grids and the variation of a random in-fill, provided that the
        map is as smooth as the prior.

    Raises:
        RequestError: ``samples`` is odd or less than 10, or the budget is less than 11 queries.

    Cost: ``1 + samples`` queries, for any number of targets.

    Example:
        >>> import seewhy
        >>> str(seewhy.methods()["additive"].cost({"samples": 300}))
        '301'
    """
    maps = estimate(probe, targets, samples=samples, score=score)
    return Attribution(
        maps.values(),
        maps.errors(),
        UNITS[maps.score],
        {"samples": maps.samples, "score": maps.score},
        maps.stopped_because,
        predicted=True,
    )


@dataclass(frozen=True, eq=False)
class Estimate:
    """Additive maps as distributions: target key → posterior; see `Posterior.region` for the evidence of a region."""

    posteriors: Mapping[str, Posterior]
    score: Score
    samples: int
    stopped_because: str

    def values(self) -> dict[str, Map]:
        """Return the map of each target."""
        return {key: as_map(posterior.values()) for key, posterior in self.posteriors.items()}

    def errors(self) -> dict[str, Map]:
        """Return the standard errors of each map."""
        return {key: as_map(posterior.error()) for key, posterior in self.posteriors.items()}


def estimate(probe: Probe, targets: Sequence[Target], *, samples: int, score: Score | None = None) -> Estimate:
    """Query the grids and return the additive maps with all that is known about their errors; see `additive`.

    Raises:
        RequestError: ``samples`` is odd or less than 10, or the budget is less than 11 queries.
    """
    if samples < _FEWEST or samples % 2:
        raise RequestError(f"expected an even number of samples >= {_FEWEST}, got {samples}")
    allowed = allow(probe, samples, fewest=_FEWEST, hint="another method", multiple=2)
    chosen = score or ("log-odds" if probe.classifier.access >= Access.PROBABILITIES else "probability")
    run = _Run.start(probe, targets, chosen)
    why = None
    for start, stop in pieces(allowed, max(2, probe.rows // 2 * 2)):
        run.ask(torch.arange(start, stop, device=probe.image.device))
        if _FEWEST <= stop < allowed and (why := probe.why_stop(run.worst_error, done=stop)):
            break
    done = 2 * run.sums.pairs
    return Estimate(run.posteriors(), chosen, done, stop_reason(why, done, samples))


@dataclass(frozen=True, eq=False)
class _Run:
    """The queries of one run, and the sums over their scores."""

    probe: Probe
    targets: Sequence[Target]
    score: Callable[[Answers], Float[Tensor, "n t"]]
    lattice: Lattice
    sums: Sums

    @classmethod
    def start(cls, probe: Probe, targets: Sequence[Target], score: Score) -> "_Run":
        """Start without queries of its own."""
        lattice = Lattice.over(probe.size, _POINTS, probe.image.device)
        sums = Sums.start(lattice.points, len(targets), probe.image.device)
        return cls(probe, targets, scores(targets, probe.prediction, score), lattice, sums)

    def ask(self, numbers: Int[Tensor, " n"]) -> None:
        """Query some grids and add their scores."""
        grids = draw(self.probe.seed, numbers, self.probe.size)
        answers = self.probe(grids.keep(*self.probe.size), derive(self.probe.seed, numbers))
        self.sums.add(grids.sums(self.lattice), self.score(answers))

    def posteriors(self) -> dict[str, Posterior]:
        """Return what is known about the map of each target."""
        return dict(zip((target.key for target in self.targets), posteriors(self.sums, self.lattice), strict=True))

    def worst_error(self) -> float:
        """Return the largest relative error of the maps."""
        maps = [(as_map(each.values()), as_map(each.error())) for each in self.posteriors().values()]
        return worst_error(*zip(*maps, strict=True))


def scores(
    targets: Sequence[Target], prediction: Float[Tensor, " k"], score: Score
) -> Callable[[Answers], Float[Tensor, "n t"]]:
    """Return the function that scores answers for each target; see `additive`."""
    weights, against = weight_matrix(targets, prediction), complement_matrix(targets, prediction)
    if score == "log-odds":
        classes = torch.tensor([isinstance(target, ClassEvidence) for target in targets], device=weights.device)
        against = against - weights * classes

    def scale(probabilities: Answers) -> Answers:
        return probabilities if score == "probability" else (probabilities + _FLOOR).log()

    return lambda answers: scale(answers) @ weights + scale(1 - answers) @ against
