"""Runtimes of a classifier: they match the original, are chosen by a search, are cached, and are never substituted."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
import torch
from onnx import TensorProto
from torch import Tensor, nn

from games import tall_cnn
from seewhy.classifiers import tuning
from seewhy.classifiers.answers import Outputs
from seewhy.classifiers.fast import PARTIAL, RUNTIMES, FastClassifier, candidates
from seewhy.classifiers.function import from_function
from seewhy.classifiers.module import TorchClassifier, from_module
from seewhy.classifiers.onnx import onnx
from seewhy.classifiers.settings import Channels
from seewhy.classifiers.tuning import RuntimeRequest, tune
from seewhy.core.access import Access
from seewhy.core.classifier import Classifier
from seewhy.core.errors import RequestError
from seewhy.runtime import cache as caches
from seewhy.runtime import openvino
from seewhy.runtime.cache import Cache
from seewhy.runtime.engines import Answer, Candidate
from seewhy.runtime.tune import perturbed

Export = Callable[..., Path]
LONG = 10**9
"""Number of queries for which any search pays off."""


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    """A separate cache for each test."""
    return Cache(tmp_path / "cache")


def wired(net: nn.Module) -> TorchClassifier:
    """Wrap the network with non-trivial preprocessing."""
    return from_module(net, size="12x16", mean="0.1/0.2/0.3", std=0.5, channels="bgr", labels=list("abcd"))


@pytest.mark.parametrize("runtime", ["channels-last", "openvino", "onnxruntime"])
def test_every_runtime_says_the_same(net: nn.Module, images: Tensor, cache: Cache, runtime: str) -> None:
    """Outputs match for every batch size, including remainders, and are bit-identical for the same batch."""
    original = wired(net)
    fast, choice = tune(original, images[0], RuntimeRequest(runtime), queries=LONG, cache=cache)
    assert isinstance(fast, FastClassifier)
    assert isinstance(fast, Classifier)
    for batch in (5, 2, 1):
        pieces = torch.split(images, batch)
        torch.testing.assert_close(torch.cat([fast(each) for each in pieces]), original(images), atol=1e-5, rtol=0)
        assert all(torch.equal(fast(each), fast(each)) for each in pieces)
    assert (choice.name, choice.precision, choice.why, choice.cached) == (runtime, "float32", "requested", False)
    assert choice.agreement < 1e-5
    assert choice.queries_per_second is not None
    assert [trial.name for trial in choice.tried] == [runtime]
    assert runtime in fast.runtime
    assert "float32" in fast.runtime


def test_it_stands_for_the_original(net: nn.Module, images: Tensor, cache: Cache) -> None:
    """Only the outputs and the runtime differ; gradients come from the original, whose weights are not modified."""
    original = wired(net)
    before = [value.stride() for value in net.state_dict().values()]
    fast, _ = tune(original, images[0], RuntimeRequest("channels-last"), cache=cache)
    assert isinstance(fast, FastClassifier)
    assert fast.original is original
    for name in ("name", "labels", "view", "fingerprint", "mean_color", "device"):
        assert getattr(fast, name) == getattr(original, name)
    assert fast.access is Access.PROBABILITIES
    assert not fast(images).requires_grad
    assert [value.stride() for value in net.state_dict().values()] == before


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [(("n", 3, 12, 16), TensorProto.FLOAT), (("n", 12, 16, 3), TensorProto.FLOAT), ((2, 3, 12, 16), TensorProto.UINT8)],
)
def test_an_onnx_file_in_openvino_says_the_same(
    export: Export, images: Tensor, cache: Cache, shape: tuple[int | str, ...], dtype: int
) -> None:
    """Outputs match for any layout, type and batch size."""
    original = onnx(path=export(shape, dtype))
    fast, choice = tune(original, images[0], RuntimeRequest("openvino"), queries=LONG, cache=cache)
    torch.testing.assert_close(fast(images), original(images), atol=1e-5, rtol=0)
    assert choice.name == "openvino"


def test_which_runtimes_there_are(net: nn.Module, export: Export, cache: Cache) -> None:
    """The native runtime comes first; converters need a fixed size and float32; all names can be requested."""
    names = [each.name for each in candidates(wired(net), cache)]
    assert names[:4] == ["eager", "openvino", "channels-last", "onnxruntime"]
    assert [each.name for each in candidates(onnx(path=export()), cache)][:2] == ["onnxruntime", "openvino"]
    assert set(names) < set(RUNTIMES)
    assert [each.name for each in candidates(from_module(net), cache)] == ["eager"]
    assert "openvino" not in [each.name for each in candidates(from_module(net.double(), size=16), cache)]


@pytest.mark.parametrize("runtime", ["auto", "eager"])
def test_a_function_is_left_as_it_is(images: Tensor, cache: Cache, runtime: str) -> None:
    """A function is not queried and is returned unchanged."""

    def refuse(_: object) -> object:
        raise AssertionError("it was asked")

    original = from_function(refuse, size="12x16")
    fast, choice = tune(original, images[0], RuntimeRequest(runtime), queries=LONG, cache=cache)
    assert fast is original
    assert (choice.name, choice.batch_size, choice.tried) == ("eager", 4, ())
    assert tune(original, images[0], RuntimeRequest(runtime, 7), cache=cache)[1].batch_size == 7


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("opnvino", None), "unknown runtime 'opnvino'; did you mean openvino"),
        (("auto", 0), "expected batch_size >= 1, a whole number, got 0"),
    ],
)
def test_invalid_requests(arguments: tuple[str, int | None], message: str) -> None:
    """Invalid requests are rejected before anything is built."""
    with pytest.raises(RequestError, match=message):
        RuntimeRequest(*arguments)


def test_a_runtime_that_does_not_fit_is_refused(images: Tensor, cache: Cache) -> None:
    """A function cannot be converted."""
    even = from_function(lambda pictures: [[0.5, 0.5]] * len(pictures), size="12x16")
    with pytest.raises(RequestError, match=r"can run .*: auto, eager, got openvino"):
        tune(even, images[0], RuntimeRequest("openvino"), cache=cache)


def test_a_missing_package_is_named(
    net: nn.Module, images: Tensor, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message contains the install command, and no other runtime is used instead."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(RequestError, match=r"pip install 'seewhy\[openvino\]'"):
        tune(wired(net), images[0], RuntimeRequest("openvino"), cache=cache)


def test_a_network_that_cannot_be_converted_is_an_error(images: Tensor, cache: Cache) -> None:
    """The converter's message is passed on."""

    class Odd(nn.Module):
        def forward(self, pictures: Tensor) -> Tensor:
            if torch._C._get_tracing_state() is not None:
                raise RuntimeError("a step that cannot be traced")
            return pictures.mean((2, 3))

    with pytest.raises(RequestError, match=r"expected openvino to run .* cannot be traced; choose another --runtime"):
        tune(from_module(Odd().eval(), size="12x16"), images[0], RuntimeRequest("openvino"), cache=cache)


