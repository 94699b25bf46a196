"""The in-fill benchmarks, on images and classifiers with a known answer."""

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import numpy as np
import pytest
import torch
from PIL import Image

import seewhy
from seewhy.core.probe import Probe
from seewhy.training.sampler.photos import is_held_out

Load = Callable[[str], ModuleType]
Run = Callable[..., dict[str, Any]]

CLASSIFIERS = '''
import numpy as np

def left(pictures):
    """Return two logits: the mean of the left half, and 0."""
    seen = pictures[:, :, :16].astype(np.float32).mean((1, 2, 3)) / 25
    return np.stack([seen, 0 * seen], axis=1)

def grays(pictures):
    """Return two logits: the number of pixels that are exactly mid-gray, and 0."""
    seen = (pictures == 128).all(3).sum((1, 2)).astype(np.float32) / 16
    return np.stack([seen, 0 * seen], axis=1)
'''


@pytest.fixture
def named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Return a function that gives the Spec of a classifier in its own file."""
    (tmp_path / "known_benchmarked.py").write_text(CLASSIFIERS, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    return lambda name: f"python:object=known_benchmarked:{name},size=32,outputs=logits"


def write_labels(folder: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write ``labels.csv``."""
    with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def boxed(tmp_path: Path) -> Path:
    """Write thirty photos of 32 × 32 random pixels without mid-gray, whose object is the left half."""
    folder, rng = tmp_path / "boxed", np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    names = [f"{number}.png" for number in range(30)]
    for name in names:
        Image.fromarray(rng.integers(0, 128, (32, 32, 3), np.uint8)).save(folder / "images" / name)
    write_labels(folder, [{"file": name, "class_idx": 0, "boxes_norm": "0 0 0.5 1"} for name in names])
    return folder


def test_a_classifier_of_the_object_has_no_false_evidence(run: Run, boxed: Path, named: Callable[[str], str]) -> None:
    """A classifier that uses only the object has no false evidence with any in-fill, and only held-out photos count."""
    asked = ("--infill", "noise", "--infill", "gray", "--size", 4, "--windows", 5, "--samples", 2)
    figures = run("false_evidence", boxed, "--classifier", named("left"), *asked)
    held_out = [path for path in (boxed / "images").iterdir() if is_held_out(path.read_bytes())]
    assert figures["photos_scored"] == len(held_out) > 0
    for estimate in ("plain", "corrected", "one_draw"):
        assert [row["infill"] for row in figures[estimate]] == ["noise", "gray"]
        assert max(abs(row[key]) for row in figures[estimate] for key in ("mean", "median", "more")) < 1e-12


def test_a_classifier_of_gray_has_false_evidence_with_gray(run: Run, boxed: Path, named: Callable[[str], str]) -> None:
    """A classifier that counts mid-gray pixels has false evidence only with gray patches."""
    asked = ("--infill", "donor", "--infill", "constant:value=0.5", "--size", 4, "--windows", 5, "--limit", 3)
    figures = run("false_evidence", boxed, "--classifier", named("grays"), "--all", *asked)
    donor, gray = figures["plain"]
    assert donor["mean"] == donor["high_share"] == 0
    assert gray["high_share"] == 1
    # all 16 pixels of a window are gray: the logit goes from 0 to 1
    p = 1 / (1 + np.exp(-1))
    assert gray["more"] == pytest.approx(0.5 * np.log(0.5 / p) + 0.5 * np.log(0.5 / (1 - p)), rel=1e-5)


def test_photos_without_room_are_skipped(run: Run, boxed: Path, named: Callable[[str], str]) -> None:
    """A photo with too few positions off the object is counted but not evaluated."""
    rows = [{"file": "0.png", "boxes_norm": "0 0 1 1"}, {"file": "1.png", "boxes_norm": "0 0 0.1 0.1;0.9 0.9 1 1"}]
    write_labels(boxed, rows)
    asked = ("--infill", "gray", "--size", 4, "--all")
    figures = run("false_evidence", boxed, "--classifier", named("left"), *asked)
    assert (figures["photos_scored"], figures["photos_skipped"]) == (1, 1)


def test_information_is_a_divergence(load: Load) -> None:
    """The three estimates equal their formulas, computed sample by sample."""
    rng = np.random.default_rng(0)
    answers, p = rng.dirichlet(np.ones(4), (3, 5)), rng.dirichlet(np.ones(4))

    def divergence(q: np.ndarray) -> float:
        return float(sum(p[y] * np.log(p[y] / q[y]) for y in range(4)))

    found = load("false_evidence").information(torch.from_numpy(answers), torch.from_numpy(p))
    for window in range(3):
        samples = answers[window]
        plain = divergence(samples.mean(0))
        left_out = np.mean([divergence(np.delete(samples, i, 0).mean(0)) for i in range(5)])
        assert found["plain"][window] == pytest.approx(plain)
        assert found["corrected"][window] == pytest.approx(5 * plain - 4 * left_out)
        assert found["one_draw"][window] == pytest.approx(np.mean([divergence(sample) for sample in samples]))


