"""How far maps agree: numbers with known answers."""

import numpy as np
import pytest
from jaxtyping import Float

from seewhy.core.attribution import reliability
from seewhy.core.ranks import spearman
from seewhy.explaining.diagnostics.agreement import (
    AGREE,
    PARTLY,
    agreement,
    agreement_level,
    disagreement,
    expected,
    sign_conflict,
)

Map = Float[np.ndarray, "h w"]


def rough(seed: int) -> Map:
    """A map of independent values with many ties."""
    return np.random.default_rng(seed).integers(-4, 5, (12, 9)).astype(np.float32)


def slow_ranks(values: Map) -> list[float]:
    """From the definition: how many are smaller, and half of those that are equal."""
    flat = values.ravel().tolist()
    return [sum(b < a for b in flat) + (sum(b == a for b in flat) + 1) / 2 for a in flat]


def test_rank_correlation_is_that_of_the_definition() -> None:
    """Pearson's correlation of the ranks."""
    one, other = rough(0), rough(0) + rough(1)
    slow = np.corrcoef(slow_ranks(one), slow_ranks(other))[0, 1]
    assert spearman(one, other) == pytest.approx(slow, abs=1e-12)


def test_only_the_order_counts() -> None:
    """1 with itself and with any rising function of itself, -1 with the reverse, None where there is no order."""
    assert spearman(rough(2), rough(2)) == pytest.approx(1)
    assert spearman(rough(2), np.exp(rough(2))) == pytest.approx(1)
    assert spearman(rough(2), -rough(2)) == pytest.approx(-1)
    assert spearman(rough(2), np.ones((12, 9), np.float32)) is None


def test_noise_leaves_what_was_expected() -> None:
    """Two noisy copies of one map correlate as their reliabilities say."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(200, 200))
    for level in (0.3, 1.0, 3.0):
        error = np.full(truth.shape, level)
        one, other = (truth + rng.normal(size=truth.shape) * level for _ in range(2))
        measured = spearman(one, other)
        assert measured is not None
        assert expected(
            reliability(one, error, predicted=False), reliability(other, error, predicted=False)
        ) == pytest.approx(measured, abs=0.03)


def test_reliability_without_variance() -> None:
    """More noise than variance, and a flat map, have none of it."""
    assert reliability(rough(0), np.full((12, 9), 100.0), predicted=False) == 0
    assert reliability(np.ones((3, 3)), np.ones((3, 3)), predicted=False) == 0
    assert reliability(np.ones((3, 3)), np.ones((3, 3)), predicted=True) == 0


def test_the_mean_is_over_all_pairs_or_those_of_the_main_map() -> None:
    """Three maps: two alike, one reversed."""
    one, reverse = rough(3), -rough(3)
    among = agreement([one, one, reverse], [None] * 3)
    assert among.correlations == ((1, 1, -1), (1, 1, -1), (-1, -1, 1))
    assert among.correlation == pytest.approx(-1 / 3)
    assert agreement([one, one, reverse], [None] * 3, main=0).correlation == 0


def test_a_flat_map_is_left_out_of_the_mean() -> None:
    """It has no order; where nothing is left there is nothing to compare."""
    flat = np.zeros((12, 9), np.float32)
    assert agreement([rough(0), rough(0), flat], [None] * 3).correlation == pytest.approx(1)
    nothing = agreement([rough(0), flat], [None] * 2)
    assert (nothing.correlation, nothing.expected, nothing.level) == (None, None, "flat")


@pytest.mark.parametrize(
    ("correlation", "ceiling", "level"),
    [
        (AGREE, 1.0, "agree"),
        (AGREE, 0.1, "agree"),
        (AGREE - 0.01, 1.0, "in part"),
        (PARTLY, 1.0, "in part"),
        (PARTLY - 0.01, 1.0, "depends"),
        (-1.0, 1.0, "depends"),
        (AGREE - 0.01, 0.9, "noisy"),
        (0.3, 0.4, "noisy"),
        (0.0, PARTLY - 0.01, "noisy"),
    ],
)
def test_levels_follow_the_thresholds(correlation: float, ceiling: float, level: str) -> None:
    """At a threshold the better word; where noise may be the reason, that is what is said."""
    assert agreement_level(correlation, ceiling) == level


def test_every_level_has_words() -> None:
    """The noisy one says what noise alone would leave."""
    rng = np.random.default_rng(1)
    maps = [rng.normal(size=(20, 20)) for _ in range(2)]
    found = agreement(maps, [reliability(each, np.ones((20, 20)), predicted=False) for each in maps])
    assert found.level == "noisy"
    assert agreement([maps[0]] * 2, [None] * 2).level == "agree"


def test_disagreement_is_where_maps_differ() -> None:
    """Not in height or level, but in one pixel that only one of them raises."""
    base = rough(4)
    assert disagreement([base, 10 * base, base]).max() < 1e-12
    raised = base.copy()
    raised[5, 5] += 50
    spread = disagreement([base, raised])
    assert divmod(int(spread.argmax()), spread.shape[1]) == (5, 5)
    assert disagreement([np.ones((2, 2)), np.ones((2, 2))]).max() == 0


def test_signs_count_beyond_two_errors_and_where_they_are_seen() -> None:
    """Opposite signs conflict only where both are sure and not tiny on their own map's scale."""
    one = np.array([[1.0, 1.0, 1.0, 0.05, 1.0]])
    other = np.array([[-1.0, 1.0, -1.0, -1.0, 0.0]])
    doubt = np.array([[0.1, 0.1, 0.6, 0.01, 0.1]])
    assert sign_conflict([one, other], [doubt, None]).tolist() == [[True, False, False, False, False]]
    assert sign_conflict([one, -one, one], [None] * 3).tolist() == [[True, True, True, False, True]]
