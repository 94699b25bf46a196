"""Helpers for methods that plan all queries in advance: the designs, and how they are queried."""

import math
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.quasirandom import SobolEngine

from seewhy.core.arrays import Keep
from seewhy.core.attribution import Map
from seewhy.core.errors import RequestError
from seewhy.core.probe import Probe
from seewhy.core.seeds import derive, uniforms
from seewhy.core.target import Target
from seewhy.methods._shared import enlarge, name_maps, seeds

Design = Float[Tensor, "n k"]
"""One row per query: the fraction of each part of the image that is kept, 0 to 1."""

Outputs = Float[Tensor, "m t"]
"""The classifier's output for each query, one column per target, float64."""

Draw = Callable[[Design], Keep]
"""Converts rows of a design to ``keep`` masks of the image's size."""


def ask_design(
    probe: Probe, design: Design, draw: Draw, weights: Float[Tensor, "c t"], *, fewest: int, together: int = 1
) -> tuple[Outputs, str | None]:
    """Query the rows of a design in order, until all are answered or the time budget runs out.

    The fewest rows are queried in any case, and the run ends after a multiple of the rows that belong together.
    Returns the outputs, and why it stopped early, if it did.
    """
    outputs = [design.new_zeros(0, weights.shape[1], dtype=torch.float64)]
    own = seeds(probe, 0, len(design))
    step = max(1, probe.rows // together) * together
    for start in range(0, len(design), step):
        if start >= fewest and (why := probe.why_stop()):
            return torch.cat(outputs), why
        pieces = (torch.split(part[start : start + step], probe.rows) for part in (design, own))
        outputs += [probe(draw(rows), row_seeds) @ weights for rows, row_seeds in zip(*pieces, strict=True)]
    return torch.cat(outputs), None


def even_samples(samples: int, fewest: int, segments: int) -> None:
    """Reject a number of queries that does not form pairs or cannot separate the segments."""
    if samples < fewest or samples % 2:
        raise RequestError(f"expected an even number of samples >= {fewest} for {segments} segments, got {samples}")


def cells_to_keep(grid: int, size: tuple[int, int]) -> Draw:
    """Return a function that enlarges ``grid x grid`` cells to the image's size, each cell a block with hard edges."""
    if not 1 <= grid <= min(size):
        raise RequestError(f"expected grid from 1 to {min(size)}, the pixels of the shorter side, got {grid}")
    return lambda rows: enlarge(rows.view(-1, grid, grid), size, "nearest")


def cell_maps(
    targets: Sequence[Target], values: Float[Tensor, "t k"], errors: Float[Tensor, "t k"], size: tuple[int, int]
) -> tuple[dict[str, Map], dict[str, Map]]:
    """Interpolate the cells of square grids: values bicubically, errors bilinearly as if they were fully correlated."""
    side = math.isqrt(values.shape[1])
    grids = (cells.float().view(-1, side, side) for cells in (values, errors))
    maps = (enlarge(grid, size, mode) for grid, mode in zip(grids, ("bicubic", "bilinear"), strict=True))
    value, error = (name_maps(targets, stack) for stack in maps)
    return value, error


def sobol_points(seed: int, rows: int, columns: int) -> Float[Tensor, "n k"]:
    """Return the first points of a Sobol sequence, which fill the unit cube evenly.

    The seed scrambles it (Owen, Journal of Complexity, 1998); torch's global generator is not used.
    """
    scrambling = int(derive(seed, torch.tensor(0)))
    engine = SobolEngine(columns, scramble=True, seed=scrambling)  # type: ignore[no-untyped-call]
    return engine.draw(rows, dtype=torch.float32)


def with_complements(half: Design) -> Float[Tensor, "m k"]:
    """Follow each row by its complement."""
    return torch.stack([half, 1 - half], dim=1).flatten(0, 1)


def coin_tosses(seed: int, pairs: int, segments: int) -> Design:
    """Keep each segment with probability 1/2, each draw followed by its complement.

    The first pairs are the same for any number of pairs.
    """
    return with_complements((uniforms(derive(seed, torch.arange(pairs)), segments) < 0.5).float())
