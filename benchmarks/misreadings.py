"""Wire up classifiers and pictures in many ways, right and wrong, and record what becomes of each.

A variant is *right* where the value is the expected one, *refused* where an error says what to do, and *silent* where a wrong value
comes without a word. Claim: whatever is wired up right is right, and whatever is wired up wrong is refused; nothing is silent.

``python benchmarks/misreadings.py [--json]``; ``--page FILE`` writes the tables of ``docs/explanation/misreadings.md``.
"""

import io
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import click
import common
import numpy as np
import torch
from PIL import Image
from torch import nn

import seewhy
from seewhy.core.errors import ClassifierError, RequestError
from seewhy.images.open import open_image

Outcome = Literal["right", "refused", "silent"]

PHOTO = (np.random.default_rng(0).random((96, 160, 3)) * 255).astype(np.uint8)
QUICK: dict[str, Any] = {"method": "occlusion:size=16,stride=16", "check": False, "runtime": "eager"}


@dataclass(frozen=True)
class Variant:
    """One way to wire something up: what a user does, and a function that returns whether the value is right.

    ``wrong``: the user made a mistake, or left out what cannot be known.
    """

    name: str
    try_out: Callable[[], bool]
    wrong: bool = False


def outcome(variant: Variant) -> tuple[Outcome, str]:
    """Try a variant out; the text is the message of an error."""
    try:
        return ("right", "") if variant.try_out() else ("silent", "")
    except (RequestError, ClassifierError) as error:
        return "refused", str(error)


