"""A trained folder as a classifier: opened by its Spec, identified by its weights, rejected if damaged."""

import json
from pathlib import Path

import pytest
import torch

import seewhy
from seewhy.classifiers.trained import as_classifier, trained
from seewhy.core.access import Access
from seewhy.core.classifier import Classifier
from seewhy.core.errors import RequestError
from seewhy.core.view import View
from seewhy.nets.small_classifier import TENSORS, SmallClassifier, save_small

CARD = {
    "classifier": "plain on shapes",
    "fingerprint": "0",
    "labels": ["round", "square"],
    "size": [12, 16],
    "fit": "stretch",
    "short_side": None,
    "mean_color": [0.1, 0.2, 0.3],
}


@pytest.fixture
def net() -> SmallClassifier:
    """Return an untrained network."""
    return SmallClassifier(arch="plain", classes=2, channels=3, widths=(4, 8)).eval()


@pytest.fixture
def folder(net: SmallClassifier, tmp_path: Path) -> Path:
    """Write the files that training would have written."""
    save_small(tmp_path, net, CARD)
    return tmp_path


def test_the_spec_gives_the_classifier(folder: Path, net: SmallClassifier) -> None:
    """Name, labels, view and colour match the card, and the outputs match the network."""
    found = seewhy.classifier(f"trained:folder={folder}", device="cpu")
    images = torch.rand(3, 3, 12, 16, generator=torch.Generator().manual_seed(0))
    assert isinstance(found, Classifier)
    assert found.access is Access.INTERNALS
    assert (found.name, found.labels, found.mean_color) == ("plain on shapes", ("round", "square"), (0.1, 0.2, 0.3))
    assert found.view.describe() == "stretched to 12 × 16, bicubic"
    assert torch.equal(found(images), net(images).softmax(1))


def test_the_fingerprint_is_that_of_the_weights(folder: Path, net: SmallClassifier) -> None:
    """The fingerprint is the same after loading and changes with any weight."""
    first = trained(folder=str(folder)).fingerprint
    assert first == as_classifier(net, CARD).fingerprint
    with torch.no_grad():
        net.last.bias[0] += 1e-3
    assert first != as_classifier(net, CARD).fingerprint


@pytest.mark.parametrize(
    ("settings", "view"),
    [
        ({"fit": "crop"}, View((12, 16), short_side=16)),
        ({"fit": "crop", "short_side": 20}, View((12, 16), short_side=20)),
        ({"fit": "stretch"}, View((12, 16), "stretch")),
        (vars(View((12, 16))), View((12, 16))),
        (vars(View((12, 16), "pad", pad_color=(0.0, 0.5, 1.0))), View((12, 16), "pad", pad_color=(0.0, 0.5, 1.0))),
    ],
)
def test_cards_keep_the_view(folder: Path, settings: dict[str, object], view: View) -> None:
    """A card has the whole view; one of an earlier version is read as that version did."""
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | settings))
    assert trained(folder=str(folder)).view == view


def test_a_damaged_folder_is_refused(folder: Path) -> None:
    """A missing file, mismatched weights and an incomplete card are rejected, and the message shows how to retrain."""
    with pytest.raises(RequestError, match=r"expected card.json .* got no such file; train one with: seewhy train"):
        trained(folder=str(folder / "nowhere"))
    for missing in ("labels", "net"):
        card = json.loads((folder / "card.json").read_text())
        whole = json.dumps(card)
        del card[missing]
        (folder / "card.json").write_text(json.dumps(card))
        with pytest.raises(RequestError, match=rf"got .*'{missing}'\)?; train one with"):
            trained(folder=str(folder))
        (folder / "card.json").write_text(whole[:-5])
        with pytest.raises(RequestError, match=r"expected JSON in .*card\.json, got .*; train one with"):
            trained(folder=str(folder))
        (folder / "card.json").write_text(whole)
    (folder / TENSORS).write_bytes((folder / TENSORS).read_bytes()[:-1] + b"x")
    with pytest.raises(RequestError, match="got other bytes"):
        trained(folder=str(folder))


def test_a_folder_must_be_named() -> None:
    """The message shows how to specify the folder."""
    with pytest.raises(RequestError, match="write trained:folder="):
        seewhy.classifier("trained")
