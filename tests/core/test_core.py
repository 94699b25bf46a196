"""Core data types and their validation."""

import math
from types import ModuleType

import numpy as np
import pytest
import torch

from games import Game, picture, pixel_logits
from seewhy.core import arrays, budget, errors, features, probe, seeds, settings, spec, target, view
from seewhy.core import attribution as maps
from seewhy.core.errors import ClassifierError, RequestError
from seewhy.infills.plain import constant


def test_windows_cover_everything_and_no_more() -> None:
    """Positions are one stride apart, the last row and column are included, and no position occurs twice."""
    for size, stride, height, width in [(8, 8, 224, 224), (8, 3, 21, 30), (5, 2, 11, 5), (7, 7, 7, 7)]:
        found = [tuple(p) for p in features.Windows(size, stride).positions(height, width).tolist()]
        axis_y = sorted({*range(0, height - size + 1, stride), height - size})
        axis_x = sorted({*range(0, width - size + 1, stride), width - size})
        assert sorted(found) == [(y, x) for y in axis_y for x in axis_x]


@pytest.mark.parametrize(("size", "stride"), [(8, 1), (8, 3), (5, 2), (6, 6), (8, 5)])
def test_the_first_windows_leave_no_pixel_out(size: int, stride: int) -> None:
    """The covering windows come first and cover the image, so a sweep may stop after them."""
    windows = features.Windows(size, stride)
    first = windows.positions(29, 34)[: windows.covering(29, 34)]
    assert bool((windows.keep(first, 29, 34) == 0).any(0).all())


def test_keep_is_zero_inside_the_window_only() -> None:
    """Keep is 0 inside the window and 1 outside."""
    keep = features.Windows(2, 1).keep(torch.tensor([[1, 2]]), 4, 5)[0]
    assert keep.sum() == 16
    assert keep[1:3, 2:4].sum() == 0


def test_uniforms_are_uniform_and_independent() -> None:
    """Check mean, standard deviation, open interval, and correlation between columns, rows and streams."""
    drawn = seeds.uniforms(torch.arange(4000), 20)
    other = seeds.uniforms(torch.arange(4000), 20, stream=1)
    assert 0 < drawn.min()  # noqa: SIM300
    assert drawn.max() < 1
    assert float(drawn.mean()) == pytest.approx(0.5, abs=0.005)
    assert float(drawn.var()) == pytest.approx(1 / 12, abs=0.001)
    columns = np.corrcoef(torch.cat([drawn, other], 1).T.numpy())
    assert np.abs(columns - np.eye(40)).max() < 0.08
    counts = torch.histc(drawn, 64, 0, 1)
    assert float(((counts - 1250) ** 2 / 1250).sum()) < 120  # chi-square, 63 degrees of freedom


def test_normals_are_normal() -> None:
    """Check mean 0, standard deviation 1, and the fraction within one standard deviation."""
    drawn = seeds.normals(torch.arange(1000), 100)
    assert float(drawn.mean()) == pytest.approx(0, abs=0.01)
    assert float(drawn.std()) == pytest.approx(1, abs=0.01)
    assert float((drawn.abs() < 1).float().mean()) == pytest.approx(math.erf(math.sqrt(0.5)), abs=0.01)


def test_derived_seeds_do_not_collide() -> None:
    """A hundred thousand coordinates give as many seeds, and another run seed gives different ones."""
    one = seeds.derive(0, torch.arange(1000)[:, None], torch.arange(100)[None])
    assert len(set(one.flatten().tolist())) == 100_000
    assert not bool((one == seeds.derive(1, torch.arange(1000)[:, None], torch.arange(100)[None])).any())


