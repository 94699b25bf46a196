"""Test deletion and insertion against a slow implementation of the authors' metric, in their normalised space and steps."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from games import Game, picture, small_cnn
from seewhy.core.metric import MetricInput
from seewhy.core.probe import Probe
from seewhy.infills.plain import gray, rise_blur
from seewhy.metrics.curves import area
from seewhy.metrics.removal import deletion, insertion

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def normalised(image: Tensor) -> Tensor:
    """Return the image as the authors' network receives it."""
    return (image.double() - torch.tensor(MEAN, dtype=torch.float64)[:, None, None]) / torch.tensor(STD)[:, None, None]


def shown(image: Tensor) -> Tensor:
    """Undo `normalised`, with the library's rounding to 8-bit levels."""
    back = image * torch.tensor(STD)[:, None, None] + torch.tensor(MEAN, dtype=torch.float64)[:, None, None]
    return (back * 255).round() / 255


def kernel() -> np.ndarray:
    """Blur a single 1 in 11 x 11 by a Gaussian of 5 pixels, cut at four of them, with mirrored borders: plain loops."""

    def inside(place: int) -> int:
        while not 0 <= place < 11:
            place = -1 - place if place < 0 else 21 - place
        return place

    bell = [math.exp(-(step**2) / 50) for step in range(-20, 21)]
    line = [
        sum(bell[step + 20] for step in range(-20, 21) if inside(place + step) == 5) / sum(bell) for place in range(11)
    ]
    return np.outer(line, line)


def blurred(image: Tensor) -> Tensor:
    """Convolve every channel with the kernel, zeros outside."""
    weights, out = torch.from_numpy(kernel()), torch.zeros_like(image)
    padded = torch.nn.functional.pad(image, (5, 5, 5, 5))
    for row in range(image.shape[1]):
        for column in range(image.shape[2]):
            out[:, row, column] = (padded[:, row : row + 11, column : column + 11] * weights).sum((1, 2))
    return out


def replica(
    game: Game, image: Tensor, saliency: np.ndarray, target: int, step: int, mode: str
) -> tuple[float, list[float]]:
    """Run the authors' loop: start, copy ``step`` pixels at a time in descending order, query, integrate."""
    pixels = saliency.size
    whole = normalised(image)
    start, finish = (whole.clone(), torch.zeros_like(whole)) if mode == "deletion" else (blurred(whole), whole.clone())
    descending = np.flip(np.argsort(saliency.reshape(-1), kind="stable"))
    scores = []
    turns = (pixels + step - 1) // step
    for turn in range(turns + 1):
        scores.append(float(game(shown(start)[None].float())[0, target]))
        for place in descending[turn * step : (turn + 1) * step]:
            row, column = divmod(int(place), saliency.shape[1])
            start[:, row, column] = finish[:, row, column]
    return (sum(scores) - scores[0] / 2 - scores[-1] / 2) / turns, scores


@pytest.mark.parametrize("mode", ["deletion", "insertion"])
def test_the_curve_matches_the_reference(mode: str) -> None:
    """The same map, image and network give the same scores and area."""
    game, image = Game(small_cnn(seed=6).double()), picture(28, 24)
    target = int(game(image[None])[0].argmax())
    saliency = np.random.default_rng(0).permutation(28 * 24).reshape(28, 24).astype(np.float32)
    infill, metric = (gray(color=MEAN), deletion) if mode == "deletion" else (rise_blur(color=MEAN), insertion)
    measured = metric(Probe(game, infill, image), saliency, MetricInput(target))
    value, scores = replica(game, image, saliency, target, 28 * 24 // 28, mode)
    assert measured.curve is not None
    np.testing.assert_allclose(measured.curve.y, scores, atol=1e-4)
    assert measured.value == pytest.approx(value, abs=1e-4)
    assert np.ptp(measured.curve.y) > 0.05


def test_the_area_matches_the_authors() -> None:
    """(sum - first / 2 - last / 2) / steps is the trapezoidal rule over [0, 1]."""
    rng = np.random.default_rng(0)
    scores = rng.random(29)
    assert area(np.linspace(0, 1, 29), scores) == pytest.approx((scores.sum() - scores[0] / 2 - scores[-1] / 2) / 28)


def test_the_kernel_is_nearly_flat() -> None:
    """The authors' weights are much flatter than a truncated Gaussian."""
    assert kernel()[5].min() / kernel()[5].max() > 0.9 > math.exp(-0.5)


def test_the_blur_matches_the_reference() -> None:
    """The difference is at most half a level."""
    image = picture(20, 17)
    fast = rise_blur(color=MEAN)(image, torch.zeros(1, 20, 17), torch.zeros(1, dtype=torch.int64))[0]
    torch.testing.assert_close(fast.double(), shown(blurred(normalised(image))), atol=1.01 / 255, rtol=0)
    assert ((fast.double() - shown(blurred(normalised(image)))).abs() > 1e-6).double().mean() < 0.001
