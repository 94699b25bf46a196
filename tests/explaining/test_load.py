"""Read every kind of result back, and show progress."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load, save

import seewhy
from seewhy.explaining.progress import showing
from seewhy.explaining.score import save_scores
from seewhy.results.audit_rules import RulesRecord
from seewhy.results.region import RegionRecord
from seewhy.results.scores import ScoresRecord

METHOD = "occlusion:size=8"


@pytest.fixture(scope="module")
def classifier() -> seewhy.Classifier:
    """Two classes: is the upper left bright?"""

    def bright(images: np.ndarray) -> list[list[float]]:
        shares = images[:, :8, :8].mean((1, 2, 3)) / 255
        return [[float(share), 1 - float(share)] for share in shares]

    return seewhy.classifier(bright, labels=["bright", "dark"], size=(16, 16))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two small photos."""
    folder = tmp_path_factory.mktemp("photos")
    for name in ("one", "two"):
        pixels = np.random.default_rng(len(name)).integers(0, 255, (16, 16, 3)).astype(np.uint8)
        Image.fromarray(pixels + (name == "two")).save(folder / f"{name}.png")
    return folder


@pytest.fixture(scope="module")
def explained(classifier: seewhy.Classifier, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one explanation."""
    out = tmp_path_factory.mktemp("out")
    seewhy.explain(classifier, photos / "one.png", method=METHOD, check=False).save(out / "one")
    return out


def test_a_comparison_of_infills_is_read_back(classifier: seewhy.Classifier, photos: Path, tmp_path: Path) -> None:
    """Record, explanations and maps survive the disk."""
    before = seewhy.compare_infills(classifier, photos / "one.png", ["gray", "telea"], method=METHOD, targets=0)
    after = seewhy.load(before.save(tmp_path / "out"), seewhy.InfillComparison)
    assert after.record == before.record
    assert list(after.explanations) == ["gray", "telea"]
    assert np.array_equal(after.disagreement["class:0"], before.disagreement["class:0"])
    assert np.array_equal(after.sign_conflict["class:0"], before.sign_conflict["class:0"])


def test_a_benchmark_is_read_back(classifier: seewhy.Classifier, photos: Path, tmp_path: Path) -> None:
    """Rows and summary are those that `compare` returned; without its rows it is not finished."""
    before = seewhy.compare(classifier, photos, [METHOD], metrics=["deletion"], out=tmp_path / "out", runtime="eager")
    after = seewhy.load(tmp_path / "out", seewhy.BenchmarkResult)
    assert repr(after.rows) == repr(before.rows)
    assert repr(after.summary) == repr(before.summary)
    assert set(after.warnings) <= set(before.warnings)
    (tmp_path / "out" / "rows.csv").unlink()
    with pytest.raises(seewhy.RequestError, match=r"expected a finished benchmark in .*, got no rows\.csv"):
        seewhy.load(tmp_path / "out")


def test_an_audit_is_read_back(classifier: seewhy.Classifier, photos: Path, tmp_path: Path) -> None:
    """The record of the rules."""
    before = seewhy.audit_rules(classifier, photos, "flip")
    assert seewhy.load(before.save(tmp_path / "out"), RulesRecord) == before.record


def test_region_and_scores_are_read_from_their_files(classifier: seewhy.Classifier, explained: Path) -> None:
    """They stand beside an explanation, which the folder is read as."""
    folder = explained / "one"
    found = seewhy.region(classifier, folder, tile=8)
    scores = seewhy.score(classifier, folder, "deletion")
    found.save(folder)
    file = save_scores(folder, scores, found.explanation)
    assert seewhy.load(folder / "region.json", RegionRecord) == found.record
    assert [score.value for score in seewhy.load(file, ScoresRecord).scores] == [score.value for score in scores]
    assert isinstance(seewhy.load(folder), seewhy.Explanation)


def test_a_folder_of_explanations_names_them(classifier: seewhy.Classifier, explained: Path, photos: Path) -> None:
    """The folder that `seewhy explain A B --out` writes is no result itself."""
    seewhy.explain(classifier, photos / "two.png", method=METHOD, check=False).save(explained / "two")
    with pytest.raises(seewhy.RequestError, match=r"holds 2 results; give one of them: .*one, .*two$"):
        seewhy.load(explained)


def test_what_is_no_result_is_refused(explained: Path, photos: Path) -> None:
    """A missing folder, another folder, another file and another kind of result are told apart."""
    with pytest.raises(seewhy.RequestError, match=r"got .*nowhere, which does not exist; give the folder"):
        seewhy.load(photos / "nowhere")
    with pytest.raises(seewhy.RequestError, match=r"which holds none of explanation\.json, "):
        seewhy.load(photos)
    with pytest.raises(seewhy.RequestError, match=r"got .*one\.png, which holds none of"):
        seewhy.load(photos / "one.png")
    with pytest.raises(seewhy.RequestError, match=r"expected RulesRecord in .*, got Explanation \(explanation\.json\)"):
        seewhy.load(explained / "one", RulesRecord)


def test_maps_of_another_size_than_the_record_says_are_refused(explained: Path, tmp_path: Path) -> None:
    """The folder was put together from two explanations, or damaged."""
    folder = shutil.copytree(explained / "one", tmp_path / "one")
    file = folder / "maps.safetensors"
    file.write_bytes(save({name: values[..., :-1].copy() for name, values in load(file.read_bytes()).items()}))
    with pytest.raises(seewhy.RequestError, match=r"one is damaged: expected .* of size \(\d+, \d+\).*make it again"):
        seewhy.load(folder)


def test_what_an_explanation_says(explained: Path) -> None:
    """Predicted classes best first, a target for each map, and the findings of the diagnostics as sentences."""
    explanation = seewhy.load(explained / "one", seewhy.Explanation)
    shares = [found.probability for found in explanation.predicted]
    assert shares == sorted(shares, reverse=True)
    assert {found.label for found in explanation.predicted} == {"bright", "dark"}
    assert [target.key for target in explanation.targets] == list(explanation.maps)
    assert explanation.findings == explanation.record.diagnostics.findings
    assert all(isinstance(finding, str) for finding in explanation.findings)


def test_progress_is_a_line_on_stderr(
    classifier: seewhy.Classifier, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """True draws, False is silent, and a function is called."""
    calls: list[tuple[int, int]] = []

    def count(done: int, planned: int) -> None:
        calls.append((done, planned))

    for progress in (False, True, count):
        seewhy.explain(classifier, photos / "one.png", method=METHOD, check=False, progress=progress)
        shown = capsys.readouterr()
        assert not shown.out
        assert bool(shown.err) is (progress is True)
        assert not shown.err or (shown.err.startswith("\rone.png ") and shown.err.endswith("\n"))
    assert calls
    assert calls[-1][0] == calls[-1][1]


@pytest.mark.parametrize("name", ["explain_many", "compare", "compare_infills", "audit_rules"])
def test_every_long_job_shows_progress(
    name: str, classifier: seewhy.Classifier, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All take ``progress=True``."""
    jobs: dict[str, Callable[[], object]] = {
        "explain_many": lambda: list(
            seewhy.explain_many(classifier, photos, method=METHOD, check=False, progress=True)
        ),
        "compare": lambda: seewhy.compare(classifier, photos, [METHOD], out=tmp_path, runtime="eager", progress=True),
        "compare_infills": lambda: seewhy.compare_infills(
            classifier, photos / "one.png", ["gray", "telea"], method=METHOD, progress=True
        ),
        "audit_rules": lambda: seewhy.audit_rules(classifier, photos, progress=True),
    }
    jobs[name]()
    assert "█" in capsys.readouterr().err


def test_a_bar_without_work_draws_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """No empty line is left behind."""
    with showing(progress=True, title="nothing"):
        pass
    assert not capsys.readouterr().err
