"""Several in-fills, one question: what is an artefact is called one, what is not is not."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from jaxtyping import Float
from torch import Tensor

import seewhy
from games import Game, picture, small_cnn
from seewhy.core.infill import Infill
from seewhy.infills.plain import constant
from seewhy.registry import ClassifierLike
from seewhy.results.infill_comparison import ComparedTarget

Pixels = Float[Tensor, "3 h w"]

pytestmark = pytest.mark.filterwarnings("ignore:.*depends on the in-fill:UserWarning")


def spots(images: Tensor) -> Tensor:
    """Class 0 counts bright red pixels at three places of the left half; nothing else matters, whatever is put there."""
    places = images[:, 0, 4, 4] + 2 * images[:, 0, 20, 4] + 3 * images[:, 0, 12, 12]
    return torch.stack([places, torch.zeros_like(places)], dim=1)


def flat_squares(images: Tensor) -> Tensor:
    """Class 0 wants the mark of each window, most of all the first one's, and minds flat squares, most of all the last."""
    windows = images.unfold(2, 8, 8).unfold(3, 8, 8).flatten(2, 3)
    marked = (windows[:, 0, :, 0, 0] == 1) & (windows[:, 1, :, 0, 0] == 0)
    flat = windows.flatten(3).std(-1).amax(1) < 1e-3
    place = torch.arange(marked.shape[1], dtype=images.dtype)
    wanted = (marked * place.flip(0)).sum(1) - 3 * (flat * place).sum(1)
    return torch.stack([wanted / 20, torch.zeros_like(wanted)], dim=1)


def pixels() -> Pixels:
    """A random picture that is bright where `spots` looks, with the marks of `flat_squares`."""
    image = picture(24, 24).clone()
    for row, column in [(4, 4), (20, 4), (12, 12)]:
        image[0, row, column] = 1
    image[0, ::8, ::8], image[1, ::8, ::8] = 1, 0
    return image


def compare(
    classifier: ClassifierLike, infills: list[str | Infill] | None, **settings: object
) -> tuple[seewhy.InfillComparison, ComparedTarget]:
    """A small comparison, and what it says of class 0."""
    asked: dict[str, object] = {"method": "pmi:size=8,stride=8,samples=2", "targets": 0} | settings
    found = seewhy.compare_infills(classifier, pixels(), infills, **asked)  # type: ignore[arg-type]
    return found, found.record.targets[0]


def test_what_does_not_hang_on_the_infill_agrees() -> None:
    """Three pixels carry the answer; black, blurred or dark, their windows come out on top."""
    _, found = compare(Game(spots, 2), [constant(value=0.0), constant(value=0.2), constant(value=0.1)])
    assert found.level == "agree"
    assert found.correlation == pytest.approx(1, abs=1e-6)


def test_what_the_infill_itself_made_is_an_artefact() -> None:
    """A classifier that minds gray squares puts the windows in the reverse order when they are filled with gray."""
    found, target = compare(Game(flat_squares, 2), ["gray", "donor", "telea"])
    assert target.level == "depends"
    # A donor patch may bring a mark of its own to the right place, by chance.
    assert np.array(target.correlations) == pytest.approx(np.array([[1, -1, -1], [-1, 1, 1], [-1, 1, 1]]), abs=0.05)
    assert found.correlation["class:0"] == pytest.approx(-1 / 3, abs=0.05)
    assert found.disagreement["class:0"].max() > 1


def test_all_infills_are_asked_about_the_same_windows() -> None:
    """One plan for all, made by a random one; an in-fill that is the same every time is asked once a window."""
    for limits in ({}, {"budget": 60}, {"budget": 60, "method": "pmi:size=8,stride=4,samples=2"}):
        found, _ = compare(small_cnn(), ["gray", "donor", "noise"], **{"method": "pmi:size=8", **limits})
        gray, donor, noise = found.record.infills
        assert gray.settings["stride"] == donor.settings["stride"] == noise.settings["stride"]
        assert (gray.settings["samples"], donor.settings["samples"]) == (1, noise.settings["samples"])
        asked = [each.queries.forward_images - 1 for each in (gray, donor, noise)]
        samples = donor.settings["samples"]
        assert isinstance(samples, int)
        assert asked[1] == asked[2] == asked[0] * samples
        assert max(asked) < (60 if "budget" in limits else 1000)
        seen = [answer.samples.sampled for answer in found.explanations.values()]
        assert all(np.array_equal(seen[0].positions, other.positions) for other in seen if seen[0] and other)


def test_each_explanation_is_the_one_that_explain_gives() -> None:
    """Comparing changes no map."""
    found, _ = compare(small_cnn(), ["telea", "donor"])
    for infill, answer in found.explanations.items():
        alone = seewhy.explain(small_cnn(), pixels(), method="pmi:size=8,stride=8,samples=2", targets=0, infill=infill)
        assert np.array_equal(alone.maps["class:0"], answer.maps["class:0"])


def test_by_default_the_likeliest_class_and_the_information_are_compared() -> None:
    """With the in-fills that can fill the windows; the other is named in a warning."""
    with pytest.warns(UserWarning, match="skipped patch-sampler: expected a hole"):
        found = seewhy.compare_infills(small_cnn(), pixels(), method="pmi:size=20,samples=2")
    assert list(found.explanations) == ["exemplar", "telea", "donor", "gray"]
    top = next(iter(found.explanations.values())).predicted[0].index
    assert list(found.correlation) == ["information", f"class:{top}"]
    assert list(found.sign_conflict) == [f"class:{top}"]
    assert [each.title for each in found.record.skipped] == ["patch-sampler"]


