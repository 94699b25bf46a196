"""Training generators on images of known classes: they learn to flip, training resumes, and problems are reported."""

import errno
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import Tensor, nn

import seewhy
from interrupting import interrupt_at
from seewhy.cli.app import cli
from seewhy.core.errors import RequestError
from seewhy.images.collection import Collection, read_collection
from seewhy.nets.checkpoints import write_whole
from seewhy.nets.counterfactual_generators import load_generators
from seewhy.training import loop
from seewhy.training.augment import Augment
from seewhy.training.counterfactual.evaluation import Evaluation, better, collapse, directions
from seewhy.training.counterfactual.job import Job
from seewhy.training.counterfactual.plan import Plan, make_plan, read_changes
from seewhy.training.counterfactual.train import read_classes, train_counterfactual

SIDE = 8
QUICK: dict[str, Any] = {"widths": (4, 8), "critic_widths": (4, 8), "batch": 8, "epochs": 2, "length": 3}


class Sides(nn.Module):
    """A classifier that compares the brightness of the left half, the right half and, optionally, the top."""

    def __init__(self, classes: int = 2) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(12.0))
        self.classes = classes

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits."""
        left, right, top = (part.mean((1, 2, 3)) for part in (images[..., :4], images[..., 4:], images[:, :, :2]))
        return self.factor * torch.stack([left, right, top], 1)[:, : self.classes]


def network(classes: int = 2) -> Any:
    """Return a classifier with class names."""
    names = ("left", "right", "top")[:classes]
    return seewhy.classifier(Sides(classes).eval(), size=SIDE, labels=names)


def pictures(count: int = 80, classes: int = 2) -> Collection:
    """Noise images with a bright bar on the left, on the right or at the top."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 60, (count, SIDE, SIDE, 1), dtype=np.uint8)
    where = np.arange(count) % classes
    for number, kind in enumerate(where):
        place = ((slice(None), slice(1, 3)), (slice(None), slice(5, 7)), (slice(0, 2), slice(None)))[kind]
        pixels[number][place] = 200
    return Collection(pixels, where.astype(np.int64), ("left", "right", "top")[:classes], source="bars")


def weights(folder: Path) -> dict[str, Tensor]:
    """Return the weights that were written."""
    generators, _ = load_generators(folder, fingerprint=network().fingerprint)
    return dict(generators.state_dict())


def interrupt(out: Path, plan: Plan, at: int) -> None:
    """Interrupt a training after an iteration."""
    with pytest.raises(KeyboardInterrupt):
        train_counterfactual(network(), pictures(), out, plan=plan, progress=interrupt_at(at))


@pytest.mark.parametrize("arm", ["syce", "cyce", "sagen"])
def test_it_learns_to_flip(arm: str, tmp_path: Path) -> None:
    """The generators move or fade the bar after a few seconds of training."""
    plan = make_plan(arm, **{**QUICK, "epochs": 10, "length": 12, "rate": 3e-3}, flip=2.0)
    found = train_counterfactual(network(), pictures(), tmp_path, plan=plan)
    assert found.kept.flip >= 0.9
    assert found.curve[-1].loss < found.curve[0].loss
    generators, card = load_generators(tmp_path, fingerprint=network().fingerprint)
    assert (generators.arm, generators.classes, generators.channels) == (arm, (0, 1), 1)
    assert card["validation"]["flip"] == round(found.kept.flip, 5)
    assert {path.name for path in tmp_path.iterdir()} == {
        "card.json",
        "counterfactual.safetensors",
        "curves.png",
        "epochs",
    }
    assert len(list((tmp_path / "epochs").iterdir())) == 10


def test_cut_off_and_gone_on_is_as_if_nothing_had_happened(tmp_path: Path) -> None:
    """A resumed run equals an uninterrupted one bit for bit."""
    plan = make_plan("syce", **{**QUICK, "epochs": 3})
    whole = train_counterfactual(network(), pictures(), tmp_path / "whole", plan=plan)
    interrupt(tmp_path / "cut", plan, 4)
    assert (tmp_path / "cut" / "checkpoint.safetensors").exists()
    gone_on = train_counterfactual(network(), pictures(), tmp_path / "cut", plan=plan)
    assert gone_on.curve == whole.curve
    for name, values in weights(tmp_path / "whole").items():
        torch.testing.assert_close(weights(tmp_path / "cut")[name], values, rtol=0, atol=0)


def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path) -> None:
    """A checkpoint with other settings is refused, and finished generators are not overwritten."""
    plan = make_plan("syce", **QUICK)
    interrupt(tmp_path, plan, 4)
    with pytest.raises(RequestError, match="the checkpoint of another training run"):
        train_counterfactual(network(), pictures(), tmp_path, plan=make_plan("syce", **QUICK, noise=0.1))
    train_counterfactual(network(), pictures(), tmp_path, plan=plan)
    with pytest.raises(RequestError, match="holds finished generators"):
        train_counterfactual(network(), pictures(), tmp_path, plan=plan)


