"""A map that says nothing about where is named as such."""

import numpy as np
import pytest

import seewhy
from seewhy.core.errors import RequestError

PHOTO = (np.arange(16 * 16 * 3) * 7 % 256).astype(np.uint8).reshape(16, 16, 3)


def constant(images: np.ndarray) -> np.ndarray:
    """Three classes whose probabilities do not depend on the image."""
    return np.tile([0.7, 0.2, 0.1], (len(images), 1))


def corner(images: np.ndarray) -> np.ndarray:
    """Three classes; the last one's probability is always the same."""
    brightness = images[:, :4, :4].mean((1, 2, 3)) / 255
    return np.stack([0.8 * brightness, 0.8 - 0.8 * brightness, np.full(len(images), 0.2)], axis=1)


@pytest.mark.parametrize("method", ["pmi:size=4", "occlusion:size=4", "kernel-shap:samples=200", "leave-one-out"])
@pytest.mark.filterwarnings("ignore:the output does not depend on the image")
def test_a_classifier_that_no_part_changes(method: str) -> None:
    """The first finding names each of its maps."""
    explanation = seewhy.explain(
        seewhy.classifier(constant, size=16), PHOTO, method=method, targets=[0, 1], check=False
    )
    sentence = "No part of the image matters more than another to class 0, class 1: the map is the same everywhere."
    assert explanation.findings[0] == sentence
    assert not any("Too few queries" in finding for finding in explanation.findings)


def test_a_class_that_no_part_changes() -> None:
    """Only its map is named."""
    explanation = seewhy.explain(
        seewhy.classifier(corner, size=16), PHOTO, method="pmi:size=4", targets=[0, 2], check=False
    )
    assert explanation.findings[0].startswith("No part of the image matters more than another to class 2: ")


@pytest.mark.parametrize(
    ("method", "side"), [("pmi", 8), ("pmi", 4), ("occlusion", 32), ("occlusion", 8), ("pmi:size=4+16", 16)]
)
def test_a_window_that_is_the_whole_image(method: str, side: int) -> None:
    """It is refused, and the advised size works."""
    opened = seewhy.classifier(corner, size=side)
    with pytest.raises(RequestError, match=r"choose size=\d+ or less") as raised:
        seewhy.explain(opened, PHOTO, method=method, check=False)
    advised = str(raised.value).rsplit("size=", 1)[1].split()[0]
    explanation = seewhy.explain(
        opened, PHOTO, method=f"{method.split(':', maxsplit=1)[0]}:size={advised}", targets=[0], check=False
    )
    assert np.ptp(explanation[0]) > 0
