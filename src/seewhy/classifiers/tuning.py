"""Choose how a classifier is run: as fast as this machine can, and still saying the same."""

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
    times_as_fast,
)

PLAIN_BATCH = 4
"""Pictures shown at once to a classifier that is run as it came."""

_LIMIT, _SHARE = 2.5, 0.05
"""A search begins no further candidate after so many seconds, or after this share of the run, where that is more."""

_WORTH = 5.0
"""Seconds that a run must be expected to take, as the classifier came, for a search to pay."""

_WORTH_PARTIAL = 6.0
"""Seconds that a run must be expected to take in the fastest runtime for any picture before pieces around windows are tried:
they save about a third of it, and making them ready and timing them takes some seconds, once."""

_GAIN = 1.15
"""They must be so many times as fast as that runtime."""

_COPIES_PARTIAL = 15
"""Windows that they are held to, the picture itself aside: the original has to answer each."""

_COPIES_AGAIN = 3
"""Perturbed copies that a remembered choice is held to, the picture itself aside."""

_FILE = "choice.json"

Log = Callable[[str], object]
"""Told what is about to take a while."""


def no_log(text: str) -> None:
    """Tell nobody."""
    del text


@dataclass(frozen=True)
class RuntimeChoice:
    """How a classifier is run, and why, for the record.

    Args:
        name: of the runtime, as ``--runtime`` takes it.
        precision: that it multiplies in.
        batch_size: pictures shown at once.
        queries_per_second: measured when it was chosen; None where it was not.
        agreement: largest difference of a probability to the original, on the picture and perturbed copies of it.
        why: it was chosen.
        cached: whether an earlier run had chosen.
        tried: all candidates of the search.

    Example:
        >>> RuntimeChoice("eager", "float32", 4, None, 0.0, "asked for").cached
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
    """What was asked for.

    Args:
        runtime: one of `RUNTIMES`.
        batch_size: pictures at once; None for the fastest.

    Raises:
        RequestError: there is no such runtime, or the batch size is less than 1.

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
        """The batch sizes to try; None for a candidate's own."""
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
    """Choose a runtime, or make the one that was asked for ready.

    Under ``auto`` an earlier choice for this classifier and this machine is taken up again, once it agrees on this picture;
    else the candidates are tried, where that pays: where the run, as the classifier came, would take 5 s or more. Where the
    run asks about windows and still takes 6 s in the fastest of them, computing again only around the windows is tried too
    (`seewhy.runtime.partial`), and taken if it is 1.15 times as fast.

    Args:
        classifier: what is to be run.
        image: in the classifier's view, ``(3, h, w)`` in [0, 1].
        request: the runtime and the batch size.
        queries: that the run will ask, about; None: search at any length, slow candidates included.
        box: side of the window, pixels, in which a query differs from the picture; the smallest of several, None where there
            are no windows.
        cache: remembers choices and converted networks; None for the user's own.
        clock: gives the time; None for this machine's.
        log: is told before a search.

    Returns:
        What answers from now on, the original itself where that is the choice, and how it was chosen. For questions about
        another picture see `seewhy.classifiers.fast.FastClassifier.on`.

    Raises:
        RequestError: the runtime that was asked for is not to be had here, or says something else than the original.

    Cost in queries: none where there is nothing to choose; four for an earlier choice; else 33 of the original for the
    truth, 16 more where there are windows, and for each candidate as many and a few dozen for its speed.

    Example:
        >>> from seewhy.classifiers.function import from_function
        >>> even = from_function(lambda pictures: [[0.5, 0.5]] * len(pictures), size=8)
        >>> tune(even, torch.zeros(3, 8, 8), RuntimeRequest())[1].why
        'there is no other way to run it'
    """
    cache, image = cache or default_cache(), image.to(classifier.device)
    ways = [*candidates(classifier, cache), *around_windows(classifier, image, box, cache)]
    plain, names = ways[0], [way.name for way in ways]
    if request.runtime in {"eager", plain.name}:
        return classifier, _as_it_came(plain, request, "asked for")
    if request.runtime != "auto" and request.runtime not in names:
        raise RequestError(
            f"expected a runtime that can run {classifier.name}: auto, {', '.join(dict.fromkeys(['eager', *names]))}, "
            f"got {request.runtime}; one that converts needs a float32 torch module or an ONNX file of a fixed size, on its device, "
            f"and {PARTIAL} such a module and a method that asks about windows"
        )
    if len(ways) == 1:
        return classifier, _as_it_came(plain, request, "there is no other way to run it")
    return _Job(classifier, image, request, ways, cache, clock or _clock(classifier.device), log).settle(queries)


