"""Nearest counterfactual against constructed truths: a box of which the mean decides, and pictures that have it and have not."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from games import Game
from seewhy.core.access import Access
from seewhy.core.budget import Budget
from seewhy.core.errors import RequestError
from seewhy.core.maps import Maps
from seewhy.core.probe import Probe
from seewhy.core.target import ClassEvidence, Contrast, Target
from seewhy.core.view import View
from seewhy.images.collection import Collection
from seewhy.infills.plain import constant
from seewhy.methods.nearest_counterfactual import nearest_counterfactual
from seewhy.methods.references import References, distances
from seewhy.methods.swap_search import Swap, Wish, most_queries

SIDE, TILE = 32, 4
BOX = (slice(8, 16), slice(20, 24))
"""Two tiles; its mean says the class: below 0.25 class 0, from there class 1, above 0.75 class 2."""


def logits(images: Tensor) -> Tensor:
    """The class by the mean of the box, in wide steps."""
    mean = images[:, :, *BOX].mean((1, 2, 3))
    return 20 * torch.stack([0.25 - mean, torch.zeros_like(mean), mean - 0.75], 1)


def labels_only(images: Tensor) -> Tensor:
    """The same, for sure."""
    return 1e4 * torch.nn.functional.one_hot(logits(images).argmax(1), 3).double()


def picture(box: int, seed: int) -> np.ndarray:
    """Random dark gray with a box of one level, dark too or not."""
    pixels = np.random.default_rng(seed).integers(0, 60, (SIDE, SIDE, 1), np.uint8)
    pixels[BOX] = box
    return pixels


def shelf(folder: Path, *boxes: int, side: int = SIDE) -> str:
    """A file of pictures with these boxes, each unlike the others."""
    pixels = np.stack([picture(box, seed) for seed, box in enumerate(boxes, 1)])
    scaled = pixels.repeat(side // SIDE, 1).repeat(side // SIDE, 2)
    path = folder / "pictures.npz"
    np.savez(path, images=scaled)
    return str(path)


def image_of(pixels: np.ndarray) -> Tensor:
    """A picture as a classifier sees it."""
    return torch.from_numpy(pixels[..., 0].astype(np.float32) / 255).expand(3, -1, -1).contiguous()


def probe_of(*, exact: bool = False, budget: Budget | None = None, batch: int = 4, box: int = 0) -> Probe:
    """The game asked about a picture of class 0."""
    game = Game(labels_only if exact else logits, view=View((SIDE, SIDE)))
    game.access = Access.LABEL if exact else Access.PROBABILITIES
    return Probe(game, constant(value=0.0), image_of(picture(box, 0)), batch_size=batch, budget=budget or Budget())


def run(probe: Probe, targets: list[Target], reference: str, **settings: object) -> Maps:
    """The method with hard edges."""
    return nearest_counterfactual(probe, targets, **{"reference": reference, "tile": TILE, "edge": 0.0, **settings})  # type: ignore[arg-type]


def said(companion: np.ndarray) -> int:
    """What the game says of a picture."""
    return int(logits(torch.from_numpy(companion)[None].double())[0].argmax())


@pytest.mark.parametrize("exact", [False, True])
def test_only_the_box_is_taken(tmp_path: Path, exact: bool) -> None:
    """The region is the box, all of which is needed, whether there are probabilities or labels only."""
    maps = run(probe_of(exact=exact), [ClassEvidence(0), Contrast(0, 1)], shelf(tmp_path, 0, 100, 0, 100))
    box = np.zeros((SIDE, SIDE), dtype=bool)
    box[BOX] = True
    for key in ("class:0", "contrast:0/1"):
        assert np.array_equal(maps.outlines[f"{key}/taken"], box)
        assert np.array_equal(maps.values[key] != 0, box)
    assert said(maps.companions["counterfactual"]) == said(maps.companions["reference"]) == 1
    change = image_of(picture(0, 0)).numpy() - maps.companions["counterfactual"]
    np.testing.assert_allclose(maps.values["contrast:0/1"], change.mean(0), atol=1e-7)
    np.testing.assert_allclose(maps.values["class:0"], np.abs(change).mean(0), atol=1e-7)
    assert ("contrast:0/1/probability" in maps.traces) is not exact
    assert ("p = " in maps.findings[0]) is not exact
    assert "3.1% of the picture" in maps.findings[0]
    assert maps.stopped_because == "complete"


@pytest.mark.parametrize(("target", "other"), [(Contrast(0, 2), 2), (Contrast(0, 1), 1), (ClassEvidence(0), 1)])
def test_the_target_names_the_class(tmp_path: Path, target: Target, other: int) -> None:
    """A contrast its own, a class the runner-up; a picture of class 2 gives a smaller part of itself to class 1."""
    maps = run(probe_of(), [target], shelf(tmp_path, 0, 255, 128, 0, 128, 255))
    assert said(maps.companions["counterfactual"]) == other
    assert said(maps.companions["reference"]) == other


def test_where_the_runner_up_is_missing_the_likeliest_there_is_stands_for_it(tmp_path: Path) -> None:
    """Of a class; a contrast that names it has no map, and a sentence says why."""
    probe = probe_of()
    maps = run(probe, [ClassEvidence(0), Contrast(0, 1)], shelf(tmp_path, 0, 255, 0))
    assert said(maps.companions["counterfactual"]) == 2
    assert not maps.values["contrast:0/1"].any()
    assert "class 1, got none among 3" in maps.findings[1]
    assert "it says class 0 of 2, class 2 of 1: ask for contrast:0/2, give other pictures" in maps.findings[1]


def test_a_class_beside_a_contrast_has_the_same_other(tmp_path: Path) -> None:
    """One search, one counterfactual; with two contrasts there are two, named by their classes."""
    reference = shelf(tmp_path, 0, 255, 128)
    maps = run(probe_of(), [ClassEvidence(0), Contrast(0, 2)], reference)
    np.testing.assert_array_equal(maps.values["class:0"], np.abs(maps.values["contrast:0/2"]))
    assert list(maps.companions) == ["counterfactual", "reference"]
    both = run(probe_of(), [Contrast(0, 2), Contrast(0, 1)], reference).companions
    assert {key: said(each) for key, each in both.items() if key.startswith("c")} == {
        "counterfactual_1": 1,
        "counterfactual_2": 2,
    }


def test_with_labels_only_the_nearest_of_another_class_says_which(tmp_path: Path) -> None:
    """The box of class 2 is farther from this picture than that of class 1."""
    for boxes, other in (((255, 128), 1), ((255, 255), 2)):
        maps = run(probe_of(exact=True), [ClassEvidence(0)], shelf(tmp_path, *boxes))
        assert said(maps.companions["counterfactual"]) == other


def slow(image: Tensor, donor: Tensor, other: int) -> np.ndarray:
    """The search in plain loops, with hard edges."""
    taken = np.ones((SIDE, SIDE), dtype=bool)
    for side in (16, 8, 4):
        ranked = []
        for top, left in itertools.product(range(0, SIDE, side), repeat=2):
            where = np.zeros_like(taken)
            where[top : top + side, left : left + side] = True
            if (where & taken).any():
                ranked.append((float(((donor - image).abs().sum(0).numpy() * (where & taken)).sum()), top, left, where))
        for _, _, _, where in sorted(ranked, key=lambda each: each[:3]):
            made = torch.where(torch.from_numpy(taken & ~where), donor, image)
            if said(made.numpy()) == other:
                taken &= ~where
    return taken


@pytest.mark.parametrize("seed", range(3))
def test_the_search_is_the_plain_one(seed: int) -> None:
    """For a class that hangs on a random part of the picture, the region of the slow search."""
    probe = probe_of()
    donor = image_of(picture(255, 50 + seed))
    answer = probe.show(donor[None])[0]
    swap = Swap(probe, donor, Wish(2, 0.0), said=float(answer[2]), edge=0.0)
    assert swap.shrink(TILE, 100) == "complete"
    assert np.array_equal(swap.region, slow(probe.image, donor, 2))
    assert probe.queries.forward_images <= 1 + most_queries(probe.size, TILE)
    assert [step.area for step in swap.steps] == sorted((step.area for step in swap.steps), reverse=True)
    assert swap.steps[0].area == 1


@pytest.mark.parametrize("edge", [0.0, 1.5])
def test_what_is_returned_was_shown_under_any_budget(tmp_path: Path, edge: float) -> None:
    """With soft edges too; with more queries the region is smaller, with two it is the whole reference picture."""
    reference, areas = shelf(tmp_path, 255, 255), []
    for queries in (2, 6, 12, None):
        probe = probe_of(budget=Budget(queries))
        maps = run(probe, [Contrast(0, 2)], reference, candidates=1, edge=edge)
        assert queries is None or probe.queries.forward_images <= queries
        made = torch.from_numpy(maps.companions["counterfactual"])
        assert isinstance(probe.classifier, Game)
        assert any(torch.equal(made, shown) for batch in probe.classifier.seen for shown in batch)
        assert said(made.numpy()) == 2
        areas.append(maps.outlines["contrast:0/2/taken"].mean())
        assert maps.stopped_because == ("complete" if queries is None else "queries")
        assert maps.traces["contrast:0/2/area"][-1] == pytest.approx(areas[-1])
    assert areas[0] == 1
    assert areas[0] > areas[1] > areas[2] > areas[3]


def test_a_budget_of_one_is_refused(tmp_path: Path) -> None:
    """Before anything is asked."""
    probe = probe_of(budget=Budget(1))
    with pytest.raises(RequestError, match="budget of 1"):
        run(probe, [ClassEvidence(0)], shelf(tmp_path, 255))
    assert probe.queries.forward_images == 0


def test_every_query_is_counted_and_batches_change_nothing(tmp_path: Path) -> None:
    """The account is what the game saw; the maps are the same to the last bit."""
    reference, values = shelf(tmp_path, 0, 128, 255, 128, 0), []
    for batch in (1, 7, 7):
        probe = probe_of(batch=batch)
        values.append(run(probe, [ClassEvidence(0)], reference).values["class:0"])
        assert isinstance(probe.classifier, Game)
        assert probe.queries.forward_images == sum(map(len, probe.classifier.seen))
        assert probe.queries.forward_images <= probe.planned
    assert np.array_equal(values[0], values[1])
    assert np.array_equal(values[1], values[2])


def test_reference_pictures_are_brought_to_the_view(tmp_path: Path) -> None:
    """Of twice the size, for a classifier of a fixed size and for one of any; the box, and its rim where it was resampled."""
    for view in (View((SIDE, SIDE)), View.native()):
        probe = probe_of()
        assert isinstance(probe.classifier, Game)
        probe.classifier.view = view
        maps = run(probe, [Contrast(0, 2)], shelf(tmp_path, 255, 255, side=2 * SIDE))
        assert maps.companions["reference"].shape == (3, SIDE, SIDE)
        assert maps.outlines["contrast:0/2/taken"][BOX].mean() > 0.7
        assert maps.outlines["contrast:0/2/taken"].mean() < 0.05


def test_confidence_is_kept(tmp_path: Path) -> None:
    """The counterfactual gets at least so much, and takes more for it; a reference picture that gets less is not taken."""
    made = {}
    for confidence in (0.0, 0.95):
        maps = run(probe_of(), [Contrast(0, 2)], shelf(tmp_path, 255), confidence=confidence, tile=1)
        made[confidence] = maps.outlines["contrast:0/2/taken"].sum()
        assert maps.traces["contrast:0/2/probability"][-1] >= confidence
    assert made[0.95] > made[0.0]
    with pytest.raises(RequestError, match=r"says class 2 with p >= 0\.95, got none"):
        run(probe_of(), [Contrast(0, 2)], shelf(tmp_path, 200), confidence=0.95)


def test_pictures_that_bear_the_name_are_asked_first(tmp_path: Path) -> None:
    """One query finds the far one that is labelled, where the nearest of all are asked otherwise."""
    pixels = np.stack([picture(box, 0 if box == 0 else 9) for box in [0] * 40 + [255]])
    path = tmp_path / "named.npz"
    np.savez(path, images=pixels, labels=np.array([0] * 40 + [2]))
    probe = probe_of()
    run(probe, [Contrast(0, 2)], str(path), pool=16)
    assert isinstance(probe.classifier, Game)
    assert (probe.classifier.seen[1][0, :, *BOX] == 1).all()
    np.savez(path, images=pixels)
    with pytest.raises(RequestError, match="got none among 16"):
        run(probe_of(), [Contrast(0, 2)], str(path), pool=16)


def test_the_smallest_of_the_candidates_is_taken(tmp_path: Path) -> None:
    """The nearest one has half a box of class 2, so that all of it is needed; another needs less."""
    near = picture(215, 0)
    far = picture(255, 5)
    np.savez(tmp_path / "two.npz", images=np.stack([near, far]))
    maps = run(probe_of(), [Contrast(0, 2)], str(tmp_path / "two.npz"), tile=1)
    assert "reference picture 1" in maps.findings[0]
    assert "Of the 2 nearest of that class it is the one of which least is needed: number 2" in maps.findings[0]
    alone = run(probe_of(), [Contrast(0, 2)], str(tmp_path / "two.npz"), tile=1, candidates=1)
    assert "reference picture 0" in alone.findings[0]
    assert "It is the only one" in alone.findings[0]
    assert alone.outlines["contrast:0/2/taken"].sum() > maps.outlines["contrast:0/2/taken"].sum()


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (ClassEvidence(1), "The classifier says class 0, not class 1: nothing to change."),
        (Contrast(2, 1), "does not hold class 2 likelier than class 1"),
    ],
)
def test_a_class_that_is_not_the_answer_is_not_changed(tmp_path: Path, target: Target, message: str) -> None:
    """An empty map, and a sentence."""
    maps = run(probe_of(), [target], shelf(tmp_path, 255))
    assert message in maps.findings[0]
    assert not maps.values[target.key].any()
    assert maps.outlines == maps.companions == {}


def test_a_classifier_that_calls_everything_one_class_is_refused(tmp_path: Path) -> None:
    """There is nothing to compare with, and the message says what there is."""
    for exact in (False, True):
        with pytest.raises(RequestError, match=r"got none among 2 that it was shown; it says class 0 of 2: give other"):
            run(probe_of(exact=exact), [ClassEvidence(0)], shelf(tmp_path, 0, 0))


@pytest.mark.parametrize("settings", [{"candidates": 0}, {"pool": 0}, {"tile": 0}, {"edge": -1.0}, {"confidence": 1.0}])
def test_settings_out_of_range_are_refused(tmp_path: Path, settings: dict[str, float]) -> None:
    """Before anything is read."""
    with pytest.raises(RequestError, match="expected"):
        run(probe_of(), [ClassEvidence(0)], str(tmp_path / "missing"), **settings)


def test_without_reference_pictures_the_message_says_how() -> None:
    """The name of the setting is in it."""
    with pytest.raises(RequestError, match="nearest-counterfactual:reference=FOLDER"):
        nearest_counterfactual(probe_of(), [ClassEvidence(0)])


def test_distances_are_root_mean_squares() -> None:
    """Pixel by pixel, and between means over cells: two pixels a side here."""
    pixels = np.stack([picture(255, 3), picture(0, 4)])
    image = image_of(picture(0, 0))
    collection = Collection(pixels)
    exact, blurred = (distances(image, collection, kind) for kind in ("pixels", "blurred"))
    for number, other in enumerate(collection.images(slice(None))):
        change = (other - image).numpy()
        assert exact[number] == pytest.approx(np.sqrt(np.mean(change**2)), rel=1e-5)
        cells = change.reshape(3, 16, 2, 16, 2).mean((2, 4))
        assert blurred[number] == pytest.approx(np.sqrt(np.mean(cells**2)), rel=1e-5)


def test_no_picture_is_asked_about_twice() -> None:
    """Whatever is looked for."""
    probe = probe_of()
    pixels = np.stack([picture(box, seed) for seed, box in enumerate([0, 128, 255] * 10)])
    references = References(probe, Collection(pixels), distance="blurred", room=25)
    assert len(references.find(Wish(1, 0.0), 3)) == 3
    found = references.find(Wish(2, 0.0), 30)
    assert [references.distances[index] for index in found] == sorted(references.distances[found])
    assert references.rival(0) == 1
    assert sum(count for _, count in references.said()) == probe.queries.forward_images - 1 == 25
