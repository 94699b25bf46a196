"""Wrap an ONNX file as a classifier, run by ONNX Runtime (extra ``onnx``)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Unpack, final

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from seewhy.classifiers.answers import Outputs, Reading, Rows, as_rows, make_reading
from seewhy.classifiers.endings import Ending, ending_of_graph
from seewhy.classifiers.labels import Labels, declared_labels, read_labels
from seewhy.classifiers.recognition import recognise
from seewhy.classifiers.scaling import Scale, Scaling, Triple, make_mean_color, make_scaling, read_white
from seewhy.classifiers.settings import (
    Channels,
    Described,
    check_choice,
    digest,
)
from seewhy.classifiers.views import ViewSettings, make_view, read_size
from seewhy.core.access import Access
from seewhy.core.arrays import Images, Probabilities
from seewhy.core.errors import RequestError
from seewhy.core.view import View
from seewhy.runtime.code import noting
from seewhy.runtime.engines import in_batches
from seewhy.runtime.graphs import Graph, ImageInput, contents, open_graph, runtime_name
from seewhy.runtime.onnx_nodes import onnx_nodes

Layout = Literal["nchw", "nhwc"]

_PROBE_SIZE = (224, 224)
"""Size of the test images for a graph with an open input size."""


@final
@dataclass(frozen=True, eq=False)
class Scorer:
    """An ONNX graph and its preprocessing: channel order, then ``scaling``."""

    graph: Graph
    output: str
    layout: Layout
    scaling: Scaling
    channels: Channels
    ending: Ending = ()

    @property
    def input(self) -> ImageInput:
        """The graph's input."""
        return self.graph.inputs[0]

    def __call__(self, images: Images) -> Float[Tensor, "n k"]:
        """Return the raw output of the graph, before any softmax; a fixed batch is filled up with repeats."""
        return in_batches(self._run, images.detach().cpu(), self.input.axes[0], fixed=True)

    def _run(self, images: Images) -> Float[Tensor, "n k"]:
        """Run one batch."""
        array = self._array(images)
        with noting(f"while the ONNX graph was run on an array of shape {array.shape}, {array.dtype}"):
            (answer,) = self.graph.run([self.output], {self.input.name: array})
        scores = torch.from_numpy(np.array(answer, dtype=np.float32))
        return as_rows(scores, len(images))

    def _array(self, images: Images) -> Shaped[np.ndarray, "n x y z"]:
        """Convert images to the graph's channel order, range, layout and type."""
        pixels = images.flip(1) if self.channels == "bgr" else images
        pixels = self.scaling.apply(pixels)
        pixels = pixels.round().clamp(0, 255) if self.input.dtype == np.uint8 else pixels
        pixels = pixels.permute(0, 2, 3, 1) if self.layout == "nhwc" else pixels
        return np.ascontiguousarray(pixels.numpy().astype(self.input.dtype))


@final
@dataclass(frozen=True, eq=False)
class OnnxClassifier(Described):
    """A classifier that wraps an ONNX graph; created by `onnx`, which describes the settings."""

    scorer: Scorer
    channels: Channels
    reading: Reading
    runtime: str
    access: Access = Access.PROBABILITIES

    @property
    def outputs(self) -> Outputs:
        """What the graph returns."""
        return self.reading.outputs

    def __call__(self, images: Images) -> Probabilities:
        """Return class probabilities."""
        return self.reading.probabilities(self.scorer(images), len(images))

    def raw(self, images: Images) -> Rows:
        """Return what the graph returns."""
        return self.scorer(images)

    def observed(self, images: Images) -> tuple[Rows, Ending]:
        """Return what the graph returns, and its last operations."""
        return self.raw(images), self.scorer.ending


