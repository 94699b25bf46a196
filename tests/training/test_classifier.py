"""Training a small classifier: it learns bright left from bright right, is written, and is read back unchanged."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

from seewhy.classifiers.trained import trained
from seewhy.cli.train_classifier import classifier as command
from seewhy.core.errors import RequestError
from seewhy.core.view import View
from seewhy.images.collection import Collection, read_collection
from seewhy.nets.small_classifier import SmallClassifier, load_small, usual_widths
from seewhy.training.accuracy import area, evaluate, keep_classes
from seewhy.training.augment import Augment
from seewhy.training.classifier import Plan, Trained, shuffled, train_classifier

PLAN = Plan(width=8, epochs=2, batch=16, rate=0.02, augment=Augment(shift=0.0))


def sides(count: int = 60, seed: int = 0) -> Collection:
    """Noise images of 16 × 16 pixels that are brighter on the left or on the right."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    levels = rng.integers(0, 150, (count, 16, 16, 1))
    levels[labels == 0, :, :8] += 100
    levels[labels == 1, :, 8:] += 100
    return Collection(levels.astype(np.uint8), labels, ("left", "right"), source="sides")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Trained, Path]:
    """A short training run with a test set, and its folder."""
    out = tmp_path_factory.mktemp("trained") / "left-or-right"
    return train_classifier(sides(), out, plan=PLAN, test=sides(40, seed=1)), out


def test_separable_classes_are_learned(run: tuple[Trained, Path]) -> None:
    """All test images are classified correctly, without warnings."""
    found, _ = run
    assert found.test is not None
    assert (found.test.accuracy, found.test.auc, found.test.right) == (1.0, 1.0, {"left": (20, 20), "right": (20, 20)})
    assert (found.notes, len(found.curve)) == ((), 2)
    assert found.kept.held_out.loss == min(evaluation.held_out.loss for evaluation in found.curve)


def test_the_written_classifier_gives_the_same_output(run: tuple[Trained, Path]) -> None:
    """The Spec gives the same probabilities, fingerprint, labels and view as the trained network."""
    found, out = run
    again, images = trained(folder=str(out)), sides(8, seed=2).images(slice(None))
    assert torch.equal(again(images), found.classifier(images))
    assert again.fingerprint == found.classifier.fingerprint
    assert (again.labels, again.view) == (("left", "right"), View((16, 16)))
    assert not any(weight.requires_grad for weight in again.module.parameters())


def test_the_card_is_complete(run: tuple[Trained, Path]) -> None:
    """The card holds counts, split, plan, fingerprint and both evaluations, but no path."""
    found, out = run
    card = json.loads((out / "card.json").read_text())
    assert sum(card["pictures"].values()) + sum(count for _, count in found.kept.held_out.right.values()) == 60
    assert card["test"]["right"] == {"left": [20, 20], "right": [20, 20]}
    assert (card["plan"]["width"], card["plan"]["augment"]["shift"]) == (8, 0.0)
    assert card["fingerprint"] == found.classifier.fingerprint
    assert str(out) not in json.dumps(card)


def test_the_weights_of_the_best_epoch_are_kept(run: tuple[Trained, Path]) -> None:
    """The written network has the held-out loss stated in the card."""
    found, out = run
    net, card = load_small(out)
    rest, held_out = sides(), found.kept.held_out
    assert evaluate(net, rest, torch.device("cpu")).loss < 0.7
    assert card["held_out"]["loss"] == pytest.approx(held_out.loss, abs=1e-5)
    assert card["curve"][card["epoch"] - 1][2] == pytest.approx(held_out.loss, abs=1e-4)


def test_another_run_is_another_classifier(run: tuple[Trained, Path], tmp_path: Path) -> None:
    """Only the same seed and architecture give the same fingerprint, whatever the global random state."""
    found, _ = run
    torch.manual_seed(99)
    before = torch.get_rng_state()
    prints = [
        train_classifier(sides(), tmp_path / str(number), plan=plan).classifier.fingerprint
        for number, plan in enumerate([PLAN, replace(PLAN, seed=1, epochs=1), replace(PLAN, arch="residual", epochs=1)])
    ]
    assert torch.equal(torch.get_rng_state(), before)
    assert prints[0] == found.classifier.fingerprint
    assert len(set(prints)) == 3


