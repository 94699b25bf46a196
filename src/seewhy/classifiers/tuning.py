"""Choose the fastest runtime on this machine whose outputs match those of the original classifier."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import torch

from seewhy.classifiers.fast import PARTIAL, RUNTIMES, FastClassifier, around_windows, candidates
from seewhy.classifiers.settings import digest
from seewhy.core.arrays import Image, Images
from seewhy.core.classifier import Classifier
from seewhy.core.errors import RequestError, did_you_mean
from seewhy.runtime.cache import Cache, default_cache
from seewhy.runtime.engines import FAILURES, Answer, Candidate
from seewhy.runtime.machine import machine
from seewhy.runtime.tune import (
    COPIES,
    Clock,
    Timing,
    ask,
    attempt,
    difference,
    perturbed,
    search,
    seconds,
    speed_ratio,
)

PLAIN_BATCH = 4
"""Batch size for a classifier in its native runtime."""

_LIMIT, _SHARE = 2.5, 0.05
"""A search starts no further candidate after this many seconds, or after this fraction of the run, whichever is longer."""

_MIN_RUN_SECONDS = 5.0
"""Minimum expected duration, in seconds, of a run in the native runtime for a search to pay off."""

_MIN_RUN_SECONDS_PARTIAL = 6.0
"""Minimum expected duration, in seconds, of a run in the fastest runtime for any image, before partial recomputation is
tested. It saves about a third of the run; preparing and timing it takes several seconds, once."""

_MIN_SPEED_RATIO = 1.15
"""Minimum speed ratio of partial recomputation to that runtime."""

_COPIES_PARTIAL = 15
"""Number of windows on which partial recomputation must agree, in addition to the image itself; each costs a query of
the original."""

_COPIES_RECHECK = 3
"""Number of perturbed copies on which a cached choice must agree, in addition to the image itself."""

_FILE = "choice.json"

Log = Callable[[str], object]
"""Callback that receives a message before a slow step."""


def no_log(text: str) -> None:
    """Ignore log messages."""
    del text


@dataclass(frozen=True)
class RuntimeChoice:
    """The chosen runtime and the reason for it, for the record.

    Args:
        name: name of the runtime, as in ``--runtime``.
        precision: precision of the multiplications.
        batch_size: images per batch.
        queries_per_second: throughput when the runtime was chosen; None if it was not measured.
        agreement: largest difference of a probability from the original, on the image and perturbed copies of it.
        why: reason for the choice.
        cached: whether the choice comes from an earlier run.
        tried: results of all candidates in the search.

    Example:
        >>> RuntimeChoice("eager", "float32", 4, None, 0.0, "requested").cached
        False
    """

    name: str
    precision: str
    batch_size: int
    queries_per_second: float | None
    agreement: float
    why: str
    cached: bool = False
    tried: tuple[Timing, ...] = ()


@dataclass(frozen=True)
class RuntimeRequest:
    """The runtime and batch size requested by the user.

    Args:
        runtime: one of `RUNTIMES`.
        batch_size: images per batch; None for the fastest.

    Raises:
        RequestError: the runtime is unknown, or the batch size is less than 1.

    Example:
        >>> RuntimeRequest().runtime
        'auto'
    """

    runtime: str = "auto"
    batch_size: int | None = None

    def __post_init__(self) -> None:
        if self.runtime not in RUNTIMES:
            raise RequestError(f"unknown runtime {self.runtime!r}; {did_you_mean(self.runtime, RUNTIMES)}")
        if self.batch_size is not None and self.batch_size < 1:
            raise RequestError(f"expected batch_size >= 1, got {self.batch_size}")

    @property
    def batches(self) -> tuple[int, ...] | None:
        """The batch sizes to test; None for the candidate's own."""
        return None if self.batch_size is None else (self.batch_size,)


