"""Audits of generators with known faults: each fault is found, and none is reported where there is none."""

import json
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

import seewhy
from games import Game
from seewhy.audit.counterfactual import audit_counterfactual
from seewhy.audit.counterfactual_report import CounterfactualReport
from seewhy.audit.counterfactual_work import DISTURBANCES, group_by_direction, summarise
from seewhy.core.errors import RequestError
from seewhy.core.intervals import Interval
from seewhy.core.view import View
from seewhy.images.collection import Collection
from seewhy.nets.counterfactual_generators import (
    CounterfactualGenerators,
    GeneratedBatch,
    save_generators,
)
from seewhy.nets.embedding import Embedding
from seewhy.results.audit_counterfactual import CounterfactualRecord, DirectionResult, Restored
from seewhy.training.embedding import train_embedding

SIDE, HALF, COUNT = 16, 8, 80
VIEW = View((SIDE, SIDE), "stretch")
OWN = 0.0
"""Value of the last pixel of generated images; real images have 1 there."""


def world(*, wrong: int = 0) -> Collection:
    """Return textured images with light in the upper left (class 0) or the upper right (class 1, with that region)."""
    draw = np.random.default_rng(0)
    labels = np.arange(COUNT) % 2
    pixels = draw.integers(60, 120, (COUNT, SIDE, SIDE, 1)).astype(np.uint8)
    regions = np.zeros((COUNT, SIDE, SIDE), bool)
    for image, region, label in zip(pixels, regions, labels, strict=True):
        image[:HALF, HALF * label : HALF * (label + 1)] += 100
        image[0, 0] = 255 * label
        region[:HALF, HALF:] = label == 1
    pixels[:, -1, -1] = 255
    given = labels.copy()
    given[:wrong] = 1 - given[:wrong]
    return Collection(pixels, given, ("left", "right"), regions=regions, source="synthetic")


def halves(images: Tensor) -> Tensor:
    """Return logits; that of class 1 is how much brighter the upper right is than the upper left."""
    light = images[:, :, 1:HALF].mean((1, 2))
    logit = 40 * (light[:, HALF:].mean(1) - light[:, :HALF].mean(1))
    return torch.stack([torch.zeros_like(logit), logit], 1)


def corner(images: Tensor) -> Tensor:
    """Return logits; that of class 1 depends on whether the first pixel is white."""
    logit = 20 * (images[:, 0, 0, 0] - 0.5)
    return torch.stack([torch.zeros_like(logit), logit], 1)


def game(logits: Callable[[Tensor], Tensor] = halves, **facts: Any) -> Game:
    """Return a classifier of such images."""
    return Game(logits, 2, ("left", "right"), VIEW, **facts)


def marked(images: Tensor) -> Tensor:
    """Mark images as generated."""
    marked = images.clone()
    marked[:, :, -1, -1] = OWN
    return marked


def mirrored(images: Tensor) -> Tensor:
    """Swap left and right, except in the first and the last row, which hold the corner and the mark."""
    swapped = images.clone()
    swapped[:, :, 1:-1] = images[:, :, 1:-1].flip(3)
    return swapped


@dataclass(frozen=True)
class Fake:
    """Generators with a known edit ``(images, source, target) → adversarial``."""

    edit: Callable[[Tensor, int, int], Tensor]
    arm: str = "syce"
    classes: tuple[int, ...] = (0, 1)
    size: tuple[int, int] = (SIDE, SIDE)

    def __call__(self, images: Tensor, source: int, target: int) -> GeneratedBatch:
        """Edit, undo, and translate back."""
        adversarial = self.edit(images, source, target)
        cycle = None if self.arm == "sagen" else self.edit(adversarial, target, source)
        stable = images if self.arm == "cyce" else self.edit(adversarial, source, target)
        return GeneratedBatch(adversarial, stable, cycle)


def pooled(images: Tensor) -> np.ndarray:
    """Embed images as sixteen mean intensities."""
    return functional.avg_pool2d(images.mean(1, keepdim=True), 4).flatten(1).double().numpy()


