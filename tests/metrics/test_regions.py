"""Metrics that compare the map with the object's region, against hand-computed values."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from games import Game, pixel_logits
from seewhy.core.attribution import Map
from seewhy.core.errors import RequestError
from seewhy.core.metric import MetricInput, MetricResult
from seewhy.core.probe import Probe
from seewhy.infills.plain import constant
from seewhy.metrics.localisation import box_ratio, energy_in_box, iou, pointing

PROBE = Probe(Game(pixel_logits), constant(value=0.0), torch.zeros(3, 10, 10))
REGION = np.zeros((10, 10), bool)
REGION[2:4, 2:7] = True  # ten pixels
CASE = MetricInput(0, REGION)


def spot(*places: tuple[int, int], value: float = 1.0) -> Map:
    """Return a map that is 0 except for some pixels."""
    values = np.zeros((10, 10), np.float32)
    for place in places:
        values[place] = value
    return values


@pytest.mark.parametrize(
    ("place", "tolerance", "hit"),
    [
        ((2, 2), 0.0, 1.0),
        ((1, 2), 0.0, 0.0),
        ((7, 2), 4.0, 1.0),
        ((7, 2), 3.9, 0.0),
        ((0, 0), 2.9, 1.0),
        ((0, 0), 2.8, 0.0),
    ],
)
def test_pointing_measures_the_distance_to_the_object(place: tuple[int, int], tolerance: float, hit: float) -> None:
    """The distance is 4 pixels straight down, and the square root of 8 across a corner."""
    assert pointing(PROBE, spot(place), CASE, tolerance=tolerance).value == hit


def test_points_that_share_the_highest_value_share_the_hit() -> None:
    """One of four maxima is on the object; a constant map scores the object's share of the image."""
    points = spot((2, 2), (9, 9), (0, 9), (9, 0))
    assert pointing(PROBE, points, CASE, tolerance=0.0).value == 0.25
    assert pointing(PROBE, np.ones((10, 10), np.float32), CASE, tolerance=0.0).value == pytest.approx(0.1)


def test_energy_counts_positive_values_only() -> None:
    """3 of 4 are on the object; negative values are ignored."""
    values = spot((2, 2), value=3) + spot((9, 9)) - spot((0, 0), (3, 3), value=5)
    assert energy_in_box(PROBE, values, CASE).value == pytest.approx(0.75)
    assert energy_in_box(PROBE, np.ones((10, 10), np.float32), CASE).value == pytest.approx(0.1)
    nothing = energy_in_box(PROBE, -np.ones((10, 10), np.float32), CASE)
    assert math.isnan(nothing.value)
    assert nothing.note


def test_ratio_and_iou_of_half_a_hit() -> None:
    """Five of the ten highest pixels are on the object: ratio 1/2, intersection 5, union 15."""
    values = np.zeros((10, 10), np.float32)
    values[3, 2:7] = 2
    values[8, 2:7] = 3
    assert box_ratio(PROBE, values, CASE).value == 0.5
    assert iou(PROBE, values, CASE).value == pytest.approx(5 / 15)
    assert iou(PROBE, REGION.astype(np.float32), CASE).value == 1
    assert box_ratio(PROBE, -REGION.astype(np.float32), CASE).value == 0


def test_large_objects_are_excluded_from_the_ratio() -> None:
    """As in the paper, objects that cover more than a third of the view are excluded."""
    large = np.zeros((10, 10), bool)
    large[:5] = True
    left_out = box_ratio(PROBE, large.astype(np.float32), MetricInput(0, large))
    assert math.isnan(left_out.value)
    assert "50%" in left_out.note
    assert box_ratio(PROBE, large.astype(np.float32), MetricInput(0, large), largest=1.0).value == 1


@pytest.mark.parametrize("metric", [pointing, energy_in_box, box_ratio, iou])
def test_no_query_is_made_and_a_region_is_required(metric: Callable[..., MetricResult]) -> None:
    """The classifier is not queried; a missing, empty or full region is refused."""
    before = PROBE.queries
    metric(PROBE, spot((2, 2)), CASE)
    assert PROBE.queries == before
    for region in (None, np.zeros((10, 10), bool), np.ones((10, 10), bool)):
        with pytest.raises(RequestError, match="expected"):
            metric(PROBE, spot((2, 2)), MetricInput(0, region))
    with pytest.raises(RequestError, match="10 × 10"):
        metric(PROBE, np.zeros((5, 5), np.float32), CASE)
