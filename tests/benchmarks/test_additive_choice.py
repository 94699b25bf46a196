"""The choice of `additive`'s settings: its own variant is the method, and every variant is measured on the same queries."""

import csv
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from games import Game, picture, small_cnn
from seewhy.core.probe import Probe
from seewhy.core.target import ClassEvidence
from seewhy.infills.plain import blur
from seewhy.methods.sampling.additive import additive

Load = Callable[[str], ModuleType]
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Write two photos of the class that responds to red, which is in the left half, where the box is."""
    (tmp_path / "images").mkdir()
    pixels = np.full((40, 40, 3), 90, np.uint8)
    pixels[:, :20, 0] = 250
    for name in ("one.png", "two.png"):
        Image.fromarray(pixels).save(tmp_path / "images" / name)
    with (tmp_path / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        rows = [[name, 0, "0 0 0.5 1"] for name in ("one.png", "two.png")]
        csv.writer(file).writerows([["file", "class_idx", "boxes_norm"], *rows])
    return tmp_path


def test_variants_are_measured_on_the_same_photos(run: Run, photos: Path, classifier: str) -> None:
    """Two variants, half of the queries against the other half, and `rise` beside them."""
    figures = run(
        "additive_choice",
        *(photos, "--classifier", classifier, "--photos", 1, "--runtime", "eager", "--rise", 60),
        *("--variant", "100", "--variant", "600"),
    )
    assert figures["photos"] == 1
    first, second, rise = figures["variants"]
    assert (first["variant"], second["variant"], rise["variant"]) == ("100", "600", "rise 60")
    assert first["agreement"] > 0.5
    assert second["agreement"] is None
    assert first["mass"] > 0.5


def test_the_default_variant_is_the_method(load: Load) -> None:
    """The map is that of `additive` with seed 0; other variants give other maps."""
    script = load("additive_choice")
    probe = Probe(Game(small_cnn().double()), blur(), picture(40, 40))

    class Subject:
        """A photo with the probe of this test."""

        def probe(self, infill: str) -> Probe:
            """Return the probe; its in-fill is the one that is asked for."""
            assert infill == "blur"
            return probe

    asked = script.Asked.of(Subject(), "blur", 80)
    expected = additive(probe, [ClassEvidence(0)], samples=80).values["class:0"]
    np.testing.assert_allclose(asked.map(0, script.Variant(80)), expected, rtol=1e-4, atol=1e-9)
    for other in (script.Variant(80, single=True), script.Variant(80, level=0.0), script.Variant(40)):
        assert not np.allclose(asked.map(0, other), expected, rtol=1e-2)


def test_mirrored_rows_have_their_deviations_as_half_differences(load: Load) -> None:
    """The half difference of each pair is the row minus the mean."""
    values = torch.tensor([[1.0, 4.0], [3.0, 0.0]])
    pairs = load("additive_choice")._mirrored(values)
    assert ((pairs[0::2] - pairs[1::2]) / 2).tolist() == [[-1.0, 2.0], [1.0, -2.0]]
