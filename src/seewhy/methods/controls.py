"""Controls: maps that know nothing of the classifier. A method that is no better than these says nothing about it."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from seewhy.core.maps import Maps
from seewhy.core.probe import Probe
from seewhy.core.seeds import derive, normals
from seewhy.core.target import Target
from seewhy.methods.aise import window
from seewhy.methods.designs import smooth_map
from seewhy.methods.segments import fade

_GRID = 7
"""Random numbers a side: the grain of RISE's usual grids."""

_WIDTH = 0.25
"""Standard deviation of the Gaussian in the centre, as a share of the sides."""

_BLUR = 1 / 32
"""Standard deviation of the blur of the edges, as a share of the shorter side: 7 pixels at 224."""

_SOBEL = ((-1.0, 0.0, 1.0), (-2.0, 0.0, 2.0), (-1.0, 0.0, 1.0))


def random(probe: Probe, targets: Sequence[Target]) -> Maps:
    """Draw a smooth random map: normal numbers on a grid of 7 x 7, bicubic between them; the same for every target.

    Returns:
        Maps of no unit, mostly from -3 to 3.

    Cost: none beyond the picture itself.

    Example:
        ``random(probe, [ClassEvidence(0)])`` changes with the probe's seed only.
    """
    drawn = normals(derive(probe.seed, torch.zeros(1, dtype=torch.int64, device=probe.image.device)), _GRID**2)
    return _same_for_all(targets, smooth_map(drawn, _GRID, probe.size)[0])


def center(probe: Probe, targets: Sequence[Target]) -> Maps:
    """Draw a Gaussian in the centre, its standard deviation a quarter of each side: where photographers put things.

    Returns:
        Maps of no unit, 0 to 1, the same for every picture and target.

    Cost: none beyond the picture itself.

    Example:
        ``center(probe, [ClassEvidence(0)])`` has its highest pixel in the middle.
    """
    return _same_for_all(targets, window((0.5, 0.5), _WIDTH, probe.size))


def edges(probe: Probe, targets: Sequence[Target]) -> Maps:
    """Measure how much brightness changes at each pixel, blurred: Sobel's two differences, root of the sum of squares.

    Returns:
        Maps in levels of brightness (0 to 1) a pixel, 0 or more, the same for every target.

    Cost: none beyond the picture itself.

    Example:
        ``edges(probe, [ClassEvidence(0)])`` is 0 for a picture of one colour.
    """
    return _same_for_all(targets, fade(_slope(probe.image.mean(0))[None], _BLUR * min(probe.size))[0])


def _slope(brightness: Float[Tensor, "h w"]) -> Float[Tensor, "h w"]:
    """Size of the gradient by Sobel's filters, the border repeated outwards."""
    across = torch.tensor(_SOBEL, device=brightness.device) / 8
    padded = functional.pad(brightness[None, None], (1, 1, 1, 1), mode="replicate")
    return functional.conv2d(padded, torch.stack([across, across.T])[:, None])[0].square().sum(0).sqrt()


def _same_for_all(targets: Sequence[Target], values: Float[Tensor, "h w"]) -> Maps:
    """Give every target the same map."""
    array = values.float().cpu().numpy()
    return Maps({target.key: array.copy() for target in targets}, {}, "no unit", {}, "complete")
