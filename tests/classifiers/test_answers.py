"""Each kind of answer is read rightly or refused with the setting that is missing; nothing is soft-maxed in silence."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx as graphs
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from seewhy.classifiers.answers import as_probabilities
from seewhy.classifiers.endings import ending_of_tensor
from seewhy.classifiers.function import from_function
from seewhy.classifiers.module import from_module
from seewhy.classifiers.onnx import onnx
from seewhy.classifiers.validation import validate_classifier
from seewhy.core.classifier import Classifier
from seewhy.core.errors import RequestError
from seewhy.core.probe import as_distributions
from seewhy.runtime.onnx_nodes import onnx_nodes

Tail = Callable[[Tensor], object]


class Colours(nn.Module):
    """Scores from the mean colour of an image, whatever a tail makes of them."""

    def __init__(self, classes: int, tail: Tail = lambda z: z, std: float = 6.0) -> None:
        """Draw the weights."""
        super().__init__()
        torch.manual_seed(classes + 1)
        self.head = nn.Linear(3, classes)
        self.tail = tail
        if std:
            nn.init.normal_(self.head.weight, std=std)

    def forward(self, x: Tensor) -> object:
        """Return what the tail returns."""
        return self.tail(self.head(x.mean((2, 3))))


@pytest.fixture
def image() -> Tensor:
    """A 12 × 16 image without a strong colour, on 8-bit levels."""
    picture = torch.rand(3, 12, 16, generator=torch.Generator().manual_seed(2))
    return (picture * torch.tensor([0.6, 0.5, 0.55])[:, None, None] * 255).round() / 255


def answer(classifier: Classifier, image: Tensor) -> Tensor:
    """Return the probabilities of a classifier that passes its self-test without a word."""
    assert validate_classifier(classifier, image).warnings == ()
    return classifier(image[None])[0]


def soft(z: Tensor) -> Tensor:
    """Return a softmax."""
    return z.softmax(1)


TAILS: dict[str, Tail] = {
    "softmax": soft,
    "softmax at (n, k, 1, 1)": lambda z: soft(z[..., None, None]),
    "softmax by hand": lambda z: z.exp() / z.exp().sum(1, keepdim=True),
    "softmax in half precision": lambda z: soft(z).half().float(),
    "rounded softmax": lambda z: (soft(z.detach()) * 100).round() / 100,
    "softmax without a graph": lambda z: soft(z).detach(),
    "mean of two softmaxes": lambda z: (soft(z) + soft(1 * z)) / 2,
    "dict": lambda z: {"logits": soft(z)},
    "tuple": lambda z: (soft(z),),
}


@pytest.mark.parametrize("classes", [2, 3, 5, 10, 100])
@pytest.mark.parametrize("name", TAILS)
def test_probabilities_of_a_module(classes: int, name: str, image: Tensor) -> None:
    """Probabilities are not soft-maxed again, by default or where the user says logits; said, they are right."""
    net = Colours(classes, TAILS[name]).eval()
    for outputs in (None, "logits"):
        with pytest.raises(RequestError, match=r"sum to 1, as after a softmax; pass outputs='probabilities'"):
            validate_classifier(from_module(net, outputs=outputs), image)
    expected = soft(net.head(image.mean((1, 2))[None]))[0]
    torch.testing.assert_close(answer(from_module(net, outputs="probabilities"), image), expected, atol=2e-2, rtol=0)


@pytest.mark.parametrize("tail", [torch.sigmoid, functional.hardsigmoid, lambda z: z.sigmoid()[..., None, None]])
@pytest.mark.parametrize("classes", [2, 3, 6, 20])
def test_sigmoids_of_a_module(classes: int, tail: Tail, image: Tensor) -> None:
    """Independent labels are not soft-maxed; with outputs= and label= one of them is explained."""
    net = Colours(classes, tail, std=1.0).eval()
    names = [f"c{index}" for index in range(classes)]
    for outputs in (None, "logits"):
        with pytest.raises(RequestError, match=r"out of a sigmoid; pass outputs='sigmoid'"):
            validate_classifier(from_module(net, outputs=outputs), image)
    with pytest.raises(RequestError, match=r"the label to explain.*pass label='c0', or another of 'c0', 'c1'"):
        answer(from_module(net, labels=names, outputs="sigmoid"), image)
    chosen = from_module(net, labels=names, outputs="sigmoid", label="c1")
    assert chosen.labels == ("not c1", "c1")
    given = torch.as_tensor(net(image[None])).flatten(1)[0, 1]
    torch.testing.assert_close(answer(chosen, image), torch.stack([1 - given, given]), atol=1e-6, rtol=0)
    torch.testing.assert_close(chosen.scores(image[None]).softmax(1), chosen(image[None]), atol=1e-6, rtol=1e-5)


def test_independent_logits(image: Tensor) -> None:
    """Logits of independent labels are explained one label at a time, too."""
    net = Colours(6).eval()
    chosen = from_module(net, outputs="logits", label=4)
    assert chosen.labels == ("not label 4", "label 4")
    expected = net.head(image.mean((1, 2))[None])[0, 4].sigmoid()
    torch.testing.assert_close(answer(chosen, image)[1], expected)
    torch.testing.assert_close(chosen.scores(image[None]).softmax(1), chosen(image[None]))


def test_log_probabilities(image: Tensor) -> None:
    """Log-probabilities are right as they are called, and as logits, whose softmax they keep."""
    net = Colours(4, lambda z: z.log_softmax(1)).eval()
    expected = soft(net.head(image.mean((1, 2))[None]))[0]
    for outputs in (None, "logits", "log-probabilities"):
        classifier = from_module(net, outputs=outputs)
        torch.testing.assert_close(answer(classifier, image), expected)
        torch.testing.assert_close(classifier.scores(image[None]).softmax(1)[0], expected)
    with pytest.raises(RequestError, match=r"as after a log-softmax; pass outputs='log-probabilities'"):
        validate_classifier(from_module(net, outputs="probabilities"), image)


ONE: list[tuple[Tail, str, str]] = [
    (lambda z: z, "logits", "log odds of a yes/no class"),
    (lambda z: z[:, 0], "logits", "outputs='value' for a regression"),
    (lambda z: z[..., None, None], "logits", "outputs='sigmoid' if it is the probability of yes"),
    (torch.sigmoid, "sigmoid", "out of a sigmoid; pass outputs='sigmoid'"),
    (lambda z: z.sigmoid()[:, 0], "sigmoid", "out of a sigmoid; pass outputs='sigmoid'"),
    (lambda z: z.sigmoid().detach(), "sigmoid", "outputs='sigmoid' if it is the probability of yes"),
    (lambda z: z.sigmoid(), "probabilities", "out of a sigmoid"),
    (functional.logsigmoid, "log-probabilities", "log odds of a yes/no class"),
    (lambda z: torch.cat([0 * z, z], 1).softmax(1)[:, 1], "sigmoid", "pass outputs='sigmoid'"),
]


@pytest.mark.parametrize(("tail", "outputs", "message"), ONE)
def test_one_number(tail: Tail, outputs: str, message: str, image: Tensor) -> None:
    """One number per image is not guessed; as the user says, it is the class yes as opposed to no."""
    net = Colours(1, tail).eval()
    with pytest.raises(RequestError, match=message):
        answer(from_module(net), image)
    expected = net.head(image.mean((1, 2))[None]).sigmoid()[0, 0]
    for labels, names in ((["cat"], ("not cat", "cat")), (["no", "yes"], ("no", "yes")), (None, None)):
        chosen = from_module(net, outputs=outputs, labels=labels)  # type: ignore[arg-type]
        assert chosen.labels == names
        torch.testing.assert_close(answer(chosen, image)[1], expected, atol=1e-5, rtol=0)
        torch.testing.assert_close(chosen.scores(image[None]).softmax(1)[0, 1], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("tail", "outputs", "message"),
    [
        (torch.sigmoid, "logits", "pass outputs='sigmoid'"),
        (lambda z: 30 * z, "sigmoid", "values outside"),
        (lambda z: 30 * z, "probabilities", "values outside"),
        (lambda z: 9 + z, "log-probabilities", "values outside"),
        (functional.logsigmoid, "logits", "remove it and pass outputs='logits'"),
        (soft, "logits", "a softmax over one output is always 1"),
        (soft, None, "a softmax over one output is always 1"),
    ],
)
def test_one_number_that_is_said_wrongly(tail: Tail, outputs: str, message: str, image: Tensor) -> None:
    """What the user says about one number is checked."""
    with pytest.raises(RequestError, match=message):
        answer(from_module(Colours(1, tail).eval(), outputs=outputs), image)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tail", "message"),
    [
        (lambda z: soft(z) * 100, "divide them by 100"),
        (lambda z: (soft(z) * 255).round(), "divide them by 255"),
        (functional.normalize, "like embeddings"),
        (functional.logsigmoid, "remove it and pass outputs='logits'"),
        (lambda z: z.softmax(0), "softmax over dim=0: use dim=1"),
        (lambda z: z.sigmoid() * 0.9, "outputs='sigmoid' if they are independent.*or outputs='logits'"),
        (lambda z: {"a": z, "b": z}, "logits by that name, got dict of a, b"),
        (lambda z: (z, z), "got tuple of 2"),
        (lambda _: None, "got NoneType"),
    ],
)
def test_other_answers_of_a_module(tail: Tail, message: str, image: Tensor) -> None:
    """What is no answer that can be read is named."""
    with pytest.raises(RequestError, match=message):
        answer(from_module(Colours(5, tail).eval()), image)


@pytest.mark.parametrize("classes", [2, 3, 5, 10, 1000])
@pytest.mark.parametrize("frozen", [False, True])
def test_untrained(classes: int, frozen: bool, image: Tensor) -> None:
    """Networks with the usual random weights, whose logits are small, get no word; nor do those whose logits are in [0, 1]."""
    for seed in range(20):
        torch.manual_seed(seed)
        convolution, linear = nn.Conv2d(3, 8, 3), nn.Linear(8 * 10 * 14, classes)
        net = nn.Sequential(convolution, nn.ReLU(), nn.Flatten(), linear).eval().requires_grad_(not frozen)
        answer(from_module(net), image)
        with torch.no_grad():
            linear.bias.copy_(linear.bias.abs() + 0.2)
            linear.weight /= 3
        answer(from_module(net), image)


def wide(pictures: np.ndarray, classes: int) -> np.ndarray:
    """Return logits that depend on each image independently."""
    means = pictures.reshape(len(pictures), -1, 3).mean(1) / 255
    return np.asarray(means @ np.random.default_rng(0).normal(size=(3, classes)) * 9)


def probable(pictures: np.ndarray, classes: int) -> np.ndarray:
    """Return the probabilities of these logits."""
    odds = np.exp(wide(pictures, classes))
    return np.asarray(odds / odds.sum(1, keepdims=True))


FUNCTIONS: list[tuple[Callable[[np.ndarray, int], object], str | None, str | None]] = [
    (probable, None, None),
    (lambda x, k: probable(x, k).round(2), None, None),
    (lambda x, k: probable(x, k).astype(np.float16), None, None),
    (wide, "logits", None),
    (lambda x, k: np.log(probable(x, k)), "log-probabilities", None),
    (wide, None, "outputs='logits'"),
    (lambda x, k: wide(x, k) / 100 + 0.3, None, "outputs='logits' if they are logits that happen to be small"),
    (lambda x, k: 1 / (1 + np.exp(-wide(x, k))), None, "outputs='sigmoid' if they are independent"),
    (lambda x, k: probable(x, k) * 100, None, "divide them by 100"),
    (lambda x, k: (probable(x, k) * 100).round(), None, "divide them by 100"),
    (lambda x, k: np.log(probable(x, k)), None, "outputs='log-probabilities'"),
    (probable, "logits", "outputs='probabilities'"),
    (lambda x, k: probable(x, k).round(2), "logits", "outputs='probabilities'"),
    (probable, "sigmoid", "outputs='probabilities'"),
    (probable, "log-probabilities", "outputs='probabilities'"),
    (wide, "log-probabilities", "outputs='logits'"),
    (lambda x, k: wide(x, k) * 9, "sigmoid", "outputs='logits'"),
    (lambda x, _: wide(x, 1)[:, 0], None, "one number per image"),
    (lambda x, _: np.zeros(len(x), int), None, "outputs='labels'"),
]


@pytest.mark.parametrize("classes", [2, 3, 10, 30])
@pytest.mark.parametrize(("function", "outputs", "message"), FUNCTIONS)
def test_functions(
    function: Callable[[np.ndarray, int], object], outputs: str, message: str | None, classes: int, image: Tensor
) -> None:
    """Answers of a function are told apart by their values, or the setting is asked for."""
    classifier = from_function(lambda x: function(x, classes), outputs=outputs)  # type: ignore[arg-type]
    if message is None:
        expected = probable((image.permute(1, 2, 0).numpy() * 255).round()[None], classes)[0]
        torch.testing.assert_close(answer(classifier, image).double(), torch.tensor(expected), atol=6e-3, rtol=0)
        return
    with pytest.raises(RequestError, match=message):
        answer(classifier, image)


@pytest.mark.parametrize("value", [0.99, 1.01])
def test_rounded_sums(value: float) -> None:
    """Rounded probabilities may sum to 0.99 or 1.01, or to more for many classes; others may not."""
    rows = torch.tensor([[0.33, 0.33, 0.33 + value - 0.99]])
    torch.testing.assert_close(as_distributions(rows, 1), (rows / value).double())
    many = torch.full((1, 16), 0.06)
    many[0, 0] = 0.14
    assert float(as_distributions(many, 1).sum()) == pytest.approx(1)
    for wrong in (rows * 1.2, many + 0.02):
        with pytest.raises(RequestError, match="sum to 1"):
            as_distributions(wrong, 1)


def graph(path: Path, nodes: list[tuple[str, list[str], str]], classes: int) -> Path:
    """Write a graph that takes the mean colour, applies a linear layer, and then the given nodes; the last is the output."""
    weights = Colours(classes).head
    arrays = [("w", weights.weight), ("b", weights.bias), ("half", torch.tensor(0.5)), ("two", torch.tensor([2]))]
    parts = [numpy_helper.from_array(value.detach().numpy(), name) for name, value in arrays]
    made = [
        helper.make_node("GlobalAveragePool", ["x"], ["pool"]),
        helper.make_node("Flatten", ["pool"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w", "b"], ["z"], transB=1),
        *(helper.make_node(op, inputs, [output]) for op, inputs, output in nodes),
    ]
    last = made[-1].output[0]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 12, 16])]
    outputs = [helper.make_tensor_value_info(last, TensorProto.FLOAT, None)]
    whole = helper.make_graph(made, "colours", inputs, outputs, parts)
    graphs.save(helper.make_model(whole, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


GRAPHS: list[tuple[list[tuple[str, list[str], str]], str]] = [
    ([], "logits"),
    ([("Softmax", ["z"], "y")], "probabilities"),
    ([("Softmax", ["z"], "p"), ("Identity", ["p"], "y")], "probabilities"),
    ([("LogSoftmax", ["z"], "y")], "log-probabilities"),
    ([("Softmax", ["z"], "p"), ("Log", ["p"], "y")], "log-probabilities"),
    (
        [("Exp", ["z"], "e"), ("ReduceSum", ["e"], "s"), ("Div", ["e", "e"], "one"), ("Mul", ["z", "one"], "y")],
        "logits",
    ),
    ([("Sigmoid", ["z"], "y")], "sigmoid"),
]


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize(("nodes", "kind"), GRAPHS)
def test_graphs(
    nodes: list[tuple[str, list[str], str]], kind: str, classes: int, tmp_path: Path, image: Tensor
) -> None:
    """The kind is read from the last operations of a graph."""
    path = graph(tmp_path / "net.onnx", nodes, classes)
    label = 1 if kind == "sigmoid" else None
    classifier = onnx(path=path, label=label)
    assert classifier.outputs == kind
    z = Colours(classes).head(image.mean((1, 2))[None])[0].detach()
    expected = z[1].sigmoid() if label else z.softmax(0)[1]
    torch.testing.assert_close(answer(classifier, image)[1], expected, atol=1e-5, rtol=0)
    if kind not in {"logits", "log-probabilities"}:
        with pytest.raises(RequestError, match=f"pass outputs='{kind}'"):
            answer(onnx(path=path, outputs="logits"), image)


def test_graphs_of_one_number(tmp_path: Path, image: Tensor) -> None:
    """A sigmoid is recognised; a linear layer may be log odds or a regression."""
    one = onnx(path=graph(tmp_path / "one.onnx", [("Sigmoid", ["z"], "y")], 1), labels=["cat"])
    assert (one.outputs, one.labels) == ("sigmoid", ("not cat", "cat"))
    assert answer(one, image).shape == (2,)
    path = graph(tmp_path / "linear.onnx", [], 1)
    with pytest.raises(RequestError, match=r"one number per image.*outputs='value' for a regression"):
        onnx(path=path)
    torch.testing.assert_close(answer(onnx(path=path, outputs="logits"), image), answer(one, image))


def test_undecided_graph(tmp_path: Path) -> None:
    """Values in [0, 1] of unknown origin are not guessed."""
    path = graph(tmp_path / "net.onnx", [("Sigmoid", ["z"], "p"), ("Mul", ["p", "half"], "y")], 3)
    with pytest.raises(RequestError, match=r"or outputs=, got values in \[0, 1\].*pass outputs='sigmoid'"):
        onnx(path=path)


def test_nodes(tmp_path: Path) -> None:
    """The nodes of a file are those that the package of ONNX reads."""
    path = graph(tmp_path / "net.onnx", GRAPHS[5][0], 300)
    nodes = [(node.op, node.inputs, node.outputs) for node in onnx_nodes(path)]
    model = graphs.load(path)
    assert nodes == [(node.op_type, tuple(node.input), tuple(node.output)) for node in model.graph.node]


def test_endings() -> None:
    """The end of a network is known where autograd records it, through views, selections and pooling."""
    z = nn.Linear(3, 4)(torch.rand(2, 3))
    maps = nn.Conv2d(3, 4, 1)(torch.rand(2, 3, 5, 5))
    cases = [
        (z, ("logits",)),
        (z * 0.1 + 3, ("logits",)),
        (maps.mean((2, 3)), ("logits",)),
        (soft(z), ("probabilities", "logits")),
        (soft(soft(z))[:, 1:].reshape(-1), ("probabilities", "probabilities", "logits")),
        (maps.softmax(1).mean((2, 3)), ("probabilities", "logits")),
        (z.sigmoid().clamp(1e-6, 1).T.T, ("sigmoid", "logits")),
        (soft(z).log(), ("log-probabilities",)),
        (z.clamp(0, 1), ()),
        (1 - z.sigmoid(), ()),
        (torch.rand(2, 3), ()),
    ]
    for tensor, ending in cases:
        assert ending_of_tensor(tensor) == ending


def test_softmax_twice_inside(image: Tensor) -> None:
    """A second softmax inside the network is flagged for any number of classes, even where values cannot show it."""
    for classes in (2, 3, 10):
        for std in (0.0, 6.0):
            net = Colours(classes, lambda z: soft(soft(z)), std=std).eval()
            (warning,) = validate_classifier(from_module(net, outputs="probabilities"), image).warnings
            assert warning.startswith("looks like softmax was applied twice")
    net = Colours(4, lambda z: soft(z.sigmoid())).eval()
    (warning,) = validate_classifier(from_module(net, outputs="probabilities"), image).warnings
    assert warning.startswith("looks like a softmax of sigmoids")
    sure = from_function(lambda x: torch.tensor(probable(x * 30.0, 2)).softmax(1))
    assert "softmax was applied twice" in validate_classifier(sure, image).warnings[-1]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"outputs": "value"}, r"got outputs='value'.*wrap it in a function that returns \(1 - p, p\)"),
        ({"outputs": "embeddings"}, r"got outputs='embeddings'.*one similarity per class"),
        ({"outputs": "sigmoids"}, r"expected outputs=logits or probabilities or .*, got 'sigmoids'"),
        ({"outputs": "sigmoid", "labels": ["a", "b", "c"]}, r"pass label='a', or another of 'a', 'b', 'c'"),
        ({"outputs": "sigmoid", "labels": ["a", "b"], "label": "A"}, r"one of the labels, got 'A'; did you mean a\?"),
        ({"outputs": "sigmoid", "labels": ["a", "b"], "label": 2}, r"label= from 0 to 1, got 2"),
        ({"outputs": "sigmoid", "label": "a"}, r"expected labels= for label='a', got none"),
        ({"outputs": "probabilities", "label": 1}, r"expected label= with independent labels"),
    ],
)
def test_settings_that_are_wrong(settings: dict[str, object], message: str) -> None:
    """Wrong settings are refused before any work, by each back-end."""
    with pytest.raises(RequestError, match=message):
        from_module(Colours(3).eval(), **settings)  # type: ignore[arg-type]
    with pytest.raises(RequestError, match=message):
        from_function(lambda x: x, **settings)  # type: ignore[arg-type]


def test_a_label_beyond_the_last(image: Tensor) -> None:
    """The number of labels is known from the first answer."""
    with pytest.raises(RequestError, match="expected label= from 0 to 2, got 7"):
        answer(from_module(Colours(3, torch.sigmoid).eval(), outputs="sigmoid", label=7), image)
    with pytest.raises(RequestError, match="got 1 labels for 3 classes"):
        answer(from_module(Colours(3).eval(), labels=["cat"]), image)
    with pytest.raises(RequestError, match="label= only for independent labels"):
        from_function(lambda x: x, outputs="labels", classes=3, label=1)


def test_shapes() -> None:
    """One row per image, with any axes of length 1 behind."""
    with pytest.raises(RequestError, match=r"shape \(2, classes\), got \(3, 4\)"):
        as_probabilities(torch.zeros(3, 4), 2, "logits")
    for shape in ((2, 4), (2, 4, 1), (2, 4, 1, 1)):
        assert as_probabilities(torch.zeros(shape), 2, "logits").shape == (2, 4)
    for numbers in ((2,), (2, 1), (2, 1, 1, 1)):
        assert as_probabilities(torch.zeros(numbers), 2, "logits").tolist() == [[0.5, 0.5]] * 2
