"""Baseline maps that ignore the classifier. A method that scores no better than these does not explain the classifier."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from seewhy.core.attribution import Attribution
from seewhy.core.probe import Probe
from seewhy.core.seeds import normals
from seewhy.core.target import Target
from seewhy.methods._shared import enlarge, name_maps, seeds
from seewhy.methods.sampling._segments import fade, window

_GRID = 7
"""Random numbers along each side, as in RISE's default grids."""

_WIDTH = 0.25
"""Standard deviation of the central Gaussian, as a fraction of the image's sides."""

_BLUR = 1 / 32
"""Standard deviation of the blur of the edge map, as a fraction of the shorter side: 7 pixels at 224."""

_SOBEL = ((-1.0, 0.0, 1.0), (-2.0, 0.0, 2.0), (-1.0, 0.0, 1.0))


def random(probe: Probe, targets: Sequence[Target]) -> Attribution:
    """Draw a smooth random map, the same for every target.

    Normal random numbers on a 7 x 7 grid are interpolated bicubically.

    Returns:
        Unitless maps, mostly between -3 and 3.

    Cost: no queries beyond the prediction for the unmodified image.
    """
    drawn = normals(seeds(probe, 0), _GRID**2)
    return _same_for_all(targets, enlarge(drawn.view(1, _GRID, _GRID), probe.size, "bicubic")[0])


def center(probe: Probe, targets: Sequence[Target]) -> Attribution:
    """Draw a Gaussian at the centre of the image, where photographers tend to place the subject.

    Its standard deviation is a quarter of each side.

    Returns:
        Unitless maps from 0 to 1, the same for every image and target.

    Cost: no queries beyond the prediction for the unmodified image.
    """
    return _same_for_all(targets, window((0.5, 0.5), _WIDTH, probe.size))


def edges(probe: Probe, targets: Sequence[Target]) -> Attribution:
    """Compute a blurred edge map: the magnitude of the Sobel gradient of the brightness.

    Returns:
        Maps in brightness (0 to 1) per pixel, 0 or more, the same for every target.

    Cost: no queries beyond the prediction for the unmodified image.
    """
    return _same_for_all(targets, fade(_slope(probe.image.mean(0))[None], _BLUR * min(probe.size))[0])


def _slope(brightness: Float[Tensor, "h w"]) -> Float[Tensor, "h w"]:
    """Return the gradient magnitude from Sobel filters, with the border replicated."""
    across = torch.tensor(_SOBEL, device=brightness.device) / 8
    padded = functional.pad(brightness[None, None], (1, 1, 1, 1), mode="replicate")
    return functional.conv2d(padded, torch.stack([across, across.T])[:, None])[0].square().sum(0).sqrt()


def _same_for_all(targets: Sequence[Target], values: Float[Tensor, "h w"]) -> Attribution:
    """Return the same map for every target."""
    return Attribution(name_maps(targets, values.repeat(len(targets), 1, 1)), {}, "", {}, "complete")
