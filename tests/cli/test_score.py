"""``seewhy score`` and ``seewhy list metrics`` as a user types them."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from games import picture
from seewhy import registry
from seewhy.cli import main

OWN = """
import torch

class Net(torch.nn.Module):
    def forward(self, x):
        light = x.mean(1)
        return torch.stack([4 * light[:, :16].mean((1, 2)), 4 * light[:, 16:].mean((1, 2))], 1)

bright = Net().eval()
other = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(3, 2)).eval()
"""


def run(*words: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit status, stdout, stderr."""
    with pytest.raises(SystemExit) as ending:
        main(words)
    said = capsys.readouterr()
    return int(ending.value.code or 0), said.out, said.err


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """A saved explanation of a picture of 32 x 32."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scored_net.py").write_text(OWN)
    pixels = np.asarray((picture(32, 32) * 255).permute(1, 2, 0).to(torch.uint8))
    Image.fromarray(pixels).save(tmp_path / "one.png")
    method = ("--method", "occlusion:size=16,stride=8", "--classifier", "scored_net:bright", "--trust")
    assert run("explain", "one.png", *method, "--target", "0", "--out", "out", "--quiet", capsys=capsys)[0] == 0
    return tmp_path / "out" / "one"


SCORE = ("score", "out/one", "--trust")


def test_scores_are_shown_and_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A table with direction and protocol, and scores.json beside the explanation."""
    status, out, _ = run(
        *SCORE, "--metric", "deletion:steps=4", "--metric", "seed-reproducibility:seeds=1", capsys=capsys
    )
    assert status == 0
    for text in ("class 0", "lower", "higher", "deletion:steps=4", "gray", "scores.json"):
        assert text in out
    record = json.loads((folder / "scores.json").read_text())
    assert [row["metric"] for row in record["scores"]] == [
        "deletion:steps=4,until=1.0",
        "seed-reproducibility:seeds=1",
    ]
    assert record["scores"][1]["value"] == 1


@pytest.mark.usefixtures("folder")
def test_boxes_bring_their_metrics(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a metric: the usual ones; JSON alone on stdout, one object a score."""
    status, out, _ = run(*SCORE, "--boxes", "0 0 1 0.5", "--json", capsys=capsys)
    rows = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    names = [row["metric"].partition(":")[0] for row in rows]
    assert names == ["deletion", "insertion", "pointing", "energy-in-box"]
    assert rows[2]["value"] == 1
    assert run(*SCORE, "--quiet", capsys=capsys)[:2] == (0, "")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("score", "nowhere"), "expected a result folder"),
        (SCORE[:-1], "--trust"),
        ((*SCORE, "--classifier", "scored_net:other"), "another fingerprint"),
        ((*SCORE, "--metric", "pointing"), "--boxes"),
        ((*SCORE, "--boxes", "0 0 2 2"), "box"),
        ((*SCORE, "--metric", "nonsense"), "unknown metric"),
        ((*SCORE, "--target", "7"), "no map"),
    ],
)
def test_wrong_requests_end_with_2(
    words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Said in words, and no scores are written."""
    status, _, err = run(*words, capsys=capsys)
    assert status == 2
    assert message in err
    assert not (tmp_path / "out/one/scores.json").exists()


def test_metrics_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """Every row with its direction; JSON has the settings."""
    status, out, _ = run("list", "metrics", capsys=capsys)
    assert status == 0
    assert out.count("is better") == len(registry.METRICS)
    rows = json.loads(run("list", "metrics", "--json", capsys=capsys)[1])
    assert rows["deletion"]["settings"]["steps"] == {"type": "int", "default": "28"}
    assert rows["pointing"]["infill"] is None
