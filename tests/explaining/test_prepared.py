"""Preparing the classifier: the runtime, the batch size, and what the record says about them."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch

import seewhy
from games import picture, small_cnn, tall_cnn
from seewhy import registry
from seewhy.classifiers import tuning
from seewhy.classifiers.fast import FastClassifier
from seewhy.classifiers.tuning import RuntimeRequest, tune
from seewhy.cli import main
from seewhy.core.access import Access
from seewhy.explaining import prepared as preparing
from seewhy.explaining.doctor import tune_here
from seewhy.explaining.explain import explain_viewed
from seewhy.explaining.prepared import open_viewed
from seewhy.explaining.request import prepare
from seewhy.registry import ClassifierLike
from seewhy.runtime.engines import Engine
from seewhy.runtime.partial import Partial


def network() -> seewhy.Classifier:
    """A small random network of a fixed size."""
    return seewhy.classifier(small_cnn(), size=32)


def pixels() -> np.ndarray:
    """A random picture as an array."""
    return np.asarray((picture(32, 32) * 255).round().permute(1, 2, 0).to(torch.uint8))


def explain(classifier: ClassifierLike, **settings: Any) -> seewhy.Explanation:
    """Ask about few windows."""
    return seewhy.explain(classifier, pixels(), method="occlusion:size=8", infill="gray", **settings)


def test_a_runtime_that_is_asked_for_gives_the_same_maps() -> None:
    """And stands in the record, with its speed and its agreement; the classifier is still the user's."""
    plain = explain(network(), runtime="eager")
    fast = explain(network(), runtime="openvino", batch_size=5)
    for key, values in plain.maps.items():
        np.testing.assert_allclose(fast.maps[key], values, atol=1e-5)
    used = fast.record.runtime
    assert (used.name, used.precision, used.batch_size) == ("openvino", "float32", 5)
    assert used.engine.startswith("openvino 2")
    assert used.agreement < 1e-5
    assert used.queries_per_second
    assert [timing.name for timing in used.tried] == ["openvino"]
    assert fast.record.classifier == plain.record.classifier
    json.dumps(fast.to_json(), allow_nan=False)


def test_by_default_a_short_run_leaves_the_classifier_unchanged() -> None:
    """Four pictures at once, and the record says why."""
    used = explain(network()).record.runtime
    assert (used.name, used.agreement, used.batch_size) == ("eager", 0.0, 4)
    assert used.why == "the run is too short for a search"


def test_in_fills_are_compared_in_one_runtime() -> None:
    """The prepared classifier is the same for all."""
    found = seewhy.compare_infills(
        network(), pixels(), ["gray", "blur"], method="occlusion:size=8", runtime="channels-last"
    )
    assert found.record.runtime.name == "channels-last"
    assert {each.record.runtime.name for each in found.explanations.values()} == {"channels-last"}


