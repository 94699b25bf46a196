"""A saved explanation is opened again by every command, for every way to name a classifier."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from PIL import Image

import seewhy
from games import picture, small_cnn
from seewhy.cli import main
from seewhy.nets.small_classifier import SmallClassifier, save_small

SIDE = 32
CARD = {
    "classifier": "plain on shapes",
    "fingerprint": "0",
    "labels": ["round", "square"],
    "size": [SIDE, SIDE],
    "fit": "stretch",
    "short_side": None,
    "mean_color": [0.1, 0.2, 0.3],
}
OWN = """
import numpy as np

def halves(batch):
    light = batch.astype(float).mean((2, 3)) / 255
    upper, lower = light[:, :16].mean(1), light[:, 16:].mean(1)
    return np.stack([upper, lower], 1) / (upper + lower)[:, None]
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with one image."""
    monkeypatch.chdir(tmp_path)
    pixels = np.asarray((picture(SIDE, SIDE) * 255).permute(1, 2, 0).to(torch.uint8))
    Image.fromarray(pixels).save(tmp_path / "one.png")
    return tmp_path


def onnx_in_a_subfolder(home: Path) -> str:
    """Write a graph of mean colours into ``models/`` and return its path."""
    (home / "models").mkdir()
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("Softmax", ["flat"], ["y"]),
    ]
    taken = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, SIDE, SIDE])
    given = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])
    graph = helper.make_graph(nodes, "means", [taken], [given])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, home / "models" / "net.onnx")
    return "models/net.onnx"


def trained_folder(home: Path) -> str:
    """Write what ``seewhy train classifier`` would have written and return its Spec."""
    torch.manual_seed(0)
    net = SmallClassifier(arch="plain", classes=2, channels=3, widths=(4, 8)).eval()
    torch.nn.init.normal_(net.last.weight, std=20.0)  # untrained, it would answer the same to every image
    save_small(home / "models" / "shapes", net, CARD)
    return "trained:folder=models/shapes"


def own_function(home: Path) -> str:
    """Write a module with a function and return its Spec."""
    (home / "reopened.py").write_text(OWN)
    return "reopened:halves"


KINDS: dict[str, Callable[[Path], str]] = {
    "onnx": onnx_in_a_subfolder,
    "trained": trained_folder,
    "function": own_function,
}
METHOD = "occlusion:size=16,stride=16"


def run(*words: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit status, stdout, stderr."""
    with pytest.raises(SystemExit) as ending:
        main(words)
    shown = capsys.readouterr()
    return int(ending.value.code or 0), shown.out, shown.err


@pytest.mark.parametrize("kind", KINDS)
def test_explain_score_region_load_on_the_command_line(
    home: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without naming the classifier again: the record has its Spec as the user wrote it."""
    spec = KINDS[kind](home)
    explain = ("explain", "one.png", "--classifier", spec, "--method", METHOD, "--infill", "gray", "--trust", "--quiet")
    assert run(*explain, "--out", "out", capsys=capsys)[0] == 0
    assert run("score", "out/one", "--metric", "deletion:steps=4", "--trust", "--quiet", capsys=capsys)[0] == 0
    assert run("region", "out/one", "--trust", "--quiet", capsys=capsys)[0] == 0
    loaded = seewhy.load("out/one", seewhy.Explanation)
    assert loaded.record.classifier.spec == spec
    assert {"scores.json", "region.json", "region.png"} <= {path.name for path in (home / "out/one").iterdir()}
    words = str(loaded.to_json()["command"]).split()
    assert ("--trust" in words) is (kind == "function")
    assert run(*words[1:], "--out", "again", "--quiet", capsys=capsys)[0] == 0
    assert (home / "again/one/maps.safetensors").read_bytes() == (home / "out/one/maps.safetensors").read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_explain_score_region_load_in_python(home: Path, kind: str) -> None:
    """The same, and with None for the classifier."""
    classifier = seewhy.classifier(KINDS[kind](home))
    folder = seewhy.explain(classifier, "one.png", method=METHOD, infill="gray").save(home / "out")
    explanation = seewhy.load(folder, seewhy.Explanation)
    given, read = (seewhy.score(each, folder, "deletion:steps=4") for each in (classifier, None))
    assert [each.value for each in given] == [each.value for each in read]
    assert seewhy.region(None, explanation).record == seewhy.region(classifier, folder).record


def test_an_object_is_asked_for_again(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A module has no Spec: the record says so, Python takes the module, the command line asks for a name."""
    module = small_cnn()
    explanation = seewhy.explain(module, "one.png", method=METHOD, infill="gray")
    assert explanation.record.classifier.spec is None
    explanation.save(home / "out")
    loaded = seewhy.load(home / "out", seewhy.Explanation)
    assert len(seewhy.score(module, loaded, "deletion:steps=4")) == len(loaded.record.targets)
    assert seewhy.region(module, loaded).record.queries.forward_images > 0
    with pytest.raises(seewhy.RequestError, match="cannot name its classifier"):
        seewhy.region(None, loaded)
    status, _, err = run("score", "out", capsys=capsys)
    assert (status, "--classifier" in err) == (2, True)


def test_settings_given_in_python_are_part_of_the_spec(home: Path) -> None:
    """What can be typed is; what cannot leaves no Spec."""
    spec = onnx_in_a_subfolder(home)
    typed = seewhy.classifier(spec, outputs="probabilities", mean=0.5)
    assert typed.spec == "onnx:path=models/net.onnx,outputs=probabilities,mean=0.5"
    assert seewhy.classifier(typed.spec).fingerprint == typed.fingerprint
    sized = seewhy.classifier(spec, size=(SIDE, SIDE), std=[0.5, 0.25, 1.0])
    assert sized.spec == f"onnx:path=models/net.onnx,size={SIDE}x{SIDE},std=0.5/0.25/1.0"
    assert seewhy.classifier(sized.spec).fingerprint == sized.fingerprint
    assert seewhy.classifier(spec, labels=["a", "b", "c,d"]).spec is None


def test_a_record_of_the_first_edition_is_refused_by_name(home: Path) -> None:
    """Not by a missing field."""
    folder = seewhy.explain(small_cnn(), "one.png", method=METHOD, infill="gray").save(home / "out")
    data = json.loads((folder / "explanation.json").read_text())
    (folder / "explanation.json").write_text(json.dumps(data | {"schema_version": 1}))
    with pytest.raises(seewhy.RequestError, match=r"expected schema_version 2 .* got 1"):
        seewhy.load(folder)
