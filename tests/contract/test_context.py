"""Every method gives the same maps whatever runs around it, and leaves the module and torch as it found them."""

import multiprocessing
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import seewhy
from games import picture, small_cnn
from seewhy import registry

METHODS = registry.METHODS
TRAINED = ("iba-readout", "counterfactual")
ROWS = sorted(set(METHODS) - set(TRAINED))
"""Every method that needs no training."""

SIDE = 20
Maps = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image to explain, in a folder with images that the network classifies otherwise."""
    folder = tmp_path_factory.mktemp("photos")
    for number in range(6):
        levels = picture(SIDE, SIDE, seed=number) * (255 if number % 2 else 64)
        Image.fromarray(levels.permute(1, 2, 0).to(torch.uint8).numpy()).save(folder / f"{number}.png")
    return folder / "1.png"


@pytest.fixture(params=ROWS)
def name(request: pytest.FixtureRequest) -> str:
    """Each method in turn."""
    return str(request.param)


def network() -> nn.Module:
    """A network with weights that could collect gradients, and a layer whose mode differs from that of the whole."""
    net = small_cnn(seed=3).requires_grad_()
    net[1].train()  # type: ignore[index]
    return net


def explained(module: nn.Module, name: str, photo: Path, **settings: object) -> Maps:
    """The maps of one method with small settings, and with the files that it needs."""
    files = {"counterfactual-path": f"baseline={photo.with_name('2.png')},steps=4"}
    files["nearest-counterfactual"] = f"reference={photo.parent},candidates=1"
    method = f"{name}:{files.get(name, METHODS[name].small)}".removesuffix(":")
    asked: dict[str, object] = {"method": method, "infill": "gray", "check": False, "targets": 3, **settings}
    return dict(seewhy.explain(seewhy.classifier(module, size=SIDE), photo, **asked).maps)  # type: ignore[arg-type]


def assert_equal(maps: Maps, expected: Maps, note: str = "") -> None:
    """The same maps to the last bit."""
    assert list(maps) == list(expected)
    for key, values in expected.items():
        np.testing.assert_array_equal(maps[key], values, err_msg=note)


@contextmanager
def everything_at_once() -> Iterator[None]:
    """A caller in inference mode, under autocast, who works in float64 on another device."""
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16), torch.device("meta"):
        torch.set_default_dtype(torch.float64)
        try:
            yield
        finally:
            torch.set_default_dtype(torch.float32)


def test_maps_do_not_depend_on_the_callers_context(name: str, photo: Path) -> None:
    """The caller's grad mode, autocast, default dtype and default device change no bit, and are still there afterwards."""
    module = network()
    expected = explained(module, name, photo)
    with torch.no_grad():
        assert_equal(explained(module, name, photo), expected)
    with everything_at_once():
        assert_equal(explained(module, name, photo), expected)
        assert torch.is_inference_mode_enabled()
        assert torch.is_autocast_enabled("cpu")
        assert (torch.get_default_dtype(), torch.get_default_device()) == (torch.float64, torch.device("meta"))


def state_of(module: nn.Module) -> list[object]:
    """Everything that an explanation could leave behind in a module."""
    tensors = [(value.clone(), value.requires_grad, value.grad) for value in module.parameters()]
    hooks = [
        len(part._forward_hooks) + len(part._backward_hooks) + len(part._forward_pre_hooks) for part in module.modules()
    ]
    facts = [(value.dtype, value.device, wants, slope) for value, wants, slope in tensors]
    return [facts, hooks, [part.training for part in module.modules()], [value.tolist() for value, *_ in tensors]]


def test_the_module_is_left_as_it_was(name: str, photo: Path) -> None:
    """Weights, gradients, modes and hooks, also after an interruption in the middle."""

    def interrupt(done: int, planned: int) -> None:
        del planned
        if done > 2:
            raise KeyboardInterrupt

    module = network()
    before = state_of(module)
    explained(module, name, photo)
    assert state_of(module) == before
    if not METHODS[name].control:  # asks one query
        with pytest.raises(KeyboardInterrupt):
            explained(module, name, photo, progress=interrupt)
        assert state_of(module) == before


def test_explanations_in_threads_do_not_touch_each_other(photo: Path) -> None:
    """All methods at once on one module, the ones that change its layers again and again between them."""
    module = network()
    jobs = [job for number, name in enumerate(ROWS) for job in (name, ("iba", "grad-cam")[number % 2])]
    expected = {name: explained(module, name, photo) for name in ROWS}
    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(lambda name: explained(module, name, photo), jobs))
    for name, maps in zip(jobs, results, strict=True):
        assert_equal(maps, expected[name], name)


def test_threads_in_several_contexts(photo: Path) -> None:
    """The default dtype is that of the process; threads that start under it still get the same maps."""
    module = network()
    expected = explained(module, "pmi", photo)
    with everything_at_once(), ThreadPoolExecutor(4) as pool:
        for maps in pool.map(lambda _: explained(module, "pmi", photo), range(8)):
            assert_equal(maps, expected)


def in_child(photo: Path, answers: "multiprocessing.Queue[Maps]") -> None:
    """Explain in a child process, with as many threads as the tests: another number rounds differently."""
    torch.set_num_threads(1)
    answers.put({name: explained(network(), name, photo)["class:3"] for name in ("grad-cam", "occlusion", "iba")})


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_a_child_process_explains(start: str, photo: Path) -> None:
    """Also one that is forked while threads of the parent are in the middle of explanations."""
    expected = {name: explained(network(), name, photo)["class:3"] for name in ("grad-cam", "occlusion", "iba")}
    stop = threading.Event()

    def keep_explaining() -> None:
        module = network()
        while not stop.is_set():
            explained(module, "iba", photo)

    context = multiprocessing.get_context("fork") if start == "fork" else multiprocessing.get_context("spawn")
    answers: multiprocessing.Queue[Maps] = context.Queue()
    with ExitStack() as stack:
        threads = [threading.Thread(target=keep_explaining) for _ in range(2)]
        for thread in threads:
            thread.start()
            stack.callback(thread.join)
        stack.callback(stop.set)
        child = context.Process(target=in_child, args=(photo, answers))
        child.start()
        assert_equal(answers.get(timeout=600), expected)
        child.join()


def test_two_classifiers_of_one_module(photo: Path) -> None:
    """Another view and other labels of the same module change nothing about the first."""
    module = network()
    expected = explained(module, "iba", photo)
    other = seewhy.classifier(module, size=24, channels="bgr", labels=list("abcde"))
    seewhy.explain(other, photo, method="grad-cam", check=False)
    assert_equal(explained(module, "iba", photo), expected)


@torch.inference_mode()
def made_in_inference_mode() -> tuple[nn.Module, Tensor]:
    """A network and an image that autograd refuses."""
    return network(), picture(SIDE, SIDE)


@pytest.mark.parametrize("name", ["grad-cam", "smoothgrad", "iba", "extremal-perturbation", "pmi"])
def test_modules_and_images_made_in_inference_mode(name: str) -> None:
    """They give the same maps as ordinary ones."""
    module, image = made_in_inference_mode()
    image = (image * 255).round() / 255
    method = f"{name}:{METHODS[name].small}".removesuffix(":")
    maps = [
        seewhy.explain(
            seewhy.classifier(net, size=SIDE), shown, method=method, targets=3, infill="gray", check=False
        ).maps
        for net, shown in ((module, image), (network(), image.clone()))
    ]
    assert_equal(dict(maps[0]), dict(maps[1]))
