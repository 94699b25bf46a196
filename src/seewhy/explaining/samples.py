"""Collect some of the queries behind a map, with the in-fills that the classifier was shown."""

import numpy as np
import torch
from jaxtyping import UInt8

from seewhy.core.attribution import Witnesses
from seewhy.core.features import Windows
from seewhy.core.probe import Probe
from seewhy.results.samples import QuerySamples, display_copy


def collect_samples(photo: UInt8[np.ndarray, "H W 3"], probe: Probe, sampled: Witnesses | None) -> QuerySamples:
    """Gather what a reader needs to check a map.

    Args:
        photo: the user's image.
        probe: the one that was asked.
        sampled: windows that the method kept, where it has windows.

    Cost: no query; in-fills are made again from their seeds.
    """
    patches = None if sampled is None else _patches(probe, sampled)
    return QuerySamples(display_copy(photo), probe.image.cpu().numpy(), sampled, patches)


def _patches(probe: Probe, sampled: Witnesses) -> UInt8[np.ndarray, "m s a a 3"]:
    """Make the in-fills of the sampled windows again, a few windows at a time."""
    size, samples = sampled.size, sampled.seeds.shape[1]
    positions = torch.from_numpy(sampled.positions).to(probe.image.device)
    seeds = torch.from_numpy(sampled.seeds).to(positions.device)
    reach = torch.arange(size, device=positions.device)
    drawn = []
    for part in torch.split(torch.arange(len(positions)), max(1, probe.rows // samples)):
        where = positions[part].repeat_interleave(samples, dim=0)
        filled = probe.infill(probe.image, Windows(size, size).keep(where, *probe.size), seeds[part].flatten())
        each = torch.arange(len(where), device=where.device)[:, None, None]
        down, across = where[:, :1, None] + reach[:, None], where[:, 1:, None] + reach
        drawn.append((filled[each, :, down, across] * 255).round().to(torch.uint8).cpu())
    return torch.cat(drawn).view(len(positions), samples, size, size, 3).numpy()
