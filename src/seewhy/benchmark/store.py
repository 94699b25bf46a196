"""The folder of a benchmark: one file for each piece of work, so that an interrupted run resumes."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as read_tensors
from safetensors.numpy import save as write_tensors

from seewhy.core.attribution import GeneratedPixels, Map
from seewhy.core.budget import Queries
from seewhy.core.errors import RequestError
from seewhy.core.metric import Curve
from seewhy.results.benchmark import FILE, PlanRecord
from seewhy.results.codec import Json, from_json, json_bytes
from seewhy.results.folder import check_free, write_files

CACHE = "cache"
_MAP, _GENERATED = "map", "generated/"


@dataclass(frozen=True)
class PredictedClass:
    """The predicted class of an image, which is explained; its probability on the full image."""

    target: int
    label: str
    probability: float


@dataclass(frozen=True)
class CachedMap:
    """Everything about an explanation but its map; `method` is written with every setting and the in-fill."""

    method: str
    target: int
    unit: str
    queries: Queries
    seconds: float
    stopped_because: str
    runtime: str
    findings: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class CachedScore:
    """A score.

    Args:
        value: NaN where it is not defined.
        note: why it is not.
        curve: the curve that the value summarises, where there is one.
        queries: what the metric asked, and then each explanation that it made anew.
        seconds: seconds that it took.
    """

    value: float
    note: str
    curve: Curve | None = None
    queries: tuple[Queries, ...] = ()
    seconds: float = 0.0


T = TypeVar("T")


def key(*parts: Json) -> str:
    """Return a name for a piece of work that changes when anything in its description does.

    Example:
        >>> key("a", 1) == key("a", 1), key("a", 1) == key("a", 2)
        (True, False)
    """
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def open_folder(out: Path, record: PlanRecord) -> Path:
    """Make the folder, or take up an earlier one, and write down what is asked.

    Returns:
        The folder of the cached work.

    Raises:
        RequestError: it cannot be written, or holds something other than a benchmark.
    """
    check_free(out, FILE)
    write_files(out, {FILE: json_bytes(record)})
    return out / CACHE


def read_work(folder: Path, name: str, kind: type[T]) -> T | None:
    """Read a finished piece of work; None where it was not done.

    Raises:
        RequestError: the file is damaged.
    """
    path = folder / f"{name}.json"
    try:
        data = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as problem:
        raise RequestError(f"cannot read {path}: {problem}; delete it, and it is made again") from problem
    return from_json(kind, data, str(path))


def read_map(folder: Path, name: str) -> tuple[Map, dict[str, GeneratedPixels]]:
    """Read the map of a finished explanation, and the images that its method made.

    Raises:
        RequestError: the file is missing or damaged.
    """
    path = folder / f"{name}.safetensors"
    try:
        tensors = read_tensors(path.read_bytes())
        values: Map = tensors.pop(_MAP)
    except (OSError, KeyError, SafetensorError) as problem:
        raise RequestError(f"cannot read {path}: {problem}; delete {name}.json, and both are made again") from problem
    return values, {name.removeprefix(_GENERATED): image for name, image in tensors.items()}


def write_work(
    folder: Path,
    name: str,
    work: PredictedClass | CachedMap | CachedScore,
    values: Map | None = None,
    generated: Mapping[str, GeneratedPixels] = MappingProxyType({}),
) -> None:
    """Write a piece of work, whole or not at all: its map and the images that belong to it, if any, then the rest.

    Raises:
        RequestError: the folder cannot be written.
    """
    arrays = {} if values is None else {_MAP: values, **{_GENERATED + own: each for own, each in generated.items()}}
    solid = {own: np.ascontiguousarray(array) for own, array in arrays.items()}
    tensors = {f"{name}.safetensors": write_tensors(solid)} if solid else {}
    write_files(folder, {**tensors, f"{name}.json": json_bytes(work)})
