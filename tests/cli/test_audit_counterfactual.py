"""`seewhy audit counterfactual` as a user runs it."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from seewhy import registry
from seewhy.cli import main
from seewhy.nets.counterfactual_generators import CounterfactualGenerators, save_generators
from seewhy.results.audit_counterfactual import CounterfactualRecord
from seewhy.results.codec import from_json

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
    """A classifier that predicts which half is brighter, images of both classes, and untrained generators."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "kiosk.py").write_text(OWN)
    pixels = np.random.default_rng(0).integers(50, 100, (COUNT, SIDE, SIDE)).astype(np.uint8)
    pixels[::2, :, : SIDE // 2] += 100
    pixels[1::2, :, SIDE // 2 :] += 100
    np.savez(tmp_path / "images.npz", images=pixels, labels=np.arange(COUNT) % 2)
    facts = {"fingerprint": registry.classifier(SPEC).fingerprint, "classifier": SPEC}
    generators = CounterfactualGenerators(arm="syce", classes=(0, 1), channels=3, size=(SIDE, SIDE), widths=(4, 4))
    save_generators(tmp_path / "generators", generators, facts)
    return tmp_path


def run(*words: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Return exit status, stdout and stderr."""
    with pytest.raises(SystemExit) as ending:
        main(words)
    printed = capsys.readouterr()
    return int(ending.value.code or 0), printed.out, printed.err


AUDIT = (
    "audit",
    "counterfactual",
    "generators",
    "images.npz",
    "--classifier",
    SPEC,
    "--trust",
    "--embedding-steps",
    "3",
)


def test_the_record_is_printed_and_documented(capsys: pytest.CaptureFixture[str]) -> None:
    """The JSON object equals the record in the folder, and its keys and those of a direction are documented."""
    status, out, _ = run(*AUDIT, "--oracle", SPEC, "--json", capsys=capsys)
    assert status == 0
    printed = json.loads(out)
    folder = Path(printed.pop("folder"))
    assert printed == json.loads((folder / "counterfactuals.json").read_text())
    record = from_json(CounterfactualRecord, printed, "the test")
    assert record.images == COUNT == sum(way.figures.n for way in record.directions)
    assert record.oracle is not None
    assert record.oracle.accuracy == record.oracle.agreement == 1
    assert all(way.frechet is not None and way.frechet.real > 0 for way in record.directions)
    docs = Path(__file__).parents[2] / "docs"
    page = (docs / "reference/files.md").read_text(encoding="utf-8")
    described = set(re.findall(r"`([a-z_0-9]+)`", page.partition("## counterfactuals.json")[2]))
    figures = set(re.findall(r"`([a-z_0-9]+)`", (docs / "explanation/metrics.md").read_text(encoding="utf-8")))
    assert set(printed) <= described
    way = printed["directions"][0]
    assert set(way) <= described
    assert set(way["figures"]) - {"n"} <= described | figures


def test_the_table_and_the_findings_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """The output has figures, findings and the path of the examples; with --quiet it is empty."""
    status, out, _ = run(*AUDIT, "--limit", "8", capsys=capsys)
    assert status == 0
    assert "class 0 → class 1" in out
    assert "identity collapse" in out
    assert "examples.png" in out
    assert run(*AUDIT, "--quiet", capsys=capsys)[1] == ""


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
    """A wrong request exits with status 2 and the reason, and writes no folder."""
    (home / "mine").mkdir()
    (home / "mine" / "thesis.txt").write_text("mine")
    asked = ("audit", "counterfactual", "generators", "images.npz", "--embedding-steps", "0", *words)
    status, _, err = run(*asked, capsys=capsys)
    assert status == 2
    assert message in " ".join(err.split())
    assert not (home / "seewhy-counterfactuals").exists()


def test_generators_of_another_classifier_are_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder without generators and missing images are refused too."""
    card = home / "generators" / "card.json"
    card.write_text(card.read_text().replace('"fingerprint": "', '"fingerprint": "x'))
    assert run(*AUDIT, capsys=capsys)[0] == 2
    assert run("audit", "counterfactual", "nothing", *AUDIT[3:], capsys=capsys)[0] == 2
    assert run("audit", "counterfactual", "generators", "nothing.npz", *AUDIT[4:], capsys=capsys)[0] == 2
