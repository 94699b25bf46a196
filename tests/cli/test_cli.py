"""The command line as a user types it: in a process of its own where the exit status matters, else in this one."""

import json
import os
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from games import picture
from seewhy.cli import main
from seewhy.runtime.extras import extras

SEEWHY = [sys.executable, "-m", "seewhy"]
OWN = """
import time
import numpy as np

def bright(batch):
    light = batch.astype(float).mean((1, 2, 3)) / 255
    return np.stack([light, 1 - light], axis=1)

def slow(batch):
    time.sleep(0.2 * len(batch))
    return bright(batch)

def broken(batch):
    return np.full((len(batch), 2), np.nan)
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with two pictures and a classifier of one's own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(OWN)
    for name, seed in [("one", 1), ("two", 2)]:
        pixels = np.asarray((picture(32, 32, seed) * 255).permute(1, 2, 0).to(torch.uint8))
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    return tmp_path


def run(*words: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit status, stdout, stderr."""
    with pytest.raises(SystemExit) as ending:
        main(words)
    said = capsys.readouterr()
    return int(ending.value.code or 0), said.out, said.err


EXPLAIN = (
    "explain",
    "one.png",
    "--classifier",
    "own:bright",
    "--trust",
    "--method",
    "occlusion:size=16,stride=8",
    "--out",
    "out",
)


