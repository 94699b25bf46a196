"""An in-painting network in an ONNX file as an in-fill, run by ONNX Runtime (extra ``onnx``)."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, final

import numpy as np
from jaxtyping import Bool, Shaped, UInt8

from seewhy.core.errors import RequestError, did_you_mean
from seewhy.infills.external import Inpainter
from seewhy.runtime.graphs import ELEMENTS, contents, open_graph
from seewhy.runtime.notes import Noting

Scale = Literal["auto", "unit", "signed", "255"]
Order = Literal["auto", "picture-first", "hole-first"]

_RANGES = {"unit": (0.0, 1.0), "signed": (-1.0, 1.0), "255": (0.0, 255.0)}
_TRIAL = 256  # least side of the trial picture for a graph that takes any


@dataclass(frozen=True)
class _Input:
    """An input of a graph, axes (batch, channels, height, width): what it states, None where it leaves an axis open."""

    name: str
    dtype: type[np.generic]
    batch: int | None
    channels: int | None
    size: tuple[int | None, int | None]


@final
@dataclass(frozen=True, eq=False)
class _Graph:
    """A graph with its inputs, and how a picture and its hole are written into them.

    Attributes:
        session: an ``onnxruntime.InferenceSession``.
        picture: the input for the picture; for both where ``hole`` is None.
        hole: the input that says where the hole is.
        marks: what it holds in the hole and elsewhere.
        hole_first: which comes first where both are one input.
        black_white: the values of black and white in the picture.
        output: name of the output that is read.
        result: the values of black and white in it.
    """

    session: Any
    picture: _Input
    hole: _Input | None
    marks: tuple[float, float]
    hole_first: bool
    black_white: tuple[float, float]
    output: str
    result: tuple[float, float] = (0.0, 255.0)

    def __call__(
        self, pictures: UInt8[np.ndarray, "n h w 3"], keep: Bool[np.ndarray, "n h w"]
    ) -> UInt8[np.ndarray, "n h w 3"]:
        """Fill holes, as many rows at a time as the graph states or else one: no row can depend on its batch."""
        size = self.picture.batch or 1
        parts = [slice(start, start + size) for start in range(0, len(pictures), size)]
        raw = np.concatenate([self.run(pictures[part], keep[part]) for part in parts])
        black, white = self.result
        levels = ((raw - black) * (255 / (white - black))).round().clip(0, 255)
        return levels.astype(np.uint8).transpose(0, 2, 3, 1)

    def run(
        self, pictures: UInt8[np.ndarray, "n h w 3"], keep: Bool[np.ndarray, "n h w"]
    ) -> Shaped[np.ndarray, "n 3 h w"]:
        """Run one batch, filled up with repeats where its size is fixed, and return what the graph says in its own scale.

        Raises:
            RequestError: the answer is not a picture for each row, or has values that are no numbers.
        """
        rows = np.arange(self.picture.batch or len(pictures)).clip(max=len(pictures) - 1)
        arrays = self._arrays(pictures[rows], keep[rows])
        with Noting(f"while the ONNX graph was run on {', '.join(str(array.shape) for array in arrays.values())}"):
            (answer,) = self.session.run([self.output], arrays)
        found, wanted = np.asarray(answer), (len(rows), 3, *keep.shape[1:])
        if found.shape != wanted or not np.isfinite(found).all():
            raise RequestError(
                f"expected pictures {wanted} of finite numbers from output {self.output!r}, got shape {found.shape}; "
                "check scale=, hole= and kept=, or choose another output="
            )
        return found[: len(pictures)].astype(np.float32)

    def _arrays(
        self, pictures: UInt8[np.ndarray, "n h w 3"], keep: Bool[np.ndarray, "n h w"]
    ) -> dict[str, Shaped[np.ndarray, "n c h w"]]:
        """Write pictures, 0 in the hole, and holes as the graph takes them."""
        kept = keep[:, None]
        black, white = self.black_white
        levels = (black + pictures.transpose(0, 3, 1, 2) * np.float32((white - black) / 255)) * kept
        marks = np.where(kept, self.marks[1], self.marks[0])
        if self.hole is not None:
            return {
                self.picture.name: levels.astype(self.picture.dtype),
                self.hole.name: marks.astype(self.hole.dtype),
            }
        both = [marks, levels] if self.hole_first else [levels, marks]
        return {self.picture.name: np.concatenate(both, axis=1).astype(self.picture.dtype)}


def onnx_inpainter(
    *,
    path: str | Path,
    hole: float,
    kept: float,
    scale: Scale = "auto",
    output_scale: Scale = "auto",
    order: Order = "auto",
    picture: str | None = None,
    output: str | None = None,
    multiple: int = 32,
) -> Inpainter:
    """Make an ONNX file an in-fill. It takes a picture and where its hole is, as two inputs or as one of four channels.

    Type, batch and size are read from the graph; what it does not say must be said. The picture is 0 in the hole, in the
    graph's own scale. A graph of fixed size, 512 × 512 say, gets pictures stretched to it, and its answer is brought back:
    that costs sharpness in the hole, and the network sees things larger than they are in its training photos.

    Args:
        path: the file.
        hole: what marks a pixel that is to be filled; LaMa: 1, MI-GAN's pipeline: 0.
        kept: what marks a pixel that stays; LaMa: 0, MI-GAN's pipeline: 255.
        scale: values of the picture: ``unit`` 0 to 1, ``signed`` -1 to 1, ``255`` 0 to 255. ``auto`` is for a graph that
            takes uint8; others do not tell.
        output_scale: values of the answer; ``auto`` runs the graph once on a ramp from black to white.
        order: of the channels where both are one input.
        picture: name of the input for the picture, where the channels do not tell.
        output: name of the output to read, where there are several.
        multiple: what height and width must be multiples of, for a graph that leaves them open.

    Returns:
        The in-fill; its checksum is the SHA-256 of the file (of the SHA-256 of all files where weights lie beside it).

    Raises:
        RequestError: the extra ``onnx`` is missing, the file cannot be run, or a setting is missing or makes no sense.

    Example:
        ``onnx_inpainter(path="lama.onnx", hole=1, kept=0, scale="unit")``
    """
    file = Path(path)
    session = open_graph(file)
    shown, marked = _inputs(session, picture)
    graph = _Graph(
        session=session,
        picture=shown,
        hole=marked,
        marks=_marks(hole, kept, marked or shown),
        hole_first=_hole_first(order, marked),
        black_white=_black_white(scale, shown),
        output=_output(session, output),
    )
    size = _size(shown, marked)
    trial = size or (-(-_TRIAL // multiple) * multiple,) * 2
    result = _found_range(graph, trial) if output_scale == "auto" else _range(output_scale)
    sums = contents(file)
    return Inpainter(
        replace(graph, result=result),
        size=size,
        multiple=multiple if size is None else 1,
        checksum=(sums[0] if len(sums) == 1 else hashlib.sha256(b"".join(sums)).digest()).hex(),
    )


def _inputs(session: Any, picture: str | None) -> tuple[_Input, _Input | None]:  # noqa: ANN401 - no types from onnxruntime
    """Find the input for the picture, and the one for the hole unless both are one."""
    inputs = [_read(entry) for entry in session.get_inputs()]
    told = ", ".join(f"{entry.name} with {entry.channels or 'any'} channels" for entry in inputs)
    if picture is not None and picture not in [entry.name for entry in inputs]:
        raise RequestError(f"expected picture= the name of an input, got {picture!r}; the graph has {told}")
    if len(inputs) == 1 and inputs[0].channels in {4, None}:
        return inputs[0], None
    if len(inputs) != 2:
        raise RequestError(
            f"expected one input of 4 channels, or one of 3 and one of 1, got {told}; export the in-painter so"
        )
    named = [entry for entry in inputs if (entry.name == picture if picture else entry.channels == 3)]
    if len(named) != 1:
        raise RequestError(f"expected to see which of two inputs is the picture, got {told}; say picture=NAME")
    (other,) = (entry for entry in inputs if entry is not named[0])
    if named[0].channels not in {3, None} or other.channels not in {1, None}:
        raise RequestError(f"expected a picture of 3 channels and a hole of 1, got {told}; export the in-painter so")
    return named[0], other


def _read(entry: Any) -> _Input:  # noqa: ANN401 - as above
    """Read what a graph states about an input."""
    if entry.type not in ELEMENTS or len(entry.shape) != 4:
        raise RequestError(
            f"expected inputs of 4 axes (batch, channels, height, width), float, float16 or uint8, got {entry.name}: "
            f"{entry.shape} {entry.type}; export the in-painter so, or wrap it in a function"
        )
    batch, channels, height, width = (axis if isinstance(axis, int) and axis > 0 else None for axis in entry.shape)
    return _Input(entry.name, ELEMENTS[entry.type], batch, channels, (height, width))


def _size(picture: _Input, hole: _Input | None) -> tuple[int, int] | None:
    """The only size that a graph takes, or None for any."""
    height, width = picture.size
    if (height is None) != (width is None) or (hole is not None and hole.size != picture.size):
        found = f"{picture.size}" if hole is None else f"{picture.size} and {hole.size}"
        raise RequestError(f"expected height and width both fixed or both open, got {found}; export the in-painter so")
    return None if height is None or width is None else (height, width)


def _marks(hole: float, kept: float, where: _Input) -> tuple[float, float]:
    """Refuse marks that do not tell the hole from the rest, or that the graph cannot take."""
    whole = all(mark in range(256) for mark in (hole, kept))
    if hole == kept or (where.dtype == np.uint8 and not whole):
        rule = "whole numbers from 0 to 255" if where.dtype == np.uint8 else "numbers"
        raise RequestError(
            f"expected two different {rule} to mark the hole, got hole={hole:g}, kept={kept:g}; say which"
        )
    return hole, kept


def _hole_first(order: Order, hole: _Input | None) -> bool:
    """Settle the order of the channels where there is one."""
    if hole is not None and order != "auto":
        raise RequestError(f"expected no order= for a graph with two inputs, got {order}; leave it out")
    if hole is None and order not in {"picture-first", "hole-first"}:
        raise RequestError(
            f"expected order=picture-first or order=hole-first for a graph with one input of 4 channels, got {order}; "
            "say which: it cannot be told from the graph (LaMa: picture-first, MI-GAN: hole-first)"
        )
    return order == "hole-first"


def _black_white(scale: Scale, picture: _Input) -> tuple[float, float]:
    """Settle the values of black and white in the picture."""
    if picture.dtype == np.uint8:
        if scale not in {"auto", "255"}:
            raise RequestError(f"expected no scale= for a graph that takes uint8, got {scale}; leave it out")
        return _RANGES["255"]
    if scale == "auto":
        raise RequestError(
            "expected scale=unit (0 to 1), scale=signed (-1 to 1) or scale=255 for a graph that takes floats, got auto; "
            "say which: it cannot be told from the graph (LaMa: unit)"
        )
    return _range(scale)


def _range(scale: str) -> tuple[float, float]:
    """Look up a range by its name."""
    if scale not in _RANGES:
        raise RequestError(f"expected a scale, got {scale!r}; {did_you_mean(scale, _RANGES)}")
    return _RANGES[scale]


def _output(session: Any, output: str | None) -> str:  # noqa: ANN401 - as above
    """Choose the output that is read."""
    names: list[str] = [entry.name for entry in session.get_outputs()]
    if (output is None and len(names) > 1) or (output is not None and output not in names):
        raise RequestError(
            f"expected output= one of {', '.join(names)}, got {output or 'auto'}; say which is the picture"
        )
    return output or names[0]


def _found_range(graph: _Graph, size: tuple[int, int]) -> tuple[float, float]:
    """Tell the range of the answer from that on a ramp from black to white with a hole in its middle."""
    height, width = size
    ramp = np.linspace(0, 255, width).round().astype(np.uint8)
    keep = np.ones((1, height, width), dtype=np.bool_)
    keep[:, height // 3 : height // 2 + 1, width // 3 : width // 2 + 1] = False
    answer = graph.run(np.broadcast_to(ramp[:, None], (1, height, width, 3)) * keep[..., None], keep)
    low, high = float(answer.min()), float(answer.max())
    if high > 8:
        return _RANGES["255"]
    if low < -0.5:
        return _RANGES["signed"]
    if low < -0.1 or not 0.5 < high < 1.5:
        raise RequestError(
            f"expected an answer from 0 to 1, -1 to 1 or 0 to 255 on a ramp from black to white, got {low:.3g} to {high:.3g}; "
            "check scale=, hole= and kept=, and say output_scale=unit, signed or 255"
        )
    return _RANGES["unit"]
