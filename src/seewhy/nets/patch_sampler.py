"""Models of q(patch | ring around it): the Patch Sampler of Yi, Kim, Kim, Yoon (arXiv 2009.11150, 2020).

``paper`` is the network of that paper; ``compact`` (see `seewhy.nets.compact_sampler`) is this project's own; ``gaussian`` (see
`seewhy.nets.gaussian_sampler`) is the model of prediction-difference analysis. All share one interface: ``log_likelihood``
and ``ranks`` of the true central pixels, and ``sample``. Their input is windows ``(n, 3, 3K, 3K)`` in [0, 1]. The central
K × K pixels are ignored; pixels outside the image are 0 and flagged.
"""

import hashlib
import json
import math
from pathlib import Path

import torch
from jaxtyping import Float, Int
from safetensors import SafetensorError
from safetensors.torch import load as read_tensors
from torch import Tensor, nn
from torch.nn import functional

from seewhy.core.errors import RequestError, did_you_mean
from seewhy.nets.checkpoints import Card
from seewhy.nets.compact_sampler import CompactSampler
from seewhy.nets.gaussian_sampler import GaussianSampler

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
WEIGHTS, CARD = "weights.safetensors", "card.json"


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
    """The published network: an independent 256-way categorical distribution for each sub-pixel, given the ring only.

    Yi, Kim, Kim, Yoon, "Information-Theoretic Visual Explanation for Black-Box Classifiers", arXiv 2009.11150, 2020. The
    image is padded with black before normalisation, and the patch is hidden after it (so it has the mean colour).

    Args:
        patch: side K of the patch in pixels: 1, 2, 4, 8 or 16. K = 8 has 38.93 M parameters and costs 5.24 GMAC per window.

    Raises:
        ValueError: K is not one of these values.
    """

    arch = "paper"
    mean: Float[Tensor, "3 1 1"]
    std: Float[Tensor, "3 1 1"]

    def __init__(self, patch: int = 8) -> None:
        super().__init__()
        if patch not in {1, 2, 4, 8, 16}:
            raise ValueError(f"expected a patch of 1, 2, 4, 8 or 16 pixels, got {patch}; choose one of those")
        self.patch = patch
        self.draws = 3 * patch * patch
        self.settings: dict[str, int] = {}
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
        logits: Tensor = self.leave(x)
        return logits.view(-1, 3, 256, patch, patch).movedim(2, 4).log_softmax(-1)

    def log_likelihood(
        self, windows: Float[Tensor, "n 3 s s"], outside: Float[Tensor, "n s s"], patches: Float[Tensor, "n 3 k k"]
    ) -> Float[Tensor, "n 3 k k"]:
        """Return the natural log probability of each 8-bit sub-pixel.

        Args:
            windows: ``(n, 3, 3K, 3K)`` in [0, 1], 0 outside the image; the central K × K pixels are ignored.
            outside: not used: outside pixels are black and hidden pixels have the mean colour.
            patches: ``(n, 3, K, K)`` true central pixels, multiples of 1/255.

        Returns:
            Log probabilities in nats, one per sub-pixel; the uniform distribution has -ln 256 = -5.545.

        Example:
            >>> net = PaperSampler(1)
            >>> net.log_likelihood(torch.zeros(2, 3, 3, 3), torch.zeros(2, 3, 3), torch.zeros(2, 3, 1, 1)).shape
            torch.Size([2, 3, 1, 1])
        """
        del outside
        levels = (patches * 255).round().long()
        return self.log_probabilities(windows).gather(-1, levels[..., None])[..., 0]

    def ranks(
        self, windows: Float[Tensor, "n 3 s s"], outside: Float[Tensor, "n s s"], patches: Float[Tensor, "n 3 k k"]
    ) -> Float[Tensor, "n 3 k k 2"]:
        """Return the probabilities of a level below each true one, and at or below it; arguments as in `log_likelihood`."""
        del outside
        levels = (patches * 255).round().long()[..., None]
        below = functional.pad(self.log_probabilities(windows).exp().cumsum(-1), (1, 0)).clamp(max=1)
        return below.gather(-1, torch.cat([levels, levels + 1], dim=-1))

    def sample(
        self,
        windows: Float[Tensor, "w 3 s s"],
        outside: Float[Tensor, "w s s"],
        uniforms: Float[Tensor, "n m"],
        which: Int[Tensor, " n"],
    ) -> Float[Tensor, "n 3 k k"]:
        """Draw each sub-pixel independently by inverting its distribution function.

        Args:
            windows: ``(w, 3, 3K, 3K)`` in [0, 1], each distinct window once.
            outside: not used.
            uniforms: ``(n, 3·K·K)`` uniform numbers in (0, 1).
            which: ``(n,)`` index of the window of each row.

        Returns:
            ``(n, 3, K, K)``, multiples of 1/255.
        """
        del outside
        below = self.log_probabilities(windows).exp().cumsum(-1)[which]
        wanted = uniforms.view(-1, 3, self.patch, self.patch, 1) * below[..., -1:]
        return (wanted > below).sum(-1).float() / 255


