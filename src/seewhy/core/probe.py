"""The probe: classifier, in-fill, image, seed and budget, bound together; methods query the classifier only through it."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seewhy.core.arrays import Image, Images, Keep, Seeds
from seewhy.core.budget import Budget, Queries
from seewhy.core.classifier import Classifier, Differentiable, Open, Scores
from seewhy.core.errors import ClassifierError, RequestError
from seewhy.core.infill import Infill, Limited
from seewhy.core.layers import Change, shapes, watching
from seewhy.core.view import Frame

Answers = Float[Tensor, "n k"]
"""Class probabilities in float64; each row sums to 1 within float64 precision."""

Progress = Callable[[int, int], None]
"""Callback invoked before each batch with the number of queries, those of the batch included, and the number planned."""


_FILL_BATCH = 32  # images filled in at once if memory allows: a learned in-fill is inefficient on small batches
_FILL_BYTES = 2**25  # maximum bytes of these images beyond a single batch: they stay in most CPU caches

LOOK_EVERY = 64
"""Number of windows or grids between two evaluations of the standard error; one evaluation costs as much time as a few
queries."""


def pieces(total: int, step: int) -> Iterator[tuple[int, int]]:
    """Split ``0 … total`` into pieces of at most ``step`` that end at every multiple of `LOOK_EVERY`.

    A run thus evaluates its errors, and may stop, at the same points for every batch size.

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
    """Ignore progress updates."""
    del done, planned


