"""The throughput benchmark: it counts queries, skips absent rivals, and takes ratios within a round."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

Load = Callable[[str], ModuleType]
Run = Callable[..., dict[str, Any]]

NETWORK = """
import torch
network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 8), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()).eval()
"""


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the Spec of a tiny network in its own file."""
    (tmp_path / "tiny_raced.py").write_text(NETWORK, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("SEEWHY_CACHE", str(tmp_path / "cache"))
    return "python:object=tiny_raced:network,size=32"


def test_throughput(run: Run, load: Load, photo: Path, network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bare loops, our methods and a rival are timed; unavailable ones are listed with the reason."""
    rivals, script = load("rivals"), load("throughput")

    def twice(job: Any) -> None:
        for _ in range(2):
            job.model(job.image.repeat(job.queries, 1, 1, 1))

    there, absent = rivals.Rival("there", "numpy", twice), rivals.Rival("absent", "no_such_package", twice)
    monkeypatch.setattr(script, "RIVALS", (there, absent))
    names = ("--runtime", "eager", "--runtime", "channels-last", "--runtime", "openvino-partial")
    asked = ("--method", "occlusion:size=16,stride=8", "--queries", 32, "--rounds", 2)
    figures = run("throughput", photo, "--classifier", network, *names, *asked)
    lines = {(row["runner"], row.get("counted")): row for row in figures["runners"]}
    assert lines["there", "whole_call"]["queries"] == 64
    assert lines["there", "whole_call"]["batch_size"] in script.BATCHES
    assert "seewhy[rivals]" in lines["absent", None]["reason"]
    assert lines["bare openvino-partial", None]["reason"] == "not for this classifier"
    assert lines["bare channels-last", "loop"]["agreement"] < 1e-5
    ours = lines["occlusion:size=16,stride=8", "explaining"]
    assert ours["queries"] == lines["occlusion:size=16,stride=8", "whole_call"]["queries"] == 10
    assert ours["low"] <= ours["queries_per_second"] <= ours["high"]
    assert figures["lowest_whole_call_over_rival"] < figures["lowest_explaining_over_rival"]


def test_only_some(run: Run, photo: Path, network: str) -> None:
    """A runner is selected by part of its name; an unknown name is refused."""
    figures = run("throughput", photo, "--classifier", network, "--runtime", "eager", "--only", "EAGER", "--rounds", 1)
    assert [row["runner"] for row in figures["runners"]] == ["bare eager"]
    with pytest.raises(AssertionError, match="expected --only to be part of a runner's name, got nobody"):
        run("throughput", photo, "--classifier", network, "--runtime", "eager", "--only", "nobody")


def test_ratios_are_taken_within_a_round(load: Load) -> None:
    """Rounds of very different speed with the same ratio give that ratio; the faster bare loop is the reference."""
    script = load("throughput")

    def runner(name: str, kind: str) -> Any:
        return script.Runner(name, kind, lambda: (0, {}), {})

    lines = [
        (runner("bare eager", "bare"), "loop"),
        (runner("bare quick", "bare"), "loop"),
        (runner("pmi", "ours"), "explaining"),
        (runner("pmi", "ours"), "whole_call"),
        (runner("them", "rival"), "whole_call"),
    ]
    pace = np.array([[1.0], [100.0], [7.0]])
    rows = script.ratios(lines, pace * np.array([10.0, 40.0, 36.0, 30.0, 6.0]))
    found = {(row["runner"], row["over"]): row for row in rows}
    assert list(found) == [("bare quick", "bare eager"), ("pmi", "bare quick"), ("pmi", "them")]
    assert found["bare quick", "bare eager"]["loop"] == pytest.approx(4)
    assert found["pmi", "bare quick"]["explaining"] == pytest.approx(0.9)
    assert found["pmi", "them"]["explaining"] == pytest.approx(6)
    assert found["pmi", "them"]["whole_call"] == found["pmi", "them"]["whole_call_high"] == pytest.approx(5)
    assert script.lowest(rows, "rival", "whole_call") == pytest.approx(5)
    assert script.lowest(rows, "bare", "nothing") is None


def test_a_rival_is_queried_in_levels(load: Load) -> None:
    """Arrays of levels reach the model as images in [0, 1]; there are about as many windows as queries."""
    rivals = load("rivals")
    image = (torch.arange(3 * 224 * 224) % 256).view(3, 224, 224) / 255
    seen: list[torch.Tensor] = []

    def model(images: torch.Tensor) -> torch.Tensor:
        seen.append(images)
        return images.mean((2, 3))

    job = rivals.Job(model, image, (0, 1), 625, 8)
    assert job.ask(job.pixels[None]).shape == (1, 3)
    assert torch.equal(seen[0][0], image)
    assert job.window == (32, 8)


def test_the_plain_network_is_as_large_as_resnet50(load: Load) -> None:
    """The network has the published 25,557,032 weights, and gives the same row of logits per image every time."""
    script = load("plain_resnet")
    assert sum(weights.numel() for weights in script.network.parameters()) == 25_557_032
    pictures = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(script.network(pictures), script.resnet50()(pictures))
        assert script.network(pictures).shape == (2, 1000)


def test_cold_start(run: Run, photo: Path, classifier: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fresh process runs twice: the parts add up to the total, and the explaining time is that of the record."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))  # the classifier's folder
    options = ("--classifier", classifier, "--trust", "--method", "occlusion:size=16,stride=8")
    figures = run("cold_start", photo, "--repeats", 1, *(f"--option={option}" for option in options))
    assert [row["cache"] for row in figures["runs"]] == ["cold", "warm"]
    for row in figures["runs"]:
        parts = ("start", "opening", "preparing", "explaining", "checks", "drawing", "rest")
        assert sum(row[name] for name in parts) == pytest.approx(row["total"])
        assert all(row[name] > 0 for name in ("start", "preparing", "explaining", "drawing", "rest"))
        assert row["queries"] == 10
    assert figures["longest"] == max(row["total"] for row in figures["runs"])