def onnx(
    *,
    path: str | Path,
    labels: Labels | None = None,
    outputs: Outputs | Literal["auto"] = "auto",
    label: int | str | None = None,
    mean: Triple | None = None,
    std: Triple | None = None,
    scale: Scale = "auto",
    channels: Channels = "rgb",
    layout: Literal["auto", "nchw", "nhwc"] = "auto",
    output: str | None = None,
    name: str | None = None,
    mean_color: Triple | None = None,
    **view: Unpack[ViewSettings],
) -> OnnxClassifier:
    """Wrap an ONNX file as a classifier; input properties that the graph declares are read from it.

    Args:
        path: path of the ONNX file.
        labels: the names of the classes; see `seewhy.classifiers.labels.read_labels`. None: those in the file's metadata,
            under ``names`` or ``id2label``, if it has any.
        outputs: what the graph returns: ``logits`` (a softmax is applied), ``probabilities``, ``log-probabilities``,
            ``sigmoid`` for independent labels or the one probability of a yes/no class, or ``auto``. ``auto`` reads the
            last operation of the graph and its outputs for two images; ``name`` and ``runtime`` state the result.
        label: the one of several independent labels to explain, by name or index; the classes are then "not X" and "X".
        mean: subtracted from the input, in the graph's range and channel order; None for 0.
        std: divisor after the subtraction; None for 1.
        scale: value of white before ``mean`` and ``std``: ``unit`` is 1, ``255`` is 255; ``auto`` is 255 for a graph
            that takes uint8 and for a mean above 1, otherwise 1.
        channels: channel order of the graph's input.
        layout: order of the axes; ``auto`` infers it from the graph's input shape.
        output: name of the output to read, if there are several.
        name: name shown in results; None for a Spec with the file name and the interpretation of the outputs.
        mean_color: mean colour of the training images, RGB in [0, 1]; None for ``mean`` if that is a valid colour,
            otherwise that of ImageNet.
        **view: ``size``, ``fit``, ``interpolation`` and the other settings of `seewhy.classifiers.views.ViewSettings`; ``size`` is
            required only if the graph leaves one dimension open.

    Raises:
        RequestError: the extra ``onnx`` is missing, the file cannot be run, or a setting is invalid.
        ClassifierError: the outputs could be several kinds, and the setting is needed.

    Example:
        ``onnx(path="model.onnx", mean="0.485/0.456/0.406", std="0.229/0.224/0.225")``
    """
    check_choice("channels", channels, ("rgb", "bgr"))
    graph = open_graph(Path(path))
    if len(graph.inputs) != 1:
        several = ", ".join(entry.name for entry in graph.inputs)
        raise RequestError(
            f"expected a graph with one input, got {len(graph.inputs)} ({several}); export the classifier alone"
        )
    names = declared_labels(graph.metadata) if labels is None else read_labels(labels)
    stated = None if outputs == "auto" else make_reading(outputs, outputs, names, label)
    order = _layout(graph.inputs[0].axes, layout)
    axes = graph.inputs[0].axes[2:] if order == "nchw" else graph.inputs[0].axes[1:3]
    scaling = _scaling(mean, std, scale, graph.inputs[0].dtype)
    rule = _view((axes[0], axes[1]), view)
    ending = ending_of_graph(onnx_nodes(graph.file), graph.output(output))
    scorer = Scorer(graph, graph.output(output), order, scaling, channels, ending)
    reading = stated or recognise(_answers(scorer, rule.size), ending, names, label)
    settings = (graph.inputs, scorer.output, order, rule, *scaling.identity, channels, *reading.identity)
    return OnnxClassifier(
        scorer=scorer,
        name=name or f"onnx:path={graph.file.name},outputs={reading.outputs}",
        labels=reading.names,
        view=rule,
        fingerprint=digest(*settings, *contents(graph.file)),
        mean_color=make_mean_color(mean_color, scaling, channels),
        channels=channels,
        reading=reading,
        runtime=f"{runtime_name()}, outputs are {reading.outputs}" + ("" if stated else " (recognised)"),
    )


def _layout(axes: Sequence[int | None], layout: Literal["auto", "nchw", "nhwc"]) -> Layout:
    """Return the axis order: as given, or inferred from the position of the three channels."""
    check_choice("layout", layout, ("auto", "nchw", "nhwc"))
    if layout == "auto" and axes[1] is None and axes[3] is None:
        raise RequestError(
            f"expected a graph that declares its channel axis, got axes {axes}; set layout=nchw or layout=nhwc"
        )
    inferred: Layout = "nhwc" if axes[3] == 3 and axes[1] != 3 else "nchw"
    order = inferred if layout == "auto" else layout
    channels = axes[1 if order == "nchw" else 3]
    if channels not in {3, None}:
        raise RequestError(
            f"expected 3 input channels ({order}), got {channels} in {axes}; "
            "wrap it in a function that converts RGB to them"
        )
    return order


def _scaling(mean: Triple | None, std: Triple | None, scale: Scale, dtype: type[np.generic]) -> Scaling:
    """Return the normalisation; a graph that takes uint8 does its own."""
    if dtype != np.uint8:
        return make_scaling(mean, std, scale)
    if mean is not None or std is not None or (scale != "auto" and read_white(scale) == 1):
        raise RequestError("expected no mean, no std and no scale=unit for a graph that takes uint8; omit them")
    return Scaling(white=255.0)


def _view(axes: tuple[int | None, int | None], settings: ViewSettings) -> View:
    """Return the view that matches height and width of the graph's input, where it fixes them."""
    height, width = axes
    size = settings.get("size")
    if size is None and height is not None and width is not None:
        settings = {**settings, "size": (height, width)}
    elif size is None and (height is not None or width is not None):
        raise RequestError(f"expected a size for a graph with input {axes}; add size=HEIGHTxWIDTH")
    elif size is not None and any(axis not in {None, side} for axis, side in zip(axes, read_size(size), strict=True)):
        raise RequestError(f"expected the graph's own size {axes}, got size={read_size(size)}; omit size=")
    return make_view(**settings)


def _answers(scorer: Scorer, size: tuple[int, int] | None) -> Rows:
    """Run the graph on two images: noise, and a ramp from black to white."""
    height, width = size or _PROBE_SIZE
    noise = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))
    ramp = torch.linspace(0, 1, width).expand(1, 3, height, width)
    return scorer(torch.cat([noise, ramp]))
