"""Find the fastest way to run a network whose outputs still match those of the original."""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from seewhy.core.arrays import Image, Images, Probabilities, compose
from seewhy.core.errors import ClassifierError
from seewhy.runtime.engines import FAILURES, Answer, Candidate

COPIES = 32
"""Number of perturbed copies of the image on which a candidate must agree, in addition to the image itself."""

Clock = Callable[[], float]
"""Returns seconds since an arbitrary start; on an asynchronous device, after synchronisation."""

_ROUNDS = 3
_MAX_REPEATS = 5
_MAX_SECONDS = 0.1
"""Seconds after which the timing of a batch size ends, once it has been run twice."""

_CHECK_BATCH = 8
"""Batch size where only the output matters."""


@dataclass(frozen=True)
class Timing:
    """The result of testing a candidate.

    Args:
        name: name of the candidate.
        precision: precision of its multiplications.
        batch_size: its fastest batch size, or None if it was not timed.
        queries_per_second: throughput at that batch size.
        agreement: largest difference of a probability from the original; None if it is undefined.
        reason: why the candidate was rejected, or None if it was not.

    Example:
        >>> Timing("eager", "float32", 4, 100.0, 0.0).reason is None
        True
    """

    name: str
    precision: str
    batch_size: int | None = None
    queries_per_second: float | None = None
    agreement: float | None = None
    reason: str | None = None


def perturbed(image: Image, copies: int = COPIES, box: int | None = None) -> Images:
    """Return the image and copies of it, each with noise in one region, similar to the images that methods query.

    Args:
        image: ``(3, h, w)`` in [0, 1].
        copies: number of copies; they are the same every time.
        box: side of the noise window in pixels; None for a window of a quarter of the image.

    Example:
        >>> perturbed(torch.zeros(3, 8, 8), 2).shape
        torch.Size([3, 3, 8, 8])
    """
    generator = torch.Generator().manual_seed(0)
    height, width = image.shape[1:]
    noise = torch.rand(copies, *image.shape, generator=generator).to(image)
    keep = torch.ones(copies, height, width).to(image)
    tall, wide = (math.ceil(height / 2), math.ceil(width / 2)) if box is None else (min(box, height), min(box, width))
    for rows in keep:
        top = int(torch.randint(height - tall + 1, (), generator=generator))
        left = int(torch.randint(width - wide + 1, (), generator=generator))
        rows[top : top + tall, left : left + wide] = 0
    return torch.cat([image[None], compose(image, keep, noise)])


def ask(answer: Answer, images: Images, batch: int = _CHECK_BATCH) -> Probabilities:
    """Run images in batches.

    Example:
        >>> ask(lambda images: images.mean((2, 3)), torch.zeros(5, 3, 2, 2), 2).shape
        torch.Size([5, 3])
    """
    return torch.cat([answer(piece) for piece in torch.split(images, batch)])


def difference(answers: Tensor, truth: Tensor) -> float:
    """Return the largest difference of a probability; infinity if a value is not finite or the shapes differ.

    Example:
        >>> difference(torch.tensor([[0.5, 0.5]]), torch.tensor([[0.25, 0.75]]))
        0.25
    """
    if answers.shape != truth.shape:
        return math.inf
    return float((answers.double() - truth.double()).abs().nan_to_num(math.inf, math.inf).max())


def seconds(answer: Answer, images: Images, batch: int, clock: Clock) -> float:
    """Return the minimum time of one batch over a few runs, including a warm-up run, to reduce the effect of load.

    Example:
        >>> ticks = iter(range(100))
        >>> seconds(lambda images: images, torch.zeros(1, 3, 2, 2), 4, lambda: float(next(ticks)))
        1.0
    """
    shown = images[torch.arange(batch) % len(images)]
    times: list[float] = []
    while len(times) < 2 or (len(times) < _MAX_REPEATS and sum(times) < _MAX_SECONDS):
        start = clock()
        answer(shown)
        times.append(clock() - start)
    return min(times)


def fastest(answer: Answer, images: Images, batches: Sequence[int], clock: Clock) -> tuple[int, float]:
    """Test batch sizes in increasing order until two in a row are slower than the best.

    Returns:
        The best batch size, and its queries per second.

    Example:
        >>> ticks = iter(range(100))  # every batch takes one second
        >>> fastest(lambda images: images, torch.zeros(1, 3, 2, 2), (1, 2, 4), lambda: float(next(ticks)))
        (4, 4.0)
    """
    best, speed, slower = batches[0], 0.0, 0
    for batch in batches:
        found = batch / max(seconds(answer, images, batch, clock), 1e-9)
        best, speed, slower = (batch, found, 0) if found > speed else (best, speed, slower + 1)
        if slower == 2:
            break
    return best, speed