def net(classes: int, *tail: nn.Module, seed: int = 3) -> nn.Module:
    """Return a small network with distinct logits, and ``tail`` behind them."""
    torch.manual_seed(seed)
    head = nn.Linear(8, classes)
    nn.init.normal_(head.weight, std=6.0)
    return nn.Sequential(nn.Conv2d(3, 8, 5, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head, *tail).eval()


def mean_colours(images: np.ndarray) -> np.ndarray:
    """Classify by the mean of red, green and blue; float images are in [0, 1]."""
    means = images.reshape(len(images), -1, 3).mean(1) + 1e-6
    shares: np.ndarray = means / means.sum(1, keepdims=True)
    return shares


def _runs(what: Callable[[], object]) -> bool:
    """Try out what should be refused."""
    what()
    return False


def framing() -> Iterator[Variant]:
    """Pictures that fit the input are shown whole; settings that do not apply are refused."""

    def box(size: tuple[int, int], shape: tuple[int, int], **settings: Any) -> tuple[float, ...]:  # noqa: ANN401
        photo = np.resize(PHOTO, (*shape, 3))
        explanation = seewhy.explain(seewhy.classifier(mean_colours, size=size, **settings), photo, **QUICK)
        return explanation.record.view.box

    def whole(size: tuple[int, int], shape: tuple[int, int]) -> bool:
        return box(size, shape) == (0, 0, shape[1], shape[0])

    for size in ((96, 160), (160, 96), (48, 192), (64, 64)):
        for factor in (1, 2):
            shape = (size[0] * factor, size[1] * factor)
            name = f"input {size[0]} × {size[1]}, picture {shape[0]} × {shape[1]}"
            yield Variant(name, partial(whole, size, shape))
    yield Variant(
        "short_side=96 for an input of 96 × 160",
        lambda: box((96, 160), (96, 160), short_side=96) == (0, 0, 160, 96),
    )
    yield Variant("stretch", lambda: box((64, 64), (96, 160), fit="stretch") == (0, 0, 160, 96))
    yield Variant("pad", lambda: box((64, 64), (80, 160), fit="pad") == (0, -40, 160, 120))
    yield Variant(
        "resize 256 × 256, crop 224",
        lambda: box((224, 224), (256, 256), resize=(256, 256)) == (16, 16, 240, 240),
    )
    wrong: tuple[dict[str, Any], ...] = (
        {"fit": "stretch", "short_side": 80},
        {"fit": "pad", "short_side": 80},
        {"short_side": 80, "crop_pct": 0.9},
        {"fit": "stretch", "crop_pct": 0.9},
        {"interpolation": "sharp"},
        {"fit": "crop", "pad_color": 0.5},
    )
    for settings in wrong:
        told = ", ".join(f"{key}={value}" for key, value in settings.items())
        yield Variant(told, partial(_runs, partial(box, (64, 64), (96, 160), **settings)), wrong=True)


def _asked(source: Any, truth: np.ndarray, **settings: Any) -> bool:  # noqa: ANN401
    """Return whether the predicted probabilities of a small picture are the true ones."""
    opened = seewhy.classifier(source, size=64, **settings)
    explanation = seewhy.explain(opened, PHOTO[:64, :64], **QUICK)
    seen = {part.index: part.probability for part in explanation.predicted}
    return len(seen) > 1 and all(abs(truth[index] - value) < 1e-4 for index, value in seen.items())


def kinds_of_answer() -> Iterator[Variant]:
    """What a network returns, with and without ``outputs=``."""
    tails: dict[str, tuple[nn.Module, ...]] = {
        "logits": (),
        "probabilities": (nn.Softmax(1),),
        "log-probabilities": (nn.LogSoftmax(1),),
    }
    pixels = torch.from_numpy(PHOTO[:64, :64].astype(np.float32) / 255).permute(2, 0, 1)[None]
    for classes in (2, 3, 10):
        with torch.no_grad():
            truth = net(classes)(pixels).softmax(1)[0].numpy()
        for name, tail in tails.items():
            asked = partial(_asked, net(classes, *tail), truth)
            yield Variant(f"module, {classes} {name}", asked, wrong=name == "probabilities")
            yield Variant(f"module, {classes} {name}, stated", partial(asked, outputs=name))
        for stated in ("logits", "probabilities", "sigmoid"):
            asked = partial(_asked, net(classes, nn.Sigmoid()), truth, outputs=stated)
            yield Variant(f"module, {classes} sigmoids, stated {stated}", asked, wrong=True)
    with torch.no_grad():
        yes = float(net(1)(pixels).sigmoid())
    both = np.array([1 - yes, yes])
    yield Variant("module, one number", partial(_asked, net(1), both), wrong=True)
    yield Variant("module, one log odds, stated logits", partial(_asked, net(1), both, outputs="logits"))
    for shape, tail in {"(n, 1)": (nn.Sigmoid(),), "(n,)": (nn.Sigmoid(), nn.Flatten(0))}.items():
        yield Variant(f"module, one sigmoid {shape}, stated", partial(_asked, net(1, *tail), both, outputs="sigmoid"))
    yield from _functions()


def _functions() -> Iterator[Variant]:
    """The same for functions, of which only the values can be seen."""
    truth = mean_colours(PHOTO[None, :64, :64])[0]
    rounded = truth.round(2) / truth.round(2).sum()
    wired: tuple[tuple[str, Callable[[np.ndarray], np.ndarray], str, bool], ...] = (
        ("probabilities", lambda p: p, "probabilities", False),
        ("logits, stated", lambda p: np.log(p) + 1, "logits", False),
        ("log-probabilities, stated", np.log, "log-probabilities", False),
        ("rounded to two digits", lambda p: p.round(2), "probabilities", False),
        ("percentages", lambda p: 100 * p, "probabilities", True),
        ("logits", lambda p: np.log(p) + 1, "probabilities", True),
        ("probabilities, stated as logits", lambda p: p, "logits", True),
        ("rounded probabilities, stated as logits", lambda p: p.round(2), "logits", True),
        ("sigmoids", lambda p: 1 / (1 + np.exp(-20 * (p - 0.3))), "probabilities", True),
        ("a row of NaN", lambda p: p * np.nan, "probabilities", True),
    )
    for name, answers, stated, wrong in wired:
        expected = rounded if name.startswith("rounded to") else truth

        def function(images: np.ndarray, answers: Callable[[np.ndarray], np.ndarray] = answers) -> np.ndarray:
            return answers(mean_colours(images))

        yield Variant(f"function, {name}", partial(_asked, function, expected, outputs=stated), wrong=wrong)


def names() -> Iterator[Variant]:
    """Class names and targets in the forms of the field."""

    def labels(given: Any) -> bool:  # noqa: ANN401
        return seewhy.classifier(net(3), size=64, labels=given).labels == ("cat", "dog", "cow")

    forms: dict[str, Any] = {
        "list": ["cat", "dog", "cow"],
        "array": np.array(["cat", "dog", "cow"]),
        "id2label": {0: "cat", 1: "dog", 2: "cow"},
        "id2label with text keys": {"0": "cat", "1": "dog", "2": "cow"},
        "label2id": {"cat": 0, "dog": 1, "cow": 2},
        "a dict from 1": {1: "cat", 2: "dog", 3: "cow"},
        "a set": {"cat", "dog", "cow"},
    }
    for name, given in forms.items():
        yield Variant(f"labels as {name}", partial(labels, given), wrong=name in {"a dict from 1", "a set"})

    def target(given: Any, classes: Any = ("a", "b", "c"), key: str = "class:2") -> bool:  # noqa: ANN401
        opened = seewhy.classifier(net(3), size=64, labels=list(classes))
        return list(seewhy.explain(opened, PHOTO, targets=given, **QUICK).maps) == [key]

    rightly: tuple[Any, ...] = (
        np.int64(2),
        torch.tensor(2),
        np.array(2),
        [torch.tensor(2)],
        np.array([2]),
        "c",
        "class:2",
    )
    for value in rightly:
        yield Variant(f"target {value!r}", partial(target, value))
    wrongly: tuple[Any, ...] = (2.0, True, -1, 3, "d")
    for value in wrongly:
        yield Variant(f"target {value!r}", partial(target, value), wrong=True)
    yield Variant("a name of two classes", partial(target, "c", ("a", "c", "c")), wrong=True)
    yield Variant("a number that is a name and another index", partial(target, "2", ("2", "1", "0")), wrong=True)
    yield Variant("numbers as names", partial(target, "30", ("10", "20", "30")))


def scales() -> Iterator[Variant]:
    """Means and scales for pixels from 0 to 1 and from 0 to 255."""
    pixels = torch.from_numpy(PHOTO[:64, :64].astype(np.float32)).permute(2, 0, 1)[None]
    mean = torch.tensor([104.0, 117.0, 123.0])[:, None, None]

    def asked(truth: torch.Tensor, **settings: Any) -> bool:  # noqa: ANN401
        with torch.no_grad():
            return _asked(net(3), net(3)(truth).softmax(1)[0].numpy(), **settings)

    caffe = (pixels.flip(1) - mean) / 64
    asked_caffe = partial(asked, caffe, channels="bgr")
    for settings in ({}, {"scale": 255}, {"scale": "255"}, {"scale": 255.0}):
        told = ", ".join(f"{key}={value!r}" for key, value in settings.items()) or "no scale"
        yield Variant(
            f"mean and std in 0-255, BGR, {told}", partial(asked_caffe, mean=(104, 117, 123), std=64, **settings)
        )
    yield Variant("mean and std in 0-1", partial(asked, (pixels / 255 - 0.5) / 0.25, mean=0.5, std=0.25))
    yield Variant("mean in 0-255, std in 0-1", partial(asked_caffe, mean=(104, 117, 123), std=0.25), wrong=True)
    yield Variant("mean in 0-1, scale=255", partial(asked_caffe, mean=0.5, std=64, scale=255), wrong=True)
    yield Variant("std=255 alone", partial(asked, pixels / 255, std=255), wrong=True)
    yield Variant("mean in 0-255, scale=unit", partial(asked_caffe, mean=(104, 117, 123), scale="unit"), wrong=True)


def depths() -> Iterator[Variant]:
    """Values of more than 8 bits."""

    def levels(bits: int, form: str) -> bool:
        deep = np.linspace(0, 2**bits - 1, 64 * 64).round().astype(np.uint16).reshape(64, 64)
        file = io.BytesIO()
        if form != "array":
            Image.fromarray(deep).save(file, form)
        opened = open_image(deep if form == "array" else file.getvalue())
        return len(np.unique(opened.pixels)) == 256 and len(opened.notes) == 1

    for bits in (10, 12, 14, 16):
        for form in ("PNG", "TIFF", "array"):
            yield Variant(f"{bits} bits in 16, {form}", partial(levels, bits, form))
    yield Variant("floats beyond [0, 1]", partial(_runs, lambda: open_image(PHOTO * 1.0)), wrong=True)
    yield Variant(
        "CT numbers with window=(-100, 300)",
        lambda: open_image(np.array([[-100, 300], [0, 100]]), window=(-100, 300)).pixels[1, 0, 0] == 64,
    )


def objects() -> Iterator[Variant]:
    """What ``module:attribute`` may name."""
    code = types.ModuleType("seewhy_misreadings")
    sys.modules[code.__name__] = code
    finished = seewhy.classifier(net(3), size=(48, 64), mean=0.5, labels=["a", "b", "c"])
    for name, value in {
        "module": net(3),
        "function": mean_colours,
        "finished": finished,
        "type": nn.Linear,
        "number": 3,
    }.items():
        setattr(code, name, value)
    spec = f"python:object={code.__name__}:"
    yield Variant("a module", lambda: seewhy.classifier(f"{spec}module,size=64").view.size == (64, 64))
    yield Variant("a function", lambda: seewhy.classifier(f"{spec}function,size=64").view.size == (64, 64))
    yield Variant(
        "a finished classifier",
        lambda: seewhy.classifier(f"{spec}finished").fingerprint == finished.fingerprint,
    )
    for what, text in {
        "a finished classifier with settings": "finished,size=64",
        "a class": "type",
        "a number": "number",
    }.items():
        yield Variant(what, partial(_runs, partial(seewhy.classifier, f"{spec}{text}")), wrong=True)


def nothing_to_see() -> Iterator[Variant]:
    """Questions without an answer; a finding that names them is right."""

    def named(size: int, method: str, function: Callable[[np.ndarray], np.ndarray]) -> bool:
        opened = seewhy.classifier(function, size=size)
        explanation = seewhy.explain(opened, PHOTO, method=method, targets=[0], check=False)
        return any("the map is the same everywhere" in finding for finding in explanation.findings)

    def constant(images: np.ndarray) -> np.ndarray:
        return np.tile([0.7, 0.3], (len(images), 1))

    for size, method in ((8, "pmi"), (4, "pmi"), (32, "occlusion"), (16, "pmi:size=8+16")):
        yield Variant(f"{method}, input of {size} pixels", partial(named, size, method, mean_colours), wrong=True)
    for method in ("pmi:size=4", "occlusion:size=4", "rise:masks=100", "partition-shap:samples=20"):
        yield Variant(f"{method}, a constant classifier", partial(named, 16, method, constant))


def contexts() -> Iterator[Variant]:
    """The caller's torch context does not change the numbers."""
    opened = seewhy.classifier(net(3), size=64)
    settings: dict[str, dict[str, Any]] = {
        method: {"method": method, "targets": [0], "check": False, "runtime": "eager"}
        for method in ("occlusion:size=16,stride=16", "grad-cam", "ibisa", "iba:steps=3")
    }
    around: dict[str, Callable[[], Any]] = {
        "no_grad": torch.no_grad,
        "inference_mode": torch.inference_mode,
        "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    }

    def same(method: str, context: Callable[[], Any]) -> bool:
        plain = seewhy.explain(opened, PHOTO, **settings[method])
        with context():
            inside = seewhy.explain(opened, PHOTO, **settings[method])
        return bool(np.array_equal(plain[0], inside[0]))

    for method in settings:
        for name, context in around.items():
            yield Variant(f"{method} under {name}", partial(same, method, context))


KINDS: dict[str, Callable[[], Iterator[Variant]]] = {
    "framing": framing,
    "kind of answer": kinds_of_answer,
    "names": names,
    "scale": scales,
    "precision": depths,
    "objects": objects,
    "nothing to see": nothing_to_see,
    "torch context": contexts,
}


def page(rows: list[common.Row]) -> str:
    """Write the tables of the documentation, one for each kind."""
    parts = [PAGE]
    for kind in KINDS:
        parts.append(f"\n## {kind.capitalize()}\n\n| wired up | result |\n|---|---|\n")
        for row in rows:
            if row["kind"] == kind:
                told = f"{row['outcome']}: {row['message']}" if row["message"] else row["outcome"]
                cells = (row["variant"], told.replace("|", "\\|").replace("<", "&lt;"))
                parts.append("| " + " | ".join(cells) + " |\n")
    return "".join(parts)


PAGE = """# Wired up wrong

What becomes of classifiers and pictures that are wired up in many ways, right and wrong, by kind of fault: *right* means that the value is the expected one,
*refused* that an error says what is wrong and what to do. No variant gives a wrong value without a word. Made by `benchmarks/misreadings.py`, whose
variants are also tests.
"""


@click.command()
@click.option(
    "--page", "file", type=click.Path(path_type=Path), help="Write the tables as a page of the documentation."
)
@common.json_option
def main(*, file: Path | None, as_json: bool) -> None:
    """Try all variants out, and print one row for each."""
    rows: list[common.Row] = []
    for kind, listed in KINDS.items():
        for variant in listed():
            result, message = outcome(variant)
            rows.append({"kind": kind, "variant": variant.name, "outcome": result, "message": message})
    counts = {result: sum(row["outcome"] == result for row in rows) for result in ("right", "refused", "silent")}
    if file is not None:
        file.write_text(page(rows), encoding="utf-8")
    figures: common.Row = {
        "benchmark": "misreadings",
        "variants": len(rows),
        **counts,
        "table": rows,
        "holds": counts["silent"] == 0,
        "protocol": "each variant is wired up once, with constructed networks and pictures whose right values are computed beside seewhy",
        **common.environment(),
    }
    common.publish(figures, as_json=as_json)


if __name__ == "__main__":
    main()
