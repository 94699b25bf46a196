"""What most methods do at their start and end: check settings, fit the budget, number the in-fills, name the maps."""

from collections.abc import Sequence
from itertools import product
from typing import SupportsFloat

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from seewhy.core.arrays import Seeds
from seewhy.core.attribution import Map, as_map
from seewhy.core.classifier import class_name
from seewhy.core.errors import RequestError
from seewhy.core.probe import Answers, Probe
from seewhy.core.seeds import derive
from seewhy.core.target import Contrast, Target

_GAP = 0.05
"""A finding reports a map that should sum to a change and misses it by more than this fraction of it."""


def at_least(**settings: tuple[SupportsFloat, int]) -> None:
    """Reject settings below their minimum, given as ``name=(value, minimum)``; NaN is below everything."""
    for name, (value, minimum) in settings.items():
        if not float(value) >= minimum:
            raise RequestError(f"expected {name} >= {minimum}, got {value}; leave it out for the default")


def positive(**settings: SupportsFloat) -> None:
    """Reject settings that are not above 0."""
    for name, value in settings.items():
        if not float(value) > 0:
            raise RequestError(f"expected {name} > 0, got {value}; leave it out for the default")


def allow(probe: Probe, wanted: int, *, fewest: int, hint: str, first: int = 1, multiple: int = 1) -> int:
    """Return how many of the wanted queries the budget allows, a multiple of ``multiple``, and announce them.

    The first queries, such as the one of the unmodified image, come on top. A budget below ``first + fewest`` is an
    error, whose message gives the hint.
    """
    allowed = probe.affordable(first + wanted, smallest=first + fewest, hint=hint) - first
    allowed -= allowed % multiple
    probe.plan(first + allowed)
    return allowed


def reserve(probe: Probe, queries: int, *, hint: str) -> None:
    """Announce a number of queries that cannot be reduced: a smaller budget is an error."""
    allow(probe, queries, fewest=queries, hint=hint, first=0)


def stop_reason(early: str | None, made: int, wanted: int) -> str:
    """Return why a run ended: the reason for which it stopped early, or else whether the budget reduced it."""
    return early or ("queries" if made < wanted else "complete")


def seeds(probe: Probe, start: int, count: int = 1) -> Seeds:
    """Return the seeds of some consecutive queries of a run."""
    return derive(probe.seed, torch.arange(start, start + count, device=probe.image.device))


def name_maps(targets: Sequence[Target], stack: Float[Tensor, "t h w"]) -> dict[str, Map]:
    """Give each target its map."""
    return {target.key: as_map(values) for target, values in zip(targets, stack, strict=True)}


def enlarge(values: Float[Tensor, "n a b"], size: tuple[int, int], mode: str = "bilinear") -> Float[Tensor, "n h w"]:
    """Interpolate coarse values to the image's size."""
    corners = None if mode == "nearest" else False
    return functional.interpolate(values[:, None], size=size, mode=mode, align_corners=corners)[:, 0]


def blocks(size: tuple[int, int], side: int) -> list[tuple[slice, slice]]:
    """Cut an image into square blocks, row by row; those at the far borders may be smaller."""
    corners = product(*(range(0, length, side) for length in size))
    return [(slice(top, top + side), slice(left, left + side)) for top, left in corners]


def quoted_class(probe: Probe, index: int) -> str:
    """Return the name of a class in quotes, or its number if the classifier has no labels."""
    labels = probe.classifier.labels
    return f"'{class_name(labels, index)}'" if labels else class_name(labels, index)


def requested_class(probe: Probe, target: Target) -> str:
    """Name the class of a target; a contrast gives "A over B"."""
    name = quoted_class(probe, int(target.weights(probe.prediction).argmax()))
    return f"{name} over {quoted_class(probe, target.other)}" if isinstance(target, Contrast) else name


def incompleteness(key: str, output: str, total: float, change: float) -> list[str]:
    """Report a map whose sum misses the change of the output that it should add up to."""
    if abs(total - change) <= _GAP * abs(change):
        return []
    return [f"The map of {key} sums to {total:.3g}, but the {output} changes by {change:.3g}: use more steps."]


def wins(answers: Answers, target: Target) -> Bool[Tensor, " n"]:
    """Return for which outputs the target wins: no other class is as probable (for a contrast: its other class)."""
    positive = target.weights(answers[0]) > 0
    rivals = target.weights(answers[0]) < 0 if isinstance(target, Contrast) else ~positive
    return answers[:, positive].amax(1) > answers[:, rivals].amax(1)
