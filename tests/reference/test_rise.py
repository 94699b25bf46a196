"""RISE against slow replicas written from the formulas of Petsiuk, Das, Saenko, BMVC 2018."""

import math

import numpy as np
import pytest
import torch

from games import Game, picture, small_cnn
from seewhy.core.budget import Budget
from seewhy.core.errors import RequestError
from seewhy.core.features import RandomGrids
from seewhy.core.probe import Probe
from seewhy.core.seeds import derive, uniforms
from seewhy.core.target import ClassEvidence
from seewhy.infills.plain import gray
from seewhy.methods.rise import Normalisation, rise


@pytest.mark.parametrize("normalisation", ["paper", "coverage"])
def test_the_estimate_agrees_with_the_replica(normalisation: Normalisation) -> None:
    """S(l) = 1/(N p) Σ f(x M) M(l), or divided by the coverage, query by query."""
    game, image, count, p = Game(small_cnn().double()), picture(), 60, 0.4
    maps = rise(Probe(game, gray(), image), [ClassEvidence(1)], masks=count, p=p, cells=4, normalisation=normalisation)
    grids, terms, keeps = RandomGrids(4, p), [], []
    for number in range(count):
        seed = derive(0, torch.tensor([number]))
        keep = grids.keep(seed, *image.shape[1:])
        answer = float(game(gray()(image, keep, seed))[0, 1])
        terms.append(answer * keep[0].double().numpy())
        keeps.append(keep[0].double().numpy())
    total, coverage = np.sum(terms, axis=0), np.sum(keeps, axis=0)
    slow = total / (count * p) if normalisation == "paper" else total / coverage
    np.testing.assert_allclose(maps.values["class:1"], slow, atol=1e-6)
    if normalisation == "paper":
        error = np.std(terms, axis=0, ddof=1) / math.sqrt(count) / p
        np.testing.assert_allclose(maps.stderr["class:1"], error, atol=1e-6)


def test_grids_are_enlarged_bilinearly_and_shifted_by_less_than_a_cell() -> None:
    """The replica interpolates one grid by hand: cells + 1 cells' length, half-pixel centres, cropped at the shift."""
    cells, height, width = 3, 14, 20
    seed = torch.tensor([12345])
    keep = RandomGrids(cells, 0.5).keep(seed, height, width)[0]
    grid = (uniforms(seed, cells**2) < 0.5).double().reshape(cells, cells)
    cell_y, cell_x = math.ceil(height / cells), math.ceil(width / cells)
    shift = uniforms(seed, 2, stream=1)[0]
    top, left = int(shift[0] * cell_y), int(shift[1] * cell_x)

    def along(position: int, cell: int) -> tuple[int, int, float]:
        source = min(max((position + 0.5) * cells / ((cells + 1) * cell) - 0.5, 0), cells - 1)
        low = int(source)
        return low, min(low + 1, cells - 1), source - low

    for y in range(height):
        for x in range(width):
            y0, y1, wy = along(y + top, cell_y)
            x0, x1, wx = along(x + left, cell_x)
            upper = grid[y0, x0] * (1 - wx) + grid[y0, x1] * wx
            lower = grid[y1, x0] * (1 - wx) + grid[y1, x1] * wx
            assert float(keep[y, x]) == pytest.approx(float(upper * (1 - wy) + lower * wy), abs=1e-5)


def test_a_pixel_is_kept_with_probability_p() -> None:
    """Over many grids every pixel's mean keep is p, border and centre alike."""
    keep = RandomGrids(4, 0.3).keep(torch.arange(6000), 12, 12)
    assert float((keep.mean(0) - 0.3).abs().max()) < 0.03


@pytest.mark.parametrize("normalisation", ["paper", "coverage"])
def test_the_stated_error_is_the_spread_over_seeds(normalisation: Normalisation) -> None:
    """Over 60 seeds the spread of the map equals the stated standard error within a fifth."""
    game = Game(small_cnn().double())
    runs = [
        rise(
            Probe(game, gray(), picture(), seed=s, batch_size=64),
            [ClassEvidence(0)],
            masks=64,
            normalisation=normalisation,
        )
        for s in range(60)
    ]
    spread = np.std([maps.values["class:0"] for maps in runs], axis=0, ddof=1).mean()
    stated = np.mean([maps.stderr["class:0"] for maps in runs])
    assert spread == pytest.approx(stated, rel=0.2)


def test_a_budget_cuts_the_grids_short() -> None:
    """The manifest's settings say how many were really asked."""
    probe = Probe(Game(small_cnn().double()), gray(), picture(), budget=Budget(queries=101))
    maps = rise(probe, [ClassEvidence(0)])
    assert (maps.settings["masks"], maps.stopped_because, probe.queries.forward_images) == (100, "queries", 101)


def test_settings_that_make_no_sense_are_refused() -> None:
    """Each says what was expected and what came."""
    probe = Probe(Game(small_cnn().double()), gray(), picture())
    for settings, message in [
        ({"p": 1.0}, "p between 0 and 1"),
        ({"cells": 0}, "cells >= 1"),
        ({"masks": 48}, "masks >= 49"),
        ({"masks": 1, "cells": 1}, "masks >= 2"),
    ]:
        with pytest.raises(RequestError, match=message):
            rise(probe, [ClassEvidence(0)], **settings)  # type: ignore[arg-type]
    small = Probe(Game(small_cnn().double()), gray(), picture(), budget=Budget(queries=10))
    with pytest.raises(RequestError, match="at least 50"):
        rise(small, [ClassEvidence(0)])