def test_compose_rounds_only_what_it_touches() -> None:
    """Kept pixels stay exact even off the 8-bit levels; blended pixels are rounded to them."""
    image = torch.full((3, 1, 3), 0.12345)
    mixed = arrays.compose(image, torch.tensor([[[1.0, 0.5, 0.0]]]), torch.ones(1, 3, 1, 3))[0, 0, 0]
    assert mixed[0] == image[0, 0, 0]
    assert (mixed[1:] * 255).tolist() == pytest.approx([143, 255], abs=1e-4)


@pytest.mark.parametrize("fill", [(1, 3, 1, 1), (1, 3, 5, 4), (19, 3, 5, 4)])
def test_compose_blends_every_row_alike(fill: tuple[int, ...]) -> None:
    """For any number of rows, kept pixels are exact and the others are the nearest of the 256 levels to the blend."""
    generator = torch.Generator().manual_seed(4)
    image, painted = (torch.rand(shape, generator=generator) for shape in ((3, 5, 4), fill))
    keep = (2 * torch.rand(19, 5, 4, generator=generator) - 0.5).clamp(0, 1)
    mixed = arrays.compose(image, keep, painted)
    kept = keep[:, None].expand_as(mixed) == 1
    assert torch.equal(mixed[kept], image.expand_as(mixed)[kept])
    levels = mixed[~kept] * 255
    torch.testing.assert_close(levels, levels.round(), atol=1e-4, rtol=0)
    exact = keep[:, None].double() * image + (1 - keep[:, None].double()) * painted
    assert ((mixed - exact).abs() * 255)[~kept].max() <= 0.5 + 1e-4


def test_a_spec_survives_being_written() -> None:
    """Text → Spec → the same text."""
    text = "python:object=pkg.mod:fn,size=224"
    assert str(spec.Spec.parse(text)) == text
    assert spec.Spec.parse(" rise ").name == "rise"


@pytest.mark.parametrize("text", ["", ":a=1", "rise:masks", "rise:=3", "rise:p=1,p=2", "rise:p="])
def test_a_bad_spec_is_refused(text: str) -> None:
    """A Spec needs a name and distinct key=value pairs."""
    with pytest.raises(RequestError):
        spec.Spec.parse(text)


def test_settings_are_read_by_type() -> None:
    """Settings can be int, float, choices, colours, flags and auto."""
    from typing import Literal  # noqa: PLC0415

    def f(
        *,
        n: int = 1,
        p: float = 0.5,
        how: Literal["a", "b"] = "a",
        size: int | None = 3,
        on: bool = False,
        color: tuple[float, float, float] = (0, 0, 0),
    ) -> None:
        """Take six settings."""
        del n, p, how, size, on, color

    text = {"n": "2", "p": ".1", "how": "b", "size": "auto", "on": "true", "color": "0/0.5/1"}
    read = settings.bind(f, text, "f")
    assert read == {"n": 2, "p": 0.1, "how": "b", "size": None, "on": True, "color": (0.0, 0.5, 1.0)}
    for name, wrong in [("n", "1.5"), ("p", "x"), ("how", "c"), ("on", "maybe"), ("color", "0/1")]:
        with pytest.raises(RequestError, match=f"expected f:{name}="):
            settings.bind(f, {name: wrong}, "f")
    with pytest.raises(RequestError, match="did you mean color"):
        settings.bind(f, {"colour": "0/0/0"}, "f")


def test_an_unknown_name_brings_the_nearest() -> None:
    """Close names are suggested first, or all names if none is close."""
    assert errors.did_you_mean("gary", ["gray", "blur"]) == "did you mean gray?"
    assert errors.did_you_mean("zzz", ["gray", "blur"]) == "choose from blur, gray"


@pytest.mark.parametrize("limits", [{"queries": 0}, {"seconds": -1.0}, {"tolerance": 0.0}])
def test_a_budget_is_positive(limits: dict[str, float]) -> None:
    """Zero and negative limits are rejected."""
    with pytest.raises(RequestError, match="omit it"):
        budget.Budget(**limits)  # type: ignore[arg-type]


