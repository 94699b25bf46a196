"""KernelSHAP on segments: Shapley values by weighted least squares (Lundberg, Lee, NeurIPS 2017)."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.core.errors import RequestError
from seewhy.core.maps import Maps
from seewhy.core.probe import Probe
from seewhy.core.seeds import derive, mix, uniforms
from seewhy.core.target import Target, weight_matrix
from seewhy.methods.designs import Design, Outputs, ask_design
from seewhy.methods.linear import Fit, least_squares
from seewhy.methods.segments import Shape, paint, split

_GOLDEN = (math.sqrt(5) - 1) / 2
"""Its multiples, less their whole part, fill the interval from 0 to 1 evenly, wherever they end."""


def kernel_shap(
    probe: Probe, targets: Sequence[Target], *, segments: int = 50, shape: Shape = "slic", samples: int = 1000
) -> Maps:
    """Share out the difference between the picture and nothing among the segments, as Shapley values do.

    The score of the picture with a set of segments kept, the rest filled in, is a game whose players are the segments. Its
    Shapley values are the linear model of the score with ``Σ values = f(x) - f(all removed)`` that fits best under the
    weights ``(M - 1) / (C(M, s) s (M - s))`` for a set of s of M segments. Where all sets can be asked about the values are
    exact; otherwise sets are drawn by those weights, each with its complement (Covert, Lee, AISTATS 2021).

    Args:
        probe: the bound question.
        targets: classes and contrasts.
        segments: about how many the picture is cut into.
        shape: ``slic`` superpixels, or cells of a ``grid``, for which nothing need be installed.
        samples: sets asked about, an even number; the budget may cut them.

    Returns:
        Maps of probability, -1 to 1: at each pixel the Shapley value of its whole segment, positive supports the class.
        Standard errors of the draw of the sets: 0 where the values are exact, and no scatter of a random in-fill.

    Raises:
        RequestError: a setting is out of range, scikit-image is missing for ``slic``, or the budget is less than two queries a
            segment.

    Cost: ``2 + samples`` queries.
    """
    labels = split(probe.image, segments, shape)
    players = int(labels.max()) + 1
    fewest = min(2 * players, 2**players - 2)
    if samples < fewest or samples % 2:
        raise RequestError(f"expected an even number of samples >= {fewest} for {players} segments, got {samples}")
    wish = min(samples, 2**players - 2)
    reach = (probe.affordable(2 + wish, smallest=2 + fewest, hint="fewer segments") - 2) // 2 * 2
    probe.plan(2 + reach)
    exact = reach == 2**players - 2
    sets = (every_set(players) if exact else drawn_sets(probe.seed, reach // 2, players)).to(labels.device)
    weights = weight_matrix(targets, probe.prediction)
    nothing_first = torch.cat([sets.new_zeros(1, players), sets])
    answers, why = ask_design(probe, nothing_first, lambda rows: rows[:, labels], weights, fewest=1 + fewest)
    asked = (len(answers) - 1) // 2 * 2
    fit = shapley_values(sets[:asked], answers[: 1 + asked], probe.prediction @ weights, exact=exact)
    keys = [target.key for target in targets]
    return Maps(
        paint(keys, fit.slopes, labels),
        paint(keys, fit.errors(), labels),
        "probability",
        {"segments": segments, "shape": shape, "samples": asked},
        why or ("queries" if reach < wish else "complete"),
    )


def every_set(players: int) -> Design:
    """List every set of players but none and all, each followed by its complement; any prefix is a fair sample.

    Example:
        >>> every_set(2).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    numbers = torch.arange(1, 2 ** (players - 1))
    half = numbers[mix(numbers).argsort()][:, None] >> torch.arange(players) & 1
    return torch.stack([half, 1 - half], dim=1).flatten(0, 1).float()


def drawn_sets(seed: int, pairs: int, players: int) -> Design:
    """Draw sets of players by the Shapley kernel, each followed by its complement; pair by pair the same however many.

    Example:
        >>> drawn_sets(0, 3, 5).sum(0).tolist()
        [3.0, 3.0, 3.0, 3.0, 3.0]
    """
    numbers = torch.arange(pairs)
    size = torch.arange(1, players, dtype=torch.float64)
    chance = (1 / (size * (players - size))).cumsum(0)
    even = (uniforms(derive(seed, numbers[:1]), 1, stream=1)[:, 0] + numbers.double() * _GOLDEN) % 1
    sizes = torch.searchsorted(chance / chance[-1], even.clamp(max=1 - 1e-12)) + 1
    rank = uniforms(derive(seed, numbers), players).argsort(dim=1, stable=True).argsort(dim=1)
    half = (rank < sizes[:, None]).float()
    return torch.stack([half, 1 - half], dim=1).flatten(0, 1)


def shapley_values(sets: Design, answers: Outputs, whole: Float[Tensor, " t"], *, exact: bool) -> Fit:
    """Fit the linear model under its constraint, which takes the place of the last player's coefficient.

    Args:
        sets: which segments were kept, in pairs.
        answers: to nothing kept, then to the sets.
        whole: the score of the picture itself.
        exact: whether the sets are from `every_set`, to be weighed by the kernel, or were drawn by it.

    Returns:
        One row a player; the rows sum to ``whole - answers[0]``.
    """
    kept, gain = sets.double(), whole - answers[0]
    players, size = kept.shape[1], kept.sum(1)
    weight = torch.ones_like(size)
    if exact:
        choices = torch.tensor([math.comb(players, int(number)) for number in size], device=size.device)
        weight = (players - 1) / (choices * size * (players - size))
    x, y = kept[:, :-1] - kept[:, -1:], answers[1:] - answers[0] - kept[:, -1:] * gain
    found = least_squares(x, y, weight, x.new_zeros(players - 1), torch.arange(len(x), device=x.device) // 2)
    change = torch.cat([torch.eye(players - 1), -torch.ones(1, players - 1)]).to(x)
    fit = found.through(change)
    fit.slopes[-1] += gain
    return Fit(fit.slopes, fit.influence * (len(sets) < 2**players - 2))