@torch.no_grad()
def tune(
    classifier: Classifier,
    image: Image,
    request: RuntimeRequest,
    *,
    queries: int | None = None,
    box: int | None = None,
    cache: Cache | None = None,
    clock: Clock | None = None,
    log: Log = no_log,
) -> tuple[Classifier, RuntimeChoice]:
    """Choose a runtime, or prepare the requested one.

    Under ``auto``, an earlier choice for this classifier and machine is reused if it agrees on this image. Otherwise
    the candidates are tested, provided that the run would take 5 s or more in the native runtime. If the run queries
    windows and would still take 6 s in the fastest of them, partial recomputation (`seewhy.runtime.partial`) is tested
    too. It is chosen if it is at least 1.15 times as fast.

    Args:
        classifier: the classifier to run.
        image: the image in the classifier's view, ``(3, h, w)`` in [0, 1].
        request: the requested runtime and batch size.
        queries: approximate number of queries of the run; None to search without a time limit, including slow
            candidates.
        box: side in pixels of the window in which a query differs from the image, or of the smallest window if there
            are several sizes; None if there are no windows.
        cache: stores choices and converted networks; None for the user's cache.
        clock: returns the time; None for the system clock.
        log: receives a message before a search.

    Returns:
        The classifier to query from now on, which is the original if its native runtime was chosen, and the choice. For
        queries about another image see `seewhy.classifiers.fast.FastClassifier.on`.

    Raises:
        RequestError: the requested runtime is not available here, or its outputs differ from the original's.

    Cost in queries: none if there is only one runtime; four for an earlier choice. A search costs 33 queries of the
    original for reference, 16 more if there are windows, and for each candidate the same number plus a few dozen to
    measure its speed.

    Example:
        >>> from seewhy.classifiers.function import from_function
        >>> even = from_function(lambda pictures: [[0.5, 0.5]] * len(pictures), size=8)
        >>> tune(even, torch.zeros(3, 8, 8), RuntimeRequest())[1].why
        'no other runtime is available'
    """
    cache, image = cache or default_cache(), image.to(classifier.device)
    options = [*candidates(classifier, cache), *around_windows(classifier, image, box, cache)]
    plain, names = options[0], [option.name for option in options]
    if request.runtime in {"eager", plain.name}:
        return classifier, _native(plain, request, "requested")
    if request.runtime != "auto" and request.runtime not in names:
        raise RequestError(
            f"expected a runtime that can run {classifier.name}: auto, {', '.join(dict.fromkeys(['eager', *names]))}, "
            f"got {request.runtime}; converters need a float32 torch module or an ONNX file of a fixed size, on its device, "
            f"and {PARTIAL} needs such a module and a method that queries windows"
        )
    if len(options) == 1:
        return classifier, _native(plain, request, "no other runtime is available")
    return _Job(classifier, image, request, options, cache, clock or _clock(classifier.device), log).run(queries)


def _native(plain: Candidate, request: RuntimeRequest, why: str) -> RuntimeChoice:
    """Keep a classifier in its native runtime."""
    return RuntimeChoice(plain.name, plain.precision, request.batch_size or PLAIN_BATCH, None, 0.0, why)


def _clock(device: torch.device) -> Clock:
    """Return a clock that synchronises with the device on CUDA."""

    def synchronised() -> float:
        torch.cuda.synchronize(device)
        return time.perf_counter()

    return synchronised if device.type == "cuda" else time.perf_counter


