"""Fixtures that run benchmark scripts in this process, on small generated images."""

import csv
import importlib
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

SCRIPTS = Path(__file__).parents[2] / "benchmarks"
CLASSIFIER = '''
import numpy as np

def colours(pictures):
    """Return three logits: the mean of each channel."""
    return pictures.astype(np.float32).mean((1, 2)) / 25
'''

Load = Callable[[str], ModuleType]
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Load:
    """Import a script with its folder on the path, as Python does when it runs one."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return importlib.import_module


@pytest.fixture
def run(load: Load) -> Run:
    """Run a script in this process and return the JSON object on its last line of stdout."""

    def call(name: str, *arguments: object) -> dict[str, Any]:
        result = CliRunner().invoke(load(name).main, [*map(str, arguments), "--json"], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        figures: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
        assert figures["benchmark"] == name
        assert figures["protocol"]
        return figures

    return call


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """Write an image of random pixels that are brighter to the right."""
    pixels = np.random.default_rng(0).integers(0, 128, (40, 40, 3)) + np.linspace(0, 127, 40)[None, :, None]
    Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture
def classifier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the Spec of a tiny classifier in its own file."""
    (tmp_path / "tiny_benchmarked.py").write_text(CLASSIFIER, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    return "python:object=tiny_benchmarked:colours,size=32,outputs=logits"


@pytest.fixture
def cutouts(tmp_path: Path) -> Path:
    """Write two red discs with soft alpha, labelled with the class that responds to red."""
    (tmp_path / "images").mkdir()
    distance = np.hypot(*np.mgrid[-20:20, -20:20])
    pixels = np.dstack([np.full((40, 40), 255), np.zeros((40, 40, 2)), (16 - distance).clip(0, 1) * 255])
    names = ["one.png", "two.png"]
    for name in names:
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "images" / name)
    with (tmp_path / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["file", "class_idx"], *([name, 0] for name in names)])
    return tmp_path