def test_windows_avoid_the_object(load: Load) -> None:
    """No drawn window touches the object or leaves the image, and too few positions give None."""
    questions = load("questions")
    alpha = np.zeros((20, 24), np.float32)
    alpha[5:9, 7:12] = 0.01
    free = questions.object_share(alpha, 4) == 0
    drawn = questions.draw(free, 60, seed=3)
    assert len({tuple(place) for place in drawn.tolist()}) == 60
    assert all(alpha[top : top + 4, left : left + 4].shape == (4, 4) for top, left in drawn)
    assert all(alpha[top : top + 4, left : left + 4].sum() == 0 for top, left in drawn)
    assert torch.equal(drawn, questions.draw(free, 60, seed=3))
    assert questions.draw(free, int(free.sum()) + 1, seed=3) is None


def test_window_scores_equal_those_of_pmi(load: Load) -> None:
    """The same windows with the same seeds give the scores of the map."""
    questions = load("questions")
    weights = torch.randn(3 * 16 * 16, 3, generator=torch.Generator().manual_seed(0)) / 8
    model = seewhy.classifier(
        lambda pictures: (torch.from_numpy(pictures / 255).float().flatten(1) @ weights).softmax(1).numpy(), size=16
    )
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    explanation = seewhy.explain(model, pixels, method="pmi:size=4,stride=4,samples=3", infill="noise")
    scene = load("scenes").Scene("picture", None, pixels, np.zeros((16, 16), np.float32), 0)
    (probe,) = questions.probes(model, scene, load("common").build_infills(["noise"], model)).values()
    assert isinstance(probe, Probe)
    pmi, information = questions.scores(probe, 4, torch.tensor([[0, 4], [12, 8]]), 3).T
    top = explanation.maps[f"class:{explanation.predicted[0].index}"]
    assert pmi == pytest.approx([top[0, 4], top[12, 8]], rel=1e-4)
    assert information == pytest.approx(
        [explanation.maps["information"][place] for place in ((0, 4), (12, 8))], rel=1e-4
    )


def test_boxes_regain_their_aspect_ratio(load: Load, tmp_path: Path) -> None:
    """A squashed photo regains its aspect ratio, and its box covers the object in the view."""
    (tmp_path / "images").mkdir()
    pixels = np.zeros((50, 50, 3), np.uint8)
    pixels[10:40, 20:30] = 255  # of a photo of 200 × 100: rows 20 to 80, columns 80 to 120
    Image.fromarray(pixels).save(tmp_path / "images" / "a.png")
    row = {"file": "a.png", "orig_w": 200, "orig_h": 100, "boxes_norm": "0.4 0.2 0.6 0.8"}
    write_labels(tmp_path, [row])
    (scene,) = load("scenes").read_located(tmp_path, seewhy.View((50, 50)), everything=True)
    assert scene.pixels.shape == (100, 200, 3)
    expected = np.zeros((50, 50))
    expected[10:40, 15:35] = 1  # half the size, and the middle 50 columns of 100
    assert np.array_equal(scene.alpha > 0.5, expected)
    assert scene.label is None


def test_trimaps_count_the_border_as_object(load: Load, tmp_path: Path) -> None:
    """Levels 1 and 3 are the object, 2 is not; a trimap of another size is refused."""
    (tmp_path / "images").mkdir()
    (tmp_path / "trimaps").mkdir()
    Image.new("RGB", (6, 4)).save(tmp_path / "images" / "a.png")
    levels = np.array([[1, 1, 3, 2, 2, 2]] * 4, np.uint8)
    Image.fromarray(levels).save(tmp_path / "trimaps" / "a.png")
    write_labels(tmp_path, [{"file": "a.png", "class_idx": 7}])
    scenes = load("scenes")
    (scene,) = scenes.read_located(tmp_path, seewhy.View.native(), everything=True)
    assert scene.alpha.tolist() == [[1, 1, 1, 0, 0, 0]] * 4
    assert scene.label == 7
    Image.fromarray(levels[:2]).save(tmp_path / "trimaps" / "a.png")
    with pytest.raises(click.UsageError, match="expected a trimap of 6 × 4"):
        next(scenes.read_located(tmp_path, seewhy.View.native(), everything=True))


def test_a_folder_without_objects_is_refused(load: Load, photo: Path, tmp_path: Path) -> None:
    """Without trimaps or boxes, the error says what is missing."""
    (tmp_path / "images").mkdir()
    photo.rename(tmp_path / "images" / "photo.png")
    write_labels(tmp_path, [{"file": "photo.png"}])
    with pytest.raises(click.UsageError, match="expected boxes in the column boxes_norm, or a trimap"):
        next(load("scenes").read_located(tmp_path, seewhy.View.native(), everything=True))


def test_backgrounds_are_classified_with_least_confidence(load: Load, tmp_path: Path) -> None:
    """Of red and black photos, a classifier of red is least confident about black."""
    for name, colour in (("red.png", "red"), ("black.png", "black")):
        Image.new("RGB", (40, 40), colour).save(tmp_path / name)
    model = seewhy.classifier(lambda pictures: pictures.mean((1, 2)) / 25, size=16, outputs="logits")
    crop = load("scenes").photo_ground(tmp_path, model, everything=True)(20, np.random.default_rng(0))
    assert crop.size == (20, 20)
    assert crop.getextrema() == ((0, 0),) * 3


