"""Test the nearest counterfactual against constructed truths: the mean of a box in the image decides the class."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from games import Game
from seewhy.core.access import Access
from seewhy.core.attribution import Attribution
from seewhy.core.budget import Budget
from seewhy.core.errors import RequestError
from seewhy.core.probe import Probe
from seewhy.core.target import ClassEvidence, Contrast, Target
from seewhy.core.view import View
from seewhy.images.collection import Collection
from seewhy.infills.plain import constant
from seewhy.methods.counterfactual._references import References, distances
from seewhy.methods.counterfactual._swap_search import Swap, most_queries
from seewhy.methods.counterfactual.nearest import nearest_counterfactual

SIDE, TILE = 32, 4
BOX = (slice(8, 16), slice(20, 24))
"""A box of two tiles; its mean determines the class: below 0.25 class 0, then class 1, above 0.75 class 2."""


def logits(images: Tensor) -> Tensor:
    """Return logits of the class given by the mean of the box, in large steps."""
    mean = images[:, :, *BOX].mean((1, 2, 3))
    return 20 * torch.stack([0.25 - mean, torch.zeros_like(mean), mean - 0.75], 1)


def labels_only(images: Tensor) -> Tensor:
    """Return the same classes as one-hot labels."""
    return 1e4 * torch.nn.functional.one_hot(logits(images).argmax(1), 3).double()


def picture(box: int, seed: int) -> np.ndarray:
    """Return a random dark gray image with a box of one brightness, which may be dark too."""
    pixels = np.random.default_rng(seed).integers(0, 60, (SIDE, SIDE, 1), np.uint8)
    pixels[BOX] = box
    return pixels


def shelf(folder: Path, *boxes: int, side: int = SIDE) -> str:
    """Save a file of images with these boxes, each with a different background."""
    pixels = np.stack([picture(box, seed) for seed, box in enumerate(boxes, 1)])
    scaled = pixels.repeat(side // SIDE, 1).repeat(side // SIDE, 2)
    path = folder / "pictures.npz"
    np.savez(path, images=scaled)
    return str(path)


def image_of(pixels: np.ndarray) -> Tensor:
    """Return an image in the form that a classifier receives."""
    return torch.from_numpy(pixels[..., 0].astype(np.float32) / 255).expand(3, -1, -1).contiguous()


def probe_of(*, exact: bool = False, budget: Budget | None = None, batch: int = 4, box: int = 0) -> Probe:
    """Return a probe of the game on an image of class 0."""
    game = Game(labels_only if exact else logits, view=View((SIDE, SIDE)))
    game.access = Access.LABEL if exact else Access.PROBABILITIES
    return Probe(game, constant(value=0.0), image_of(picture(box, 0)), batch_size=batch, budget=budget or Budget())


def run(probe: Probe, targets: list[Target], reference: str, **settings: object) -> Attribution:
    """Run the method with hard edges."""
    return nearest_counterfactual(probe, targets, **{"reference": reference, "tile": TILE, "edge": 0.0, **settings})  # type: ignore[arg-type]


def predicted_class(image: np.ndarray) -> int:
    """Return the class that the game predicts for an image."""
    return int(logits(torch.from_numpy(image)[None].double())[0].argmax())


@pytest.mark.parametrize("exact", [False, True])
def test_only_the_box_is_taken(tmp_path: Path, exact: bool) -> None:
    """The region is the box, all of which is necessary, with probabilities or labels only."""
    maps = run(probe_of(exact=exact), [ClassEvidence(0), Contrast(0, 1)], shelf(tmp_path, 0, 100, 0, 100))
    box = np.zeros((SIDE, SIDE), dtype=bool)
    box[BOX] = True
    for key in ("class:0", "contrast:0/1"):
        assert np.array_equal(maps.outlines[f"{key}/taken"], box)
        assert np.array_equal(maps.values[key] != 0, box)
    assert predicted_class(maps.generated["counterfactual"]) == predicted_class(maps.generated["reference"]) == 1
    change = image_of(picture(0, 0)).numpy() - maps.generated["counterfactual"]
    np.testing.assert_allclose(maps.values["contrast:0/1"], change.mean(0), atol=1e-7)
    np.testing.assert_allclose(maps.values["class:0"], np.abs(change).mean(0), atol=1e-7)
    assert ("contrast:0/1/probability" in maps.traces) is not exact
    assert ("p = " in maps.findings[0]) is not exact
    assert "3.1% of the image" in maps.findings[0]
    assert maps.stopped_because == "complete"


@pytest.mark.parametrize(("target", "other"), [(Contrast(0, 2), 2), (Contrast(0, 1), 1), (ClassEvidence(0), 1)])
def test_the_target_names_the_class(tmp_path: Path, target: Target, other: int) -> None:
    """A contrast names its class, a class uses the runner-up; an image of class 2 gives a smaller part to class 1."""
    maps = run(probe_of(), [target], shelf(tmp_path, 0, 255, 128, 0, 128, 255))
    assert predicted_class(maps.generated["counterfactual"]) == other
    assert predicted_class(maps.generated["reference"]) == other


def test_a_missing_runner_up_is_replaced_by_the_most_probable_class(tmp_path: Path) -> None:
    """This holds for a class target; a contrast that names the missing class has no map, and a finding states why."""
    probe = probe_of()
    maps = run(probe, [ClassEvidence(0), Contrast(0, 1)], shelf(tmp_path, 0, 255, 0))
    assert predicted_class(maps.generated["counterfactual"]) == 2
    assert not maps.values["contrast:0/1"].any()
    assert "class 1, got none among 3" in maps.findings[1]
    assert "(predictions: class 0 for 2, class 2 for 1); request contrast:0/2, use other images" in maps.findings[1]


def test_a_class_shares_the_contrasts_other_class(tmp_path: Path) -> None:
    """One search gives one counterfactual; two contrasts give two, named by class."""
    reference = shelf(tmp_path, 0, 255, 128)
    maps = run(probe_of(), [ClassEvidence(0), Contrast(0, 2)], reference)
    np.testing.assert_array_equal(maps.values["class:0"], np.abs(maps.values["contrast:0/2"]))
    assert list(maps.generated) == ["counterfactual", "reference"]
    both = run(probe_of(), [Contrast(0, 2), Contrast(0, 1)], reference).generated
    assert {key: predicted_class(each) for key, each in both.items() if key.startswith("c")} == {
        "counterfactual_1": 1,
        "counterfactual_2": 2,
    }


def test_with_labels_only_the_nearest_image_names_the_class(tmp_path: Path) -> None:
    """The box of class 2 is farther from this image than that of class 1."""
    for boxes, other in (((255, 128), 1), ((255, 255), 2)):
        maps = run(probe_of(exact=True), [ClassEvidence(0)], shelf(tmp_path, *boxes))
        assert predicted_class(maps.generated["counterfactual"]) == other


def slow(image: Tensor, donor: Tensor, other: int) -> np.ndarray:
    """Run the search in plain loops, with hard edges."""
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
            if predicted_class(made.numpy()) == other:
                taken &= ~where
    return taken


@pytest.mark.parametrize("seed", range(3))
def test_the_search_matches_the_reference_implementation(seed: int) -> None:
    """For a class that depends on a random part of the image, the region equals that of the slow search."""
    probe = probe_of()
    donor = image_of(picture(255, 50 + seed))
    answer = probe.show(donor[None])[0]
    swap = Swap(probe, donor, 2, probability=float(answer[2]), edge=0.0)
    assert swap.shrink(TILE, 100) == "complete"
    assert np.array_equal(swap.region, slow(probe.image, donor, 2))
    assert probe.queries.forward_images <= 1 + most_queries(probe.size, TILE)
    assert [step.area for step in swap.steps] == sorted((step.area for step in swap.steps), reverse=True)
    assert swap.steps[0].area == 1


@pytest.mark.parametrize("edge", [0.0, 1.5])
def test_the_returned_image_was_shown_under_any_budget(tmp_path: Path, edge: float) -> None:
    """This holds with soft edges too; more queries give a smaller region, two give the whole reference image."""
    reference, areas = shelf(tmp_path, 255, 255), []
    for queries in (2, 6, 12, None):
        probe = probe_of(budget=Budget(queries))
        maps = run(probe, [Contrast(0, 2)], reference, candidates=1, edge=edge)
        assert queries is None or probe.queries.forward_images <= queries
        made = torch.from_numpy(maps.generated["counterfactual"])
        assert isinstance(probe.classifier, Game)
        assert any(torch.equal(made, shown) for batch in probe.classifier.seen for shown in batch)
        assert predicted_class(made.numpy()) == 2
        areas.append(maps.outlines["contrast:0/2/taken"].mean())
        assert maps.stopped_because == ("complete" if queries is None else "queries")
        assert maps.traces["contrast:0/2/area"][-1] == pytest.approx(areas[-1])
    assert areas[0] == 1
    assert areas[0] > areas[1] > areas[2] > areas[3]


def test_a_budget_of_one_is_rejected(tmp_path: Path) -> None:
    """The error comes before any query."""
    probe = probe_of(budget=Budget(1))
    with pytest.raises(RequestError, match="budget of 1"):
        run(probe, [ClassEvidence(0)], shelf(tmp_path, 255))
    assert probe.queries.forward_images == 0


def test_every_query_is_counted_and_batches_change_nothing(tmp_path: Path) -> None:
    """The count equals what the game received; the maps are identical bit for bit."""
    reference, values = shelf(tmp_path, 0, 128, 255, 128, 0), []
    for batch in (1, 7, 7):
        probe = probe_of(batch=batch)
        values.append(run(probe, [ClassEvidence(0)], reference).values["class:0"])
        assert isinstance(probe.classifier, Game)
        assert probe.queries.forward_images == sum(map(len, probe.classifier.seen))
        assert probe.queries.forward_images <= probe.planned
    assert np.array_equal(values[0], values[1])
    assert np.array_equal(values[1], values[2])


def test_reference_images_go_through_the_view(tmp_path: Path) -> None:
    """Images of twice the size work for classifiers of fixed and of any size; resampling may add the box's border."""
    for view in (View((SIDE, SIDE)), View.native()):
        probe = probe_of()
        assert isinstance(probe.classifier, Game)
        probe.classifier.view = view
        maps = run(probe, [Contrast(0, 2)], shelf(tmp_path, 255, 255, side=2 * SIDE))
        assert maps.generated["reference"].shape == (3, SIDE, SIDE)
        assert maps.outlines["contrast:0/2/taken"][BOX].mean() > 0.7
        assert maps.outlines["contrast:0/2/taken"].mean() < 0.05


