"""Candidate runtimes of a network, which can be built, timed and compared with the original."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from seewhy.core.arrays import Images, Probabilities
from seewhy.core.errors import RequestError

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
        name: name of the runtime, as in ``--runtime``.
        build: prepares the network; raises one of `FAILURES` if that is not possible.
        text: description of the runtime with its version, for the record.
        precision: precision of the multiplications.
        batches: batch sizes to test, in increasing order.
        slow: whether building takes so long that the candidate is tested only on request.
        box: side in pixels of the window that may differ from the base image it was built for; None if it accepts any
            image.
        tolerance: maximum difference of a probability from the original's.

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
    """Restrict an engine that is expensive to prepare for each batch size to few batch sizes.

    A batch is padded with copies of its last image to the next size seen before, and the extra outputs are dropped.
    Only a batch larger than all previous ones adds a size.

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
        """Run the engine, if possible at a batch size seen before."""
        rows = len(images)
        size = min((known for known in self.sizes if known >= rows), default=rows)
        self.sizes.add(size)
        if size > rows:
            images = torch.cat([images, images[-1:].expand(size - rows, -1, -1, -1)])
        return self.answer(images)[:rows]


def missing(package: str, extra: str) -> RequestError:
    """Return the error for a missing optional package, with the command that installs it.

    Example:
        >>> str(missing("openvino", "openvino"))
        "expected the package openvino, got none installed; run: pip install 'seewhy[openvino]'"
    """
    return RequestError(f"expected the package {package}, got none installed; run: pip install 'seewhy[{extra}]'")
