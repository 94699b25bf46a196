"""Tests of generators, on generators whose faults are known: each must be found, and where there is none, none."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from games import Game
from seewhy.core.errors import RequestError
from seewhy.core.view import View
from seewhy.images.collection import Collection
from seewhy.nets.embedding import build_embedding
from seewhy.nets.counterfactual_generators import GeneratedBatch, build_generators, save_generators
from seewhy.audit.counterfactual_report import CounterfactualReport, summarise
from seewhy.audit.counterfactual import evaluate
from seewhy.audit.counterfactual_work import DISTURBANCES, pairs
from seewhy.train.embedding import train_embedding

SIDE, HALF, COUNT = 16, 8, 80
VIEW = View((SIDE, SIDE), "stretch")
OWN = 0.0
"""What made pictures have in the last pixel; real ones have 1 there."""


def world(*, wrong: int = 0) -> Collection:
    """A texture of its own in each picture, and light in the upper left (class 0) or upper right (class 1), marked there for 1."""
    draw = np.random.default_rng(0)
    labels = np.arange(COUNT) % 2
    pixels = draw.integers(60, 120, (COUNT, SIDE, SIDE, 1)).astype(np.uint8)
    regions = np.zeros((COUNT, SIDE, SIDE), bool)
    for picture, region, label in zip(pixels, regions, labels, strict=True):
        picture[:HALF, HALF * label : HALF * (label + 1)] += 100
        picture[0, 0] = 255 * label
        region[:HALF, HALF:] = label == 1
    pixels[:, -1, -1] = 255
    said = labels.copy()
    said[:wrong] = 1 - said[:wrong]
    return Collection(pixels, said, ("left", "right"), regions=regions, source="made up")


def halves(images: Tensor) -> Tensor:
    """The logit of class 1: how much brighter the upper right is than the upper left."""
    light = images[:, :, 1:HALF].mean((1, 2))
    logit = 40 * (light[:, HALF:].mean(1) - light[:, :HALF].mean(1))
    return torch.stack([torch.zeros_like(logit), logit], 1)


def corner(images: Tensor) -> Tensor:
    """The logit of class 1: whether the first pixel is white."""
    logit = 20 * (images[:, 0, 0, 0] - 0.5)
    return torch.stack([torch.zeros_like(logit), logit], 1)


def game(logits: Callable[[Tensor], Tensor] = halves, **facts: Any) -> Game:
    """A classifier of such pictures."""
    return Game(logits, 2, ("left", "right"), VIEW, **facts)


def marked(images: Tensor) -> Tensor:
    """Say of pictures that they are made."""
    marked = images.clone()
    marked[:, :, -1, -1] = OWN
    return marked


def mirrored(images: Tensor) -> Tensor:
    """Left and right change places but in the first and the last row, where the corner and the mark are."""
    swapped = images.clone()
    swapped[:, :, 1:-1] = images[:, :, 1:-1].flip(3)
    return swapped


@dataclass(frozen=True)
class Fake:
    """Generators given by a rule ``(images, source, target) → adversarial``; what they made is brought back by the other one."""

    edit: Callable[[Tensor, int, int], Tensor]
    arm: str = "syce"
    classes: tuple[int, ...] = (0, 1)
    size: tuple[int, int] = (SIDE, SIDE)

    def __call__(self, images: Tensor, source: int, target: int) -> GeneratedBatch:
        """Edit, undo, bring back."""
        adversarial = self.edit(images, source, target)
        cycle = None if self.arm == "sagen" else self.edit(adversarial, target, source)
        return GeneratedBatch(adversarial, images if self.arm == "cyce" else self.edit(adversarial, source, target), cycle)


def pooled(images: Tensor) -> np.ndarray:
    """An embedding: sixteen mean intensities."""
    return functional.avg_pool2d(images.mean(1, keepdim=True), 4).flatten(1).double().numpy()


def report_on(fake: Fake, **settings: Any) -> CounterfactualReport:
    """The report on a generator."""
    return evaluate(game(), fake, settings.pop("source", world()), codes=pooled, **settings)


def directions(report: CounterfactualReport) -> list[dict[str, Any]]:
    """Both, the first from left to right."""
    return list(report.manifest["directions"])


SWAP = Fake(lambda images, _, __: mirrored(images))


def test_a_perfect_swap_has_no_fault() -> None:
    """Everything flips, for the oracle too, nothing is said against it, and it looks like real pictures."""
    report = report_on(SWAP, oracle=game())
    for way in directions(report):
        assert way["n"] == COUNT // 2
        for rate in ("flip", "stable", "cycle", "oracle_flip", "oracle_agrees"):
            assert way[rate]["value"] == 1
            assert way[rate]["low"] == pytest.approx(0.912, abs=0.001)  # Wilson, 40 of 40
        assert way["error_stable"]["value"] == way["error_cycle"]["value"] == 0
        assert way["frechet"]["ratio"] < 0.05
        assert way["frechet"]["floor"] < 0.05 * way["frechet"]["real"]
        assert way["diversity"]["ratio"] == pytest.approx(1, abs=0.05)
        assert way["undone_real"] == 1
        assert way["shift"]["value"] < 0.02
    assert report.findings == []
    assert report.manifest["oracle"]["accuracy"] == report.manifest["oracle"]["agreement"] == 1
    assert report.manifest["overall"]["n"] == COUNT
    assert report.manifest["left_out"] == 0
    assert report.manifest["seconds_per_explanation"] > 0


def test_distances_are_of_all_pictures() -> None:
    """A generator that swaps about every other picture: the mean change falls with the flips, both kinds are kept to be looked at."""
    half = Fake(
        lambda images, _, __: torch.where((images[:, :1, -2:-1, -1:] * 255).round() % 2 == 0, mirrored(images), images)
    )
    report = report_on(half)
    full, some = directions(report_on(SWAP))[0], directions(report)[0]
    assert any("changes nothing for the classifier" in said for said in report.findings)
    shown = report.directions[0].shown
    assert len(shown[True]["input"]) == len(shown[False]["input"]) == 10
    assert (shown[False]["input"] == shown[False]["adversarial"]).all()
    assert (shown[True]["input"] != shown[True]["adversarial"]).any((1, 2, 3)).all()
    share = some["flip"]["value"]
    assert 0.2 < share < 0.8
    assert some["l1"]["value"] == pytest.approx(share * full["l1"]["value"], rel=0.1)
    left = world().images(slice(0, COUNT, 2))
    expected = (mirrored(left) - left).abs().mean()
    assert full["l1"]["value"] == pytest.approx(float(expected), abs=1e-6)


def test_no_edit_is_found() -> None:
    """Nothing flips, nothing changes, and the pictures are as far from the target as the classes are."""
    report = report_on(Fake(lambda images, _, __: images))
    for way in directions(report):
        assert way["flip"]["value"] == way["l1"]["value"] == way["sparsity"]["value"] == 0
        assert way["frechet"]["ratio"] == pytest.approx(1)
        assert way["frechet"]["to_source"] == pytest.approx(0, abs=1e-9)
        assert way["shift"] is None
    assert sum("identity collapse" in said for said in report.findings) == 2
    assert len(report.findings) == 2  # and nothing about ways back that nobody went


def test_one_picture_for_all_is_found() -> None:
    """The first real picture of the target class, whatever is given."""
    first = world().images(slice(0, 2))
    report = report_on(Fake(lambda images, _, target: first[target][None].expand_as(images).clone(), arm="cyce"))
    assert all(way["flip"]["value"] == 1 and way["diversity"]["ratio"] == 0 for way in directions(report))
    assert sum("prototype collapse" in said for said in report.findings) == 2
    assert not any("identity" in said for said in report.findings)


def test_a_change_that_only_the_classifier_sees_is_found() -> None:
    """One pixel decides for the classifier, and the oracle looks at the halves."""

    def tick(images: Tensor, _: int, target: int) -> Tensor:
        changed = images.clone()
        changed[:, :, 0, 0] = float(target)
        return changed

    report = evaluate(game(corner), Fake(tick, arm="cyce"), world(), oracle=game())
    for way in directions(report):
        assert (way["flip"]["value"], way["oracle_flip"]["value"]) == (1, 0)
        assert way["sparsity"]["value"] == pytest.approx(1 / SIDE**2)
        assert way["frechet"] is None
    assert sum("only this classifier sees" in said for said in report.findings) == 2
    assert report.manifest["overall"]["worst"] == {
        "flip": 1.0,
        "cycle": 1.0,
        "oracle_flip": 0.0,
        "oracle_agrees": 1.0,
    }


def hiding(images: Tensor, _: int, __: int) -> Tensor:
    """Swap real pictures and leave a mark of 0.02 in four pixels; bring back what carries the mark, and leave the rest."""
    last = [SIDE - 2] * 4, [2, 4, 6, 8]
    ground = 0.5
    real = images[:, 0, -1, -1] > 0.5
    swapped = marked(mirrored(images))
    swapped[:, :, last[0], last[1]] = ground + 0.02
    hidden = (images[:, 0, last[0], last[1]].mean(1) - ground - 0.02).abs() < 0.008
    kept = torch.where(hidden[:, None, None, None], mirrored(images), images)
    return torch.where(real[:, None, None, None], swapped, kept)


def test_a_hidden_signal_is_found() -> None:
    """The way back is perfect, survives eight bits, and is lost in noise; and real pictures are never undone by recognition."""
    report = report_on(Fake(hiding))
    for way in directions(report):
        assert tuple(way["restored"]) == DISTURBANCES
        assert way["restored"]["none"] == way["restored"]["8 bits"] == {"back": 1, "undo": 1}
        assert way["restored"]["noise 0.1"]["back"] < 0.4
        assert way["cycle"]["value"] == 1
    assert sum("hardly visible" in said for said in report.findings) == 4
    robust = directions(report_on(SWAP))[0]
    assert min(robust["restored"]["noise 0.1"].values()) > 0.95


def test_recognising_its_own_pictures_is_found() -> None:
    """It undoes what it made, and leaves real pictures of that class as they are."""

    def own(images: Tensor, source: int, _: int) -> Tensor:
        mine = images[:, 0, -1, -1] < 0.5
        right = halves(images).argmax(1) == source
        return torch.where((mine | right)[:, None, None, None], marked(mirrored(images)), images)

    report = report_on(Fake(own))
    assert [way["undone_real"] for way in directions(report)] == [0, 0]
    assert [way["restored"]["none"]["undo"] for way in directions(report)] == [1, 1]
    assert sum("no second opinion" in said for said in report.findings) == 2


def test_a_stable_picture_that_flips_is_found() -> None:
    """The generator that undoes nothing: its second pass leaves the picture in the other class."""

    def once(images: Tensor, source: int, _: int) -> Tensor:
        right = halves(images).argmax(1) == source
        return torch.where(right[:, None, None, None], mirrored(images), images)

    report = report_on(Fake(once))
    assert [(way["flip"]["value"], way["stable"]["value"]) for way in directions(report)] == [(1, 0), (1, 0)]
    assert sum("definition=input" in said for said in report.findings) == 2


def test_a_shift_of_brightness_is_found() -> None:
    """A classifier that goes by brightness, and a generator that turns it up or down everywhere."""

    def bright(images: Tensor) -> Tensor:
        logit = 100 * (images.mean((1, 2, 3)) - 0.45)
        return torch.stack([torch.zeros_like(logit), logit], 1)

    lit = replace(
        world(),
        pixels=(world().pixels + 40 * (np.arange(COUNT) % 2)[:, None, None, None]).clip(0, 255).astype(np.uint8),
    )
    turn = Fake(lambda images, _, target: images + (0.16 if target else -0.16), arm="cyce")
    report = evaluate(game(bright), turn, lit)
    assert all(way["shift"]["value"] == pytest.approx(1, abs=1e-5) for way in directions(report))
    assert sum("overall brightness" in said for said in report.findings) == len(directions(report))


def test_arms_without_a_stable_picture_or_a_cycle_say_so() -> None:
    """None, and not a perfect score."""
    cyce = directions(report_on(replace(SWAP, arm="cyce")))[0]
    assert cyce["stable"] is cyce["error_stable"] is cyce["undone_real"] is None
    assert set(cyce["restored"]["none"]) == {"back"}
    sagen = directions(report_on(replace(SWAP, arm="sagen")))[0]
    assert sagen["cycle"] is sagen["error_cycle"] is None
    assert sagen["stable"]["value"] == 1
    assert sagen["restored"] == {}


def test_pictures_go_by_the_prediction_and_errors_are_counted_apart() -> None:
    """Six wrong labels: three in each direction."""
    report = report_on(SWAP, source=world(wrong=6), oracle=game())
    for way in directions(report):
        assert (way["correct"]["n"], way["incorrect"]["n"]) == (COUNT // 2 - 3, 3)
        assert way["incorrect"]["flip"]["value"] == 1
    assert report.manifest["oracle"]["accuracy"] == 1 - 6 / COUNT
    bare = world()
    unlabelled = report_on(SWAP, source=Collection(bare.pixels), oracle=game())
    assert directions(unlabelled)[0]["correct"] is None
    assert unlabelled.manifest["oracle"]["accuracy"] is None
    assert unlabelled.manifest["oracle"]["agreement"] == 1


def test_the_truth_about_where_is_of_pictures_that_have_one() -> None:
    """Only class 1 has a region; the change there is beyond chance. Without regions nothing is said."""
    left, right = directions(report_on(SWAP))
    assert left["iou"] is None
    assert right["iou_by_chance"]["value"] == pytest.approx(0.25 / 1.75)
    assert right["iou"]["value"] > 1.5 * right["iou_by_chance"]["value"]
    assert right["ncc"]["value"] > 0.4
    assert directions(report_on(SWAP, source=replace(world(), regions=None)))[1]["iou"] is None


def test_an_oracle_is_asked_by_name() -> None:
    """It has the classes in another order, and one more; one without a class is refused."""

    def other(images: Tensor) -> Tensor:
        logits = halves(images)
        return torch.stack([logits[:, 1], torch.full_like(logits[:, 0], -50), logits[:, 0]], 1)

    oracle = Game(other, 3, ("right", "above", "left"), VIEW)
    assert directions(report_on(SWAP, oracle=oracle))[0]["oracle_flip"]["value"] == 1
    with pytest.raises(RequestError, match="without right"):
        report_on(SWAP, oracle=Game(other, 3, ("up", "above", "left"), VIEW))


def test_a_limit_draws_from_all_classes_and_numbers_do_not_depend_on_batches() -> None:
    """The same seed gives the same pictures and figures."""
    one, other = (report_on(SWAP, limit=30, seed=3, batch_size=batch).manifest for batch in (64, 7))
    assert one["pictures"] == 30
    assert len(one["directions"]) == 2
    for left, right in zip(one["directions"], other["directions"], strict=True):
        assert left["l1"]["value"] == pytest.approx(right["l1"]["value"], abs=1e-6)
        assert left["restored"] == right["restored"]
    assert one["queries"] == other["queries"]


def test_more_classes_go_to_the_likeliest_other_one() -> None:
    """And those of other classes are left out."""
    said = np.array([[0.5, 0.3, 0.1, 0.1], [0.5, 0.1, 0.3, 0.1], [0.1, 0.2, 0.3, 0.4]])
    assert {way: places.tolist() for way, places in pairs((0, 1, 2), said).items()} == {(0, 1): [0], (0, 2): [1]}


def test_what_makes_no_sense_is_refused(tmp_path: Path) -> None:
    """Pictures of another size or of no known class, a threshold out of range, another classifier's generators, no generators."""
    with pytest.raises(RequestError, match="8 × 8"):
        report_on(replace(SWAP, size=(8, 8)))
    with pytest.raises(RequestError, match="tau"):
        report_on(SWAP, tau=1.0)
    dark = Collection(np.zeros((4, SIDE, SIDE, 1), np.uint8))
    three = Game(lambda images: torch.tensor([[0.0, 0.0, 9.0]]).expand(len(images), 3), 3, ("a", "b", "c"), VIEW)
    with pytest.raises(RequestError, match="puts in a, b, got none"):
        evaluate(three, SWAP, dark)
    with pytest.raises(RequestError, match="train counterfactual"):
        evaluate(game(), tmp_path, world())
    save_generators(tmp_path, small(), {"fingerprint": "another", "classifier": "another"})
    with pytest.raises(RequestError, match="of this classifier"):
        evaluate(game(), tmp_path, world())