def _as_it_came(plain: Candidate, request: RuntimeRequest, why: str) -> RuntimeChoice:
    """Leave a classifier as it is."""
    return RuntimeChoice(plain.name, plain.precision, request.batch_size or PLAIN_BATCH, None, 0.0, why)


def _clock(device: torch.device) -> Clock:
    """The time, on CUDA once the device is done."""

    def synchronised() -> float:
        torch.cuda.synchronize(device)
        return time.perf_counter()

    return synchronised if device.type == "cuda" else time.perf_counter


@dataclass(frozen=True, eq=False)
class _Job:
    """One choice to be made.

    Args:
        classifier: what is to be run.
        image: in its view, on its device.
        request: what was asked for.
        ways: to run it, the plain one first.
        cache: of choices.
        clock: gives the time.
        log: is told before a search.
    """

    classifier: Classifier
    image: Image
    request: RuntimeRequest
    ways: list[Candidate]
    cache: Cache
    clock: Clock
    log: Log

    def settle(self, queries: int | None) -> tuple[Classifier, RuntimeChoice]:
        """Take up an earlier choice, or make one: first for any picture, then for windows."""
        again = queries is not None
        if self.request.runtime != "auto":
            way = self._way(self.request.runtime)
            return (again and self.recall(way.box)) or self.asked_for(way)
        around = next((way for way in self.ways if way.box is not None), None)
        if again and around and (known := self.recall(around.box)):
            return known
        found, choice = (again and self.recall(None)) or self.choose(queries)
        return self.narrow(around, found, choice, queries) if around and choice.tried else (found, choice)

    def choose(self, queries: int | None) -> tuple[Classifier, RuntimeChoice]:
        """Search among the ways that can answer any picture, if the run is long enough."""
        limit = float("inf")
        if queries is not None:
            plain = self.ways[0]
            run = queries * seconds(plain.build(), self.image[None], PLAIN_BATCH, self.clock) / PLAIN_BATCH
            if run < _WORTH:
                return self.classifier, _as_it_came(plain, self.request, "the run is too short for a search")
            limit = max(_LIMIT, _SHARE * run)
        self.log("finding the fastest runtime here, once for this classifier …")
        ways = [way for way in self.ways if way.box is None]
        found = search(ways, perturbed(self.image), clock=self.clock, limit=limit, batches=self.request.batches)
        why = f"the fastest of {sum(timing.reason is None for timing in found.tried)} that agree"
        return self._keep(found.best, found.answer, found.tried, why)

    def narrow(
        self, way: Candidate, found: Classifier, choice: RuntimeChoice, queries: int | None
    ) -> tuple[Classifier, RuntimeChoice]:
        """Compute again only around the windows, where that is faster still than what was found for any picture."""
        if queries is not None and queries < _WORTH_PARTIAL * (choice.queries_per_second or 0):
            reason = f"not tried: a run of less than {_WORTH_PARTIAL:g} s does not pay for it"
            return found, replace(choice, tried=(*choice.tried, Timing(way.name, way.precision, reason=reason)))
        self.log(f"finding out whether computing only around windows of {way.box} × {way.box} is faster here …")
        pictures, timing, answer = self._try(way)
        if answer is not None and timing.batch_size is not None and timing.reason is None:
            gain = times_as_fast((answer, timing.batch_size), (found, choice.batch_size), pictures, self.clock)
            if gain >= _GAIN:
                why = f"{gain:.2f} times as fast as {choice.name}, {choice.why}"
                return self._keep(timing, answer, (*choice.tried, timing), why)
            timing = replace(timing, reason=f"{gain:.2f} times as fast as {choice.name}, less than {_GAIN:g}")
        choice = replace(choice, tried=(*choice.tried, timing))
        self._remember(choice, way.box)
        return found, choice

    def recall(self, box: int | None) -> tuple[Classifier, RuntimeChoice] | None:
        """Take up an earlier choice, if there is one that can be built and agrees on this picture."""
        entry = self.cache.get(self._key(box))
        if entry is None:
            return None
        try:
            said = json.loads((entry / _FILE).read_text(encoding="utf-8"))
            before = RuntimeChoice(
                **{**said, "tried": tuple(Timing(**timing) for timing in said["tried"]), "cached": True}
            )
            way = self._way(before.name)
            if way is self.ways[0]:
                return self.classifier, before
            pictures = perturbed(self.image, _COPIES_AGAIN, way.box)
            answer = way.build()
            agreement = difference(ask(answer, pictures), ask(self.classifier, pictures))
        except (*FAILURES, StopIteration):  # what cannot be taken up again is found anew, and says there why it fails
            return None
        return self._with(answer, replace(before, agreement=agreement)) if agreement <= way.tolerance else None

    def asked_for(self, way: Candidate) -> tuple[Classifier, RuntimeChoice]:
        """Try the one candidate that was asked for; nothing takes its place."""
        _, timing, answer = self._try(way)
        if answer is None or timing.reason is not None:
            raise RequestError(
                f"expected {way.name} to run {self.classifier.name}, got: {timing.reason}; "
                "choose another --runtime, eager for the classifier as it came"
            )
        return self._keep(timing, answer, (timing,), "asked for")

    def _try(self, way: Candidate) -> tuple[Images, Timing, Answer | None]:
        """Time a candidate and hold it to the original, on pictures of the kind that it is for."""
        pictures = perturbed(self.image, COPIES if way.box is None else _COPIES_PARTIAL, way.box)
        return pictures, *attempt(way, pictures, ask(self.classifier, pictures), self.clock, self.request.batches)

    def _keep(
        self, best: Timing, answer: Answer, tried: tuple[Timing, ...], why: str
    ) -> tuple[Classifier, RuntimeChoice]:
        """Make a choice of a timing, and remember it for the next run."""
        assert best.batch_size is not None and best.agreement is not None  # noqa: PT018, S101 - it was timed
        choice = RuntimeChoice(
            best.name, best.precision, best.batch_size, best.queries_per_second, best.agreement, why, tried=tried
        )
        self._remember(choice, self._way(best.name).box)
        return self._with(answer, choice)

    def _remember(self, choice: RuntimeChoice, box: int | None) -> None:
        """Write a choice down, for windows of this size or for any picture."""
        text = json.dumps(asdict(choice))
        self.cache.put(self._key(box), lambda folder: (folder / _FILE).write_text(text, encoding="utf-8"))

    def _with(self, answer: Answer, choice: RuntimeChoice) -> tuple[Classifier, RuntimeChoice]:
        """Put the choice behind the classifier's door."""
        way = self._way(choice.name)
        if way is self.ways[0]:
            return self.classifier, choice
        return FastClassifier(self.classifier, answer, f"{way.text}, {way.precision}"), choice

    def _way(self, name: str) -> Candidate:
        """The candidate of this name."""
        return next(way for way in self.ways if way.name == name)

    def _key(self, box: int | None) -> str:
        """Another classifier, size, machine, request or window has another choice."""
        facts = machine(self.classifier.device)
        return digest("choice", self.classifier.fingerprint, tuple(self.image.shape), facts, self.request, box)
