"""The benchmarks that compare runs with full maps: the long run equals the sweep, figures match their definitions."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from seewhy.core.attribution import Attribution
from seewhy.core.target import ClassEvidence, Information
from seewhy.methods.windows.pmi import pmi

Load = Callable[[str], ModuleType]
Run = Callable[..., dict[str, Any]]

TARGETS = (ClassEvidence(1), Information())


@pytest.fixture
def subject(load: Load, photo: Path, classifier: str) -> Any:
    """Return the photo with the tiny classifier and noise as in-fill."""
    truths = load("truths")
    opened = truths.seewhy.classifier(classifier)
    return truths.Subject.open(photo, opened, method="pmi:size=8", infill="noise", runtime="eager", queries=100)


@pytest.mark.parametrize("stride", [3, 4])
def test_a_long_run_equals_the_sweep(load: Load, subject: Any, stride: int) -> None:
    """All kinds of maps equal those of `pmi`, from all samples and from either half, even with an uneven stride."""
    truths = load("truths")
    truth = truths.measure(subject, truths.Plan(8, stride, 4))
    plain = pmi(subject.probe(0), subject.targets, size=8, stride=stride, samples=4, correction="none")
    half = pmi(subject.probe(0), subject.targets, size=8, stride=stride, samples=2, correction="none")
    corrected = pmi(subject.probe(0), subject.targets, size=8, stride=stride, samples=4, correction="jackknife")
    assert truth.keys == tuple(plain.values)
    for key in truth.keys:
        for kind, maps in (("full", plain), ("first", half), ("corrected", corrected)):
            np.testing.assert_allclose(truth.maps(kind)[key], maps.values[key], rtol=1e-5, atol=1e-9)
        ratio = np.sqrt(truth.maps("variance")[key]) / corrected.stderr[key]
        assert (
            (ratio > 0.7) & (ratio < 1)
        ).all()  # the sweep's errors are also corrected for the bias of the square root
        assert (truth.maps("second")[key] != truth.maps("first")[key]).any()


def test_halves_are_the_samples(load: Load, subject: Any) -> None:
    """The first and the second half of the samples are evaluated separately."""
    truths = load("truths")
    answers = torch.rand(3, 4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    answers /= answers.sum(2, keepdim=True)
    prediction = subject.probe(0).prediction
    found = truths.numbers(prediction, TARGETS, answers)
    for kind, part in (("full", answers), ("first", answers[:, :2]), ("second", answers[:, 2:])):
        expected = (prediction[1] / part[:, :, 1].mean(1)).log()
        np.testing.assert_allclose(found[truths.KINDS.index(kind), 0], expected, rtol=1e-12)


def test_the_cache_returns_the_same_map(
    load: Load, subject: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full map is computed once; another plan has another file; no unfinished file remains."""
    truths = load("truths")
    plan, folder = truths.Plan(8, 8, 2), tmp_path / "new" / "cache"
    made = truths.long_run(subject, plan, folder)
    with monkeypatch.context() as forbidden:
        forbidden.setattr(truths, "measure", None)
        again = truths.long_run(subject, plan, folder)
    for kind in truths.KINDS:
        for key in made.keys:
            np.testing.assert_array_equal(made.maps(kind)[key], again.maps(kind)[key])
    truths.long_run(subject, truths.Plan(8, 4, 2), folder)
    assert [path.suffix for path in folder.iterdir()] == [".npz", ".npz"]


def test_length_of_a_field_of_known_length(load: Load) -> None:
    """Products of two autoregressive walks have the correlation of the model; noise is subtracted."""
    truths = load("truths")
    rng, size, length = np.random.default_rng(0), 4, 0.7
    places = np.arange(0, 800, 2)
    alike = np.exp(-2 / (length * size))
    root = np.linalg.cholesky(alike ** np.abs(np.subtract.outer(np.arange(400), np.arange(400))))
    field = root @ rng.standard_normal((400, 400)) @ root.T
    noisy = field + 0.5 * rng.standard_normal(field.shape)
    grids = np.stack([noisy, noisy, noisy, noisy, np.full_like(field, 0.25)])[:, None]
    truth = truths.Truth(("a",), places, places, grids, size, (802, 802))
    assert truth.length("a") == pytest.approx(length, rel=0.05)


def test_ways_to_spend_a_share(load: Load) -> None:
    """One per cent at 224 is 3,767 queries, which allows two strides; 0.1 per cent does not cover the image."""
    script = load("pmi_queries")
    assert script.number(100, 8, (224, 224)) == 8 * 217 * 217
    assert script.number(1, 8, (224, 224)) == 3767
    methods = [way.method for way in script.ways(3767, 8, (224, 224))]
    strided = "pmi:size=8,stride={},samples={},correction=none"
    assert methods == ["pmi:size=8", strided.format(8, 4), strided.format(4, 1)]
    assert len(script.ways(785, 8, (224, 224))) == 2
    assert script.ways(784, 8, (224, 224)) == []


