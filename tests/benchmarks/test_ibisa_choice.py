"""The choice of `ibisa`'s settings: figures match their definitions, ranks are paired, rows are cached."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from seewhy.core.probe import Probe
from seewhy.infills.plain import gray

Load = Callable[[str], ModuleType]
Run = Callable[..., dict[str, Any]]

NETWORK = '''
import torch

class Corner(torch.nn.Module):
    """A network whose class 0 responds to the top left quarter, and class 1 to the bottom right quarter."""

    def forward(self, pictures):
        half = pictures.shape[2] // 2
        return torch.stack([8 * pictures[..., :half, :half].mean((1, 2, 3)), 4 * pictures[..., half:, half:].mean((1, 2, 3))], 1)

network = Corner().eval()
'''


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the Spec of a small network with gradients."""
    (tmp_path / "corner_network.py").write_text(NETWORK, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    return "python:object=corner_network:network,size=32"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Write two photos that are bright in the top left quarter, where the box is."""
    (tmp_path / "images").mkdir()
    pixels = np.full((32, 32, 3), 60, np.uint8)
    pixels[:16, :16] = 250
    for name in ("one.png", "two.png"):
        Image.fromarray(pixels).save(tmp_path / "images" / name)
    rows: list[list[Any]] = [
        ["file", "class_idx", "boxes_norm"],
        *([name, 0, "0 0 0.5 0.5"] for name in ("one.png", "two.png")),
    ]
    with (tmp_path / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    (tmp_path / "list.txt").write_text("two.png\n", encoding="utf-8")
    return tmp_path


def test_rows_are_cached(run: Run, photos: Path, network: str) -> None:
    """The script runs a listed photo with two Specs; a second run takes every row from the cache."""
    arguments: tuple[Any, ...] = (
        photos,
        "--classifier",
        network,
        "--photos",
        photos / "list.txt",
        "--cache",
        photos / "rows.jsonl",
    )
    arguments += (
        "--method",
        "ibisa:cells=4,beta=1",
        "--method",
        "ibisa:cells=4,beta=1000",
        "--infill",
        "constant:value=0.0",
        "--steps",
        4,
    )
    first = run("ibisa_choice", *arguments)
    assert first["photos"] == 1
    assert {row["file"] for row in first["measurements"]} == {"two.png"}
    good, bad = first["specs"]
    assert (good["method"], good["behind"], good["empty"]) == ("ibisa:cells=4,beta=1", 0, 0)
    assert (bad["empty"], bad["behind"] > 0) == (1, True)
    assert good["box"] > 0.8
    kept = [json.loads(line) for line in (photos / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
    assert kept == first["measurements"] == run("ibisa_choice", *arguments)["measurements"]


def test_the_figures_of_a_good_and_a_bad_map(load: Load, network: str) -> None:
    """The map of the region that the class uses wins in every figure."""
    script = load("ibisa_choice")
    classifier = script.seewhy.classifier(network)
    image = torch.full((3, 32, 32), 0.2)
    image[:, :16, :16] = 1
    values = np.zeros((32, 32), np.float32)
    values[:16, :16] = 1
    probe = Probe(classifier, gray(), image)
    good, bad = (script.score(probe, 0, each, values, 8) for each in (values, -values))
    for figure, more in script.FIGURES.items():
        assert (good[figure] > bad[figure]) is more, figure
    assert (good["box"], bad["box"]) == (1.0, 0.0)


def test_a_course_goes_from_the_base_to_the_image(load: Load) -> None:
    """The sequence starts with the base, ends with the image, and inserts the highest tiles first, in equal numbers."""
    script = load("ibisa_choice")
    values = np.arange(36, dtype=np.float32).reshape(6, 6)
    order = script.ranked(values, 3)
    assert order[::3, ::3].tolist() == [[3, 2], [1, 0]]
    assert np.array_equal(script.ranked(values, 1), 35 - values)
    shares = script.course(torch.ones(1, 6, 6), torch.zeros(1, 6, 6), order, 4).mean((1, 2, 3))
    assert shares.tolist() == [0, 0.25, 0.5, 0.75, 1]


def test_ranks_are_shared_and_paired(load: Load) -> None:
    """Equal values share the mean of their ranks; a photo's rank is the mean over the figures it has."""
    script = load("ibisa_choice")
    assert script.ranks([1.0, 3.0, 3.0], more=True) == [3, 1.5, 1.5]
    assert script.ranks([1.0, 3.0, 3.0], more=False) == [1, 2.5, 2.5]
    same = {
        "insertion": 0.0,
        "deletion": 0.0,
        "tiles14": 0.0,
        "tiles8": 0.0,
        "box": None,
        "seconds": 1.0,
        "empty": False,
    }
    rows = [
        {"file": file, "network": "n", "method": method, "infill": "gray", **same, "insertion": value}
        for file, values in (("a", (1, 0)), ("b", (1, 0)), ("c", (0, 1)))
        for method, value in zip(("x", "y"), values, strict=True)
    ]
    first, second = script.summarise(rows)
    assert first["method"] == "x"
    assert first["rank"] == pytest.approx((2 * 1.375 + 1.625) / 3)
    assert second["behind"] == pytest.approx(0.25 / 3)
    assert second["behind_error"] == pytest.approx(np.std([0.25, 0.25, -0.25], ddof=1) / 3**0.5)