def speed_ratio(one: tuple[Answer, int], other: tuple[Answer, int], images: Images, clock: Clock) -> float:
    """Return the speed ratio of one runtime to another, in queries per second, each at its own batch size.

    Both are timed in every round, and the median over rounds is returned, to reduce the effect of other load.

    Example:
        >>> ticks = iter(range(100))  # every batch takes one second
        >>> def same(images): return images
        >>> speed_ratio((same, 6), (same, 4), torch.zeros(1, 3, 2, 2), lambda: float(next(ticks)))
        1.5
    """
    rounds = [[seconds(answer, images, size, clock) / size for answer, size in (one, other)] for _ in range(_ROUNDS)]
    return statistics.median(slow / max(fast, 1e-9) for fast, slow in rounds)


def attempt(
    candidate: Candidate,
    images: Images,
    truth: Probabilities | None,
    clock: Clock,
    batches: Sequence[int] | None = None,
) -> tuple[Timing, Answer | None]:
    """Build a candidate, find its fastest batch size, and compare its outputs with the original's.

    Args:
        candidate: the candidate to test.
        images: images from `perturbed`.
        truth: outputs of the original; None for the original itself.
        clock: returns the time.
        batches: batch sizes to test, in increasing order; None for the candidate's own.

    Returns:
        The result of the test, and the built candidate; None in place of the latter if it cannot be built or run.
    """
    named = Timing(candidate.name, candidate.precision)
    try:
        answer = candidate.build()
        batch, speed = fastest(answer, images, batches or candidate.batches, clock)
        agreement = 0.0 if truth is None else difference(ask(answer, images, batch), truth)
    except FAILURES as problem:
        return replace(named, reason=first_line(problem)), None
    allowed = candidate.tolerance
    reason = None if agreement <= allowed else f"differs by {agreement:.2g}, more than {allowed:g}"
    stated = agreement if math.isfinite(agreement) else None  # JSON has no infinity
    return Timing(candidate.name, candidate.precision, batch, speed, stated, reason), answer


@dataclass(frozen=True, eq=False)
class Found:
    """The outcome of a search.

    Args:
        best: the fastest candidate that agrees.
        answer: runs the best candidate.
        tried: results of all candidates, in order.

    Example:
        ``search(candidates, images, clock=time.perf_counter).best.name``
    """

    best: Timing
    answer: Answer
    tried: tuple[Timing, ...]


def search(
    candidates: Sequence[Candidate],
    images: Images,
    *,
    clock: Clock,
    limit: float = math.inf,
    batches: Sequence[int] | None = None,
) -> Found:
    """Test candidates and choose the fastest one that agrees with the first, the original.

    Args:
        candidates: the original first, the candidate most likely to win second.
        images: images from `perturbed`.
        clock: returns the time.
        limit: seconds after which no further candidate is started, except the second. Slow candidates are tested only
            if there is no limit.
        batches: batch sizes to test; None for each candidate's own.

    Raises:
        ClassifierError: the original cannot be run.

    Example:
        >>> plain = lambda images: images.mean((2, 3))
        >>> ticks = iter(range(1000))
        >>> eager = Candidate("eager", lambda: plain, "torch", "float32")
        >>> search([eager], torch.zeros(2, 3, 4, 4), clock=lambda: float(next(ticks))).best.batch_size
        64
    """
    start = clock()
    best, original = attempt(candidates[0], images, None, clock, batches)
    if original is None or best.batch_size is None:
        raise ClassifierError(f"expected a classifier that answers batches, got: {best.reason}; try --batch-size 1")
    truth = ask(original, images, best.batch_size)
    tried, answer = [best], original
    for candidate in candidates[1:]:
        spent = clock() - start if len(tried) > 1 else 0.0
        if skipped := _skipped(candidate, spent, limit):
            tried.append(Timing(candidate.name, candidate.precision, reason=skipped))
            continue
        timing, built = attempt(candidate, images, truth, clock, batches)
        tried.append(timing)
        if built is not None and timing.reason is None and _speed(timing) > _speed(best):
            best, answer = timing, built
    return Found(best, answer, tuple(tried))


def _skipped(candidate: Candidate, spent: float, limit: float) -> str | None:
    """Return why a candidate is skipped, or None if it is tested."""
    if candidate.slow and math.isfinite(limit):
        return "not tested: it takes long to build; seewhy doctor --tune tests it"
    return (
        f"not tested: the limit of {limit:.2g} s was reached; seewhy doctor --tune tests it" if spent > limit else None
    )


def first_line(problem: BaseException) -> str:
    """Return the first line of an error message, truncated to 200 characters.

    Example:
        >>> first_line(ValueError("one" + chr(10) + "two"))
        'one'
    """
    lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
    return (lines[0] if lines else type(problem).__name__)[:200]


def _speed(timing: Timing) -> float:
    """Return queries per second; 0 if the candidate was not timed."""
    return timing.queries_per_second or 0.0