def test_colour_is_learned(tmp_path: Path) -> None:
    """The residual architecture separates red from blue at equal brightness, which the mean over channels cannot."""
    levels = np.random.default_rng(0).integers(0, 150, (60, 16, 16, 3))
    levels[::2, ..., 0] += 100
    levels[1::2, ..., 2] += 100
    colours = replace(sides(), pixels=levels.astype(np.uint8), classes=("red", "blue"))
    found = train_classifier(colours, tmp_path, plan=replace(PLAN, arch="residual"))
    assert found.kept.held_out.accuracy == 1.0
    assert found.classifier.mean_color == pytest.approx(levels.mean((0, 1, 2)) / 255, abs=0.02)


def test_the_best_epoch_is_kept(tmp_path: Path) -> None:
    """Random labels are memorised, the held-out loss rises, and the weights of an early epoch are written."""
    meaningless = replace(sides(), labels=np.random.default_rng(0).permutation(np.arange(60) % 2))
    found = train_classifier(meaningless, tmp_path, plan=replace(PLAN, epochs=6))
    losses = [evaluation.held_out.loss for evaluation in found.curve]
    assert found.kept.held_out.loss == min(losses) < losses[-1]


def test_a_constant_prediction_is_reported(tmp_path: Path) -> None:
    """Nearly identical images all get one class, and the card says so."""
    pixels = np.full((60, 16, 16, 1), 100, np.uint8)
    pixels.reshape(60, -1)[np.arange(60), np.arange(60)] = 101
    found = train_classifier(replace(sides(), pixels=pixels), tmp_path, plan=replace(PLAN, rate=1e-9, epochs=1))
    assert len(found.notes) == 1
    assert "alone is recognised" in found.notes[0]
    assert json.loads((tmp_path / "card.json").read_text())["notes"] == list(found.notes)


def test_leakage_of_test_images_is_reported(tmp_path: Path) -> None:
    """Test images that are also in the training data are reported."""
    test = sides().take(slice(0, 10))
    (note,) = train_classifier(sides(), tmp_path, plan=replace(PLAN, epochs=1), test=test).notes
    assert "10 test images are also in the training data" in note


def test_classes_are_kept_in_the_requested_order() -> None:
    """Labels follow the order of the names, and stay with their images."""
    labels = np.array([0, 1, 2, 2, 0])
    digits = Collection(
        np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 1), np.uint8), labels, ("3", "6", "8")
    )
    kept = keep_classes(digits, ("8", "3"))
    assert kept.classes == ("8", "3")
    assert kept.labels is not None
    assert list(zip(kept.pixels[:, 0, 0, 0].tolist(), kept.labels.tolist(), strict=True)) == [
        (0, 1),
        (2, 0),
        (3, 0),
        (4, 1),
    ]
    for names, message in ((("8", "9"), "no class '9'"), (("8",), "at least two"), (("8", "8"), "at least two")):
        with pytest.raises(RequestError, match=message):
            keep_classes(digits, names)


def test_an_epoch_shows_all_classes_equally_often() -> None:
    """Class counts, and the counts of images within a class, differ by at most one."""
    labels = np.array([0] * 9 + [1] * 2 + [2] * 5)
    chosen = shuffled(labels, 32, np.random.default_rng(0))
    assert sorted(np.bincount(labels[chosen]).tolist()) == [10, 11, 11]
    for number in range(3):
        counts = np.bincount(chosen, minlength=len(labels))[labels == number]
        assert counts.max() - counts.min() <= 1


def test_the_auc_is_a_fraction_of_pairs() -> None:
    """The area equals the fraction of correctly ordered pairs; ties count half."""
    generator = torch.Generator().manual_seed(0)
    scores = torch.randint(0, 5, (30,), generator=generator).float()
    positive = torch.rand(30, generator=generator) < 0.4
    pairs = scores[positive][:, None] - scores[~positive]
    expected = ((pairs > 0).float() + 0.5 * (pairs == 0).float()).mean().item()
    assert area(scores, positive) == pytest.approx(expected)


