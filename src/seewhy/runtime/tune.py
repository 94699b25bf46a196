"""Find the fastest way to run a network whose outputs still match those of the original."""

import math
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

_MAX_REPEATS = 5
_MAX_SECONDS = 0.1
"""Seconds after which the timing of a batch size ends, once it has been run twice."""

_CHECK_BATCH = 8
"""Batch size where only the output matters."""

_MIN_RATIO_PARTIAL = 1.15
"""Minimum speed ratio of a runtime for windows to the best of the others."""


@dataclass(frozen=True)
class Timing:
    """The result of testing a candidate at its fastest batch size.

    ``agreement`` is the largest difference of a probability from the original, ``reason`` why the candidate was rejected.
    """

    name: str
    precision: str
    batch_size: int | None = None
    queries_per_second: float | None = None
    agreement: float | None = None
    reason: str | None = None


def perturbed(image: Image, copies: int = COPIES, box: int | None = None) -> Images:
    """Return the image and copies of it, the same every time, each with noise in one place, like those that methods query.

    The place is a box with sides of ``box`` pixels, or a quarter of the image.
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
    """Run images in batches."""
    return torch.cat([answer(piece) for piece in torch.split(images, batch)])


def difference(answers: Tensor, truth: Tensor) -> float:
    """Return the largest difference of a probability; infinity if a value is not finite or the shapes differ."""
    if answers.shape != truth.shape:
        return math.inf
    return float((answers.double() - truth.double()).abs().nan_to_num(math.inf, math.inf).max())


def seconds(answer: Answer, images: Images, batch: int, clock: Clock) -> float:
    """Return the minimum time of one batch over a few runs, the warm-up included, to reduce the effect of load."""
    shown = images[torch.arange(batch) % len(images)]
    times: list[float] = []
    while len(times) < 2 or (len(times) < _MAX_REPEATS and sum(times) < _MAX_SECONDS):
        start = clock()
        answer(shown)
        times.append(clock() - start)
    return min(times)


def fastest(answer: Answer, images: Images, batches: Sequence[int], clock: Clock) -> tuple[int, float]:
    """Return the best batch size and its queries per second; stop when two sizes in a row are slower than the best."""
    best, speed, slower = batches[0], 0.0, 0
    for batch in batches:
        rate = batch / max(seconds(answer, images, batch, clock), 1e-9)
        best, speed, slower = (batch, rate, 0) if rate > speed else (best, speed, slower + 1)
        if slower == 2:
            break
    return best, speed


def attempt(
    candidate: Candidate,
    images: Images,
    truth: Probabilities | None,
    clock: Clock,
    batches: Sequence[int] | None = None,
) -> tuple[Timing, Answer | None]:
    """Build a candidate, find the fastest of its batch sizes or of the given ones, and compare it with the original.

    ``truth`` is the outputs of the original for the images; None for the original itself. The function that runs the candidate
    is None if it cannot be built or run.
    """
    named = Timing(candidate.name, candidate.precision)
    try:
        answer = candidate.build()
        batch, speed = fastest(answer, images, batches or candidate.batches, clock)
        agreement = 0.0 if truth is None else difference(ask(answer, images, batch), truth)
    except FAILURES as problem:
        return replace(named, reason=_first_line(problem)), None
    allowed = candidate.tolerance
    reason = None if agreement <= allowed else f"differs by {agreement:.2g}, more than {allowed:g}"
    stated = agreement if math.isfinite(agreement) else None  # JSON has no infinity
    return Timing(candidate.name, candidate.precision, batch, speed, stated, reason), answer


def search(
    candidates: Sequence[Candidate],
    images: Images,
    *,
    clock: Clock,
    limit: float = math.inf,
    batches: Sequence[int] | None = None,
) -> tuple[Timing, Answer, tuple[Timing, ...]]:
    """Test candidates and choose the fastest one that agrees with the first, the original.

    The candidate most likely to win comes second, those for windows last. The latter and the second are tested whatever the
    ``limit``, in seconds, after which no other is started. One for windows must be 1.15 times as fast as the best of the others.

    Returns:
        The result of the best candidate, the function that runs it, and the results of all candidates in order.

    Raises:
        ClassifierError: the original cannot be run.
    """
    start = clock()
    best, answer = attempt(candidates[0], images, None, clock, batches)
    if answer is None or best.batch_size is None:
        raise ClassifierError(f"expected a classifier that answers batches, got: {best.reason}; try --batch-size 1")
    truth, tried = ask(answer, images, best.batch_size), [best]
    for candidate in candidates[1:]:
        spent = clock() - start
        if spent > limit and len(tried) > 1 and candidate.box is None:
            reason = f"not tested: the limit of {limit:.2g} s was reached; seewhy doctor --tune tests it"
            tried.append(Timing(candidate.name, candidate.precision, reason=reason))
            continue
        timing, built = attempt(candidate, images, truth, clock, batches)
        gain = (timing.queries_per_second or 0) / (best.queries_per_second or 1)
        if candidate.box is not None and timing.reason is None and gain < _MIN_RATIO_PARTIAL:
            reason = f"{gain:.2f} times as fast as {best.name}, less than {_MIN_RATIO_PARTIAL:g}"
            timing = replace(timing, reason=reason)
        tried.append(timing)
        if built is not None and timing.reason is None and gain > 1:
            best, answer = timing, built
    return best, answer, tuple(tried)


def _first_line(problem: BaseException) -> str:
    """Return the first line of an error message, truncated to 200 characters."""
    lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
    return (lines[0] if lines else type(problem).__name__)[:200]
