"""Random numbers that are tied to a query, not to a batch.

The random numbers of a query are a hash of its seed and a counter (SplitMix64: Steele, Lea, Flood, OOPSLA 2014). They
are the same for every batch size, order, worker and resume point. A whole batch is drawn in one vectorised call on any
device.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seewhy.core.arrays import Seeds


def _signed(value: int) -> int:
    """Convert an unsigned 64-bit constant to int64, because torch has no unsigned 64-bit arithmetic."""
    return value - (1 << 64) if value >= 1 << 63 else value


_GOLDEN = _signed(0x9E3779B97F4A7C15)
_MIX_1 = _signed(0xBF58476D1CE4E5B9)
_MIX_2 = _signed(0x94D049BB133111EB)


def _shift_right(x: Int[Tensor, "..."], bits: int) -> Int[Tensor, "..."]:
    """Shift right and fill with zeros; torch's right shift of an int64 copies the sign bit."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def mix(x: Int[Tensor, "..."]) -> Int[Tensor, "..."]:
    """Hash each int64 to another int64 (the finaliser of SplitMix64, a bijection)."""
    x = x + _GOLDEN
    x = (x ^ _shift_right(x, 30)) * _MIX_1
    x = (x ^ _shift_right(x, 27)) * _MIX_2
    return x ^ _shift_right(x, 31)


def derive(seed: int, *parts: Int[Tensor, "..."]) -> Int[Tensor, "..."]:
    """Derive a seed for each query from the run's seed and the query's coordinates.

    Args:
        seed: the run's seed, any 64-bit integer.
        parts: int64 tensors of broadcastable shapes: window number, sample number, …
    """
    state = mix(torch.tensor(seed, dtype=torch.int64))
    for part in parts:
        state = mix(state.to(part.device) ^ part)
    return state


def uniforms(seeds: Seeds, count: int, *, stream: int = 0) -> Float[Tensor, "n m"]:
    """Draw ``count`` uniform random numbers in the open interval (0, 1) for each query.

    Args:
        seeds: one int64 seed per query.
        count: number of random numbers per query.
        stream: index of the random stream; different streams of a query are independent.

    Returns:
        ``(n, count)`` float32, never 0 and never 1.
    """
    counters = torch.arange(count, device=seeds.device, dtype=torch.int64) + (stream << 40)
    bits = _shift_right(mix(mix(seeds)[:, None] ^ mix(counters)), 41)  # 23 bits: the half step below stays exact
    return (bits.to(torch.float32) + 0.5) / float(1 << 23)


def normals(seeds: Seeds, count: int, *, stream: int = 0) -> Float[Tensor, "n m"]:
    """Draw ``count`` standard normal random numbers for each query, by inverse transform sampling; see `uniforms`."""
    return torch.erfinv(2 * uniforms(seeds, count, stream=stream) - 1) * math.sqrt(2)
