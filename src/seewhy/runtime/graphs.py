"""Run ONNX files with ONNX Runtime (extra ``onnx``)."""

import hashlib
import importlib
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Shaped
from torch import nn

from seewhy.core.arrays import Images, Probabilities
from seewhy.core.errors import RequestError
from seewhy.runtime.cache import Cache
from seewhy.runtime.engines import Answer, missing

ELEMENTS: dict[str, type[np.generic]] = {
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


@runtime_checkable
class GraphValue(Protocol):
    """An input or output that a graph declares; onnxruntime ships no types."""

    @property
    def name(self) -> str:
        """Name in the graph."""

    @property
    def shape(self) -> Sequence[int | str | None]:
        """Length of each axis; a name or None for a dynamic axis."""

    @property
    def type(self) -> str:
        """Type of the elements, such as ``tensor(float)``."""


@runtime_checkable
class Runnable(Protocol):
    """A graph that can be run."""

    def run(
        self, outputs: Sequence[str], inputs: Mapping[str, Shaped[np.ndarray, "..."]], /
    ) -> Sequence[Shaped[np.ndarray, "..."]]:
        """Run the graph and return the named outputs."""


@runtime_checkable
class Session(Runnable, Protocol):
    """A graph that can be run and inspected: an ``onnxruntime.InferenceSession``."""

    def get_inputs(self) -> Sequence[GraphValue]:
        """Return the inputs that the graph declares."""

    def get_outputs(self) -> Sequence[GraphValue]:
        """Return the outputs that the graph declares."""


def _onnxruntime() -> ModuleType:
    """Import ONNX Runtime on first use."""
    try:
        return importlib.import_module("onnxruntime")
    except ModuleNotFoundError as error:
        raise missing("onnxruntime", "onnx") from error


def runtime_name() -> str:
    """Return the name and version of the ONNX runtime."""
    return f"onnxruntime {_onnxruntime().__version__}, cpu"


def open_graph(file: Path) -> Session:
    """Load a graph for execution on the CPU.

    Raises:
        RequestError: the extra ``onnx`` is missing, the file does not exist, or it is not a graph of standard
            operators.
    """
    runtime = _onnxruntime()
    if not file.is_file():
        raise RequestError(f"expected an ONNX file, got {file}, which is not a file; check the path")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()  # the same setting as for torch
    options.log_severity_level = 3  # errors are raised; everything else is noise on stderr
    errors = tuple(getattr(runtime.capi.onnxruntime_pybind11_state, name) for name in _ERRORS)
    try:
        session: Session = runtime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except errors as error:
        reason = str(error).splitlines()[0].replace(str(file), file.name)
        raise RequestError(
            f"expected an ONNX graph of standard operators, got {file.name}, which ONNX Runtime rejects: {reason}; "
            "export it again"
        ) from error
    return session


def from_network(network: nn.Module, size: tuple[int, int], cache: Cache, key: str) -> Answer:
    """Export a network on the CPU, or take it from the cache under ``key``, and run it with ONNX Runtime.

    Raises:
        RequestError: the extra ``onnx`` is missing, or ONNX Runtime rejects the network.
        RuntimeError: torch cannot export the network.
        OSError: the cache cannot be written.
    """
    _onnxruntime()
    entry = cache.need(key, lambda folder: _export(network, size, folder / _MODEL))
    session = open_graph(entry / _MODEL)
    outputs = [output.name for output in session.get_outputs()]

    def answer(images: Images) -> Probabilities:
        return torch.from_numpy(session.run(outputs, {"images": images.contiguous().numpy()})[0])

    return answer


def _export(network: nn.Module, size: tuple[int, int], file: Path) -> None:
    """Write a network as an ONNX file for any batch size."""
    with torch.no_grad(), warnings.catch_warnings():
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
