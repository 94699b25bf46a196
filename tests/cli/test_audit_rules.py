"""`seewhy audit rules` and `seewhy region` as a user types them."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import seewhy
from seewhy.cli import main
from seewhy.core.intervals import wilson

OWN = """
import numpy as np

def top(batch):
    light = batch.astype(float).mean((2, 3)) / 255
    half = light.shape[1] // 2
    upper, lower = light[:, :half].mean(1), light[:, half:].mean(1)
    return np.stack([upper + 1e-9, lower + 1e-9], 1) / (upper + lower + 2e-9)[:, None]
"""
FOLDER = 8


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A classifier that says which half is brighter, and pictures whose upper half is, with a box around it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop.py").write_text(OWN)
    (tmp_path / "photos").mkdir()
    lines = ["file,class_idx,boxes_norm"]
    for number in range(FOLDER):
        pixels = np.full((32, 32, 3), 60, np.uint8)
        pixels[:14] = 120 + 10 * number
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{number}.png")
        lines.append(f"{number}.png,0,0 0 1 0.5")
    (tmp_path / "photos" / "labels.csv").write_text("\n".join(lines))
    return tmp_path


def run(*words: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit status, stdout, stderr."""
    with pytest.raises(SystemExit) as ending:
        main(words)
    said = capsys.readouterr()
    return int(ending.value.code or 0), said.out, said.err


AUDIT = ("audit", "rules", "photos", "--classifier", "shop:top", "--trust", "--out", "out")


def test_rules_that_must_hold_do_and_the_one_that_must_fail_fails(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The upper half is still the upper one in the mirror, and the lower one upside down."""
    words = ("--rule", "flip", "--rule", "rotation:drawn=exact,strengths=5+180", "--rule", "jpeg", "--json")
    status, out, _ = run(*AUDIT, *words, capsys=capsys)
    assert status == 0
    found = {rule["spec"]: rule for rule in json.loads(out)["rules"]}
    error = {spec: [line["rate"]["error"] for line in rule["strengths"]] for spec, rule in found.items()}
    assert error == {"flip": [0.0], "rotation:drawn=exact": [0.0, 1.0], "jpeg": [0.0, 0.0, 0.0]}
    turned, interval = found["rotation:drawn=exact"]["strengths"][1], wilson(FOLDER, FOLDER)
    assert (turned["rate"]["low"], turned["rate"]["high"]) == (interval.low, interval.high)
    assert turned["classes"][0]["label"] == "class 0"
    assert {path.name for path in (home / "out").iterdir()} == {
        "rules.json",
        "rows.csv",
        "curves.png",
        "counterexamples.png",
    }


def test_rules_about_regions(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The answer needs the box, for black in it makes the lower half the brighter one; and it does not need the rest."""
    words = ("--rule", "needs-region", "--rule", "needs-background", "--infill", "constant:value=0")
    assert run(*AUDIT, *words, capsys=capsys)[0] == 0
    rules = json.loads((home / "out/rules.json").read_text())["rules"]
    assert [rule["strengths"][0]["rate"]["error"] for rule in rules] == [0.0, 1.0]
    assert rules[0]["strengths"][0]["rate"]["mean_change"] > 0.5


def test_each_row_says_what_was_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before and after, with probabilities that can be worked out by hand; the table is on the terminal."""
    status, out, _ = run(*AUDIT, "--rule", "rotation:drawn=exact,strengths=180", "--limit", "2", capsys=capsys)
    assert (status, "100.0%" in out) == (0, True)
    rows = list(csv.DictReader((home / "out/rows.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["file"] for row in rows] == ["0.png", "1.png"]
    assert (rows[0]["predicted"], rows[0]["predicted_after"], rows[0]["holds"]) == ("class 0", "class 1", "False")
    assert float(rows[0]["p"]) + float(rows[0]["p_after"]) == pytest.approx(1, abs=1e-3)


def test_a_picture_that_cannot_be_read_is_a_row(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 3, the others are done."""
    (home / "photos" / "3.png").write_bytes(b"not a picture")
    status, _, err = run(*AUDIT, "--rule", "flip", capsys=capsys)
    assert (status, "3.png" in err) == (3, True)
    record = json.loads((home / "out/rules.json").read_text())
    assert [each["file"] for each in record["failed"]] == ["3.png"]
    assert record["rules"][0]["strengths"][0]["rate"]["tested"] == FOLDER - 1


def test_a_rule_and_a_batch_size_of_one_change_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A picture is changed the same way alone, in a batch, and beside other rules."""
    run(*AUDIT, "--rule", "noise", "--batch-size", "1", "--limit", "3", capsys=capsys)
    one = (home / "out/rows.csv").read_text().splitlines()
    run(*AUDIT, "--rule", "flip", "--rule", "noise", "--batch-size", "7", capsys=capsys)
    many = (home / "out/rows.csv").read_text().splitlines()
    assert set(one) <= set(many)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--rule", "spin"), "unknown rule"),
        (("--rule", "blur:strengths=0"), "from 0.01 to 1000, got 0"),
        ((), "--rule"),
    ],
)
def test_a_wrong_request_writes_nothing(
    home: Path, words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 2."""
    status, _, err = run(*AUDIT, *words, capsys=capsys)
    assert (status, message in err) == (2, True)
    assert not (home / "out").exists()


def test_regions_need_boxes_and_a_folder_of_ones_own_is_left_alone(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each with its reason."""
    (home / "out").mkdir()
    (home / "out" / "thesis.txt").write_text("mine")
    status, _, err = run(*AUDIT, "--rule", "flip", capsys=capsys)
    assert (status, "holds no rules.json" in err) == (2, True)
    (home / "photos" / "labels.csv").unlink()
    status, _, err = run(*AUDIT[:-1], "other", "--rule", "needs-region", capsys=capsys)
    assert (status, "expected boxes" in err) == (2, True)


def test_rules_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """With their settings."""
    assert "strengths=5+15+45+90+180" in run("list", "rules", capsys=capsys)[1]


def test_the_region_behind_a_saved_map(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is written beside the map is what alone keeps the answer; another classifier is refused."""
    words, black = ("--classifier", "shop:top", "--trust", "--quiet", "--out", "maps"), ("--infill", "constant:value=0")
    run("explain", "photos/5.png", *words, "--method", "occlusion:size=8,stride=4", *black, capsys=capsys)
    status, out, _ = run("region", "maps/5", "--trust", "--tile", "4", *black, "--json", capsys=capsys)
    record = json.loads(out)
    assert status == 0
    assert (home / "maps/5/region.png").exists()
    assert record["areas"]["class:0/sufficient"] < 0.1  # some pixels of the upper half on black
    assert "sufficient for class 0" in record["findings"][0]
    assert record["areas"] == json.loads((home / "maps/5/region.json").read_text())["areas"]
    (home / "shop.py").write_text(OWN.replace("255", "254"))
    other = seewhy.classifier(lambda pictures: [[0.5, 0.5]] * len(pictures))
    with pytest.raises(seewhy.RequestError, match="another fingerprint"):
        seewhy.region(other, seewhy.load(home / "maps/5", seewhy.Explanation))
