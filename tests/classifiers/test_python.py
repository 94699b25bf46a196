"""User code, specified as ``module:attribute``, as a classifier."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import seewhy
from seewhy.classifiers.function import FunctionClassifier
from seewhy.classifiers.module import TorchClassifier
from seewhy.classifiers.python import python
from seewhy.core.errors import ClassifierError, RequestError

CODE = """
import seewhy
import torch
from torch import nn

def build():
    return nn.Sequential(nn.Conv2d(3, 2, 1), nn.Dropout(), nn.AdaptiveAvgPool2d(1), nn.Flatten())

def logits_of_function(pictures):
    return [[0.25, 0.75]] * len(pictures)

class Net(nn.Sequential):
    def __init__(self):
        super().__init__(*build())

net = build().eval()
learning = build().train()
finished = seewhy.classifier(net, size=(8, 6), labels=["no", "yes"])
number = 7
"""


@pytest.fixture(autouse=True)
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the user's module; the import is undone afterwards."""
    (tmp_path / "seewhy_user.py").write_text(CODE)
    (tmp_path / "seewhy_broken.py").write_text("import seewhy_not_installed")
    (tmp_path / "seewhy_failing.py").write_text("1 / 0")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for name in ("seewhy_user", "seewhy_broken", "seewhy_failing"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


@pytest.fixture
def state() -> dict[str, Tensor]:
    """Weights for the module that ``build`` builds."""
    return {"0.weight": torch.ones(2, 3, 1, 1), "0.bias": torch.tensor([0.0, 1.0])}


def test_module() -> None:
    """A module instance gives a torch classifier, and the search path is restored."""
    path = list(sys.path)
    classifier = python(object="seewhy_user:net", size="8", mean="0.5", std="0.5/0.5/0.5", channels="bgr")
    assert isinstance(classifier, TorchClassifier)
    assert (classifier.name, classifier.view.size, classifier.scaling.std) == ("seewhy_user:net", (8, 8), (0.5,) * 3)
    assert (classifier.outputs, sys.path) == ("logits", path)


def test_function(code: Path) -> None:
    """A function gives a function classifier, with labels from a file."""
    (code / "labels.txt").write_text("no\nyes\n")
    classifier = python(object="seewhy_user:logits_of_function", labels="labels.txt", dtype="float32", batch=2)
    assert isinstance(classifier, FunctionClassifier)
    assert (classifier.labels, classifier.outputs, classifier.dtype) == (("no", "yes"), "probabilities", "float32")
    assert classifier(torch.zeros(3, 3, 4, 4)).tolist() == [[0.25, 0.75]] * 3


def test_finished_classifier() -> None:
    """A classifier that the user's code has made keeps its view and labels, and can be opened again."""
    classifier = seewhy.classifier("seewhy_user:finished")
    assert isinstance(classifier, TorchClassifier)
    assert (classifier.view.size, classifier.labels, classifier.spec) == ((8, 6), ("no", "yes"), "seewhy_user:finished")
    images = torch.rand(2, 3, 8, 6)
    assert torch.equal(classifier(images), python(object="seewhy_user:net", size="8x6")(images))


@pytest.mark.parametrize("setting", ["weights", "size", "fit", "name", "mean", "scale", "classes", "fixed"])
def test_a_finished_classifier_takes_no_settings(setting: str) -> None:
    """Each is refused, and the message says where to set it."""
    values: dict[str, Any] = {"fit": "stretch", "scale": "255", "classes": 3, "fixed": True}
    with pytest.raises(
        RequestError, match=rf"seewhy_user:finished, a finished classifier, got {setting}=.*; omit it, or"
    ):
        python(object="seewhy_user:finished", **{setting: values.get(setting, "3")})


@pytest.mark.parametrize("builder", ["build", "Net"])
@pytest.mark.parametrize("form", ["w.pt", "w.safetensors"])
def test_weights(state: dict[str, Tensor], builder: str, form: str) -> None:
    """Weights are loaded into the module that a function or a class builds, which is then set to eval mode."""
    save_file(state, form) if form.endswith("safetensors") else torch.save(state, form)
    classifier = python(object=f"seewhy_user:{builder}", weights=form)
    with torch.no_grad():
        answer = classifier(torch.zeros(1, 3, 4, 4))
    torch.testing.assert_close(answer, torch.tensor([[0.0, 1.0]]).softmax(1))


def test_checkpoint(state: dict[str, Tensor]) -> None:
    """The outer dictionary of a training checkpoint is removed."""
    torch.save({"state_dict": {f"module.{name}": value for name, value in state.items()}, "epoch": 3}, "w.pt")
    assert isinstance(python(object="seewhy_user:build", weights="w.pt"), TorchClassifier)


def test_weights_that_run_code() -> None:
    """A pickled model would run code when loaded, so it is not loaded."""
    torch.save(nn.Linear(1, 1), "model.pt")
    with pytest.raises(RequestError, match=r"got a pickle that would run code.*save model.state_dict\(\)"):
        python(object="seewhy_user:build", weights="model.pt")


def test_wrong_weights(code: Path) -> None:
    """Missing, empty, damaged or mismatched weights, and files without weights, are rejected."""
    with pytest.raises(RequestError, match=r"expected a file of weights, got none.pt.*check the path"):
        python(object="seewhy_user:build", weights="none.pt")
    for name in ("empty.pt", "empty.safetensors"):
        (code / name).touch()
        with pytest.raises(RequestError, match=f"expected a file of weights, got {name}"):
            python(object="seewhy_user:build", weights=name)
    torch.save({"other": torch.zeros(1)}, "other.pt")
    with pytest.raises(RequestError, match=r"which do not fit: Missing key.*0.weight"):
        python(object="seewhy_user:build", weights="other.pt")
    torch.save([torch.zeros(1)], "list.pt")
    with pytest.raises(RequestError, match=r"expected a state dict in list.pt, got list"):
        python(object="seewhy_user:build", weights="list.pt")


def test_weights_for_no_builder() -> None:
    """Weights require an object that builds a module."""
    with pytest.raises(RequestError, match=r"to build a torch.nn.Module for weights=, got int"):
        python(object="seewhy_user:number", weights="w.pt")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seewhy_user", "expected module:attribute, got 'seewhy_user'"),
        (":net", "expected module:attribute"),
        ("seewhy_usr:net", "expected a module, got 'seewhy_usr', which was not found; did you mean seewhy_user?"),
        ("seewhy_broken:net", "an import of seewhy_not_installed, which is not installed; install it"),
        ("seewhy_user:nt", "got 'nt', which does not exist; did you mean net?"),
        ("seewhy_user:Net", "got the class seewhy_user:Net; name an instance of it, or add weights=FILE"),
        ("seewhy_user:build", "which takes no arguments; .*add weights=FILE if it builds a module"),
        ("seewhy_user:number", "expected a module or a function, got seewhy_user:number, a int"),
    ],
)
def test_wrong_object(text: str, message: str) -> None:
    """Objects that do not exist or are not classifiers are rejected, with the closest names."""
    with pytest.raises(RequestError, match=message):
        python(object=text)


def test_training_mode() -> None:
    """A module in training mode is rejected."""
    with pytest.raises(ClassifierError, match=r"call model.eval\(\)"):
        python(object="seewhy_user:learning")


def test_settings_of_the_other_kind() -> None:
    """A setting without effect is rejected."""
    with pytest.raises(RequestError, match=r"only settings of functions, got mean=0.5; omit it"):
        python(object="seewhy_user:logits_of_function", mean=0.5)
    with pytest.raises(RequestError, match=r"only settings of modules, got batch=2; omit it"):
        python(object="seewhy_user:net", batch=2)


def test_error_while_importing() -> None:
    """An exception in the user's code propagates, with a note."""
    with pytest.raises(ZeroDivisionError) as caught:
        python(object="seewhy_failing:net")
    assert caught.value.__notes__ == ["while seewhy_failing was imported"]
