"""The statistics that ``seewhy train iba`` writes, and their use by ``iba``."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import seewhy
from games import small_cnn, smooth_photos
from interrupting import interrupt_at
from seewhy.core.errors import RequestError
from seewhy.images.open import open_image
from seewhy.images.sources import list_images
from seewhy.images.view import apply_view
from seewhy.nets.bottleneck import load_statistics
from seewhy.training.bottleneck.statistics import measure


def test_statistics_of_a_folder_are_those_of_its_photos(tmp_path: Path) -> None:
    """The statistics match the photos in the classifier's view, and a run that uses them names the layer."""
    photos = list_images([smooth_photos(tmp_path)])
    classifier = seewhy.classifier(small_cnn(), size=20)
    told: list[tuple[int, int]] = []
    layer, found = measure(
        classifier, photos, tmp_path / "out", layer="1", progress=lambda done, total, *_: told.append((done, total))
    )
    views = torch.stack([apply_view(open_image(path), classifier.view)[0] for path in photos])
    network = small_cnn()
    assert isinstance(network, nn.Sequential)
    expected = network[:2](views).double()
    np.testing.assert_allclose(found.mean, expected.mean(0), atol=1e-6)
    np.testing.assert_allclose(found.std, expected.std(0, correction=0), atol=1e-6)
    assert (layer, told[-1]) == ("1", (len(photos), len(photos)))
    _, name = load_statistics(tmp_path / "out", layer=None, fingerprint=classifier.fingerprint)
    assert name == "1"
    explained = seewhy.explain(
        classifier, photos[0], method=f"iba:steps=2,samples=2,statistics={tmp_path / 'out'}", targets=[0]
    )
    assert np.isfinite(explained.maps["class:0"]).all()


def test_features_are_measured_before_they_are_overwritten(tmp_path: Path) -> None:
    """An in-place ReLU after the layer does not change the statistics."""
    photos = list_images([smooth_photos(tmp_path)])
    network = small_cnn()
    assert isinstance(network, nn.Sequential)
    expected = measure(seewhy.classifier(network, size=20), photos, tmp_path / "one", layer="2")[1]
    network[3] = nn.ReLU(inplace=True)
    found = measure(seewhy.classifier(network, size=20), photos, tmp_path / "other", layer="2")[1]
    assert torch.equal(found.mean, expected.mean)
    assert float(found.mean.min()) < 0


def test_an_interruption_writes_nothing(tmp_path: Path) -> None:
    """An interrupted measurement writes nothing."""
    photos = list_images([smooth_photos(tmp_path)])
    with pytest.raises(KeyboardInterrupt):
        measure(seewhy.classifier(small_cnn(), size=20), photos, tmp_path / "out", progress=interrupt_at(2))
    assert not (tmp_path / "out").exists()


def test_classifiers_that_cannot_be_measured_are_refused(tmp_path: Path) -> None:
    """Classifiers without accessible layers or without a fixed input size are refused."""
    hidden = seewhy.classifier(lambda pictures: [[0.5, 0.5]] * len(pictures))
    with pytest.raises(RequestError, match="accessible layers"):
        measure(hidden, [], tmp_path)
    with pytest.raises(RequestError, match="a fixed input size"):
        measure(seewhy.classifier(small_cnn()), [], tmp_path)
    with pytest.raises(RequestError, match="at least one photo"):
        measure(seewhy.classifier(small_cnn(), size=20), [], tmp_path)