def small() -> Any:
    """Real generators, untrained."""
    return build_generators(arm="syce", classes=(0, 1), channels=1, size=(SIDE, SIDE), widths=(4, 4))


def test_real_generators_are_loaded_tested_and_written_down(tmp_path: Path) -> None:
    """From a folder; untrained ones hardly edit, which is said. A picture a line, and a sheet."""
    save_generators(tmp_path / "twins", small(), {"fingerprint": "game", "classifier": "game"})
    report = evaluate(game(), tmp_path / "twins", world(), codes=pooled)
    assert any("identity collapse" in said for said in report.findings)
    folder = report.save(tmp_path / "out")
    assert {path.name for path in folder.iterdir()} == {
        "counterfactuals.json",
        "rows.csv",
        "examples.png",
        "report.md",
    }
    assert len((folder / "rows.csv").read_text().splitlines()) == COUNT + 1
    page = (folder / "report.md").read_text()
    assert "left → right" in page
    assert "identity collapse" in page
    report.save(folder)  # over an earlier one
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    with pytest.raises(RequestError, match="choose another"):
        report.save(tmp_path / "mine")


def test_nothing_measured_is_none() -> None:
    """An arm without a stable picture leaves no number behind, and no bare NaN."""
    found = summarise({"flipped": np.ones(3), "stays": np.full(3, np.nan), "even": np.zeros(3), "every": np.zeros(3)})
    assert found["stable"] is None
    assert found["shift"] is None


