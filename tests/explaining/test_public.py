"""What a library user touches: one line, a notebook cell, maps by name, plots, tables, many images."""

import html
import re
from functools import partial
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

import seewhy
from games import picture, small_cnn
from seewhy.explaining.targets import TargetLike
from seewhy.methods.windows.occlusion import occlusion

LABELS = ["ant", "bee <b>", "cow", "dog", "emu"]
METHOD = "pmi:size=8,stride=8,samples=2"


def network() -> seewhy.Classifier:
    """A small random network with names."""
    return seewhy.classifier(small_cnn(), labels=LABELS)


def pixels(seed: int = 0) -> np.ndarray:
    """A random image as an array."""
    return np.asarray((picture(40, 36, seed) * 255).round().permute(1, 2, 0).to(torch.uint8))


@pytest.fixture(scope="module")
def explanation() -> seewhy.Explanation:
    """Two classes, their contrast and the information."""
    targets: list[TargetLike] = ["information", "cow", 1, ("contrast", "cow", 1)]
    return seewhy.explain(network(), pixels(), method=METHOD, infill="donor", targets=targets)


def test_it_is_one_line(explanation: seewhy.Explanation) -> None:
    """Image, prediction, method, maps, cost."""
    assert "\n" not in repr(explanation)
    assert len(repr(explanation)) < 120
    assert "pmi, 4 maps in nats, 51 queries" in repr(explanation)


def test_a_notebook_shows_overview_and_findings(explanation: seewhy.Explanation) -> None:
    """Small, and what users typed is escaped."""
    cell = explanation._repr_html_()
    assert cell.count("<img") == 1
    assert len(cell) < 400_000
    for finding in explanation.findings:
        assert html.escape(finding) in cell
    assert "<b>" not in cell


def test_maps_by_name_index_and_key(explanation: seewhy.Explanation) -> None:
    """All ways lead to the same map, and a wrong one offers the nearest."""
    cow = explanation.maps["class:2"]
    for target in ("cow", "Cow", 2, "class:2"):
        assert explanation[target] is cow
    assert explanation["information"] is explanation.maps["information"]
    assert explanation["contrast", "cow", 1] is explanation.maps["contrast:2/1"]
    assert [each.key for each in explanation.targets] == list(explanation.maps)
    with pytest.raises(seewhy.RequestError, match="did you mean cow"):
        explanation["cwo"]


def test_plots_are_matplotlibs(explanation: seewhy.Explanation) -> None:
    """The whole page, some maps of it, and one map on axes of the caller's."""
    whole, some = explanation.plot(), explanation.plot(["cow"])
    assert isinstance(whole, Figure)
    assert isinstance(some, Figure)
    assert len(whole.axes) > len(some.axes)
    axes = Figure().add_subplot()
    assert explanation.plot(["cow"], ax=axes) is axes
    assert axes.get_title() == "cow"
    with pytest.raises(seewhy.RequestError, match="expected one target"):
        explanation.plot(["cow", 1], ax=axes)
    assert mpl.rcParams["axes.spines.top"]  # the caller's style is left alone


def test_an_overlay_has_the_size_of_the_image(explanation: seewhy.Explanation) -> None:
    """RGB, and coloured where the map is strong."""
    shown = explanation.overlay("cow")
    assert shown.shape == (40, 36, 3)
    row, column = np.unravel_index(np.abs(explanation["cow"]).argmax(), (40, 36))
    assert int(np.ptp(shown[row, column].astype(int))) > 20


def test_xarray_has_values_errors_and_places(explanation: seewhy.Explanation) -> None:
    """Coordinates are pixel centres of the user's image."""
    found = explanation.to_xarray()
    np.testing.assert_array_equal(found["value"].sel(target="class:2"), explanation["cow"])
    np.testing.assert_array_equal(found["stderr"].sel(target="class:2"), explanation.stderr["class:2"])
    assert found.attrs["unit"] == "nats"
    assert (float(found["row"][0]), float(found["column"][-1])) == (0.5, 35.5)


