"""An ONNX file as a classifier: the same probabilities as the torch module, whatever the form of its input."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx as graphs
import pytest
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn

from seewhy.classifiers.function import from_function
from seewhy.classifiers.module import from_module
from seewhy.classifiers.onnx import onnx
from seewhy.core.access import Access
from seewhy.core.classifier import Classifier
from seewhy.core.errors import ClassifierError, RequestError

Export = Callable[..., Path]


def single(
    node: str, shape: list[int | str], path: Path, *, inputs: int = 1, outputs: int = 1, domain: str = ""
) -> Path:
    """Write a graph that applies one operator to each input."""
    names = [f"y{i}" for i in range(outputs)]
    nodes = [helper.make_node(node, ["x0"], [name], domain=domain) for name in names]
    graph = helper.make_graph(
        nodes,
        "single",
        [helper.make_tensor_value_info(f"x{i}", TensorProto.FLOAT, shape) for i in range(inputs)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    graphs.save(model, path)
    return path


def test_contract(export: Export) -> None:
    """The classifier implements the interface; its name and runtime state the interpretation of the outputs."""
    classifier = onnx(path=export(), labels=list("abcd"))
    assert isinstance(classifier, Classifier)
    assert classifier.access is Access.PROBABILITIES
    assert classifier.name == "onnx:path=net.onnx,outputs=probabilities"
    assert classifier.runtime.endswith("cpu, outputs are probabilities (recognised)")
    assert (classifier.view.size, classifier.labels) == ((12, 16), ("a", "b", "c", "d"))


def test_module_export_and_function_agree(net: nn.Module, export: Export, images: Tensor) -> None:
    """The module, its ONNX export and a function around it give the same probabilities."""
    expected = from_module(net)(images)

    def function(pictures: np.ndarray) -> object:
        return net(torch.from_numpy(pictures).permute(0, 3, 1, 2)).softmax(1)

    torch.testing.assert_close(onnx(path=export())(images), expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(from_function(function, dtype="float32")(images), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "shape", [("n", 3, 12, 16), (1, 3, 12, 16), (2, 3, 12, 16), ("n", 12, 16, 3), ("n", 3, "h", "w"), (8, "h", "w", 3)]
)
def test_shapes(net: nn.Module, export: Export, images: Tensor, shape: tuple[int | str, ...]) -> None:
    """Fixed and open batches and sizes, channels first and last, all give the same output."""
    classifier = onnx(path=export(shape))
    assert classifier.view.size == (None if "h" in shape else (12, 16))
    torch.testing.assert_close(classifier(images), from_module(net)(images), atol=1e-5, rtol=0)


def test_uint8(net: nn.Module, export: Export, images: Tensor) -> None:
    """A graph that takes uint8 receives 0 to 255."""
    classifier = onnx(path=export(dtype=TensorProto.UINT8))
    expected = from_module(net, std=1 / 255)(images)
    torch.testing.assert_close(classifier(images), expected, atol=1e-5, rtol=0)
    for settings in ({"mean": 0.5}, {"std": 0.5}, {"scale": "unit"}):
        with pytest.raises(RequestError, match=r"for a graph that takes uint8; omit them"):
            onnx(path=export(dtype=TensorProto.UINT8), **settings)


def test_float16(net: nn.Module, export: Export, images: Tensor) -> None:
    """A graph that takes half precision receives half precision."""
    classifier = onnx(path=export(dtype=TensorProto.FLOAT16))
    torch.testing.assert_close(classifier(images), from_module(net)(images), atol=1e-2, rtol=0)


def test_preprocessing(net: nn.Module, export: Export, images: Tensor) -> None:
    """Scale, mean, std and channel order match those of the module."""
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)
    expected = from_module(net, mean=mean, std=std, channels="bgr")
    unit = onnx(path=export(), mean="0.1/0.2/0.3", std=std, channels="bgr")
    torch.testing.assert_close(unit(images), expected(images), atol=1e-5, rtol=0)
    assert unit.mean_color == expected.mean_color == (0.3, 0.2, 0.1)
    wide = onnx(path=export(), mean=25.5, std=127.5, scale="255")
    torch.testing.assert_close(wide(images), from_module(net, mean=0.1, std=0.5)(images), atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.tensor(wide.mean_color), torch.full((3,), 0.1))


def test_outputs(net: nn.Module, export: Export, images: Tensor) -> None:
    """Logits are distinguished from probabilities, and the name states the result.

    An explicit setting is not checked.
    """
    path = export(ends="Identity")
    found = onnx(path=path)
    assert found.name.endswith("outputs=logits")
    torch.testing.assert_close(found(images), from_module(net)(images), atol=1e-5, rtol=0)
    said = onnx(path=path, outputs="probabilities")
    torch.testing.assert_close(said(images), net(images), atol=1e-5, rtol=1e-5)
    assert said.runtime.endswith("outputs are probabilities")


def test_sigmoid_outputs(export: Export, images: Tensor, net: nn.Module) -> None:
    """A graph that ends in a sigmoid has independent labels, one of which is explained."""
    with pytest.raises(RequestError, match=r"expected the label to explain, because 4 independent labels.*label=0"):
        onnx(path=export(ends="Sigmoid"))(images)
    opened = onnx(path=export(ends="Sigmoid"), labels=list("abcd"), label="c")
    assert (opened.outputs, opened.labels) == ("sigmoid", ("not c", "c"))
    torch.testing.assert_close(opened(images)[:, 1], net(images)[:, 2].sigmoid(), atol=1e-5, rtol=0)


def test_output_with_two_axes_of_length_one(images: Tensor, tmp_path: Path) -> None:
    """An output (n, k, 1, 1) is treated as (n, k)."""
    path = single("GlobalAveragePool", ["n", 3, 12, 16], tmp_path / "mean.onnx")
    expected = images.mean((2, 3)).softmax(1)
    torch.testing.assert_close(onnx(path=path, outputs="logits")(images), expected, atol=1e-5, rtol=0)


def test_output_that_is_an_image(tmp_path: Path) -> None:
    """An output other than one row per image is rejected."""
    path = single("Relu", ["n", 3, 12, 16], tmp_path / "relu.onnx")
    with pytest.raises(ClassifierError, match=r"shape \(2, classes\), got \(2, 3, 12, 16\)"):
        onnx(path=path)


def test_several_outputs(images: Tensor, tmp_path: Path) -> None:
    """With several outputs the user must choose one."""
    path = single("GlobalAveragePool", ["n", 3, 12, 16], tmp_path / "two.onnx", outputs=2)
    with pytest.raises(RequestError, match=r"output= one of y0, y1, got auto; name one of them"):
        onnx(path=path)
    with pytest.raises(RequestError, match=r"output= one of y0, y1, got y3"):
        onnx(path=path, output="y3")
    assert onnx(path=path, output="y1", outputs="logits")(images).shape == (5, 3)


@pytest.mark.parametrize(
    ("shape", "inputs", "message"),
    [
        (["n", 3, 12, 16], 2, r"one input, got 2 \(x0, x1\); export the classifier alone"),
        (["n", 12], 1, "an input of 4 axes"),
        (["n", 1, 12, 16], 1, r"3 input channels \(nchw\), got 1"),
        (["n", "c", "h", "w"], 1, "set layout=nchw or layout=nhwc"),
        (["n", 3, 12, "w"], 1, "add size=HEIGHTxWIDTH"),
    ],
)
def test_wrong_input(tmp_path: Path, shape: list[int | str], inputs: int, message: str) -> None:
    """A graph that does not take one batch of RGB images is rejected, and the message names its input."""
    with pytest.raises(RequestError, match=message):
        onnx(path=single("Relu", shape, tmp_path / "net.onnx", inputs=inputs))


def test_wrong_type(export: Export) -> None:
    """A graph with double-precision input is rejected."""
    with pytest.raises(RequestError, match=r"float, float16 or uint8, got tensor\(double\)"):
        onnx(path=export(dtype=TensorProto.DOUBLE))


def test_size(export: Export) -> None:
    """The size setting is for graphs that leave it open; a size that differs from the graph's is rejected."""
    assert onnx(path=export(("n", 3, "h", "w")), size="12x16").view.size == (12, 16)
    assert onnx(path=export(), size="12x16", short_side=20).view.short_side == 20
    with pytest.raises(RequestError, match=r"the graph's own size \(12, 16\), got size=\(8, 8\); omit size="):
        onnx(path=export(), size=8)


