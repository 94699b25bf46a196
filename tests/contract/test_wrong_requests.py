"""Whatever is wrong with a request is said before the classifier is asked anything, and nothing is written."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torch import Tensor, nn

import seewhy
from games import picture, small_cnn
from seewhy.cli.app import main
from seewhy.core.errors import RequestError

SIDE = 20
NAMES = ("ant", "bee", "cow", "dog", "emu")


@dataclass
class Counting:
    """A function of pictures that counts its calls."""

    calls: int = 0

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        """Five classes, by brightness."""
        self.calls += 1
        logits = np.outer(pictures.mean((1, 2, 3)) / 100, range(5))
        return np.asarray(np.exp(logits) / np.exp(logits).sum(1, keepdims=True))


class CountingNet(nn.Module):
    """A network that counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.calls = small_cnn(), 0
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Run the network."""
        self.calls += 1
        answer: Tensor = self.net(images)
        return answer


BLACK_BOX = [
    "rise:masks=20",
    "rise:cells=0",
    "rise:cells=40,masks=1000",
    "rise:p=0",
    "rise:p=1.5",
    "rise:p=nan",
    "rise:mask=20",
    "rise:masks=many",
    "rise:normalisation=none",
    "pmi:size=0",
    "pmi:size=21",
    "pmi:size=4,stride=5",
    "pmi:size=4,stride=0",
    "pmi:size=4,samples=0",
    "pmi:size=4+4",
    "pmi:size=4+8,stride=2",
    "pmi:size=4,samples=1,correction=jackknife",
    "occlusion:size=-3",
    "occlusion:size=64",
    "occlusion:size=8,stride=9",
    "lime:segments=0,shape=grid",
    "lime:segments=401,shape=grid",
    "lime:segments=9,shape=grid,samples=61",
    "lime:segments=9,shape=grid,samples=2",
    "lime:segments=9,shape=grid,width=0",
    "lime:segments=9,shape=grid,ridge=-1",
    "kernel-shap:segments=9,shape=grid,samples=3",
    "leave-one-out:segments=-1",
    "faded-rise:softness=-1",
    "faded-rise:segments=9,shape=grid,samples=7",
    "hsic:grid=0",
    "hsic:grid=21",
    "hsic:samples=4",
    "sobol:samples=6",
    "sobol:grid=99",
    "partition-shap:samples=5",
    "aise:preset=fast",
    "meaningful-black-box:steps=0",
    "meaningful-black-box:cells=0",
    "meaningful-black-box:rate=-1",
    "minimal-region:tile=0",
    "minimal-region:guide_queries=3",
    "minimal-region:samples=0",
    "nearest-counterfactual",
    "nearest-counterfactual:reference=/no/such/folder",
    "counterfactual",
    "counterfactual:weights=/no/such/folder",
    "no-such-method",
    "grad-cam",
]
"""Methods that a function allows; the last needs more than it gives."""

GRADIENTS = [
    "ibisa:p0=2",
    "ibisa:cells=0",
    "ibisa:draws=0",
    "ibisa:lr=0",
    "ibisa:beta=-1",
    "iba:steps=0",
    "iba:samples=0",
    "iba:beta=nan",
    "iba:sigma=-1",
    "iba:rate=0",
    "iba:layer=net.99",
    "iba:statistics=/no/such/folder",
    "iba-readout",
    "iba-readout:weights=/no/such/folder",
    "grad-cam:layer=conv",
    "grad-cam++:layer=conv",
    "integrated-gradients:steps=0",
    "smoothgrad:samples=0",
    "smoothgrad:sigma=-0.1",
    "meaningful-perturbation:iterations=0",
    "meaningful-perturbation:cells=1",
    "meaningful-perturbation:jitter=0",
    "meaningful-perturbation:rate=0",
    "extremal-perturbation:areas=0.5+1.5",
    "extremal-perturbation:areas=0",
    "extremal-perturbation:step=0",
    "extremal-perturbation:sigma=0",
    "extremal-perturbation:rate=0",
    "counterfactual-path",
    "counterfactual-path:baseline=/no/such/file.png",
    "counterfactual-path:baseline=/no/such/file.png,weights=/no/such/folder",
]

REQUESTS: dict[str, dict[str, object]] = {
    "budget of 0": {"budget": 0},
    "negative budget": {"budget": -5},
    "small budget for pmi": {"budget": 3},
    "small budget for rise": {"method": "rise", "budget": 20},
    "small budget for lime": {"method": "lime:shape=grid", "budget": 20},
    "small budget for sobol": {"method": "sobol", "budget": 20},
    "small budget for partition-shap": {"method": "partition-shap", "budget": 3},
    "small budget for minimal-region": {"method": "minimal-region", "budget": 30},
    "small budget for aise": {"method": "aise", "budget": 10},
    "unknown class": {"targets": "cat"},
    "class beyond the last": {"targets": 5},
    "negative class": {"targets": -1},
    "no target": {"targets": []},
    "contrast with itself": {"targets": ("contrast", 1, 1)},
    "information of occlusion": {"method": "occlusion:size=5", "targets": "information"},
    "weight of evidence of rise": {"method": "rise", "targets": "woe:1"},
    "unknown in-fill": {"infill": "grey-ish"},
    "setting of an in-fill": {"infill": "blur:sigma=0"},
    "windows larger than the in-fill's": {"method": "pmi:size=18", "infill": "patch-sampler"},
    "unknown runtime": {"runtime": "fastest"},
    "runtime for a function": {"runtime": "openvino"},
    "batch of 0": {"batch_size": 0},
    "seed of 65 bits": {"seed": 2**64},
}


def refused(classifier: seewhy.Classifier, calls: Callable[[], int], **settings: object) -> RequestError:
    """The error of a request that asks nothing."""
    asked: dict[str, object] = {"method": "pmi:size=4", "infill": "gray", **settings}
    with pytest.raises(RequestError) as error:
        seewhy.explain(classifier, picture(SIDE, SIDE), **asked)  # type: ignore[arg-type]
    assert calls() == 0
    return error.value


def refused_by_function(**settings: object) -> RequestError:
    """The error of a request about a function."""
    function = Counting()
    return refused(seewhy.classifier(function, size=SIDE, labels=NAMES), lambda: function.calls, **settings)


@pytest.mark.parametrize("method", BLACK_BOX)
def test_settings_of_black_box_methods(method: str) -> None:
    """Each names what is wrong."""
    assert refused_by_function(method=method)


@pytest.mark.parametrize("kind", REQUESTS)
def test_everything_else_in_a_request(kind: str) -> None:
    """Targets, budgets, in-fills, batches, seeds and runtimes."""
    assert refused_by_function(**REQUESTS[kind])


@pytest.mark.parametrize("method", GRADIENTS)
def test_settings_of_methods_that_look_inside(method: str) -> None:
    """The module is not run either."""
    module = CountingNet()
    refused(seewhy.classifier(module, size=SIDE, labels=NAMES), lambda: module.calls, method=method)


def test_a_wrong_class_of_a_classifier_without_names_costs_one_query() -> None:
    """How many classes there are is known after one answer, and nothing more is asked."""
    seen: list[int] = []

    def function(pictures: np.ndarray) -> np.ndarray:
        seen.append(len(pictures))
        return np.full((len(pictures), 5), 0.2)

    with pytest.raises(RequestError, match="from 0 to 4, got 7"):
        seewhy.explain(seewhy.classifier(function, size=SIDE), picture(SIDE, SIDE), targets=7, infill="gray")
    assert seen == [1]


def test_a_hole_that_the_infill_cannot_fill_costs_one_query() -> None:
    """Grids of RISE are larger than a patch."""
    seen: list[int] = []

    def function(pictures: np.ndarray) -> np.ndarray:
        seen.append(len(pictures))
        return np.full((len(pictures), 5), 0.2)

    with pytest.raises(RequestError, match="hole of at most 16 × 16"):
        seewhy.explain(
            seewhy.classifier(function, size=SIDE), picture(SIDE, SIDE), method="rise", infill="patch-sampler"
        )
    assert seen == [1]


def test_types_are_refused_in_words() -> None:
    """Without a type checker, a wrong type ends in a sentence too; run in a process of its own, as tests check types."""
    code = """
