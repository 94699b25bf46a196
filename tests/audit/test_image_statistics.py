"""Statistics of generated images, against scipy, plain loops and hand-computed values."""

import math

import numpy as np
import pytest
import torch

from seewhy.audit import _image_statistics as statistics


def gaussian(rows: int, seed: int) -> np.ndarray:
    """Return codes with correlated columns."""
    draw = np.random.default_rng(seed)
    return draw.normal(size=(rows, 5)) @ draw.normal(size=(5, 5)) + draw.normal(size=5)


@pytest.mark.parametrize("rows", [4, 60])
def test_frechet_is_the_formula_with_a_matrix_root(rows: int) -> None:
    """The formula also holds for fewer rows than columns, where the covariances are singular."""
    linalg = pytest.importorskip("scipy.linalg")
    one, other = gaussian(rows, 0), gaussian(rows + 3, 1)
    c1, c2 = np.cov(one.T), np.cov(other.T)
    shift = np.square(one.mean(0) - other.mean(0)).sum()
    expected = shift + np.trace(c1 + c2 - 2 * linalg.sqrtm(c1 @ c2).real)
    assert statistics.frechet(one, other) == pytest.approx(expected, rel=1e-6, abs=1e-6)
    assert statistics.frechet(one, one) == pytest.approx(0, abs=1e-9)


def test_frechet_distances_distinguish_a_swap_from_no_edit() -> None:
    """Images like the target have ratio near 0; unedited images are as far as the classes are apart."""
    source, target = gaussian(400, 0), gaussian(400, 0) + 8
    swapped = statistics.frechet_distances(source + 8, source, target)
    stayed = statistics.frechet_distances(source, source, target)
    assert swapped.ratio == pytest.approx(0, abs=1e-6)
    assert stayed.ratio == pytest.approx(1)
    assert swapped.real == pytest.approx(5 * 64)
    assert 0 < swapped.floor < 0.1 * swapped.real


def test_image_distances_match_a_loop() -> None:
    """The distances equal a loop over pixels and channels."""
    draw = torch.Generator().manual_seed(0)
    one, other = torch.rand(3, 3, 4, 5, generator=draw), torch.rand(3, 3, 4, 5, generator=draw)
    l1, l2 = statistics.proximity(one, other)
    changed = statistics.sparsity(one, other, tau=0.3)
    even, every = statistics.shift(one, other)
    for row, (first, second) in enumerate(zip(one.numpy(), other.numpy(), strict=True)):
        difference = [float(b) - float(a) for a, b in zip(first.ravel(), second.ravel(), strict=True)]
        assert l1[row] == pytest.approx(sum(map(abs, difference)) / 60, abs=1e-6)
        assert l2[row] == pytest.approx(math.sqrt(sum(d * d for d in difference) / 60), abs=1e-6)
        places = [np.mean([abs(difference[20 * c + place]) for c in range(3)]) for place in range(20)]
        assert changed[row] == pytest.approx(np.mean([place > 0.3 for place in places]))
        assert even[row] == pytest.approx(
            np.mean([np.mean(difference[20 * c : 20 * c + 20]) ** 2 for c in range(3)]), abs=1e-6
        )
        assert every[row] == pytest.approx(l2[row] ** 2)
    pairs = [float((one[a] - one[b]).abs().mean()) for a, b in ((0, 1), (0, 2), (1, 2))]
    assert statistics.spread(one) == pytest.approx(np.mean(pairs), abs=1e-6)
    assert math.isnan(statistics.spread(one[:1]))
