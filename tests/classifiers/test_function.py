"""Any Python function as a classifier."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from seewhy.classifiers.function import FunctionClassifier, from_function
from seewhy.core.access import Access
from seewhy.core.classifier import Classifier
from seewhy.core.errors import ClassifierError, RequestError

Function = Callable[[np.ndarray], object]
Recorder = tuple[Callable[[np.ndarray], np.ndarray], list[np.ndarray]]


def test_what_it_is_shown(recorder: Recorder, images: Tensor) -> None:
    """The function receives an (n, h, w, 3) uint8 RGB array and cannot modify the caller's images."""
    function, log = recorder
    before = images.clone()
    classifier = from_function(function, size=(12, 16))
    answer = classifier(images)
    assert isinstance(classifier, Classifier)
    assert classifier.access is Access.PROBABILITIES
    assert log[0].shape == (5, 12, 16, 3)
    assert log[0].dtype == np.uint8
    np.testing.assert_array_equal(log[0], (before.permute(0, 2, 3, 1) * 255).round().numpy())
    assert torch.equal(images, before)
    assert answer.dtype == torch.float32


def test_float_pictures(recorder: Recorder, images: Tensor) -> None:
    """With dtype float32 the images are passed in [0, 1], as a copy."""
    function, log = recorder
    before = images.clone()
    from_function(function, dtype="float32")(images)
    assert log[0].dtype == np.float32
    np.testing.assert_array_equal(log[0], before.permute(0, 2, 3, 1).numpy())
    assert torch.equal(images, before)


def test_channel_order(recorder: Recorder) -> None:
    """With channels bgr a red image has its 255 in the last channel."""
    function, log = recorder
    red = torch.tensor([1.0, 0.0, 0.0])[None, :, None, None].expand(1, 3, 2, 2)
    from_function(function, channels="bgr")(red)
    from_function(function)(red)
    assert log[0][0, 0, 0].tolist() == [0, 0, 255]
    assert log[1][0, 0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize(("fixed", "sizes"), [(False, [2, 2, 1]), (True, [2, 2, 2])])
def test_batches(recorder: Recorder, images: Tensor, fixed: bool, sizes: list[int]) -> None:
    """A maximum batch splits the input; a fixed batch also pads the last piece. The result is the same."""
    function, log = recorder
    expected = from_function(function)(images)
    log.clear()
    torch.testing.assert_close(from_function(function, batch=2, fixed=fixed)(images), expected)
    assert [len(shown) for shown in log] == sizes


def test_reused_buffer(images: Tensor) -> None:
    """The function may reuse its output array in each call."""
    buffer = np.zeros((1, 2))

    def function(pictures: np.ndarray) -> np.ndarray:
        buffer[0] = [pictures[0].mean() / 255, 1 - pictures[0].mean() / 255]
        return buffer

    answer = from_function(function, batch=1)(images)
    torch.testing.assert_close(answer[:, 0], images.mean((1, 2, 3)))


@pytest.mark.parametrize("kind", [np.asarray, np.ndarray.tolist, torch.from_numpy, np.float16])
def test_what_it_may_return(kind: Callable[[np.ndarray], object], images: Tensor) -> None:
    """Arrays, lists and tensors of any precision are accepted."""
    answer = from_function(lambda pictures: kind(np.tile([0.25, 0.75], (len(pictures), 1))))(images)
    assert answer.tolist() == [[0.25, 0.75]] * 5


def test_logits(images: Tensor) -> None:
    """With outputs logits a softmax is applied once, over all pieces."""
    answer = from_function(lambda pictures: np.zeros((len(pictures), 4)) + 3, outputs="logits", batch=2)(images)
    assert answer.tolist() == [[0.25] * 4] * 5


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda _: None, "got NoneType"),
        (lambda _: [[0.5, 0.5], [1.0]], "got list"),
        (lambda _: [["a", "b"]] * 5, "got list"),
        (lambda _: [0.5, 0.5], r"shape \(5, classes\), got \(2,\)"),
        (lambda _: [[0.5, 0.5]], r"shape \(5, classes\), got \(1, 2\)"),
        (lambda _: [[0.5]] * 5, "returns one number per image"),
    ],
)
def test_what_it_may_not_return(function: Function, message: str, images: Tensor) -> None:
    """Any output other than one row of numbers per image is rejected, and the message shows it."""
    with pytest.raises(ClassifierError, match=message):
        from_function(function)(images)


def test_error_inside(images: Tensor) -> None:
    """The user's own exception propagates, with a note on the input of the function."""

    def broken(_: np.ndarray) -> object:
        raise KeyError("weights")

    with pytest.raises(KeyError) as caught:
        from_function(broken, name="mine")(images)
    assert caught.value.__notes__ == ["while mine was called with an array of shape (5, 12, 16, 3), uint8"]


def test_name() -> None:
    """The classifier is named after the function, or after the type of a callable object."""

    class Model:
        """A callable object."""

        def __call__(self, pictures: np.ndarray) -> object:
            """Classify."""
            return pictures

    assert from_function(Model()).name.endswith("Model")
    assert from_function(np.asarray, name="n").name == "n"


def test_fingerprint() -> None:
    """The fingerprint changes with the source, the captured plain values and the settings."""

    def make(bias: float) -> FunctionClassifier:
        return from_function(lambda pictures: [[bias, 1 - bias]] * len(pictures))

    first = make(0.5).fingerprint
    assert first == make(0.5).fingerprint
    assert first != make(0.25).fingerprint
    assert first != from_function(lambda pictures: pictures).fingerprint
    weights = np.zeros(3)
    tensor = torch.zeros(3)
    with_arrays = from_function(lambda pictures: [weights.sum() + float(tensor.sum())] * len(pictures))
    assert from_function(np.asarray, size=8).fingerprint != from_function(np.asarray, size=9).fingerprint
    assert len(with_arrays.fingerprint) == 64


@pytest.mark.parametrize("settings", [{"batch": 0}, {"fixed": True}])
def test_wrong_batch(settings: dict[str, int]) -> None:
    """An empty batch and a fixed batch without a size are rejected."""
    with pytest.raises(RequestError, match=r"expected batch >= 1"):
        from_function(np.asarray, **settings)  # type: ignore[arg-type]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("setting", ["dtype", "outputs", "channels"])
def test_wrong_word(setting: str) -> None:
    """An invalid choice for a setting lists the valid ones."""
    with pytest.raises(RequestError, match=f"expected {setting}=.* or .*, got 'x'"):
        from_function(np.asarray, **{setting: "x"})  # type: ignore[arg-type]
