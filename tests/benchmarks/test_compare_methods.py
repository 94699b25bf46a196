"""The comparison of methods: its defaults, its claims, and other packages' maps."""

import math
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import seewhy
from games import Game, picture
from seewhy import registry
from seewhy.core.intervals import Interval
from seewhy.core.probe import Probe
from seewhy.core.target import ClassEvidence
from seewhy.infills.plain import gray
from seewhy.results.benchmark import ScoreRow, SummaryRow

Load = Callable[[str], ModuleType]
Run = Callable[..., dict[str, Any]]


def test_all_defaults_exist(load: Load) -> None:
    """Every default method and metric exists with these settings, and so do the references of the claims."""
    script = load("compare_methods")
    controls = {name for name, row in registry.METHODS.items() if row.control}
    assert all(registry.lookup("methods", spec).name == spec.partition(":")[0] for spec in script.METHODS)
    assert {*script.REFERENCES} <= {*script.METHODS, *controls}
    assert not {*script.RIVAL_METHODS} & {*registry.METHODS}
    assert [registry.lookup("metrics", spec).row.higher_is_better for spec in script.METRICS[:2]] == [True, False]


def test_compare_methods(run: Run, cutouts: Path, classifier: str, tmp_path: Path) -> None:
    """One comparison per network with its table; no claim about a method that was not run; a repeat needs no query."""
    names = ("--method", "occlusion:size=8", "--method", "rise:masks=60,cells=3", "--metric", "deletion")
    asked = (cutouts, "--classifier", classifier, *names, "--limit", 1, "--out", tmp_path / "benchmark")
    figures = run("compare_methods", *asked)
    assert [line["method"] for line in figures["summary"]] == [names[1], names[3], "random", "center", "edges"]
    assert figures["non_inferiority"] == figures["failures"] == []
    assert "deletion:steps=28" in figures["protocol"]
    assert run("compare_methods", *asked)["summary"] == figures["summary"]


@pytest.mark.parametrize(
    ("gap", "insertion", "deletion"), [(0.0, True, True), (0.02, True, False), (-0.02, False, True)]
)
def test_claims_are_paired_and_respect_the_direction(load: Load, gap: float, insertion: bool, deletion: bool) -> None:
    """The same difference is good in one metric and bad in the other; shared variation does not count."""
    rows, summary, nothing = [], [], Interval(0.0, 0.0, 0.0)
    for metric, direction in (("insertion", "higher"), ("deletion", "lower")):
        for method, shift in (("ibisa", gap), ("center", 0.0)):
            values = np.linspace(0, 1, 20) + shift
            rows += [ScoreRow(f"{n}.png", method, metric, float(v), direction) for n, v in enumerate(values)]
            summary.append(SummaryRow(metric, method, direction, "", False, 20, nothing, None, 0, 1.0, 1.0))
    found = load("compare_methods").claims(seewhy.BenchmarkResult(Path(), tuple(rows), tuple(summary), ()))
    assert [(row["metric"], row["against"], row["photos"]) for row in found] == [
        ("insertion", "center", 20),
        ("deletion", "center", 20),
    ]
    assert [row["conclusion"] == "non-inferior" for row in found] == [insertion, deletion]


def test_a_rival_gives_the_map_of_the_explained_class(load: Load) -> None:
    """A rival's map is used unchanged, and every image it shows to the classifier is counted."""
    rivals, seen = load("rivals"), []

    def explain(job: Any) -> np.ndarray:
        seen.append(job.classes)
        job.model(job.image[None].repeat(job.queries, 1, 1, 1))
        return np.ones((20, 17))

    method = load("compare_methods").as_method(rivals.Rival("one", "numpy", explain))
    game = Game(lambda images: torch.stack([images.mean((1, 2, 3)) + n for n in range(4)], 1), 4)
    probe = Probe(game, gray(), picture())
    maps = method.run(probe, [ClassEvidence(1)], queries=9)
    assert maps.values["class:1"].dtype == np.float32
    assert seen == [(1, 3, 2)]
    assert probe.queries.forward_images == 10


def test_captum_locates_the_class(load: Load) -> None:
    """For a network that uses one corner, the window there gets the highest value."""
    rivals = load("rivals")
    image = torch.zeros(3, 28, 28)
    image[:, :4, :4] = 1

    def model(images: torch.Tensor) -> torch.Tensor:
        light = images[:, :, :4, :4].mean((1, 2, 3))
        return torch.stack([light, 1 - light], 1)

    values = rivals.captum_occlusion(rivals.Job(model, image, (0, 1), 49, 4))
    assert values.shape == (28, 28)
    assert np.unravel_index(values.argmax(), values.shape) < (4, 4)


def test_a_missing_rival_is_named(load: Load, monkeypatch: pytest.MonkeyPatch, photo: Path) -> None:
    """The error appears before any work, and says what to install."""
    script, rivals = load("compare_methods"), load("rivals")
    absent = rivals.Rival("LIME", "no_such_package", rivals.lime_image)
    monkeypatch.setitem(script.RIVAL_METHODS, "package-lime", absent)
    words = [str(photo.parent), "--rival", "package-lime", "--out", str(photo.parent / "out")]
    result = CliRunner().invoke(script.main, words)
    assert result.exit_code == 2
    assert "pip install 'seewhy[rivals]'" in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("low", "high", "direction", "shown"),
    [
        (-0.009, 0.5, "higher", True),
        (-0.01, 0.5, "higher", False),
        (-0.5, 0.009, "lower", True),
        (-0.5, 0.01, "lower", False),
        (math.nan, math.nan, "higher", False),
        (math.nan, math.nan, "lower", False),
    ],
)
def test_non_inferiority_is_a_bound_beyond_the_margin(
    load: Load, low: float, high: float, direction: str, shown: bool
) -> None:
    """On the side that is worse; where there is nothing nothing is shown."""
    assert load("compare_methods").not_inferior(Interval(0.0, low, high), direction, 0.01) is shown
