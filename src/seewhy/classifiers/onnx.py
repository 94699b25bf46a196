"""An ONNX file as a classifier, run by ONNX Runtime (extra ``onnx``)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, final

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from seewhy.classifiers.settings import (
    Channels,
    Labels,
    Outputs,
    Scaling,
    Size,
    Triple,
    as_probabilities,
    check_choice,
    digest,
    make_mean_color,
    make_scaling,
    make_view,
    read_labels,
    read_size,
)
from seewhy.core.access import Access
from seewhy.core.arrays import Images, Probabilities
from seewhy.core.classifier import Color
from seewhy.core.errors import ClassifierError, RequestError, did_you_mean
from seewhy.core.probe import SUM_TOLERANCE
from seewhy.core.view import Fit, View
from seewhy.runtime.graphs import ELEMENTS, contents, open_graph, runtime_name
from seewhy.runtime.notes import Noting

Layout = Literal["nchw", "nhwc"]
Scale = Literal["auto", "unit", "255"]

_TRIAL = (224, 224)
"""Size of the trial pictures for a graph that takes any."""


@dataclass(frozen=True)
class InputSpec:
    """The input of an ONNX graph.

    Args:
        name: of the input.
        dtype: numpy type.
        layout: order of its axes.
        batch: the fixed number of pictures, or None for any.
        size: height and width; None where the graph leaves one open.

    Example:
        >>> InputSpec("x", np.uint8, "nhwc", 1, (224, 224)).layout
        'nhwc'
    """

    name: str
    dtype: type[np.generic]
    layout: Layout
    batch: int | None
    size: tuple[int | None, int | None]


@final
@dataclass(frozen=True, eq=False)
class Graph:
    """An ONNX graph and the preprocessing that it wants.

    Args:
        file: that it was read from.
        session: an ``onnxruntime.InferenceSession``, or what is called like one.
        input_spec: the name, type, layout and shape of the input that takes the image.
        output: name of the output that is read.
        scaling: subtracts and divides, in the units of ``top``.
        top: what white is before that: 1 or 255.
        channels: the order that the graph takes.

    Example:
        ``graph.scores(images)`` returns what the graph says, before any soft-max.
    """

    file: Path
    session: Any
    input_spec: InputSpec
    output: str
    scaling: Scaling
    top: float
    channels: Channels

    def scores(self, images: Images) -> Float[Tensor, "n k"]:
        """Return what the graph itself says.

        Args:
            images: ``(n, 3, h, w)`` float32 in [0, 1], RGB.

        Raises:
            ClassifierError: the graph does not return one row a picture.
        """
        pieces = torch.split(images.detach().cpu(), self.input_spec.batch or max(1, len(images)))
        return torch.cat([self._run(piece) for piece in pieces])

    def _run(self, images: Images) -> Float[Tensor, "n k"]:
        """Run one batch; a fixed one is filled up with repeats, whose answers are dropped."""
        rows = len(images)
        if self.input_spec.batch is not None:
            images = torch.cat([images, images[-1:].expand(self.input_spec.batch - rows, -1, -1, -1)])
        array = self._input(images)
        with Noting(f"while the ONNX graph was run on an array of shape {array.shape}, {array.dtype}"):
            (answer,) = self.session.run([self.output], {self.input_spec.name: array})
        scores = torch.from_numpy(np.array(answer, dtype=np.float32))
        return as_probabilities(scores, len(images), "probabilities")[:rows]  # checks the shape; no soft-max

    def _input(self, images: Images) -> Shaped[np.ndarray, "n x y z"]:
        """Bring pictures to the graph's channel order, range, layout and type."""
        pictures = images.flip(1) if self.channels == "bgr" else images
        pictures = pictures if self.top == 1 else pictures * self.top
        pictures = pictures.round().clamp(0, 255) if self.input_spec.dtype == np.uint8 else self.scaling.apply(pictures)
        pictures = pictures.permute(0, 2, 3, 1) if self.input_spec.layout == "nhwc" else pictures
        return np.ascontiguousarray(pictures.numpy().astype(self.input_spec.dtype))


