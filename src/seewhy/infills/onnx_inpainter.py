"""In-painting networks in ONNX files as in-fills, run by ONNX Runtime (extra ``onnx``)."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, final

import numpy as np
from jaxtyping import Shaped

from seewhy.core.errors import RequestError
from seewhy.infills.external import Inpainter, Kept, Pixels
from seewhy.runtime.code import noting
from seewhy.runtime.graphs import Graph, ImageInput, contents, open_graph

Range = Literal["auto", "unit", "signed", "255"]
Order = Literal["auto", "image-first", "hole-first"]

_RANGES = {"unit": (0.0, 1.0), "signed": (-1.0, 1.0), "255": (0.0, 255.0)}
_TEST_SIDE = 256  # minimum side of the test image for a graph that accepts any size


@final
@dataclass(frozen=True, eq=False)
class _Painter:
    """A graph, its inputs, and the encoding of an image and its hole in them."""

    graph: Graph
    image: ImageInput  # for image and hole together if there is no input for the hole
    hole: ImageInput | None
    marks: tuple[float, float]  # mask values inside the hole and elsewhere
    hole_first: bool  # whether the mask is the first of the four channels of a combined input
    black_white: tuple[float, float]  # values of black and white in the input image
    output: str
    result: tuple[float, float] = (0.0, 255.0)  # values of black and white in the output

    def __call__(self, images: Pixels, keep: Kept) -> Pixels:
        """Fill the holes in batches of the graph's fixed size, or else one by one, so that rows stay independent."""
        size = self.image.axes[0] or 1
        parts = [slice(start, start + size) for start in range(0, len(images), size)]
        raw = np.concatenate([self.run(images[part], keep[part]) for part in parts])
        black, white = self.result
        levels = ((raw - black) * (255 / (white - black))).round().clip(0, 255)
        return levels.astype(np.uint8).transpose(0, 2, 3, 1)

    def run(self, images: Pixels, keep: Kept) -> Shaped[np.ndarray, "n 3 a b"]:
        """Run one batch, padded with repeated rows to a fixed batch size, and return the output in the graph's own scale."""
        rows = np.arange(self.image.axes[0] or len(images)).clip(max=len(images) - 1)
        arrays = self._arrays(images[rows], keep[rows])
        with noting(f"while the ONNX graph was run on {', '.join(str(array.shape) for array in arrays.values())}"):
            (answer,) = self.graph.run([self.output], arrays)
        expected = (len(rows), 3, *keep.shape[1:])
        if np.shape(answer) != expected or not np.isfinite(answer).all():
            raise RequestError(
                f"expected images {expected} of finite numbers from output {self.output!r}, got shape {np.shape(answer)}; "
                "check scale=, hole= and kept=, or choose another output="
            )
        return answer[: len(images)].astype(np.float32)

    def _arrays(self, images: Pixels, keep: Kept) -> dict[str, Shaped[np.ndarray, "n _ a b"]]:
        """Encode the images, 0 in the hole, and the hole masks as the graph's inputs."""
        kept = keep[:, None]
        black, white = self.black_white
        levels = (black + images.transpose(0, 3, 1, 2) * np.float32((white - black) / 255)) * kept
        marks = np.where(kept, self.marks[1], self.marks[0])
        if self.hole is not None:
            return {self.image.name: levels.astype(self.image.dtype), self.hole.name: marks.astype(self.hole.dtype)}
        both = [marks, levels] if self.hole_first else [levels, marks]
        return {self.image.name: np.concatenate(both, axis=1).astype(self.image.dtype)}


