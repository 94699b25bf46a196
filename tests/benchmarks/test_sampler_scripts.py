"""The benchmarks of models of a hidden patch, on images and models with a known answer."""

import math
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from games import smooth_photos

Load = Callable[[str], ModuleType]
Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a folder of smooth colour images, at least one of them held out by its content."""
    return smooth_photos(tmp_path_factory.mktemp("photos"))


class Even:
    """A model in which every level is equally probable."""

    def log_likelihood(
        self, windows: Float[Tensor, "n 3 s s"], outside: Float[Tensor, "n s s"], patches: Float[Tensor, "n 3 k k"]
    ) -> Float[Tensor, "n 3 k k"]:
        """Return the log of one in 256."""
        del windows, outside
        return torch.full_like(patches, -math.log(256))

    def ranks(
        self, windows: Float[Tensor, "n 3 s s"], outside: Float[Tensor, "n s s"], patches: Float[Tensor, "n 3 k k"]
    ) -> Float[Tensor, "n 3 k k 2"]:
        """Return the fraction of levels below, and up to, the true one."""
        del windows, outside
        levels = (patches * 255).round()
        return torch.stack([levels, levels + 1], dim=-1) / 256


def test_an_even_model_of_even_noise_is_calibrated(load: Load) -> None:
    """The model costs 8 bits, its 90 % intervals cover 90 %, and its histogram is flat."""
    script, windows = load("sampler_bits"), load("seewhy.training.sampler.windows")
    noise = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype(np.uint8)
    cut = windows.cut_windows(list(noise), 8, 100, np.random.default_rng(1))
    found = script.row("even", 8, script.evaluate(Even(), cut, 2))
    assert found["bits"] == pytest.approx(8)
    assert found["covered"] == pytest.approx(0.9, abs=0.01)
    assert found["unevenness"] < 0.02


def test_bits_of_the_shipped_samplers(run: Run, photos: Path) -> None:
    """On smooth images each shipped sampler is listed once and needs fewer bits than the histogram."""
    found = run("sampler_bits", photos, "--each", 4, "--gaussian-windows", 2000)["measurements"]
    assert [(row["model"], row["patch"]) for row in found] == [
        ("histogram", 4),
        ("compact, shipped", 4),
        ("histogram", 8),
        ("compact, shipped", 8),
        ("gaussian, fitted", 8),
        ("histogram", 16),
        ("compact, shipped", 16),
    ]
    histogram = {row["patch"]: row["bits"] for row in found if row["model"] == "histogram"}
    assert all(row["bits"] < histogram[row["patch"]] for row in found if row["model"].endswith("shipped"))


def test_the_learning_curve_is_drawn(run: Run, photos: Path, tmp_path: Path) -> None:
    """Every run appears once in its curve, and the slope is that of the printed points."""
    out = tmp_path / "curve.png"
    words = ["--patch", 4, "--steps", 1, "--steps", 2, "--steps", 4, "--photos", 2, "--batch", 16, "--out", out]
    found = run("learning_curve", photos, *words)
    rows = {name: [row for row in found["runs"] if row["varied"] == name] for name in ("steps", "photos")}
    assert [row["steps"] for row in rows["steps"]] == [1, 2, 4]
    assert [row["steps"] for row in rows["photos"]] == [2, 2]
    assert rows["photos"][0]["photos"] == 2
    assert rows["photos"][1]["bits"] == rows["steps"][1]["bits"]
    assert found["bits_per_doubling_of_steps"] == pytest.approx(
        (rows["steps"][2]["bits"] - rows["steps"][0]["bits"]) / 2
    )
    assert out.stat().st_size > 0


def test_every_family_is_trained(run: Run, photos: Path) -> None:
    """Four kinds are trained on the same photos, and all give finite bits."""
    found = run("sampler_families", photos, "--steps", 2, "--batch", 16)["families"]
    assert [row["family"] for row in found] == ["gaussian", "factorised", "dct", "compact"]
    assert found[-1]["time_to_compact"] == 1
    assert all(math.isfinite(row["bits"]) for row in found)


def test_an_even_categorical_needs_eight_bits(load: Load) -> None:
    """The factorised family with its last layer at zero is uniform."""
    script = load("sampler_families")
    net = script.Factorised()
    torch.nn.init.zeros_(net.leave[-1].weight)
    torch.nn.init.zeros_(net.leave[-1].bias)
    nats = net.log_likelihood(torch.rand(2, 3, 24, 24), torch.zeros(2, 24, 24), torch.rand(2, 3, 8, 8))
    assert torch.allclose(nats, torch.tensor(-math.log(256)))


def test_the_cosine_basis_is_orthonormal(load: Load) -> None:
    """The basis is orthonormal, so a density of the coefficients is one of the levels."""
    basis = load("sampler_families").Cosine().basis
    torch.testing.assert_close(basis @ basis.T, torch.eye(192), atol=1e-5, rtol=0)


def test_the_energy_score_of_known_forecasts(load: Load) -> None:
    """The score is exact for two samples; the true distribution beats a narrower one and has scatter 1."""
    forecast = load("sample_scores").forecast
    assert forecast(torch.tensor([[[0.0], [4.0]]]), torch.tensor([[1.0]])) == (0.0, 2.0, 4.0)
    noise = torch.randn(400, 9, 16, generator=torch.Generator().manual_seed(0))
    right = forecast(noise[:, 1:], noise[:, 0])
    narrow = forecast(noise[:, 1:] / 4, noise[:, 0])
    assert right[0] < narrow[0]
    assert right[2] / right[1] == pytest.approx(1, abs=0.02)
    assert narrow[2] / narrow[1] < 0.5


def test_a_copy_of_the_truth_scores_zero(run: Run, tmp_path: Path) -> None:
    """In flat images the mean colour equals the truth; gray does not."""
    for level in range(20):
        cv2.imwrite(str(tmp_path / f"{level}.bmp"), np.full((60, 80, 3), level, np.uint8))
    words = ["--infill", "mean", "--infill", "gray", "--windows", 2, "--samples", 2, "--all"]
    found = run("sample_scores", tmp_path, *words)["scores"]
    assert found[0]["mean"] == pytest.approx(0, abs=1e-4)
    assert found[1]["more_low"] > 50