def report_on(fake: Fake, **settings: Any) -> CounterfactualReport:
    """Audit generators."""
    return audit_counterfactual(game(), fake, settings.pop("source", world()), codes=pooled, **settings)


def directions(report: CounterfactualReport) -> tuple[DirectionResult, ...]:
    """Return both directions, the first from left to right."""
    return report.record.directions


def value(figure: Interval | None) -> float:
    """Return the value of a figure that was measured."""
    assert figure is not None
    return figure.value


def count(report: CounterfactualReport, words: str) -> int:
    """Return the number of findings that contain some words."""
    return sum(words in finding for finding in report.record.findings)


SWAP = Fake(lambda images, _, __: mirrored(images))


def test_a_perfect_swap_has_no_fault() -> None:
    """Everything flips, for the oracle too, the images look real, and nothing is reported."""
    report = report_on(SWAP, oracle=game())
    for way in directions(report):
        assert way.figures.n == COUNT // 2
        for rate in ("flip", "stable", "cycle", "oracle_flip", "oracle_agrees"):
            figure: Interval = getattr(way.figures, rate)
            assert figure.value == 1
            assert figure.low == pytest.approx(0.912, abs=0.001)  # Wilson, 40 of 40
        assert value(way.figures.error_stable) == value(way.figures.error_cycle) == 0
        assert way.frechet is not None
        assert way.frechet.ratio is not None
        assert way.frechet.ratio < 0.05
        assert way.frechet.floor < 0.05 * way.frechet.real
        assert way.diversity.ratio == pytest.approx(1, abs=0.05)
        assert way.undone_real == 1
        assert value(way.figures.shift) < 0.02
    record = report.record
    assert record.findings == ()
    assert record.oracle is not None
    assert record.oracle.accuracy == record.oracle.agreement == 1
    assert record.overall.figures.n == COUNT
    assert record.left_out == 0
    assert record.seconds_per_explanation is not None
    assert record.seconds_per_explanation > 0
    assert (record.classifier.classes, record.oracle.classifier.classes) == (2, 2)


def test_distances_are_over_all_images() -> None:
    """With generators that swap every other image, the mean change falls with the flip rate; both outcomes have examples."""
    half = Fake(
        lambda images, _, __: torch.where((images[:, :1, -2:-1, -1:] * 255).round() % 2 == 0, mirrored(images), images)
    )
    report = report_on(half)
    full, some = directions(report_on(SWAP))[0].figures, directions(report)[0].figures
    assert count(report, "does not change the prediction")
    shown = report.directions[0].shown
    assert len(shown[True]["input"]) == len(shown[False]["input"]) == 10
    assert (shown[False]["input"] == shown[False]["adversarial"]).all()
    assert (shown[True]["input"] != shown[True]["adversarial"]).any((1, 2, 3)).all()
    share = value(some.flip)
    assert 0.2 < share < 0.8
    assert value(some.l1) == pytest.approx(share * value(full.l1), rel=0.1)
    left = world().images(slice(0, COUNT, 2))
    expected = (mirrored(left) - left).abs().mean()
    assert value(full.l1) == pytest.approx(float(expected), abs=1e-6)


def test_no_edit_is_found() -> None:
    """Nothing flips, nothing changes, and the images are as far from the target as the classes are apart."""
    report = report_on(Fake(lambda images, _, __: images))
    for way in directions(report):
        assert value(way.figures.flip) == value(way.figures.l1) == value(way.figures.sparsity) == 0
        assert way.frechet is not None
        assert way.frechet.ratio == pytest.approx(1)
        assert way.frechet.to_source == pytest.approx(0, abs=1e-9)
        assert way.figures.shift is None
    assert count(report, "identity collapse") == 2
    assert len(report.record.findings) == 2  # nothing is reported about translating back


def test_one_image_for_all_is_found() -> None:
    """The generators return the first real image of the target class for every input."""
    first = world().images(slice(0, 2))
    report = report_on(Fake(lambda images, _, target: first[target][None].expand_as(images).clone(), arm="cyce"))
    assert all(value(way.figures.flip) == 1 and way.diversity.ratio == 0 for way in directions(report))
    assert count(report, "mode collapse") == 2
    assert not count(report, "identity")


