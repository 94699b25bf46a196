"""Colours mean the same in every map, and zero has none."""

import numpy as np
import pytest

from seewhy.plots.scales import Scale, round_up, scale_of, signed
from seewhy.results.report_data import MapPanel

EVIDENCE = Scale("evidence", "nats", -2.0, 2.0, diverging=True)
INFORMATION = Scale("information", "nats", 0.0, 1.5, diverging=False)


def _panel(key: str, values: list[float], *, diverging: bool = True, unit: str = "nats") -> MapPanel:
    """A panel of one row."""
    return MapPanel(key, key, "", np.array([values], np.float32), None, diverging=diverging, unit=unit)


@pytest.mark.parametrize("scale", [EVIDENCE, INFORMATION])
def test_zero_is_transparent(scale: Scale) -> None:
    """Where there is no evidence, and where there is no value, the photo is seen unchanged."""
    assert scale.paint(np.array([0.0, np.nan]))[:, 3].tolist() == [0, 0]


def test_the_signed_scale_is_symmetric() -> None:
    """A value and its negative are equally opaque; support is red, opposition blue."""
    values = np.linspace(0.01, 2, 50)
    for_it, against_it = EVIDENCE.paint(values).astype(int), EVIDENCE.paint(-values).astype(int)
    assert (for_it[:, 3] == against_it[:, 3]).all()
    assert (for_it[:, 0] > for_it[:, 2]).all()
    assert (against_it[:, 2] > against_it[:, 0]).all()


@pytest.mark.parametrize("scale", [EVIDENCE, INFORMATION])
def test_opacity_and_darkness_grow_with_the_value(scale: Scale) -> None:
    """More is never paler: neither in opacity nor on the colour bar."""
    values = np.linspace(0, scale.high, 100)
    assert (np.diff(scale.paint(values)[:, 3].astype(int)) >= 0).all()
    light = scale.bar(201)[-100:].astype(float) @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(light) <= 1).all()


def test_values_beyond_the_limits_take_the_colour_of_the_limit() -> None:
    """Infinite values are drawn as the largest, not as nothing."""
    assert EVIDENCE.levels(np.array([-np.inf, -9.0, 9.0, np.inf])).tolist() == [1, 1, 255, 255]


def test_each_map_has_a_scale_that_ends_at_a_round_number() -> None:
    """A weak map is not drowned by a strong one, and maps of like strength have the very same scale."""
    panels = [
        _panel("information", [0, 4.1], diverging=False),
        _panel("class:1", [-3, 1]),
        _panel("class:2", [0.01, 0.03]),
        _panel("class:3", [-2.2, 4.9]),
    ]
    scales = {panel.key: scale_of(panel) for panel in panels}
    assert (scales["class:1"].low, scales["class:1"].high) == (-5.0, 5.0)
    assert scales["class:2"].high == 0.05
    assert (scales["information"].low, scales["information"].high) == (0.0, 5.0)
    assert len(set(scales.values())) == 3


@pytest.mark.parametrize(("value", "limit"), [(1.0, 1.0), (1.01, 2.0), (0.5, 0.5), (0.051, 0.1), (70.0, 100.0)])
def test_limits_come_from_a_fixed_ladder(value: float, limit: float) -> None:
    """1, 2, 5, 10, …: the least one that holds the value."""
    assert round_up(value) == limit


@pytest.mark.parametrize("values", [[0.0, 0.0], [np.nan, np.nan]])
@pytest.mark.parametrize("diverging", [True, False])
@pytest.mark.parametrize("key", ["information", "class:1"])
def test_a_map_without_any_value_has_a_sensible_scale(key: str, *, diverging: bool, values: list[float]) -> None:
    """All zero or all unknown: limits of 1, nothing painted, no warning."""
    panel = _panel(key, values, diverging=diverging)
    scale = scale_of(panel)
    assert scale.high == 1.0
    assert scale.paint(panel.values)[:, :, 3].max() == 0
    assert scale.ticks()


def test_a_strength_that_never_reaches_zero_begins_at_its_smallest_value() -> None:
    """A RISE map between 0.4 and 0.6 uses the whole scale; a constant one begins at zero."""
    scale = scale_of(_panel("class:1", [0.4, 0.6], diverging=False, unit=""))
    assert (scale.low, scale.high) == pytest.approx((0.4, 0.6))
    constant = scale_of(_panel("class:1", [0.5, 0.5], diverging=False, unit=""))
    assert (constant.low, constant.high) == (0.0, 0.5)


def test_ticks_are_round_signed_and_inside() -> None:
    """A signed scale of ±2.3 nats is marked at −2 … +2; its statement names the limit."""
    scale = Scale("evidence", "nats", -2.3, 2.3, diverging=True)
    assert [text for _, text in scale.ticks()] == ["−2", "−1", "0", "+1", "+2"]
    assert "±2.3" in scale.statement
    assert signed(-0.0) == "0"
