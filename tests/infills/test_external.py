"""Functions and ONNX graphs as in-fills: their inputs, the handling of their outputs, and invalid requests."""

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from jaxtyping import Float
from onnx import TensorProto, helper
from PIL import Image
from torch import Tensor

import seewhy
from games import Game, picture, pixel_logits
from inpainters import mean_of_kept, write_graph
from seewhy import registry
from seewhy.core.errors import RequestError
from seewhy.core.infill import Infill
from seewhy.infills.external import inpainter, python_inpainter
from seewhy.infills.onnx_inpainter import onnx_inpainter
from seewhy.results.record import InfillInfo

SEEDS = torch.tensor([5, 6])


def keeps(height: int = 20, width: int = 17) -> Float[Tensor, "2 h w"]:
    """Return masks with two holes: a square one, and one that is half kept."""
    keep = torch.ones(2, height, width)
    keep[0, 4:9, 3:11] = 0
    keep[1, 10:, 5:8] = 0.5
    return keep


def levels(pixels: Tensor) -> set[float]:
    """Return the set of 8-bit levels in an image."""
    return set((pixels * 255).round().flatten().tolist())


def recording(log: list[tuple[np.ndarray, ...]]) -> Callable[..., np.ndarray]:
    """Return a function that logs copies of its inputs, then overwrites them and returns gray images."""

    def paint(*given: np.ndarray) -> np.ndarray:
        log.append(tuple(array.copy() for array in given))
        for array in given:
            array[:] = 0
        return np.full_like(given[0], 127)

    return paint


def test_function_inputs_and_outputs() -> None:
    """The function gets 8-bit images with black holes; kept pixels are unchanged and partly kept ones are blended."""
    log: list[tuple[np.ndarray, ...]] = []
    image, keep = picture(), keeps()
    infill = inpainter(recording(log))
    assert isinstance(infill, Infill)
    filled = infill(image, keep, SEEDS)
    ((pictures, kept),) = log
    assert (kept == (keep == 1).numpy()).all()
    expected = (image * (keep == 1)[:, None] * 255).round().permute(0, 2, 3, 1)
    assert (pictures == expected.numpy().astype(np.uint8)).all()
    target = torch.where(keep[:, None] == 1, image, keep[:, None] * image + (1 - keep[:, None]) * 127 / 255)
    torch.testing.assert_close(filled, target, atol=0.51 / 255, rtol=0)
    assert torch.equal(filled[0][:, keep[0] == 1], image[:, keep[0] == 1])


def test_only_a_random_function_gets_seeds() -> None:
    """Seeds are passed for the rows with a hole; the function is not called for the others."""
    log: list[tuple[np.ndarray, ...]] = []
    keep = torch.cat([torch.ones(1, 20, 17), keeps()])
    infill = inpainter(recording(log), stochastic=True)
    filled = infill(picture(), keep, torch.tensor([4, 5, 6]))
    assert infill.stochastic
    assert log[0][0].shape == (2, 20, 17, 3)
    assert log[0][2].tolist() == [5, 6]
    assert torch.equal(filled[0], picture())
    infill(picture(), keep[:1], torch.tensor([4]))
    assert len(log) == 1


def test_a_fixed_size() -> None:
    """Images are resized and resized back; a pixel that touches the hole is hidden, so that nothing leaks."""
    log: list[tuple[np.ndarray, ...]] = []
    image, keep = picture(16, 16), torch.ones(1, 16, 16)
    keep[0, 4:8, 4:8] = 0
    painted = torch.where(keep == 0, 1 - image, image)
    infill = inpainter(recording(log), size=(32, 48))
    for shown in (image, painted):
        filled = infill(shown, keep, SEEDS[:1])
        assert levels(filled[0, :, 4:8, 4:8]) == {127}
    (pictures, kept), (others, _) = log
    assert pictures.shape == (1, 32, 48, 3)
    assert not kept[0, 8:16, 12:24].any()
    assert kept[0, :7, :10].all()
    assert not pictures[~kept].any()
    assert (pictures == others).all()


def test_a_multiple() -> None:
    """Images are padded at the right and bottom, and the padding is cropped from the result."""
    log: list[tuple[np.ndarray, ...]] = []
    filled = inpainter(recording(log), multiple=8)(picture(), keeps(), SEEDS)
    pictures, kept = log[0]
    assert pictures.shape == (2, 24, 24, 3)
    assert (pictures[:, :, 17:] == pictures[:, :, 16:17]).all()
    assert (kept[:, 20:] == kept[:, 19:20]).all()
    assert filled.shape == (2, 3, 20, 17)


