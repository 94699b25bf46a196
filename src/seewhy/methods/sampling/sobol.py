"""Sobol attribution: total indices of grid cells (Fel, Cadène, Chalvidal, Cord, Vigouroux, Serre, NeurIPS 2021)."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.core.attribution import Attribution
from seewhy.core.errors import RequestError
from seewhy.core.probe import Probe
from seewhy.core.seeds import derive, uniforms
from seewhy.core.target import Target, weight_matrix
from seewhy.methods._shared import allow, stop_reason
from seewhy.methods.sampling._sampling_designs import (
    Design,
    Outputs,
    ask_design,
    cell_maps,
    cells_to_keep,
    sobol_points,
)

_FEWEST = 4
"""Minimum number of rows to estimate a variance and its error."""


def sobol(probe: Probe, targets: Sequence[Target], *, grid: int = 8, samples: int = 32) -> Attribution:
    """Measure the fraction of the score's variance that involves each cell, when all cells are faded at random.

    Each cell is kept to a random degree from 0 to 1, and the in-fill takes the rest. With these degrees in two
    matrices A and B, and ``C_j``, which is A with column j from B, the total index of cell j is estimated as in
    Jansen (Computer Physics Communications, 1999): ``ST_j = mean (f(A_i) - f(C_j,i))² / (2 var f(A))``. It includes
    the effect of the cell alone and in interaction with others. B itself is not queried, because the formula does not
    need it.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together.
        targets: classes and contrasts.
        grid: number of cells along each side, 1 or more.
        samples: rows of A, a power of two of at least 4; the budget may reduce it to a smaller one.

    Returns:
        Unsigned maps of total indices, 0 or more (above 1 only by chance; interpolation between cells can go slightly
        below 0): cells that oppose the class score high too. Standard errors are a jackknife over the rows; it
        ignores that the Sobol sequence fills the space evenly, and so is conservative. A map is 0 if the score never
        changes.

    Raises:
        RequestError: a setting is out of range, or the budget is too small for four rows.

    Cost: ``1 + samples (grid² + 1)`` queries.
    """
    if samples < _FEWEST or samples & (samples - 1):
        raise RequestError(f"expected samples as a power of two from {_FEWEST}, got {samples}")
    draw, row = cells_to_keep(grid, probe.size), grid**2 + 1
    allowed = allow(probe, samples * row, fewest=_FEWEST * row, hint="a smaller grid")
    rows = 2 ** int(math.log2(allowed // row))
    probe.plan(1 + rows * row)
    weights = weight_matrix(targets, probe.prediction)
    drawn = design(probe.seed, rows, grid**2).to(weights.device)
    answers, why = ask_design(probe, drawn, draw, weights, fewest=_FEWEST * row, together=row)
    value, error = total_indices(answers, row)
    return Attribution(
        *cell_maps(targets, value, error, probe.size),
        "share of variance",
        {"grid": grid, "samples": rows},
        stop_reason(why, rows, samples),
    )


def design(seed: int, rows: int, cells: int) -> Design:
    """Build the design: each row of A, followed for each cell by that row with the cell's value from B.

    A and B are the halves of one Sobol sequence, with B's rows shuffled: columns of a short sequence are correlated,
    and if a column of A is correlated with the same column of B, the index of that cell is wrong, by four fifths at
    worst.
    """
    a, b = torch.split(sobol_points(seed, rows, 2 * cells)[:, None], cells, dim=2)
    shuffled = uniforms(derive(seed, torch.ones(1, dtype=torch.int64)), rows)[0].argsort()
    swapped = torch.where(torch.eye(cells, dtype=torch.bool), b[shuffled], a)
    return torch.cat([a, swapped], dim=1).flatten(0, 1)


def total_indices(answers: Outputs, row: int) -> tuple[Float[Tensor, "t k"], Float[Tensor, "t k"]]:
    """Estimate the total index of each cell and its standard error, one row per target; 0 if the outputs never change.

    ``row`` is the number of queries per row of A in `design`; an incomplete last one is ignored.
    """
    rows = len(answers) // row
    table = answers[: rows * row].view(rows, row, -1)
    first, half = table[:, 0], (table[:, :1] - table[:, 1:]).square() / 2
    variance = _ratio(((first - first.mean(0)) ** 2).sum(0), rows - 1)
    index = _over(half.mean(0), variance)
    # jackknife: the same with each row left out in turn
    total, squares = first.sum(0) - first, (first**2).sum(0) - first**2
    without = _over((half.sum(0) - half) / (rows - 1), _ratio(squares - total**2 / (rows - 1), rows - 2)[:, None])
    error = ((rows - 1) / rows * ((without - without.mean(0)) ** 2).sum(0)).sqrt()
    return index.T, error.T


def _ratio(squares: Float[Tensor, "*n t"], degrees: int) -> Float[Tensor, "*n t"]:
    """Convert sums of squares to variances; rounding errors become 0."""
    variance = squares / degrees
    return torch.where(variance > 1e-24, variance, 0)


def _over(part: Float[Tensor, "..."], whole: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Divide; 0 where the divisor is 0."""
    return torch.where(whole > 0, part / whole, 0)