def test_backgrounds_are_held_out(load: Load, boxed: Path) -> None:
    """Photos that the sampler may have been trained on are refused."""
    for path in (boxed / "images").iterdir():
        if is_held_out(path.read_bytes()):
            path.unlink()
    model = seewhy.classifier(lambda pictures: pictures.mean((1, 2)) / 25, size=16, outputs="logits")
    with pytest.raises(click.UsageError, match="add --all"):
        load("scenes").photo_ground(boxed, model, everything=False)


def test_true_evidence(run: Run, cutouts: Path, classifier: str) -> None:
    """A classifier of red finds evidence on red discs, and less off them."""
    asked = ("--infill", "gray", "--infill", "noise", "--size", 4, "--windows", 6, "--scale", 0.6)
    figures = run("true_evidence", cutouts, "--classifier", classifier, *asked)
    assert figures["pictures"] == figures["right"] == 2
    gray = figures["pmi"][0]
    assert gray["on"] > gray["off"] > 0
    assert gray["ratio"] == pytest.approx(gray["on"] / gray["off"])
    assert gray["times"] == 1


def test_ratios_by_hand(load: Load) -> None:
    """The ratio of means over images, and that divided by the first in-fill's; None without evidence off the object."""
    script = load("true_evidence")
    pairs = {"a": [(2, 1), (4, 2)], "b": [(1, 1), (3, 1)], "c": [(1, 0), (1, 0)]}
    rows = [{"infill": name, "pmi_on": on, "pmi_off": off} for name, found in pairs.items() for on, off in found]
    one, two, three = script.summarise(rows, "pmi")
    assert (one["ratio"], one["low"], one["high"], one["times"]) == (2, 2, 2, 1)
    assert (two["ratio"], two["times"]) == (2, 1)
    assert (two["low"], two["median"], two["high"]) == (1, 2, 3)
    assert three["ratio"] is three["median"] is None


def test_infill_cost(run: Run, photo: Path, classifier: str) -> None:
    """The classifier's ratio to itself is 1, and a share is a fraction of the total."""
    asked = (
        "--infill",
        "gray",
        "--infill",
        "noise",
        "--batch",
        2,
        "--batch",
        6,
        "--rounds",
        2,
        "--method",
        "pmi:size=16,stride=16",
    )
    figures = run("infill_cost", photo, "--classifier", classifier, *asked)
    assert [(row["infill"], row["batch"]) for row in figures["speeds"]] == [
        (name, batch) for batch in (2, 6) for name in ("classifier", "gray", "noise")
    ]
    own = [row["ratio"] for row in figures["speeds"] if row["infill"] == "classifier"]
    assert own == [1, 1]
    assert [row["queries"] for row in figures["shares"]] == [5, 17]  # 4 windows; one query of gray, 4 of noise
    assert all(0 < row["infill_share"] < 1 for row in figures["shares"])


def test_contact_sheet(run: Run, load: Load, photo: Path, classifier: str, tmp_path: Path) -> None:
    """A sheet is written; its tiles show the image around the in-filled patch."""
    out = tmp_path / "sheet.png"
    asked = ("--infill", "gray", "--infill", "noise", "--size", 4, "--windows", 3, "--samples", 2)
    figures = run("contact_sheet", photo, "--out", out, "--classifier", classifier, *asked)
    model, script = seewhy.classifier(classifier), load("contact_sheet")
    infills = load("common").build_infills(["gray", "noise"], model)
    shown = script.section(model, photo, infills, size=4, windows=3, samples=2)
    assert figures["windows"] == {"photo": shown.positions.tolist()}
    with Image.open(out) as sheet:
        assert sheet.width > 64
    for (top, left), row in zip(shown.positions, shown.rows, strict=True):
        (truth,) = row["truth"]
        assert np.array_equal(truth, shown.view[top - 4 : top + 8, left - 4 : left + 8])
        assert [len(tiles) for tiles in row.values()] == [1, 1, 1, 2]
        for tile in (tile for tiles in row.values() for tile in tiles):
            ring = np.ones((12, 12), bool)
            ring[4:8, 4:8] = False
            assert np.array_equal(tile[ring], truth[ring])
        assert (row["removed"][0][4:8, 4:8] == 255).all()
        assert not np.array_equal(row["noise"][0], row["noise"][1])


def test_the_windows_of_a_sheet_have_contrast(load: Load) -> None:
    """Windows are chosen where there is contrast, with room for their ring."""
    image = torch.zeros(3, 40, 40)
    image[:, :, 20:] = torch.rand(40, 20, generator=torch.Generator().manual_seed(0))
    chosen = load("contact_sheet").choose(image, 4, 5, seed=0)
    assert len({tuple(place) for place in chosen}) == 5
    assert all(image[0, top : top + 4, left : left + 4].std() > 0 for top, left in chosen)
    assert chosen.min() >= 4
    assert chosen.max() <= 32
