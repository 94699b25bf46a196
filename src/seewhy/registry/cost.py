"""The cost of a method or a metric as a value: queries, backward passes, explanations."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from seewhy.core.errors import RequestError
from seewhy.core.features import Windows
from seewhy.core.settings import schema
from seewhy.methods.sampling.aise import PRESETS
from seewhy.methods.search.minimal_region import fewest, most_queries
from seewhy.methods.search.search import longest
from seewhy.methods.windows._refine import PER_WINDOW, Lattice
from seewhy.methods.windows._windows import SAMPLES

_NUMERALS = {1: "one explanation", 2: "two explanations"}


@dataclass(frozen=True)
class Cost:
    """The number of queries that a run takes without a budget.

    Args:
        forward: images shown to the classifier, the unmodified one included.
        backward: images through which a gradient is taken.
        approximate: whether the number depends on the classifier's answers.
        explanations: explanations that are computed anew, on top of the queries (metrics only).

    Example:
        >>> str(Cost(3137)), str(Cost(21, 20)), str(Cost(754, approximate=True)), str(Cost(explanations=1))
        ('3,137', '21, and 20 backward', 'about 750', 'one explanation')
    """

    forward: int = 0
    backward: int = 0
    approximate: bool = False
    explanations: int = 0

    def __str__(self) -> str:
        if self.explanations:
            return _NUMERALS.get(self.explanations, f"{self.explanations} explanations")
        forward = f"about {float(f'{self.forward:.1e}'):,.0f}" if self.approximate else f"{self.forward:,}"
        return forward + (f", and {self.backward:,} backward" if self.backward else "")


@dataclass(frozen=True)
class Run:
    """A planned run: everything that its cost follows from; ``run["masks"]`` reads a setting, defaults included.

    ``size`` is that of the image in the classifier's view, in pixels; ``stochastic``: another seed gives another in-fill.
    """

    settings: Mapping[str, Any]
    size: tuple[int, int]
    targets: int = 1
    stochastic: bool = False

    def __getitem__(self, setting: str) -> Any:  # noqa: ANN401 - a setting is anything
        return self.settings[setting]


CostRule = Cost | Callable[[Run], Cost]
"""A fixed cost, or a function that computes it for a planned run."""


def planned(rule: CostRule, function: Callable[..., object], run: Run) -> Cost:
    """Return the cost of a run of a function; settings that the function refuses cost the one query that comes first."""
    if isinstance(rule, Cost):
        return rule
    defaults = {name: default for name, (_, default) in schema(function).items()}
    try:
        return rule(replace(run, settings={**defaults, **run.settings}))
    except (RequestError, ArithmeticError, ValueError):
        return Cost(1)


def windows(run: Run) -> Cost:
    """Return the cost of removing windows one at a time (``size``, ``stride``, ``samples``).

    Without a stride the coarsest lattice is refined up to `PER_WINDOW` queries for each of its windows.
    """
    sides = run["size"] if isinstance(run["size"], tuple) else (run["size"],)
    if run["stride"] is not None:
        samples = (run["samples"] or SAMPLES) if run.stochastic else 1
        return Cost(1 + samples * len(Windows(sides[0], run["stride"]).positions(*run.size)))
    samples = (run["samples"] or 2) if run.stochastic else 1
    lattices = [Lattice(side, run.size) for side in sides]
    wanted = sum(len(lattice.start()) for lattice in lattices) * max(samples, PER_WINDOW)
    return Cost(1 + samples * min(wanted // samples, sum(lattice.places for lattice in lattices)))


def per_target(forward: int, run: Run, *, once: int = 1, backward: int = 0) -> Cost:
    """Return the cost of ``once`` queries, and of ``forward`` queries and ``backward`` images for each target."""
    return Cost(once + forward * run.targets, backward * run.targets)


def steps(name: str, *, once: int) -> Callable[[Run], Cost]:
    """Return a rule: ``once`` queries, and for each target as many queries with a gradient as the setting ``name`` says."""
    return lambda run: per_target(run[name], run, once=once, backward=run[name])


def kernel_shap(run: Run) -> Cost:
    """Return the cost of sampled coalitions: no more than there are sets of segments."""
    return Cost(2 + min(run["samples"], 2 ** run["segments"] - 2))


def optimised_images(name: str, *, once: int) -> Callable[[Run], Cost]:
    """Return a rule: ``once`` queries, and for each target ``steps`` steps with a gradient of as many images as the setting ``name`` says."""

    def rule(run: Run) -> Cost:
        images = run["steps"] * run[name]
        return per_target(images, run, once=once, backward=images)

    return rule


def aise(run: Run) -> Cost:
    """Return the cost of a search per width; each window is shown inside out as well."""
    tried, widths = PRESETS[run["preset"]]
    return per_target(2 * tried * len(widths), run)


def extremal(run: Run) -> Cost:
    """Return the cost of one optimisation for each area."""
    shown = len(run["areas"])
    return per_target(shown * (1 + run["iterations"]), run, backward=shown * run["iterations"])


def minimal_region(run: Run) -> Cost:
    """Return the expected cost: the guide, the bisection, and about a third of the queries that pruning may take."""
    samples = (run["samples"] or 3) if run.stochastic else 1
    bisection = fewest(run.size, samples)
    pruning = math.ceil((most_queries(run.size, run["tile"], samples) - bisection) / 3)
    return Cost(1 + run["guide_queries"] + run.targets * (bisection + pruning), approximate=True)


def search(run: Run) -> Cost:
    """Return the expected cost: the first map, and about 80 % of the sets that a search may ask about."""
    count = run["regions"] if isinstance(run["regions"], int) else 10
    sets = 0.8 * longest(count, run["window"]) * (run["samples"] or 1 if run.stochastic else 1)
    return Cost(1 + run["queries"] + run.targets * math.ceil(sets), approximate=True)


def evidence(run: Run) -> Cost:
    """Return the expected cost: the additive maps, and about 80 % of the sets that a search may ask about."""
    begin = 1 + min(run["grids"], 2 * run["queries"] // 5)
    sets = search(replace(run, settings={**run.settings, "queries": 0}, targets=1)).forward
    return Cost(min(run["queries"], begin + sets), approximate=True)


def nearest_counterfactual(run: Run) -> Cost:
    """Return the expected cost: about 80 queries for each candidate, its search among the references included."""
    return Cost(1 + 80 * run["candidates"] * run.targets, approximate=True)
