"""The conditional Gaussian of prediction-difference analysis (Zintgraf, Cohen, Adel, Welling, ICLR 2017).

In each colour channel, the hidden pixels and a narrow ring around them form one multivariate Gaussian fitted to windows of
photos. The hidden pixels are drawn given the visible pixels of the ring. There is no gradient training, and the only
weights are mean and covariance.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

_LEAST_VARIANCE = 1 / 12  # rounding variance, added to every pixel so that flat windows have an invertible covariance


class GaussianSampler(nn.Module):
    """A model q(patch | ring) with independent multivariate Gaussians for the three channels, on 8-bit levels.

    Args:
        patch: side K of the patch, in pixels.
        ring: width of the ring that the model is conditioned on, in pixels; 2 in the paper.

    Raises:
        ValueError: K is not positive, or the ring is wider than K.
    """

    arch = "gaussian"
    mean: Float[Tensor, "3 d"]
    covariance: Float[Tensor, "3 d d"]
    hidden: Bool[Tensor, " d"]

    def __init__(self, patch: int = 8, *, ring: int = 2) -> None:
        super().__init__()
        if patch < 1 or not 1 <= ring <= patch:
            raise ValueError(f"expected a patch of at least 1 pixel and a ring of 1 to {patch}, got {patch} and {ring}")
        self.patch, self.ring = patch, ring
        self.draws = 3 * patch * patch
        self.settings = {"ring": ring}
        side = patch + 2 * ring
        hidden = torch.zeros(side, side, dtype=torch.bool)
        hidden[ring:-ring, ring:-ring] = True
        self.register_buffer("hidden", hidden.flatten(), persistent=False)
        self.register_buffer("mean", torch.full((3, side * side), 127.5))
        self.register_buffer("covariance", 64.0**2 * torch.eye(side * side).repeat(3, 1, 1))

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
        """Return the natural log probability of each 8-bit sub-pixel given the earlier ones of its channel, row by row.

        The density is integrated over the level's bin of width 1; the outermost bins include the tails.

        Args:
            windows: ``(n, 3, 3K, 3K)`` in [0, 1]; the central K × K pixels are ignored.
            outside: ``(n, 3K, 3K)``, 1 where a pixel is not visible.
            patches: ``(n, 3, K, K)`` true central pixels, multiples of 1/255.

        Returns:
            Log probabilities in nats, one per sub-pixel.

        Example:
            >>> net = GaussianSampler(4)
            >>> net.log_likelihood(torch.zeros(1, 3, 12, 12), torch.zeros(1, 12, 12), torch.zeros(1, 3, 4, 4)).shape
            torch.Size([1, 3, 4, 4])
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
        """Return the probabilities of a level below each true one, and at or below it; arguments as in `log_likelihood`."""
        return torch.stack([torch.special.ndtr(edge) for edge in self._standard(windows, outside, patches)], -1).float()

    def sample(
        self,
        windows: Float[Tensor, "w 3 s s"],
        outside: Float[Tensor, "w s s"],
        uniforms: Float[Tensor, "n m"],
        which: Int[Tensor, " n"],
    ) -> Float[Tensor, "n 3 k k"]:
        """Draw each channel's patch at once; levels are clipped to 0 … 255.

        Args:
            windows: ``(w, 3, 3K, 3K)`` in [0, 1], each distinct window once; the central K × K pixels are ignored.
            outside: ``(w, 3K, 3K)``, 1 where a pixel is not visible.
            uniforms: ``(n, 3·K·K)`` uniform numbers in (0, 1).
            which: ``(n,)`` index of the window of each row.

        Returns:
            ``(n, 3, K, K)``, multiples of 1/255.
        """
        means, roots, pattern = self._conditionals(windows, outside)
        noise = torch.special.ndtri(uniforms.double()).view(len(which), 3, -1)
        levels = means[which] + (roots[pattern[which]] @ noise[..., None])[..., 0]
        patches: Tensor = levels.round().clamp(0, 255) / 255
        return patches.float().view(-1, 3, self.patch, self.patch)
