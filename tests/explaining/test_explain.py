"""Explain, save, load in Python."""

import json
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from PIL import Image

import seewhy
from games import picture, small_cnn
from seewhy.core.probe import as_distributions
from seewhy.images.open import ImageLike
from seewhy.infills.plain import noise


def network() -> seewhy.Classifier:
    """A small random network with names, taking pictures as they come."""
    return seewhy.classifier(small_cnn(), labels=["ant", "bee", "cow", "dog", "emu"])


def pixels(height: int = 40, width: int = 36) -> np.ndarray:
    """A random picture as an array."""
    return np.asarray((picture(height, width) * 255).round().permute(1, 2, 0).to(torch.uint8))


def explanation(**settings: object) -> seewhy.Explanation:
    """A small explanation."""
    asked: dict[str, object] = {"method": "pmi:size=8,stride=8,samples=2", "infill": "donor"} | settings
    return seewhy.explain(network(), pixels(), **asked)  # type: ignore[arg-type]


def test_everything_promised_is_there() -> None:
    """Maps, errors, queries, seconds, the prediction and why it stopped."""
    answer = explanation()
    top = answer.predicted[0].index
    assert list(answer.maps)[:2] == ["information", f"class:{top}"]
    assert answer.maps["information"].shape == (40, 36)
    assert answer.maps["information"].dtype == np.float32
    assert answer.stderr[f"class:{top}"].shape == (40, 36)
    assert answer.queries.forward_images == 1 + 5 * 5 * 2
    assert answer.queries.backward_images == 0
    assert (answer.unit, answer.stopped_because) == ("nats", "complete")
    assert answer.seconds > 0


def test_targets_of_every_kind() -> None:
    """A class by name, the information and a contrast; a single target needs no list."""
    answer = explanation(targets=["cow", "information", ("contrast", "ant", 1)])
    assert list(answer.maps) == ["class:2", "information", "contrast:0/1"]
    assert list(explanation(targets=("contrast", 0, 1)).maps) == ["contrast:0/1"]
    assert list(explanation(targets=3).maps) == ["class:3"]


def test_saved_and_loaded_it_is_the_same(tmp_path: Path) -> None:
    """Maps, errors, record, photo and pages survive the disk."""
    before = explanation()
    before.save(tmp_path / "out")
    after = seewhy.load(tmp_path / "out", seewhy.Explanation)
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "explanation.json",
        "maps.safetensors",
        "answers.safetensors",
        "overview.png",
        "report.html",
    }
    for key, values in before.maps.items():
        assert np.array_equal(values, after.maps[key])
        assert np.array_equal(before.stderr[key], after.stderr[key])
    assert before.record == after.record
    assert (before.frame, before.queries) == (after.frame, after.queries)
    assert before.overview() == after.overview()
    assert before.report() == after.report()


def test_the_record_holds_how_it_was_made() -> None:
    """Image, view, classifier, method with every setting, in-fill, seed, runtime and versions."""
    answer = explanation(seed=5)
    record = answer.record
    assert record.schema_version == 2
    assert (record.image.width, record.image.height) == (36, 40)
    assert len(record.image.sha256) == 64
    assert record.method.spec == "pmi:size=8,stride=8,samples=2,correction=jackknife"
    assert record.infill.spec == "donor"
    assert record.seed == 5
    assert record.runtime.agreement < 1e-5
    assert torch.__version__.startswith(record.versions["torch"] or "none")  # which lacks "+cu130" and the like
    assert record.classifier.fingerprint
    assert answer.to_json()["command"] is None  # an array and a module have no name to type


def test_the_strongest_places_are_where_they_are_said_to_be() -> None:
    """The extremes in the record are the map's."""
    answer = explanation()
    for target in answer.record.targets:
        values = answer.maps[target.key]
        highest, lowest = target.highest, target.lowest
        assert values[highest.row, highest.column] == highest.value == values.max()
        assert values[lowest.row, lowest.column] == lowest.value == values.min()


def test_the_sampled_queries_can_be_checked() -> None:
    """Asking again with the shown in-fill in place gives the probability that is shown."""
    answer = explanation()
    seen, patches = answer.samples.sampled, answer.samples.patches
    assert seen is not None
    assert patches is not None
    classifier = network()
    for window, sample in [(0, 0), (7, 1), (24, 0)]:
        top, left = seen.positions[window]
        image = torch.from_numpy(answer.samples.image.copy())
        patch = torch.from_numpy(patches[window, sample]).permute(2, 0, 1).float() / 255
        image[:, top : top + 8, left : left + 8] = patch
        again = as_distributions(classifier(image[None]), 1)[0, list(seen.classes)]
        np.testing.assert_allclose(again.detach().numpy(), seen.probabilities[window, sample], atol=1e-5)