def onnx_inpainter(
    *,
    path: str | Path,
    hole: float,
    kept: float,
    scale: Range = "auto",
    output_scale: Range = "auto",
    order: Order = "auto",
    image: str | None = None,
    output: str | None = None,
    multiple: int = 32,
) -> Inpainter:
    """Load an ONNX file as an in-fill. It takes an image and a hole mask, as two inputs or as one with four channels.

    Type, batch size and image size are read from the graph; whatever it does not state must be set. The image is 0 in the
    hole, in the graph's own scale. For a graph of fixed size, such as 512 × 512, images are resized to it and the result
    is resized back. This costs sharpness in the hole, and the network sees objects larger than in its training photos.

    Args:
        path: the ONNX file.
        hole: mask value of a pixel to fill; LaMa: 1, MI-GAN's pipeline: 0.
        kept: mask value of a pixel to keep; LaMa: 0, MI-GAN's pipeline: 255.
        scale: value range of the input image: ``unit`` 0 to 1, ``signed`` -1 to 1, ``255`` 0 to 255. ``auto`` works only
            for a graph that takes uint8; the range of others cannot be detected.
        output_scale: value range of the output; ``auto`` detects it by running the graph once on a ramp from black to white.
        order: order of the channels in a combined input.
        image: name of the input for the image, if the channels do not identify it; None to detect it.
        output: name of the output to read; None if there is only one.
        multiple: number that height and width must be multiples of, for a graph of dynamic size.

    Returns:
        The in-fill. Its checksum is the SHA-256 of the file, or of the SHA-256 sums of all files for external weights.

    Raises:
        RequestError: the extra ``onnx`` is missing, the file cannot be run, or a setting is missing or invalid.

    Example:
        ``onnx_inpainter(path="lama.onnx", hole=1, kept=0, scale="unit")``
    """
    graph = open_graph(Path(path))
    shown, marked = _inputs(graph.inputs, image)
    whole = all(mark in range(256) for mark in (hole, kept))
    if hole == kept or ((marked or shown).dtype == np.uint8 and not whole):
        raise RequestError(
            "expected two different numbers as mask values, whole numbers from 0 to 255 for a graph that takes uint8, "
            f"got hole={hole:g}, kept={kept:g}; set hole= and kept="
        )
    if shown.dtype == np.uint8 and scale == "auto":
        scale = "255"
    painter = _Painter(
        graph=graph,
        image=shown,
        hole=marked,
        marks=(hole, kept),
        hole_first=_hole_first(order, marked),
        black_white=_range("scale", scale, ["255"] if shown.dtype == np.uint8 else _RANGES),
        output=graph.output(output),
    )
    size = _size(shown, marked)
    test_size = size or (-(-_TEST_SIDE // multiple) * multiple,) * 2
    result = (
        _detected_range(painter, test_size) if output_scale == "auto" else _range("output_scale", output_scale, _RANGES)
    )
    sums = contents(graph.file)
    return Inpainter(
        replace(painter, result=result),
        size=size,
        multiple=multiple if size is None else 1,
        checksum=(sums[0] if len(sums) == 1 else hashlib.sha256(b"".join(sums)).digest()).hex(),
    )


def _inputs(inputs: Sequence[ImageInput], image: str | None) -> tuple[ImageInput, ImageInput | None]:
    """Find the input for the image and the input for the hole mask, or one combined input and None."""
    described = ", ".join(f"{entry.name} with {entry.axes[1] or 'any'} channels" for entry in inputs)
    if image is not None and image not in [entry.name for entry in inputs]:
        raise RequestError(f"expected image= the name of an input, got {image!r}; the graph has {described}")
    if len(inputs) == 1 and inputs[0].axes[1] in {4, None}:
        return inputs[0], None
    candidates = [entry for entry in inputs if (entry.name == image if image else entry.axes[1] == 3)]
    if len(inputs) == 2 and len(candidates) != 1:
        raise RequestError(f"expected exactly one input that can be the image, got {described}; set image=NAME")
    others = [entry for entry in inputs if entry not in candidates]
    if len(others) != 1 or candidates[0].axes[1] not in {3, None} or others[0].axes[1] not in {1, None}:
        raise RequestError(
            f"expected one input of 4 channels, or an image of 3 channels and a mask of 1, got {described}; "
            "re-export the graph with such inputs"
        )
    return candidates[0], others[0]


def _size(image: ImageInput, hole: ImageInput | None) -> tuple[int, int] | None:
    """Return the only height and width that a graph accepts, or None for any."""
    height, width = image.axes[2:]
    if (height is None) != (width is None) or (hole is not None and hole.axes[2:] != image.axes[2:]):
        sizes = " and ".join(str(entry.axes[2:]) for entry in (image, hole) if entry is not None)
        raise RequestError(f"expected height and width both fixed or both dynamic, got {sizes}; re-export the graph")
    return None if height is None or width is None else (height, width)


def _hole_first(order: Order, hole: ImageInput | None) -> bool:
    """Return whether the mask comes first in a combined input, or raise if the order is missing or not applicable."""
    if hole is not None and order != "auto":
        raise RequestError(f"expected no order= for a graph with two inputs, got {order}; leave it out")
    if hole is None and order not in {"image-first", "hole-first"}:
        raise RequestError(
            f"expected order=image-first or order=hole-first for a graph with one input of 4 channels, got {order}; "
            "set it: it cannot be detected from the graph (LaMa: image-first, MI-GAN: hole-first)"
        )
    return order == "hole-first"


def _range(setting: str, scale: str, allowed: Collection[str]) -> tuple[float, float]:
    """Return the values of black and white in a named scale."""
    if scale not in allowed:
        raise RequestError(
            f"expected {setting}={' or '.join(allowed)}, got {scale}; set the range from black to white "
            "(unit: 0 to 1, signed: -1 to 1), which cannot be detected from the graph (LaMa: unit)"
        )
    return _RANGES[scale]


def _detected_range(painter: _Painter, size: tuple[int, int]) -> tuple[float, float]:
    """Detect the value range of the output on a ramp from black to white with a hole in the middle."""
    height, width = size
    ramp = np.linspace(0, 255, width).round().astype(np.uint8)
    keep = np.ones((1, height, width), dtype=np.bool_)
    keep[:, height // 3 : height // 2 + 1, width // 3 : width // 2 + 1] = False
    answer = painter.run(np.broadcast_to(ramp[:, None], (1, height, width, 3)) * keep[..., None], keep)
    low, high = float(answer.min()), float(answer.max())
    if high > 8:
        return _RANGES["255"]
    if low < -0.5:
        return _RANGES["signed"]
    if low < -0.1 or not 0.5 < high < 1.5:
        raise RequestError(
            f"expected output from 0 to 1, -1 to 1 or 0 to 255 on a ramp from black to white, got {low:.3g} to {high:.3g}; "
            "check scale=, hole= and kept=, and set output_scale=unit, signed or 255"
        )
    return _RANGES["unit"]
