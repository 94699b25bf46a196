"""Run networks with OpenVINO (extra ``openvino``): converted torch modules and ONNX files."""

import importlib
import importlib.util
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor, nn

from seewhy.runtime.cache import Cache
from seewhy.runtime.engines import Answer, Candidate, Engine, converting, missing
from seewhy.runtime.graphs import Run
from seewhy.runtime.machine import installed

_MODEL = "network.xml"


def candidate(build: Callable[[], Answer]) -> Candidate:
    """Describe OpenVINO as a way to run a network."""
    return Candidate("openvino", build, f"openvino {installed('openvino')}, cpu", "float32")


def from_network(network: nn.Module, shape: Sequence[int], cache: Cache, key: str) -> Engine:
    """Convert a network on the CPU or a part of one, or take it from the cache, and compile it for any batch size.

    ``shape`` is the channels, height and width of its input.

    Raises:
        RequestError: the extra ``openvino`` is missing.
        RuntimeError: OpenVINO cannot run the network.
        OSError: the cache cannot be written.
    """
    _openvino()
    entry = cache.need(key, lambda folder: _convert(network, shape, folder / _MODEL))
    compiled = _compile(entry / _MODEL)

    def answer(maps: Tensor) -> Tensor:
        return torch.from_numpy(compiled(maps.contiguous().numpy(), share_inputs=True)[0])

    return answer


def run_graph(file: Path) -> Run:
    """Compile an ONNX file."""
    compiled = _compile(file)

    def run(outputs: Sequence[str], inputs: Mapping[str, Shaped[np.ndarray, "..."]]) -> list[Shaped[np.ndarray, "..."]]:
        arrays = compiled(dict(inputs))
        return [arrays[name] for name in outputs]

    return run


def _openvino() -> ModuleType:
    """Import OpenVINO on first use."""
    if importlib.util.find_spec("openvino") is None:
        raise missing("openvino", "openvino")
    return importlib.import_module("openvino")


def _compile(file: Path) -> Any:  # noqa: ANN401 - a type of OpenVINO
    """Compile for small batches, with torch's number of threads and exactly in float32."""
    hints = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
    }
    return _openvino().Core().compile_model(str(file), "CPU", hints)


def _convert(network: nn.Module, shape: Sequence[int], file: Path) -> None:
    """Trace a network, convert it with OpenVINO's frontend for any batch size, and save it in float32.

    ``openvino.convert_model`` does the same five times more slowly and sends telemetry.
    """
    openvino = _openvino()
    frontend = importlib.import_module("openvino.frontend")
    decoders = importlib.import_module("openvino.frontend.pytorch.ts_decoder")
    with torch.no_grad(), converting(network), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns about shape checks; the agreement is measured later
        traced = torch.jit.trace(network, torch.zeros(2, *shape), check_trace=False)  # type: ignore[no-untyped-call]
        decoder = decoders.TorchScriptPythonDecoder(traced)  # owns the weights, so it must outlive the model
    reader = frontend.FrontEndManager().load_by_framework("pytorch")
    rejections = (frontend.GeneralFailure, frontend.OpConversionFailure, frontend.NotImplementedFailure)
    try:
        model = reader.convert(reader.load(decoder))
    except rejections as error:
        raise RuntimeError(f"OpenVINO cannot convert the network: {error}") from error
    model.inputs[0].get_node().set_element_type(openvino.Type.f32)
    model.reshape([-1, *shape])
    openvino.save_model(model, file, compress_to_fp16=False)