@dataclass
class Machine:
    """Simulated engines and a simulated clock."""

    now: float = 0.0
    cost: dict[str, float] = field(default_factory=lambda: {"eager": 1.0, "openvino": 0.5})
    around: float = 0.25
    off: float = 0.0
    built: list[str] = field(default_factory=list)
    shown: dict[str, int] = field(default_factory=dict)

    def clock(self) -> float:
        """Return the time, which only engines advance."""
        return self.now

    def engines(self, classifier: Classifier, cache: Cache) -> list[Candidate]:
        """List candidates that run the classifier; all but the native one are ``off`` by this much."""
        del cache
        return [
            Candidate(name, lambda name=name: self.build(name, classifier), name, "float32", (4,))  # type: ignore[misc]
            for name in self.cost
        ]

    def pieces(self, classifier: Classifier, image: Tensor, box: int | None, cache: Cache) -> list[Candidate]:
        """List an engine for windows, which costs ``around``."""
        del image, cache
        build = partial(self.build, PARTIAL, classifier)
        return [] if box is None else [Candidate(PARTIAL, build, PARTIAL, "float32", (4,), box=box, tolerance=1e-5)]

    def build(self, name: str, classifier: Classifier) -> Answer:
        """Build an engine."""
        self.built.append(name)

        def answer(pictures: Tensor) -> Tensor:
            self.now += (self.around if name == PARTIAL else self.cost[name]) * len(pictures)
            self.shown[name] = self.shown.get(name, 0) + len(pictures)
            wrong = 0.0 if name == "eager" else self.off
            return classifier(pictures) + wrong * torch.tensor([1.0, -1.0, 0.0, 0.0])

        return answer


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Replace the candidates by simulated engines."""
    made = Machine()
    monkeypatch.setattr(tuning, "candidates", made.engines)
    monkeypatch.setattr(tuning, "around_windows", made.pieces)
    return made


def test_a_choice_is_remembered(net: nn.Module, images: Tensor, cache: Cache, machine: Machine) -> None:
    """The next run builds only the chosen engine, times nothing, and checks it on its own image."""
    first, choice = tune(wired(net), images[0], RuntimeRequest(), queries=LONG, cache=cache, clock=machine.clock)
    assert (choice.name, choice.queries_per_second, choice.cached) == ("openvino", 2.0, False)
    assert choice.why == "the fastest of 2 that agree"
    machine.built.clear()
    machine.shown.clear()
    again, remembered = tune(wired(net), images[1], RuntimeRequest(), queries=LONG, cache=cache, clock=lambda: 1 / 0)
    assert (machine.built, machine.shown) == (["openvino"], {"openvino": 4})
    assert (remembered.name, remembered.batch_size, remembered.cached) == ("openvino", choice.batch_size, True)
    assert [timing.name for timing in remembered.tried] == ["openvino"]
    assert remembered.why == choice.why
    assert torch.equal(first(images), again(images))


def test_a_choice_that_disagrees_on_this_picture_is_made_anew(
    net: nn.Module, images: Tensor, cache: Cache, machine: Machine
) -> None:
    """This happens, for example, with a stale conversion."""
    tune(wired(net), images[0], RuntimeRequest(), queries=LONG, cache=cache, clock=machine.clock)
    machine.off = 0.01
    fast, choice = tune(wired(net), images[0], RuntimeRequest(), queries=LONG, cache=cache, clock=machine.clock)
    assert (choice.name, choice.cached) == ("eager", False)
    assert choice.tried[1].reason == "differs by 0.01, more than 0.001"
    assert isinstance(fast, TorchClassifier)


@pytest.mark.parametrize("damage", ["{", "{}", '["openvino"]', '["no such name", 4, 2.0, "the fastest"]'])
def test_a_choice_that_cannot_be_read_is_made_anew(
    net: nn.Module, images: Tensor, cache: Cache, machine: Machine, damage: str
) -> None:
    """This happens, for example, with a choice stored by another version of this program."""
    tune(wired(net), images[0], RuntimeRequest(), queries=LONG, cache=cache, clock=machine.clock)
    (entry,) = cache.folder.iterdir()
    cache.put(entry.name, lambda folder: (folder / "choice.json").write_text(damage))
    _, choice = tune(wired(net), images[0], RuntimeRequest(), queries=LONG, cache=cache, clock=machine.clock)
    assert (choice.name, choice.cached) == ("openvino", False)
    assert tune(wired(net), images[0], RuntimeRequest(), queries=LONG, cache=cache, clock=machine.clock)[1].cached


@pytest.mark.parametrize("change", ["batch", "runtime", "weights", "machine"])
def test_another_question_is_another_choice(
    net: nn.Module, images: Tensor, cache: Cache, machine: Machine, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """Choices depend on batch size, runtime, classifier and machine."""
    tune(wired(net), images[0], RuntimeRequest(), queries=LONG, cache=cache, clock=machine.clock)
    request = {"batch": RuntimeRequest("auto", 2), "runtime": RuntimeRequest("openvino")}.get(change, RuntimeRequest())
    if change == "weights":
        nn.init.zeros_(next(net.parameters()))
    if change == "machine":
        monkeypatch.setattr(tuning, "machine", lambda _: {"processor": "another"})
    assert not tune(wired(net), images[0], request, queries=LONG, cache=cache, clock=machine.clock)[1].cached


def test_a_short_run_is_not_searched_for(net: nn.Module, images: Tensor, cache: Cache, machine: Machine) -> None:
    """Four queries at one second each are too few; with a fifth, the search pays off."""
    _, choice = tune(wired(net), images[0], RuntimeRequest(), queries=4, cache=cache, clock=machine.clock)
    assert (choice.name, choice.why, machine.built) == ("eager", "the run is too short for a search", ["eager"])
    assert (
        tune(wired(net), images[0], RuntimeRequest(), queries=5, cache=cache, clock=machine.clock)[1].name == "openvino"
    )


def test_what_was_asked_for_and_disagrees_is_an_error(
    net: nn.Module, images: Tensor, cache: Cache, machine: Machine
) -> None:
    """No other runtime replaces the requested one, neither now nor in the next run."""
    machine.off = 0.01
    for _ in range(2):
        with pytest.raises(RequestError, match=r"expected openvino to run .*differs by 0.01, more than 0.001"):
            tune(wired(net), images[0], RuntimeRequest("openvino"), queries=LONG, cache=cache, clock=machine.clock)


def test_a_module_whose_code_has_changed_is_converted_anew(images: Tensor, cache: Cache) -> None:
    """The names, weights and fingerprint are the same, but the function differs."""

    class Before(nn.Module):
        def forward(self, pictures: Tensor) -> Tensor:
            return pictures.mean((2, 3)) * 3.0

    class After(nn.Module):
        def forward(self, pictures: Tensor) -> Tensor:
            return pictures.mean((2, 3)) * 9.0

    After.__qualname__ = Before.__qualname__
    before, after = (from_module(kind().eval(), size="12x16") for kind in (Before, After))
    assert before.fingerprint == after.fingerprint
    for original in (before, after):
        fast, _ = tune(original, images[0], RuntimeRequest("openvino"), queries=LONG, cache=cache)
        torch.testing.assert_close(fast(images), original(images), atol=1e-5, rtol=0)


def test_a_cache_that_cannot_be_written_takes_openvino_away(net: nn.Module, images: Tensor, tmp_path: Path) -> None:
    """The message states the remedy; runtimes without a cache still work."""
    (tmp_path / "file").write_text("")
    broken = Cache(tmp_path / "file" / "below")
    with pytest.raises(RequestError, match="set SEEWHY_CACHE"):
        tune(wired(net), images[0], RuntimeRequest("openvino"), cache=broken)
    assert tune(wired(net), images[0], RuntimeRequest("channels-last"), cache=broken)[1].name == "channels-last"


def test_the_cache_is_the_users_own_by_default(
    net: nn.Module, images: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The default cache is where `SEEWHY_CACHE` points."""
    monkeypatch.setenv("SEEWHY_CACHE", str(tmp_path / "own"))
    tune(wired(net), images[0], RuntimeRequest("channels-last"), queries=LONG)
    assert len(list(caches.default_cache().folder.iterdir())) == 1
    assert caches.default_cache().folder.is_relative_to(tmp_path / "own")