def test_a_benchmark_is_a_frame(tmp_path: Path) -> None:
    """One row per metric and method."""
    (tmp_path / "in").mkdir()
    Image.fromarray(pixels()).save(tmp_path / "in" / "a.png")
    found = seewhy.compare(
        network(), tmp_path / "in", ["occlusion:size=20"], metrics=["deletion:steps=2"], out=tmp_path / "out", images=0
    )
    frame = found.to_frame()
    assert list(frame["method"]) == [row.method for row in found.summary]
    assert frame["mean"][0] == pytest.approx(found.summary[0].mean.value)


def test_many_images_are_the_same_as_one_by_one(tmp_path: Path) -> None:
    """A folder, a batch, and any iterable; the classifier is tested once."""
    for number in range(2):
        Image.fromarray(pixels(number)).save(tmp_path / f"{number}.png")
    calls: list[int] = []
    module = small_cnn()

    def function(batch: np.ndarray) -> np.ndarray:
        calls.append(len(batch))
        images = torch.from_numpy(batch).permute(0, 3, 1, 2).float() / 255
        return np.asarray(torch.softmax(module(images), 1).detach())

    method = "occlusion:size=20,stride=20"
    one_by_one = [seewhy.explain(function, pixels(number), method=method, check=False) for number in range(2)]
    apart = sum(calls)
    for images in (tmp_path, np.stack([pixels(0), pixels(1)]), (pixels(number) for number in range(2))):
        calls.clear()
        found = list(seewhy.explain_many(function, images, method=method, check=False))
        assert sum(calls) == apart - 7  # one self-test less
        for many, one in zip(found, one_by_one, strict=True):
            for key, values in one.maps.items():
                np.testing.assert_allclose(many.maps[key], values, atol=1e-6)
    with pytest.raises(seewhy.RequestError, match="did you mean rise"):
        seewhy.explain_many(function, tmp_path, method="ries")


def test_a_map_of_another_library_is_scored_checked_and_drawn(tmp_path: Path, explanation: seewhy.Explanation) -> None:
    """The same scores as for the method's own map; its size is checked."""
    made = seewhy.from_map(explanation["cow"], pixels(), network(), "cow", unit="nats", name="captum")
    ours, theirs = (
        seewhy.score(network(), each, "deletion:steps=4", targets="class:2")[0] for each in (explanation, made)
    )
    assert theirs.value == pytest.approx(ours.value)
    assert made.record.diagnostics.faithfulness is not None
    assert made.record.method.name == "captum"
    assert made.to_json()["command"] is None
    assert seewhy.load(made.save(tmp_path / "out"), seewhy.Explanation).record == made.record
    with pytest.raises(seewhy.RequestError, match="method captum was a function"):
        seewhy.score(network(), made, "seed-reproducibility", targets="class:2")
    with pytest.raises(seewhy.RequestError, match=r"expected a map of \(40, 36\)"):
        seewhy.from_map(np.zeros((3, 40, 36)), pixels(), network(), "cow")


def test_a_method_may_be_a_function() -> None:
    """With its settings bound, it gives the maps of the registered one."""
    own = seewhy.explain(
        network(), pixels(), method=partial(occlusion, size=20, stride=20), targets="cow", infill="gray"
    )
    named = seewhy.explain(network(), pixels(), method="occlusion:size=20,stride=20", targets="cow", infill="gray")
    np.testing.assert_array_equal(own["cow"], named["cow"])
    assert own.record.method.settings == named.record.method.settings


def test_the_lists_name_what_there_is() -> None:
    """Names that a Spec can begin with, and their rows; as a table for people, in a notebook as HTML."""
    assert {"pmi", "rise"} <= set(seewhy.methods())
    head, *rows = repr(seewhy.methods()).splitlines()
    assert head.split() == ["name", "queries", "needs", "summary"]
    assert any(re.match(r"rise +4,001 +labels +expected", row) for row in rows)
    assert "<td>rise</td><td>sampling</td><td>4,001</td>" in seewhy.methods()._repr_html_()
    assert {"gray", "patch-sampler"} <= set(seewhy.infills())
    assert {"deletion", "pointing"} <= set(seewhy.metrics())
