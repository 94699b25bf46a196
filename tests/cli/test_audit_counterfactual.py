"""`seewhy test-counterfactual` as a user types it."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from seewhy import registry
from seewhy.cli import main
from seewhy.nets.counterfactual_generators import build_generators, save_generators

OWN = """
import numpy as np

def side(batch):
    light = batch.astype(float).mean((1, 3)) / 255
    half = light.shape[1] // 2
    left, right = light[:, :half].mean(1), light[:, half:].mean(1)
    return np.stack([left + 1e-9, right + 1e-9], 1) / (left + right + 2e-9)[:, None]
"""
SPEC = "kiosk:side"
COUNT, SIDE = 12, 16


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A classifier that says which half is brighter, pictures of both kinds, and untrained generators."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "kiosk.py").write_text(OWN)
    pixels = np.random.default_rng(0).integers(50, 100, (COUNT, SIDE, SIDE)).astype(np.uint8)
    pixels[::2, :, : SIDE // 2] += 100
    pixels[1::2, :, SIDE // 2 :] += 100
    np.savez(tmp_path / "pictures.npz", images=pixels, labels=np.arange(COUNT) % 2)
    facts = {"fingerprint": registry.classifier(SPEC).fingerprint, "classifier": SPEC}
    twins = build_generators(arm="syce", classes=(0, 1), channels=3, size=(SIDE, SIDE), widths=(4, 4))
    save_generators(tmp_path / "twins", twins, facts)
    return tmp_path


def run(*words: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit status, stdout, stderr."""
    with pytest.raises(SystemExit) as ending:
        main(words)
    said = capsys.readouterr()
    return int(ending.value.code or 0), said.out, said.err


TEST = ("test-counterfactual", "twins", "pictures.npz", "--classifier", SPEC, "--trust", "--embedding-steps", "3")


def test_the_record_says_what_the_folder_holds(capsys: pytest.CaptureFixture[str]) -> None:
    """One JSON object; every key of it, and of a direction, is described on the page of files."""
    status, out, _ = run(*TEST, "--oracle", SPEC, "--json", capsys=capsys)
    assert status == 0
    said = json.loads(out)
    folder = Path(said.pop("folder"))
    assert said == json.loads((folder / "counterfactuals.json").read_text())
    assert said["pictures"] == COUNT == sum(way["n"] for way in said["directions"])
    assert said["oracle"]["accuracy"] == said["oracle"]["agreement"] == 1
    assert all(way["frechet"]["real"] > 0 for way in said["directions"])
    docs = Path(__file__).parents[2] / "docs"
    page = (docs / "reference/files.md").read_text(encoding="utf-8")
    described = set(re.findall(r"`([a-z_0-9]+)`", page.partition("## counterfactuals.json")[2]))
    figures = set(re.findall(r"`([a-z_0-9]+)`", (docs / "explanation/metrics.md").read_text(encoding="utf-8")))
    assert set(said) <= described
    assert set(said["directions"][0]) - {"n"} <= described | figures


def test_the_table_says_what_was_found(capsys: pytest.CaptureFixture[str]) -> None:
    """Figures, words, and where the pictures are; nothing of it when quiet."""
    status, out, _ = run(*TEST, "--limit", "8", capsys=capsys)
    assert status == 0
    assert "class 0 → class 1" in out
    assert "identity collapse" in out
    assert "examples.png" in out
    assert run(*TEST, "--quiet", capsys=capsys)[1] == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "Missing option '--classifier'"),
        (("--classifier", SPEC), "--trust"),
        (("--classifier", SPEC, "--trust", "--tau", "2"), "tau"),
        (("--classifier", "kiosk:none", "--trust"), "none"),
        (("--classifier", SPEC, "--trust", "--out", "mine"), "choose another"),
    ],
)
def test_a_wrong_request_is_refused(
    home: Path, words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 2, the reason, and no folder."""
    (home / "mine").mkdir()
    (home / "mine" / "thesis.txt").write_text("mine")
    status, _, err = run(
        "test-counterfactual", "twins", "pictures.npz", "--embedding-steps", "0", *words, capsys=capsys
    )
    assert status == 2
    assert message in " ".join(err.split())
    assert not (home / "seewhy-counterfactuals").exists()


def test_generators_of_another_classifier_are_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And a folder without any, and pictures that are not there."""
    card = home / "twins" / "card.json"
    card.write_text(card.read_text().replace('"fingerprint": "', '"fingerprint": "x'))
    assert run(*TEST, capsys=capsys)[0] == 2
    assert run("test-counterfactual", "nothing", *TEST[2:], capsys=capsys)[0] == 2
    assert run("test-counterfactual", "twins", "nothing.npz", *TEST[3:], capsys=capsys)[0] == 2
