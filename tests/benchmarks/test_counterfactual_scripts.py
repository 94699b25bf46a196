"""The counterfactual benchmarks: their images and figures are as documented."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from click import UsageError

from seewhy.training.classifier import Plan
from seewhy.training.embedding import train_embedding

Load = Callable[[str], ModuleType]
Run = Callable[..., dict[str, Any]]

PATIENTS, SLICES, SIDE = 60, 6, 32
TINY = (
    "--set",
    "epochs=1",
    "--set",
    "length=2",
    "--set",
    "batch=4",
    "--set",
    "widths=4+4",
    "--set",
    "critic_widths=4+4",
)


def square(at: int, side: int) -> np.ndarray:
    """Return a square region on the diagonal."""
    region = np.zeros((SIDE, SIDE), bool)
    region[at : at + side, at : at + side] = True
    return region


@pytest.fixture
def slices(tmp_path: Path) -> Path:
    """Write slices of sixty heads, numbered from 1 up; the third and fourth of each have a bright tumour."""
    rng = np.random.default_rng(0)
    pictures, regions = np.zeros((PATIENTS, SLICES, SIDE, SIDE)), np.zeros((PATIENTS, SLICES, SIDE, SIDE), bool)
    pictures[:, :, 4:-4, 4:-4] = rng.uniform(0.3, 0.4, (PATIENTS, SLICES, SIDE - 8, SIDE - 8))
    for patient in range(PATIENTS):
        for level in (2, 3):
            regions[patient, level] = square(int(rng.integers(4, 20)), 8)
    pictures[regions] = 0.9
    np.savez(
        tmp_path / "slices.npz",
        image=(255 * pictures).astype(np.uint8).reshape(-1, SIDE, SIDE),
        mask=np.packbits(regions.reshape(-1, SIDE, SIDE), axis=2),
        patient=np.repeat([f"p{number}" for number in range(PATIENTS)], SLICES),
        slice=np.tile(np.arange(1, SLICES + 1), PATIENTS),
    )
    return tmp_path / "slices.npz"


def quick(script: ModuleType, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the training of a script's two classifiers."""
    plans = {
        "classifier": Plan(width=8, epochs=3, batch=32),
        "oracle": Plan(arch="residual", width=8, epochs=2, batch=32),
    }
    monkeypatch.setattr(script, name, plans)


def test_lesions_differ_in_the_blob_alone(load: Load) -> None:
    """With strength 0, ill images differ only by the missing blob, and healthy images are identical."""
    lesions = load("lesions")
    pictures, without = (lesions.draw(40, 3, strength=strength) for strength in (1.0, 0.0))
    changed = (pictures.pixels != without.pixels)[..., 0]
    assert not changed[::2].any()
    assert changed[1::2][pictures.regions[1::2]].all()
    assert not without.regions.any()
    assert not pictures.regions[::2].any()
    radii = np.sqrt(pictures.regions[1::2].sum((1, 2)) / np.pi)
    assert 2 < radii.min() < radii.max() < 6.5
    assert not np.array_equal(pictures.pixels, lesions.draw(40, 4).pixels)


def test_tag_is_in_the_corner_of_those_that_are_to_have_it(load: Load) -> None:
    """The tag is white, at the position of `corner`, and nothing else changes."""
    lesions = load("lesions")
    pictures = lesions.draw(4, 0)
    tagged = lesions.tagged(pictures, np.array([True, False, False, True]))
    corner = lesions.corner()
    assert (tagged.pixels[0][corner] == 255).all()
    assert np.array_equal(tagged.pixels[1:3], pictures.pixels[1:3])
    assert np.array_equal(tagged.pixels[3][~corner], pictures.pixels[3][~corner])
    labels = np.array([0, 1] * 2000)
    which = lesions.mostly_ill(labels, 0)
    assert which[labels == 1].mean() == pytest.approx(0.95, abs=0.02)
    assert which[labels == 0].mean() == pytest.approx(0.05, abs=0.02)