PatchNet = PaperSampler | CompactSampler | GaussianSampler
"""Any patch sampler network."""

_NETS: dict[str, type[PaperSampler] | type[CompactSampler] | type[GaussianSampler]] = {
    "compact": CompactSampler,
    "paper": PaperSampler,
    "gaussian": GaussianSampler,
}


def build_sampler(arch: str = "compact", patch: int = 8, *, seed: int = 0, **settings: int) -> PatchNet:
    """Build an untrained patch sampler.

    Args:
        arch: ``compact``, ``paper`` or ``gaussian``.
        patch: side K of the patch, in pixels.
        seed: seed of the initial weights; torch's global random state does not change.
        settings: further keyword arguments of the network class.

    Returns:
        The network with random weights.

    Raises:
        RequestError: there is no such architecture, or it does not support the patch size or setting.

    Example:
        >>> build_sampler("paper", 1).draws
        3
    """
    if arch not in _NETS:
        raise RequestError(f"expected a patch sampler architecture, got {arch!r}; {did_you_mean(arch, _NETS)}")
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return _NETS[arch](patch, **settings)
    except (TypeError, ValueError) as error:
        raise RequestError(f"{arch} patch sampler: {error}") from error


def read_card(folder: Path, *, arch: str | None = None, patch: int | None = None) -> Card:
    """Read the ``card.json`` of a trained patch sampler without its weights.

    Args:
        folder: folder with ``weights.safetensors`` and ``card.json``.
        arch: expected architecture; None accepts any.
        patch: expected side K; None accepts any.

    Returns:
        The card: ``arch``, ``patch``, ``settings``, ``sha256`` and the training record.

    Raises:
        RequestError: a file is missing, or the weights have another architecture or patch size.
    """
    wanted = {name: value for name, value in (("arch", arch), ("patch", patch)) if value is not None}
    options = "".join(f" --{name} {value}" for name, value in wanted.items())
    remedy = f"train one with: seewhy train sampler PHOTOS --out FOLDER{options}, and set weights=FOLDER"
    for name in (WEIGHTS, CARD):
        if not (folder / name).is_file():
            raise RequestError(f"expected {name} of a patch sampler in {folder}, got no such file; {remedy}")
    card: Card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    if {name: card.get(name) for name in wanted} != wanted:
        asked, found = (
            " ".join(f"{name}={facts.get(name)}" for name in ("arch", "patch") if name in wanted)
            for facts in (wanted, card)
        )
        raise RequestError(f"expected weights for {asked}, got {found}; {remedy}")
    return card


def load_sampler(folder: Path, *, arch: str | None = None, patch: int | None = None) -> tuple[PatchNet, str]:
    """Read a trained patch sampler from ``weights.safetensors`` and ``card.json``.

    Args:
        folder: folder with the two files.
        arch: expected architecture; None accepts any.
        patch: expected side K; None accepts any.

    Returns:
        The network in float32 and evaluation mode, and the SHA-256 of its weight file.

    Raises:
        RequestError: a file is missing or damaged, or the weights have another architecture or patch size.
    """
    card = read_card(folder, arch=arch, patch=patch)
    raw = (folder / WEIGHTS).read_bytes()
    checksum = hashlib.sha256(raw).hexdigest()
    if checksum != card.get("sha256"):
        raise RequestError(
            f"expected a weight file with SHA-256 {card.get('sha256')}, got {checksum}; copy both files again"
        )
    net = build_sampler(card["arch"], card["patch"], **card.get("settings", {}))
    try:
        net.load_state_dict({name: tensor.float() for name, tensor in read_tensors(raw).items()})
    except (RuntimeError, SafetensorError) as error:
        raise RequestError(
            f"expected tensors that fit a {card['arch']} patch sampler, got {error}; train it again"
        ) from error
    return net.eval().requires_grad_(False), checksum