@pytest.mark.parametrize(
    ("answer", "got"),
    [
        (None, "got NoneType"),
        (torch.zeros(2, 20, 17, 3, dtype=torch.uint8), "got Tensor"),
        (np.zeros((2, 20, 17, 3)), r"got \(2, 20, 17, 3\) float64"),
        (np.zeros((1, 20, 17, 3), np.uint8), r"got \(1, 20, 17, 3\) uint8"),
        (np.zeros((2, 3, 20, 17), np.uint8), r"got \(2, 3, 20, 17\) uint8"),
    ],
)
def test_wrong_answers(answer: object, got: str) -> None:
    """Any result other than 8-bit images of the same shape is refused, and the message states the result."""
    with pytest.raises(
        RequestError, match=rf"array \(2, 20, 17, 3\) uint8 from the in-painter, {got}; return a complete"
    ):
        inpainter(lambda _, __: answer)(picture(), keeps(), SEEDS)


def test_an_error_in_the_function_is_raised() -> None:
    """The exception carries a note with the shape of the input."""
    with pytest.raises(ZeroDivisionError) as caught:
        inpainter(lambda _, __: 1 / 0)(picture(), keeps(), SEEDS)
    assert caught.value.__notes__ == ["while the in-painter was called with images of shape (2, 20, 17, 3)"]


@pytest.mark.usefixtures("unchecked")
def test_wrong_requests() -> None:
    """A non-callable object, a size below 1 and a gray image are refused."""
    with pytest.raises(RequestError, match="expected a function of images and keep, got int"):
        inpainter(3)  # type: ignore[arg-type]
    for sizes in ({"size": 0}, {"size": (8, 0)}, {"multiple": 0}):
        with pytest.raises(RequestError, match="at least 1 pixel"):
            inpainter(mean_of_kept, **sizes)
    with pytest.raises(RequestError, match="expected a colour image, got 1 channels"):
        inpainter(mean_of_kept)(torch.zeros(1, 8, 8), torch.zeros(1, 8, 8), SEEDS[:1])


