"""The way from a picture to its counterfactual against the formulas, point by point."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import seewhy
from games import OpenGame, picture, small_cnn
from seewhy.core.budget import Budget
from seewhy.core.errors import RequestError
from seewhy.core.maps import Maps
from seewhy.core.probe import Probe
from seewhy.core.target import ClassEvidence, Contrast, Target, weight_matrix
from seewhy.infills.plain import constant
from seewhy.methods.counterfactual_path import counterfactual_path
from seewhy.nets.counterfactual_generators import build_generators, save_generators

TARGETS: tuple[Target, ...] = (ClassEvidence(0), Contrast(0, 1))


class Ramp(nn.Module):
    """Scores that are linear in the picture: class 0 likes the first channel of pixel (1, 2), no class looks elsewhere."""

    def forward(self, images: Tensor) -> Tensor:
        """Class scores."""
        score = 6 * images[:, 0, 1, 2] - 3
        return torch.stack([score, -score], 1)


def png(path: Path, image: Tensor) -> str:
    """Write an 8-bit picture."""
    Image.fromarray((image.permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()).save(path)
    return str(path)


def asked(network: nn.Module | None = None, **settings: Any) -> Probe:
    """A probe of a small random network."""
    return Probe(OpenGame(network or small_cnn()), constant(value=0.25), picture(12, 11), **settings)


@pytest.fixture
def baseline(tmp_path: Path) -> str:
    """Another random picture of the same size."""
    return png(tmp_path / "baseline.png", picture(12, 11, seed=5))


def slow(target: Target, steps: int, *, even: bool, signed: bool, probability: bool) -> np.ndarray:
    """The formula: one point of the way after the other, one pixel after the other."""
    net, start, end = small_cnn().double(), picture(12, 11).double(), picture(12, 11, seed=5).double()
    prediction = net(start[None])[0].softmax(0)
    column = weight_matrix([target], prediction)[:, 0]
    slopes, weights = [], []
    for step in range(steps):
        place = torch.tensor((step + 0.5) / steps, dtype=torch.float64, requires_grad=True)
        point = start + place * (end - start)
        point.retain_grad()
        scores = net(point[None])[0]
        (scores.softmax(0) if probability else scores).dot(column).backward()
        assert point.grad is not None
        assert place.grad is not None
        slopes.append(point.grad)
        weights.append(1.0 if even else abs(float(place.grad)))
    found = np.zeros((12, 11))
    for row in range(12):
        for channel in range(3):
            for at in range(11):
                apart = float(start[channel, row, at] - end[channel, row, at])
                for slope, weight in zip(slopes, weights, strict=True):
                    share = apart * float(slope[channel, row, at]) * weight / sum(weights)
                    found[row, at] += share if signed else abs(share)
    return found


def run(probe: Probe, **settings: Any) -> Maps:
    """The method for a class and a contrast."""
    return counterfactual_path(probe, TARGETS, **settings)


@pytest.mark.parametrize("output", ["probability", "score"])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("weighting", ["output", "even"])
def test_the_maps_are_the_formulas(baseline: str, weighting: str, signed: bool, output: str) -> None:
    """Every weighting, sign and output; 2 looks at the ends, 5 at the way of each target, and the prediction."""
    probe = asked()
    maps = run(probe, baseline=baseline, steps=5, weighting=weighting, signed=signed, output=output)
    for target in TARGETS:
        truth = slow(target, 5, even=weighting == "even", signed=signed, probability=output == "probability")
        np.testing.assert_allclose(maps.values[target.key], truth, rtol=1e-3, atol=1e-5 * np.abs(truth).max())
    assert (probe.queries.forward_images, probe.queries.backward_images) == (13, 10)
    assert maps.unit == output
    np.testing.assert_allclose(maps.companions["baseline"], picture(12, 11, seed=5), atol=1e-6)


def test_even_weights_with_signs_add_up(baseline: str, tmp_path: Path) -> None:
    """To the change of the output between the two ends: integrated gradients; a way of one step is said to miss it."""
    net = small_cnn().double()
    with torch.no_grad():
        scores = net(torch.stack([picture(12, 11), picture(12, 11, seed=5)]).double())
    for output, ends in (("probability", scores.softmax(1)), ("score", scores)):
        change = (ends[0] - ends[1]).tolist()
        maps = run(asked(), baseline=baseline, steps=400, weighting="even", signed=True, output=output)
        sums = [float(values.sum(dtype=np.float64)) for values in maps.values.values()]
        np.testing.assert_allclose(sums, [change[0], change[0] - change[1]], rtol=2e-2)
        assert len(maps.findings) == 1
    dark = png(tmp_path / "dark.png", torch.zeros(3, 12, 11))
    told = run(asked(Ramp()), baseline=dark, steps=1, weighting="even", signed=True)
    assert "and the output changes by" in told.findings[1]


def test_only_what_the_classifier_looks_at_counts(tmp_path: Path) -> None:
    """All pixels change, one is looked at; of a linear score every step has the same gradient, so that its share is exact."""
    dark = png(tmp_path / "dark.png", torch.zeros(3, 12, 11))
    maps = run(asked(Ramp()), baseline=dark, steps=3, output="score")
    truth = np.zeros((12, 11))
    truth[1, 2] = 6 * float(picture(12, 11)[0, 1, 2])
    np.testing.assert_allclose(maps.values["class:0"], truth, rtol=1e-5)
    np.testing.assert_allclose(maps.values["contrast:0/1"], 2 * truth, rtol=1e-5)


def test_the_way_counts_where_the_probability_changes(tmp_path: Path) -> None:
    """A steep step lies early on the way: the mean slope is small, that where the probability changes is not."""
    dark = png(tmp_path / "dark.png", torch.zeros(3, 12, 11))
    whole = {
        kind: run(asked(Ramp()), baseline=dark, steps=50, weighting=kind).values["class:0"]
        for kind in ("even", "output")
    }
    p = float(asked(Ramp()).prediction[0])
    assert whole["even"].sum() == pytest.approx(p - 1 / (1 + np.exp(6)), rel=0.02)
    assert whole["output"].sum() > 1.2 * whole["even"].sum()


def test_a_classifier_that_ignores_the_picture_gets_an_empty_map(baseline: str) -> None:
    """And is said not to be flipped; nothing is divided by nothing."""
    network = small_cnn()
    for part in network.parameters():
        part.zero_()
    maps = run(asked(network), baseline=baseline, steps=3)
    assert not any(values.any() for values in maps.values.values())
    assert maps.findings[0].startswith("The counterfactual is answered class 0, as the picture is")


def test_the_generators_of_a_folder_lead_the_way(tmp_path: Path) -> None:
    """Their adversarial twin is the other end, and is said to be one that flips or not; batches and seeds change nothing."""
    probe = asked()
    source = int(probe.prediction.argmax())
    other = (source + 1) % 5
    twins = build_generators(arm="syce", classes=(source, other), channels=3, size=(12, 11), widths=(4, 4), residual=False)
    save_generators(tmp_path / "twins", twins, {"fingerprint": "open game", "classifier": "x"})
    made = twins(probe.image[None], source, other).adversarial[0].detach()
    targets: list[Target] = [ClassEvidence(source), Contrast(source, other)]
    probes = asked(), asked(seed=1, batch_size=100)
    state = torch.get_rng_state()
    maps, same = (counterfactual_path(one, targets, weights=str(tmp_path / "twins"), steps=7) for one in probes)
    np.testing.assert_allclose(maps.companions["adversarial"], made, atol=1e-6)
    assert f"flip the answer to class {other}" in maps.findings[0] or f"is answered class {other}" in maps.findings[0]
    for key, values in maps.values.items():
        np.testing.assert_allclose(values, same.values[key], atol=1e-7)
        assert values.dtype == np.float32
    assert torch.equal(torch.get_rng_state(), state)


def test_a_baseline_of_another_size_is_seen_as_the_classifier_sees_pictures(tmp_path: Path) -> None:
    """Brought to the view where it has a size, refused where it has none; as it is where its size is right, whatever the view."""
    large = png(tmp_path / "large.png", picture(18, 16, seed=5))
    with pytest.raises(RequestError, match=r"baseline of 12 x 11 pixels.* got 18 x 16"):
        run(asked(), baseline=large, steps=2)
    classifier = seewhy.classifier(small_cnn(), size=12, short_side=16)
    small = png(tmp_path / "small.png", picture(12, 12, seed=5))
    for path in (large, small):
        found = seewhy.explain(
            classifier, picture(20, 20), method=f"counterfactual-path:baseline={path},steps=2", verdict=False
        )
        assert next(iter(found.maps.values())).shape == (12, 12)
    np.testing.assert_allclose(found.companions["baseline"], picture(12, 12, seed=5), atol=1e-6)


def test_what_cannot_be_is_refused(baseline: str, tmp_path: Path) -> None:
    """No other end or two of them, no steps, a file that is not a picture, a budget that does not reach."""
    with pytest.raises(RequestError, match="got none of them"):
        run(asked())
    with pytest.raises(RequestError, match="got both of them"):
        run(asked(), baseline=baseline, weights="x")
    with pytest.raises(RequestError, match="expected steps >= 1, got 0"):
        run(asked(), baseline=baseline, steps=0)
    (tmp_path / "no.png").write_text("no picture")
    with pytest.raises(RequestError):
        run(asked(), baseline=str(tmp_path / "no.png"))
    with pytest.raises(RequestError, match="budget of 50"):
        run(asked(budget=Budget(queries=50)), baseline=baseline)
