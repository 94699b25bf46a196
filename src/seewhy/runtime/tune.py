"""Find the fastest way to run a network that still says what the network says."""

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
"""Perturbed copies of the picture that a candidate has to agree on, the picture itself aside."""

Clock = Callable[[], float]
"""Seconds since some moment; on a device that works by itself, once it is done."""

_ROUNDS = 3
_TURNS = 5
_ENOUGH = 0.1
"""Seconds after which a batch size is timed no further, once it had two turns."""

_SHOWN = 8
"""Pictures in a batch where only the answer matters."""


@dataclass(frozen=True)
class Timing:
    """What became of a candidate.

    Args:
        name: of the candidate.
        precision: that it multiplies in.
        batch_size: its fastest, or None where it was not timed.
        queries_per_second: at that batch size.
        agreement: largest difference of a probability to the original; None where there is no such number.
        reason: why it is out; None where it is not.

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
    """Return the picture and copies of it, each with noise somewhere: the kind of pictures that methods ask about.

    Args:
        image: ``(3, h, w)`` in [0, 1].
        copies: how many; the same ones every time.
        box: side of the window with noise, pixels; None for a quarter of the picture.

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


def ask(answer: Answer, pictures: Images, batch: int = _SHOWN) -> Probabilities:
    """Show pictures in batches.

    Example:
        >>> ask(lambda images: images.mean((2, 3)), torch.zeros(5, 3, 2, 2), 2).shape
        torch.Size([5, 3])
    """
    return torch.cat([answer(piece) for piece in torch.split(pictures, batch)])


def difference(answers: Tensor, truth: Tensor) -> float:
    """Return the largest difference of a probability; infinity where one is not finite or the classes are not as many.

    Example:
        >>> difference(torch.tensor([[0.5, 0.5]]), torch.tensor([[0.25, 0.75]]))
        0.25
    """
    if answers.shape != truth.shape:
        return math.inf
    return float((answers.double() - truth.double()).abs().nan_to_num(math.inf, math.inf).max())


def seconds(answer: Answer, pictures: Images, batch: int, clock: Clock) -> float:
    """Time one batch: the shortest of a few turns, of which the first warms up, so that other work here counts little.

    Example:
        >>> ticks = iter(range(100))
        >>> seconds(lambda images: images, torch.zeros(1, 3, 2, 2), 4, lambda: float(next(ticks)))
        1.0
    """
    shown = pictures[torch.arange(batch) % len(pictures)]
    turns: list[float] = []
    while len(turns) < 2 or (len(turns) < _TURNS and sum(turns) < _ENOUGH):
        start = clock()
        answer(shown)
        turns.append(clock() - start)
    return min(turns)


def fastest(answer: Answer, pictures: Images, batches: Sequence[int], clock: Clock) -> tuple[int, float]:
    """Try batch sizes, rising, until two on end are slower than the best.

    Returns:
        The best size, and queries a second.

    Example:
        >>> ticks = iter(range(100))  # every batch takes one second
        >>> fastest(lambda images: images, torch.zeros(1, 3, 2, 2), (1, 2, 4), lambda: float(next(ticks)))
        (4, 4.0)
    """
    best, speed, slower = batches[0], 0.0, 0
    for batch in batches:
        found = batch / max(seconds(answer, pictures, batch, clock), 1e-9)
        best, speed, slower = (batch, found, 0) if found > speed else (best, speed, slower + 1)
        if slower == 2:
            break
    return best, speed


def times_as_fast(one: tuple[Answer, int], other: tuple[Answer, int], pictures: Images, clock: Clock) -> float:
    """Return how many times as many queries a second one answers as another, each in batches of its own.

    Both have their turns in every round, so that other work here counts little; of the rounds, the median.

    Example:
        >>> ticks = iter(range(100))  # every batch takes one second
        >>> def same(images): return images
        >>> times_as_fast((same, 6), (same, 4), torch.zeros(1, 3, 2, 2), lambda: float(next(ticks)))
        1.5
    """
    rounds = [[seconds(answer, pictures, size, clock) / size for answer, size in (one, other)] for _ in range(_ROUNDS)]
    return statistics.median(slow / max(fast, 1e-9) for fast, slow in rounds)


