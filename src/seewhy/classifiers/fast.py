"""Classifiers executed by a faster runtime, and the runtimes available for a classifier."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import final

import torch
from torch import Tensor, nn

from seewhy.classifiers.module import TorchClassifier
from seewhy.classifiers.onnx import OnnxClassifier
from seewhy.classifiers.settings import Described, digest, source_of
from seewhy.core.access import Access
from seewhy.core.arrays import Image, Images, Probabilities
from seewhy.core.classifier import Classifier
from seewhy.core.layers import copied
from seewhy.runtime import graphs, openvino
from seewhy.runtime.cache import Cache
from seewhy.runtime.engines import BATCHES, Answer, Candidate, Engine
from seewhy.runtime.machine import installed
from seewhy.runtime.partial import Partial, split

PARTIAL = "openvino-partial"
"""The runtime that recomputes only around a window, for methods that query windows."""

RUNTIMES = ("auto", "eager", "openvino", PARTIAL, "channels-last", "onnxruntime")
"""Valid values of ``--runtime``."""

_BATCHES_CUDA = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_BATCHES_EAGER = (2, 4, 8)
"""Batch sizes of eager mode on a CPU; only a few, because it is rarely the fastest."""

_BATCHES_PARTIAL = (8, 16)
"""Large batches, because each stage has a fixed cost and computes little per image."""

_TOLERANCE_PARTIAL = 1e-5
"""Stricter than for other runtimes: errors near the edge of a crop are small and must not pass as rounding (decision
017)."""


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class FastClassifier(Described):
    """A classifier executed by another runtime, which gives probabilities only; ``original`` has the gradients."""

    original: Classifier
    answer: Answer
    runtime: str
    access: Access = Access.PROBABILITIES

    @classmethod
    def of(cls, original: Classifier, answer: Answer, runtime: str) -> "FastClassifier":
        """Run a classifier by another function; everything else stays the original's."""
        shared = {field.name: getattr(original, field.name) for field in fields(Described)}
        return cls(original=original, answer=answer, runtime=runtime, **shared)

    def on(self, image: Image) -> "FastClassifier":
        """Prepare for queries about an image, ``(3, h, w)`` in the view.

        Partial recomputation runs the network on it once.
        """
        return replace(self, answer=self.answer.on(image)) if isinstance(self.answer, Partial) else self

    def __call__(self, images: Images) -> Probabilities:
        """Return class probabilities."""
        return self.answer(images)


def candidates(classifier: Classifier, cache: Cache) -> list[Candidate]:
    """List the ways to run a classifier on any image, its native runtime first.

    A function has no alternative, and neither has a classifier for images of any size, because a network is converted
    for one size.
    """
    size = classifier.view.size
    if isinstance(classifier, TorchClassifier) and size is not None:
        return _of_module(classifier, size, cache)
    if isinstance(classifier, OnnxClassifier) and size is not None:
        return [_native(classifier, "onnxruntime"), openvino.candidate(lambda: _of_graph(classifier))]
    return [_native(classifier, "eager")]


def _native(classifier: Classifier, name: str) -> Candidate:
    """Run a classifier in its native runtime."""
    return Candidate(name, lambda: classifier, classifier.runtime, "native")


def _of_module(classifier: TorchClassifier, size: tuple[int, int], cache: Cache) -> list[Candidate]:
    """List the ways to run a torch module, the likely winner right after the native one."""
    network, text = classifier.network, f"torch {torch.__version__}, {classifier.device}"
    precision = str(classifier.dtype).removeprefix("torch.")
    batches, few = (_BATCHES_CUDA,) * 2 if classifier.device.type == "cuda" else (BATCHES, _BATCHES_EAGER)
    plain = Candidate("eager", lambda: _plain(network), text, precision, few)
    laid = Candidate(
        "channels-last", lambda: _plain(_channels_last(network)), f"{text}, channels-last", precision, batches
    )
    if not _converts(classifier):
        return [plain, laid]
    vino = openvino.candidate(lambda: _whole(classifier, size, cache))
    onnx = Candidate(
        "onnxruntime",
        lambda: graphs.from_network(network, size, cache, _key("onnxruntime", classifier)),
        f"onnxruntime {installed('onnxruntime')}, cpu",
        "float32",
    )
    return [plain, vino, laid, onnx]


