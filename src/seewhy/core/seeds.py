"""Random numbers that belong to a query, not to a batch.

A query's numbers are a hash of its own seed and a counter (SplitMix64: Steele, Lea, Flood, OOPSLA 2014), so they are the
same for every batch size, order, worker and resume point, and a whole batch is drawn in one vectorised call on any device.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seewhy.core.arrays import Seeds


def _signed(value: int) -> int:
    """Read an unsigned 64-bit constant as the int64 that torch has."""
    return value - (1 << 64) if value >= 1 << 63 else value


_GOLDEN = _signed(0x9E3779B97F4A7C15)
_MIX_1 = _signed(0xBF58476D1CE4E5B9)
_MIX_2 = _signed(0x94D049BB133111EB)


def _shift_right(x: Int[Tensor, "..."], bits: int) -> Int[Tensor, "..."]:
    """Shift in zeros from the left; torch's own shift of an int64 copies the sign bit."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def mix(x: Int[Tensor, "..."]) -> Int[Tensor, "..."]:
    """Hash each int64 to another one (the finaliser of SplitMix64, a bijection)."""
    x = x + _GOLDEN
    x = (x ^ _shift_right(x, 30)) * _MIX_1
    x = (x ^ _shift_right(x, 27)) * _MIX_2
    return x ^ _shift_right(x, 31)


def derive(seed: int, *parts: Int[Tensor, "..."]) -> Int[Tensor, "..."]:
    """Give each query a seed of its own from the run's seed and the query's coordinates.

    Args:
        seed: the run's seed, any 64-bit integer.
        parts: int64 tensors of one shape (or that broadcast): window number, sample number, …

    Returns:
        int64 seeds of the broadcast shape.

    Example:
        >>> derive(0, torch.arange(2)).unique().numel()
        2
    """
    state = mix(torch.tensor(seed, dtype=torch.int64))
    for part in parts:
        state = mix(state.to(part.device) ^ part)
    return state


def uniforms(seeds: Seeds, count: int, *, stream: int = 0) -> Float[Tensor, "n m"]:
    """Draw ``count`` numbers, uniform on the open interval (0, 1), for each query.

    Args:
        seeds: ``(n,)`` int64.
        count: numbers a query.
        stream: a different stream of the same query is independent of this one.

    Returns:
        ``(n, count)`` float32, never 0 and never 1.

    Example:
        >>> uniforms(torch.tensor([7]), 3).shape
        torch.Size([1, 3])
    """
    counters = torch.arange(count, device=seeds.device, dtype=torch.int64) + (stream << 40)
    bits = _shift_right(mix(mix(seeds)[:, None] ^ mix(counters)), 41)  # 23 bits: the half step below stays exact
    return (bits.to(torch.float32) + 0.5) / float(1 << 23)


def normals(seeds: Seeds, count: int, *, stream: int = 0) -> Float[Tensor, "n m"]:
    """Draw ``count`` standard normal numbers for each query, by inverting the normal distribution function.

    Args:
        seeds: ``(n,)`` int64.
        count: numbers a query.
        stream: see `uniforms`.

    Returns:
        ``(n, count)`` float32.

    Example:
        >>> bool(normals(torch.tensor([7]), 1000).abs().mean() < 1)
        True
    """
    return torch.erfinv(2 * uniforms(seeds, count, stream=stream) - 1) * math.sqrt(2)
