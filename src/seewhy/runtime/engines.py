"""Ways to run a network: each is a candidate that may be built, timed and held against the original."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from seewhy.core.arrays import Images, Probabilities
from seewhy.core.errors import RequestError

Answer = Callable[[Images], Probabilities]
"""``(n, 3, h, w)`` float32 in [0, 1], RGB → ``(n, k)``, for every n; scaling and soft-max are inside."""

Engine = Callable[[Tensor], Tensor]
"""A network, or a piece of one, that was made ready: any number of rows of the shape that it was made for."""

TOLERANCE = 1e-3
"""A probability may differ by this much from the original's; what differs more is out."""

BATCHES = (1, 2, 4, 8, 16, 32, 64)
"""Tried on a CPU, until a larger one is slower."""

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
"""What compilers and converters raise for a network that they cannot take."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A way to run a network.

    Args:
        name: what ``--runtime`` calls it.
        build: makes it ready; raises one of `FAILURES` where that cannot be done.
        text: what computes, with its version, for the record.
        precision: that it multiplies in.
        batches: numbers of pictures to try at once, rising.
        slow: building takes so long that it is tried only when asked for.
        box: side of the window, pixels, in which the pictures that it is for differ from the one that it was built for; None
            for any picture.
        tolerance: a probability may differ by this much from the original's.

    Example:
        >>> Candidate("eager", lambda: lambda images: images.mean((2, 3)), "torch", "float32").name
        'eager'
    """

    name: str
    build: Callable[[], Answer]
    text: str
    precision: str
    batches: tuple[int, ...] = BATCHES
    slow: bool = False
    box: int | None = None
    tolerance: float = TOLERANCE


@dataclass(eq=False)
class Padded:
    """Show pictures in few batch sizes only, to an engine that prepares for each of them at length.

    A batch is filled up with repeats of its last picture to the next size that was seen before, and their answers are
    dropped. Only a batch larger than all before adds a size.

    Args:
        answer: the engine.

    Example:
        >>> padded = Padded(lambda images: images.mean((2, 3)))
        >>> [len(padded(torch.zeros(n, 3, 2, 2))) for n in (4, 3, 1)], padded.sizes
        ([4, 3, 1], {4})
    """

    answer: Answer
    sizes: set[int] = field(default_factory=set)

    def __call__(self, images: Images) -> Probabilities:
        """Answer, in a batch of a size that was seen before where there is one."""
        rows = len(images)
        size = min((known for known in self.sizes if known >= rows), default=rows)
        self.sizes.add(size)
        if size > rows:
            images = torch.cat([images, images[-1:].expand(size - rows, -1, -1, -1)])
        return self.answer(images)[:rows]


def missing(package: str, extra: str) -> RequestError:
    """Say that an optional package is not there, and how to get it.

    Example:
        >>> str(missing("openvino", "openvino"))
        "expected the package openvino, got none installed; run: pip install 'seewhy[openvino]'"
    """
    return RequestError(f"expected the package {package}, got none installed; run: pip install 'seewhy[{extra}]'")