def test_a_method_with_grids_can_be_compared() -> None:
    """RISE has no windows and no samples."""
    found, target = compare(small_cnn(), ["gray", "donor"], method="rise:masks=60")
    assert [each.queries.forward_images for each in found.record.infills] == [61, 61]
    assert target.correlation is not None


def test_the_folder_holds_all_of_it(tmp_path: Path) -> None:
    """The record, the picture, the arrays and an explanation an in-fill; of two alike the second is numbered."""
    found, _ = compare(small_cnn(), ["blur:sigma=2", "blur:sigma=20", "gray"])
    folder = found.save(tmp_path / "out")
    inside = {path.name for path in folder.iterdir()}
    assert inside == {"comparison.json", "comparison.png", "disagreement.safetensors", "blur", "blur-2", "gray"}
    assert json.loads((folder / "comparison.json").read_text()) == json.loads(json.dumps(found.to_json()))
    for name, answer in found.explanations.items():
        assert np.array_equal(seewhy.load(folder / name, seewhy.Explanation).maps["class:0"], answer.maps["class:0"])
    assert found.overview() == (folder / "comparison.png").read_bytes()


@pytest.mark.parametrize(
    ("infills", "settings", "message"),
    [
        (["gray"], {}, "at least two in-fills"),
        (["gray", "donro"], {}, "did you mean donor"),
        (["gray", "patch-sampler"], {"method": "pmi:size=20"}, "expected a hole"),
        (["gray", "donor"], {"budget": 5}, "at least"),
        (None, {"budget": 5}, "at least"),
        (["gray", "donor"], {"targets": 7}, "from 0 to 4, got 7"),
    ],
)
def test_a_wrong_comparison_says_what_to_do(
    infills: list[str | Infill] | None, settings: dict[str, object], message: str
) -> None:
    """An in-fill that was asked for by name is not skipped."""
    with pytest.raises(seewhy.RequestError, match=message):
        compare(small_cnn(), infills, **settings)


def checked(classifier: ClassifierLike, **settings: object) -> seewhy.Explanation:
    """A small explanation that was held against other in-fills."""
    asked: dict[str, object] = {"method": "pmi:size=8,stride=8,samples=2", "infill": "gray", "targets": 0} | settings
    return seewhy.explain(classifier, pixels(), check_infill=True, **asked)  # type: ignore[arg-type]


def test_the_check_warns_of_an_artefact_and_of_nothing_else() -> None:
    """Gray squares: a warning that names the class; three pixels in black: none."""
    with pytest.warns(UserWarning, match="class 0: the map depends on the in-fill"):
        found = checked(Game(flat_squares, 2)).record
    assert "class 0: the map depends on the in-fill" in found.warnings[-1]
    sound = checked(Game(spots, 2), infill=constant(value=0.0)).record
    assert not [text for text in sound.warnings if "in-fill" in text]


def test_the_check_changes_no_map_and_counts_apart() -> None:
    """Same maps, same queries; the others' queries are a sum of their own, whatever the budget."""
    answer = checked(small_cnn(), budget=10)
    plain = seewhy.explain(
        small_cnn(), pixels(), method="pmi:size=8,stride=8,samples=2", infill="gray", targets=0, budget=10
    )
    check = answer.record.diagnostics.infill_check
    assert check is not None
    assert plain.record.diagnostics.infill_check is None
    assert answer.queries == plain.queries
    assert np.array_equal(answer.maps["class:0"], plain.maps["class:0"])
    assert [each.queries for each in check.infills] == [19, 19]
    assert check.queries == 38


def test_the_check_gives_the_correlation_with_each() -> None:
    """The same numbers as from the maps of the other in-fills."""
    answer = checked(small_cnn(), infill="donor")
    check = answer.record.diagnostics.infill_check
    assert check is not None
    _, target = compare(small_cnn(), ["donor", *(each.spec for each in check.infills)])
    (row,) = check.targets
    first = [value or 0.0 for value in target.correlations[0][1:]]
    assert row.each == pytest.approx(first, abs=1e-12)
    assert row.correlation == pytest.approx(sum(first) / 2, abs=1e-12)


@pytest.mark.parametrize(
    ("settings", "asked", "skipped"),
    [
        ({"infill": "gray"}, ["patch-sampler", "exemplar"], []),
        ({"infill": "exemplar"}, ["patch-sampler", "telea"], []),
        ({"infill": "patch-sampler"}, ["exemplar", "telea"], []),
        ({"method": "occlusion:size=20"}, ["exemplar", "telea"], ["patch-sampler"]),
        ({"method": "rise:masks=60"}, ["exemplar", "telea"], ["patch-sampler"]),
        ({"method": "occlusion:size=20", "infill": "exemplar"}, ["telea"], ["patch-sampler"]),
    ],
)
def test_two_of_another_kind_are_asked(settings: dict[str, object], asked: list[str], skipped: list[str]) -> None:
    """Never the main one's kind; one that cannot fill the holes gives way to the next, and is listed."""
    check = checked(small_cnn(), **settings).record.diagnostics.infill_check
    assert check is not None
    assert [each.spec.partition(":")[0] for each in check.infills] == asked
    assert [each.spec.partition(":")[0] for each in check.skipped] == skipped


def test_the_check_follows_a_run_that_was_cut_short() -> None:
    """The same windows as far as the run came, and its own settings."""
    answer = checked(small_cnn(), budget=14, method="pmi:size=8,stride=4,samples=1")
    assert answer.stopped_because == "queries"
    check = answer.record.diagnostics.infill_check
    assert check is not None
    assert [each.queries for each in check.infills] == [1 + 13 * 2, 1 + 13 * 2]


def test_progress_goes_on_through_the_check() -> None:
    """Queries are counted on and never back."""
    told: list[int] = []
    checked(small_cnn(), progress=lambda done, _: told.append(done))
    assert told == sorted(told)
    assert told[-1] == 10 + 38