def test_slices_keep_to_the_rules(load: Load, slices: Path) -> None:
    """No patient is in two parts; the lowest and highest slices and too small tumours are excluded."""
    script = load("brain_slices")
    sides = script.read(slices, 16)
    patients = [set(side.groups.tolist()) for side in sides]
    assert sum(map(len, patients)) == len(set.union(*patients)) == PATIENTS
    assert sum(len(side) for side in sides) == PATIENTS * 3  # at 0.4, 0.6 and 0.8 of the height
    assert all(side.size == (16, 16) for side in sides)
    regions = np.stack([square(4, 8), square(4, 1), np.zeros((SIDE, SIDE), bool)])
    head = np.full((3, SIDE, SIDE), 0.5)
    fits = script.fitting(head, regions, np.full(3, 0.5))
    assert fits.tolist() == [True, False, True]
    assert not script.fitting(np.zeros((3, SIDE, SIDE)), regions, np.full(3, 0.5)).any()
    assert script.fitting(head, regions, np.array([0.2, 0.5, 0.9])).tolist() == [False, False, False]


def test_slices_are_averaged_and_whitened(load: Load) -> None:
    """A square becomes its mean, and the scale is set by the pixels that are not dark."""
    script = load("brain_slices")
    assert script.shrunk(np.arange(16.0).reshape(1, 4, 4), 2).tolist() == [[[2.5, 4.5], [10.5, 12.5]]]
    pixels = np.zeros((1, 10, 20))
    pixels[0, :5] = np.linspace(0.2, 0.5, 100).reshape(5, 20)
    white = np.percentile(pixels[pixels > 0.1], 99)
    assert script.whitened(pixels)[0, 0, 0] == pytest.approx(0.2 / white)
    assert script.whitened(pixels).max() == 1


def test_intervals_are_over_groups(load: Load) -> None:
    """The mean is over images; with one group the interval has zero width, however many images it has."""
    script = load("located")
    values, groups = np.array([0.0, 1.0, 1.0, 0.5]), np.array(["a", "b", "b", "b"])
    found = script.over_groups(values, groups)
    assert found["mean"] == values.mean()
    assert (found["low"], found["high"]) == (0.0, pytest.approx(2.5 / 3))
    alone = script.over_groups(values, np.array(["a"] * 4))
    assert alone["low"] == alone["high"] == alone["mean"]


def test_seeds_are_averaged_picture_by_picture(load: Load) -> None:
    """The mean over seeds comes first; a method without a seed is unchanged."""
    script = load("located")
    figures = dict.fromkeys((*script.METRICS, "queries", "seconds"), 0.0)
    tables = {name: [figures | {"iou": value}] for name, value in {"a-0": 0.2, "a-1": 0.4, "grad-cam": 0.1}.items()}
    pooled = script.pooled(tables)
    assert list(pooled) == ["a, 2 seeds", "a-0", "a-1", "grad-cam"]
    assert pooled["a, 2 seeds"][0]["iou"] == pytest.approx(0.3)


def test_maps_are_compared_with_the_region(load: Load) -> None:
    """The true region scores 1; a constant map has no correlation."""
    script = load("located")
    classifier = script.seewhy.classifier(lambda pictures: np.full((len(pictures), 2), 0.5), size=SIDE)
    region = square(4, 8)
    image = torch.from_numpy(region.astype(np.float32)).expand(3, -1, -1).contiguous()
    exact = script.score_map(classifier, image, region.astype(np.float32), region, 0)
    assert exact["iou"] == 1
    assert exact["ncc"] == pytest.approx(1)
    assert script.score_map(classifier, image, np.ones((SIDE, SIDE), np.float32), region, 0)["ncc"] == 0
    assert np.array_equal(script.intensity(image), region.astype(np.float32))


