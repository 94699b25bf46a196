"""The faithfulness check: constructed maps of a classifier that looks at one corner."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import seewhy
from games import Game
from seewhy.core.attribution import Attribution
from seewhy.core.probe import Probe
from seewhy.explaining.diagnostics.faithfulness import DRAWS, LEFT, TAKEN, check_faithfulness, meaning, regions
from seewhy.explaining.diagnostics.reliability import diagnose
from seewhy.infills.plain import gray
from seewhy.results.diagnostics import FaithfulnessCheck
from seewhy.results.record import Extreme, TargetInfo

SIDE = 40
NOWHERE = Extreme(0.0, None, 0, 0)
CORNER = TargetInfo("class:1", "bright corner", "class", NOWHERE, NOWHERE, index=1, probability=0.9)


def corner_logits(images: Tensor) -> Tensor:
    """Class 1 is as likely as the upper left corner is bright."""
    seen = images[:, :, :10, :10].mean((1, 2, 3))
    return torch.stack([torch.zeros_like(seen), 20 * (seen - 0.7)], dim=1)


def picture() -> Tensor:
    """A white corner on a dark picture."""
    image = torch.zeros(3, SIDE, SIDE)
    image[:, :10, :10] = 1
    return image


def checked(values: np.ndarray, *, batch: int = 4) -> FaithfulnessCheck:
    """Check one map of class 1."""
    maps = Attribution({"class:1": values.astype(np.float32)}, {}, "nats", {}, "complete")
    return check_faithfulness(Probe(Game(corner_logits), gray(), picture(), batch_size=batch), maps, [CORNER])


def corner_map() -> np.ndarray:
    """What the classifier looks at, and nothing else."""
    values = np.zeros((SIDE, SIDE))
    values[:12, :14] = 1
    values[:10, :10] = 2
    return values


def test_a_true_map_is_necessary_and_sufficient() -> None:
    """Removing the corner takes the class away, keeping it alone leaves the class."""
    found = checked(corner_map())
    assert found.removed.map < 0.1
    assert found.kept.map > 0.9
    assert found.removed.center == pytest.approx(found.before)
    assert "necessary and sufficient" in meaning(found)


def test_a_false_map_is_no_better_than_chance() -> None:
    """The same map turned upside down marks what means nothing."""
    found = checked(corner_map()[::-1, ::-1].copy())
    assert found.removed.beaten < DRAWS // 2
    assert "no better than random regions" in meaning(found)


def test_the_account_and_the_batches() -> None:
    """45 queries as documented; the batch size changes nothing."""
    one, other = checked(corner_map()), checked(corner_map(), batch=50)
    assert one.queries == 1 + 2 * (2 + DRAWS) == 45
    assert one == other


def test_regions_have_their_share_and_random_ones_differ() -> None:
    """Each region is as large as stated; the middle is in the middle."""
    for share in (TAKEN, LEFT):
        found = regions(np.random.default_rng(0).random((30, 50)).astype(np.float32), share, 0)
        assert set(found.sum((1, 2)).tolist()) == {round(share * 1500)}
        assert found[1, 15, 25] == 1
        assert found[1, 0, 0] == 0
        assert len({bytes(each.numpy()) for each in found[2:]}) == DRAWS


def test_large_maps_are_made_coarser() -> None:
    """No region has more than 256 squares a side, and what is marked stays where it is."""
    values = np.zeros((700, 300), np.float32)
    values[:350] = 1
    found = regions(values, 0.5, 0)[0]
    assert found.shape == (256, 256)
    assert found[:128].all()
    assert not found[128:].any()


def test_explain_says_it_and_can_leave_it(tmp_path: Path) -> None:
    """The meaning of the check is a finding; without the check nothing is asked, and the command says so."""
    classifier = seewhy.classifier(lambda images: np.eye(2)[(images[:, :10, :10].mean((1, 2, 3)) > 100).astype(int)])
    pixels = (picture().permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    with_it = seewhy.explain(classifier, pixels, method="occlusion:size=10,stride=10")
    check = with_it.record.diagnostics.faithfulness
    assert check is not None
    assert meaning(check) in with_it.findings
    without = seewhy.explain(classifier, pixels, method="occlusion:size=10,stride=10", check=False)
    assert without.record.diagnostics.faithfulness is None
    assert without.queries == with_it.queries
    assert seewhy.load(with_it.save(tmp_path), seewhy.Explanation).record.diagnostics == with_it.record.diagnostics


def test_an_unsure_classifier_is_told() -> None:
    """A class with the probability of a guess is pointed out."""
    classifier = seewhy.classifier(lambda images: np.full((len(images), 4), 0.25))
    pixels = (picture().permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    with pytest.warns(UserWarning, match="does not depend on the image"):
        found = seewhy.explain(classifier, pixels, method="occlusion:size=10,stride=10")
    assert "no more than a guess among 4" in " ".join(found.findings)


def test_findings_name_what_is_explained() -> None:
    """A method knows a target by its key, the reader by its label; 96 is not the beginning of 967."""
    findings = ("class:96: enough", "class:967: not found; contrast:1/2 neither")
    values = {key: np.eye(2, dtype=np.float32) for key in ("class:96", "contrast:1/2")}
    maps = Attribution(values, {}, "nats", {}, "complete", findings=findings)
    targets = [
        TargetInfo("class:96", "boa", "class", NOWHERE, NOWHERE, index=96),
        TargetInfo("contrast:1/2", "1 or 2", "contrast", NOWHERE, NOWHERE, index=1, other=2),
    ]
    found = diagnose(maps, targets, 1000, faithfulness=None, infill_check=None)
    assert found.findings[:2] == ("boa: enough", "class:967: not found; 1 or 2 neither")