@pytest.mark.parametrize(("around", "name"), [(0.25, PARTIAL), (0.44, "openvino"), (0.43, PARTIAL)])
def test_windows_have_a_runtime_of_their_own_where_it_pays(
    net: nn.Module, images: Tensor, cache: Cache, machine: Machine, around: float, name: str
) -> None:
    """Partial recomputation must be 1.15 times as fast as any other runtime; it is listed and cached either way."""
    machine.around, said = around, list[str]()
    _, choice = tune(
        wired(net), images[0], RuntimeRequest(), queries=LONG, box=3, cache=cache, clock=machine.clock, log=said.append
    )
    assert (choice.name, len(said)) == (name, 1)
    assert [trial.name for trial in choice.tried] == ["eager", "openvino", PARTIAL]
    assert (choice.tried[2].reason is None) == (name == PARTIAL)
    assert choice.tried[2].queries_per_second == pytest.approx(1 / around)
    machine.built.clear()
    _, again = tune(
        wired(net), images[1], RuntimeRequest(), queries=300, box=3, cache=cache, clock=lambda: 1 / 0, log=said.append
    )
    assert (again.name, again.cached, machine.built, len(said)) == (name, True, [name], 1)


def test_other_windows_and_no_windows_are_other_choices(
    net: nn.Module, images: Tensor, cache: Cache, machine: Machine
) -> None:
    """The runtime found for any image is valid for all window sizes."""
    ask = partial(tune, wired(net), images[0], RuntimeRequest(), queries=LONG, cache=cache, clock=machine.clock)
    assert ask(box=3)[1].name == PARTIAL
    machine.built.clear()
    assert (ask()[1].name, machine.built) == ("openvino", ["openvino"])
    machine.built.clear()
    choice = ask(box=4)[1]
    assert (choice.name, choice.cached) == (PARTIAL, False)
    assert choice.why == "the fastest of 3 that agree"


