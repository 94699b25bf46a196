"""Test AISE against a plain run of DIRECT, and test the control maps."""

import numpy as np
import pytest
import torch
from scipy.optimize import direct

from games import Game, PixelNet, picture, small_cnn
from seewhy.core.budget import Budget
from seewhy.core.probe import Probe
from seewhy.core.target import ClassEvidence
from seewhy.infills.plain import constant
from seewhy.methods.controls import center, edges, random
from seewhy.methods.sampling._segments import window
from seewhy.methods.sampling.aise import PRESETS, aise

BLACK = constant(value=0.0)


def test_aise_matches_the_reference_implementation() -> None:
    """Run DIRECT to its end for each width; sum the first windows by score and divide by the maximum."""
    game, image = Game(small_cnn().double()), picture()
    windows, widths = PRESETS["speed"]
    expected = np.zeros(image.shape[1:])
    for width in widths:
        tried: list[tuple[np.ndarray, float]] = []

        def negative_score(
            centre: np.ndarray, width: float = width, tried: list[tuple[np.ndarray, float]] = tried
        ) -> float:
            kept = window((float(centre[0]), float(centre[1])), width, (20, 17))
            shown = torch.round(torch.stack([image * kept, image * (1 - kept)]) * 255) / 255
            shown = torch.where(torch.stack([kept, 1 - kept])[:, None] == 1, image, shown)
            inside, outside = game(shown)[:, 2]
            tried.append((kept.numpy(), float(inside - outside)))
            return -tried[-1][1]

        direct(negative_score, [(0, 1), (0, 1)], eps=0.1, maxfun=2 * windows, locally_biased=False)
        summed = np.sum([kept * value for kept, value in tried[:windows]], axis=0)
        expected += summed / summed.max() if summed.max() > 0 else summed
    found = aise(Probe(game, BLACK, image), [ClassEvidence(2)], preset="speed")
    np.testing.assert_allclose(found.values["class:2"], expected / len(widths), atol=1e-5)


def test_aise_warns_if_no_window_scores_positive() -> None:
    """If the image lowers the class everywhere, a finding warns against interpreting the map."""
    game = Game(lambda images: torch.stack([-images.mean((1, 2, 3)) * 3, images.mean((1, 2, 3)) * 0], dim=1))
    first, second = (
        aise(Probe(game, BLACK, torch.ones(3, 12, 12)), [ClassEvidence(index)], preset="speed") for index in (0, 1)
    )
    assert (first.values["class:0"].max() <= 0) == bool(first.findings)
    assert bool(first.findings) != bool(second.findings)


def test_aise_keeps_to_a_budget() -> None:
    """Each window costs two queries; each width gets as many windows as the budget allows."""
    probe = Probe(Game(small_cnn().double()), BLACK, picture(), budget=Budget(queries=50))
    probe.prediction  # noqa: B018 - asks, once
    assert aise(probe, [ClassEvidence(0)]).stopped_because == "queries"
    assert probe.queries.forward_images == 1 + 2 * 3 * 8


def test_aise_finds_the_pixel() -> None:
    """The maximum lies on the pixel of the class."""
    image = torch.zeros(3, 12, 12)
    image[:, 2, 3] = 1
    values = aise(Probe(Game(PixelNet().double()), BLACK, image), [ClassEvidence(0)]).values["class:0"]
    row, column = np.unravel_index(values.argmax(), values.shape)
    assert abs(int(row) - 2) <= 1
    assert abs(int(column) - 3) <= 1


@pytest.mark.parametrize("control", [random, center, edges])
def test_controls_make_no_queries(control: object) -> None:
    """Controls make no queries and give the same map for every class."""
    probe = Probe(Game(small_cnn().double()), BLACK, picture())
    maps = control(probe, [ClassEvidence(0), ClassEvidence(1)])  # type: ignore[operator]
    assert probe.queries.forward_images == 0
    assert np.array_equal(maps.values["class:0"], maps.values["class:1"])


def test_center_is_highest_in_the_middle() -> None:
    """At a quarter of a side from the centre the value is ``exp(-1/2)``."""
    image = torch.zeros(3, 41, 21)
    values = center(Probe(Game(small_cnn().double()), BLACK, image), [ClassEvidence(0)]).values["class:0"]
    assert values[20, 10] == values.max() == 1
    assert values[10, 10] == pytest.approx(np.exp(-0.5), abs=1e-6)


def test_edges_follow_the_brightness() -> None:
    """A brightness step shows in proportion to its height; a uniform image has no edges."""
    image = torch.zeros(3, 32, 32)
    image[:, :, 16:] = 0.5
    values = edges(Probe(Game(small_cnn().double()), BLACK, image), [ClassEvidence(0)]).values["class:0"]
    assert values[16].argmax() in {15, 16}
    assert values[16].sum() == pytest.approx(0.5, abs=1e-4)
    assert values[16, 0] < 1e-6
