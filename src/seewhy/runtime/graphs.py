"""ONNX files, run by ONNX Runtime (extra ``onnx``)."""

import hashlib
import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from seewhy.core.errors import RequestError

ELEMENTS: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8,
}
"""Types of input that are understood: ONNX Runtime's name → numpy's."""

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
"""What ONNX Runtime raises for a file that it cannot run; they have no common base but Exception."""


def _onnxruntime() -> ModuleType:
    """Import ONNX Runtime, only now that it is needed."""
    try:
        return importlib.import_module("onnxruntime")
    except ModuleNotFoundError as error:
        raise RequestError(
            "expected the package onnxruntime, got none installed; run: pip install 'seewhy[onnx]'"
        ) from error


def runtime_name() -> str:
    """Name what runs graphs.

    Raises:
        RequestError: the extra ``onnx`` is missing.

    Example:
        ``runtime_name()`` returns ``"onnxruntime 1.23.2, cpu"``.
    """
    return f"onnxruntime {_onnxruntime().__version__}, cpu"


def open_graph(file: Path) -> Any:  # noqa: ANN401 - onnxruntime ships no types
    """Load a graph, to be run on the CPU.

    Returns:
        An ``onnxruntime.InferenceSession``.

    Raises:
        RequestError: the extra ``onnx`` is missing, there is no such file, or it is no graph of standard operators.

    Example:
        ``open_graph(Path("model.onnx")).get_inputs()``
    """
    runtime = _onnxruntime()
    if not file.is_file():
        raise RequestError(f"expected an ONNX file, got {file}, which is not a file; check the path")
    options = runtime.SessionOptions()
    options.log_severity_level = 3  # what goes wrong is raised; the rest is noise on stderr
    errors = tuple(getattr(runtime.capi.onnxruntime_pybind11_state, name) for name in _ERRORS)
    try:
        return runtime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except errors as error:
        reason = str(error).splitlines()[0].replace(str(file), file.name)
        raise RequestError(
            f"expected an ONNX graph of standard operators, got {file.name}, which ONNX Runtime refuses: {reason}; "
            "export it again"
        ) from error


def contents(file: Path) -> list[bytes]:
    """Return the SHA-256 of the graph, and of the weights beside it under the names that exporters give them.

    Example:
        >>> contents(Path("none.onnx"))
        []
    """
    beside = [file, file.with_name(f"{file.name}.data"), file.with_name(f"{file.name}_data")]
    return [hashlib.sha256(path.read_bytes()).digest() for path in beside if path.is_file()]