def test_not_a_graph(tmp_path: Path) -> None:
    """A missing file and a file that is not an ONNX graph are rejected; the reason omits the file's folder."""
    with pytest.raises(RequestError, match=r"expected an ONNX file, got .*none.onnx, which is not a file"):
        onnx(path=tmp_path / "none.onnx")
    text = tmp_path / "text.onnx"
    text.write_text("hello")
    with pytest.raises(RequestError, match=r"got text.onnx, which ONNX Runtime rejects: .*export it again"):
        onnx(path=text)


def test_custom_operator(tmp_path: Path) -> None:
    """A graph that needs a custom operator is rejected."""
    path = single("Mine", ["n", 3, 2, 2], tmp_path / "mine.onnx", domain="my.own")
    with pytest.raises(RequestError, match=r"of standard operators, got mine.onnx"):
        onnx(path=path)


def test_fingerprint(export: Export) -> None:
    """The fingerprint changes with the file, external weights and the settings, but not with the file name."""
    path = export()
    first = onnx(path=path).fingerprint
    assert first == onnx(path=export(name="other.onnx")).fingerprint
    assert first != onnx(path=path, std=0.5).fingerprint
    path.with_name("net.onnx.data").write_bytes(b"weights")
    assert first != onnx(path=path).fingerprint


def test_missing_extra(export: Export, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without ONNX Runtime the message names the package to install."""
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(RequestError, match=r"pip install 'seewhy\[onnx\]'"):
        onnx(path=export())


def test_error_inside(export: Export) -> None:
    """Images of another size than the graph's fail with a note on the input."""
    from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument  # noqa: PLC0415 - an optional package

    with pytest.raises(InvalidArgument) as caught:
        onnx(path=export())(torch.zeros(1, 3, 4, 4))
    assert "array of shape (1, 3, 4, 4), float32" in caught.value.__notes__[0]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("setting", ["outputs", "channels", "layout", "scale"])
def test_wrong_word(export: Export, setting: str) -> None:
    """An invalid choice for a setting lists the valid ones."""
    with pytest.raises(RequestError, match=f"expected {setting}=.* or .*, got 'x'"):
        onnx(path=export(), **{setting: "x"})  # type: ignore[arg-type]
