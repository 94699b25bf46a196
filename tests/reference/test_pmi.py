"""Test PMI and IG against slow implementations of the formulas of Yi et al., arXiv 2009.11150."""

import math
from typing import get_args

import numpy as np
import pytest
import torch
from torch import Tensor

from games import Game, picture, pixel_logits, small_cnn
from seewhy.core.attribution import Attribution
from seewhy.core.budget import Budget
from seewhy.core.errors import RequestError
from seewhy.core.infill import Infill
from seewhy.core.probe import Probe
from seewhy.core.seeds import derive
from seewhy.core.target import ClassEvidence, Contrast, Information, Target
from seewhy.infills.donor import donor
from seewhy.infills.plain import constant, noise
from seewhy.methods.windows._sweep import root_bias
from seewhy.methods.windows.pmi import Correction, evidence, pmi

CLASSES: list[Target] = [Information(), ClassEvidence(0), ClassEvidence(1), Contrast(0, 1)]


def places(length: int, size: int, stride: int) -> list[int]:
    """Return every stride-th position, and the last one that fits."""
    found, position = [], 0
    while position + size <= length:
        found.append(position)
        position += stride
    if found[-1] != length - size:
        found.append(length - size)
    return found


def samples_of(
    game: Game, infill: Infill, image: Tensor, top: int, left: int, size: int, count: int
) -> list[list[float]]:
    """Return the classifier's outputs for one window, one sample at a time, as plain floats."""
    answers = []
    for sample in range(count):
        keep = torch.ones(1, *image.shape[1:])
        keep[0, top : top + size, left : left + size] = 0
        place = torch.tensor([[top * (1 << 24) + left]])
        seed = derive(0, place, torch.tensor([[sample]])).flatten()
        answers.append(game(infill(image, keep, seed))[0].double().tolist())
    return answers


def window_scores(whole: list[float], answers: list[list[float]], jackknife: bool) -> list[float]:
    """Return [IG, PMI of every class] of one window by the formulas, without a floor: the games never reach 0."""

    def pmi_of(rows: list[list[float]]) -> list[float]:
        means = [sum(row[y] for row in rows) / len(rows) for y in range(len(whole))]
        return [math.log(whole[y]) - math.log(means[y]) for y in range(len(whole))]

    count = len(answers)
    values = pmi_of(answers)
    if jackknife:
        left_out = [pmi_of(answers[:j] + answers[j + 1 :]) for j in range(count)]
        values = [count * values[y] - (count - 1) * sum(row[y] for row in left_out) / count for y in range(len(whole))]
    return [sum(p * v for p, v in zip(whole, values, strict=True)), *values]


def replica(
    game: Game, infill: Infill, image: Tensor, size: int, stride: int, count: int, jackknife: bool
) -> np.ndarray:
    """Return the maps (IG, PMI 0, PMI 1, contrast): each pixel is the mean over the windows that cover it."""
    whole = game(image[None])[0].double().tolist()
    height, width = image.shape[1:]
    covered: dict[tuple[int, int], list[list[float]]] = {(y, x): [] for y in range(height) for x in range(width)}
    for top in places(height, size, stride):
        for left in places(width, size, stride):
            scores = window_scores(whole, samples_of(game, infill, image, top, left, size, count), jackknife)
            for y in range(top, top + size):
                for x in range(left, left + size):
                    covered[y, x].append([scores[0], scores[1], scores[2], scores[1] - scores[2]])
    return np.array([[np.mean(covered[y, x], axis=0) for x in range(width)] for y in range(height)]).transpose(2, 0, 1)


