"""Explain an ONNX model. Usage: python examples/onnx_model.py [FOLDER]. Requires onnxruntime and onnx."""

import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import seewhy

PHOTO = Path(__file__).parent / "photos" / "coffee.jpg"


def write_model(path: Path) -> None:
    """Write a graph that takes ``(n, 3, 64, 64)`` images and returns the mean of each channel as three logits."""
    picture = helper.make_tensor_value_info("picture", TensorProto.FLOAT, ["n", 3, 64, 64])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 3])
    gain = numpy_helper.from_array(np.array(20, np.float32), "gain")
    steps = [("GlobalAveragePool", ["picture"], ["means"]), ("Flatten", ["means"], ["flat"])]
    steps.append(("Mul", ["flat", "gain"], ["scores"]))
    nodes = [helper.make_node(*step) for step in steps]
    graph = helper.make_graph(nodes, "colours", [picture], [scores], [gain])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


def main(folder: str = "seewhy-out/onnx") -> None:
    """Create a model file, explain its prediction, and write the results to a folder."""
    with tempfile.TemporaryDirectory() as made:
        write_model(Path(made) / "colours.onnx")
        classifier = seewhy.classifier(f"{made}/colours.onnx", labels=["red", "green", "blue"])
        explanation = seewhy.explain(classifier, PHOTO, method="rise:masks=400")
    predicted, queries = explanation.predicted[0].label, explanation.queries.forward_images
    print(f"{predicted}; {queries} queries; open {explanation.save(folder) / 'report.html'}")


if __name__ == "__main__":
    main(*sys.argv[1:])
