"""Run ONNX files with ONNX Runtime (extra ``onnx``)."""

import hashlib
import importlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from jaxtyping import Shaped
from torch import nn

from seewhy.core.arrays import Images, Probabilities
from seewhy.core.errors import RequestError
from seewhy.runtime.cache import Cache
from seewhy.runtime.engines import Answer, converting, missing

_TYPES: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8,
}
"""Supported input types: ONNX Runtime's name → NumPy type."""

_MODEL = "network.onnx"

_ERRORS = (
    "Fail",
    "InvalidArgument",
    "InvalidGraph",
    "InvalidProtobuf",
    "NoModel",
    "NoSuchFile",
    "NotImplemented",
    "RuntimeException",
)
"""Exceptions that ONNX Runtime raises for a file it cannot run; their only common base class is Exception."""


Run = Callable[[Sequence[str], Mapping[str, Shaped[np.ndarray, "..."]]], Sequence[Shaped[np.ndarray, "..."]]]
"""Runs a graph: names of outputs, and name → array of each input → those outputs."""


@dataclass(frozen=True)
class ImageInput:
    """An input of a graph; of its four ``axes``, those of any length are None."""

    name: str
    dtype: type[np.generic]
    axes: tuple[int | None, ...]


@dataclass(frozen=True, eq=False)
class Graph:
    """An ONNX file, what it declares, and the function that runs it."""

    file: Path
    inputs: tuple[ImageInput, ...]
    outputs: tuple[str, ...]
    metadata: Mapping[str, str]
    run: Run

    def output(self, name: str | None) -> str:
        """Return the name of the output to read: the given one, or the only one.

        Raises:
            RequestError: there is no such output, or there are several and no name is given.
        """
        if name in self.outputs or (name is None and len(self.outputs) == 1):
            return name or self.outputs[0]
        raise RequestError(f"expected output= one of {', '.join(self.outputs)}, got {name or 'auto'}; name one of them")


def _onnxruntime() -> ModuleType:
    """Import ONNX Runtime on first use."""
    try:
        return importlib.import_module("onnxruntime")
    except ModuleNotFoundError as error:
        raise missing("onnxruntime", "onnx") from error


def runtime_name() -> str:
    """Return the name and version of the ONNX runtime."""
    return f"onnxruntime {_onnxruntime().__version__}, cpu"


def open_graph(file: Path) -> Graph:
    """Load a graph of images for execution on the CPU.

    Raises:
        RequestError: the extra ``onnx`` is missing, the file does not exist, it is not a graph of standard operators, or
            an input is not a batch of images of a supported type.
    """
    runtime = _onnxruntime()
    if not file.is_file():
        raise RequestError(f"expected an ONNX file, got {file}, which is not a file; check the path")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()  # the same setting as for torch
    options.log_severity_level = 3  # errors are raised; everything else is noise on stderr
    errors = tuple(getattr(runtime.capi.onnxruntime_pybind11_state, name) for name in _ERRORS)
    try:
        session = runtime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except errors as error:
        reason = str(error).splitlines()[0].replace(str(file), file.name)
        raise RequestError(
            f"expected an ONNX graph of standard operators, got {file.name}, which ONNX Runtime rejects: {reason}; "
            "export it again"
        ) from error
    inputs = tuple(_image_input(entry.name, entry.type, entry.shape) for entry in session.get_inputs())
    outputs, metadata = session.get_outputs(), session.get_modelmeta().custom_metadata_map
    return Graph(file, inputs, tuple(entry.name for entry in outputs), metadata, session.run)


def _image_input(name: str, kind: str, shape: Sequence[int | str | None]) -> ImageInput:
    """Read the declaration of an input."""
    if kind not in _TYPES or len(shape) != 4:
        raise RequestError(
            "expected an input of 4 axes (batch, channels, height, width) of type float, float16 or uint8, "
            f"got {kind} {shape} for {name}; export the graph with such inputs, or wrap it in a function"
        )
    return ImageInput(name, _TYPES[kind], tuple(axis if isinstance(axis, int) and axis > 0 else None for axis in shape))


def from_network(network: nn.Module, size: tuple[int, int], cache: Cache, key: str) -> Answer:
    """Export a network on the CPU, or take it from the cache under ``key``, and run it with ONNX Runtime.

    Raises:
        RequestError: the extra ``onnx`` is missing, or ONNX Runtime rejects the network.
        RuntimeError: torch cannot export the network.
        OSError: the cache cannot be written.
    """
    _onnxruntime()
    entry = cache.need(key, lambda folder: _export(network, size, folder / _MODEL))
    graph = open_graph(entry / _MODEL)

    def answer(images: Images) -> Probabilities:
        return torch.from_numpy(graph.run(graph.outputs, {"images": images.contiguous().numpy()})[0])

    return answer


def _export(network: nn.Module, size: tuple[int, int], file: Path) -> None:
    """Write a network as an ONNX file for any batch size."""
    with torch.no_grad(), converting(network), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter without extra dependencies is deprecated and warns
        torch.onnx.export(
            network,
            (torch.zeros(2, 3, *size),),
            str(file),
            input_names=["images"],
            output_names=["probabilities"],
            dynamic_axes={"images": {0: "n"}, "probabilities": {0: "n"}},
            dynamo=False,
        )


def contents(file: Path) -> list[bytes]:
    """Return the SHA-256 of the graph, and of external weights beside it under the names that exporters use."""
    beside = [file, file.with_name(f"{file.name}.data"), file.with_name(f"{file.name}_data")]
    return [hashlib.sha256(path.read_bytes()).digest() for path in beside if path.is_file()]