def test_a_function_named_in_a_spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The function is found in the working directory, gets its settings, and runs only if trusted."""
    (tmp_path / "seewhy_painter.py").write_text(
        "def fill(pictures, keep, seeds):\n    return 0 * pictures + 9\nnot_one = 3"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.delitem(sys.modules, "seewhy_painter", raising=False)
    spec, game = "python-inpainter:object=seewhy_painter:fill,stochastic=true,size=8", Game(pixel_logits)
    with pytest.raises(RequestError, match=r"fill.* runs code from a file; add --trust"):
        registry.infill(spec, game, trust=False)
    assert "seewhy_painter" not in sys.modules
    written, infill = registry.infill(spec, game, trust=True)
    assert str(written) == f"{spec},multiple=1"
    assert (infill(picture(), keeps(), SEEDS)[0, :, 5, 5] * 255).round().tolist() == [9, 9, 9]
    with pytest.raises(RequestError, match="got seewhy_painter:not_one, a int; name a function"):
        python_inpainter(object="seewhy_painter:not_one")


def test_the_recorded_command_includes_trust(tmp_path: Path) -> None:
    """The command contains ``--trust`` if the Spec of the in-fill runs user code."""
    name = str(tmp_path / "means.onnx")
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 16, 16])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    graph = helper.make_graph([helper.make_node("GlobalAveragePool", ["x"], ["y"])], "means", inputs, outputs)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), name)
    photo = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)).save(photo)
    settings = {"method": "occlusion:size=8", "budget": 5}
    for infill, trusted in (("python-inpainter:object=inpainters:mean_of_kept", True), ("blur", False)):
        done = seewhy.explain(f"onnx:path={name},outputs=logits", str(photo), infill=infill, **settings)  # type: ignore[arg-type]
        assert ("--trust" in str(done.to_json()["command"]).split()) is trusted


def test_an_inpainter_works_in_explain() -> None:
    """`seewhy.explain` accepts an in-fill built by the exported `seewhy.inpainter`."""
    classifier = seewhy.classifier(lambda pictures: [[p.mean() / 255, 1 - p.mean() / 255] for p in pictures])
    shown = (picture(24, 24).movedim(0, 2) * 255).round().numpy().astype(np.uint8)
    done = seewhy.explain(classifier, shown, method="occlusion:size=8", infill=seewhy.inpainter(mean_of_kept))
    assert done.record.infill == InfillInfo("Inpainter", spec=None, checksum=None, stochastic=False)


def test_two_inputs(tmp_path: Path) -> None:
    """The graph returns its image, 0 in the hole, plus half its mask: the hole becomes mid-grey."""
    path = write_graph(tmp_path / "net.onnx", gains=(1.0, 0.5))
    infill = onnx_inpainter(path=path, hole=1.0, kept=0.0, scale="unit")
    filled = infill(picture(32, 32), keeps(32, 32), SEEDS)
    assert levels(filled[0, :, 4:9, 3:11]) == {128}
    assert infill.checksum == hashlib.sha256(path.read_bytes()).hexdigest()
    assert not infill.stochastic
    path.with_name("net.onnx.data").write_bytes(b"weights")
    assert onnx_inpainter(path=path, hole=1.0, kept=0.0, scale="unit").checksum != infill.checksum


@pytest.mark.parametrize(
    ("scale", "marks", "gains", "level"),
    [
        ("unit", (1.0, 0.0), (1.0, 0.2), 51),
        ("unit", (1.0, 0.0), (255.0, 51.0), 51),  # from [0, 1] to 0..255
        ("signed", (-0.5, 0.5), (1.0, 0.0), 128),  # 0 in the hole is mid-grey there
        ("255", (0.0, 255.0), (1.0, 0.0), 0),
        ("255", (2.0, 3.0), (1 / 255, 0.1), 51),
    ],
)
def test_scales(tmp_path: Path, scale: str, marks: tuple[float, float], gains: tuple[float, float], level: int) -> None:
    """Images are encoded in the requested range, and the output range is detected: kept pixels are unchanged."""
    path = write_graph(tmp_path / "net.onnx", gains=gains)
    infill = onnx_inpainter(path=path, hole=marks[0], kept=marks[1], scale=scale)  # type: ignore[arg-type]
    shown = (picture(32, 32).movedim(0, 2)[None] * 255).round().numpy().astype(np.uint8)
    keep = (keeps(32, 32)[:1] == 1).numpy()
    answer = np.asarray(infill.paint(shown * keep[..., None], keep))
    assert np.abs(answer[~keep].astype(int) - level).max() <= 1
    offset = round(255 * gains[1] * marks[1]) if gains[1] < 1 else 0
    assert np.abs(answer[keep].astype(int) - np.minimum(shown[keep].astype(int) + offset, 255)).max() <= 1


def test_one_input(tmp_path: Path) -> None:
    """Four channels need an order; image-first gives the same result as two inputs."""
    two, one = (
        write_graph(tmp_path / f"{len(channels)}.onnx", channels=channels, gains=(1.0, 0.5))
        for channels in ((3, 1), (4,))
    )
    settings = {"hole": 1.0, "kept": 0.0, "scale": "unit"}
    expected = onnx_inpainter(path=two, **settings)(picture(32, 32), keeps(32, 32), SEEDS)  # type: ignore[arg-type]
    found = onnx_inpainter(path=one, order="image-first", **settings)  # type: ignore[arg-type]
    assert torch.equal(found(picture(32, 32), keeps(32, 32), SEEDS), expected)
    first = onnx_inpainter(path=one, order="hole-first", output_scale="unit", **settings)  # type: ignore[arg-type]
    assert not torch.equal(first(picture(32, 32), keeps(32, 32), SEEDS), expected)
    with pytest.raises(RequestError, match=r"order=image-first or order=hole-first .* got auto; set it"):
        onnx_inpainter(path=one, **settings)  # type: ignore[arg-type]
    with pytest.raises(RequestError, match=r"no order= for a graph with two inputs"):
        onnx_inpainter(path=two, order="hole-first", **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(("batch", "size"), [(1, (40, 24)), (3, (40, 24)), ("n", (40, 24)), (3, ("h", "w"))])
def test_shapes(tmp_path: Path, batch: int | str, size: tuple[int | str, int | str]) -> None:
    """Fixed batches are padded and images are resized to fixed sizes; the level in the hole is that of the graph."""
    path = write_graph(tmp_path / "net.onnx", size, batch=batch, gains=(1.0, 0.4))
    infill = onnx_inpainter(path=path, hole=1.0, kept=0.0, scale="unit", multiple=8)
    assert (infill.size, infill.multiple) == ((None, 8) if "h" in size else ((40, 24), 1))
    keep = keeps()[[0, 0, 1, 0]]
    filled = infill(picture(), keep, torch.arange(4))
    assert levels(filled[[0, 1, 3]][:, :, 6, 6]) == {102}


def test_uint8(tmp_path: Path) -> None:
    """A uint8 graph, such as MI-GAN's pipeline, needs no scale, and its mask values must be 8-bit integers."""
    path = write_graph(tmp_path / "net.onnx", dtype=TensorProto.UINT8, gains=(1.0, 0.0))
    filled = onnx_inpainter(path=path, hole=0.0, kept=255.0)(picture(32, 32), keeps(32, 32), SEEDS)
    assert not filled[0, :, 4:9, 3:11].any()
    with pytest.raises(RequestError, match="scale=255, got unit"):
        onnx_inpainter(path=path, hole=0.0, kept=255.0, scale="unit")
    with pytest.raises(RequestError, match=r"whole numbers from 0 to 255 .* got hole=-0.5, kept=0.5"):
        onnx_inpainter(path=path, hole=-0.5, kept=0.5)


