"""What the classifier did not see of a picture is said in words, where it matters and only there."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

import seewhy
from seewhy.core.view import View
from seewhy.explaining.diagnostics.framing import cropped_edges, framing_findings, framing_warnings, touches
from seewhy.results.record import Extreme, TargetInfo

NONE = Extreme(0.0, None, 0, 0)
TARGET = TargetInfo("class:1", "cup", "class", NONE, NONE, index=1, probability=0.8)
SIDES = ["top", "bottom", "left", "right"]


def lump(row: int, column: int, side: int = 224) -> np.ndarray:
    """Return a map with one round lump of evidence, and noise of both signs."""
    rows, columns = np.mgrid[:side, :side]
    noise = np.random.default_rng(0).normal(0, 0.02, (side, side))
    values: np.ndarray = (np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 800) + noise).astype(np.float32)
    return values


@pytest.mark.parametrize(
    ("view", "shape", "edges"),
    [
        (View((224, 224), short_side=256), (300, 300), SIDES),
        (View((224, 224)), (300, 400), ["left", "right"]),
        (View((224, 224)), (400, 300), ["top", "bottom"]),
        (View((96, 160)), (96, 160), []),
        (View((96, 160), "stretch"), (300, 100), []),
        (View((96, 160), "pad"), (300, 100), []),
        (View((96, 160), short_side=80), (100, 100), []),
        (View((96, 160), short_side=100), (100, 100), ["top", "bottom"]),
        (View((224, 224), short_side=225), (300, 300), ["bottom", "right"]),
    ],
)
def test_cropped_edges(view: View, shape: tuple[int, int], edges: list[str]) -> None:
    """An edge counts where at least a pixel was cut off, not where the picture ends or is padded."""
    assert cropped_edges(view.frame(*shape)) == edges


@pytest.mark.parametrize(
    ("at", "touched"),
    [
        ((112, 112), []),
        ((0, 112), ["top"]),
        ((6, 112), ["top"]),
        ((223, 112), ["bottom"]),
        ((112, 2), ["left"]),
        ((112, 230), ["right"]),
        ((40, 40), []),
        ((2, 3), ["top", "left"]),
    ],
)
def test_evidence_at_an_edge(at: tuple[int, int], touched: list[str]) -> None:
    """The strongest evidence touches an edge where its peak lies within 8 of 224 pixels of it."""
    assert [side for side in SIDES if touches(lump(*at), side)] == touched
    assert [side for side in SIDES if touches(100 * lump(*at) - 20, side)] == touched  # mostly negative


@pytest.mark.parametrize(
    "values", [np.zeros((28, 28)), np.ones((28, 28)), -np.ones((28, 28)), np.full((28, 28), np.nan)]
)
def test_maps_that_show_nothing_touch_nothing(values: np.ndarray) -> None:
    """A constant map and one without evidence have no strongest place."""
    assert not any(touches(values.astype(np.float32), side) for side in SIDES)


def test_much_evidence_along_an_edge_counts_without_the_peak() -> None:
    """Also where the peak lies elsewhere, evidence three times as dense along an edge as in the map touches it."""
    values = np.zeros((56, 56), np.float32)
    values[:2], values[30, 30] = 1.0, 1.5
    assert touches(values, "top")
    values[:2] = 0.001
    assert not touches(values, "top")


def test_what_is_said() -> None:
    """The finding names the class and the edge; the margin its share."""
    frame = View((224, 224), short_side=256).frame(300, 400)
    maps = {"class:1": lump(112, 1)}
    (said,) = framing_findings(frame, maps, [TARGET])
    assert said.startswith("The strongest evidence for cup touches the left edge of what the classifier sees")
    assert framing_findings(frame, {"class:1": lump(112, 112)}, [TARGET]) == []
    (said,) = framing_findings(View((224, 224), "pad").frame(112, 224), {"class:1": lump(1, 1)}, [TARGET])
    assert said.startswith("50 % of the input is a margin around the picture")


@pytest.mark.parametrize(
    ("view", "shape", "share"),
    [
        (View((96, 96), short_side=256), (300, 300), "14 %"),
        (View((64, 64)), (64, 160), "40 %"),
        (View((64, 64)), (64, 127), None),
        (View((64, 64), "stretch"), (64, 640), None),
        (View((64, 64), "pad"), (64, 640), None),
        (View.native(), (64, 640), None),
    ],
)
def test_more_than_half_cropped_away(view: View, shape: tuple[int, int], share: str | None) -> None:
    """There is a warning, with the share that is seen and the rule, where more than half is cropped away."""
    said = framing_warnings(view.frame(*shape), view.describe())
    assert len(said) == (share is not None)
    if share is not None:
        assert f"sees only {share} of the picture ({view.describe()})" in said[0]


def halves(images: np.ndarray) -> list[list[float]]:
    """Answer by how light the left and the right half of a picture are."""
    width = images.shape[2] // 2
    light = [(1.0 + image[:, :width].mean(), 1.0 + image[:, width:].mean()) for image in images.astype(float)]
    return [[left / (left + right), right / (left + right)] for left, right in light]


@pytest.mark.parametrize(
    ("settings", "warns"), [({"size": 16}, True), ({"size": (16, 64)}, False), ({"size": 16, "fit": "pad"}, False)]
)
def test_an_explanation_says_it(settings: Mapping[str, Any], warns: bool) -> None:
    """The user is warned, and the record holds the sentence, the box and the colour of the margin."""
    picture = np.random.default_rng(0).integers(0, 255, (16, 64, 3)).astype(np.uint8)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        explanation = seewhy.explain(
            seewhy.classifier(halves, **settings), picture, method="occlusion:size=4", check=False
        )
    said = [str(warning.message) for warning in caught if "of the picture" in str(warning.message)]
    assert [text for text in explanation.record.warnings if "of the picture" in text] == said
    assert bool(said) == warns
    assert explanation.record.view.box == explanation.frame.box
    margin = [text for text in explanation.findings if "is a margin" in text]
    assert bool(margin) == (settings.get("fit") == "pad")
