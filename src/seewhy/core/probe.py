"""The bound question: classifier, in-fill, picture, seed and budget. The only thing that a method may touch."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seewhy.core.arrays import Image, Images, Keep, Seeds
from seewhy.core.budget import Budget, Queries
from seewhy.core.classifier import Classifier, Differentiable, Open, Scores
from seewhy.core.errors import ClassifierError, RequestError
from seewhy.core.infill import Infill
from seewhy.core.layers import Change, shapes, watching

Answers = Float[Tensor, "n k"]
"""Class probabilities in float64, each row summing to 1 to float64 precision."""

Progress = Callable[[int, int], None]
"""Told after each batch: queries done, queries planned."""


_FILLED_TOGETHER = 32
"""Pictures that are filled in at once where there is room: a learned in-fill is slow on few, a classifier may not be."""

_ROOM = 2**25
"""Bytes of such pictures, but for one batch: at 224 x 224 they all fit, and stay in most processors' caches."""

LOOK_EVERY = 64
"""Windows or grids between two looks at the standard error: a look costs as much as a few queries."""


def pieces(total: int, step: int) -> Iterator[tuple[int, int]]:
    """Cut ``0 … total`` into pieces of at most ``step`` that end at every multiple of `LOOK_EVERY`.

    So a run looks at its errors, and may stop, at the same places for every batch size.

    Example:
        >>> list(pieces(100, 50))
        [(0, 50), (50, 64), (64, 100)]
    """
    start = 0
    while start < total:
        stop = min(start + step, total, (start // LOOK_EVERY + 1) * LOOK_EVERY)
        yield start, stop
        start = stop


def no_progress(done: int, planned: int) -> None:
    """Report nothing."""
    del done, planned


@dataclass(eq=False)
class Probe:
    """Ask one classifier about one picture, in batches, within a budget, and count what was asked.

    Args:
        classifier: what is asked.
        infill: what stands where something was removed.
        image: the picture in the classifier's view, ``(3, h, w)`` in [0, 1].
        seed: the run's seed; each query derives its own from it.
        budget: when to stop.
        batch_size: pictures shown at once; changes the speed, not the answer.
        progress: told of each batch.

    Example:
        ``probe(keep, seeds)`` with ``keep (n, h, w)`` and ``seeds (n,)`` returns ``(n, k)`` probabilities, float64.
    """

    classifier: Classifier
    infill: Infill
    image: Image
    seed: int = 0
    budget: Budget = field(default_factory=Budget)
    batch_size: int = 4
    progress: Progress = no_progress

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise RequestError(f"expected batch_size >= 1, got {self.batch_size}")
        self.image = self.image.to(self.classifier.device)
        self.planned = 0
        self._images = self._calls = self._backward_images = self._backward_calls = 0
        self._started = time.monotonic()

    @property
    def rows(self) -> int:
        """How many questions are best put in one call: whole batches, enough for the in-fill, not too much for the memory."""
        together = min(_FILLED_TOGETHER, _ROOM // self.image.nbytes)
        return self.batch_size * max(1, together // self.batch_size)

    @property
    def queries(self) -> Queries:
        """What was asked so far."""
        return Queries(self._images, self._calls, self._backward_images, self._backward_calls)

    @property
    def seconds(self) -> float:
        """Wall-clock seconds since the probe was made."""
        return time.monotonic() - self._started

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the picture in the classifier's view."""
        return self.image.shape[1], self.image.shape[2]

    @cached_property
    def prediction(self) -> Float[Tensor, " k"]:
        """What the classifier says of the whole picture; costs one query, the first time."""
        return self._ask(self.image[None])[0]

    def __call__(self, keep: Keep, seeds: Seeds) -> Answers:
        """Remove, fill in, ask.

        Args:
            keep: ``(n, h, w)``, 1 = kept.
            seeds: ``(n,)`` int64.

        Returns:
            ``(n, k)`` float64 probabilities.

        Raises:
            ClassifierError: the answer is not finite, not of one shape, or not a distribution.
        """
        answers = []
        for rows, row_seeds in zip(torch.split(keep, self.rows), torch.split(seeds, self.rows), strict=True):
            images = self.infill(self.image, rows, row_seeds)
            answers += [self._ask(batch) for batch in torch.split(images, self.batch_size)]
        return torch.cat(answers)

    def show(self, images: Images) -> Answers:
        """Ask about finished pictures, ``(n, 3, h, w)`` in [0, 1], batch by batch.

        Raises:
            ClassifierError: as in `__call__`.
        """
        return torch.cat([self._ask(batch) for batch in torch.split(images, self.batch_size)])

    def fill(self, seeds: Seeds) -> Images:
        """Return what stands there when everything is removed, ``(n, 3, h, w)``: one picture a seed; no query."""
        nothing = self.image.new_zeros(len(seeds), *self.size)
        return self.infill(self.image, nothing, seeds)

    def scores(self, images: Images) -> Scores:
        """Return class scores before the soft-max with a graph; one call, ``n`` forward pictures.

        Args:
            images: ``(n, 3, h, w)``, made with a graph, for example by `seewhy.core.arrays.blend`.

        Raises:
            RequestError: the classifier offers no gradients.
        """
        if not isinstance(self.classifier, Differentiable):
            raise RequestError(f"expected a classifier with gradients, got {self.classifier.name}; give a torch module")
        self._count(len(images))
        with torch.enable_grad():
            return self.classifier.scores(images)

    def gradient(self, value: Tensor, of: Sequence[Tensor], pictures: int) -> tuple[Tensor, ...]:
        """Return the gradient of one number; one backward call.

        Args:
            value: a scalar made from `scores`.
            of: what it is taken with respect to.
            pictures: how many pictures it goes back through, for the account.
        """
        self._backward_images += pictures
        self._backward_calls += 1
        return torch.autograd.grad(value, list(of))

    def watching(self, layer: str, change: Change | None = None) -> AbstractContextManager[list[Tensor]]:
        """Write down what a layer puts out during `scores`, and change it; see `seewhy.core.layers.watching`.

        Raises:
            RequestError: the classifier does not show its layers, or has no such layer.
        """
        return watching(self._module(), layer, change)

    def layers(self) -> dict[str, tuple[int, ...]]:
        """Say what shape each layer puts out for the picture; costs one query."""
        with torch.no_grad():
            return shapes(self._module(), lambda: self.scores(self.image[None]))

    def _module(self) -> nn.Module:
        """The network behind the door, where the classifier shows it."""
        if not isinstance(self.classifier, Open):
            raise RequestError(
                f"expected a classifier that shows its layers, got {self.classifier.name}; give a torch module"
            )
        return self.classifier.module

    def plan(self, queries: int) -> None:
        """Say how many queries the method means to ask in all, for the progress bar."""
        self.planned = queries

    def affordable(self, queries: int, *, smallest: int, hint: str) -> int:
        """Cut a wish down to the budget.

        Args:
            queries: what the method would ask, the unmodified picture included.
            smallest: the least that gives any answer.
            hint: what makes a smaller question, for the error message.

        Raises:
            RequestError: the budget is less than ``smallest``.
        """
        limit = self.budget.queries
        if limit is None:
            return queries
        if limit < smallest:
            raise RequestError(
                f"a budget of {limit} queries is too small to say anything; expected at least {smallest}, or {hint}"
            )
        return min(queries, limit)

    def why_stop(self, error: Callable[[], float] | None = None, *, done: int = 0) -> str | None:
        """Say whether time is up or the map is sure enough; None means go on.

        Args:
            error: gives the relative error of the target that is known worst, see `seewhy.core.maps.worst_error`; None
                where there is none, or for the time only.
            done: windows or grids so far; errors are looked at where `pieces` ends at a multiple of `LOOK_EVERY`.
        """
        if self.budget.seconds is not None and self.seconds >= self.budget.seconds:
            return "seconds"
        if self.budget.tolerance is None or error is None or done % LOOK_EVERY != 0:
            return None
        return "tolerance" if error() <= self.budget.tolerance else None

    def _ask(self, images: Images) -> Answers:
        """Show one batch and hold the answer to the contract."""
        self._count(len(images))
        with torch.no_grad():
            return as_distributions(self.classifier(images), len(images))

    def _count(self, pictures: int) -> None:
        """Enter one call into the account, and hold the method to its budget."""
        if self.budget.queries is not None and self._images + pictures > self.budget.queries:
            raise AssertionError("a method asked more than it was given")
        self._images += pictures
        self._calls += 1
        self.progress(self._images, self.planned)


def as_distributions(answers: Tensor, rows: int) -> Answers:
    """Check a classifier's answer and bring each row to sum to 1 in float64.

    Args:
        answers: what the classifier returned.
        rows: how many pictures it was shown.

    Raises:
        ClassifierError: the shape is not ``(rows, k)``, a value is not finite, negative, or rows do not sum to 1.

    Example:
        >>> as_distributions(torch.tensor([[0.25, 0.75]]), 1).sum().item()
        1.0
    """
    if answers.ndim != 2 or len(answers) != rows or answers.shape[1] < 2:
        raise ClassifierError(
            f"expected probabilities of shape ({rows}, classes >= 2), got {tuple(answers.shape)}; return one row a picture"
        )
    exact = answers.double()
    totals = exact.sum(1, keepdim=True)
    off = (totals - 1).abs()
    # what is not finite gets as far as the sum, and every comparison with NaN is False
    if not (float(off.max()) <= SUM_TOLERANCE and float(exact.min()) >= 0):
        raise ClassifierError(_why_no_distribution(exact, float(totals[off.argmax()])))
    return exact / totals


SUM_TOLERANCE = 1e-2
"""A row may miss 1 by this much: soft-max in half precision over 1,000 classes does."""


def _why_no_distribution(rows: Answers, total: float) -> str:
    """Say what is wrong, and name the likely reason where probabilities do not sum to 1."""
    finite = rows.isfinite().all(1)
    if not bool(finite.all()):
        row = int((~finite).nonzero()[0])
        return f"expected finite probabilities, got NaN or infinity in row {row}; look at the classifier"
    if float(rows.min()) < 0:
        return (
            f"expected probabilities >= 0, got {float(rows.min()):.3g}; these look like logits (no soft-max): "
            "pass outputs='logits'"
        )
    start = f"expected probabilities that sum to 1, got a row that sums to {total:.4g}; "
    if math.isclose(total, 100, rel_tol=0.01):
        return start + "these look like percentages: divide by 100"
    if float(rows.max()) > 1:
        return start + "these look like logits (no soft-max): pass outputs='logits'"
    return start + "these look like independent sigmoid outputs: wrap each class as (p, 1 - p) or apply a soft-max"
