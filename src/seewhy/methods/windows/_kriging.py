"""Predict every pixel from a few windows, with the remaining uncertainty, by local kriging (Cressie, 1993).

The effect of a window at each position is modelled as a random field in which nearby windows have similar values:
``Cov(e(w), e(w')) = σ² κ(Δy) κ(Δx)`` with ``κ(d) = exp(-|d| / ℓ)``, observed with sampling noise. A pixel's value is
the mean of the field over the windows that cover it. The map is its best linear prediction, and the prediction
variance includes both the sampling noise and the windows that were not queried. The local scale σ is estimated from
leave-one-out prediction errors, so the standard errors depend on how well the map predicts the observed windows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

LENGTH = 0.6
"""Correlation length ℓ as a fraction of the window's side.

It is shorter than the correlation length estimated on photos: maps hardly depend on it, and a longer one
overestimates the errors (benchmarks/calibration.py).
"""

_REACH = 1.0  # windows are used up to this many sides beyond a block
_NEAREST = 256  # most windows used for a block: at stride 1 those of the block itself and a margin
_LARGEST_BATCH = 2**22  # covariances between pixels and windows computed in one call: 32 MB
_DEFAULT_RATIO = 0.4  # noise-to-signal ratio of one sample of the learned in-fill, used where it cannot be estimated
_FLOOR = 1e-3  # noise-to-signal ratio for a deterministic in-fill: keeps the equations well conditioned
_CEILING = 1e3  # noise-to-signal ratio for windows that are pure noise
_WEIGHTS = (0.5, 1.0, 0.5)  # weights of a cell and its neighbours in the local scale
_PRIOR = 0.5  # weight of the image's mean scale as a prior for the local scale, in windows

Stack = Float[Tensor, "t h w"]
Cells = Float[Tensor, "t a b"]
"""One number per target for each ``size`` × ``size`` cell of the image."""


@dataclass(frozen=True)
class Seen:
    """The observed windows: the values for each target, and their variances, or None if single samples cannot tell."""

    positions: Int[Tensor, "m 2"]
    values: Float[Tensor, "m t"]
    noise: Float[Tensor, "m t"] | None


@dataclass(frozen=True)
class Fit:
    """A predicted map for each target, with the variance of its error, and the scale σ² of each cell.

    ``noise_ratio`` is the sampling variance of a window divided by the field's own variance, pooled over the targets.
    """

    values: Stack
    variance: Stack
    scale: Cells
    noise_ratio: float


@dataclass(frozen=True)
class _Axis:
    """Covariances along one axis for a field of variance 1: of windows, of pixels with windows, and of each pixel."""

    windows: Float[Tensor, "p p"]
    pixels: Float[Tensor, "n p"]
    own: Float[Tensor, " n"]

    @classmethod
    def of(cls, length: int, size: int) -> "_Axis":
        """Compute the covariances for an axis of ``length`` pixels and windows of ``size`` pixels."""
        places = torch.arange(length - size + 1)
        windows = torch.exp(-(places[:, None] - places).abs().double() / (LENGTH * size))
        pixel = torch.arange(length)[:, None]
        covers = ((places <= pixel) & (pixel < places + size)).double()
        covers /= covers.sum(1, keepdim=True)
        pixels = covers @ windows
        return cls(windows, pixels, (pixels * covers).sum(1))


def krige(seen: Seen, size: int, image_size: tuple[int, int]) -> Fit:
    """Predict every pixel from the observed windows, which together cover the image and have ``size`` pixels per side."""
    ratio = _noise_ratio(seen)
    values, variance, squared_errors = _predict(seen, ratio, size, image_size)
    scale = _scale(seen.positions, squared_errors, size, image_size)
    local = functional.interpolate(scale[None], scale_factor=size, mode="nearest")[0]
    return Fit(values, variance * local[:, : image_size[0], : image_size[1]], scale, ratio)


@lru_cache(maxsize=64)
def lattice_error(level: int, noise_ratio: float) -> float:
    """Return a pixel's mean error variance, relative to σ², for windows at a stride of ``size / 2**level``.

    It does not depend on the window size, so it is computed for 8 pixels.
    """
    size = 8
    axes = [_Axis.of(4 * size, size)] * 2
    reach = torch.arange(0, 3 * size + 1, size >> level)
    at = torch.cartesian_prod(reach, reach)[None]
    system = _System.of(axes, torch.tensor([[1, 1]]), at, torch.ones(at.shape[:2], dtype=torch.bool))
    return float(system.solve(torch.zeros(1, at.shape[1], 1, dtype=torch.float64), noise_ratio)[1].mean())


def _noise_ratio(seen: Seen) -> float:
    """Return the sampling variance divided by the mean square without it, pooled over windows and targets.

    Each target is normalised by its own mean square. One ratio serves all targets: the map hardly depends on it, and
    one system of equations then solves for all of them.
    """
    if seen.noise is None:
        return _DEFAULT_RATIO
    total = seen.values.square().mean(0)
    share = (seen.noise.mean(0) / total).nan_to_num(0.0).clamp(0, 1).mean()
    return float((share / (1 - share)).clamp(_FLOOR, _CEILING))


def _predict(
    seen: Seen, ratio: float, size: int, image_size: tuple[int, int]
) -> tuple[Stack, Float[Tensor, "h w"], Float[Tensor, "m t"]]:
    """Predict a field of variance 1; blocks of the image with a similar number of nearby windows are solved together.

    Returns the pixels' values, the variance of their errors, which is the same for every target, and each window's
    squared leave-one-out error, divided by its expected value.
    """
    axes = [_Axis.of(length, size) for length in image_size]
    cells = [-(-length // size) for length in image_size]
    targets = seen.values.shape[1]
    blockwise = torch.zeros(targets + 1, *cells, size, size, dtype=torch.float64)
    squared_errors = torch.zeros_like(seen.values)
    for blocks, near, there in _neighbours(seen.positions, size, cells):
        system = _System.of(axes, blocks, seen.positions[near], there)
        values, variance, errors = system.solve(seen.values[near] * there[..., None], ratio)
        both = torch.cat([values.movedim(2, 0), variance[None]])
        blockwise[:, blocks[:, 0], blocks[:, 1]] = both.view(*both.shape[:2], size, size)
        own = there & _cells(seen.positions[near], size, cells).eq(blocks[:, None]).all(2)
        squared_errors[near[own]] = errors[own]
    whole = blockwise.transpose(2, 3).flatten(3, 4).flatten(1, 2)[:, : image_size[0], : image_size[1]]
    return whole[:-1], whole[-1], squared_errors


def _neighbours(
    positions: Int[Tensor, "m 2"], size: int, cells: Sequence[int]
) -> Iterator[tuple[Int[Tensor, "b 2"], Int[Tensor, "b n"], Bool[Tensor, "b n"]]]:
    """Yield blocks of the image, the nearest windows to each, and which of these are real rather than padding."""
    blocks = torch.cartesian_prod(*(torch.arange(count) for count in cells)).view(-1, 2)
    for part in torch.split(_by_density(positions, size, blocks), max(1, _LARGEST_BATCH // (size**2 * _NEAREST))):
        away = (positions - blocks[part, None] * size).abs().amax(2)
        reached = away <= (_REACH + 0.5) * size
        most = min(int(reached.sum(1).max()), _NEAREST)
        near = away.topk(most, largest=False).indices
        yield blocks[part], near, reached.gather(1, near)


def _cells(positions: Int[Tensor, "*m 2"], size: int, count: Sequence[int]) -> Int[Tensor, "*m 2"]:
    """Return the cell in which each window begins; windows beyond the last row or column of cells count to it."""
    return (positions // size).minimum(torch.tensor(count) - 1)


def _by_density(positions: Int[Tensor, "m 2"], size: int, blocks: Int[Tensor, "b 2"]) -> Int[Tensor, " b"]:
    """Sort blocks by the number of windows in and around them, so that blocks solved together need little padding."""
    counts = torch.zeros(*(blocks.amax(0) + 1).tolist())
    inside = _cells(positions, size, (blocks.amax(0) + 1).tolist())
    counts.index_put_(tuple(inside.unbind(1)), torch.ones(len(inside)), accumulate=True)
    around = functional.max_pool2d(counts[None], 3, stride=1, padding=1)[0]
    return around.flatten().argsort(stable=True)


@dataclass(frozen=True)
class _System:
    """The kriging equations of some blocks: covariances of the windows, of pixels with windows, variances of pixels.

    Padding has identity rows among the covariances of the windows.
    """

    known: Float[Tensor, "b n n"]
    wanted: Float[Tensor, "b p n"]
    own: Float[Tensor, "b p"]

    @classmethod
    def of(
        cls, axes: Sequence[_Axis], blocks: Int[Tensor, "b 2"], at: Int[Tensor, "b n 2"], there: Bool[Tensor, "b n"]
    ) -> "_System":
        """Multiply the covariances of the two axes."""
        size = len(axes[0].own) - len(axes[0].windows) + 1
        known, wanted, own = [], [], []
        for axis, block, place in zip(axes, blocks.unbind(1), at.unbind(2), strict=True):
            pixels = (block[:, None] * size + torch.arange(size)).clamp(max=len(axis.own) - 1)
            known.append(axis.windows[place[:, :, None], place[:, None]])
            wanted.append(axis.pixels[pixels[:, :, None], place[:, None]])
            own.append(axis.own[pixels])
        real = known[0] * known[1] * there[:, :, None] * there[:, None] + torch.diag_embed((~there).double())
        seen_from = (wanted[0][:, :, None] * wanted[1][:, None]).flatten(1, 2) * there[:, None]
        return cls(real, seen_from, (own[0][:, :, None] * own[1][:, None]).flatten(1))

    def solve(
        self, values: Float[Tensor, "b n t"], ratio: float
    ) -> tuple[Float[Tensor, "b p t"], Float[Tensor, "b p"], Float[Tensor, "b n t"]]:
        """Return the pixels' values and error variance, and each window's normalised squared leave-one-out error."""
        noisy = self.known + ratio * torch.eye(self.known.shape[1], dtype=torch.float64)
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(noisy))
        weighed = inverse @ values
        variance = self.own - ((self.wanted @ inverse) * self.wanted).sum(2)
        squared_errors = weighed.square() / inverse.diagonal(dim1=1, dim2=2)[..., None]
        return self.wanted @ weighed, variance.clamp(min=0), squared_errors


def _scale(
    positions: Int[Tensor, "m 2"], squared_errors: Float[Tensor, "m t"], size: int, image_size: tuple[int, int]
) -> Cells:
    """Average the windows' squared errors over each cell and its neighbours, with the global mean as half a window."""
    cells = [-(-length // size) for length in image_size]
    inside = tuple(_cells(positions, size, cells).unbind(1))
    sums = torch.zeros(*cells, squared_errors.shape[1] + 1, dtype=torch.float64)
    sums.index_put_(inside, functional.pad(squared_errors, (0, 1), value=1.0), accumulate=True)
    weights = torch.tensor(_WEIGHTS, dtype=torch.float64)
    around = functional.conv2d(sums.movedim(2, 0)[:, None], (weights[:, None] * weights)[None, None], padding=1)[:, 0]
    total, count = around[:-1], around[-1]
    return (total + _PRIOR * squared_errors.mean(0)[:, None, None]) / (count + _PRIOR)
