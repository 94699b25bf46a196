"""Functions that give a label, or the likeliest few classes, and nothing else."""

import numpy as np
import pytest
import torch
from torch import Tensor

import seewhy
from seewhy.classifiers.function import FunctionClassifier, from_function
from seewhy.classifiers.selftest import self_test
from seewhy.core.access import Access
from seewhy.core.errors import ClassifierError, RequestError


def brightest(pictures: np.ndarray) -> np.ndarray:
    """The corner, of four, that is brightest."""
    half = pictures.shape[1] // 2
    corners = [
        pictures[:, :half, :half],
        pictures[:, :half, half:],
        pictures[:, half:, :half],
        pictures[:, half:, half:],
    ]
    return np.asarray(np.argmax([corner.mean((1, 2, 3)) for corner in corners], axis=0))


def two_likeliest(pictures: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """The brightest corner, and the next in the list."""
    return [(np.array([k, (k + 1) % 4]), np.array([0.7, 0.2])) for k in brightest(pictures)]


def labels_only() -> FunctionClassifier:
    """A classifier that gives nothing but a label."""
    return from_function(brightest, outputs="labels", classes=4, size=16)


def bright_corner() -> Tensor:
    """Bright at the top right."""
    picture = torch.full((3, 16, 16), 0.2)
    picture[:, :8, 8:] = 0.9
    return picture


def test_labels_become_certainties() -> None:
    """1 for the label, and access to no more than that; the self-test has nothing to say."""
    classifier = labels_only()
    assert classifier.access is Access.LABEL
    assert classifier(bright_corner()[None]).tolist() == [[0.0, 1.0, 0.0, 0.0]]
    assert self_test(classifier, bright_corner()).warnings == ()


def test_a_label_that_is_the_same_for_all_is_no_suspicion() -> None:
    """Noise, the photo and its negative may be of one class; one probability for all of them would be a mistake."""
    same = from_function(lambda pictures: np.zeros(len(pictures), np.int64), outputs="labels", classes=2)
    assert self_test(same, bright_corner()).warnings == ()
    even = from_function(lambda pictures: [[0.5, 0.5]] * len(pictures))
    assert "does not depend on the picture" in self_test(even, bright_corner()).warnings[0]


def test_the_rest_is_spread_evenly() -> None:
    """What two classes leave is shared by the others."""
    classifier = from_function(two_likeliest, outputs="top-k", classes=4, size=16)
    assert classifier.access is Access.TOP_K
    np.testing.assert_allclose(classifier(bright_corner()[None])[0], [0.05, 0.7, 0.2, 0.05], atol=1e-6)


def test_methods_that_need_labels_only_work_and_others_name_them() -> None:
    """Occlusion finds the corner; pmi refuses and says what would work."""
    found = seewhy.explain(
        labels_only(), bright_corner(), method="occlusion:size=8,stride=8", infill="constant:value=0"
    )
    values = found.maps["class:1"]
    assert values[4, 12] == values.max() == 1.0
    with pytest.raises(RequestError, match=r"pmi needs PROBABILITIES, this classifier gives LABEL; .*minimal-region"):
        seewhy.explain(labels_only(), bright_corner(), method="pmi")


def test_fixed_batches_and_names() -> None:
    """A batch of exactly three, and the number of classes from the names."""
    classifier = from_function(brightest, outputs="labels", labels=list("abcd"), batch=3, fixed=True)
    assert classifier(bright_corner().expand(4, -1, -1, -1)).argmax(1).tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("outputs", "answer", "message"),
    [
        ("labels", [4], "0 to 3"),
        ("labels", [-1], "0 to 3"),
        ("labels", [0.5], "whole number"),
        ("labels", [0, 1], "for each of 1 pictures"),
        ("labels", [[0.1, 0.9, 0, 0]], "whole number"),
        ("top-k", [[0.1, 0.9, 0, 0]], "a pair"),
        ("top-k", [([0, 0], [0.5, 0.5])], "each once"),
        ("top-k", [([0, 1], [0.5])], "as many"),
        ("top-k", [([0, 9], [0.5, 0.4])], "0 to 3"),
        ("top-k", [([0, 1], [0.9, 0.5])], "leave no more"),
        ("top-k", [([0, 1], [0.2, 0.1])], "leave no more"),
        ("top-k", [([0, 1], [8.0, -3.0])], "leave no more"),
    ],
)
def test_answers_of_another_form_are_named(outputs: str, answer: object, message: str) -> None:
    """What was expected, and what came."""
    classifier = from_function(lambda _: answer, outputs=outputs, classes=4)  # type: ignore[arg-type]
    with pytest.raises(ClassifierError, match=message):
        classifier(bright_corner()[None])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"outputs": "labels"}, "say classes="),
        ({"outputs": "top-k", "classes": 1}, "at least 2"),
        ({"classes": 3}, "leave it out"),
    ],
)
def test_the_number_of_classes_is_asked_for(settings: dict[str, object], message: str) -> None:
    """Only where the answers do not say it."""
    with pytest.raises(RequestError, match=message):
        from_function(brightest, **settings)  # type: ignore[arg-type]