def test_targets_are_linear_in_the_evidence() -> None:
    """The weights of a contrast are a difference; those of the information are the prediction."""
    prediction = torch.tensor([0.7, 0.2, 0.1])
    weights = target.weight_matrix([target.ClassEvidence(1), target.Contrast(1, 2), target.Information()], prediction)
    assert weights.T.tolist() == [[0, 1, 0], [0, 1, -1], pytest.approx([0.7, 0.2, 0.1])]


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([[0.5, float("nan")]], "NaN or infinity in row 0"),
        ([[-0.1, 1.1]], "logits"),
        ([[3.0, 2.0]], "logits"),
        ([[40.0, 60.0]], "percent"),
        ([[0.9, 0.8]], "sigmoid"),
        ([[1.0]], r"shape \(1, classes >= 2\), got \(1, 1\)"),
        ([0.5, 0.5], r"got \(2,\)"),
        ([[0.5, 0.5], [0.5, 0.5]], r"got \(2, 2\)"),
    ],
)
def test_an_answer_that_is_no_distribution_is_named(answers: list[object], message: str) -> None:
    """The message names the likely mistake."""
    with pytest.raises(ClassifierError, match=message):
        probe.as_distributions(torch.tensor(answers), 1)


def test_a_classifier_that_breaks_midway_is_caught() -> None:
    """Every output is checked, not only the first."""
    game = Game(lambda images: torch.where(images[:, 0, 0, :1] < 0.1, float("nan"), images[:, 0, 0, :2]))
    image = torch.ones(3, 8, 8)
    asked = probe.Probe(game, constant(value=0.0), image)
    assert asked.prediction.sum() == 1
    with pytest.raises(ClassifierError, match="NaN"):
        asked(torch.zeros(1, 8, 8), torch.zeros(1, dtype=torch.int64))


@pytest.mark.parametrize(
    ("side", "batch", "rows"), [(224, 4, 32), (224, 5, 30), (224, 64, 64), (1000, 1, 2), (3500, 4, 4), (3500, 1, 1)]
)
def test_the_probe_fills_whole_batches_within_its_room(side: int, batch: int, rows: int) -> None:
    """About 32 images are filled in together, fewer if they are large, and never less than a batch."""
    image = torch.zeros(3, 1, 1).expand(3, side, side)
    assert probe.Probe(Game(pixel_logits), constant(), image, batch_size=batch).rows == rows


def test_the_probe_guards_the_budget() -> None:
    """A method that exceeds its budget raises an assertion error, because that is a bug in the method."""
    asked = probe.Probe(Game(pixel_logits), constant(), picture(), budget=budget.Budget(queries=2))
    with pytest.raises(AssertionError):
        asked(torch.ones(3, 20, 17), torch.zeros(3, dtype=torch.int64))


def test_views_frame_any_picture() -> None:
    """Crop takes the centre of a wide and of a tall image; stretch and native use the whole image."""
    crop = view.View((224, 224), short_side=256)
    assert crop.frame(400, 600).size == (224, 224)
    left, top, right, bottom = crop.frame(400, 600).box
    assert right - left == pytest.approx(350)
    assert (left + right, top + bottom) == pytest.approx((600, 400), abs=2)
    assert view.View((10, 20), "stretch").frame(5, 5).box == (0, 0, 5, 5)
    assert view.View.native().frame(5, 7).size == (5, 7)


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": None},
        {"size": (8, 8), "fit": "native"},
        {"size": (8, 8), "fit": "stretch", "short_side": 9},
        {"size": (0, 8)},
    ],
)
def test_a_view_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    """Size, fit and short side must be consistent."""
    with pytest.raises(RequestError):
        view.View(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("module", [arrays, budget, errors, features, maps, probe, seeds, settings, spec, target, view])
def test_modules_say_what_they_are(module: ModuleType) -> None:
    """The module docstring of an interface starts with its purpose."""
    assert len(module.__doc__ or "") > 40
