"""Scores: the same classifier, the image that was kept, and stated protocols."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

import seewhy
from games import picture, small_cnn
from seewhy.core.metric import MetricInput
from seewhy.core.probe import Probe
from seewhy.core.target import ClassEvidence
from seewhy.explaining.bound_metric import Reexplainer
from seewhy.explaining.request import prepare
from seewhy.explaining.score import save_scores
from seewhy.metrics.removal import deletion
from seewhy.registry import infill

LABELS = ["ant", "bee", "cow", "dog", "emu"]


def network(seed: int = 0) -> seewhy.Classifier:
    """A small random network with names, taking pictures as they come."""
    return seewhy.classifier(small_cnn(seed=seed), labels=LABELS)


def explained(method: str = "occlusion:size=8,stride=8", **settings: object) -> seewhy.Explanation:
    """A small explanation of three classes."""
    pixels = np.asarray((picture(40, 36) * 255).round().permute(1, 2, 0).to(torch.uint8))
    asked: dict[str, object] = {"method": method, "targets": ["bee", "cow"]} | settings
    return seewhy.explain(network(), pixels, **asked)  # type: ignore[arg-type]


def test_a_score_is_the_metric_on_the_kept_picture() -> None:
    """Value, curve, queries and protocol are those of the metric asked by hand."""
    explanation = explained()
    (score,) = seewhy.score(network(), explanation, "deletion:steps=10", targets="cow")
    stand_in = infill("gray", network())[1]
    probe = Probe(network(), stand_in, torch.from_numpy(explanation.samples.image))
    by_hand = deletion(probe, explanation.maps["class:2"], MetricInput(2), steps=10)
    assert score.value == pytest.approx(by_hand.value, abs=1e-6)
    assert (score.target, score.metric, score.higher_is_better) == (
        "class:2",
        "deletion:steps=10,until=1.0",
        False,
    )
    assert score.infill == "gray:color=0.485/0.456/0.406"
    assert score.queries.forward_images == 11
    assert score.curve is not None
    assert len(score.curve.y) == 11


def test_every_map_is_judged_by_every_metric() -> None:
    """Target by target; contrasts are left out, and the information is judged by the likeliest class."""
    explanation = explained(
        "pmi:size=8,stride=8,samples=1", infill="donor", targets=["information", 1, ("contrast", 1, 2)]
    )
    scores = seewhy.score(network(), explanation)
    assert [(each.target, each.metric.partition(":")[0]) for each in scores] == [
        (target, metric) for target in ("information", "class:1") for metric in ("deletion", "insertion")
    ]
    top = explanation.predicted[0].probability
    assert scores[0].curve is not None
    assert scores[0].curve.y[0] == pytest.approx(top, abs=1e-6)


def test_boxes_are_parts_of_the_whole_picture() -> None:
    """A box on the highest point hits; the same as booleans gives the same; elsewhere it misses."""
    explanation = explained()
    row, column = np.unravel_index(explanation.maps["class:1"].argmax(), (40, 36))
    box = (column / 36, row / 40, (column + 1) / 36, (row + 1) / 40)
    asked: dict[str, object] = {"metrics": ["pointing:tolerance=0", "energy-in-box"], "targets": "class:1"}
    hit, energy = seewhy.score(network(), explanation, region=[box], **asked)  # type: ignore[arg-type]
    assert hit.value > 0
    assert hit.infill is None
    region = np.zeros((40, 36), bool)
    region[row, column] = True
    same = seewhy.score(network(), explanation, region=region, **asked)  # type: ignore[arg-type]
    assert [each.value for each in same] == [hit.value, energy.value]


def test_a_picture_is_explained_again() -> None:
    """A method without chance is stable and needs no second seed; shuffled weights give another map; both are counted."""
    stable, sane = seewhy.score(
        network(), explained(), ["seed-reproducibility:seeds=1", "parameter-randomisation"], targets="bee"
    )
    assert stable.value == pytest.approx(1)
    assert abs(sane.value) < 0.99
    assert stable.queries.forward_images == sane.queries.forward_images == 1 + 5 * 5
    seeded = seewhy.score(network(), explained("rise:masks=60,cells=3"), "seed-reproducibility:seeds=1", targets="bee")[
        0
    ]
    assert seeded.value < 0.999


@pytest.mark.parametrize("method", ["rise:masks=60,cells=3", "occlusion:size=8"])
def test_asked_again_with_the_same_seed_the_map_is_the_same(method: str) -> None:
    """Only what is changed on purpose makes a difference: with a budget too, and with the infill's draws."""
    settings = {"infill": "donor", "budget": 41, "seed": 3}
    explanation = explained(method, targets="bee", **settings)
    request = prepare(network(), method=method, **settings)  # type: ignore[arg-type]
    again = Reexplainer(request, network(), torch.from_numpy(explanation.samples.image), ClassEvidence(1))
    np.testing.assert_allclose(again(), explanation.maps["class:1"], atol=1e-6)
    np.testing.assert_allclose(again(seed=3), explanation.maps["class:1"], atol=1e-6)
    assert not np.allclose(again(seed=4), explanation.maps["class:1"], atol=1e-6)
    assert not np.allclose(again(randomise=True), explanation.maps["class:1"], atol=1e-6)
    assert [asked.forward_images for asked in again.asked] == [explanation.queries.forward_images] * 4