@final
@dataclass(frozen=True, eq=False)
class OnnxClassifier:
    """An ONNX graph as a classifier; made by `onnx`.

    Args:
        graph: what is run.
        name: what it is called in results; says what its outputs were taken for.
        labels: one name a class, or None.
        view: how a user's picture becomes its input.
        fingerprint: SHA-256 of file and settings.
        mean_color: of its training pictures, RGB in [0, 1].
        outputs: what the graph returns.
        runtime: what computes it.

    Example:
        ``onnx(path="model.onnx", size=224)(images)`` returns ``(n, k)`` probabilities.
    """

    graph: Graph
    name: str
    labels: tuple[str, ...] | None
    view: View
    fingerprint: str
    mean_color: Color
    outputs: Outputs
    runtime: str

    @property
    def access(self) -> Access:
        """Probabilities only."""
        return Access.PROBABILITIES

    @property
    def channels(self) -> Channels:
        """The order that the graph takes."""
        return self.graph.channels

    @property
    def device(self) -> torch.device:
        """The CPU."""
        return torch.device("cpu")

    def __call__(self, images: Images) -> Probabilities:
        """Return class probabilities.

        Args:
            images: ``(n, 3, h, w)`` float32 in [0, 1], RGB.

        Raises:
            ClassifierError: the graph does not return one row a picture.
        """
        return as_probabilities(self.graph.scores(images), len(images), self.outputs)


def onnx(
    *,
    path: str | Path,
    labels: Labels | None = None,
    outputs: Literal["auto", "logits", "probabilities"] = "auto",
    mean: Triple | None = None,
    std: Triple | None = None,
    scale: Scale = "auto",
    channels: Channels = "rgb",
    size: Size | None = None,
    short_side: int | None = None,
    fit: Fit = "crop",
    layout: Literal["auto", "nchw", "nhwc"] = "auto",
    output: str | None = None,
    name: str | None = None,
    mean_color: Triple | None = None,
) -> OnnxClassifier:
    """Make an ONNX file a classifier; what the graph states about its input is read from it.

    Args:
        path: the file.
        labels: one name a class, or the path of a text file with one a line.
        outputs: ``logits`` (a soft-max is applied) or ``probabilities``; ``auto`` runs the graph on two pictures and
            takes rows that sum to 1 for probabilities; what it found stands in ``name`` and ``runtime``.
        mean: taken off, in the scale and the channel order that the graph takes; None for 0.
        std: divided by after that; None for 1.
        scale: white before ``mean`` and ``std``: ``unit`` is 1, ``255`` is 255; ``auto`` is 255 for a graph that takes
            uint8, else 1.
        channels: the order that the graph takes.
        size: side of the input, or (height, width), pixels; needed only where the graph leaves it open. Without it, a
            graph that leaves both open is shown each picture at its own size.
        short_side: the picture's short side before the centre crop, pixels; None for just enough.
        fit: ``crop`` or ``stretch``.
        layout: order of the axes; ``auto`` reads it from the graph's shape.
        output: name of the output to read, where there are several.
        name: what it is called in results; None for a Spec with the file's name and what its outputs were taken for.
        mean_color: of its training pictures, RGB in [0, 1]; None for ``mean`` where that is a colour, else ImageNet's.

    Raises:
        RequestError: the extra ``onnx`` is missing, the file cannot be run, or a setting makes no sense.
        ClassifierError: what the outputs are cannot be told.

    Example:
        ``onnx(path="model.onnx", mean="0.485/0.456/0.406", std="0.229/0.224/0.225")``
    """
    check_choice("outputs", outputs, ("auto", "logits", "probabilities"))
    check_choice("channels", channels, ("rgb", "bgr"))
    file = Path(path)
    session = open_graph(file)
    input_spec = _read_input(session, layout)
    top = _top(scale, input_spec.dtype, scaled=mean is not None or std is not None)
    scaling = make_scaling(mean, std, top=top)
    view = _view(input_spec, size, short_side, fit)
    graph = Graph(file, session, input_spec, _output(session, output), scaling, top, channels)
    kind = _read_outputs(graph, view.size) if outputs == "auto" else outputs
    return OnnxClassifier(
        graph=graph,
        name=name or f"onnx:path={file.name},outputs={kind}",
        labels=read_labels(labels),
        view=view,
        fingerprint=digest(
            _fingerprint_part(input_spec), graph.output, view, scaling, top, channels, kind, *contents(file)
        ),
        mean_color=make_mean_color(mean_color, scaling, channels, top=top),
        outputs=kind,
        runtime=f"{runtime_name()}, outputs are {kind}" + (" (found by running it)" if outputs == "auto" else ""),
    )


def _fingerprint_part(input_spec: InputSpec) -> bytes:
    """Return the text that stands for the input in a fingerprint; the class had another name when the first were saved."""
    return repr(input_spec).replace(type(input_spec).__name__, "Door", 1).encode()