def test_a_change_that_only_the_classifier_sees_is_found() -> None:
    """One pixel decides for the classifier, while the oracle compares the halves."""

    def tick(images: Tensor, _: int, target: int) -> Tensor:
        changed = images.clone()
        changed[:, :, 0, 0] = float(target)
        return changed

    report = audit_counterfactual(game(corner), Fake(tick, arm="cyce"), world(), oracle=game())
    for way in directions(report):
        assert (value(way.figures.flip), value(way.figures.oracle_flip)) == (1, 0)
        assert value(way.figures.sparsity) == pytest.approx(1 / SIDE**2)
        assert way.frechet is None
    assert count(report, "visible only to this classifier") == 2
    assert report.record.overall.worst == {
        "flip": 1.0,
        "cycle": 1.0,
        "oracle_flip": 0.0,
        "oracle_agrees": 1.0,
    }


def hiding(images: Tensor, _: int, __: int) -> Tensor:
    """Swap real images and leave a mark of 0.02 in four pixels; swap marked images back, and leave the rest unchanged."""
    last = [SIDE - 2] * 4, [2, 4, 6, 8]
    ground = 0.5
    real = images[:, 0, -1, -1] > 0.5
    swapped = marked(mirrored(images))
    swapped[:, :, last[0], last[1]] = ground + 0.02
    hidden = (images[:, 0, last[0], last[1]].mean(1) - ground - 0.02).abs() < 0.008
    kept = torch.where(hidden[:, None, None, None], mirrored(images), images)
    return torch.where(real[:, None, None, None], swapped, kept)


def test_a_hidden_signal_is_found() -> None:
    """Translating back is perfect, survives rounding to eight bits, and fails under noise."""
    report = report_on(Fake(hiding))
    for way in directions(report):
        assert tuple(way.restored) == tuple(DISTURBANCES)
        assert way.restored["none"] == way.restored["8 bits"] == Restored(back=1.0, undo=1.0)
        noisy = way.restored["noise 0.1"].back
        assert noisy is not None
        assert noisy < 0.4
        assert value(way.figures.cycle) == 1
    assert count(report, "hardly visible") == 4
    robust = directions(report_on(SWAP))[0].restored["noise 0.1"]
    assert robust.back is not None
    assert robust.undo is not None
    assert min(robust.back, robust.undo) > 0.95


def test_recognising_its_own_images_is_found() -> None:
    """The generator undoes its own images, and leaves real images of that class unchanged."""

    def own(images: Tensor, source: int, _: int) -> Tensor:
        mine = images[:, 0, -1, -1] < 0.5
        right = halves(images).argmax(1) == source
        return torch.where((mine | right)[:, None, None, None], marked(mirrored(images)), images)

    report = report_on(Fake(own))
    assert [way.undone_real for way in directions(report)] == [0, 0]
    assert [way.restored["none"].undo for way in directions(report)] == [1, 1]
    assert count(report, "is not independent evidence") == 2


def test_a_stable_image_that_flips_is_found() -> None:
    """The second pass of the generator undoes nothing and leaves the image in the other class."""

    def once(images: Tensor, source: int, _: int) -> Tensor:
        right = halves(images).argmax(1) == source
        return torch.where(right[:, None, None, None], mirrored(images), images)

    report = report_on(Fake(once))
    assert [(value(way.figures.flip), value(way.figures.stable)) for way in directions(report)] == [(1, 0), (1, 0)]
    assert count(report, "definition=input") == 2


def test_a_shift_of_brightness_is_found() -> None:
    """The classifier depends on brightness, and the generator raises or lowers it everywhere."""

    def bright(images: Tensor) -> Tensor:
        logit = 100 * (images.mean((1, 2, 3)) - 0.45)
        return torch.stack([torch.zeros_like(logit), logit], 1)

    lit = replace(
        world(),
        pixels=(world().pixels + 40 * (np.arange(COUNT) % 2)[:, None, None, None]).clip(0, 255).astype(np.uint8),
    )
    turn = Fake(lambda images, _, target: images + (0.16 if target else -0.16), arm="cyce")
    report = audit_counterfactual(game(bright), turn, lit)
    assert all(value(way.figures.shift) == pytest.approx(1, abs=1e-5) for way in directions(report))
    assert count(report, "overall brightness") == len(directions(report))


