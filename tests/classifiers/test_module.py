"""A torch module as a classifier."""

from dataclasses import FrozenInstanceError
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from seewhy.classifiers.module import from_module
from seewhy.core.access import Access
from seewhy.core.classifier import IMAGENET_MEAN, Classifier
from seewhy.core.errors import ClassifierError, RequestError


class Wrapped(nn.Module):
    """A module that applies a given function to its input."""

    def __init__(self, answer: object) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, images: Tensor) -> object:
        """Return the output of the function."""
        return self.answer(images) if callable(self.answer) else self.answer


def test_contract(net: nn.Module, images: Tensor) -> None:
    """The classifier implements the interface, and its rows sum to 1."""
    classifier = from_module(net, labels=list("abcd"), size=(12, 16))
    assert isinstance(classifier, Classifier)
    assert classifier.access is Access.INTERNALS
    assert (classifier.name, classifier.labels) == ("Sequential", ("a", "b", "c", "d"))
    assert (classifier.view.size, classifier.device.type) == ((12, 16), "cpu")
    assert classifier.mean_color == IMAGENET_MEAN
    assert classifier.runtime == f"torch {torch.__version__}, cpu, float32"
    torch.testing.assert_close(classifier(images).sum(1), torch.ones(5))
    with pytest.raises(FrozenInstanceError):
        classifier.name = "other"  # type: ignore[misc]


def test_outputs(net: nn.Module, images: Tensor) -> None:
    """Logits get a softmax; probabilities do not."""
    expected = net(images).softmax(1)
    torch.testing.assert_close(from_module(net)(images), expected)
    whole = nn.Sequential(net, nn.Softmax(1)).eval()
    classifier = from_module(whole, outputs="probabilities")
    torch.testing.assert_close(classifier(images), expected)


def test_preprocessing(net: nn.Module, images: Tensor) -> None:
    """Channels are reordered first; mean and std apply in the new order."""
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)
    scaled = (images.flip(1) - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]
    classifier = from_module(net, mean=mean, std=std, channels="bgr")
    torch.testing.assert_close(classifier(images), net(scaled).softmax(1))
    assert classifier.mean_color == (0.3, 0.2, 0.1)


def test_gradient(net: nn.Module, images: Tensor) -> None:
    """The probabilities are differentiable."""
    images.requires_grad_()
    (slope,) = torch.autograd.grad(from_module(net)(images)[:, 0].sum(), images)
    assert slope.abs().max() > 0


def test_precision(net: nn.Module, images: Tensor) -> None:
    """A module in another precision receives images of that precision, and the result is float32."""
    classifier = from_module(net.double())
    assert classifier(images).dtype == torch.float32
    assert classifier.runtime.endswith("float64")


def test_training_mode(net: nn.Module) -> None:
    """A module in training mode is rejected, and so is one with a dropout layer in training mode."""
    with pytest.raises(ClassifierError, match=r"got Sequential in training mode; call model.eval\(\)"):
        from_module(net.train())
    half = nn.Sequential(nn.Flatten(), nn.Dropout()).eval()
    half[1].train()
    with pytest.raises(ClassifierError, match=r"got its submodule '1' in training mode; call model.eval\(\)"):
        from_module(half)


def test_fingerprint(net: nn.Module) -> None:
    """The fingerprint changes with weights and preprocessing, but not with the name."""
    first = from_module(net).fingerprint
    assert first == from_module(net, name="other").fingerprint
    assert first != from_module(net, mean=0.5).fingerprint
    with torch.no_grad():
        next(net.parameters())[0] += 1e-3
    assert first != from_module(net).fingerprint


def test_object_with_logits(images: Tensor) -> None:
    """An output with ``.logits`` is accepted; a tuple is rejected, and the message names its type."""
    good = Wrapped(lambda images: SimpleNamespace(logits=torch.zeros(len(images), 2))).eval()
    assert from_module(good)(images).tolist() == [[0.5, 0.5]] * 5
    bad = Wrapped(lambda images: (images, images)).eval()
    with pytest.raises(ClassifierError, match=r"one tensor, or logits by that name, got tuple of 2; wrap the module"):
        from_module(bad)(images)


@pytest.mark.parametrize("shape", [(5,), (4, 3), (5, 3, 2), (5, 1)])
def test_wrong_shape(images: Tensor, shape: tuple[int, ...]) -> None:
    """An output other than one row per image is rejected."""
    with pytest.raises(
        ClassifierError,
        match=r"expected (outputs of shape \(5, classes\)|outputs= for a classifier that returns one number)",
    ):
        from_module(Wrapped(torch.zeros(shape)).eval())(images)


def test_error_inside(images: Tensor) -> None:
    """An exception inside the module keeps its type and gets a note on the input."""
    with pytest.raises(RuntimeError) as caught:
        from_module(nn.Sequential(nn.Flatten(), nn.Linear(7, 2)).eval(), name="small")(images)
    assert caught.value.__notes__ == ["while the module small was called with images of shape (5, 3, 12, 16)"]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("setting", ["outputs", "channels"])
def test_wrong_word(net: nn.Module, setting: str) -> None:
    """An invalid choice for a setting lists the valid ones."""
    with pytest.raises(RequestError, match=f"expected {setting}=.* or .*, got 'x'"):
        from_module(net, **{setting: "x"})  # type: ignore[arg-type]