def test_an_image_may_come_in_any_form(tmp_path: Path) -> None:
    """Path, text, bytes, PIL picture, array and tensor: the same maps."""
    path = tmp_path / "p.png"
    Image.fromarray(pixels()).save(path)
    tensor = torch.from_numpy(pixels()).permute(2, 0, 1).float() / 255
    forms: list[ImageLike] = [path, str(path), path.read_bytes(), Image.open(path), pixels(), tensor]
    maps = [seewhy.explain(network(), form, method="occlusion:size=8").maps for form in forms]
    for other in maps[1:]:
        for key, values in maps[0].items():
            np.testing.assert_allclose(values, other[key], atol=1e-6)


def test_a_classifier_may_come_in_any_form() -> None:
    """A module and a function on uint8 batches made from it: the same maps to 1e-4."""
    module = small_cnn()

    def function(batch: np.ndarray) -> np.ndarray:
        images = torch.from_numpy(batch).permute(0, 3, 1, 2).float() / 255
        return np.asarray(torch.softmax(module(images), 1).detach())

    for method in ("pmi:size=8,samples=3", "rise:masks=60"):
        one = seewhy.explain(module, pixels(), method=method, infill="donor", targets=[0, 1])
        other = seewhy.explain(function, pixels(), method=method, infill="donor", targets=[0, 1])
        for key, values in one.maps.items():
            np.testing.assert_allclose(values, other.maps[key], atol=1e-4)


def test_an_infill_of_ones_own() -> None:
    """Any object that keeps the contract can stand in."""
    answer = explanation(infill=noise())
    assert (answer.record.infill.name, answer.record.infill.spec) == ("Noise", None)


def test_the_default_sampler_explains() -> None:
    """The learned in-fill is the default and its weights are named by their checksum."""
    answer = explanation(infill=None)
    assert str(answer.record.infill).startswith("patch-sampler:patch=")
    assert len(answer.record.infill.checksum or "") == 64


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "pim"}, "unknown method 'pim'; did you mean pmi"),
        ({"method": "pmi:stirde=2"}, "did you mean stride"),
        ({"method": "pmi:size=big"}, "expected pmi:size=int"),
        ({"method": "pmi:correction=half"}, "jackknife or none"),
        ({"infill": "gary"}, "did you mean gray"),
        ({"infill": "blur:sigma=-1"}, "sigma > 0"),
        ({"targets": "cat"}, "unknown class 'cat'"),
        ({"targets": 5}, "from 0 to 4, got 5"),
        ({"budget": 10}, "at least 51"),
        ({"batch_size": 0}, "batch_size >= 1"),
        ({"seed": 2**70}, "64 bits"),
        ({"method": "pmi:size=41"}, "at least 41 pixels"),
        ({"method": "pmi:size=20", "infill": "patch-sampler"}, "expected a hole"),
        ({"method": "rise", "infill": None, "targets": "information"}, "no information map"),
    ],
)
def test_a_bad_request_says_what_to_do(settings: dict[str, object], message: str) -> None:
    """Nearest names, allowed values, smallest budget."""
    with pytest.raises(seewhy.RequestError, match=message):
        explanation(**settings)


@pytest.mark.usefixtures("unchecked")
def test_a_classifier_must_be_one() -> None:
    """Neither a number nor a function that returns nonsense is explained."""
    with pytest.raises(seewhy.RequestError, match="a function"):
        seewhy.classifier(cast("seewhy.ClassifierLike", 3))
    with pytest.raises(seewhy.ClassifierError, match="NaN"):
        seewhy.explain(lambda batch: np.full((len(batch), 3), np.nan), pixels())
    with pytest.raises(seewhy.ClassifierError, match="shape"):
        seewhy.explain(lambda _: np.zeros(3), pixels())


def test_a_suspicion_is_a_warning() -> None:
    """A classifier that ignores the picture is explained, but the user is warned; the record keeps the warning."""
    with pytest.warns(UserWarning, match="does not depend on the image"):
        answer = seewhy.explain(lambda batch: [[0.3, 0.7]] * len(batch), pixels(), method="occlusion:size=20")
    assert "does not depend" in answer.record.warnings[0]


def test_what_is_not_an_explanation_is_not_loaded(tmp_path: Path) -> None:
    """A missing folder, a damaged file and a later version are each named."""
    with pytest.raises(
        seewhy.RequestError, match=r"expected a result folder of seewhy, got .*nowhere, which does not exist"
    ):
        seewhy.load(tmp_path / "nowhere")
    folder = explanation(method="occlusion:size=20", infill="gray").save(tmp_path / "out")
    record = json.loads((folder / "explanation.json").read_text())
    (folder / "explanation.json").write_text(json.dumps(record | {"schema_version": 99}))
    with pytest.raises(seewhy.RequestError, match="got 99"):
        seewhy.load(folder)
    (folder / "explanation.json").write_text(json.dumps(record | {"unit": None, "targets": [{}]}))
    with pytest.raises(seewhy.RequestError, match=r"targets.*make it again"):
        seewhy.load(folder)
    (folder / "explanation.json").write_text(json.dumps(record))
    (folder / "maps.safetensors").write_bytes(b"broken")
    with pytest.raises(seewhy.RequestError, match="damaged"):
        seewhy.load(folder)
