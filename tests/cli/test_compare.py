"""``seewhy compare`` as a user types it."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seewhy.cli import main

OWN = """
import numpy as np

def corner(batch):
    light = batch[:, :8, :8].astype(float).mean((1, 2, 3)) / 255
    return np.stack([light, 1 - light], axis=1)
"""
COMPARE = ("compare", "photos", "--classifier", "corners:corner", "--trust", "--out", "out", "--images", "1")
METHODS = ("--method", "occlusion:size=8,stride=8", "--method", "rise:masks=60,cells=3")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with two pictures, bright in the corner that the classifier looks at."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "corners.py").write_text(OWN)
    (tmp_path / "photos").mkdir()
    rng = np.random.default_rng(0)
    for name in ("one", "two"):
        pixels = rng.integers(0, 60, (24, 24, 3), dtype=np.uint8)
        pixels[:8, :8] += 190
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{name}.png")
    return tmp_path


def run(*words: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit status, stdout, stderr."""
    with pytest.raises(SystemExit) as ending:
        main(words)
    said = capsys.readouterr()
    return int(ending.value.code or 0), said.out, said.err


def test_a_method_that_knows_the_classifier_beats_the_controls(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A table a metric on the terminal, the same in the file, and the pictures; with a list, only those in it."""
    (home / "list.txt").write_text("two.png\n")
    status, out, err = run(*COMPARE, *METHODS, "--list", "list.txt", capsys=capsys)
    assert (status, err.strip()) == (0, "")
    assert "insertion (higher is better)" in out
    assert "deletion (lower is better)" in out
    assert "random *" in out
    with (home / "out" / "table.csv").open(encoding="utf-8") as lines:
        table = {(line["metric"], line["method"]): float(line["mean"]) for line in csv.DictReader(lines)}
    assert table["deletion", METHODS[1]] < min(table["deletion", name] for name in ("random", "center", "edges"))
    assert [path.name for path in (home / "out" / "images").iterdir()] == ["two.png"]


def test_json_is_the_only_thing_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    """One object; a run with another metric takes the maps of the first."""
    assert run(*COMPARE, *METHODS, "--quiet", "--limit", "1", capsys=capsys) == (0, "", "")
    status, out, _ = run(*COMPARE, *METHODS, "--metric", "deletion", "--json", capsys=capsys)
    found = json.loads(out)
    assert status == 0
    assert {row["metric"] for row in found["summary"]} == {"deletion"}
    assert {row["images"] for row in found["summary"]} == {2}
    assert found["failures"] == []


def test_a_picture_that_cannot_be_read_is_said_at_the_end(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 3, the others are done; 2 where nothing was."""
    (home / "photos" / "one.png").write_bytes(b"no picture")
    status, out, err = run(*COMPARE, *METHODS, capsys=capsys)
    assert status == 3
    assert "occlusion" in out
    assert err.strip().startswith("error: one.png: ")
    (home / "photos" / "two.png").unlink()
    assert run(*COMPARE, *METHODS, capsys=capsys)[0] == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "expected at least one method"),
        (("--method", "rice"), "did you mean rise"),
        ((*METHODS, "--metric", "delation"), "did you mean deletion"),
        (("--method", "grad-cam"), "grad-cam needs INTERNALS"),
        ((*METHODS, "--list", "none.txt"), "one file name per line"),
    ],
)
def test_a_wrong_request_ends_with_2_and_writes_nothing(
    home: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], message: str
) -> None:
    """The message says what to do."""
    status, out, err = run(*COMPARE, *words, capsys=capsys)
    assert (status, out) == (2, "")
    assert message in err
    assert not (home / "out").exists()


def test_interrupted_says_how_to_go_on(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Status 130."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("seewhy.cli.compare.run_benchmark", interrupted)
    status, _, err = run(*COMPARE, *METHODS, capsys=capsys)
    assert status == 130
    assert "run the same command to resume" in " ".join(err.split())
