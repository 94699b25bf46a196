"""Test occlusion against a slow reference implementation: cover, query, subtract, average over covering windows."""

import numpy as np
import pytest

from games import Game, picture, small_cnn
from seewhy.core.probe import Probe
from seewhy.core.target import ClassEvidence
from seewhy.infills.plain import constant, noise
from seewhy.methods.windows.occlusion import occlusion


@pytest.mark.parametrize(("size", "stride"), [(5, 5), (5, 3), (4, 1)])
def test_it_matches_the_reference_implementation(size: int, stride: int) -> None:
    """Plain loops over windows and pixels give the same map."""
    game, image = Game(small_cnn().double()), picture()
    fast = occlusion(Probe(game, constant(value=0.0), image), [ClassEvidence(2)], size=size, stride=stride)
    height, width = image.shape[1:]
    tops = sorted({*range(0, height - size + 1, stride), height - size})
    lefts = sorted({*range(0, width - size + 1, stride), width - size})
    total, count = np.zeros((height, width)), np.zeros((height, width))
    whole = float(game(image[None])[0, 2])
    for top in tops:
        for left in lefts:
            covered = image.clone()
            covered[:, top : top + size, left : left + size] = 0
            total[top : top + size, left : left + size] += whole - float(game(covered[None])[0, 2])
            count[top : top + size, left : left + size] += 1
    np.testing.assert_allclose(fast.values["class:2"], total / count, atol=1e-6)


def test_samples_give_a_standard_error() -> None:
    """With a random in-fill the standard error comes from the samples; it covers another seed's map."""
    game = Game(small_cnn().double())
    one, other = (
        occlusion(Probe(game, noise(), picture(40, 40), seed=s), [ClassEvidence(0)], size=8, samples=8) for s in (0, 1)
    )
    error = np.hypot(one.stderr["class:0"], other.stderr["class:0"])
    assert np.mean(np.abs(one.values["class:0"] - other.values["class:0"]) <= 2 * error) >= 0.9