@dataclass(frozen=True, eq=False)
class _Job:
    """One search for a runtime.

    Args:
        classifier: the classifier to run.
        image: the image in its view, on its device.
        request: the requested runtime and batch size.
        options: candidates, the native one first.
        cache: stores choices.
        clock: returns the time.
        log: receives a message before a search.
    """

    classifier: Classifier
    image: Image
    request: RuntimeRequest
    options: list[Candidate]
    cache: Cache
    clock: Clock
    log: Log

    def run(self, queries: int | None) -> tuple[Classifier, RuntimeChoice]:
        """Reuse an earlier choice or make one, first for any image, then for windows."""
        again = queries is not None
        if self.request.runtime != "auto":
            option = self._option(self.request.runtime)
            return (again and self.recall(option.box)) or self.requested(option)
        around = next((option for option in self.options if option.box is not None), None)
        if again and around and (known := self.recall(around.box)):
            return known
        found, choice = (again and self.recall(None)) or self.choose(queries)
        return self.try_windows(around, found, choice, queries) if around and choice.tried else (found, choice)

    def choose(self, queries: int | None) -> tuple[Classifier, RuntimeChoice]:
        """Search among the candidates that accept any image, if the run is long enough."""
        limit = float("inf")
        if queries is not None:
            plain = self.options[0]
            run = queries * seconds(plain.build(), self.image[None], PLAIN_BATCH, self.clock) / PLAIN_BATCH
            if run < _MIN_RUN_SECONDS:
                return self.classifier, _native(plain, self.request, "the run is too short for a search")
            limit = max(_LIMIT, _SHARE * run)
        self.log("searching for the fastest runtime on this machine, once for this classifier …")
        options = [option for option in self.options if option.box is None]
        found = search(options, perturbed(self.image), clock=self.clock, limit=limit, batches=self.request.batches)
        why = f"the fastest of {sum(timing.reason is None for timing in found.tried)} that agree"
        return self._keep(found.best, found.answer, found.tried, why)

    def try_windows(
        self, option: Candidate, found: Classifier, choice: RuntimeChoice, queries: int | None
    ) -> tuple[Classifier, RuntimeChoice]:
        """Use partial recomputation around windows, if it is faster than the runtime found for any image."""
        if queries is not None and queries < _MIN_RUN_SECONDS_PARTIAL * (choice.queries_per_second or 0):
            reason = f"not tested: it does not pay off for a run of less than {_MIN_RUN_SECONDS_PARTIAL:g} s"
            return found, replace(choice, tried=(*choice.tried, Timing(option.name, option.precision, reason=reason)))
        self.log(
            f"testing whether recomputing only around windows of {option.box} × {option.box} is faster on this machine …"
        )
        images, timing, answer = self._try(option)
        if answer is not None and timing.batch_size is not None and timing.reason is None:
            ratio = speed_ratio((answer, timing.batch_size), (found, choice.batch_size), images, self.clock)
            if ratio >= _MIN_SPEED_RATIO:
                why = f"{ratio:.2f} times as fast as {choice.name}, {choice.why}"
                return self._keep(timing, answer, (*choice.tried, timing), why)
            timing = replace(
                timing, reason=f"{ratio:.2f} times as fast as {choice.name}, less than {_MIN_SPEED_RATIO:g}"
            )
        choice = replace(choice, tried=(*choice.tried, timing))
        self._remember(choice, option.box)
        return found, choice

    def recall(self, box: int | None) -> tuple[Classifier, RuntimeChoice] | None:
        """Reuse an earlier choice, if there is one that can be built and agrees on this image."""
        entry = self.cache.get(self._key(box))
        if entry is None:
            return None
        try:
            stored = json.loads((entry / _FILE).read_text(encoding="utf-8"))
            before = RuntimeChoice(
                **{**stored, "tried": tuple(Timing(**timing) for timing in stored["tried"]), "cached": True}
            )
            option = self._option(before.name)
            if option is self.options[0]:
                return self.classifier, before
            images = perturbed(self.image, _COPIES_RECHECK, option.box)
            answer = option.build()
            agreement = difference(ask(answer, images), ask(self.classifier, images))
        except (*FAILURES, StopIteration):  # an unusable choice is searched for again, which reports why it fails
            return None
        return self._with(answer, replace(before, agreement=agreement)) if agreement <= option.tolerance else None

    def requested(self, option: Candidate) -> tuple[Classifier, RuntimeChoice]:
        """Test only the requested candidate; nothing replaces it."""
        _, timing, answer = self._try(option)
        if answer is None or timing.reason is not None:
            raise RequestError(
                f"expected {option.name} to run {self.classifier.name}, got: {timing.reason}; "
                "choose another --runtime, or eager for the native one"
            )
        return self._keep(timing, answer, (timing,), "requested")

    def _try(self, option: Candidate) -> tuple[Images, Timing, Answer | None]:
        """Time a candidate and compare it with the original, on images of the kind it is for."""
        images = perturbed(self.image, COPIES if option.box is None else _COPIES_PARTIAL, option.box)
        return images, *attempt(option, images, ask(self.classifier, images), self.clock, self.request.batches)

    def _keep(
        self, best: Timing, answer: Answer, tried: tuple[Timing, ...], why: str
    ) -> tuple[Classifier, RuntimeChoice]:
        """Create a choice from a timing, and store it for later runs."""
        assert best.batch_size is not None and best.agreement is not None  # noqa: PT018, S101 - the candidate was timed
        choice = RuntimeChoice(
            best.name, best.precision, best.batch_size, best.queries_per_second, best.agreement, why, tried=tried
        )
        self._remember(choice, self._option(best.name).box)
        return self._with(answer, choice)

    def _remember(self, choice: RuntimeChoice, box: int | None) -> None:
        """Store a choice in the cache, for windows of this size or for any image."""
        text = json.dumps(asdict(choice))
        self.cache.put(self._key(box), lambda folder: (folder / _FILE).write_text(text, encoding="utf-8"))

    def _with(self, answer: Answer, choice: RuntimeChoice) -> tuple[Classifier, RuntimeChoice]:
        """Return a classifier that uses the chosen runtime."""
        option = self._option(choice.name)
        if option is self.options[0]:
            return self.classifier, choice
        return FastClassifier(self.classifier, answer, f"{option.text}, {option.precision}"), choice

    def _option(self, name: str) -> Candidate:
        """Return the candidate with this name."""
        return next(option for option in self.options if option.name == name)

    def _key(self, box: int | None) -> str:
        """Return the cache key, which depends on classifier, image size, machine, request and window."""
        facts = machine(self.classifier.device)
        return digest("choice", self.classifier.fingerprint, tuple(self.image.shape), facts, self.request, box)
