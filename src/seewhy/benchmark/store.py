"""The folder of a benchmark: one file for each piece of work, so that an interrupted run resumes."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as read_tensors
from safetensors.numpy import save as write_tensors

from seewhy.core.attribution import GeneratedPixels, Map
from seewhy.core.budget import Queries
from seewhy.core.errors import RequestError
from seewhy.results.codec import Json, from_json, json_bytes
from seewhy.results.folder import write_files

_MAP, _GENERATED = "map", "generated/"


@dataclass(frozen=True)
class PredictedClass:
    """The predicted class of an image, which is explained; its probability on the full image."""

    target: int
    label: str
    probability: float


@dataclass(frozen=True)
class CachedMap:
    """What an explanation cost, and the unit of its map, which is a file of its own."""

    unit: str
    queries: Queries
    seconds: float


@dataclass(frozen=True)
class CachedScore:
    """A score; NaN where it is not defined, with the reason in ``note``."""

    value: float
    note: str


T = TypeVar("T")


def key(*parts: Json) -> str:
    """Return a name for a piece of work that changes when anything in its description does.

    Example:
        >>> key("a", 1) == key("a", 1), key("a", 1) == key("a", 2)
        (True, False)
    """
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def read_work(folder: Path, name: str, kind: type[T]) -> T | None:
    """Read a finished piece of work; None where it was not done."""
    path = folder / f"{name}.json"
    try:
        data = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as problem:
        raise RequestError(f"cannot read {path}: {problem}; delete it, and it is made again") from problem
    return from_json(kind, data, str(path))


def read_map(folder: Path, name: str) -> tuple[Map, dict[str, GeneratedPixels]]:
    """Read the map of a finished explanation, and the images that its method made."""
    path = folder / f"{name}.safetensors"
    try:
        tensors = read_tensors(path.read_bytes())
        values: Map = tensors.pop(_MAP)
    except (OSError, KeyError, SafetensorError) as problem:
        raise RequestError(f"cannot read {path}: {problem}; delete {name}.json, and both are made again") from problem
    return values, {name.removeprefix(_GENERATED): image for name, image in tensors.items()}


def write_work(folder: Path, name: str, work: PredictedClass | CachedMap | CachedScore) -> None:
    """Write a piece of work, whole or not at all."""
    write_files(folder, {f"{name}.json": json_bytes(work)})


def write_map(folder: Path, name: str, values: Map, generated: Mapping[str, GeneratedPixels]) -> None:
    """Write the map of an explanation, and the images that its method made; its `CachedMap` is written after it."""
    arrays = {_MAP: values, **{_GENERATED + own: image for own, image in generated.items()}}
    solid = {own: np.ascontiguousarray(array) for own, array in arrays.items()}
    write_files(folder, {f"{name}.safetensors": write_tensors(solid)})
