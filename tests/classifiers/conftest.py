"""Small classifiers with known weights, as a torch module, as a function and as an ONNX file."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

CLASSES = 4


@pytest.fixture
def images() -> Tensor:
    """Return five 12 × 16 images on 8-bit levels."""
    levels = torch.randint(0, 256, (5, 3, 12, 16), generator=torch.Generator().manual_seed(1))
    return levels.float() / 255


@pytest.fixture
def net() -> nn.Module:
    """Return a convolution, a spatial mean and a linear layer: logits of four classes."""
    torch.manual_seed(0)
    convolution, linear = nn.Conv2d(3, 6, 3), nn.Linear(6, CLASSES)
    nn.init.normal_(linear.weight, std=4.0)
    return nn.Sequential(convolution, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear).eval()


Export = Callable[..., Path]


@pytest.fixture
def export(net: nn.Module, tmp_path: Path) -> Export:
    """Export the network to ONNX with the requested input."""

    def write(
        shape: tuple[int | str, ...] = ("n", 3, 12, 16),
        dtype: int = TensorProto.FLOAT,
        *,
        ends: str = "Softmax",
        name: str = "net.onnx",
    ) -> Path:
        state = list(net.state_dict().values())
        weights = [numpy_helper.from_array(tensor.numpy(), f"w{i}") for i, tensor in enumerate(state)]
        nodes = [helper.make_node("Cast", ["x"], ["cast"], to=TensorProto.FLOAT)]
        nhwc = shape[-1] == 3
        nodes += [helper.make_node("Transpose", ["cast"], ["nchw"], perm=[0, 3, 1, 2])] if nhwc else []
        nodes += [
            helper.make_node("Conv", ["nchw" if nhwc else "cast", "w0", "w1"], ["conv"]),
            helper.make_node("Relu", ["conv"], ["relu"]),
            helper.make_node("GlobalAveragePool", ["relu"], ["pool"]),
            helper.make_node("Flatten", ["pool"], ["flat"]),
            helper.make_node("Gemm", ["flat", "w2", "w3"], ["gemm"], transB=1),
            helper.make_node(ends, ["gemm"], ["y"]),
        ]
        inputs = [helper.make_tensor_value_info("x", dtype, shape)]
        outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [shape[0], CLASSES])]
        graph = helper.make_graph(nodes, "net", inputs, outputs, weights)
        return save(graph, tmp_path / name)

    return write


def save(graph: onnx.GraphProto, path: Path) -> Path:
    """Write a graph in an IR version that every supported ONNX Runtime reads."""
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


Recorder = tuple[Callable[[np.ndarray], np.ndarray], list[np.ndarray]]


@pytest.fixture
def recorder() -> Recorder:
    """A function classifier of three classes (red, green, blue) and a log of its inputs."""
    log: list[np.ndarray] = []

    def colours(pictures: np.ndarray) -> np.ndarray:
        log.append(pictures.copy())
        means = pictures.reshape(len(pictures), -1, 3).mean(1) + 1.0
        pictures[:] = 0
        return np.asarray(means / means.sum(1, keepdims=True))

    return colours, log
