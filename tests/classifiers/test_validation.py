"""The self-test names each common mistake and gives no warning for a sound classifier."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from seewhy.classifiers.function import FunctionClassifier, from_function
from seewhy.classifiers.module import from_module
from seewhy.classifiers.validation import validate_classifier
from seewhy.core.errors import ClassifierError

Function = Callable[[np.ndarray], object]


@pytest.fixture
def image() -> Tensor:
    """A 12 × 16 image with more red than blue."""
    picture = torch.rand(3, 12, 16, generator=torch.Generator().manual_seed(2))
    return picture * torch.tensor([1.0, 0.7, 0.4])[:, None, None]


def wide(pictures: np.ndarray) -> np.ndarray:
    """Return probabilities of ten classes that depend on each image independently."""
    means = pictures.reshape(len(pictures), -1, 3).mean(1) / 255
    logits = means @ np.random.default_rng(0).normal(size=(3, 10)) * 20
    odds = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(odds / odds.sum(1, keepdims=True))


def redness(pictures: np.ndarray) -> np.ndarray:
    """Return a confident prediction of class 0 for a red image, and an unsure one of three classes for a blue image."""
    red = (pictures.reshape(len(pictures), -1, 3).mean(1) @ [1, 0, -1] > 20)[:, None]
    return np.where(red, [0.94, 0.03, 0.03], [0.34, 0.33, 0.33])


def make(function: Function, **settings: object) -> FunctionClassifier:
    """Wrap a function as a classifier."""
    return from_function(function, **settings)  # type: ignore[arg-type]


def test_sound(net: nn.Module, image: Tensor) -> None:
    """A sound classifier gets no warning, in 7 queries."""
    for classifier in (from_module(net), make(wide), make(wide, batch=2, fixed=True)):
        tested = validate_classifier(classifier, image)
        assert (tested.warnings, tested.queries) == ((), 7)
        assert tested.agreement <= 1e-6


def noisy(pictures: np.ndarray) -> np.ndarray:
    """Return random probabilities, like a network with active dropout."""
    return np.random.default_rng().dirichlet(np.ones(3), len(pictures))


def batch_normalised(pictures: np.ndarray) -> np.ndarray:
    """Subtract the mean of the batch first."""
    return wide(pictures - pictures.mean((0, 1, 2)) + 128)


CONTRADICTIONS: list[tuple[Function, str]] = [
    (lambda x: wide(x) * 5 - 1, r"values outside \[0, 1\].*no softmax.*pass outputs='logits'"),
    (lambda x: wide(x) * 100, "like percentages; divide them by 100"),
    (
        lambda x: wide(x) * 0.5,
        r"fit outputs='probabilities' \(the default\).*outputs='sigmoid' if they are independent",
    ),
    (lambda x: wide(x) * np.nan, "finite probabilities, got NaN or infinity in row 0"),
    (noisy, r"the same output for the same image.*dropout.*model.eval\(\)"),
    (batch_normalised, "does not depend on the rest of the batch.*batch norm in training mode.*whole batch"),
]


@pytest.mark.parametrize(("function", "message"), CONTRADICTIONS)
def test_contradictions(function: Function, message: str, image: Tensor) -> None:
    """A contradiction raises an error that names the likely mistake."""
    with pytest.raises(ClassifierError, match=message):
        validate_classifier(make(function), image)


def test_labels(image: Tensor) -> None:
    """The number of labels must equal the number of classes."""
    with pytest.raises(ClassifierError, match=r"got 3 labels for 10 classes; provide 10 labels"):
        validate_classifier(make(wide, labels=["a", "b", "c"]), image)


def test_classes_that_come_and_go(image: Tensor) -> None:
    """The number of classes must be the same in each call."""
    with pytest.raises(
        ClassifierError, match=r"expected 3 classes in each call, got 3 and 7; return a fixed number of classes"
    ):
        validate_classifier(make(lambda x: np.full((len(x), 2 + len(x)), 1 / (2 + len(x)))), image)


def test_module_set_to_training_later(net: nn.Module, image: Tensor) -> None:
    """A module that is set to training mode after wrapping is rejected."""
    classifier = from_module(net)
    net.train()
    with pytest.raises(ClassifierError, match=r"training mode; call model.eval\(\)"):
        validate_classifier(classifier, image)


def test_batch_norm_in_training(image: Tensor) -> None:
    """The outputs reveal that a function wraps a module in training mode."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(8, 3))

    def function(pictures: np.ndarray) -> object:
        return net(torch.from_numpy(pictures).permute(0, 3, 1, 2)).softmax(1)

    with pytest.raises(ClassifierError, match=r"batch norm in training mode"):
        validate_classifier(make(function, dtype="float32"), image)


def test_softmax_twice(image: Tensor) -> None:
    """Probabilities that pass through a second softmax are flagged, with the maximum they can reach."""
    whole = make(lambda x: torch.tensor(wide(x)).softmax(1))
    (warning,) = validate_classifier(whole, image).warnings
    assert warning.startswith("looks like softmax was applied twice: the largest of 10 probabilities is 0.2")
    assert warning.endswith("no image can give more than 0.23; remove one of them")


def test_untrained(image: Tensor) -> None:
    """The nearly equal probabilities of an untrained network are not mistaken for a second softmax."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 10 * 14, 1000)).eval()
    assert validate_classifier(from_module(net), image).warnings == ()


def test_channels(image: Tensor) -> None:
    """Confidence that rises when red and blue are swapped indicates a wrong channel order."""
    (warning,) = validate_classifier(make(redness, channels="bgr"), image).warnings
    assert warning == (
        "looks like RGB: confidence rises from 0.34 to 0.94 when channels are swapped; pass channels='rgb'"
    )
    (warning,) = validate_classifier(make(lambda x: redness(x[..., ::-1])), image).warnings
    assert warning.startswith("looks like BGR")
    assert validate_classifier(make(redness), image).warnings == ()


def test_constant(image: Tensor) -> None:
    """An output that is the same for every image is flagged."""
    (warning,) = validate_classifier(make(lambda x: [[0.7, 0.2, 0.1]] * len(x)), image).warnings
    assert warning.startswith("the output does not depend on the image")


CPU = torch.device("cpu")


@dataclass(frozen=True)
class Bare:
    """The minimal user-defined classifier that a self-test accepts."""

    answer: Callable[[Tensor], Tensor]
    labels: None = None
    device: torch.device = CPU

    def __call__(self, images: Tensor) -> Tensor:
        """Return the output for the images."""
        return self.answer(images)


@pytest.mark.usefixtures("unchecked")
def test_wrong_shape(image: Tensor) -> None:
    """A user-defined classifier that returns another shape is rejected."""
    for answer in (torch.zeros(1), torch.ones(1, 1), torch.zeros(3, 2)):
        with pytest.raises(ClassifierError, match=r"shape \(1, classes >= 2\)"):
            validate_classifier(Bare(lambda _, answer=answer: answer), image)  # type: ignore[arg-type, misc]
