"""Dataclasses to JSON and back: the only place where a typed value becomes a dictionary."""

import json
import math
from collections.abc import Mapping
from typing import TypeVar, cast

import cattrs
import numpy as np
from cattrs.errors import BaseValidationError

from seewhy.core.errors import RequestError
from seewhy.core.metric import Curve, plain

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
"""Anything that a JSON file can hold."""

JsonObject = dict[str, Json]

Setting = bool | int | float | str | tuple[bool | int | float | str, ...] | None
"""The value of a setting of a method, metric or in-fill."""

SCHEMA_VERSION = 2
"""Version of every record that is written; a reader refuses another one."""

T = TypeVar("T")


def to_json(value: object) -> JsonObject:
    """Turn a dataclass into plain data; NaN and infinity, which JSON does not have, become None.

    Example:
        >>> from seewhy.core.budget import Budget
        >>> to_json(Budget(queries=100))
        {'queries': 100, 'seconds': None, 'tolerance': None}
    """
    plain_data: JsonObject = _CONVERTER.unstructure(value)
    return plain_data


def from_json(kind: type[T], data: JsonObject, origin: str) -> T:
    """Read a dataclass back from plain data; keys that it does not have are ignored.

    Raises:
        RequestError: a field is missing or of the wrong type; the message names the ``origin`` of the data.
    """
    try:
        return _CONVERTER.structure(data, kind)
    except (BaseValidationError, TypeError, ValueError, KeyError) as problem:
        details = "; ".join(cattrs.transform_error(problem)) if isinstance(problem, BaseValidationError) else problem
        raise RequestError(f"{origin} is damaged: {details}; make it again") from problem


def json_bytes(value: object) -> bytes:
    """Write a dataclass, or plain data, as JSON that a person can read."""
    data = value if isinstance(value, dict) else to_json(value)
    return (json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def as_settings(values: Mapping[str, object]) -> dict[str, Setting]:
    """Check that settings can be written to JSON and read back; another type is a fault of the method that reports it."""
    settings: dict[str, Setting] = {}
    for name, value in values.items():
        parts = value if isinstance(value, tuple) else (value,)
        if not all(part is None or isinstance(part, bool | int | float | str) for part in parts):
            raise AssertionError(f"expected setting {name} to be a number, text or a tuple of those, got {value!r}")
        settings[name] = cast("Setting", value)
    return settings


def _read_setting(value: object, _: object) -> object:
    """Read a setting: JSON has lists where Python has tuples."""
    return tuple(value) if isinstance(value, list) else value


def _read_number(value: float | str | None, _: object) -> float:
    """Read a number for which JSON may have had no word, and a table an empty cell."""
    return math.nan if value in {None, ""} else float(value)


def _read_curve(data: dict[str, list[float | None]], _: object) -> Curve:
    """Read a curve; JSON has lists where it has arrays."""
    x, y = (np.array([_read_number(value, float) for value in data[name]]) for name in ("x", "y"))
    return Curve(x, y)


def _converter() -> cattrs.Converter:
    """Build the converter: tuples for sequences, None for what is not a number."""
    converter = cattrs.Converter(unstruct_collection_overrides={tuple: list, Mapping: dict})
    converter.register_unstructure_hook(float, plain)
    converter.register_structure_hook(float, _read_number)
    converter.register_unstructure_hook(Curve, Curve.facts)
    converter.register_structure_hook(Curve, _read_curve)
    converter.register_structure_hook_func(lambda kind: kind == Setting, _read_setting)
    return converter


_CONVERTER = _converter()