def test_deletion_of_a_bright_half(load: Load, subject: Any) -> None:
    """The area is that under the curve computed image by image."""
    script = load("pmi_queries")
    probe = script.Scorer(subject, None).gray
    values = np.random.default_rng(0).standard_normal((32, 32)).round(1)
    order = np.argsort(-values.ravel(), kind="stable")
    curve = []
    for step in range(29):
        keep = torch.ones(32 * 32)
        keep[order[: step * 1024 // 28].tolist()] = 0
        curve.append(float(probe(keep.view(1, 32, 32), torch.zeros(1, dtype=torch.int64))[0, 2]))
    where = [step * 1024 // 28 / 1024 for step in range(29)]
    area = sum((b - a) * (one + two) / 2 for a, b, one, two in zip(where, where[1:], curve, curve[1:], strict=False))
    assert script.deletion_auc(probe, values, 2) == pytest.approx(area)


def test_likeness(load: Load) -> None:
    """A map equals itself, a reversed one is opposite, and a constant one has no correlation."""
    likeness = load("pmi_queries").likeness
    rising = np.arange(400.0).reshape(20, 20)
    assert likeness(rising, rising) == pytest.approx({"pearson": 1, "rank": 1, "top": 1})
    assert likeness(-rising, rising) == pytest.approx({"pearson": -1, "rank": -1, "top": 0})
    assert likeness(np.zeros((20, 20)), rising)["pearson"] == 0


def test_pmi_queries(run: Run, photo: Path, classifier: str, tmp_path: Path) -> None:
    """With every window the map is near the ceiling; too few queries are reported; rivals stay within the share."""
    asked = ("--infill", "noise", "--truth-stride", 2, "--truth-samples", 4, "--cache", tmp_path / "cache")
    shares = ("--share", 0.1, "--share", 5, "--share", 30)
    figures = run("pmi_queries", photo, "--classifier", classifier, "--runtime", "eager", *asked, *shares)
    lines = figures["summary"]
    assert [line["share"] for line in lines] == [0.1] * 2 + [5] * 4 + [30] * 4
    assert all("at least 17 queries are needed" in line["method"] for line in lines[:2])
    assert all(line["queries"] <= line["pays"] for line in lines[2:])
    assert lines[6]["target"] == figures["ceilings"][0]["target"] == "class"
    assert 0.9 < lines[6]["of_pearson"] == lines[6]["pearson"] / figures["ceilings"][0]["ceiling_pearson"]
    for ceiling in figures["ceilings"]:
        assert 0 < ceiling["halves_pearson"] < ceiling["ceiling_pearson"] <= 1


def test_calibration_figures(load: Load) -> None:
    """Gaussian errors of the stated size give 95 % coverage, a ratio of 1, and the expected correlation."""
    script, rng = load("calibration"), np.random.default_rng(0)
    true, errors = rng.standard_normal((200, 200)), np.full((200, 200), 0.5)
    values = true + errors * rng.standard_normal(true.shape)
    noisy = true + 0.25 * rng.standard_normal(true.shape)
    long = script.Reference({"a": noisy}, {"a": errors / 2}, {})
    (row,) = script.score(Attribution({"a": values}, {"a": errors}, "nats", {}, "complete"), long)
    assert row["inside"] == pytest.approx(0.95, abs=0.01)
    assert row["error_ratio"] == pytest.approx(1, abs=0.03)
    assert row["expected"] == pytest.approx(np.sqrt(0.8), abs=0.01)
    assert row["measured"] == pytest.approx(row["expected"], abs=0.01)


def test_calibration(run: Run, photo: Path, classifier: str) -> None:
    """All three methods are evaluated, each against its own long run."""
    methods = ("pmi:size=8", "occlusion:size=8", "rise:masks=128")
    asked = [word for method in methods for word in ("--method", method)]
    long = ("--truth-stride", 4, "--truth-samples", 4, "--truth-budget", 1000, "--seeds", 2)
    figures = run("calibration", photo, "--classifier", classifier, *asked, "--infill", "noise", *long)
    assert [row["method"] for row in figures["methods"]] == list(methods)
    assert [len(figures[name]) for name in ("targets", "truths", "photos")] == [4 + 3 + 3, 4 + 3 + 3, 3]
    assert all(0.5 < row["inside"] <= 1 for row in figures["targets"])
    assert all(row["noise"] > 0 for row in figures["truths"])
    for row in figures["photos"]:
        assert row["lowest"] <= row["inside"] <= row["highest"]


@pytest.mark.parametrize(
    ("script", "asked", "said"),
    [
        ("pmi_queries", ("--infill", "gray"), "expected a stochastic in-fill, got gray"),
        ("pmi_queries", ("--truth-samples", 3), "expected an even number of --truth-samples"),
        ("calibration", ("--infill", "noise", "--method", "pmi:size=8+16"), "expected pmi with one size"),
    ],
)
def test_unsuitable_requests_are_refused(
    load: Load, photo: Path, classifier: str, script: str, asked: tuple[object, ...], said: str
) -> None:
    """The error says what was expected and what was given."""
    words = [str(photo), "--classifier", classifier, *map(str, asked)]
    result = CliRunner().invoke(load(script).main, words)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.replace("│", " ").split())