def _plain(network: Callable[[Images], Probabilities]) -> Answer:
    """Run a network unchanged, without recording gradients."""

    def answer(images: Images) -> Probabilities:
        with torch.no_grad():
            return network(images)

    return answer


def _channels_last(network: nn.Module) -> nn.Module:
    """Copy a network with its weights and inputs in channels-last memory format; the original is not modified."""
    laid = copied(network).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    laid.register_forward_pre_hook(
        lambda _, inputs: tuple(images.contiguous(memory_format=torch.channels_last) for images in inputs)
    )
    assert isinstance(laid, nn.Module)  # noqa: S101 - torch's annotation loses the type
    return laid


def _converts(classifier: TorchClassifier) -> bool:
    """Return whether converters accept a module: on the CPU, in float32."""
    return classifier.device.type == "cpu" and classifier.dtype == torch.float32


def _whole(classifier: TorchClassifier, size: tuple[int, int], cache: Cache) -> Engine:
    """Run a module with OpenVINO."""
    return openvino.from_network(classifier.network, (3, *size), cache, _key("openvino", classifier))


def _key(package: str, classifier: TorchClassifier, *piece: object) -> str:
    """Return the cache key of a converted module or a part of it."""
    versions = package, installed(package), torch.__version__
    return digest(*versions, classifier.fingerprint, classifier.view.size, *_code(classifier.module), *piece)


def around_windows(classifier: Classifier, image: Image, box: int | None, cache: Cache) -> list[Candidate]:
    """List the ways to run a classifier on images that differ from a given image in a window with sides of ``box`` pixels.

    The list contains partial recomputation (`seewhy.runtime.partial`), or is empty.
    """
    size = classifier.view.size
    if box is None or size is None or not (isinstance(classifier, TorchClassifier) and _converts(classifier)):
        return []
    if classifier.reading.label is not None or classifier.outputs == "sigmoid":  # its last step is no standard layer
        return []

    def build() -> Partial:
        def engine(piece: nn.Module, example: Tensor) -> Engine:
            shape = tuple(example.shape[1:])
            key = _key("openvino", classifier, shape, str(piece))  # the text of a traced module is its code
            return openvino.from_network(piece, shape, cache, key)

        return split(_in_layers(classifier), image, box, engine, _whole(classifier, size, cache))

    text = f"openvino {installed('openvino')}, cpu, only the cells that a window of {box} × {box} changes"
    return [Candidate(PARTIAL, build, text, "float32", _BATCHES_PARTIAL, box, _TOLERANCE_PARTIAL)]


def _in_layers(classifier: TorchClassifier) -> nn.Module:
    """Express a classifier in standard torch layers that torch.fx can trace; preprocessing becomes a 1 × 1 convolution."""
    order = torch.eye(3).flip(1) if classifier.channels == "bgr" else torch.eye(3)
    mean, std = torch.tensor([classifier.scaling.mean, classifier.scaling.std])
    scale = nn.Conv2d(3, 3, 1)
    scale.load_state_dict({"weight": (order / std[:, None])[:, :, None, None], "bias": -mean / std})
    end = nn.Identity() if classifier.outputs == "probabilities" else nn.Softmax(1)
    return nn.Sequential(scale, classifier.module, nn.Flatten(), end)


def _code(module: nn.Module) -> list[str]:
    """List the code of a module's submodules. Conversions depend on it, but the fingerprint does not include it."""
    return sorted({source_of(type(part).forward) for part in module.modules()})


def _of_graph(classifier: OnnxClassifier) -> Answer:
    """Run an ONNX graph with OpenVINO, with the classifier's own preprocessing and softmax."""
    scorer = classifier.scorer
    graph = replace(scorer.graph, run=openvino.run_graph(scorer.graph.file))
    return replace(classifier, scorer=replace(scorer, graph=graph))
