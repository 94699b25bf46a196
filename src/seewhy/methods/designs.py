"""What methods share that decide beforehand which parts each query keeps: asking about a whole design, and grids of cells."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional
from torch.quasirandom import SobolEngine

from seewhy.core.arrays import Keep
from seewhy.core.errors import RequestError
from seewhy.core.probe import Probe
from seewhy.core.seeds import derive

Design = Float[Tensor, "n k"]
"""One row a query: how much of each part of the picture it keeps, 0 to 1."""

Outputs = Float[Tensor, "m t"]
"""What the classifier said to each query, one column a target, float64."""

Draw = Callable[[Design], Keep]
"""Turns rows of a design into ``keep`` at the picture's size."""


def ask_design(
    probe: Probe, design: Design, draw: Draw, weights: Float[Tensor, "c t"], *, fewest: int, together: int = 1
) -> tuple[Outputs, str | None]:
    """Ask about the rows of a design in order, until they are all answered or time is up.

    Args:
        probe: the bound question.
        design: what each query keeps.
        draw: makes pictures' ``keep`` of it; no more than `Probe.rows` at once.
        weights: of the classes in each target.
        fewest: rows that are asked about even if time is up.
        together: rows that are of use only together; the run ends after a multiple of them.

    Returns:
        The answers to the first rows, and why no more were asked: ``"seconds"`` or None.

    Example:
        ``ask_design(probe, torch.ones(2, 49), cells_to_keep(7, probe.size), weights, fewest=2)`` asks twice about the whole picture.
    """
    found = [design.new_zeros(0, weights.shape[1], dtype=torch.float64)]
    seeds = derive(probe.seed, torch.arange(len(design), device=design.device))
    step = max(1, probe.rows // together) * together
    for start in range(0, len(design), step):
        if start >= fewest and (why := probe.why_stop()):
            return torch.cat(found), why
        pieces = (torch.split(part[start : start + step], probe.rows) for part in (design, seeds))
        found += [probe(draw(rows), row_seeds) @ weights for rows, row_seeds in zip(*pieces, strict=True)]
    return torch.cat(found), None


def cells_to_keep(grid: int, size: tuple[int, int]) -> Draw:
    """Make the function that enlarges ``grid x grid`` cells to the picture, each a block with hard edges.

    Raises:
        RequestError: the grid has no cell, or more cells a side than the picture has pixels.

    Example:
        >>> cells_to_keep(2, (2, 4))(torch.tensor([[1.0, 0.0, 0.0, 0.0]])).tolist()
        [[[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]]
    """
    if not 1 <= grid <= min(size):
        raise RequestError(f"expected grid from 1 to the {min(size)} pixels of a side, got {grid}")
    return lambda rows: functional.interpolate(rows.view(-1, 1, grid, grid), size=size, mode="nearest")[:, 0]


def smooth_map(cells: Float[Tensor, "t k"], grid: int, size: tuple[int, int]) -> Float[Tensor, "t h w"]:
    """Enlarge values of cells to maps of the picture's size by bicubic interpolation.

    Example:
        >>> smooth_map(torch.ones(1, 4), 2, (3, 5)).shape
        torch.Size([1, 3, 5])
    """
    coarse = cells.float().view(-1, 1, grid, grid)
    return functional.interpolate(coarse, size=size, mode="bicubic", align_corners=False)[:, 0]


def smooth_error(cells: Float[Tensor, "t k"], grid: int, size: tuple[int, int]) -> Float[Tensor, "t h w"]:
    """Enlarge standard errors of cells by bilinear interpolation: as if they all erred the same way, which they never exceed.

    Example:
        >>> smooth_error(torch.ones(1, 4), 2, (3, 5)).shape
        torch.Size([1, 3, 5])
    """
    coarse = cells.float().view(-1, 1, grid, grid)
    return functional.interpolate(coarse, size=size, mode="bilinear", align_corners=False)[:, 0]


def sobol_points(seed: int, rows: int, columns: int) -> Float[Tensor, "n k"]:
    """Return the first points of a scrambled Sobol sequence, which fill the unit cube evenly.

    Args:
        seed: of the scrambling (Owen, Journal of Complexity, 1998); torch's own generator is left alone.
        rows: points.
        columns: dimensions.

    Example:
        >>> sobol_points(0, 8, 2).gt(0.5).sum(0).tolist()
        [4, 4]
    """
    scrambling = int(derive(seed, torch.tensor(0)))
    engine = SobolEngine(columns, scramble=True, seed=scrambling)  # type: ignore[no-untyped-call]
    return engine.draw(rows, dtype=torch.float32)