def test_the_embedding_learns_and_never_mixes_pictures() -> None:
    """Its pictures come nearer with training, a picture has one code in any company, and a seed gives one embedding."""
    pictures = world()
    net, again = (train_embedding(pictures, dim=4, steps=25, seed=1) for _ in range(2))
    images = pictures.images(slice(None))
    planes = net.planes(images)
    before = functional.mse_loss(build_embedding(1, (SIDE, SIDE), dim=4, seed=1)(planes), planes)
    assert functional.mse_loss(net(planes), planes) < 0.7 * before
    np.testing.assert_allclose(net.codes(images)[:3], net.codes(images[:3]), atol=1e-5)
    np.testing.assert_array_equal(net.codes(images), again.codes(images))


@pytest.mark.parametrize(("channels", "size"), [(1, (16, 16)), (3, (28, 28)), (1, (33, 47)), (3, (128, 96))])
def test_the_embedding_takes_pictures_of_usual_sizes(channels: int, size: tuple[int, int]) -> None:
    """Codes of 64 numbers, and pictures of the same size."""
    net = build_embedding(channels, size)
    images = torch.rand(2, 3, *size)
    assert net.codes(images).shape == (2, 64)
    assert net(net.planes(images)).shape == (2, channels, *size)
    with pytest.raises(RequestError, match="sides from"):
        build_embedding(channels, (4, 4))