import numpy as np, seewhy
def function(pictures): raise AssertionError("asked")
for wrong in ({"method": 3}, {"infill": 3}, {"budget": "100"}, {"budget": 1.5}, {"batch_size": "4"}, {"seed": 0.5}):
    try:
        seewhy.explain(seewhy.classifier(function, size=20), np.zeros((20, 20, 3), np.uint8), **wrong)
    except seewhy.RequestError as error:
        print(error)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.count("expected") == 6


@pytest.fixture(scope="module")
def explained() -> tuple[seewhy.Classifier, seewhy.Explanation, Counting]:
    """An explanation to be scored, and the function behind it."""
    function = Counting()
    classifier = seewhy.classifier(function, size=SIDE, labels=NAMES)
    return classifier, seewhy.explain(classifier, picture(SIDE, SIDE), method="occlusion:size=5", check=False), function


@pytest.mark.parametrize(
    "metric",
    [
        "deletion:steps=0",
        "deletion:steps=401",
        "deletion:until=0",
        "insertion:until=2",
        "degradation:tile=0",
        "degradation:tile=20",
        "degradation:steps=1",
        "sensitivity-n:sets=1",
        "sensitivity-n:sizes=0",
        "sensitivity-n:tile=99",
        "pointing",
        "iou-percentiles",
        "cout:steps=0",
        "seed-reproducibility:seeds=0",
        "parameter-randomisation",
        "no-such-metric",
    ],
)
def test_metrics(explained: tuple[seewhy.Classifier, seewhy.Explanation, Counting], metric: str) -> None:
    """The first metric is right, and not computed before the second is checked."""
    classifier, explanation, function = explained
    before = function.calls
    with pytest.raises(RequestError):
        seewhy.score(classifier, explanation, ["deletion", metric])
    assert function.calls == before


