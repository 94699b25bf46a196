"""Leave one out against a loop over the segments, and on a sum whose terms are known."""

import numpy as np
import pytest
import torch

from games import Game, picture, small_cnn
from seewhy.core.budget import Budget
from seewhy.core.errors import RequestError
from seewhy.core.probe import Probe
from seewhy.core.target import ClassEvidence, Contrast
from seewhy.images.regions import split
from seewhy.infills.plain import constant
from seewhy.methods.sampling.leave_one_out import leave_one_out

BLACK = constant(value=0.0)


def test_each_segment_has_the_drop_of_its_removal() -> None:
    """Segment by segment: black out, ask, subtract."""
    game, image = Game(small_cnn().double()), picture(20, 16)
    maps = leave_one_out(Probe(game, BLACK, image, batch_size=3), [ClassEvidence(0), Contrast(0, 2)], segments=12)
    labels, full = split(image, 12, "slic"), game(image[None])[0]
    for segment in range(int(labels.max()) + 1):
        without = image.clone()
        without[:, labels == segment] = 0
        lost = full - game(without[None])[0]
        inside = (labels == segment).numpy()
        np.testing.assert_allclose(maps.values["class:0"][inside], float(lost[0]), atol=1e-6)
        np.testing.assert_allclose(maps.values["contrast:0/2"][inside], float(lost[0] - lost[2]), atol=1e-6)


def test_evidence_that_is_present_twice_is_missed() -> None:
    """Class 0 needs one of four bright quarters: removing any one alone changes nothing."""

    def either(images: torch.Tensor) -> torch.Tensor:
        quarters = torch.nn.functional.avg_pool2d(images, 4).mean(1).flatten(1)
        return torch.stack([20 * quarters.amax(1) - 10, torch.zeros(len(images))], dim=1)

    maps = leave_one_out(Probe(Game(either), BLACK, torch.ones(3, 8, 8)), [ClassEvidence(0)], segments=4, shape="grid")
    np.testing.assert_allclose(maps.values["class:0"], 0, atol=1e-6)


def test_a_budget_below_one_query_per_segment_is_refused() -> None:
    """A map with holes would look like a map with zeros."""
    probe = Probe(Game(small_cnn()), BLACK, picture(), budget=Budget(queries=9))
    with pytest.raises(RequestError, match="expected at least 10"):
        leave_one_out(probe, [ClassEvidence(0)], segments=9, shape="grid")
