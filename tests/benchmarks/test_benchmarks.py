"""Every script has a help text, and a tiny run ends with one JSON object that includes its protocol."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import seewhy

NAMES = (
    "additive_choice",
    "allocator",
    "backends",
    "black_box_frontier",
    "calibration",
    "cold_start",
    "compare_methods",
    "contact_sheet",
    "counterfactual_digits",
    "counterfactual_mri",
    "counterfactual_shortcut",
    "evidence_frontier",
    "false_evidence",
    "grad_cam_agreement",
    "iba_statistics",
    "ibisa_choice",
    "import_time",
    "infill_cost",
    "learning_curve",
    "localisation",
    "memory",
    "overhead",
    "partial_recompute",
    "pmi_queries",
    "real_networks",
    "rise_estimators",
    "rules",
    "sample_scores",
    "sampler_bits",
    "sampler_families",
    "seeds",
    "throughput",
    "true_evidence",
)

Load = Callable[[str], ModuleType]
Run = Callable[..., dict[str, Any]]


@pytest.mark.parametrize("name", NAMES)
def test_help(load: Load, name: str) -> None:
    """``--help`` lists the options of every script, including ``--json``."""
    result = CliRunner().invoke(load(name).main, ["--help"])
    assert result.exit_code == 0
    assert "--json" in result.output


def test_localisation(run: Run, load: Load, cutouts: Path, classifier: str, tmp_path: Path) -> None:
    """A classifier of red finds red discs, also by RISE, whose smallest value counts as zero; explanations are saved."""
    asked = ("--method", "pmi:size=8", "--method", "rise:masks=60", "--infill", "gray")
    out = tmp_path / "out"
    figures = run("localisation", cutouts, "--classifier", classifier, "--scale", 0.8, *asked, "--out", out)
    assert figures["right"] == len(figures["pictures"]) == 2
    pmi, rise = (
        next(row for row in figures["summary"] if (row["target"], row["method"]) == ("class", method))
        for method in ("pmi:size=8", "rise:masks=60")
    )
    assert pmi["ratio"] > 1
    assert pmi["energy-in-box_low"] <= pmi["energy-in-box"] <= pmi["energy-in-box_high"]
    saved = [seewhy.load(out / name / "rise-masks-60-gray", seewhy.Explanation) for name in ("one", "two")]
    maps = [found.maps[f"class:{found.predicted[0].index}"] for found in saved]
    scenes = load("localisation").read_scenes(cutouts, seewhy.classifier(classifier).view, 0.8, None)
    shares = [(m - m.min())[s.alpha >= 0.5].sum() / (m - m.min()).sum() for m, s in zip(maps, scenes, strict=True)]
    assert rise["energy-in-box"] == pytest.approx(np.mean(shares), rel=1e-4)


def test_localisation_is_deterministic(load: Load, cutouts: Path) -> None:
    """The same seed composes the same image, another seed another one, and the object avoids the centre."""
    script = load("localisation")
    view = script.seewhy.View((64, 64), short_side=72)
    one, two = (script.read_scenes(cutouts, view, 0.4, None) for _ in range(2))
    assert (one[0].pixels == two[0].pixels).all()
    assert (one[0].pixels != one[1].pixels).any()
    assert one[0].alpha.sum() > 0
    assert one[0].alpha[32, 32] == 0


def test_evidence_frontier(run: Run, cutouts: Path, classifier: str) -> None:
    """Red discs, with boxes around half of each: every method is measured on the same photos, within its budget."""
    lines = ["file,class_idx,boxes_norm", *(f"{name}.png,0,0.1 0.1 0.9 0.5" for name in ("one", "two"))]
    (cutouts / "labels.csv").write_text("\n".join(lines), encoding="utf-8")
    methods = ("--method", "evidence:regions=9", "--method", "center", "--budget", 60)
    figures = run("evidence_frontier", cutouts, "--classifier", classifier, *methods, "--runtime", "eager")
    evidence, center = figures["summary"]
    assert evidence["queries"] <= 60
    assert center["queries"] == 1
    assert len(figures["rows"]) == 4
    first = figures["rows"][0]
    assert first["gain_rise"] == pytest.approx(first["insertion_rise"] - first["deletion"])
    assert evidence["to_first"].startswith("+0.000")
    assert center["gain"] == pytest.approx(
        np.mean([row["gain"] for row in figures["rows"] if row["method"] == "center"])
    )


def test_memory(run: Run, photo: Path) -> None:
    """Two runs in fresh processes report their queries and their memory."""
    figures = run("memory", photo, "--queries", 20, "--queries", 60, "--method", "occlusion:size=112,stride=28")
    assert [row.get("asked") for row in figures["runs"]] == [None, 20, 60]
    assert all(row["peak_mb"] > 10 for row in figures["runs"])
    assert figures["largest_ratio"] == figures["growth"][0]["ratio"]


def test_memory_at_native_size(run: Run, photo: Path) -> None:
    """An enlarged photo is explained at its own size and saved, and compared with an idle process."""
    asked = ("--method", "rise:cells=2", "--infill", "gray", "--queries", 20)
    figures = run("memory", photo, "--megapixels", 0.01, *asked)
    (row,) = figures["runs"]
    assert row["queries"] == 20
    assert row["peak_mb"] >= row["peak_explained_mb"] > 10
    assert 0 < row["report_mb"] < 2
    assert figures["largest_above_idle_mb"] == row["peak_mb"] - row["idle_mb"]


def test_rise_estimators(run: Run, photo: Path, classifier: str) -> None:
    """Every estimator and sampling is evaluated; on a nearly linear classifier, regression is the most accurate."""
    asked = ("--queries", 128, "--queries", 256, "--truth", 1024, "--seeds", 1)
    figures = run("rise_estimators", photo, "--classifier", classifier, *asked)
    assert len(figures["summary"]) == 3 * 2 * 2
    assert len(figures["worth"]) == 3 * 2
    error = {(row["normalisation"], row["sampling"], row["queries"]): row["error"] for row in figures["summary"]}
    assert error["regression", "antithetic", 256] < error["paper", "independent", 256] / 2
    assert all(0 <= row["inside"] <= 1 for row in figures["summary"])


def test_rise_answers_are_reused(load: Load) -> None:
    """A shorter run reuses the answers of the longer one; only the unmodified image costs another query."""
    script = load("rise_estimators")
    classifier = script.seewhy.classifier(lambda pictures: pictures.mean((1, 2)) + 1, size=12, outputs="logits")
    image = torch.rand(3, 12, 12, generator=torch.Generator().manual_seed(0))
    probe = script.Replay(classifier, script.registry.infill("gray", classifier)[1], image)
    whole = script.ask(probe, [0], 64, ("paper", "independent"))
    again = script.ask(probe, [0], 64, ("paper", "independent"))
    assert probe.queries.forward_images == 65
    assert np.array_equal(whole.values["class:0"], again.values["class:0"])


def test_seeds(run: Run, photo: Path, classifier: str) -> None:
    """The identities hold on a tiny classifier, with its classes split in two."""
    figures = run("seeds", photo, "--classifier", classifier, "--method", "pmi:size=8,stride=8", "--classes", 2)
    (row,) = figures["photos"]
    assert max(row["identity"], row["identity_uncorrected"], row["contrast"], row["batch"]) < 1e-5
    assert row["lowest_information"] >= 0
    assert row["same_seed_same_map"] is True
    assert 0 < row["classes_mean_z"] < 5


def test_backends(run: Run, photo: Path) -> None:
    """Three back-ends of the small network give the same maps."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    asked = ("--method", "pmi:size=56", "--method", "rise:masks=50", "--infill", "gray")
    figures = run("backends", photo, "--network", "small", "--rounds", 1, *asked)
    assert figures["holds"] is True
    assert [row["back_end"] for row in figures["runs"]] == ["torch", "onnx", "function"] * 2