def test_images_labelled_with_the_class_are_queried_first(tmp_path: Path) -> None:
    """One query finds the distant labelled image, where otherwise the nearest images are queried."""
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


def test_the_candidate_with_the_smallest_area_is_chosen(tmp_path: Path) -> None:
    """The nearest has half a box of class 2, so that all of it is necessary; another needs less."""
    near = picture(215, 0)
    far = picture(255, 5)
    np.savez(tmp_path / "two.npz", images=np.stack([near, far]))
    maps = run(probe_of(), [Contrast(0, 2)], str(tmp_path / "two.npz"), tile=1)
    assert "reference image 1" in maps.findings[0]
    smallest = "Of the 2 nearest reference images with that class, it needs the smallest area: number 2"
    assert smallest in maps.findings[0]
    alone = run(probe_of(), [Contrast(0, 2)], str(tmp_path / "two.npz"), tile=1, candidates=1)
    assert "reference image 0" in alone.findings[0]
    assert "It is the only reference image found" in alone.findings[0]
    assert alone.outlines["contrast:0/2/taken"].sum() > maps.outlines["contrast:0/2/taken"].sum()


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (ClassEvidence(1), "The classifier does not predict class 1: there is nothing to change."),
        (Contrast(2, 1), "does not predict class 2 over class 1: there"),
    ],
)
def test_a_class_that_is_not_predicted_is_not_changed(tmp_path: Path, target: Target, message: str) -> None:
    """The map is empty, and a finding states why."""
    maps = run(probe_of(), [target], shelf(tmp_path, 255))
    assert message in maps.findings[0]
    assert not maps.values[target.key].any()
    assert maps.outlines == maps.generated == {}


