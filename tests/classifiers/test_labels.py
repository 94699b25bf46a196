"""The names of the classes, in every form in which people keep them."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import seewhy
from seewhy.classifiers.labels import declared_labels, read_labels
from seewhy.core.errors import RequestError

pytestmark = pytest.mark.usefixtures("unchecked")


def module(id2label: object = None) -> nn.Module:
    """Return a network of three classes, with or without a configuration of its own."""
    net = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3)).eval()
    if id2label is not None:
        net.config = SimpleNamespace(id2label=id2label)  # type: ignore[assignment]
    return net


@pytest.mark.parametrize(
    "labels",
    [
        ["cat", "dog", "cow"],
        ("cat", "dog", "cow"),
        np.array(["cat", "dog", "cow"]),
        (name for name in ("cat", "dog", "cow")),
        {0: "cat", 1: "dog", 2: "cow"},
        {2: "cow", 0: "cat", 1: "dog"},
        {"0": "cat", "1": "dog", "2": "cow"},
        {np.int64(0): "cat", np.int64(1): "dog", np.int64(2): "cow"},
        {"cat": 0, "dog": 1, "cow": 2},
        {"cow": 2, "dog": 1, "cat": 0},
    ],
    ids=lambda value: type(value).__name__,
)
def test_forms_of_labels(labels: Any) -> None:
    """A sequence in class order, id2label with keys of any integer type or text, and label2id."""
    assert read_labels(labels) == ("cat", "dog", "cow")


def test_names_that_are_numbers() -> None:
    """Digits may be names; a dict says which number is which."""
    assert read_labels([7, 1]) == ("7", "1")
    assert read_labels({0: 7, 1: 1}) == read_labels({"0": "7", "1": "1"}) == read_labels({"7": 0, "1": 1}) == ("7", "1")


@pytest.mark.parametrize(
    "labels", [{1: "cat", 2: "dog"}, {0: "cat", 2: "dog"}, {"cat": "dog"}, {"cat": 1, "dog": 1}, {-1: "a"}]
)
def test_dicts_that_do_not_number_the_classes(labels: Any) -> None:
    """Gaps, a count from 1 and dicts without numbers are refused."""
    with pytest.raises(RequestError, match=r"number the classes from 0"):
        read_labels(labels)


@pytest.mark.parametrize("labels", [{"cat", "dog"}, b"cat", 3])
def test_labels_without_an_order(labels: Any) -> None:
    """What has no order cannot name classes."""
    with pytest.raises(RequestError, match=r"expected labels in class order"):
        read_labels(labels)


@pytest.mark.parametrize("content", [["cat", "dog"], {"0": "cat", "1": "dog"}, {"cat": 0, "dog": 1}])
def test_labels_from_json(tmp_path: Path, content: object) -> None:
    """A JSON file holds the same forms."""
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    assert read_labels(path) == ("cat", "dog")


@pytest.mark.parametrize("content", ["{", "3", '{"0": ["n01440764", "tench"]}'])
def test_json_that_holds_no_names(tmp_path: Path, content: str) -> None:
    """Anything else in a JSON file is refused."""
    path = tmp_path / "labels.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(RequestError, match=r"labels\.json"):
        read_labels(path)


def test_labels_from_file(tmp_path: Path) -> None:
    """A label file has one name per line; a byte-order mark and trailing blank lines are ignored."""
    path = tmp_path / "labels.txt"
    path.write_bytes(b"\xef\xbb\xbfcat\r\ndog \n\n")
    assert read_labels(path) == read_labels(str(path)) == ("cat", "dog")
    assert read_labels(None) is None


def test_label_file_that_cannot_be_read(tmp_path: Path) -> None:
    """A missing file and a file that is not text are rejected."""
    path = tmp_path / "labels.bin"
    path.write_bytes(b"\xff\xfe\x00")
    for wrong in (path, tmp_path / "none.txt"):
        with pytest.raises(RequestError, match=r"expected a file of labels, one per line or as JSON"):
            read_labels(wrong)


def test_the_names_of_a_module_of_its_own() -> None:
    """``config.id2label`` names the classes, unless it holds placeholders or the user gives names."""
    names = {0: "cat", 1: "dog", 2: "cow"}
    assert seewhy.classifier(module(names), size=8).labels == ("cat", "dog", "cow")
    assert seewhy.classifier(module(names), size=8, labels=["a", "b", "c"]).labels == ("a", "b", "c")
    assert seewhy.classifier(module({0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"}), size=8).labels is None
    assert seewhy.classifier(module(), size=8).labels is None


@pytest.mark.parametrize(
    ("metadata", "labels"),
    [
        ({"names": "{0: 'cat', 1: 'dog'}"}, ("cat", "dog")),
        ({"names": "['cat', 'dog']"}, ("cat", "dog")),
        ({"id2label": '{"0": "cat", "1": "dog"}'}, ("cat", "dog")),
        ({"names": "cat, dog"}, None),
        ({"author": "somebody"}, None),
    ],
)
def test_the_names_in_an_onnx_file(metadata: dict[str, str], labels: tuple[str, ...] | None) -> None:
    """Metadata may name the classes; other text is left alone."""
    assert declared_labels(metadata) == labels


def test_two_classes_of_one_name() -> None:
    """Both are told apart wherever they are shown, and asking for the name asks which."""
    torch.manual_seed(0)
    opened = seewhy.classifier(module(), size=8, labels=["crane", "dog", "crane"])
    photo = np.full((8, 8, 3), 90, np.uint8)
    explanation = seewhy.explain(opened, photo, method="occlusion:size=4", targets=["class:0", 2], check=False)
    assert [target.label for target in explanation.targets] == ["crane (class 0)", "crane (class 2)"]
    assert explanation["crane (class 2)"] is explanation[2] is explanation["class:2"]
    with pytest.raises(RequestError, match=r"'crane', which may mean 2 classes; write class:0 or class:2"):
        seewhy.explain(opened, photo, targets="crane")


def test_names_that_are_indices_of_other_classes() -> None:
    """``"1"`` may be a name or an index; the number 1 is an index."""
    torch.manual_seed(0)
    opened = seewhy.classifier(module(), size=8, labels=["1", "2", "9"])
    photo = np.full((8, 8, 3), 90, np.uint8)
    explanation = seewhy.explain(opened, photo, method="occlusion:size=4", targets=[0, 1, "9"], check=False)
    assert list(explanation.maps) == ["class:0", "class:1", "class:2"]
    assert explanation["9"] is explanation[2]
    assert explanation[1] is explanation["class:1"]
    with pytest.raises(RequestError, match=r"'1', which may mean class:0 or class:1"):
        explanation["1"]
    with pytest.raises(RequestError, match=r"'1', which may mean 2 classes; write class:0 or class:1"):
        seewhy.explain(opened, photo, targets="1")
