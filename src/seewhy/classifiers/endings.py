"""How a network ends: its last operations, read backwards from torch's autograd graph or from the nodes of an ONNX file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor
from torch.autograd.graph import Node

from seewhy.runtime.onnx_nodes import OnnxNode

Ending = tuple[str, ...]
"""What the last operations return, the last one first: kinds of answer such as ``logits``; empty if unknown."""

_LOGITS = {
    *("addmm", "addmv", "baddbmm", "bmm", "einsum", "gemm", "linear", "matmul", "mm", "mv", "qlinearmatmul"),
    *("conv", "convolution", "mkldnnconvolution", "qlinearconv"),
    *("batchnormalization", "cudnnbatchnorm", "nativebatchnorm", "layernormalization", "nativelayernorm"),
    *("elu", "gelu", "leakyrelu", "prelu", "relu", "silu"),
}
"""Operations whose result is neither a probability nor normalised."""

_KINDS = dict.fromkeys(_LOGITS, "logits") | {
    "softmax": "probabilities",
    "logsoftmax": "log-probabilities",
    "sigmoid": "sigmoid",
    "hardsigmoid": "sigmoid",
    "logsigmoid": "log-sigmoid",
}

_PASSED = {
    *("alias", "asstrided", "cast", "clone", "contiguous", "copy", "dequantizelinear", "dropout", "expand", "flatten"),
    *("gather", "identity", "index", "indexselect", "nativedropout", "permute", "quantizelinear", "repeat", "reshape"),
    *("reshapealias", "select", "slice", "split", "squeeze", "t", "tocopy", "transpose", "unbind", "unsafeview"),
    *("unsqueeze", "view", "adaptiveavgpool2d", "averagepool", "avgpool2d", "globalaveragepool", "mean", "reducemean"),
    *("amax", "globalmaxpool", "maxpool", "maxpool2dwithindices", "reducemax"),
}
"""Operations that keep the kind: they copy, convert, reorder, select or pool."""

_ARITHMETIC = {"add", "div", "mul", "neg", "sub"}
_CLIPPED = {"clamp", "clampmin", "clip"}

_LOGARITHMS = {"probabilities": ("log-probabilities",), "sigmoid": ("log-sigmoid",)}

_DEPTH = 12
"""Number of operations that are followed back from the output."""


@dataclass(frozen=True, eq=False)
class _Step:
    """An operation, in lower case without the marks of its framework, and those whose results it takes."""

    name: str
    before: Callable[[], Sequence["_Step"]]


def ending_of_tensor(answer: Tensor) -> Ending:
    """Read the ending from the autograd graph of a module's answer; unknown if the answer has none."""
    return () if answer.grad_fn is None else _ending(_of_function(answer.grad_fn), _DEPTH)


def ending_of_graph(nodes: Sequence[OnnxNode], output: str) -> Ending:
    """Read the ending of an output of an ONNX graph."""
    makers = {name: node for node in nodes for name in node.outputs}
    return _ending(_of_node(makers[output], makers), _DEPTH) if output in makers else ()


def _of_function(function: Node) -> _Step:
    """Read a node of the autograd graph, which is called ``SoftmaxBackward0`` or the like."""
    name = function.name().rstrip("0123456789").removesuffix("Backward").lower()
    return _Step(name, lambda: [_of_function(parent) for parent, _ in function.next_functions if parent is not None])


def _of_node(node: OnnxNode, makers: dict[str, OnnxNode]) -> _Step:
    """Read a node of an ONNX graph."""
    return _Step(node.op.lower(), lambda: [_of_node(makers[name], makers) for name in node.inputs if name in makers])


def _ending(step: _Step, depth: int) -> Ending:
    """Follow the operations back until the kind is known or an unknown operation is reached."""
    if depth == 0:
        return ()
    kind = _KINDS.get(step.name)
    if kind == "logits":
        return ("logits",)
    before = [_ending(parent, depth - 1) for parent in step.before()]
    first = before[0] if before else ()
    if kind is not None:
        return (kind, *first)
    if step.name in _PASSED or (step.name in _CLIPPED and first != ("logits",)):
        return first
    if step.name == "log" and first:
        return _LOGARITHMS.get(first[0], ())
    arithmetic = step.name in _ARITHMETIC and ("logits",) in before and set(before) <= {("logits",), ()}
    return ("logits",) if arithmetic else ()