def _read_input(session: Any, layout: Literal["auto", "nchw", "nhwc"]) -> InputSpec:  # noqa: ANN401 - as above
    """Read what the graph states about its input."""
    inputs = session.get_inputs()
    if len(inputs) != 1:
        names = ", ".join(entry.name for entry in inputs)
        raise RequestError(f"expected a graph with one input, got {len(inputs)} ({names}); export the classifier alone")
    entry = inputs[0]
    if entry.type not in ELEMENTS:
        raise RequestError(
            f"expected an input of type float, float16 or uint8, got {entry.type}; export it with float32 input"
        )
    if len(entry.shape) != 4:
        raise RequestError(
            f"expected an input of 4 axes (batch, channels, height, width), got {entry.shape}; export so"
        )
    axes = [axis if isinstance(axis, int) and axis > 0 else None for axis in entry.shape]
    order = _layout(axes, layout)
    channels, height, width = axes[1:] if order == "nchw" else (axes[3], axes[1], axes[2])
    if channels not in {3, None}:
        raise RequestError(
            f"expected 3 input channels ({order}), got {channels} in {entry.shape}; "
            "wrap it in a function that makes them of RGB"
        )
    return InputSpec(entry.name, ELEMENTS[entry.type], order, axes[0], (height, width))


def _layout(axes: list[int | None], layout: Literal["auto", "nchw", "nhwc"]) -> Layout:
    """Tell the order of the axes by where the three channels are."""
    check_choice("layout", layout, ("auto", "nchw", "nhwc"))
    if layout != "auto":
        return layout
    if axes[1] is None and axes[3] is None:
        raise RequestError(
            f"expected a graph that states its channels, got axes {axes}; say layout=nchw or layout=nhwc"
        )
    return "nhwc" if axes[3] == 3 and axes[1] != 3 else "nchw"


def _top(scale: Scale, dtype: type[np.generic], *, scaled: bool) -> float:
    """Say what white is: 1 or 255."""
    check_choice("scale", scale, ("auto", "unit", "255"))
    if dtype == np.uint8 and (scaled or scale == "unit"):
        raise RequestError("expected no mean, no std and no scale=unit for a graph that takes uint8; leave them out")
    return 255.0 if scale == "255" or dtype == np.uint8 else 1.0


def _view(input_spec: InputSpec, size: Size | None, short_side: int | None, fit: Fit) -> View:
    """Frame pictures as the graph wants them."""
    if size is None:
        if (input_spec.size[0] is None) != (input_spec.size[1] is None):
            raise RequestError(f"expected a size for a graph with input {input_spec.size}; add size=HEIGHTxWIDTH")
        height, width = input_spec.size
        return make_view(None if height is None or width is None else (height, width), short_side, fit)
    wanted = read_size(size)
    if any(axis not in {None, side} for axis, side in zip(input_spec.size, wanted, strict=True)):
        raise RequestError(f"expected the graph's own size {input_spec.size}, got size={wanted}; leave size= out")
    return make_view(wanted, short_side, fit)


def _output(session: Any, output: str | None) -> str:  # noqa: ANN401 - as above
    """Choose the output that is read."""
    names: list[str] = [entry.name for entry in session.get_outputs()]
    if output is None and len(names) > 1:
        raise RequestError(f"expected a graph with one output, got {', '.join(names)}; say which with output=")
    if output is not None and output not in names:
        raise RequestError(f"expected output {' or '.join(names)}, got {output!r}; {did_you_mean(output, names)}")
    return output or names[0]


def _read_outputs(graph: Graph, size: tuple[int, int] | None) -> Outputs:
    """Tell probabilities from logits by the answers on two pictures: noise, and a ramp from black to white."""
    height, width = size or _TRIAL
    noise = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))
    ramp = torch.linspace(0, 1, width).expand(1, 3, height, width)
    scores = graph.scores(torch.cat([noise, ramp]))
    if bool((scores < 0).any()) or bool((scores > 1 + SUM_TOLERANCE).any()):
        return "logits"
    if bool(((scores.sum(1) - 1).abs() <= SUM_TOLERANCE).all()):
        return "probabilities"
    raise ClassifierError(
        f"expected probabilities that sum to 1 or logits, got values in [0, 1] that sum to {float(scores[0].sum()):.4g}; "
        "these may be independent sigmoid outputs, or logits that happen to be small: say outputs="
    )
