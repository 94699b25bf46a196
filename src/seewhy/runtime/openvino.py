"""A network run by OpenVINO (extra ``openvino``): torch modules, converted, and ONNX files."""

import importlib
import importlib.util
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor, nn

from seewhy.runtime.cache import Cache
from seewhy.runtime.engines import Answer, Candidate, Engine, missing
from seewhy.runtime.machine import installed

_HINTS = {"float32": "f32", "bfloat16": "bf16"}
_MODEL = "network.xml"


def openvino_candidates(build: Callable[[str], Answer]) -> list[Candidate]:
    """List the precisions in which OpenVINO may run a network.

    Args:
        build: precision → what answers.

    Example:
        >>> [each.name for each in openvino_candidates(lambda precision: lambda images: images.mean((2, 3)))]
        ['openvino', 'openvino-bfloat16']
    """
    text = f"openvino {installed('openvino')}, cpu"
    return [
        Candidate("openvino", lambda: build("float32"), text, "float32"),
        Candidate("openvino-bfloat16", lambda: build("bfloat16"), text, "bfloat16"),
    ]


def from_network(network: nn.Module, shape: Sequence[int], precision: str, cache: Cache, key: str) -> Engine:
    """Convert a torch network or a piece of one, or take it from the cache, and make it ready for batches of any number.

    Args:
        network: on the CPU.
        shape: of a picture or a feature map: channels, height, width.
        precision: ``float32`` or ``bfloat16``.
        cache: keeps the converted network.
        key: of this network in the cache.

    Raises:
        RequestError: the extra ``openvino`` is missing.
        RuntimeError: OpenVINO cannot run the network.
        OSError: the cache cannot be written.

    Example:
        ``from_network(network, (3, 224, 224), "float32", cache, key)(images)``
    """
    _openvino()
    entry = cache.need(key, lambda folder: _convert(network, shape, folder / _MODEL))
    compiled = _compile(entry / _MODEL, precision)

    def answer(maps: Tensor) -> Tensor:
        return torch.from_numpy(compiled(maps.contiguous().numpy(), share_inputs=True)[0])

    return answer


@dataclass(frozen=True, eq=False)
class Session:
    """An ONNX file run by OpenVINO, to be called like an ``onnxruntime.InferenceSession``.

    Args:
        compiled: an ``openvino.CompiledModel``.

    Example:
        ``Session.of(Path("model.onnx"), "float32").run(["logits"], {"pictures": array})``
    """

    compiled: Any

    @classmethod
    def of(cls, file: Path, precision: str) -> "Session":
        """Read and compile a file.

        Raises:
            RequestError: the extra ``openvino`` is missing.
            RuntimeError: OpenVINO cannot run the file.
        """
        return cls(_compile(file, precision))

    def run(
        self, outputs: Sequence[str], inputs: Mapping[str, Shaped[np.ndarray, "..."]]
    ) -> list[Shaped[np.ndarray, "..."]]:
        """Return the named outputs for the named inputs."""
        found = self.compiled(dict(inputs))
        return [found[name] for name in outputs]


def _openvino() -> ModuleType:
    """Import OpenVINO, only now that it is needed."""
    if importlib.util.find_spec("openvino") is None:
        raise missing("openvino", "openvino")
    return importlib.import_module("openvino")


def _compile(file: Path, precision: str) -> Any:  # noqa: ANN401 - openvino's own type
    """Compile for few pictures at a time, on as many threads as torch may use, in exactly this precision."""
    hints = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": _HINTS[precision],
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
    }
    return _openvino().Core().compile_model(str(file), "CPU", hints)


def _convert(network: nn.Module, shape: Sequence[int], file: Path) -> None:
    """Trace a network, translate it by OpenVINO's front end, for any number of pictures, and save it in float32.

    ``openvino.convert_model`` does the same five times slower and tells its maker about it.
    """
    openvino = _openvino()
    frontend = importlib.import_module("openvino.frontend")
    decoders = importlib.import_module("openvino.frontend.pytorch.ts_decoder")
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # checks of shapes are traced as passed; the agreement is measured
        traced = torch.jit.trace(network, torch.zeros(2, *shape), check_trace=False)  # type: ignore[no-untyped-call]
        decoder = decoders.TorchScriptPythonDecoder(traced)  # owns the weights: it must outlive the model
    reader = frontend.FrontEndManager().load_by_framework("pytorch")
    refusals = (frontend.GeneralFailure, frontend.OpConversionFailure, frontend.NotImplementedFailure)
    try:
        model = reader.convert(reader.load(decoder))
    except refusals as error:
        raise RuntimeError(f"OpenVINO refuses the network: {error}") from error
    model.inputs[0].get_node().set_element_type(openvino.Type.f32)
    model.reshape([-1, *shape])
    openvino.save_model(model, file, compress_to_fp16=False)