def test_weights_out_of_reach_are_said_to_be() -> None:
    """A function has none to shuffle."""
    classifier = seewhy.classifier(lambda pictures: [[p.mean() / 255, 1 - p.mean() / 255] for p in pictures])
    explanation = seewhy.explain(classifier, np.full((24, 24, 3), 9, np.uint8), method="occlusion:size=8,stride=8")
    with pytest.raises(seewhy.RequestError, match="torch module"):
        seewhy.score(classifier, explanation, "parameter-randomisation")


def test_another_infill_is_another_protocol() -> None:
    """It is written down, and gives another value."""
    own, other = (seewhy.score(network(), explained(), "deletion", infill=name)[0] for name in (None, "telea"))
    assert other.infill is not None
    assert other.infill.startswith("telea")
    assert own.value != other.value


def test_scores_are_written_and_nothing_is_lost(tmp_path: Path) -> None:
    """From a folder, into it; what has no value is null with a note."""
    explained().save(tmp_path / "out")
    region = np.ones((40, 36), bool)
    region[0] = False
    found = seewhy.score(network(), tmp_path / "out", ["deletion:steps=4", "box-ratio"], region=region)
    record = json.loads(
        save_scores(tmp_path / "out", found, seewhy.load(tmp_path / "out", seewhy.Explanation)).read_text()
    )
    assert [row["metric"].partition(":")[0] for row in record["scores"]] == ["deletion", "box-ratio"] * 2
    assert record["scores"][0]["value"] == pytest.approx(found[0].value)
    assert record["scores"][0]["curve"]["x"] == [0, 0.25, 0.5, 0.75, 1]
    assert math.isnan(found[1].value)
    assert record["scores"][1]["value"] is None
    assert "more than 33%" in record["scores"][1]["note"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"metrics": []}, "at least one metric"),
        ({"metrics": "deletoin"}, "deletion"),
        ({"metrics": "pointing"}, "region of the object"),
        ({"metrics": "pointing", "region": np.zeros((40, 36), bool)}, "covers part"),
        ({"metrics": "pointing", "region": np.zeros((4, 4), bool)}, "booleans"),
        ({"metrics": "pointing", "region": []}, "got none"),
        ({"targets": "contrast:1/2"}, "watches one class"),
        ({"targets": "class:3"}, "no map 'class:3'"),
        ({"runtime": "warp"}, "unknown runtime"),
    ],
)
def test_what_cannot_be_asked_is_refused(settings: dict[str, object], message: str) -> None:
    """In words, before any query."""
    with pytest.raises(seewhy.RequestError, match=message):
        seewhy.score(network(), explained(), **settings)  # type: ignore[arg-type]


def test_another_classifier_is_refused() -> None:
    """Its fingerprint is not the one in the record."""
    with pytest.raises(seewhy.RequestError, match="another fingerprint"):
        seewhy.score(network(seed=1), explained())