def test_a_picture_is_explained(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A table on stdout, the folder on disk, status 0."""
    status, out, _ = run(*EXPLAIN, capsys=capsys)
    assert status == 0
    assert "strongest evidence (probability)" in out
    assert {p.name for p in (home / "out" / "one").iterdir()} >= {
        "explanation.json",
        "maps.safetensors",
        "overview.png",
        "report.html",
    }
    assert not [p for p in (home / "out").iterdir() if p.name != "one"]


def test_json_is_the_only_thing_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    """One object a picture, parseable; messages go to stderr."""
    status, out, _ = run(*EXPLAIN, "two.png", "--json", capsys=capsys)
    rows = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert [row["image"]["name"] for row in rows] == ["one.png", "two.png"]
    assert rows[0]["queries"]["forward_images"] == 1 + 9
    assert Path(rows[0]["folder"]).is_dir()


def test_quiet_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing on either stream but warnings."""
    assert run(*EXPLAIN, "--quiet", capsys=capsys)[:2] == (0, "")


def test_the_command_in_the_record_gives_the_same_maps(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Copied from the report and run, it makes the same picture again."""
    run(*EXPLAIN, "--seed", "3", "--target", "contrast:0/1", "--infill", "donor", capsys=capsys)
    first = (home / "out/one/maps.safetensors").read_bytes()
    words = json.loads((home / "out/one/explanation.json").read_text())["command"].split()
    assert words[:3] == ["seewhy", "explain", "one.png"]
    assert run(*words[1:], "--out", "again", capsys=capsys)[0] == 0
    assert (home / "again/one/maps.safetensors").read_bytes() == first


def test_a_run_cut_short_can_be_made_again(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What stopped at a tolerance is repeated by the number of queries it took."""
    method = ("--method", "occlusion:size=8,samples=2", "--infill", "donor", "--tolerance", "0.5")
    run(*EXPLAIN, *method, capsys=capsys)
    record = json.loads((home / "out/one/explanation.json").read_text())
    assert record["stopped_because"] == "tolerance"
    assert run(*record["command"].split()[1:], "--out", "again", capsys=capsys)[0] == 0
    assert (home / "again/one/maps.safetensors").read_bytes() == (home / "out/one/maps.safetensors").read_bytes()


def test_the_check_is_shown_and_repeated_by_the_command(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A column in the table, the number of further queries, and the option in the command."""
    status, out, _ = run(*EXPLAIN, "--check-infill", capsys=capsys)
    record = json.loads((home / "out/one/explanation.json").read_text())
    assert status == 0
    assert "agree:" in out
    assert "patch-sampler and exemplar, 38 more queries" in " ".join(out.split())
    assert record["diagnostics"]["infill_check"]["queries"] == 38
    assert "--check-infill" in record["command"].split()


COMPARE = ("compare-infills", *EXPLAIN[1:], "--infill", "gray", "--infill", "donor")


def test_infills_are_compared(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A table on stdout, the record, the picture and an explanation an in-fill on disk, status 0; again is fine."""
    status, out, _ = run(*COMPARE, capsys=capsys)
    folder = home / "out" / "one"
    assert status == 0
    assert "mean rank correlation of the maps of 2 in-fills" in out
    assert {path.name for path in folder.iterdir()} >= {"comparison.json", "comparison.png", "gray", "donor"}
    assert (folder / "donor" / "report.html").exists()
    assert run(*COMPARE, "--quiet", capsys=capsys)[:2] == (0, "")


def test_the_command_of_a_comparison_gives_the_same_one(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Copied from the record and run, it makes the same picture again; so do the commands of its explanations."""
    run(*COMPARE, "--seed", "3", "--budget", "30", "--target", "0", "--target", "contrast:0/1", capsys=capsys)
    record = json.loads((home / "out/one/comparison.json").read_text())
    words = record["command"].split()
    assert words[:3] == ["seewhy", "compare-infills", "one.png"]
    assert run(*words[1:], "--out", "again", capsys=capsys)[0] == 0
    again = json.loads((home / "again/one/comparison.json").read_text())
    assert again["targets"] == record["targets"]
    alone = json.loads((home / "out/one/gray/explanation.json").read_text())["command"].split()
    assert run(*alone[1:], "--out", "alone", capsys=capsys)[0] == 0
    maps = [home / folder / "maps.safetensors" for folder in ("out/one/gray", "alone/one")]
    assert maps[0].read_bytes() == maps[1].read_bytes()


def test_a_comparison_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """One object a picture; the left-out in-fill is a warning on stderr and a row of the object."""
    words = ("compare-infills", "two.png", *EXPLAIN[1:-2], "--method", "occlusion:size=20", "--json", "--out", "out")
    status, out, err = run(*words, capsys=capsys)
    rows = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert [row["image"]["name"] for row in rows] == ["two.png", "one.png"]
    assert [row["skipped"][0]["title"] for row in rows] == ["patch-sampler"] * 2
    assert "warning: skipped patch-sampler" in err
    assert {"correlation", "expected", "level"} <= set(rows[0]["targets"][0])


def test_some_bad_pictures_do_not_stop_a_comparison(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 3, as for `explain`."""
    (home / "bad.png").write_bytes(b"not a picture")
    status, _, err = run("compare-infills", "bad.png", *COMPARE[1:], capsys=capsys)
    assert (status, "bad.png" in err) == (3, True)
    assert [path.name for path in (home / "out").iterdir()] == ["one"]


def test_the_classifier_is_tested_once(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two pictures, one self-test."""
    (home / "counting.py").write_text(
        OWN + "calls = []\ndef count(batch):\n    calls.append(len(batch))\n    return bright(batch)\n"
    )
    words = (
        "--classifier",
        "counting:count",
        "--trust",
        "--method",
        "occlusion:size=20,stride=20",
        "--batch-size",
        "2",
        "--no-check",
    )
    run("explain", "one.png", "two.png", *words, capsys=capsys)
    assert sys.modules["counting"].calls == [1, 1, 5, 1, 2, 2, 1, 2, 2]


def test_an_earlier_explanation_is_replaced_anything_else_is_not(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Running again is fine; a folder with other files is left alone."""
    assert run(*EXPLAIN, capsys=capsys)[0] == 0
    assert run(*EXPLAIN, capsys=capsys)[0] == 0
    (home / "mine" / "one").mkdir(parents=True)
    (home / "mine" / "one" / "thesis.txt").write_text("do not touch")
    status, _, err = run(*EXPLAIN[:-1], "mine", capsys=capsys)
    assert (status, "holds no explanation.json" in err) == (2, True)
    assert (home / "mine/one/thesis.txt").exists()


def test_pictures_of_one_name_get_folders_of_their_own(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The second is numbered."""
    (home / "sub").mkdir()
    (home / "one.png").rename(home / "sub" / "two.png")
    assert run("explain", "two.png", "sub", *EXPLAIN[2:], capsys=capsys)[0] == 0
    assert sorted(p.name for p in (home / "out").iterdir()) == ["two", "two-2"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["explain", "none.png"], "does not exist"),
        (["explain", "one.png", "--classifier", "nope"], "unknown classifier 'nope'"),
        (["explain", "one.png", "--classifier", "own:bright"], "--trust"),
        (["explain", "one.png", "--classifier", "own:bight", "--trust"], "did you mean bright"),
        (["explain", "one.png", "--classifier", "own:broken", "--trust"], "NaN"),
        (["explain", "one.png", "--classifier", "missing.onnx"], "missing.onnx"),
        ([*EXPLAIN, "--device", "moon"], "moon"),
        (["explain", "one.png", "--classifier", "onnx"], "onnx:path="),
        (["explain", "one.png", "--classifier", "onnx:path=x.onnx", "--device", "cpu"], "no setting 'device'"),
        (["train", "sampler", "nowhere", "--out", "w"], "nowhere"),
        ([*EXPLAIN, "--method", "ries"], "did you mean rise"),
        ([*EXPLAIN, "--target", "9"], "from 0 to 1, got 9"),
        ([*EXPLAIN, "--budget", "3"], "at least"),
        ([*EXPLAIN, "--budget", "0"], "queries > 0"),
        ([*EXPLAIN, "--seconds", "-1"], "seconds > 0"),
        ([*EXPLAIN, "--infill", "blur:sigma=x"], "expected blur:sigma=float"),
        ([*EXPLAIN, "--out", "own.py/deep"], "own.py"),
        ([*COMPARE[:-2]], "at least two in-fills"),
        ([*COMPARE[:-2], "--infill", "donro"], "did you mean donor"),
        ([*COMPARE, "--budget", "3"], "at least"),
        ([*COMPARE, "--method", "occlusion:size=20", "--infill", "patch-sampler"], "expected a hole"),
        (["explain"], "IMAGE"),
        (["list", "metrcis"], "metrcis"),
    ],
)
def test_a_wrong_request_ends_with_2_and_writes_nothing(
    home: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message is on stderr; not even the output folder appears."""
    before = sorted(p for p in home.rglob("*") if "__pycache__" not in p.parts)
    status, out, err = run(*words, capsys=capsys)
    assert status == 2
    assert message in err
    assert out == ""
    assert sorted(p for p in home.rglob("*") if "__pycache__" not in p.parts) == before


def test_some_bad_pictures_do_not_stop_the_others(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 3, each failure is listed, the rest is done."""
    (home / "bad.png").write_bytes(b"not a picture")
    status, _, err = run("explain", "bad.png", *EXPLAIN[1:], capsys=capsys)
    assert status == 3
    assert "bad.png" in err
    assert (home / "out" / "one" / "report.html").exists()
    assert not (home / "out" / "bad").exists()


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_an_interrupt_keeps_what_was_finished(home: Path) -> None:
    """Ctrl-C in the second picture: status 130, the first is whole, of the second there is no trace."""
    words = ["explain", "one.png", "two.png", "--classifier", "own:slow", "--trust", "--method", "rise", "--out", "out"]
    fast = [*words, "--budget", "50", "--quiet"]
    process = subprocess.Popen([*SEEWHY, *fast], stderr=subprocess.PIPE, text=True, cwd=home)
    deadline = time.monotonic() + 120
    while not (home / "out" / "one" / "report.html").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "1 of 2" in err
    assert [p.name for p in (home / "out").iterdir()] == ["one"]


def test_lists_name_every_row(capsys: pytest.CaptureFixture[str]) -> None:
    """Text and JSON."""
    for kind, name in [("methods", "pmi"), ("infills", "patch-sampler"), ("classifiers", "efficientnet-lite0")]:
        assert name in run("list", kind, capsys=capsys)[1]
        rows = json.loads(run("list", kind, "--json", capsys=capsys)[1])
        assert rows[name]["summary"]


def test_the_doctor_checks_a_classifier(capsys: pytest.CaptureFixture[str]) -> None:
    """Pictures of known class show whether a classifier is wired up rightly; wrong ones are an error of the request."""
    code, said, _ = run("doctor", "--check", "imagenet", "--json", capsys=capsys)
    assert (code, json.loads(said)) == (0, {"checked": "right on 4 of 4 pictures of known class"})
    code, _, problem = run("doctor", "--check", "nowhere", capsys=capsys)
    assert code == 2
    assert "expected check=imagenet or a folder of labelled pictures" in problem


def test_the_doctor_answers(capsys: pytest.CaptureFixture[str]) -> None:
    """Versions, machine, extras and speed."""
    found = json.loads(run("doctor", "--json", capsys=capsys)[1])
    assert found["versions"]["torch"] == torch.__version__
    assert set(found) == {"versions", "machine", "extras", "runtimes", "speed"}
    assert set(found["extras"]) == set(extras())


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    """Both end with 0."""
    assert "explain" in run("--help", capsys=capsys)[1]
    assert version("seewhy") in run("--version", capsys=capsys)[1]