def test_counterfactual_mri(
    run: Run, load: Load, slices: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything is trained and measured once; a second run reads the results of the first."""
    script = load("counterfactual_mri")
    quick(script, "CLASSIFIERS", monkeypatch)
    asked = (
        "--size",
        16,
        "--seeds",
        1,
        "--each",
        1,
        "--method",
        "intensity",
        "--method",
        "syce-0",
        *TINY,
    )
    figures = run("counterfactual_mri", slices, "--out", tmp_path / "out", "--arm", "syce", *asked)
    assert [row["side"] for row in figures["slices"]] == ["train", "validation", "test"]
    assert {row["run"] for row in figures["generators"]} == {"syce-0"}
    lines = {row["method"]: row for row in figures["localisation"]}
    assert list(lines) == ["syce, 1 seeds", "syce-0", "intensity"]
    assert lines["intensity"]["iou"] > 0.8
    assert (tmp_path / "out" / f"test-{lines['intensity']['n']}" / "sheet.png").stat().st_size > 1000
    again = run("counterfactual_mri", slices, "--out", tmp_path / "out", "--arm", "syce", *asked)
    assert again["localisation"] == figures["localisation"]
    with pytest.raises(UsageError, match="choose another --out"):
        script.same_as_before(tmp_path / "out", {"size": 32})


def test_counterfactual_shortcut(run: Run, load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both tasks run, and each claim is compared with the figures."""
    script = load("counterfactual_shortcut")
    quick(script, "NETWORKS", monkeypatch)
    monkeypatch.setattr(script, "TEST", 80)
    asked = ("--seeds", 1, "--pictures", 300, "--limit", 2, "--arm", "syce", *TINY)
    figures = run("counterfactual_shortcut", "--out", tmp_path / "out", *asked)
    assert [row["run"] for row in figures["networks"]] == ["lesion-0", "tag-0"]
    assert figures["networks"][0]["fall"] == 0
    assert {row["arm"] for row in figures["claims"]} == {"syce"}
    assert len(figures["random"]) == 1
    assert {"syce", "gradient", "intensity"} <= {row["method"] for row in figures["in_tag"]}


def test_nothing_in_common_with_a_flat_map(load: Load) -> None:
    """The correlation is Pearson's, and 0 with a constant map."""
    script = load("counterfactual_shortcut")
    one = np.array([[0.0, 1.0], [2.0, 3.0]])
    assert script.correlation(one, 3 - 2 * one) == pytest.approx(-1)
    assert script.correlation(one, np.ones((2, 2))) == 0


def test_counterfactual_digits(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small arm is trained and evaluated; the table takes its figures from the written results."""
    script = load("counterfactual_digits")
    draw = np.random.default_rng(0)
    for name in ("train", "test"):
        pixels, labels = draw.integers(0, 90, (120, SIDE, SIDE), dtype=np.uint8), np.arange(120) % 2
        pixels[labels == 0, :, 1:3] = pixels[labels == 1, :, -3:-1] = 250
        np.savez(tmp_path / f"{name}.npz", images=pixels, labels=labels, classes=np.array(["3", "8"]))
    train, test = (
        script.keep_classes(script.read_collection(tmp_path / f"{name}.npz"), ["3", "8"]) for name in ("train", "test")
    )
    quick = {name: replace(plan, epochs=1, width=8) for name, plan in script.CLASSIFIERS.items()}
    monkeypatch.setattr(script, "CLASSIFIERS", quick)
    monkeypatch.setattr(script, "train_embedding", lambda pictures, seed: train_embedding(pictures, steps=2, seed=seed))
    script.prepare(train, test, tmp_path)
    settings = ("epochs=1", "length=2", "widths=4+4", "critic_widths=4+4", "batch=8")
    script.carry_out(("syce", 0, settings, tmp_path / "train.npz", tmp_path / "test.npz", "3,8", tmp_path))
    result = json.loads((tmp_path / "syce-0" / "result.json").read_text())
    found = script.figures(result)
    sides = result["report"]["directions"]
    assert list(found) == list(script.COLUMNS)
    assert found["flip"] == min(side["figures"]["flip"]["value"] for side in sides)
    assert found["rho"] == max(side["frechet"]["ratio"] for side in sides)
    assert script.spread([1.0, None, 3.0]) == {"mean": 2.0, "low": 1.0, "high": 3.0}