def test_performance_is_counted_per_class() -> None:
    """A network that always predicts the first class is right on that class only; the loss is a mean over classes."""

    class Always(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.tensor([1.0, 0.0]).expand(len(images), 2)

    pictures = sides(60).take(np.array([0, 2, 4, 1]))
    found = evaluate(Always(), pictures, torch.device("cpu"))
    assert (found.accuracy, found.auc, found.right) == (0.75, 0.5, {"left": (3, 3), "right": (0, 1)})
    assert found.loss == pytest.approx(np.log1p(np.exp(-1.0)) + 0.5)


@pytest.mark.parametrize("arch", ["plain", "residual"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(8, 8), (16, 40), (70, 65)])
def test_networks_take_any_size(arch: str, channels: int, size: tuple[int, int]) -> None:
    """Networks take any size from 8 pixels; a grey one averages the channels, and gradients reach the image."""
    net = SmallClassifier(arch=arch, classes=3, channels=channels, widths=usual_widths(size, 8)).eval()  # type: ignore[arg-type]
    images = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0), requires_grad=True)
    scores = net(images)
    assert scores.shape == (2, 3)
    (slope,) = torch.autograd.grad(scores[:, 0].sum(), images)
    assert slope.abs().max() > 0
    assert torch.equal(slope[:, 0], slope[:, 2]) == (channels == 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": None}, "expected labels in sides, got none"),
        ({"labels": np.zeros(60, np.int64), "classes": ("left",)}, "at least two classes in sides, got left"),
        ({"labels": (np.arange(60) < 4).astype(np.int64)}, "at least 10 of class 'right' of sides, got 4"),
        (
            {"groups": np.where(np.arange(60) % 2, 0, np.arange(60))},
            "class 'right' in the held-out images of sides, got 0",
        ),
    ],
)
def test_unsuitable_images_are_refused(change: dict[str, object], message: str, tmp_path: Path) -> None:
    """Unsuitable images raise an error that says why, and no folder is created."""
    with pytest.raises(RequestError, match=message):
        train_classifier(replace(sides(), **change), tmp_path / "out", plan=PLAN)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rate": 0.0}, "rate between 0 and 1, got 0.0"),
        ({"epochs": 0}, "epochs >= 1"),
        ({"batch": 1}, "batch >= 2"),
    ],
)
def test_bad_plans_are_refused(change: dict[str, float], message: str) -> None:
    """The error names the setting that is out of range."""
    with pytest.raises(RequestError, match=message):
        replace(PLAN, **change)  # type: ignore[arg-type]


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    """A card of something else is not overwritten, and a file is not taken for a folder."""
    (tmp_path / "card.json").write_text("{}")
    with pytest.raises(RequestError, match=r"with another card\.json"):
        train_classifier(sides(), tmp_path, plan=PLAN)
    with pytest.raises(RequestError, match="expected a folder that can be created"):
        train_classifier(sides(), tmp_path / "card.json" / "below", plan=PLAN)


def test_the_test_set_must_match(tmp_path: Path) -> None:
    """A test set with other classes or another size is refused before training."""
    test = sides(20)
    other, short = replace(test, classes=("up", "down")), replace(test, pixels=test.pixels[:, :8])
    for odd, message in ((other, "the classes left, right in sides, got up, down"), (short, r"of size \(16, 16\)")):
        with pytest.raises(RequestError, match=message):
            train_classifier(sides(), tmp_path, plan=PLAN, test=odd)


def test_the_command_trains(tmp_path: Path) -> None:
    """The command runs the same loop, keeps two of three classes and prints the result."""
    pictures = sides(90)
    names = np.array(["left", "right"] * 45)
    names[:30] = np.where(np.arange(30) % 3, names[:30], "other")
    np.savez(tmp_path / "sides.npz", images=pictures.pixels, labels=names)
    words = [str(tmp_path / "sides.npz"), "--out", str(tmp_path / "w"), "--test", str(tmp_path / "sides.npz")]
    words += ["--classes", "right,left", "--epochs", "3", "--rate", "0.005"]
    good = CliRunner().invoke(command, [*words, "--size", "12"], catch_exceptions=False)
    assert good.exit_code == 0
    assert "test: accuracy" in good.output
    assert "80 test images are also in the training data" in good.output
    assert f"--classifier trained:folder={tmp_path / 'w'}" in good.output
    found = trained(folder=str(tmp_path / "w"))
    assert (found.labels, found.view.size) == (("right", "left"), (12, 12))
    kept = keep_classes(read_collection(tmp_path / "sides.npz", view=found.view), ("right", "left"))
    assert evaluate(found.module, kept, torch.device("cpu")).accuracy > 0.95
