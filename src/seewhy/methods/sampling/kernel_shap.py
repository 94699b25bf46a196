"""KernelSHAP on segments: Shapley values by weighted least squares (Lundberg, Lee, NeurIPS 2017)."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.core.attribution import Attribution
from seewhy.core.probe import Probe
from seewhy.core.seeds import derive, mix, uniforms
from seewhy.core.target import Target, weight_matrix
from seewhy.images.regions import Shape, split
from seewhy.methods._shared import allow, name_maps, stop_reason
from seewhy.methods.sampling._linear import Fit, least_squares
from seewhy.methods.sampling._sampling_designs import Design, Outputs, ask_design, even_samples, with_complements

_GOLDEN = (math.sqrt(5) - 1) / 2
"""The fractional parts of its multiples fill the unit interval evenly, for any number of them."""


def kernel_shap(
    probe: Probe, targets: Sequence[Target], *, segments: int = 50, shape: Shape = "slic", samples: int = 1000
) -> Attribution:
    """Attribute the difference between the full image and the fully removed one to the segments, as Shapley values.

    The score of the image with only a set of segments kept, and the rest filled in, defines a game whose players are
    the segments. Its Shapley values are the linear model of the score with ``Σ values = f(x) - f(all removed)`` that
    fits best under the weights ``(M - 1) / (C(M, s) s (M - s))`` for a set of s of M segments. If all sets can be
    queried, the values are exact; otherwise sets are sampled with these weights, each with its complement (Covert,
    Lee, AISTATS 2021).

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together.
        targets: classes and contrasts.
        segments: approximate number of segments, 1 or more.
        shape: ``slic`` superpixels (needs scikit-image), parts of a ``tree`` grown from the picture, or cells of a ``grid``.
        samples: number of sets queried: an even number, at least twice the number of segments or all sets; the budget
            may reduce it.

    Returns:
        Maps of probability, -1 to 1: each pixel has the Shapley value of its segment, undivided; positive supports
        the class. Standard errors cover the sampling of the sets: 0 where the values are exact. They do not cover the
        variation of a random in-fill.

    Raises:
        RequestError: a setting is out of range, scikit-image is missing for ``slic``, or the budget is less than two
            queries per segment.

    Cost: ``2 + samples`` queries.
    """
    labels = split(probe.image, segments, shape)
    players = int(labels.max()) + 1
    fewest = min(2 * players, 2**players - 2)
    even_samples(samples, fewest, players)
    wanted = min(samples, 2**players - 2)
    allowed = allow(probe, wanted, fewest=fewest, hint="fewer segments", first=2, multiple=2)
    exact = allowed == 2**players - 2
    sets = (every_set(players) if exact else drawn_sets(probe.seed, allowed // 2, players)).to(labels.device)
    weights = weight_matrix(targets, probe.prediction)
    empty_first = torch.cat([sets.new_zeros(1, players), sets])
    answers, why = ask_design(probe, empty_first, lambda rows: rows[:, labels], weights, fewest=1 + fewest)
    answered = (len(answers) - 1) // 2 * 2
    fit = shapley_values(sets[:answered], answers[: 1 + answered], probe.prediction @ weights, exact=exact)
    return Attribution(
        name_maps(targets, fit.slopes.T[:, labels]),
        name_maps(targets, fit.errors().T[:, labels]),
        "probability",
        {"segments": segments, "shape": shape, "samples": answered},
        stop_reason(why, allowed, wanted),
    )


def every_set(players: int) -> Design:
    """List every set of players except the empty and the full set, each followed by its complement.

    The order is shuffled, so that any prefix is a fair sample.
    """
    numbers = torch.arange(1, 2 ** (players - 1))
    half = numbers[mix(numbers).argsort()][:, None] >> torch.arange(players) & 1
    return with_complements(half.float())


def drawn_sets(seed: int, pairs: int, players: int) -> Design:
    """Sample sets of players from the Shapley kernel, each followed by its complement.

    The first pairs are the same for any number of pairs.
    """
    numbers = torch.arange(pairs)
    size = torch.arange(1, players, dtype=torch.float64)
    chance = (1 / (size * (players - size))).cumsum(0)
    even = (uniforms(derive(seed, numbers[:1]), 1, stream=1)[:, 0] + numbers.double() * _GOLDEN) % 1
    sizes = torch.searchsorted(chance / chance[-1], even.clamp(max=1 - 1e-12)) + 1
    rank = uniforms(derive(seed, numbers), players).argsort(dim=1, stable=True).argsort(dim=1)
    return with_complements((rank < sizes[:, None]).float())


def shapley_values(sets: Design, answers: Outputs, whole: Float[Tensor, " t"], *, exact: bool) -> Fit:
    """Fit the linear model, one row per player, so that the rows sum to ``whole - answers[0]``.

    The answers are those for the fully removed image, then for the sets, in pairs. All sets from `every_set` are
    weighted by the kernel; sets sampled from it are not. The constraint eliminates the last player's coefficient.
    """
    kept, gain = sets.double(), whole - answers[0]
    players, size = kept.shape[1], kept.sum(1)
    weight = torch.ones_like(size)
    if exact:
        choices = torch.tensor([math.comb(players, int(number)) for number in size], device=size.device)
        weight = (players - 1) / (choices * size * (players - size))
    x, y = kept[:, :-1] - kept[:, -1:], answers[1:] - answers[0] - kept[:, -1:] * gain
    reduced = least_squares(x, y, weight, x.new_zeros(players - 1), torch.arange(len(x), device=x.device) // 2)
    change = torch.cat([torch.eye(players - 1), -torch.ones(1, players - 1)]).to(x)
    fit = reduced.through(change)
    fit.slopes[-1] += gain
    return Fit(fit.slopes, fit.influence * (len(sets) < 2**players - 2))
