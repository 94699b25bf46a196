"""HSIC attribution: dependence of the score on each cell of a grid (Novello, Fel, Vigouroux, NeurIPS 2022)."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.core.attribution import Attribution
from seewhy.core.probe import Probe
from seewhy.core.target import Target, weight_matrix
from seewhy.methods._shared import allow, at_least, stop_reason
from seewhy.methods.sampling._sampling_designs import (
    Design,
    ask_design,
    cell_maps,
    cells_to_keep,
    sobol_points,
)

_FEWEST = 16
"""Minimum number of queries to distinguish dependence from chance."""

_ROWS = 256
"""Rows of the kernel matrix held in memory at once."""


def hsic(probe: Probe, targets: Sequence[Target], *, grid: int = 7, samples: int = 500) -> Attribution:
    """Measure how strongly the score depends on whether a cell is kept, including non-linear dependence.

    Each query keeps about half of the cells, chosen by a scrambled Sobol sequence rounded to 0 and 1. A cell's value
    is the Hilbert-Schmidt independence criterion between its mask ``m_j`` and the score y (Gretton et al., ALT 2005),
    ``tr(K_j H L H) / n²`` with ``K_j(a, b) = 1.5 - (m_aj - m_bj)²`` and ``L(a, b) = exp(-(y_a - y_b)² / (2 w²))``.
    The authors' code divides by n instead, so that its values grow with n; the ranking of the cells is the same. As
    in their code, w is the median of the outputs themselves (of their absolute values, for a contrast), not of their
    distances.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together.
        targets: classes and contrasts.
        grid: number of cells along each side, 1 or more.
        samples: number of queries, 16 or more; 1,536 in the authors' notebook. The budget may reduce it.

    Returns:
        Unsigned maps of dependence, 0 to 0.5 (interpolation between cells can go slightly below 0): cells that oppose
        the class score high too. Cells without influence score about 0.5 / samples, not 0. Standard errors are
        estimated from the variation of the queries' contributions to the sum.

    Raises:
        RequestError: a setting is out of range, or the budget is smaller than 17 queries.

    Cost: ``1 + samples`` queries, and computation proportional to ``samples² grid²``.
    """
    at_least(samples=(samples, _FEWEST))
    draw = cells_to_keep(grid, probe.size)
    allowed = allow(probe, samples, fewest=_FEWEST, hint="another method")
    weights = weight_matrix(targets, probe.prediction)
    design = (sobol_points(probe.seed, allowed, grid**2) > 0.5).float().to(weights.device)
    answers, why = ask_design(probe, design, draw, weights, fewest=_FEWEST)
    pairs = [dependence(design[: len(answers)], column) for column in answers.T]
    value, error = (torch.stack(part) for part in zip(*pairs, strict=True))
    return Attribution(
        *cell_maps(targets, value, error, probe.size),
        "HSIC",
        {"grid": grid, "samples": len(answers)},
        stop_reason(why, allowed, samples),
    )


def dependence(design: Design, outputs: Float[Tensor, " n"]) -> tuple[Float[Tensor, " k"], Float[Tensor, " k"]]:
    """Estimate the criterion between each column and the outputs, and its standard error.

    With centring, ``1.5 - (a - b)²`` is equivalent to ``2 a b``, so the criterion is ``2 mᵀ L m / n²`` with m
    centred, which one matrix product computes for all cells.
    """
    centred = design.double() - design.double().mean(0)
    width = outputs.abs().quantile(0.5).clamp(min=1e-12)  # a median of 0 leaves only equal and unequal outputs
    kernel_rows = (torch.exp(-(((some[:, None] - outputs) / width) ** 2) / 2) for some in torch.split(outputs, _ROWS))
    smooth = torch.cat([rows @ centred for rows in kernel_rows])
    parts = 2 * centred * (smooth - smooth.mean(0)) / len(outputs)
    return parts.mean(0), 2 * parts.std(0) / len(outputs) ** 0.5
