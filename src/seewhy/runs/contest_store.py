"""The folder of a contest: one part for each piece of work, so that a run goes on where an earlier one ended."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as read_tensors
from safetensors.numpy import save as write_tensors

from seewhy.core.errors import RequestError
from seewhy.core.maps import Companion, Map
from seewhy.runs.explanation import as_record, write_files

RECORD = "contest.json"
PARTS = "parts"
_MAP = "map"
_COMPANION = "companion/"


def key(*parts: object) -> str:
    """Return a name for a piece of work that changes when anything in its description does.

    Example:
        >>> key("a", 1) == key("a", 1), key("a", 1) == key("a", 2)
        (True, False)
    """
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def open_folder(out: Path, record: Mapping[str, Any]) -> Path:
    """Make the folder, or take up an earlier one, and write down what is asked.

    Args:
        out: the folder; it need not exist.
        record: all of the request; ``contest.json``.

    Returns:
        The folder of the parts.

    Raises:
        RequestError: it cannot be written, or holds something that is not a contest.
    """
    if out.is_file() or (out.is_dir() and any(out.iterdir()) and not (out / RECORD).exists()):
        raise RequestError(f"{out} exists and holds no {RECORD}; choose another --out")
    write_files(out, {RECORD: as_record(record)})
    return out / PARTS


def read_part(folder: Path, name: str) -> dict[str, Any] | None:
    """Read what is known of a piece of work; None where it was not done.

    Raises:
        RequestError: the file is damaged.
    """
    path = folder / f"{name}.json"
    try:
        part: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as problem:
        raise RequestError(f"cannot read {path}: {problem}; delete it, and it is made again") from problem
    return part


def read_map(folder: Path, name: str) -> tuple[Map, dict[str, Companion]]:
    """Read the map of a piece of work that was done, and the pictures that belong to it.

    Raises:
        RequestError: the file is missing or damaged.
    """
    path = folder / f"{name}.safetensors"
    try:
        tensors = read_tensors(path.read_bytes())
        values: Map = tensors.pop(_MAP)
    except (OSError, KeyError, SafetensorError) as problem:
        raise RequestError(f"cannot read {path}: {problem}; delete {name}.json, and both are made again") from problem
    return values, {name.removeprefix(_COMPANION): picture for name, picture in tensors.items()}


def write_part(
    folder: Path,
    name: str,
    part: Mapping[str, Any],
    values: Map | None = None,
    companions: Mapping[str, Companion] = MappingProxyType({}),
) -> None:
    """Write a piece of work, whole or not at all: its map and the pictures that belong to it, if any, then what is known of it.

    Raises:
        RequestError: the folder cannot be written.
    """
    arrays = {} if values is None else {_MAP: values, **{_COMPANION + own: each for own, each in companions.items()}}
    solid = {own: np.ascontiguousarray(array) for own, array in arrays.items()}
    tensors = {f"{name}.safetensors": write_tensors(solid)} if solid else {}
    write_files(folder, {**tensors, f"{name}.json": as_record(part)})
