"""In-painters with known results for tests: a Python function, and ONNX graphs that return their inputs."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def mean_of_kept(images: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Fill each image with the mean colour of its kept pixels."""
    total = images.sum((1, 2)) / keep.sum((1, 2)).clip(min=1)[:, None]
    return np.broadcast_to(total[:, None, None].round().astype(np.uint8), images.shape).copy()


def write_graph(
    path: Path,
    size: tuple[int | str, int | str] = ("h", "w"),
    *,
    batch: int | str = "n",
    channels: tuple[int | str, ...] = (3, 1),
    gains: tuple[float, float] = (1.0, 1.0),
    dtype: int = TensorProto.FLOAT,
) -> Path:
    """Write a graph that returns ``gains[0] * image + gains[1] * mask``.

    It has two inputs, ``x0`` for the image and ``x1`` for the mask, or one of 4 channels, the image first.
    """
    names = [f"x{i}" for i in range(len(channels))]
    inputs = [
        helper.make_tensor_value_info(name, dtype, [batch, count, *size])
        for name, count in zip(names, channels, strict=True)
    ]
    nodes = [helper.make_node("Cast", [name], [f"{name}f"], to=TensorProto.FLOAT) for name in names]
    parts = [f"{name}f" for name in names]
    if len(channels) == 1:
        parts = ["p", "h"]
        nodes.append(helper.make_node("Split", ["x0f", "sizes"], parts, axis=1))
    nodes += [
        helper.make_node("Mul", [parts[0], "g0"], ["a"]),
        helper.make_node("Mul", [parts[1], "g1"], ["b"]),
        helper.make_node("Add", ["a", "b"], ["sum"]),
        helper.make_node("Cast", ["sum"], ["y"], to=dtype),
    ]
    constants = [numpy_helper.from_array(np.array(gain, np.float32), f"g{i}") for i, gain in enumerate(gains)]
    constants.append(numpy_helper.from_array(np.array([3, 1]), "sizes"))
    outputs = [helper.make_tensor_value_info("y", dtype, [batch, 3, *size])]
    model = helper.make_model(
        helper.make_graph(nodes, "inpainter", inputs, outputs, constants),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    onnx.save(model, path)
    return path