def run(game: Game, infill: Infill, image: Tensor, *, batch: int = 4, seed: int = 0, **settings: object) -> Attribution:
    """Run the library's implementation on the same input."""
    return pmi(Probe(game, infill, image, seed=seed, batch_size=batch), CLASSES, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("correction", ["none", "jackknife"])
@pytest.mark.parametrize(("size", "stride"), [(4, 4), (4, 3), (5, 2), (3, 1), (11, 11)])
@pytest.mark.parametrize("infill", [noise(), donor()], ids=["noise", "donor"])
def test_a_random_network_matches_the_reference_implementation(
    infill: Infill, size: int, stride: int, correction: str
) -> None:
    """The maps equal the formulas to 1e-6, including windows at the border and strides that do not divide the image."""
    game = Game(small_cnn().double())
    image = picture(13, 11)
    fast = run(game, infill, image, size=size, stride=stride, samples=3, correction=correction)
    slow = replica(game, infill, image, size, stride, 3, correction == "jackknife")
    for number, target in enumerate(CLASSES):
        np.testing.assert_allclose(fast.values[target.key], slow[number], atol=1e-6)


def test_known_pixels_carry_all_the_evidence() -> None:
    """Only windows over pixel (2, 3) or (9, 9) can change the prediction, with a closed form computed by hand."""
    image = torch.full((3, 12, 12), 1.0)
    fast = run(Game(pixel_logits), constant(value=0.0), image, size=4, stride=4)
    total = math.exp(3) + math.exp(2) + 1
    p = [math.exp(3) / total, math.exp(2) / total, 1 / total]
    without_zero = 1 + math.exp(2) + 1
    pmi_zero = math.log(p[0]) - math.log(1 / without_zero)
    pmi_one = math.log(p[1]) - math.log(math.exp(2) / without_zero)
    pmi_two = math.log(p[2]) - math.log(1 / without_zero)
    information = p[0] * pmi_zero + p[1] * pmi_one + p[2] * pmi_two
    assert fast.values["class:0"][2, 3] == pytest.approx(pmi_zero, abs=1e-6)
    assert fast.values["class:1"][0, 0] == pytest.approx(pmi_one, abs=1e-6)
    assert fast.values["contrast:0/1"][3, 3] == pytest.approx(3.0, abs=1e-6)
    assert fast.values["information"][1, 1] == pytest.approx(information, abs=1e-6)
    assert np.abs(fast.values["information"][4:8, 4:8]).max() < 1e-9
    assert fast.values["class:1"][9, 9] > 0 > fast.values["class:0"][9, 9]


def test_information_is_the_expected_evidence() -> None:
    """The sum over y of p(y|x) PMI_y equals IG at every pixel, corrected or not."""
    game, image = Game(small_cnn(classes=3).double()), picture()
    targets: list[Target] = [Information(), *(ClassEvidence(k) for k in range(3))]
    p = game(image[None])[0].detach()
    for correction in get_args(Correction):
        maps = pmi(Probe(game, noise(), image), targets, size=4, samples=3, correction=correction)
        expected = sum(float(p[k]) * maps.values[f"class:{k}"].astype(float) for k in range(3))
        np.testing.assert_allclose(maps.values["information"], expected, atol=1e-6)


def test_uncorrected_information_is_never_negative() -> None:
    """KL divergence is non-negative; only the bias correction may bring it below zero."""
    maps = run(Game(small_cnn().double()), noise(), picture(), size=3, stride=1, samples=2, correction="none")
    assert maps.values["information"].min() >= 0


def test_an_impossible_class_stays_finite() -> None:
    """A probability of exactly 0 with the window removed gives large but finite evidence of about 69 nats."""
    game = Game(lambda images: torch.stack([images[:, 0, 2, 3] * 1e4, torch.full((len(images),), 5e3).double()], 1))
    maps = pmi(Probe(game, constant(value=0.0), torch.ones(3, 8, 8)), [ClassEvidence(0), Information()], size=4)
    assert 60 < maps.values["class:0"].max() < 70
    assert np.isfinite(maps.values["information"]).all()


@pytest.mark.parametrize("batch", [1, 7, 64])
def test_batches_do_not_change_the_maps(batch: int) -> None:
    """Batches of 1, 7 and 64 give the same maps."""
    game = Game(small_cnn().double())
    one, other = (run(game, noise(), picture(), batch=size, size=4, stride=3, samples=3) for size in (4, batch))
    for key, values in one.values.items():
        np.testing.assert_allclose(values, other.values[key], atol=1e-7)
        np.testing.assert_allclose(one.stderr[key], other.stderr[key], atol=1e-7)


def test_the_jackknife_removes_the_small_sample_bias() -> None:
    """With three samples, plain PMI has the theoretical upward bias; the correction removes nearly all of it."""
    generator = torch.Generator().manual_seed(0)
    draws = 0.1 + 0.5 * torch.rand(20_000, 3, 1, generator=generator, dtype=torch.float64)
    answers = torch.cat([draws, 1 - draws], dim=2)
    prediction = torch.tensor([0.5, 0.5], dtype=torch.float64)
    truth = math.log(0.5) - math.log(0.35)

    def bias(correction: Correction) -> float:
        values, _ = evidence(prediction, [ClassEvidence(0)], correction)(answers)
        return float(values.mean()) - truth

    predicted = (0.5**2 / 12) / (2 * 3 * 0.35**2)  # Var[p] / (2 N p̄²)
    assert bias("none") == pytest.approx(predicted, rel=0.2)
    assert abs(bias("jackknife")) < 0.2 * predicted


def donor_of_levels() -> Infill:
    """Return noise with a large standard deviation, so that the evidence of a sample varies a lot."""
    from seewhy.core.arrays import Image, Images, Keep, Seeds, compose  # noqa: PLC0415
    from seewhy.core.seeds import uniforms  # noqa: PLC0415

    class Levels:
        stochastic = True
        checksum = None

        def __call__(self, image: Image, keep: Keep, seeds: Seeds) -> Images:
            level = uniforms(seeds, 1)[:, :, None, None].expand(-1, *image.shape)
            return compose(image, keep, level)

    return Levels()


def test_the_stated_error_covers_another_seed() -> None:
    """Two seeds differ by less than two standard errors of the difference for at least nine in ten pixels."""
    game, image = Game(small_cnn().double()), picture(40, 40)
    one, other = (run(game, donor_of_levels(), image, seed=seed, size=4, stride=2, samples=4) for seed in (0, 1))
    for key in ("information", "class:0"):
        assert not np.array_equal(one.values[key], other.values[key])
        error = np.hypot(one.stderr[key], other.stderr[key])
        assert np.mean(np.abs(one.values[key] - other.values[key]) <= 2 * error) >= 0.9


def test_a_deterministic_infill_is_drawn_once() -> None:
    """More samples of a constant in-fill would waste queries; there is no standard error either."""
    probe = Probe(Game(small_cnn().double()), constant(), picture(16, 16))
    maps = pmi(probe, CLASSES, size=4, stride=4, samples=8)
    assert probe.queries.forward_images == 1 + 16
    assert maps.stderr == {}
    assert maps.settings["samples"] == 1


def test_the_papers_setting_is_available() -> None:
    """size=8, stride=1, samples=8 makes (H-7)(W-7)·8 queries besides the unmodified image."""
    probe = Probe(Game(small_cnn().double()), noise(), picture(12, 11), batch_size=64)
    maps = pmi(probe, CLASSES, size=8, stride=1, samples=8, correction="none")
    assert probe.queries.forward_images == 1 + 5 * 4 * 8
    assert maps.stopped_because == "complete"


@pytest.mark.parametrize("budget", [73, 100, 433])
def test_a_budget_is_respected_and_covers_the_image(budget: int) -> None:
    """The budget is not exceeded, every pixel has a value, and the maps state why the run ended."""
    probe = Probe(Game(small_cnn().double()), noise(), picture(24, 24), budget=Budget(queries=budget))
    maps = pmi(probe, CLASSES, size=4, stride=1, samples=2)
    assert probe.queries.forward_images <= budget
    assert np.isfinite(maps.values["information"]).all()
    assert maps.stopped_because == "queries"


def test_a_budget_chooses_the_samples_of_a_sweep() -> None:
    """By default the number of samples is what the budget allows, from 2 to 8."""
    probe = Probe(Game(small_cnn().double()), noise(), picture(24, 24), budget=Budget(queries=1 + 6 * 11**2))
    maps = pmi(probe, CLASSES, size=4, stride=2)
    assert (maps.settings["samples"], maps.stopped_because) == (6, "complete")


def test_a_budget_that_is_too_small_is_rejected() -> None:
    """The message states the smallest sufficient budget."""
    probe = Probe(Game(small_cnn().double()), noise(), picture(24, 24), budget=Budget(queries=72))
    with pytest.raises(RequestError, match="at least 73"):
        pmi(probe, CLASSES, size=4, stride=4)


def test_a_loose_tolerance_stops_early() -> None:
    """Once the image is covered and the errors are small enough, the run ends and states so."""
    probe = Probe(Game(small_cnn().double()), noise(), picture(24, 24), budget=Budget(tolerance=1e6))
    maps = pmi(probe, CLASSES, size=4, stride=1, samples=2)
    assert maps.stopped_because == "tolerance"
    assert probe.queries.forward_images < 1 + 2 * 21**2


def test_too_little_time_still_covers_the_image() -> None:
    """The smallest plan is completed even after the time limit."""
    probe = Probe(Game(small_cnn().double()), noise(), picture(24, 24), budget=Budget(seconds=1e-9))
    maps = pmi(probe, CLASSES, size=4, stride=1, samples=2)
    assert maps.stopped_because == "seconds"
    assert 1 + 2 * 36 <= probe.queries.forward_images < 1 + 2 * 36 + probe.rows


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 25}, "sides of at least 25 pixels, got 24; choose size=6 or less"),
        ({"size": 24}, "smaller than the image of 24 × 24 pixels, got size=24; choose size=6 or less"),
        ({"size": (4, 24)}, "smaller than the image of 24 × 24 pixels, got size=24"),
        ({"size": 4, "stride": 5}, "stride from 1 to size=4, got 5"),
        ({"size": 0}, "size >= 1"),
        ({"size": 4, "samples": 0}, "samples >= 1"),
        ({"size": 4, "samples": 1, "correction": "jackknife"}, "samples >= 2"),
    ],
)
def test_invalid_settings_are_rejected(settings: dict[str, object], message: str) -> None:
    """Each message states the expected and the actual value."""
    with pytest.raises(RequestError, match=message):
        run(Game(small_cnn().double()), noise(), picture(24, 24), **settings)  # type: ignore[arg-type]


def test_a_finished_plan_is_complete_despite_the_time_limit() -> None:
    """If the time runs out with the last window, the run is still complete."""
    probe = Probe(Game(small_cnn().double()), noise(), picture(24, 24), budget=Budget(seconds=1e-9))
    assert pmi(probe, CLASSES, size=4, stride=4, samples=2).stopped_because == "complete"


def test_the_standard_error_is_the_standard_deviation_over_seeds() -> None:
    """Over 20,000 windows of four samples, the mean stated error is within 2 % of the values' standard deviation."""
    answers = 0.3 + 0.02 * torch.randn(20_000, 4, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    prediction = torch.tensor([0.5, 0.5], dtype=torch.float64)
    score = evidence(prediction, [ClassEvidence(0)], "jackknife")
    values, variances = score(torch.cat([answers, 1 - answers], dim=2))
    assert variances is not None
    stated = np.sqrt(variances) / root_bias(np.array([[3]]))[0, 0]
    assert stated.mean() == pytest.approx(values.std(), rel=0.02)