def together(image: Image, batch: int) -> int:
    """Return how many images are filled at once for batches of a size; see `Probe.rows`."""
    return batch * max(1, min(_FILL_BATCH, _FILL_BYTES // image.nbytes) // batch)


@dataclass(eq=False)
class Probe:
    """Query one classifier about one image, in batches and within a budget, and count the queries.

    Args:
        classifier: the classifier to query.
        infill: the in-fill that replaces removed pixels.
        image: the image in the classifier's view, ``(3, h, w)`` in [0, 1].
        seed: seed of the run; each query derives its own seed from it.
        budget: when to stop.
        batch_size: images per batch; affects the speed, not the result.
        progress: callback invoked before each batch is asked.
        frame: the part of the user's image that the image shows; None: all of it, at its own size.
    """

    classifier: Classifier
    infill: Infill
    image: Image
    seed: int = 0
    budget: Budget = field(default_factory=Budget)
    batch_size: int = 4
    progress: Progress = no_progress
    frame: Frame | None = None

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise RequestError(f"expected batch_size >= 1, got {self.batch_size}")
        self.image = self.image.to(self.classifier.device)
        self.planned = 0
        self._images = self._calls = self._backward_images = self._backward_calls = 0
        self._started = time.monotonic()

    @property
    def rows(self) -> int:
        """Best number of queries per call: whole batches, enough for the in-fill, within the memory limit."""
        return together(self.image, self.batch_size)

    @property
    def queries(self) -> Queries:
        """Queries sent so far."""
        return Queries(self._images, self._calls, self._backward_images, self._backward_calls)

    @property
    def seconds(self) -> float:
        """Wall-clock seconds since the probe was created."""
        return time.monotonic() - self._started

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the image in the classifier's view."""
        return self.image.shape[1], self.image.shape[2]

    @cached_property
    def prediction(self) -> Float[Tensor, " k"]:
        """Predicted probabilities for the unmodified image; costs one query on first use."""
        return self._query(self.image[None])[0]

    def __call__(self, keep: Keep, seeds: Seeds) -> Answers:
        """Remove the pixels where ``keep`` is 0, fill them in, and query the classifier.

        Raises:
            ClassifierError: the output is not finite, has the wrong shape, or is not a probability distribution.
        """
        answers = []
        for rows, row_seeds in zip(torch.split(keep, self.rows), torch.split(seeds, self.rows), strict=True):
            images = self.infill(self.image, rows, row_seeds)
            answers += [self._query(batch) for batch in torch.split(images, self.batch_size)]
        return torch.cat(answers)

    def show(self, images: Images) -> Answers:
        """Query the classifier on given images, ``(n, 3, h, w)`` in [0, 1], batch by batch."""
        return torch.cat([self._query(batch) for batch in torch.split(images, self.batch_size)])

    def check_holes(self, keep: Keep) -> None:
        """Refuse an in-fill that cannot fill the holes; costs no query, and fills nothing."""
        if isinstance(self.infill, Limited):
            self.infill.check(self.image, keep)

    def fill(self, seeds: Seeds) -> Images:
        """Return the in-fill of a fully removed image, ``(n, 3, h, w)``, one per seed; costs no query."""
        nothing = self.image.new_zeros(len(seeds), *self.size)
        return self.infill(self.image, nothing, seeds)

    def scores(self, images: Images) -> Scores:
        """Return differentiable class scores before the softmax; counts as one call.

        The images may have an autograd graph, for example from `seewhy.core.arrays.blend`.

        Raises:
            RequestError: the classifier offers no gradients, or the images have a graph that its network cuts off.
        """
        if not isinstance(self.classifier, Differentiable):
            raise RequestError(f"expected a classifier with gradients, got {self.classifier.name}; use a torch module")
        self._count(len(images))
        with torch.enable_grad():
            scores = self.classifier.scores(images)
        if images.requires_grad:
            require_gradient(scores, images, "the image")
        return scores

    def gradient(self, value: Tensor, of: Sequence[Tensor], images: int) -> tuple[Tensor, ...]:
        """Return the gradient of a scalar computed from `scores`; counts as one backward call of ``images`` images."""
        self._backward_images += images
        self._backward_calls += 1
        return torch.autograd.grad(value, list(of))

    def watching(self, layer: str, change: Change | None = None) -> AbstractContextManager[list[Tensor]]:
        """Record and optionally modify the output of a layer during `scores`; see `seewhy.core.layers.watching`."""
        return watching(self._module(), layer, change)

    def layers(self) -> dict[str, list[tuple[int, ...]]]:
        """Return the output shapes of each layer for the image, one per call of the layer; costs one query."""
        with torch.no_grad():
            return shapes(self._module(), lambda: self.scores(self.image[None]))

    def _module(self) -> nn.Module:
        """Return the underlying network, if the classifier exposes it."""
        if not isinstance(self.classifier, Open):
            raise RequestError(
                f"expected a classifier that exposes its layers, got {self.classifier.name}; use a torch module"
            )
        return self.classifier.module

    def plan(self, queries: int) -> None:
        """Set the total number of queries that the method plans, for the progress bar."""
        self.planned = queries

    def affordable(self, queries: int, *, smallest: int, hint: str) -> int:
        """Limit a number of queries, including the one of the unmodified image, to the budget.

        Raises:
            RequestError: the budget is less than ``smallest``, the minimum that gives any result; ``hint`` says how to
                reduce it.
        """
        limit = self.budget.queries
        if limit is None:
            return queries
        if limit < smallest:
            raise RequestError(f"a budget of {limit} queries is too small; expected at least {smallest}, or {hint}")
        return min(queries, limit)

    @contextmanager
    def limited(self, queries: int, share: float) -> Iterator[None]:
        """Give the first part of a method at most so many queries, that of the image included, a share of the time, and no tolerance."""
        whole = self.budget
        limit = queries if whole.queries is None else min(queries, whole.queries)
        self.budget = Budget(limit, None if whole.seconds is None else share * whole.seconds)
        try:
            yield
        finally:
            self.budget = whole

    def why_stop(self, error: Callable[[], float] | None = None, *, done: int = 0) -> str | None:
        """Return the reason to stop if time is up or the map is precise enough, or None to continue.

        Args:
            error: returns the largest relative error over the targets, see `seewhy.core.attribution.worst_error`; None if the
                method has no errors, or to check the time only.
            done: number of windows or grids so far. Errors are evaluated where `pieces` ends at a multiple of
                `LOOK_EVERY`.
        """
        if self.budget.seconds is not None and self.seconds >= self.budget.seconds:
            return "seconds"
        if self.budget.tolerance is None or error is None or done % LOOK_EVERY != 0:
            return None
        return "tolerance" if error() <= self.budget.tolerance else None

    def _query(self, images: Images) -> Answers:
        """Query the classifier on one batch and validate its output."""
        self._count(len(images))
        with torch.no_grad():
            return as_distributions(self.classifier(images), len(images))

    def _count(self, images: int) -> None:
        """Count one call and enforce the budget."""
        if self.budget.queries is not None and self._images + images > self.budget.queries:
            raise AssertionError("a method exceeded its query budget")
        self._images += images
        self._calls += 1
        self.progress(self._images, self.planned)


def require_gradient(scores: Scores, of: Tensor, name: str) -> None:
    """Refuse a network that cuts its scores off from a tensor; an optimisation would follow its penalties alone.

    Raises:
        RequestError: the autograd graph does not lead from the scores to the tensor.
    """
    graph: set[torch.autograd.graph.Node] = set()
    left = [scores.grad_fn]
    while left:
        node = left.pop()
        if node is not None and node not in graph:
            graph.add(node)
            left += [before for before, _ in node.next_functions]
    if not of.requires_grad or torch.autograd.graph.get_gradient_edge(of).node not in graph:
        raise RequestError(
            f"expected scores with a gradient with respect to {name}, got none: the module calls no_grad, inference_mode or "
            "detach in its forward; leave that out, or choose a method without gradients, such as rise"
        )


def as_distributions(answers: Tensor, rows: int) -> Answers:
    """Validate a classifier's output for ``rows`` images and normalise each row to sum to 1 in float64.

    Raises:
        ClassifierError: the shape is not ``(rows, k)``, a value is not finite or is negative, or a row does not sum to 1.
    """
    if answers.ndim != 2 or len(answers) != rows or answers.shape[1] < 2:
        raise ClassifierError(
            f"expected probabilities of shape ({rows}, classes >= 2), got {tuple(answers.shape)}; return one row per image"
        )
    exact = answers.double()
    totals = exact.sum(1, keepdim=True)
    off = (totals - 1).abs()
    # non-finite values propagate to the sum, and every comparison with NaN is False
    near = float(off.max()) <= SUM_TOLERANCE or float(off.max()) <= rounding(exact)
    if not (near and float(exact.min()) >= 0):
        raise ClassifierError(_why_no_distribution(exact, float(totals[off.argmax()])))
    return exact / totals


SUM_TOLERANCE = 1e-2
"""Maximum deviation of a row sum from 1. Softmax in half precision over 1,000 classes deviates by this much."""


def rounding(rows: Answers) -> float:
    """Return how far the sum of a row can be from the true one if all values were rounded to 1 to 4 decimals; otherwise 0.

    Example:
        >>> round(rounding(torch.tensor([[0.33, 0.33, 0.33]])), 3)
        0.015
    """
    for decimals in range(1, 5):
        scaled = rows.double() * 10**decimals
        if bool(((scaled - scaled.round()).abs() <= 1e-3).all()):
            return min(0.5 * rows.shape[1] * 0.1**decimals, _MAX_ROUNDING) + 1e-6
    return 0.0


_MAX_ROUNDING = 0.1
"""Maximum deviation of a row sum from 1 that is put down to rounding."""


def _why_no_distribution(rows: Answers, total: float) -> str:
    """Describe what is wrong, and name the likely cause if probabilities do not sum to 1."""
    finite = rows.isfinite().all(1)
    if not bool(finite.all()):
        row = int((~finite).nonzero()[0])
        return f"expected finite probabilities, got NaN or infinity in row {row}; check the classifier"
    lowest, highest = float(rows.min()), float(rows.max())
    if math.isclose(total, 100, rel_tol=0.01) and lowest >= 0:
        cause = "these look like percentages: divide by 100"
    elif lowest < 0 or highest > 1:
        cause = "these look like logits (no softmax): pass outputs='logits'"
    else:
        cause = (
            "these look like independent sigmoid outputs: pass outputs='sigmoid' and label= the one to explain; "
            "or like logits that happen to be small: pass outputs='logits'"
        )
    return (
        f"expected probabilities >= 0 that sum to 1, got values from {lowest:.3g} and a row sum of {total:.4g}; {cause}"
    )
