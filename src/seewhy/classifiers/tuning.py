"""Choose the fastest runtime on this machine whose outputs match those of the original classifier."""

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral

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
)

PLAIN_BATCH = 4
"""Batch size for a classifier in its native runtime."""

_LIMIT, _SHARE = 2.5, 0.05
"""A search starts no further candidate after this many seconds, or after this fraction of the run, whichever is longer."""

_MIN_RUN_SECONDS = 5.0
"""Minimum expected duration, in seconds, of a run in the native runtime for a search to pay off."""

_MIN_QUERIES_PARTIAL = 300
"""Minimum length of a run before partial recomputation is tested. It saves about a third of the run; preparing and timing
it takes several seconds, once."""

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
    """The chosen runtime and the reason for it; the fields are those of `seewhy.results.record.RuntimeInfo`."""

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
    """The user's choice of one of `seewhy.classifiers.fast.RUNTIMES`, and of a batch size; None for the fastest."""

    runtime: str = "auto"
    batch_size: int | None = None

    def __post_init__(self) -> None:
        if self.runtime not in RUNTIMES:
            raise RequestError(f"unknown runtime {self.runtime!r}; {did_you_mean(self.runtime, RUNTIMES)}")
        size = self.batch_size
        if size is not None and not (isinstance(size, Integral) and size >= 1):
            raise RequestError(f"expected batch_size >= 1, a whole number, got {size!r}")


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

    Under ``auto``, an earlier choice for this classifier and machine is reused if it agrees on this image, which costs four
    queries. Otherwise the candidates are tested, provided that the run would take 5 s or more in the native runtime; see
    `seewhy.runtime.tune.search`. A run that queries windows may get partial recomputation (`seewhy.runtime.partial`).

    The image is in the classifier's view. ``queries`` is the approximate number of queries of the run; None to search anew and
    without a time limit. ``box`` is the side in pixels of the smallest window in which a query differs from the image; None if
    there are no windows. ``log`` receives a message before a search.

    Returns:
        The classifier to query from now on, which is the original if its native runtime was chosen, and the choice.

    Raises:
        RequestError: the requested runtime is not available here, or its outputs differ from the original's.
    """
    cache, image = cache or default_cache(), image.to(classifier.device)
    if request.runtime == "auto" and queries is not None and queries < _MIN_QUERIES_PARTIAL:
        box = None
    options = options_for(classifier, image, request, box=box, cache=cache)
    job = _Job(classifier, image, box, request, options, cache, clock or clock_of(classifier.device))
    if request.runtime in {"eager", options[0].name}:
        return job.native("requested")
    if request.runtime == "auto" and len(options) == 1:
        return job.native("no other runtime is available")
    if queries is not None and (known := job.recall()):
        return known
    return job.search(queries, log) if request.runtime == "auto" else job.requested()


def options_for(
    classifier: Classifier, image: Image, request: RuntimeRequest, *, box: int | None = None, cache: Cache | None = None
) -> list[Candidate]:
    """List the runtimes of a classifier for an image in its view, its native one first; nothing is run.

    Raises:
        RequestError: the requested runtime is none of them.
    """
    cache = cache or default_cache()
    options = [*candidates(classifier, cache), *around_windows(classifier, image, box, cache)]
    names = dict.fromkeys(["auto", "eager", *(option.name for option in options)])
    if request.runtime not in names:
        raise RequestError(
            f"expected a runtime that can run {classifier.name}: {', '.join(names)}, got {request.runtime}; "
            "converters need a float32 torch module or an ONNX file of a fixed size, on its device, "
            f"and {PARTIAL} needs such a module and a method that queries windows"
        )
    return options


def clock_of(device: torch.device) -> Clock:
    """Return a clock that synchronises with the device on CUDA."""

    def synchronised() -> float:
        torch.cuda.synchronize(device)
        return time.perf_counter()

    return synchronised if device.type == "cuda" else time.perf_counter


@dataclass(frozen=True, eq=False)
class _Job:
    """What one choice depends on; ``options`` lists the native runtime first."""

    classifier: Classifier
    image: Image
    box: int | None
    request: RuntimeRequest
    options: list[Candidate]
    cache: Cache
    clock: Clock

    def native(self, why: str) -> tuple[Classifier, RuntimeChoice]:
        """Keep the classifier in its native runtime."""
        plain, batch = self.options[0], self.request.batch_size or PLAIN_BATCH
        return self.classifier, RuntimeChoice(plain.name, plain.precision, batch, None, 0.0, why)

    def recall(self) -> tuple[Classifier, RuntimeChoice] | None:
        """Reuse an earlier choice, if there is one that can be built and agrees on this image."""
        entry = self.cache.get(self._key(self.box))
        if entry is None:
            return None
        try:
            name, batch, speed, why = json.loads((entry / _FILE).read_text(encoding="utf-8"))
            option, answer, agreement = self._option(name), None, 0.0
            if option is not self.options[0]:
                images, answer = perturbed(self.image, _COPIES_RECHECK, option.box), option.build()
                agreement = difference(ask(answer, images), ask(self.classifier, images))
        except FAILURES:  # an unusable choice is made anew, which reports why it fails
            return None
        timing = Timing(name, option.precision, batch, speed, agreement)
        return self._use(timing, answer, why, (timing,), cached=True) if agreement <= option.tolerance else None

    def search(self, queries: int | None, log: Log) -> tuple[Classifier, RuntimeChoice]:
        """Test all candidates, if the run is long enough, and remember the best for this window and for any image."""
        limit = math.inf
        if queries is not None:
            run = queries * seconds(self.options[0].build(), self.image[None], PLAIN_BATCH, self.clock) / PLAIN_BATCH
            if run < _MIN_RUN_SECONDS:
                return self.native("the run is too short for a search")
            limit = max(_LIMIT, _SHARE * run)
        log("searching for the fastest runtime on this machine, once for this classifier …")
        images, batches = self._images(), self._batches()
        best, answer, tried = search(self.options, images, clock=self.clock, limit=limit, batches=batches)
        good = [timing for timing in tried if timing.reason is None]
        why = f"the fastest of {len(good)} that agree"
        if self.box is not None:
            general = [timing for timing in good if self._option(timing.name).box is None]
            self._remember(max(general, key=lambda timing: timing.queries_per_second or 0), None, why)
        self._remember(best, self.box, why)
        return self._use(best, answer, why, tried)

    def requested(self) -> tuple[Classifier, RuntimeChoice]:
        """Test only the requested candidate; nothing replaces it."""
        option = self._option(self.request.runtime)
        images = self._images()
        timing, answer = attempt(option, images, ask(self.classifier, images), self.clock, self._batches())
        if timing.reason is not None:
            raise RequestError(
                f"expected {option.name} to run {self.classifier.name}, got: {timing.reason}; "
                "choose another --runtime, or eager for the native one"
            )
        self._remember(timing, self.box, "requested")
        return self._use(timing, answer, "requested", (timing,))

    def _images(self) -> Images:
        """Return the image and copies for a check; if there are windows, half of them have noise in one."""
        if self.box is None:
            return perturbed(self.image)
        return torch.cat([perturbed(self.image, COPIES // 2, self.box), perturbed(self.image, COPIES // 2)[1:]])

    def _batches(self) -> tuple[int, ...] | None:
        """Return the batch sizes to test; None for the candidate's own."""
        return None if self.request.batch_size is None else (self.request.batch_size,)

    def _remember(self, best: Timing, box: int | None, why: str) -> None:
        """Store a choice in the cache, for windows of this size or for any image."""
        text = json.dumps([best.name, best.batch_size, best.queries_per_second, why])
        self.cache.put(self._key(box), lambda folder: (folder / _FILE).write_text(text, encoding="utf-8"))

    def _use(
        self, timing: Timing, answer: Answer | None, why: str, tried: tuple[Timing, ...], *, cached: bool = False
    ) -> tuple[Classifier, RuntimeChoice]:
        """Return a classifier that uses the chosen runtime, and the choice."""
        assert timing.batch_size is not None and timing.agreement is not None  # noqa: PT018, S101 - it was tested
        facts = (timing.name, timing.precision, timing.batch_size, timing.queries_per_second, timing.agreement)
        choice, option = RuntimeChoice(*facts, why, cached, tried), self._option(timing.name)
        if answer is None or option is self.options[0]:
            return self.classifier, choice
        return FastClassifier.of(self.classifier, answer, f"{option.text}, {option.precision}"), choice

    def _option(self, name: str) -> Candidate:
        """Return the candidate with this name."""
        return {option.name: option for option in self.options}[name]

    def _key(self, box: int | None) -> str:
        """Return the cache key, which depends on classifier, image size, machine, request and window."""
        facts = machine(self.classifier.device)
        return digest("choice", self.classifier.fingerprint, tuple(self.image.shape), facts, self.request, box)