@pytest.mark.parametrize("wrong", [{"tile": 0}, {"samples": 0}, {"budget": 5}, {"targets": "ant"}, {"infill": "grey"}])
def test_regions(explained: tuple[seewhy.Classifier, seewhy.Explanation, Counting], wrong: dict[str, Any]) -> None:
    """Settings, budget, and targets without a map."""
    classifier, explanation, function = explained
    before = function.calls
    with pytest.raises(RequestError):
        seewhy.region(classifier, explanation, **{"targets": explanation.predicted[0].index, **wrong})
    assert function.calls == before


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two images."""
    (tmp_path / "photos").mkdir()
    for number in range(2):
        Image.fromarray(np.full((SIDE, SIDE, 3), 90 * number + 20, np.uint8)).save(
            tmp_path / "photos" / f"{number}.png"
        )
    return tmp_path / "photos"


def wrong_jobs(folder: Path) -> dict[str, Callable[[seewhy.Classifier], object]]:
    """Jobs on a folder of images that would run for long before they fail."""
    out, photo = folder.parent / "out", folder / "0.png"
    return {
        "compare, metric": lambda it: seewhy.compare(it, folder, ["random"], metrics=["deletion:steps=0"], out=out),
        "compare, method": lambda it: seewhy.compare(it, folder, ["random", "rise:masks=20"], out=out),
        "compare, limit": lambda it: seewhy.compare(it, folder, ["random"], limit=0, out=out),
        "compare, runtime": lambda it: seewhy.compare(it, folder, ["random"], runtime="openvino", out=out),
        "compare, weights": lambda it: seewhy.compare(
            it, folder, ["random"], metrics=["parameter-randomisation"], out=out
        ),
        "in-fills, method": lambda it: seewhy.compare_infills(it, photo, method="rise:masks=20"),
        "in-fills, second": lambda it: seewhy.compare_infills(
            it, photo, ["gray", "patch-sampler"], method="pmi:size=18"
        ),
        "in-fills, one": lambda it: seewhy.compare_infills(it, photo, ["gray"]),
        "rules, name": lambda it: seewhy.audit_rules(it, folder, "flop"),
        "rules, strength": lambda it: seewhy.audit_rules(it, folder, "rotation:strengths=5+500"),
        "rules, boxes": lambda it: seewhy.audit_rules(it, folder, "needs-region"),
        "rules, limit": lambda it: seewhy.audit_rules(it, folder, "flip", limit=-1),
        "rules, runtime": lambda it: seewhy.audit_rules(it, folder, "flip", runtime="openvino"),
        "many, method": lambda it: list(seewhy.explain_many(it, folder, method="rise:masks=20")),
        "map of another size": lambda it: seewhy.from_map(np.zeros((3, 4)), photo, it, 0),
    }


@pytest.mark.parametrize("kind", wrong_jobs(Path()))
def test_jobs_on_many_images(kind: str, folder: Path) -> None:
    """Nothing is asked, and nothing is written."""
    function = Counting()
    with pytest.raises(RequestError):
        wrong_jobs(folder)[kind](seewhy.classifier(function, size=SIDE, labels=NAMES))
    assert function.calls == 0
    assert [path.name for path in folder.parent.iterdir()] == ["photos"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["explain", "--method", "rise:masks=20"],
        ["explain", "--method", "pmi:size=4,stride=9", "--infill", "gray"],
        ["explain", "--budget", "3", "--infill", "gray"],
        ["explain", "--target", "cat"],
        ["explain", "--runtime", "openvino"],
        ["compare", "--method", "rise:masks=20"],
        ["compare", "--method", "rise", "--metric", "deletion:steps=0"],
        ["compare-infills", "--method", "rise:masks=20"],
    ],
)
def test_commands(
    arguments: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 2, a message, an empty folder, and a function that was never called."""
    code = "calls = []\ndef net(pictures):\n    calls.append(1)\n    return [[0.5, 0.5]] * len(pictures)\n"
    (folder.parent / "counting_net.py").write_text(code)
    (folder.parent / "names.txt").write_text("ant\nbee\n")
    monkeypatch.chdir(folder.parent)
    monkeypatch.delitem(sys.modules, "counting_net", raising=False)
    command, *rest = arguments
    classifier = "python:object=counting_net:net,size=20,labels=names.txt"
    with pytest.raises(SystemExit) as leaving:
        main([command, "photos", *rest, "--classifier", classifier, "--trust", "--out", "out"])
    assert leaving.value.code == 2
    assert "error: " in capsys.readouterr().err
    assert sys.modules["counting_net"].calls == []
    assert not (folder.parent / "out").exists()