def test_a_constant_classifier_is_rejected(tmp_path: Path) -> None:
    """There is no image to compare with, and the message lists the predictions."""
    for exact in (False, True):
        with pytest.raises(RequestError, match=r"got none among 2 queried \(predictions: class 0 for 2\); use other"):
            run(probe_of(exact=exact), [ClassEvidence(0)], shelf(tmp_path, 0, 0))


@pytest.mark.parametrize("settings", [{"candidates": 0}, {"pool": 0}, {"tile": 0}, {"edge": -1.0}])
def test_settings_out_of_range_are_rejected(tmp_path: Path, settings: dict[str, float]) -> None:
    """The error comes before anything is read."""
    with pytest.raises(RequestError, match="expected"):
        run(probe_of(), [ClassEvidence(0)], str(tmp_path / "missing"), **settings)


def test_missing_reference_images_are_explained() -> None:
    """The message contains the name of the setting."""
    with pytest.raises(RequestError, match="nearest-counterfactual:reference=FOLDER"):
        nearest_counterfactual(probe_of(), [ClassEvidence(0)])


def test_distances_are_root_mean_squares() -> None:
    """Distances are computed between means over cells, here of two pixels a side."""
    pixels = np.stack([picture(255, 3), picture(0, 4)])
    image = image_of(picture(0, 0))
    collection = Collection(pixels)
    found = distances(image, collection)
    for number, other in enumerate(collection.images(slice(None))):
        change = (other - image).numpy()
        cells = change.reshape(3, 16, 2, 16, 2).mean((2, 4))
        assert found[number] == pytest.approx(np.sqrt(np.mean(cells**2)), rel=1e-5)


def test_no_image_is_queried_twice() -> None:
    """This holds for any sequence of searches."""
    probe = probe_of()
    pixels = np.stack([picture(box, seed) for seed, box in enumerate([0, 128, 255] * 10)])
    references = References(probe, Collection(pixels), limit=25)
    assert len(references.find(1, 3)) == 3
    found = references.find(2, 30)
    assert [references.distances[index] for index in found] == sorted(references.distances[found])
    assert references.contrast_class(0) == 1
    assert sum(count for _, count in references.predictions()) == probe.queries.forward_images - 1 == 25