def test_a_full_disk_leaves_the_last_epoch_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to do, and the same call resumes."""
    plan = make_plan("cyce", **QUICK)
    interrupt(tmp_path, plan, 4)
    before = (tmp_path / "checkpoint.safetensors").read_bytes()

    def full(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path), None, str(len(content)))

    with monkeypatch.context() as patched:
        patched.setattr(loop, "write_whole", full)
        with pytest.raises(RequestError, match=r"No space left on device; free some space"):
            train_counterfactual(network(), pictures(), tmp_path, plan=plan)
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == before
    with pytest.raises(OSError, match="No such file"):
        write_whole(tmp_path / "missing" / "file", b"")
    # as if the disk had been full in the first epoch: nothing counts as finished
    (tmp_path / "checkpoint.safetensors").unlink()
    assert train_counterfactual(network(), pictures(), tmp_path, plan=plan).stopped == "epochs"


def test_more_than_two_classes(tmp_path: Path) -> None:
    """More than two classes share one generator, and every class is evaluated."""
    asked = network(3)
    plan = make_plan("syce", **QUICK)
    train_counterfactual(asked, pictures(120, 3), tmp_path, classes=["left", "right", "top"], plan=plan)
    generators, card = load_generators(tmp_path, fingerprint=asked.fingerprint)
    assert generators.shared
    assert card["classes"] == ["left", "right", "top"]
    assert directions(generators.classes) == [(0, 1), (1, 2), (2, 0)]


def test_paper_preset(tmp_path: Path) -> None:
    """The preset has the authors' settings: 1 × 1 last kernel, no moving average, no noise, epochs of full batches."""
    plan = make_plan("syce", "paper")
    assert (plan.rate, plan.batch, plan.epochs, plan.average, plan.last) == (1e-4, 64, 60, 0.0, 1)
    assert (plan.weights.symmetry, plan.weights.cycle, plan.weights.realism, plan.weights.noise) == (10, 2, 0.25, 0)
    short = make_plan("syce", "paper", batch=8, epochs=1)
    found = train_counterfactual(network(), pictures(), tmp_path, plan=short)
    assert found.curve[0].step == 32 // 8


def test_plateau_lowers_the_rate_and_ends_the_training() -> None:
    """Four epochs without progress multiply the rate by 0.3; after two falls, from 1e-4 to 1e-5, training ends."""
    job = Job(
        network(),
        network().scores,
        make_plan("syce", "paper", batch=8),
        Path("nowhere"),
        pictures={0: pictures(), 1: pictures()},
        held_out={0: pictures(4), 1: pictures(4)},
        source="nowhere",
    )
    ends = []
    for epoch in range(20):
        job.run.add(evaluation(held_out=1.0 if epoch else 2.0))
        ends.append((round(job.rate(0), 3), job.ended()))
    assert [ends[number] for number in (4, 5, 9, 13)] == [(1.0, ""), (0.3, ""), (0.1, ""), (0.1, "plateau")]


def evaluation(**facts: float) -> Evaluation:
    """Return an evaluation with default values."""
    usual = dict.fromkeys(Evaluation.__dataclass_fields__, 0.5) | {"step": 1}
    return Evaluation(**(usual | facts))  # type: ignore[arg-type]


def test_which_epoch_is_kept() -> None:
    """The epoch with the lowest error among those that flip is kept; until one flips, the one that flips most."""
    dull, poor, good, fine = (
        evaluation(flip=flip, kept=kept, cycled=0.0)
        for flip, kept in ((0.1, 0.0), (0.6, 0.1), (0.96, 0.03), (0.97, 0.02))
    )
    assert better(poor, dull, select="error")
    assert better(good, poor, select="error")
    assert not better(dull, good, select="error")
    assert better(fine, good, select="error")
    assert not better(good, fine, select="error")
    assert better(evaluation(held_out=0.1), evaluation(held_out=0.2), select="loss")


def test_collapse_is_said() -> None:
    """Generators that make no edit, or one image for all inputs, are reported."""
    assert "hardly edit" in collapse(evaluation(flip=0.2))
    assert "same image" in collapse(evaluation(flip=1.0, variety=0.1))
    assert not collapse(evaluation(flip=1.0, variety=0.9))


