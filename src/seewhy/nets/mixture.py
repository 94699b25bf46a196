"""A discretised mixture of logistics with coupled channels (PixelCNN++: Salimans, Karpathy, Chen, Kingma, ICLR 2017)."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


class Mixture(NamedTuple):
    """A discretised mixture of logistics over the three channels of each pixel, in 8-bit levels and G, R, B order."""

    log_weights: Float[Tensor, "n p m"]
    means: Float[Tensor, "n p 3 m"]
    log_scales: Float[Tensor, "n p 3 m"]
    couplings: Float[Tensor, "n p 3 m"]

    def mean_given(self, channel: int, seen: Float[Tensor, "n p 3"]) -> Float[Tensor, "n p m"]:
        """Return the mean of each component for a channel (in G, R, B order) given the levels of the channels before it."""
        mean = self.means[:, :, channel]
        if channel > 0:
            surprise = seen[:, :, 0, None] - self.means[:, :, 0]
            mean = mean + self.couplings[:, :, channel - 1] * surprise
        if channel > 1:
            mean = mean + self.couplings[:, :, 2] * (seen[:, :, 1, None] - self.mean_given(1, seen))
        return mean

    def log_likelihood(self, levels: Float[Tensor, "n p 3"]) -> Float[Tensor, "n p 3"]:
        """Return the natural log probability of each sub-pixel given the channels before it (G, R, B order)."""
        means = torch.stack([self.mean_given(channel, levels) for channel in range(3)], dim=2)
        joint = self.log_weights[:, :, None] + _log_bins(levels, means, self.log_scales).cumsum(2)
        chained = joint.logsumexp(-1)
        return torch.cat([chained[:, :, :1], chained.diff(dim=2)], dim=2)

    def ranks(self, levels: Float[Tensor, "n p 3"]) -> Float[Tensor, "n p 3 2"]:
        """Return the probabilities of a level below each given one, and at or below it, given the channels before it."""
        means = torch.stack([self.mean_given(channel, levels) for channel in range(3)], dim=2)
        bins = _log_bins(levels, means, self.log_scales)
        posterior = (self.log_weights[:, :, None] + bins.cumsum(2) - bins).softmax(-1)
        rate = torch.exp(-self.log_scales)
        edges = [((levels[..., None] + half - means) * rate).sigmoid() for half in (-0.5, 0.5)]
        below, upto = ((posterior * edge).sum(-1) for edge in edges)
        return torch.stack([below.where(levels > 0, 0.0), upto.where(levels < 255, 1.0)], dim=-1)

    def draw(self, uniforms: Float[Tensor, "n p 4"]) -> Float[Tensor, "n p 3"]:
        """Draw levels (G, R, B order) from four uniform numbers per pixel: one selects the component, three the levels."""
        weights = self.log_weights.exp().cumsum(-1)
        choice = (uniforms[:, :, :1] * weights[:, :, -1:] > weights).sum(-1, keepdim=True)
        noise = torch.logit(uniforms[:, :, 1:])
        levels = torch.zeros_like(noise)
        for channel in range(3):
            mean = self.mean_given(channel, levels).gather(-1, choice)[..., 0]
            scale = self.log_scales[:, :, channel].gather(-1, choice)[..., 0].exp()
            levels[:, :, channel] = (mean + scale * noise[:, :, channel]).round().clamp(0, 255)
        return levels


def _log_bins(
    levels: Float[Tensor, "n p 3"],
    means: Float[Tensor, "n p 3 m"],
    log_scales: Float[Tensor, "n p 3 m"],
) -> Float[Tensor, "n p 3 m"]:
    """Return the log mass of a logistic in the unit bin around each level; the outermost bins include the tails."""
    rate = torch.exp(-log_scales)
    middle = (levels[..., None] - means) * rate
    above = functional.softplus(-(middle + rate / 2))
    below = functional.softplus(middle - rate / 2)
    first, last = (levels == 0)[..., None], (levels == 255)[..., None]
    # sigmoid(b) - sigmoid(a) = sigmoid(b) sigmoid(-a) (1 - exp(a - b)): no cancellation however narrow or far the bin is
    width = torch.log(-torch.expm1(-rate))
    inner = width - above - below
    return torch.where(first, -above, torch.where(last, -below, inner))
