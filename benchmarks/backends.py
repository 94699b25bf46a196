"""Does the back-end of a network affect its maps?

Claim: the same weights as a torch module, as an ONNX file and behind a function on uint8 batches give the same PMI, IG
and RISE maps to 1e-4 (nats; probability for RISE), because every query is an 8-bit image with every back-end.

Protocol: one photo, one seed and two networks: a small seeded convolutional network and EfficientNet-Lite0. Both are
exported to ONNX by torch's TorchScript exporter when the script runs, and executed by ONNX Runtime. Differences are the
largest over targets and pixels, relative to the torch module. Speeds are queries per second of each run, all in this
process, with the back-ends in alternation and their own default number of threads; medians over ``--rounds`` rounds.

``python benchmarks/backends.py PHOTO [--method SPEC]... [--network small|lite0]... [--json]``; the defaults use 9,080
queries in total.
"""

import tempfile
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import click
import numpy as np
import torch
from common import (
    Asked,
    Row,
    environment,
    infill_option,
    json_option,
    largest_difference,
    method_option,
    pairs,
    publish,
)
from jaxtyping import Float, UInt8
from torch import nn

import seewhy
from seewhy.classifiers.imagenet import efficientnet_lite0
from seewhy.registry import ClassifierLike

DEFAULT: tuple[Asked, ...] = (("pmi:size=32,stride=32", "donor"), ("rise:masks=256", "gray"))
CLAIM = 1e-4
SIDE = 224
MEAN = STD = 0.5


def small() -> nn.Module:
    """Build a small convolutional network with ten classes and weights from a fixed seed."""
    generator = torch.Generator().manual_seed(0)
    layers = nn.Sequential(
        nn.Conv2d(3, 16, 7, stride=4),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(3),
        nn.Flatten(),
        nn.Linear(288, 10),
    )
    with torch.no_grad():
        for values in layers.parameters():
            spread = (6 / values[0].numel()) ** 0.5 if values.ndim > 1 else 0.1
            values.copy_(torch.randn(values.shape, generator=generator) * spread)
    return layers.requires_grad_(requires_grad=False).eval()


NETWORKS: dict[str, Callable[[], nn.Module]] = {"small": small, "lite0": lambda: efficientnet_lite0().module}


def export(module: nn.Module, path: Path) -> None:
    """Write a module as an ONNX file that takes batches of any size."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # the exporter that needs no further package is the older one, which warns about that
        torch.onnx.export(
            module,
            (torch.zeros(2, 3, SIDE, SIDE),),
            str(path),
            input_names=["pictures"],
            output_names=["logits"],
            dynamic_axes={"pictures": {0: "n"}, "logits": {0: "n"}},
            dynamo=False,
        )


def as_function(module: nn.Module) -> Callable[[UInt8[np.ndarray, "n h w 3"]], Float[np.ndarray, "n k"]]:
    """Wrap a module, with its preprocessing, in a function on 8-bit batches."""

    @torch.inference_mode()
    def logits(pictures: UInt8[np.ndarray, "n h w 3"]) -> Float[np.ndarray, "n k"]:
        batch = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
        answers: Float[np.ndarray, "n k"] = module((batch - MEAN) / STD).numpy()
        return answers

    return logits


def back_ends(module: nn.Module, folder: Path) -> dict[str, seewhy.Classifier]:
    """Prepare the three back-ends of one network, torch first."""
    path = folder / "network.onnx"
    export(module, path)
    return {
        "torch": seewhy.classifier(module, size=SIDE, mean=MEAN, std=STD),
        "onnx": seewhy.classifier("onnx", path=path, size=SIDE, mean=MEAN, std=STD, outputs="logits"),
        "function": seewhy.classifier(as_function(module), size=SIDE, outputs="logits"),
    }


def examine(network: str, photo: Path, asked: Asked, rounds: int) -> list[Row]:
    """Run the same explanation on every back-end in alternation, and compare it with the torch module's."""
    with tempfile.TemporaryDirectory() as folder:
        models = back_ends(NETWORKS[network](), Path(folder))
        base = ask(models["torch"], photo, asked, None)
        turns = [{name: ask(model, photo, asked, base) for name, model in models.items()} for _ in range(rounds)]
    rows: list[Row] = []
    for name, found in turns[-1].items():
        row: Row = {"network": network, "method": asked[0], "back_end": name, "unit": found.unit}
        row |= {"difference": difference(base, found, "class:")}
        row |= {"difference_information": difference(base, found, "information")}
        row |= {"queries": found.queries.forward_images}
        row |= {"queries_per_second": float(np.median([speed(turn[name]) for turn in turns]))}
        row |= {"times_torch": float(np.median([speed(turn[name]) / speed(turn["torch"]) for turn in turns]))}
        rows.append(row)
    return rows


def speed(explanation: seewhy.Explanation) -> float:
    """Return the queries per second of an explanation; its time has millisecond resolution."""
    return explanation.queries.forward_images / max(explanation.seconds, 1e-3)


def ask(classifier: ClassifierLike, photo: Path, asked: Asked, base: seewhy.Explanation | None) -> seewhy.Explanation:
    """Explain a photo with the first back-end's targets and in-fill, since an in-fill's colour may depend on it."""
    if base is None:
        return seewhy.explain(classifier, photo, method=asked[0], infill=asked[1], runtime="eager")
    infill = base.record.infill.spec
    return seewhy.explain(classifier, photo, method=asked[0], infill=infill, targets=list(base.maps), runtime="eager")


def difference(base: seewhy.Explanation, found: seewhy.Explanation, kind: str) -> float | None:
    """Return the largest difference between the maps of one kind of target; None if the method has none."""
    maps = {key: values for key, values in base.maps.items() if key.startswith(kind)}
    return largest_difference(maps, found.maps) if maps else None


@click.command()
@click.argument("photo", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--network",
    "networks",
    multiple=True,
    type=click.Choice(list(NETWORKS)),
    help="Network to test; repeatable. Default: both.",
)
@click.option("--rounds", default=3, show_default=True, help="Number of runs of each back-end.")
@method_option
@infill_option
@json_option
def main(
    photo: Path,
    *,
    networks: tuple[str, ...],
    rounds: int,
    methods: tuple[str, ...],
    infills: tuple[str, ...],
    as_json: bool,
) -> None:
    """Compare the maps and speeds of three back-ends of a network."""
    asked = pairs(methods, infills, DEFAULT)
    rows = [row for network in networks or NETWORKS for one in asked for row in examine(network, photo, one, rounds)]
    largest = max(row[key] for row in rows for key in ("difference", "difference_information") if row[key] is not None)
    figures: Row = {
        "benchmark": "backends",
        "runs": rows,
        "largest_difference": largest,
        "claimed": CLAIM,
        "holds": largest <= CLAIM,
        "protocol": (
            "one photo, seed 0, batches of 4, each back-end with its defaults, the torch module's top classes and "
            "the information; differences: largest over targets and pixels, relative to the torch module, in the "
            "map's unit; ONNX files from torch's TorchScript exporter; speed: queries divided by the seconds of "
            f"explaining, in one process with the back-ends in alternation, median of {rounds} rounds and of the "
            "ratios within a round"
        ),
        "onnxruntime": find_spec("onnxruntime") is not None,
        **environment(),
    }
    publish(figures, as_json=as_json)


if __name__ == "__main__":
    main()
