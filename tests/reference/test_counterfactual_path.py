"""Test the path from an image to its counterfactual against the formulas, point by point."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import seewhy
from games import OpenGame, picture, small_cnn
from seewhy.core.attribution import Attribution
from seewhy.core.budget import Budget
from seewhy.core.errors import RequestError
from seewhy.core.probe import Probe
from seewhy.core.target import ClassEvidence, Contrast, Target, weight_matrix
from seewhy.infills.plain import constant
from seewhy.methods.counterfactual.path import counterfactual_path
from seewhy.nets.counterfactual_generators import CounterfactualGenerators, save_generators

TARGETS: tuple[Target, ...] = (ClassEvidence(0), Contrast(0, 1))


class Ramp(nn.Module):
    """Scores linear in the image: class 0 responds to the first channel of pixel (1, 2), no other pixel matters."""

    def forward(self, images: Tensor) -> Tensor:
        """Return class scores."""
        score = 6 * images[:, 0, 1, 2] - 3
        return torch.stack([score, -score], 1)


def png(path: Path, image: Tensor) -> str:
    """Write an 8-bit image."""
    Image.fromarray((image.permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()).save(path)
    return str(path)


def make_probe(network: nn.Module | None = None, **settings: Any) -> Probe:
    """Return a probe of a small random network."""
    return Probe(OpenGame(network or small_cnn()), constant(value=0.25), picture(12, 11), **settings)


@pytest.fixture
def baseline(tmp_path: Path) -> str:
    """Return another random image of the same size."""
    return png(tmp_path / "baseline.png", picture(12, 11, seed=5))


def slow(target: Target, steps: int, *, even: bool, signed: bool) -> np.ndarray:
    """Compute the formula one path point and one pixel at a time."""
    net, start, end = small_cnn().double(), picture(12, 11).double(), picture(12, 11, seed=5).double()
    prediction = net(start[None])[0].softmax(0)
    column = weight_matrix([target], prediction)[:, 0]
    slopes, weights = [], []
    for step in range(steps):
        place = torch.tensor((step + 0.5) / steps, dtype=torch.float64, requires_grad=True)
        point = start + place * (end - start)
        point.retain_grad()
        net(point[None])[0].softmax(0).dot(column).backward()
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


def run(probe: Probe, **settings: Any) -> Attribution:
    """Run the method for a class and a contrast."""
    return counterfactual_path(probe, TARGETS, **settings)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("weighting", ["output", "even"])
def test_the_maps_match_the_formulas(baseline: str, weighting: str, signed: bool) -> None:
    """Test every weighting and sign; count 2 queries for the ends, 5 per target, and the prediction."""
    probe = make_probe()
    maps = run(probe, baseline=baseline, steps=5, weighting=weighting, signed=signed)
    for target in TARGETS:
        truth = slow(target, 5, even=weighting == "even", signed=signed)
        np.testing.assert_allclose(maps.values[target.key], truth, rtol=1e-3, atol=1e-5 * np.abs(truth).max())
    assert (probe.queries.forward_images, probe.queries.backward_images) == (13, 10)
    assert maps.unit == "probability"
    np.testing.assert_allclose(maps.generated["baseline"], picture(12, 11, seed=5), atol=1e-6)


def test_even_weights_with_signs_add_up(baseline: str, tmp_path: Path) -> None:
    """The map sums to the change of probability between the ends, as in Integrated Gradients; one step misses it."""
    with torch.no_grad():
        ends = small_cnn().double()(torch.stack([picture(12, 11), picture(12, 11, seed=5)]).double()).softmax(1)
    change = (ends[0] - ends[1]).tolist()
    maps = run(make_probe(), baseline=baseline, steps=400, weighting="even", signed=True)
    sums = [float(values.sum(dtype=np.float64)) for values in maps.values.values()]
    np.testing.assert_allclose(sums, [change[0], change[0] - change[1]], rtol=2e-2)
    assert len(maps.findings) == 1
    dark = png(tmp_path / "dark.png", torch.zeros(3, 12, 11))
    told = run(make_probe(Ramp()), baseline=dark, steps=1, weighting="even", signed=True)
    assert "but the probability changes by" in told.findings[1]


def test_only_relevant_pixels_score(tmp_path: Path) -> None:
    """All pixels change and only one matters; the difference of the two probabilities changes twice as fast."""
    dark = png(tmp_path / "dark.png", torch.zeros(3, 12, 11))
    maps = run(make_probe(Ramp()), baseline=dark, steps=3)
    assert np.argwhere(maps.values["class:0"]).tolist() == [[1, 2]]
    np.testing.assert_allclose(maps.values["contrast:0/1"], 2 * maps.values["class:0"], rtol=1e-5)


def test_output_weights_follow_the_probability_change(tmp_path: Path) -> None:
    """The probability changes steeply early on the path: the mean gradient is small, the weighted one is not."""
    dark = png(tmp_path / "dark.png", torch.zeros(3, 12, 11))
    whole = {
        kind: run(make_probe(Ramp()), baseline=dark, steps=50, weighting=kind).values["class:0"]
        for kind in ("even", "output")
    }
    p = float(make_probe(Ramp()).prediction[0])
    assert whole["even"].sum() == pytest.approx(p - 1 / (1 + np.exp(6)), rel=0.02)
    assert whole["output"].sum() > 1.2 * whole["even"].sum()


def test_a_constant_classifier_gets_a_zero_map(baseline: str) -> None:
    """A finding reports that the prediction did not flip, and there is no division by zero."""
    network = small_cnn()
    for part in network.parameters():
        part.zero_()
    maps = run(make_probe(network), baseline=baseline, steps=3)
    assert not any(values.any() for values in maps.values.values())
    assert maps.findings[0].startswith("The counterfactual is still classified as class 0")


def test_weights_generate_the_end_of_the_path(tmp_path: Path) -> None:
    """The path ends at the adversarial image, and a finding reports whether it flips; batch size and seed do not matter."""
    probe = make_probe()
    source = int(probe.prediction.argmax())
    other = (source + 1) % 5
    generators = CounterfactualGenerators(
        arm="syce", classes=(source, other), channels=3, size=(12, 11), widths=(4, 4), residual=False
    )
    save_generators(tmp_path / "generators", generators, {"fingerprint": "open game", "classifier": "x"})
    generated = generators(probe.image[None], source, other).adversarial[0].detach()
    targets: list[Target] = [ClassEvidence(source), Contrast(source, other)]
    probes = make_probe(), make_probe(seed=1, batch_size=100)
    state = torch.get_rng_state()
    maps, same = (counterfactual_path(one, targets, weights=str(tmp_path / "generators"), steps=7) for one in probes)
    np.testing.assert_allclose(maps.generated["adversarial"], generated, atol=1e-6)
    flips = (f"flip the prediction to class {other}", f"is classified as class {other}")
    assert any(words in maps.findings[0] for words in flips)
    for key, values in maps.values.items():
        np.testing.assert_allclose(values, same.values[key], atol=1e-7)
        assert values.dtype == np.float32
    assert torch.equal(torch.get_rng_state(), state)


def test_a_baseline_of_another_size_goes_through_the_view(tmp_path: Path) -> None:
    """It is resized if the view has a size and rejected if not; with the right size it is unchanged by any view."""
    large = png(tmp_path / "large.png", picture(18, 16, seed=5))
    with pytest.raises(RequestError, match=r"baseline of 12 x 11 pixels.* got 18 x 16"):
        run(make_probe(), baseline=large, steps=2)
    classifier = seewhy.classifier(small_cnn(), size=12, short_side=16)
    small = png(tmp_path / "small.png", picture(12, 12, seed=5))
    for path in (large, small):
        found = seewhy.explain(
            classifier, picture(20, 20), method=f"counterfactual-path:baseline={path},steps=2", check=False
        )
        assert next(iter(found.maps.values())).shape == (12, 12)
    np.testing.assert_allclose(found.generated["baseline"], picture(12, 12, seed=5), atol=1e-6)


def test_invalid_requests_are_rejected(baseline: str, tmp_path: Path) -> None:
    """Reject a missing end or two of them, zero steps, a file that is not an image, and a small budget."""
    with pytest.raises(RequestError, match="got neither"):
        run(make_probe())
    with pytest.raises(RequestError, match="got both"):
        run(make_probe(), baseline=baseline, weights="x")
    with pytest.raises(RequestError, match="expected steps >= 1, got 0"):
        run(make_probe(), baseline=baseline, steps=0)
    (tmp_path / "no.png").write_text("no picture")
    with pytest.raises(RequestError):
        run(make_probe(), baseline=str(tmp_path / "no.png"))
    with pytest.raises(RequestError, match="budget of 50"):
        run(make_probe(budget=Budget(queries=50)), baseline=baseline)
