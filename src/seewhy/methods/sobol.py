"""Sobol attribution: total indices of the cells of a grid (Fel, Cadène, Chalvidal, Cord, Vigouroux, Serre, NeurIPS 2021)."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.core.errors import RequestError
from seewhy.core.maps import Maps
from seewhy.core.probe import Probe
from seewhy.core.seeds import derive, uniforms
from seewhy.core.target import Target, weight_matrix
from seewhy.methods.designs import Design, Outputs, ask_design, cells_to_keep, smooth_error, smooth_map, sobol_points

_FEWEST = 4
"""Rows from which a variance and its error can be told at all."""


def sobol(probe: Probe, targets: Sequence[Target], *, grid: int = 8, samples: int = 32) -> Maps:
    """Measure which share of the score's variance a cell has a part in when all cells are faded at random.

    Each cell keeps a random share of itself, from 0 to 1; the in-fill stands for the rest. With the shares in two matrices A
    and B and ``C_j``, which is A with column j of B, the total index of cell j is estimated as Jansen does (Computer
    Physics Communications, 1999): ``ST_j = mean (f(A_i) - f(C_j,i))² / (2 var f(A))``. It holds what the cell does alone and
    together with others. B itself is not asked about, as the formula does not need it.

    Args:
        probe: the bound question.
        targets: classes and contrasts.
        grid: cells along each side.
        samples: rows of A, a power of two; the budget may cut it to a smaller one.

    Returns:
        Maps of total indices, 0 or more (above 1 by chance only; the interpolation between cells can fall a little below 0), no
        sign: a cell that speaks against the class counts too. Standard errors by the jackknife over the rows, which takes no
        credit for the even filling of the Sobol sequence and so errs on the large side. 0 where the score never changes.

    Raises:
        RequestError: a setting is out of range, or the budget is too small for four rows.

    Cost: ``1 + samples (grid² + 1)`` queries.
    """
    if samples < _FEWEST or samples & (samples - 1):
        raise RequestError(f"expected samples as a power of two from {_FEWEST}, got {samples}")
    draw, row = cells_to_keep(grid, probe.size), grid**2 + 1
    reach = probe.affordable(1 + samples * row, smallest=1 + _FEWEST * row, hint="a smaller grid") - 1
    rows = 2 ** int(math.log2(reach // row))
    probe.plan(1 + rows * row)
    weights = weight_matrix(targets, probe.prediction)
    drawn = design(probe.seed, rows, grid**2).to(weights.device)
    answers, why = ask_design(probe, drawn, draw, weights, fewest=_FEWEST * row, together=row)
    value, error = total_indices(answers, row)
    keys = [target.key for target in targets]
    values, errors = smooth_map(value, grid, probe.size), smooth_error(error, grid, probe.size)
    return Maps(
        dict(zip(keys, values.cpu().numpy(), strict=True)),
        dict(zip(keys, errors.cpu().numpy(), strict=True)),
        "share of variance",
        {"grid": grid, "samples": rows},
        why or ("queries" if rows < samples else "complete"),
    )


def design(seed: int, rows: int, cells: int) -> Design:
    """Lay out the queries: for each row of A, that row, then for each cell the row with the cell's share from B.

    A and B are the halves of one Sobol sequence, B's rows shuffled: columns of a short sequence go together, and where one
    of A does with its own of B the index of that cell comes out wrong, by four fifths at worst.

    Returns:
        ``(rows (cells + 1), cells)`` in [0, 1].

    Example:
        >>> design(0, 4, 9).shape
        torch.Size([40, 9])
    """
    a, b = torch.split(sobol_points(seed, rows, 2 * cells)[:, None], cells, dim=2)
    shuffled = uniforms(derive(seed, torch.ones(1, dtype=torch.int64)), rows)[0].argsort()
    swapped = torch.where(torch.eye(cells, dtype=torch.bool), b[shuffled], a)
    return torch.cat([a, swapped], dim=1).flatten(0, 1)


def total_indices(answers: Outputs, row: int) -> tuple[Float[Tensor, "t k"], Float[Tensor, "t k"]]:
    """Estimate the total index of each cell and its standard error.

    Args:
        answers: to the queries of `design`; an unfinished last row is left out.
        row: queries a row.

    Returns:
        Indices and errors, one row a target; 0 where the answers never change.

    Example:
        >>> total_indices(torch.tensor([0.1, 0.2, 0.4, 0.1, 0.7, 0.7, 0.9, 0.5]).double()[:, None], 2)[0]
        tensor([[0.2653]], dtype=torch.float64)
    """
    rows = len(answers) // row
    table = answers[: rows * row].view(rows, row, -1)
    first, half = table[:, 0], (table[:, :1] - table[:, 1:]).square() / 2
    variance = _ratio(((first - first.mean(0)) ** 2).sum(0), rows - 1)
    index = _over(half.mean(0), variance)
    # the same with each row left out in turn
    total, squares = first.sum(0) - first, (first**2).sum(0) - first**2
    without = _over((half.sum(0) - half) / (rows - 1), _ratio(squares - total**2 / (rows - 1), rows - 2)[:, None])
    error = ((rows - 1) / rows * ((without - without.mean(0)) ** 2).sum(0)).sqrt()
    return index.T, error.T


def _ratio(squares: Float[Tensor, "*n t"], degrees: int) -> Float[Tensor, "*n t"]:
    """Turn sums of squares into variances; 0 where they are rounding."""
    variance = squares / degrees
    return torch.where(variance > 1e-24, variance, 0)


def _over(part: Float[Tensor, "..."], whole: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Divide; 0 where the whole is 0."""
    return torch.where(whole > 0, part / whole, 0)