def test_systems_without_a_stable_image_or_a_cycle_have_no_figure() -> None:
    """What was not measured is None, not a perfect score."""
    cyce = directions(report_on(replace(SWAP, arm="cyce")))[0]
    assert cyce.figures.stable is None
    assert cyce.figures.error_stable is None
    assert cyce.undone_real is None
    assert cyce.restored["none"].undo is None
    assert cyce.restored["none"].back is not None
    sagen = directions(report_on(replace(SWAP, arm="sagen")))[0]
    assert sagen.figures.cycle is sagen.figures.error_cycle is None
    assert value(sagen.figures.stable) == 1
    assert sagen.restored == {}


def test_images_are_grouped_by_prediction_and_errors_are_counted_separately() -> None:
    """Six labels are wrong, three in each direction."""
    report = report_on(SWAP, source=world(wrong=6), oracle=game())
    for way in directions(report):
        assert way.correct is not None
        assert way.incorrect is not None
        assert (way.correct.n, way.incorrect.n) == (COUNT // 2 - 3, 3)
        assert value(way.incorrect.flip) == 1
    assert report.record.oracle is not None
    assert report.record.oracle.accuracy == 1 - 6 / COUNT
    bare = world()
    unlabelled = report_on(SWAP, source=Collection(bare.pixels), oracle=game())
    assert directions(unlabelled)[0].correct is None
    assert unlabelled.record.oracle is not None
    assert unlabelled.record.oracle.accuracy is None
    assert unlabelled.record.oracle.agreement == 1


def test_localisation_is_over_images_with_a_region() -> None:
    """Only class 1 has a region, where the overlap exceeds chance; without regions nothing is measured."""
    left, right = directions(report_on(SWAP))
    assert left.figures.iou is None
    assert value(right.figures.iou_by_chance) == pytest.approx(0.25 / 1.75)
    assert value(right.figures.iou) > 1.5 * value(right.figures.iou_by_chance)
    assert value(right.figures.ncc) > 0.4
    assert directions(report_on(SWAP, source=replace(world(), regions=None)))[1].figures.iou is None


def test_the_classes_of_an_oracle_are_matched_by_name() -> None:
    """The oracle has the classes in another order and one more; an oracle without a class is refused."""

    def other(images: Tensor) -> Tensor:
        logits = halves(images)
        return torch.stack([logits[:, 1], torch.full_like(logits[:, 0], -50), logits[:, 0]], 1)

    oracle = Game(other, 3, ("right", "above", "left"), VIEW)
    assert value(directions(report_on(SWAP, oracle=oracle))[0].figures.oracle_flip) == 1
    with pytest.raises(RequestError, match="without right"):
        report_on(SWAP, oracle=Game(other, 3, ("up", "above", "left"), VIEW))


def test_a_limit_draws_from_all_classes_and_numbers_do_not_depend_on_batches() -> None:
    """The same seed gives the same images and figures."""
    one, other = (report_on(SWAP, limit=30, seed=3, batch_size=batch).record for batch in (64, 7))
    assert one.images == 30
    assert len(one.directions) == 2
    for left, right in zip(one.directions, other.directions, strict=True):
        assert value(left.figures.l1) == pytest.approx(value(right.figures.l1), abs=1e-6)
        assert left.restored == right.restored
    assert one.queries == other.queries


def test_with_more_classes_the_target_is_the_most_probable_other_one() -> None:
    """Images of unknown classes are left out."""
    probabilities = np.array([[0.5, 0.3, 0.1, 0.1], [0.5, 0.1, 0.3, 0.1], [0.1, 0.2, 0.3, 0.4]])
    groups = group_by_direction((0, 1, 2), probabilities)
    assert {way: places.tolist() for way, places in groups.items()} == {(0, 1): [0], (0, 2): [1]}


def test_wrong_requests_are_refused(tmp_path: Path) -> None:
    """Another image size, no known class, a wrong threshold, another classifier's generators and no generators."""
    with pytest.raises(RequestError, match="8 × 8"):
        report_on(replace(SWAP, size=(8, 8)))
    with pytest.raises(RequestError, match="tau"):
        report_on(SWAP, tau=1.0)
    dark = Collection(np.zeros((4, SIDE, SIDE, 1), np.uint8))
    three = Game(lambda images: torch.tensor([[0.0, 0.0, 9.0]]).expand(len(images), 3), 3, ("a", "b", "c"), VIEW)
    with pytest.raises(RequestError, match="predicted as a, b, got none"):
        audit_counterfactual(three, SWAP, dark)
    with pytest.raises(RequestError, match="train counterfactual"):
        audit_counterfactual(game(), tmp_path, world())
    save_generators(tmp_path, small(), {"fingerprint": "another", "classifier": "another"})
    with pytest.raises(RequestError, match="of this classifier"):
        audit_counterfactual(game(), tmp_path, world())


def small() -> CounterfactualGenerators:
    """Return real, untrained generators."""
    return CounterfactualGenerators(arm="syce", classes=(0, 1), channels=1, size=(SIDE, SIDE), widths=(4, 4))


def test_real_generators_are_loaded_audited_and_saved(tmp_path: Path) -> None:
    """Untrained generators hardly edit, which is reported; the folder holds one line per image and a sheet."""
    save_generators(tmp_path / "generators", small(), {"fingerprint": "game", "classifier": "game"})
    report = audit_counterfactual(game(), tmp_path / "generators", world(), codes=pooled)
    assert count(report, "identity collapse")
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


@pytest.mark.parametrize("arm", ["syce", "cyce", "sagen"])
def test_the_record_is_read_back(arm: str, tmp_path: Path) -> None:
    """The JSON file gives back the same record, whatever was not measured."""
    report = report_on(replace(SWAP, arm=arm), oracle=game() if arm == "syce" else None)
    folder = report.save(tmp_path / "out")
    assert json.loads((folder / "counterfactuals.json").read_text())["schema_version"] == 2
    assert seewhy.load(folder, CounterfactualRecord) == report.record


def test_nothing_measured_is_none() -> None:
    """A system without a stable image has no such figure, and no NaN."""
    found = summarise({"flip": np.ones(3), "stable": np.full(3, np.nan), "even": np.zeros(3), "every": np.zeros(3)})
    assert {field.name for field in fields(found) if getattr(found, field.name) is not None} == {"n", "flip"}


def test_the_embedding_learns_and_codes_do_not_depend_on_the_batch() -> None:
    """Training lowers the reconstruction error, an image has the same code in any batch, and a seed gives one embedding."""
    images = world()
    net, again = (train_embedding(images, dim=4, steps=25, seed=1) for _ in range(2))
    batch = images.images(slice(None))
    planes = net.planes(batch)
    before = functional.mse_loss(Embedding(1, (SIDE, SIDE), dim=4, seed=1)(planes), planes)
    assert functional.mse_loss(net(planes), planes) < 0.7 * before
    np.testing.assert_allclose(net.codes(batch)[:3], net.codes(batch[:3]), atol=1e-5)
    np.testing.assert_array_equal(net.codes(batch), again.codes(batch))


@pytest.mark.parametrize(("channels", "size"), [(1, (16, 16)), (3, (28, 28)), (1, (33, 47)), (3, (128, 96))])
def test_the_embedding_accepts_images_of_usual_sizes(channels: int, size: tuple[int, int]) -> None:
    """Codes have 64 numbers, and the reconstruction has the size of the image."""
    net = Embedding(channels, size)
    images = torch.rand(2, 3, *size)
    assert net.codes(images).shape == (2, 64)
    assert net(net.planes(images)).shape == (2, channels, *size)
    with pytest.raises(RequestError, match="sides from"):
        Embedding(channels, (4, 4))