def attempt(
    candidate: Candidate,
    pictures: Images,
    truth: Probabilities | None,
    clock: Clock,
    batches: Sequence[int] | None = None,
) -> tuple[Timing, Answer | None]:
    """Build a candidate, find its fastest batch size, and hold its answers against the original's.

    Args:
        candidate: what is tried.
        pictures: from `perturbed`.
        truth: the original's answers; None for the original itself.
        clock: gives the time.
        batches: sizes to try, rising; None for the candidate's own.

    Returns:
        What became of it, and what answers; None where it cannot be built or run.
    """
    named = Timing(candidate.name, candidate.precision)
    try:
        answer = candidate.build()
        batch, speed = fastest(answer, pictures, batches or candidate.batches, clock)
        agreement = 0.0 if truth is None else difference(ask(answer, pictures, batch), truth)
    except FAILURES as problem:
        return replace(named, reason=in_short(problem)), None
    allowed = candidate.tolerance
    reason = None if agreement <= allowed else f"differs by {agreement:.2g}, more than {allowed:g}"
    stated = agreement if math.isfinite(agreement) else None  # files hold no infinity
    return Timing(candidate.name, candidate.precision, batch, speed, stated, reason), answer


@dataclass(frozen=True, eq=False)
class Found:
    """The outcome of a search.

    Args:
        best: the fastest candidate that agrees.
        answer: runs it.
        tried: all candidates, in order.

    Example:
        ``search(candidates, pictures, clock=time.perf_counter).best.name``
    """

    best: Timing
    answer: Answer
    tried: tuple[Timing, ...]


def search(
    candidates: Sequence[Candidate],
    pictures: Images,
    *,
    clock: Clock,
    limit: float = math.inf,
    batches: Sequence[int] | None = None,
) -> Found:
    """Try candidates and take the fastest that agrees with the first, the original.

    Args:
        candidates: the original first, the likeliest winner second.
        pictures: from `perturbed`.
        clock: gives the time.
        limit: seconds after which no further candidate is begun, but for the second; slow ones need a search without.
        batches: sizes to try; None for each candidate's own.

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
    best, original = attempt(candidates[0], pictures, None, clock, batches)
    if original is None or best.batch_size is None:
        raise ClassifierError(f"expected a classifier that answers batches, got: {best.reason}; say --batch-size 1")
    truth = ask(original, pictures, best.batch_size)
    tried, answer = [best], original
    for candidate in candidates[1:]:
        spent = clock() - start if len(tried) > 1 else 0.0
        if skipped := _skipped(candidate, spent, limit):
            tried.append(Timing(candidate.name, candidate.precision, reason=skipped))
            continue
        timing, built = attempt(candidate, pictures, truth, clock, batches)
        tried.append(timing)
        if built is not None and timing.reason is None and _speed(timing) > _speed(best):
            best, answer = timing, built
    return Found(best, answer, tuple(tried))


def _skipped(candidate: Candidate, spent: float, limit: float) -> str | None:
    """Say why a candidate is not even tried, or None where it is."""
    if candidate.slow and math.isfinite(limit):
        return "not tried: it takes long to build; seewhy doctor --tune tries it"
    return f"not tried: {limit:.2g} s were over; seewhy doctor --tune tries it" if spent > limit else None


def in_short(problem: BaseException) -> str:
    """Return the first line of an error, at most 200 letters of it.

    Example:
        >>> in_short(ValueError("one" + chr(10) + "two"))
        'one'
    """
    lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
    return (lines[0] if lines else type(problem).__name__)[:200]


def _speed(timing: Timing) -> float:
    """Queries a second; 0 where it was not timed."""
    return timing.queries_per_second or 0.0
