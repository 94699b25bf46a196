"""Functions that return only a label or the top-k classes."""

import numpy as np
import pytest
import torch
from torch import Tensor

import seewhy
from seewhy.classifiers.function import FunctionClassifier, from_function
from seewhy.classifiers.validation import validate_classifier
from seewhy.core.access import Access
from seewhy.core.errors import ClassifierError, RequestError


def brightest(pictures: np.ndarray) -> np.ndarray:
    """Return the index of the brightest of the four corners."""
    half = pictures.shape[1] // 2
    corners = [
        pictures[:, :half, :half],
        pictures[:, :half, half:],
        pictures[:, half:, :half],
        pictures[:, half:, half:],
    ]
    return np.asarray(np.argmax([corner.mean((1, 2, 3)) for corner in corners], axis=0))


def top_two(pictures: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the brightest corner and the next one in the list."""
    return [(np.array([k, (k + 1) % 4]), np.array([0.7, 0.2])) for k in brightest(pictures)]


def labels_only() -> FunctionClassifier:
    """Return a classifier that outputs only a label."""
    return from_function(brightest, outputs="labels", classes=4, size=16)


def bright_corner() -> Tensor:
    """Return an image that is bright at the top right."""
    picture = torch.full((3, 16, 16), 0.2)
    picture[:, :8, 8:] = 0.9
    return picture


def test_labels_become_certainties() -> None:
    """A label becomes probability 1, access is limited to labels, and the self-test gives no warning."""
    classifier = labels_only()
    assert classifier.access is Access.LABEL
    assert classifier(bright_corner()[None]).tolist() == [[0.0, 1.0, 0.0, 0.0]]
    assert validate_classifier(classifier, bright_corner()).warnings == ()


def test_a_label_that_is_the_same_for_all_is_no_suspicion() -> None:
    """Noise, the photo and its negative may share a label, but equal probabilities for all of them are suspicious."""
    same = from_function(lambda pictures: np.zeros(len(pictures), np.int64), outputs="labels", classes=2)
    assert validate_classifier(same, bright_corner()).warnings == ()
    even = from_function(lambda pictures: [[0.5, 0.5]] * len(pictures))
    assert "does not depend on the image" in validate_classifier(even, bright_corner()).warnings[0]


def test_the_rest_is_spread_evenly() -> None:
    """The probability left by two classes is spread evenly over the others."""
    classifier = from_function(top_two, outputs="top-k", classes=4, size=16)
    assert classifier.access is Access.TOP_K
    np.testing.assert_allclose(classifier(bright_corner()[None])[0], [0.05, 0.7, 0.2, 0.05], atol=1e-6)


def test_methods_that_need_labels_only_work_and_others_name_them() -> None:
    """Occlusion finds the corner; pmi is refused, and the message names methods that work."""
    found = seewhy.explain(
        labels_only(), bright_corner(), method="occlusion:size=8,stride=8", infill="constant:value=0"
    )
    values = found.maps["class:1"]
    assert values[4, 12] == values.max() == 1.0
    with pytest.raises(RequestError, match=r"pmi needs PROBABILITIES, this classifier gives LABEL; .*minimal-region"):
        seewhy.explain(labels_only(), bright_corner(), method="pmi")


def test_fixed_batches_and_names() -> None:
    """The fixed batch is three, and the number of classes comes from the labels."""
    classifier = from_function(brightest, outputs="labels", labels=list("abcd"), batch=3, fixed=True)
    assert classifier(bright_corner().expand(4, -1, -1, -1)).argmax(1).tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("outputs", "answer", "message"),
    [
        ("labels", [4], "0 to 3"),
        ("labels", [-1], "0 to 3"),
        ("labels", [0.5], "integer"),
        ("labels", [0, 1], "for each of 1 images"),
        ("labels", [[0.1, 0.9, 0, 0]], "integer"),
        ("top-k", [[0.1, 0.9, 0, 0]], "a pair"),
        ("top-k", [([0, 0], [0.5, 0.5])], "one distinct class from 0 to 3 per probability"),
        ("top-k", [([0, 1], [0.5])], "one distinct class from 0 to 3 per probability"),
        ("top-k", [([0, 9], [0.5, 0.4])], "0 to 3"),
        ("top-k", [([0, 1], [0.9, 0.5])], "with a remainder of 0 to 2 times the smallest"),
        ("top-k", [([0, 1], [0.2, 0.1])], "with a remainder of 0 to 2 times the smallest"),
        ("top-k", [([0, 1], [8.0, -3.0])], "with a remainder of 0 to 2 times the smallest"),
    ],
)
def test_answers_of_another_form_are_named(outputs: str, answer: object, message: str) -> None:
    """The message states what was expected and what was returned."""
    classifier = from_function(lambda _: answer, outputs=outputs, classes=4)  # type: ignore[arg-type]
    with pytest.raises(ClassifierError, match=message):
        classifier(bright_corner()[None])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"outputs": "labels"}, "set classes="),
        ({"outputs": "top-k", "classes": 1}, "at least 2"),
        ({"classes": 3}, "omit it"),
    ],
)
def test_the_number_of_classes_is_asked_for(settings: dict[str, object], message: str) -> None:
    """The number of classes is required only if the output does not determine it."""
    with pytest.raises(RequestError, match=message):
        from_function(brightest, **settings)  # type: ignore[arg-type]