def test_a_method_that_needs_more_asks_the_original(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gradients do not pass through another runtime."""
    deep = replace(registry.METHODS["occlusion"], access=Access.INTERNALS)
    monkeypatch.setitem(registry.METHODS, "occlusion", deep)
    assert explain(network()).record.runtime.why == "requested"
    with pytest.raises(
        seewhy.RequestError, match="occlusion needs INTERNALS and runs the classifier unchanged, got runtime=openvino"
    ):
        explain(network(), runtime="openvino")


def test_a_wrong_runtime_is_refused_before_the_picture_is_opened() -> None:
    """Like every other wrong word."""
    with pytest.raises(seewhy.RequestError, match="unknown runtime"):
        seewhy.explain(network(), "no such picture.png", runtime="fast")


OWN = """
import torch
from torch import nn

torch.manual_seed(0)
network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)).eval()
nn.init.normal_(network[-1].weight, std=9.0)
"""


def test_the_doctor_searches_for_later_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All candidates are tried; the next run of any length finds the choice."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEEWHY_CACHE", str(tmp_path / "cache"))
    (tmp_path / "own_network.py").write_text(OWN)
    choice = tune_here("own_network:network,size=16", trust=True)
    assert {"eager", "openvino", "channels-last", "onnxruntime"} <= {trial.name for trial in choice.tried}
    assert choice.queries_per_second == max(
        trial.queries_per_second for trial in choice.tried if trial.queries_per_second and trial.reason is None
    )
    used = explain("own_network:network,size=16").record.runtime
    assert (used.name, used.cached) == (choice.name, True)


def tall() -> seewhy.Classifier:
    """A network that can be cut."""
    return seewhy.classifier(tall_cnn(), size=112)


def test_windows_are_asked_in_pieces_around_each_picture() -> None:
    """The maps are the same for every picture of a run, and no query goes to the whole network."""
    request = prepare(
        tall(), method="occlusion:size=8,stride=7", infill="gray", runtime="openvino-partial", check=False
    )
    views = [open_viewed(request.classifier, picture(112, 112, seed=seed)) for seed in (0, 1)]
    prepared = preparing.prepare_classifier(request, views[0].image)
    asked = prepared.classifier
    assert isinstance(asked, FastClassifier)
    assert isinstance(asked.answer, Partial)
    whole = Counted(asked.answer.whole)
    prepared = replace(prepared, classifier=replace(asked, answer=replace(asked.answer, whole=whole)))
    for each in views:
        fast = explain_viewed(request, each, prepared=prepared)
        plain = seewhy.explain(
            tall(), each.opened.pixels, method="occlusion:size=8,stride=7", infill="gray", runtime="eager"
        )
        assert fast.record.runtime.name == "openvino-partial"
        for key, values in plain.maps.items():
            np.testing.assert_allclose(fast.maps[key], values, atol=1e-5)
    assert whole.rows == 0


@dataclass
class Counted:
    """An engine that counts what it is shown."""

    engine: Engine
    rows: int = 0

    def __call__(self, maps: torch.Tensor) -> torch.Tensor:
        """Count and answer."""
        self.rows += len(maps)
        return self.engine(maps)


@pytest.mark.parametrize(
    ("method", "box", "queries"),
    [
        ("pmi", 8, 785),
        ("pmi:size=16", 16, 197),
        ("pmi:size=8+16", 8, 981),
        ("pmi:stride=4", 8, 730),
        ("occlusion", 32, 65),
        ("rise", None, 4001),
    ],
)
def test_what_the_choice_is_told(monkeypatch: pytest.MonkeyPatch, method: str, box: int | None, queries: int) -> None:
    """The smallest window, and how many queries: the cost of the row for these settings and an image of this size."""
    told: dict[str, Any] = {}

    def listen(classifier: seewhy.Classifier, image: torch.Tensor, request: RuntimeRequest, **settings: Any) -> object:
        told.update(settings)
        return tune(classifier, image, request)

    monkeypatch.setattr(preparing, "tune", listen)
    for budget in (None, 300):
        request = prepare(tall(), method=method, infill="gray", budget=budget, runtime="eager")
        preparing.prepare_classifier(request, open_viewed(request.classifier, picture(112, 112)).image)
        assert told["box"] == box
        assert told["queries"] == (budget or queries)


@pytest.mark.parametrize("quiet", [False, True])
def test_a_search_is_announced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, quiet: bool
) -> None:
    """On the standard error, unless it is to be quiet; not where the choice was made before."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEEWHY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(tuning, "_MIN_RUN_SECONDS", 0.0)
    (tmp_path / "own_quiet.py").write_text(OWN)
    PIL.Image.fromarray(pixels()).save("one.png")
    words = [
        "explain",
        "one.png",
        "--classifier",
        "own_quiet:network,size=16",
        "--trust",
        "--method",
        "occlusion:size=8",
    ]
    for turn in range(2):
        with pytest.raises(SystemExit) as ended:
            main([*words, "--out", f"out{turn}", *(["--quiet"] if quiet else [])])
        assert ended.value.code == 0
        assert ("searching for the fastest runtime on this machine" in capsys.readouterr().err) == (
            turn == 0 and not quiet
        )
