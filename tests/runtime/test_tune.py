"""The search for a runtime, with simulated engines and a simulated clock."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import torch

from games import picture
from seewhy.core.arrays import Images, Probabilities
from seewhy.core.errors import ClassifierError, RequestError
from seewhy.runtime.engines import TOLERANCE, Answer, Candidate
from seewhy.runtime.tune import COPIES, Timing, difference, fastest, perturbed, search


@dataclass
class Clock:
    """A clock that engines advance."""

    now: float = 0.0
    begun: list[str] = field(default_factory=list)

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def truth(images: Images) -> Probabilities:
    """Return probabilities of two classes: the brightness of the image, and the rest."""
    light = images.mean((1, 2, 3))
    return torch.stack([light, 1 - light], 1)


def engine(
    clock: Clock,
    name: str,
    cost: Callable[[int], float],
    *,
    off: float = 0.0,
    build: float = 0.0,
    fails: Exception | None = None,
    box: int | None = None,
    batches: tuple[int, ...] = (1, 2, 4, 8, 16, 32),
) -> Candidate:
    """Return an engine that takes ``cost(n)`` seconds for n images and overestimates the first class by ``off``."""

    def make() -> Answer:
        clock.begun.append(name)
        clock.now += build
        if fails:
            raise fails

        def answer(images: Images) -> Probabilities:
            clock.now += cost(len(images))
            return truth(images) + torch.tensor([off, -off])

        return answer

    return Candidate(name, make, name, "float32", batches, box)


@dataclass
class Found:
    """What a search returns."""

    best: Timing
    answer: Answer
    tried: tuple[Timing, ...]


def run(clock: Clock, *candidates: Candidate, limit: float = math.inf) -> Found:
    """Run a search on a test image."""
    return Found(*search(candidates, perturbed(picture(12, 12)), clock=clock, limit=limit))


def test_the_fastest_that_agrees_wins() -> None:
    """The winner is twice as fast as the original, and half as fast as a candidate that disagrees."""
    clock = Clock()
    found = run(
        clock,
        engine(clock, "eager", lambda n: 1.0 * n),
        engine(clock, "wrong", lambda n: 0.25 * n, off=2 * TOLERANCE),
        engine(clock, "good", lambda n: 0.5 * n, off=TOLERANCE / 2),
        engine(clock, "slower", lambda n: 2.0 * n),
    )
    assert (found.best.name, found.best.queries_per_second) == ("good", 2.0)
    assert found.best.agreement == pytest.approx(TOLERANCE / 2, rel=1e-3)
    assert [timing.reason is None for timing in found.tried] == [True, False, True, True]
    assert found.tried[1].reason == f"differs by {2 * TOLERANCE:.2g}, more than 0.001"
    torch.testing.assert_close(found.answer(torch.ones(1, 3, 2, 2))[0, 0], torch.tensor(1 + TOLERANCE / 2))


def test_the_original_stays_where_nothing_is_faster() -> None:
    """The original wins a tie."""
    clock = Clock()
    candidates = [engine(clock, name, lambda n: 1.0 * n) for name in ("eager", "other")]
    assert run(clock, *candidates).best.name == "eager"


@pytest.mark.parametrize("best", [1, 4, 32])
def test_the_best_batch_size_is_found(best: int) -> None:
    """The cost per image has its minimum at one batch size."""
    clock = Clock()
    answer = engine(clock, "one", lambda n: n * (1 + abs(math.log2(n / best)))).build()
    sizes = (1, 2, 4, 8, 16, 32)
    assert fastest(answer, torch.zeros(3, 3, 2, 2), sizes, clock) == (best, 1.0)


def test_larger_batches_are_not_tried_for_ever() -> None:
    """Two consecutive slower batch sizes end the search."""
    asked: list[int] = []
    clock = Clock()

    def answer(images: Images) -> Probabilities:
        asked.append(len(images))
        clock.now += len(images) ** 2
        return truth(images)

    assert fastest(answer, torch.zeros(3, 3, 2, 2), (1, 2, 4, 8, 16), clock)[0] == 1
    assert max(asked) == 4


@pytest.mark.parametrize("problem", [RequestError("run: pip install 'x'"), RuntimeError("no such operator\nat 5")])
def test_one_that_cannot_be_built_is_listed_with_its_reason(problem: Exception) -> None:
    """A failed candidate is not an error unless it was requested."""
    clock = Clock()
    found = run(
        clock, engine(clock, "eager", lambda n: 1.0 * n), engine(clock, "bad", lambda n: 0.1 * n, fails=problem)
    )
    assert found.best.name == "eager"
    assert found.tried[1].reason == str(problem).splitlines()[0]


def test_one_that_answers_nonsense_is_out() -> None:
    """NaN and a different number of classes are rejected."""
    clock = Clock()
    plain = engine(clock, "eager", lambda n: 1.0 * n)
    nan = Candidate("nan", lambda: lambda images: truth(images) * math.nan, "", "float32")
    three = Candidate("three", lambda: lambda images: torch.zeros(len(images), 3), "", "float32")
    found = run(clock, plain, nan, three)
    assert [timing.reason for timing in found.tried[1:]] == ["differs by inf, more than 0.001"] * 2


def test_no_candidate_is_begun_after_the_limit_but_the_second() -> None:
    """The likely winner is tested however slow the original is."""
    clock = Clock()
    candidates = [
        engine(clock, "eager", lambda n: 10.0 * n),
        engine(clock, "second", lambda n: 1.0 * n),
        engine(clock, "third", lambda n: 0.1 * n),
    ]
    found = run(clock, *candidates, limit=1.0)
    assert (clock.begun, found.best.name) == (["eager", "second"], "second")
    assert found.tried[2].reason is not None
    assert "limit of 1 s was reached" in found.tried[2].reason


@pytest.mark.parametrize(("cost", "reason"), [(0.5, None), (0.9, "1.11 times as fast as eager, less than 1.15")])
def test_a_runtime_for_windows_has_rules_of_its_own(cost: float, reason: str | None) -> None:
    """It is tested after the limit too, and must gain a seventh."""
    clock = Clock()
    candidates = [
        engine(clock, "eager", lambda n: 1.0 * n),
        engine(clock, "second", lambda n: 3.0 * n),
        engine(clock, "windows", lambda n: cost * n, box=3),
    ]
    found = run(clock, *candidates, limit=1.0)
    assert found.tried[2].reason == reason
    assert found.best.name == ("eager" if reason else "windows")


def test_an_original_that_fails_is_an_error() -> None:
    """Without the original there is no reference."""
    clock = Clock()
    with pytest.raises(ClassifierError, match="out of memory"):
        run(clock, engine(clock, "eager", lambda n: 1.0 * n, fails=MemoryError("out of memory")))


def test_the_copies_are_what_methods_ask_about() -> None:
    """The image comes first; each copy differs in a quarter of its area, on 8-bit levels, deterministically."""
    image = picture(16, 12)
    pictures = perturbed(image)
    assert pictures.shape == (1 + COPIES, 3, 16, 12)
    assert torch.equal(pictures[0], image)
    changed = (pictures[1:] != image).any(1)
    assert changed.flatten(1).sum(1).tolist() == [16 * 12 / 4] * COPIES
    levels = pictures[1:].movedim(1, -1)[changed] * 255
    torch.testing.assert_close(levels, levels.round())
    assert torch.equal(pictures, perturbed(image))
    assert len({tuple(each.flatten().tolist()) for each in changed}) > COPIES // 4


def test_windows_stand_anywhere_and_nothing_else_changes() -> None:
    """The window has the requested side and can lie anywhere up to the borders."""
    image = picture(9, 12)
    changed = (perturbed(image, 200, box=3)[1:] != image).any(1)
    rows, columns = changed.any(2), changed.any(1)
    assert set(rows.sum(1).tolist()) == set(columns.sum(1).tolist()) == {3}
    assert {int(row.int().argmax()) for row in rows} == set(range(7))
    assert {int(column.int().argmax()) for column in columns} == set(range(10))


def test_a_difference_is_the_largest() -> None:
    """The difference is the maximum over images and classes."""
    assert difference(torch.tensor([[0.5, 0.5], [0.25, 0.75]]), torch.tensor([[0.5, 0.5], [0.75, 0.25]])) == 0.5