def test_overhead(run: Run, photo: Path, classifier: str) -> None:
    """The shares are fractions of each run, and the time outside the classifier is the remainder."""
    asked = ("--method", "occlusion:size=16,stride=8", "--method", "rise:masks=60", "--infill", "noise")
    figures = run("overhead", photo, "--classifier", classifier, *asked, "--rounds", 1)
    assert [row["method"].partition(":")[0] for row in figures["runs"]] == ["occlusion", "rise"]
    for row in figures["runs"]:
        assert 0 < row["classifier_share"] < row["classifier_share"] + row["infill_share"] < 1
        rest = row["queries"] * row["beside_ms"] / 1e3 / row["seconds"]
        assert rest == pytest.approx(1 - row["classifier_share"])
        assert row["low"] == row["high"] == row["classifier_share"]


def test_interval(load: Load) -> None:
    """The interval contains the mean, is deterministic, and is None for no values."""
    common = load("common")
    found = common.interval([1.0, 2.0, 3.0, 6.0])
    assert found["mean"] == 3.0
    assert found["low"] < 3.0 < found["high"]
    assert found == common.interval([1.0, 2.0, 3.0, 6.0])
    assert common.interval([]) == {"mean": None, "low": None, "high": None}


def test_import_time(load: Load, tmp_path: Path) -> None:
    """A library that a module should not load is named; the median lies between its order statistics."""
    script = load("import_time")
    light, heavy = (script.once(module, str(tmp_path)) for module in ("json", "json, rich.table"))
    assert (light["loaded"], heavy["loaded"]) == ([], ["rich"])
    assert min(light["wall_ms"], heavy["processor_ms"]) > 0
    assert script.middle([3.0, 1.0, 2.0, 6.0, 5.0, 4.0], "ms") == {"ms": 3.5, "ms_low": 1, "ms_high": 6}


def test_the_allocator_does_not_change_the_output(load: Load, classifier: str) -> None:
    """One run with and one without kept memory: queries are counted, and the outputs are identical."""
    script = load("allocator")
    back, kept = (script.ask(classifier, 0.05, keep=keep) for keep in (False, True))
    assert back["digest"] == kept["digest"]
    assert min(back["queries_per_second"], kept["queries_per_second"]) > 0
    assert back["kept"] is False


def test_real_networks(run: Run, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each case is compared on three pictures of a photo, and packages that are missing are named."""
    script = load("real_networks")
    photo = Path(__file__).parents[2] / "examples" / "photos" / "coffee.jpg"

    def mean(picture: Any) -> Any:
        return np.array([0.25, 0.75 if picture.width > picture.height else 0.5], np.float32)

    def case() -> list[Any]:
        return [("even", seewhy.classifier(lambda images: [[0.25, 0.75]] * len(images), size=8), "size=8", mean)]

    def absent() -> list[Any]:
        raise ModuleNotFoundError("No module named 'absent'")

    monkeypatch.setattr(script, "PACKAGES", {"here": case, "absent": absent})
    found = run("real_networks", str(photo))
    (row,) = found["networks"]
    assert (row["pictures"], row["largest"], row["at"], row["off"]) == (3, 0.25, "coffee.jpg tall", 1)
    assert found["missing"] == [{"package": "absent", "because": "No module named 'absent'"}]
