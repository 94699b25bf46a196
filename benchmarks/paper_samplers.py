"""Two published models of a hidden patch, to compare the package's own with: both lost (docs/decisions/011).

`PaperSampler` is the network of the Patch Sampler; `GaussianSampler` is the model of prediction-difference analysis. Both
take windows ``(n, 3, 3K, 3K)`` in [0, 1], of which the central K × K pixels are ignored, flags of the pixels outside the
image, and the true central pixels on 8-bit levels.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from seewhy.training.sampler.photos import random_view
from seewhy.training.sampler.windows import cut_windows

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

_LEAST_VARIANCE = 1 / 12  # rounding variance, added to every pixel so that flat windows have an invertible covariance
_PHOTOS, _EACH = 16, 64  # views per round, windows per view


class _SameConv(nn.Conv2d):
    """A size-preserving convolution; for an even kernel, the extra row and column of padding are at the bottom and right."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__(inputs, outputs, kernel)
        before, after = (kernel - 1) // 2, kernel // 2
        self.margin = (before, after, before, after)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d h w"]:
        """Pad, then convolve."""
        return super().forward(functional.pad(x, self.margin))


class PaperSampler(nn.Module):
    """An independent 256-way categorical distribution for each sub-pixel, given the ring only.

    Yi, Kim, Kim, Yoon, "Information-Theoretic Visual Explanation for Black-Box Classifiers", arXiv 2009.11150, 2020. The
    image is padded with black before normalisation, and the patch is hidden after it (so it has the mean colour). With
    K = 8 it has 38.93 M parameters and costs 5.24 GMAC per window.

    Args:
        patch: side K of the patch in pixels: 1, 2, 4, 8 or 16.
    """

    mean: Float[Tensor, "3 1 1"]
    std: Float[Tensor, "3 1 1"]

    def __init__(self, patch: int = 8) -> None:
        super().__init__()
        self.patch = patch
        width = min(16 * patch * 3, 256)
        first = 3 if patch == 1 else min(patch + 1, 9)
        self.outer = nn.ModuleList([_SameConv(3, width, first), _SameConv(width, width, first)])
        self.inner = nn.ModuleList([_SameConv(width, width, patch) for _ in range(2 + int(math.log2(patch)))])
        self.leave = _SameConv(width, 3 * 256, patch)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD)[:, None, None], persistent=False)

    def log_probabilities(self, windows: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n 3 k k 256"]:
        """Return the natural log probability of each level of each sub-pixel."""
        patch = self.patch
        x = (windows - self.mean) / self.std
        x[:, :, patch : 2 * patch, patch : 2 * patch] = 0
        for conv in self.outer:
            x = functional.leaky_relu(conv(x), 0.2)
        x = functional.avg_pool2d(x, 2)
        edge = patch // 4
        x = x[:, :, edge : edge + patch, edge : edge + patch]
        for conv in self.inner:
            x = functional.leaky_relu(conv(x), 0.2)
        logits: Tensor = self.leave(x).float()
        return logits.view(-1, 3, 256, patch, patch).movedim(2, 4).log_softmax(-1)

    def log_likelihood(
        self, windows: Float[Tensor, "n 3 s s"], outside: Float[Tensor, "n s s"], patches: Float[Tensor, "n 3 k k"]
    ) -> Float[Tensor, "n 3 k k"]:
        """Return the log probability in nats of each sub-pixel; outside pixels are black, their flags are not used."""
        del outside
        levels = (patches * 255).round().long()
        return self.log_probabilities(windows).gather(-1, levels[..., None])[..., 0]

    def ranks(
        self, windows: Float[Tensor, "n 3 s s"], outside: Float[Tensor, "n s s"], patches: Float[Tensor, "n 3 k k"]
    ) -> Float[Tensor, "n 3 k k 2"]:
        """Return the probabilities of a level below each true one, and at or below it."""
        del outside
        levels = (patches * 255).round().long()[..., None]
        below = functional.pad(self.log_probabilities(windows).exp().cumsum(-1), (1, 0)).clamp(max=1)
        return below.gather(-1, torch.cat([levels, levels + 1], dim=-1))


class GaussianSampler(nn.Module):
    """In each colour channel one multivariate Gaussian of the hidden pixels and a narrow ring around them, fitted to windows.

    Zintgraf, Cohen, Adel, Welling, "Visualizing Deep Neural Network Decisions: Prediction Difference Analysis", ICLR 2017.

    Args:
        patch: side K of the patch, in pixels.
        ring: width of the ring that the model is conditioned on, in pixels; 2 in the paper.
    """

    mean: Float[Tensor, "3 d"]
    covariance: Float[Tensor, "3 d d"]
    hidden: Bool[Tensor, " d"]

    def __init__(self, patch: int = 8, *, ring: int = 2) -> None:
        super().__init__()
        self.patch, self.ring = patch, ring
        side = patch + 2 * ring
        hidden = torch.zeros(side, side, dtype=torch.bool)
        hidden[ring:-ring, ring:-ring] = True
        self.register_buffer("hidden", hidden.flatten(), persistent=False)
        self.register_buffer("mean", torch.full((3, side * side), 127.5))
        self.register_buffer("covariance", 64.0**2 * torch.eye(side * side).repeat(3, 1, 1))

    def fit(self, photos: Sequence[Image.Image], *, windows: int, seed: int = 0) -> int:
        """Set mean and covariance from windows of photos (the paper takes 20,000); return how many lay inside their photo."""
        count, total = 0, torch.zeros_like(self.mean, dtype=torch.float64)
        products = torch.zeros_like(self.covariance, dtype=torch.float64)
        for turn in range(-(-windows // (_PHOTOS * _EACH))):
            rng = np.random.default_rng([seed, turn])
            views = [random_view(photos[index], rng) for index in rng.integers(0, len(photos), _PHOTOS)]
            cut = cut_windows(views, self.patch, _EACH, rng)
            inside = self.crop(cut.outside[:, None]).flatten(1).sum(1) == 0
            levels = self.crop(cut.windows[inside]).movedim(1, 0) * 255
            count += levels.shape[1]
            total += levels.sum(1)
            products += levels.mT @ levels
        mean = total / count
        self.mean.copy_(mean)
        self.covariance.copy_(products / count - mean[:, :, None] * mean[:, None])
        return count

    def crop(self, windows: Float[Tensor, "n c s s"]) -> Float[Tensor, "n c d"]:
        """Crop patch and ring from 3K × 3K windows."""
        edge = self.patch - self.ring
        return windows[:, :, edge:-edge, edge:-edge].flatten(2) if edge else windows.flatten(2)

    def _given(self, seen: Bool[Tensor, " d"], channel: int) -> tuple[Float[Tensor, "q v"], Float[Tensor, "q q"]]:
        """Return the regression coefficients of hidden on seen pixels, and the Cholesky root of the conditional covariance."""
        covariance = self.covariance[channel].double()
        covariance = covariance + _LEAST_VARIANCE * torch.eye(len(covariance), device=covariance.device)
        across, among = covariance[self.hidden][:, seen], covariance[seen][:, seen]
        gain = torch.linalg.solve(among, across.T).T
        rest = covariance[self.hidden][:, self.hidden] - gain @ across.T
        return gain, torch.linalg.cholesky((rest + rest.T) / 2)

    def _conditionals(
        self, windows: Float[Tensor, "n 3 s s"], outside: Float[Tensor, "n s s"]
    ) -> tuple[Float[Tensor, "n 3 q"], Float[Tensor, "p 3 q q"], Int[Tensor, " n"]]:
        """Return each window's mean, one covariance root per pattern of outside pixels, and each window's pattern index."""
        levels, beyond = self.crop(windows).double() * 255, self.crop(outside[:, None])[:, 0] > 0
        patterns, which = torch.unique(beyond, dim=0, return_inverse=True)
        means = torch.empty(len(windows), 3, int(self.hidden.sum()), dtype=torch.float64, device=windows.device)
        roots = []
        for number, pattern in enumerate(patterns):
            rows, seen = which == number, ~(pattern | self.hidden)
            for channel in range(3):
                gain, root = self._given(seen, channel)
                mean = self.mean[channel].double()
                means[rows, channel] = mean[self.hidden] + (levels[rows][:, channel][:, seen] - mean[seen]) @ gain.T
                roots.append(root)
        return means, torch.stack(roots).view(len(patterns), 3, *roots[0].shape), which

    def _standard(
        self, windows: Float[Tensor, "n 3 s s"], outside: Float[Tensor, "n s s"], patches: Float[Tensor, "n 3 k k"]
    ) -> tuple[Float[Tensor, "n 3 k k"], Float[Tensor, "n 3 k k"]]:
        """Return the standardised edges of each true level's bin, given the earlier pixels of its channel."""
        means, roots, which = self._conditionals(windows, outside)
        deviation = (patches.flatten(2).double() * 255).round() - means
        root = roots[which]
        surprise = torch.linalg.solve_triangular(root, deviation[..., None], upper=False)[..., 0]
        spread = root.diagonal(dim1=-2, dim2=-1)
        low, high = ((surprise + half / spread).view_as(patches) for half in (-0.5, 0.5))
        return low.where(patches > 0, -torch.inf), high.where(patches < 1, torch.inf)

    def log_likelihood(
        self, windows: Float[Tensor, "n 3 s s"], outside: Float[Tensor, "n s s"], patches: Float[Tensor, "n 3 k k"]
    ) -> Float[Tensor, "n 3 k k"]:
        """Return the log probability in nats of each sub-pixel given the earlier ones of its channel, row by row.

        The density is integrated over the level's bin of width 1; the outermost bins include the tails.
        """
        low, high = self._standard(windows, outside, patches)
        flip = low > 0  # use the upper tail, whose logarithm is exact where the lower tail's rounds to 0
        low, high = torch.where(flip, -high, low), torch.where(flip, -low, high)
        first, second = torch.special.log_ndtr(high), torch.special.log_ndtr(low)
        nats: Tensor = first + torch.log(-torch.expm1((second - first).clamp(max=-1e-300)))
        return nats.float()

    def ranks(
        self, windows: Float[Tensor, "n 3 s s"], outside: Float[Tensor, "n s s"], patches: Float[Tensor, "n 3 k k"]
    ) -> Float[Tensor, "n 3 k k 2"]:
        """Return the probabilities of a level below each true one, and at or below it."""
        return torch.stack([torch.special.ndtr(edge) for edge in self._standard(windows, outside, patches)], -1).float()
