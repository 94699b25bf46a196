"""Candidate runtimes of a network, which can be built, timed and compared with the original."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from seewhy.core.arrays import Images, Probabilities
from seewhy.core.errors import RequestError
from seewhy.core.locks import fork_safe_lock

Answer = Callable[[Images], Probabilities]
"""Maps ``(n, 3, h, w)`` float32 images in [0, 1], RGB, to ``(n, k)`` probabilities for any n; includes normalisation
and softmax."""

Engine = Callable[[Tensor], Tensor]
"""A compiled network, or a part of one, that accepts any number of rows of its input shape."""

TOLERANCE = 1e-3
"""Maximum difference of a probability from the original's. Candidates that differ more are rejected."""

BATCHES = (1, 2, 4, 8, 16, 32, 64)
"""Batch sizes tested on a CPU, until a larger one is slower."""

FAILURES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""Exceptions raised by compilers and converters for networks they do not support."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A way to run a network.

    Args:
        name: as in ``--runtime``.
        build: prepares the network; raises one of `FAILURES` if that is not possible.
        text: description with the version, for the record.
        box: side in pixels of the window that may differ from the base image it was built for; None if it accepts any
            image.
    """

    name: str
    build: Callable[[], Answer]
    text: str
    precision: str
    batches: tuple[int, ...] = BATCHES
    box: int | None = None
    tolerance: float = TOLERANCE


_converting = fork_safe_lock()


@contextmanager
def converting(network: nn.Module) -> Iterator[None]:
    """Let torch trace or export a network: one at a time, as it keeps globals, and with the mode of each layer put back."""
    with _converting:
        modes = [(part, part.training) for part in network.modules()]
        try:
            yield
        finally:
            for part, mode in modes:
                part.training = mode


def in_batches(run: Callable[[Images], Tensor], images: Images, size: int | None, *, fixed: bool) -> Tensor:
    """Run images in batches of at most ``size``; a smaller batch is filled up with repeats if ``size`` is fixed."""
    answers = []
    for batch in torch.split(images, size or max(1, len(images))):
        repeats = size - len(batch) if fixed and size else 0
        padded = torch.cat([batch, batch[-1:].expand(repeats, -1, -1, -1)]) if repeats else batch
        answers.append(run(padded)[: len(batch)])
    return torch.cat(answers)


def missing(package: str, extra: str) -> RequestError:
    """Return the error for a missing optional package, with the command that installs it."""
    return RequestError(f"expected the package {package}, got none installed; run: pip install 'seewhy[{extra}]'")