def test_windows_of_a_run_that_is_short_enough_are_asked_as_any_picture(
    net: nn.Module, images: Tensor, cache: Cache, machine: Machine
) -> None:
    """Partial recomputation is tested from 300 queries on, whatever a shorter run chose before."""
    ask = partial(tune, wired(net), images[0], RuntimeRequest(), box=3, cache=cache, clock=machine.clock)
    assert (ask(queries=299)[1].name, PARTIAL in machine.built) == ("openvino", False)
    assert ask(queries=300)[1].name == PARTIAL


def test_pieces_may_differ_by_rounding_only(net: nn.Module, images: Tensor, cache: Cache, machine: Machine) -> None:
    """A difference that is acceptable for other engines is rejected."""
    machine.off = 5e-5
    choice = tune(wired(net), images[0], RuntimeRequest(), queries=LONG, box=3, cache=cache, clock=machine.clock)[1]
    assert (choice.name, choice.tried[2].reason) == ("openvino", "differs by 5e-05, more than 1e-05")
    with pytest.raises(RequestError, match=r"expected openvino-partial to run .*differs by 5e-05"):
        tune(wired(net), images[0], RuntimeRequest(PARTIAL), queries=LONG, box=3, cache=cache, clock=machine.clock)


@pytest.mark.parametrize(("channels", "outputs"), [("bgr", "logits"), ("rgb", "probabilities")])
def test_pieces_say_the_same_around_any_picture(
    cache: Cache, monkeypatch: pytest.MonkeyPatch, channels: Channels, outputs: Outputs
) -> None:
    """Outputs match for windows of any size and other images; later runs and images convert nothing."""
    net = tall_cnn() if outputs == "logits" else nn.Sequential(tall_cnn(), nn.Softmax(1)).eval()
    original = from_module(
        net, size="128x144", mean="0.1/0.2/0.3", std="0.5/0.6/0.7", channels=channels, outputs=outputs
    )
    picture, other = torch.randint(0, 256, (2, 3, 128, 144), generator=torch.Generator().manual_seed(1)) / 255
    for _ in range(2):
        fast, choice = tune(original, picture, RuntimeRequest(PARTIAL), queries=LONG, box=5, cache=cache)
        assert isinstance(fast, FastClassifier)
        assert choice.name == PARTIAL
        for base, asked in ((picture, fast), (other, fast.on(other))):
            shown = torch.cat([perturbed(base, 9, side) for side in (5, 2, 9)] + [1 - base[None]])
            torch.testing.assert_close(asked(shown), original(shown), atol=1e-5, rtol=0)
            assert bool(asked.answer.locate(shown[:20])[1].all())  # type: ignore[attr-defined]
        monkeypatch.setattr(openvino, "_convert", None)


def test_what_cannot_be_cut_or_has_no_windows_is_refused(net: nn.Module, images: Tensor, cache: Cache) -> None:
    """The message gives the name and the reason, and no other runtime is used instead."""
    with pytest.raises(
        RequestError, match=r"expected openvino-partial to run .*expected first layers in which a box of 3 × 3"
    ):
        tune(wired(net), images[0], RuntimeRequest(PARTIAL), queries=LONG, box=3, cache=cache)
    with pytest.raises(RequestError, match=r"got openvino-partial; .*a method that queries windows"):
        tune(wired(net), images[0], RuntimeRequest(PARTIAL), queries=LONG, cache=cache)