@pytest.mark.parametrize(
    ("channels", "size", "message"),
    [
        (
            (3, 3),
            ("h", "w"),
            r"exactly one input that can be the image, got x0 with 3 channels, x1 with 3 channels; set image=",
        ),
        (("a", "b"), ("h", "w"), r"got x0 with any channels, x1 with any channels; set image=NAME"),
        ((3, 1, 1), ("h", "w"), "one input of 4 channels, or an image of 3 .*, got x0 with 3 channels, x1"),
        ((3, 1), (32, "w"), r"both fixed or both dynamic, got \(32, None\)"),
    ],
)
def test_wrong_graphs(
    tmp_path: Path, channels: tuple[int | str, ...], size: tuple[int | str, int | str], message: str
) -> None:
    """A graph with ambiguous inputs asks for a setting, and an unsupported graph is refused."""
    path = write_graph(tmp_path / "net.onnx", size, channels=channels)
    with pytest.raises(RequestError, match=message):
        onnx_inpainter(path=path, hole=1.0, kept=0.0, scale="unit")


def test_a_named_picture(tmp_path: Path) -> None:
    """If the channels do not identify the image input, the user names it."""
    path = write_graph(tmp_path / "net.onnx", channels=("a", "b"), gains=(1.0, 0.5))
    infill = onnx_inpainter(path=path, hole=1.0, kept=0.0, scale="unit", image="x0")
    assert (infill(picture(32, 32), keeps(32, 32), SEEDS)[0, :, 5, 5] * 255).round().tolist() == [128] * 3
    odd = write_graph(tmp_path / "odd.onnx", channels=("a", 2))
    with pytest.raises(
        RequestError, match=r"an image of 3 channels and a mask of 1, got x0 with any channels, x1 with 2"
    ):
        onnx_inpainter(path=odd, hole=1.0, kept=0.0, scale="unit", image="x0")
    with pytest.raises(RequestError, match=r"the name of an input, got 'x7'"):
        onnx_inpainter(path=path, hole=1.0, kept=0.0, scale="unit", image="x7")


@pytest.mark.usefixtures("unchecked")
def test_wrong_settings(tmp_path: Path) -> None:
    """A missing setting, a misspelt one, equal mask values and a missing file are refused."""
    path = write_graph(tmp_path / "net.onnx")
    with pytest.raises(RequestError, match=r"scale=unit or signed or 255, got auto; set"):
        onnx_inpainter(path=path, hole=1.0, kept=0.0)
    with pytest.raises(RequestError, match=r"scale=unit or signed or 255, got unite"):
        onnx_inpainter(path=path, hole=1.0, kept=0.0, scale="unite")  # type: ignore[arg-type]
    with pytest.raises(RequestError, match=r"two different numbers .* got hole=1, kept=1"):
        onnx_inpainter(path=path, hole=1.0, kept=1.0, scale="unit")
    with pytest.raises(RequestError, match=r"output= one of y, got z"):
        onnx_inpainter(path=path, hole=1.0, kept=0.0, scale="unit", output="z")
    with pytest.raises(RequestError, match=r"expected an ONNX file, got none\.onnx"):
        onnx_inpainter(path="none.onnx", hole=1.0, kept=0.0)
    with pytest.raises(RequestError, match=r"onnx-inpainter requires the setting 'hole'"):
        registry.infill(f"onnx-inpainter:path={path}", Game(pixel_logits))


@pytest.mark.parametrize("gains", [(0.0, 0.0), (2.0, -0.3), (4.0, 0.0)])
def test_an_undetectable_output_range(tmp_path: Path, gains: tuple[float, float]) -> None:
    """Output on a black-to-white ramp that fits no known range is refused."""
    path = write_graph(tmp_path / "net.onnx", gains=gains)
    with pytest.raises(RequestError, match=r"on a ramp from black to white, got .*output_scale="):
        onnx_inpainter(path=path, hole=1.0, kept=0.0, scale="unit")


def test_infinite_output(tmp_path: Path) -> None:
    """Output with infinities is refused."""
    path = write_graph(tmp_path / "net.onnx", gains=(1.0, float("inf")))
    infill = onnx_inpainter(path=path, hole=1.0, kept=0.5, scale="unit", output_scale="unit")
    with pytest.raises(RequestError, match=r"of finite numbers from output 'y'"):
        infill(picture(32, 32), keeps(32, 32), SEEDS)