def test_augmentation() -> None:
    """Without augmentation images are unchanged; mirroring flips half of them along the right axis."""
    images = torch.rand(64, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    none = {"turn": 0.0, "zoom": 0.0, "shift": 0.0}
    torch.testing.assert_close(Augment(**none)(images, torch.Generator()), images)  # type: ignore[arg-type]
    for mirror, axis in (("vertical", 2), ("horizontal", 3)):
        turned = Augment(**none, mirror=mirror)(images, torch.Generator().manual_seed(0))  # type: ignore[arg-type]
        same = (turned - images).abs().amax((1, 2, 3)) < 1e-5
        torch.testing.assert_close(turned[~same], images.flip(axis)[~same], rtol=0, atol=1e-5)
        assert 10 < int(same.sum()) < 54


def test_turning_a_wide_picture_does_not_shear_it() -> None:
    """A quarter turn of a horizontal bar gives a vertical bar of the same length and width."""
    lying = torch.zeros(1, 3, 20, 40)
    lying[:, :, 8:12, 12:28] = 1
    turn = Augment(turn=90.0, zoom=0.0, shift=0.0)
    draws = [torch.Generator().manual_seed(seed) for seed in range(60)]
    turned = torch.cat([turn(lying, draw) for draw in draws])[:, 0]
    upright = turned[turned[:, 2:18, 18:22].mean((1, 2)).argmax()]
    assert float(upright[2:18, 18:22].mean()) > 0.9
    assert float(upright.sum()) == pytest.approx(64, rel=0.1)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (["left"], "two or more different classes"),
        (["left", "left"], "two or more different classes"),
        (["left", "up"], "no class 'up'; it has left, right"),
        ([0, 7], "no class 7; it has left, right"),
    ],
)
def test_wrong_classes(asked: list[int | str], says: str) -> None:
    """Each invalid choice of classes is named."""
    with pytest.raises(RequestError, match=says):
        read_classes(network(), asked)


def test_classes_by_name_and_index() -> None:
    """Classes are given by name or index, and may be omitted for a binary classifier."""
    assert read_classes(network(), None) == (0, 1)
    assert read_classes(network(3), ["2", "left"]) == (2, 0)
    with pytest.raises(RequestError, match="expected two or more classes, got none, and the classifier has 3"):
        read_classes(network(3), None)


def test_wrong_pictures(tmp_path: Path) -> None:
    """Too few images predicted as a class are refused."""
    only = pictures(60)
    left = Collection(only.pixels[::2], None, (), source="left")
    with pytest.raises(RequestError, match=r"at least 20 images predicted as each class, got left: 24, right: 0 "):
        train_counterfactual(network(), left, tmp_path, plan=Plan())
    assert not list(tmp_path.iterdir())


def test_a_classifier_without_gradients_is_told_what_works(tmp_path: Path) -> None:
    """The message names the method that needs no gradients."""
    asked = seewhy.classifier(lambda images: np.full((len(images), 2), 0.5), size=SIDE)
    with pytest.raises(RequestError, match="nearest-counterfactual"):
        train_counterfactual(asked, pictures(), tmp_path)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"epochs": 0}, "expected epochs >= 1, got 0"),
        ({"rate": 0.0}, "expected rate above 0"),
        ({"turn": 200.0}, "expected turn from 0 to 180"),
        ({"nois": 0.1}, "no 'nois'; did you mean"),
        ({"held_out": 1.0}, "expected held_out from 0 to below 1"),
    ],
)
def test_wrong_settings(settings: dict[str, Any], says: str) -> None:
    """Each invalid setting is named."""
    with pytest.raises(RequestError, match=says):
        make_plan("syce", **settings)
    with pytest.raises(RequestError, match="arm to be one of"):
        make_plan("gan")
    with pytest.raises(RequestError, match=r"expected.*noise"):
        read_changes(["noise=much"])


def test_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command trains from images in a file, and refuses to overwrite the result."""
    bars = pictures()
    np.savez(tmp_path / "bars.npz", images=bars.pixels)
    assert len(read_collection(tmp_path / "bars.npz")) == 80
    (tmp_path / "sides_of_bars.py").write_text(
        "import torch\nclass Net(torch.nn.Module):\n    def forward(self, x):\n        return 12 * "
        "torch.stack([x[..., :4].mean((1, 2, 3)), x[..., 4:].mean((1, 2, 3))], 1)\nnet = Net().eval()\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    words = ["train", "counterfactual", "bars.npz", "--classifier", "python:object=sides_of_bars:net,size=8", "--trust"]
    words += ["--classes", "0,1", "--out", "generators", "--epochs", "2"]
    for name, value in (("batch", "8"), ("widths", "4+8"), ("critic_widths", "4+8"), ("length", "3")):
        words += ["--set", f"{name}={value}"]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, done.output
    assert "--method counterfactual:weights=generators" in done.output
    card = json.loads((tmp_path / "generators" / "card.json").read_text())
    assert card["plan"]["epochs"] == 2
    assert sum(card["pictures"]["trained_on"].values()) == 64
