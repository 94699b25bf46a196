"""List the nodes of an ONNX file: a reader of the few protobuf fields that are needed, because the runtime does not show them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_GRAPH, _NODE = 7, 1
"""Field numbers in ``onnx.proto``: the graph of a model, the nodes of a graph."""

_INPUT, _OUTPUT, _OP = 1, 2, 4
"""Field numbers of a node."""


@dataclass(frozen=True)
class OnnxNode:
    """An operation of a graph, with the names of what it takes and what it gives."""

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def onnx_nodes(file: Path) -> tuple[OnnxNode, ...]:
    """List the nodes of a file that ONNX Runtime accepts, subgraphs excepted."""
    model = memoryview(file.read_bytes())
    graphs = [graph for field, graph in _fields(model) if field == _GRAPH]
    return tuple(_node(node) for graph in graphs for field, node in _fields(graph) if field == _NODE)


def _node(data: memoryview) -> OnnxNode:
    """Read one node."""
    texts: dict[int, list[str]] = {_INPUT: [], _OUTPUT: [], _OP: []}
    for field, value in _fields(data):
        if field in texts:
            texts[field].append(str(value, "utf-8"))
    return OnnxNode("".join(texts[_OP]), tuple(texts[_INPUT]), tuple(texts[_OUTPUT]))


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield the number and the bytes of each length-delimited field; numbers are skipped."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        field, wire = key >> 3, key & 7
        if wire == 0:
            _, place = _varint(data, place)
        elif wire == 2:
            length, place = _varint(data, place)
            yield field, data[place : place + length]
            place += length
        else:
            place += 8 if wire == 1 else 4


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    """Read a number of 7 bits per byte, the lowest first, and return it with the place behind it."""
    number = shift = 0
    while data[place] & 0x80:
        number |= (data[place] & 0x7F) << shift
        place, shift = place + 1, shift + 7
    return number | data[place] << shift, place + 1
