"""The benchmarks of methods that read inner layers: a tiny run, and a clear error if a package is missing."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner

import seewhy
from seewhy.training.bottleneck.statistics import measure

NETWORK = """
from games import small_cnn

network = small_cnn()
"""


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the Spec of a small network in its own file."""
    (tmp_path / "tiny_network.py").write_text(NETWORK, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    return "python:object=tiny_network:network,size=20"


def test_iba_statistics(run: Callable[..., dict[str, Any]], network: str, photo: Path, tmp_path: Path) -> None:
    """The two maps of a photo correlate, but are not equal."""
    measure(seewhy.classifier(network), [photo], tmp_path / "statistics")
    figures = run("iba_statistics", photo, "--statistics", tmp_path / "statistics", "--classifier", network)
    (row,) = figures["photos"]
    assert -1 <= row["correlation"] < 1
    assert 0 <= row["common"] <= 1
    assert figures["means"][0]["mean"] == row["correlation"]


@pytest.mark.skipif(importlib.util.find_spec("pytorch_grad_cam") is not None, reason="the package is installed")
def test_grad_cam_agreement_names_the_package(load: Callable[[str], ModuleType], network: str, photo: Path) -> None:
    """The error says what is missing and how to install it."""
    result = CliRunner().invoke(load("grad_cam_agreement").main, [str(photo), "--classifier", network, "--layer", "2"])
    assert result.exit_code == 1
    assert "pip install grad-cam" in result.output
