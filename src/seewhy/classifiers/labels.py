"""Names of the classes, in the forms in which people keep them."""

import ast
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import cast

from torch import nn

from seewhy.core.errors import RequestError

Labels = str | Path | Mapping[int, str] | Mapping[str, str] | Mapping[str, int] | Iterable[object]
"""One name per class in class order; a dict index → name (``id2label``) or name → index (``label2id``); or the path of a text file
with one name per line, or of a JSON file with such a list or dict."""


def read_labels(labels: Labels | None) -> tuple[str, ...] | None:
    """Return one name per class in class order; None where no names are given.

    Raises:
        RequestError: a file cannot be read, the names have no order, or a dict does not number the classes from 0.

    Example:
        >>> read_labels({"1": "dog", "0": "cat"})
        ('cat', 'dog')
    """
    if labels is None:
        return None
    if isinstance(labels, str | Path):
        return read_labels(_from_file(Path(labels)))
    if isinstance(labels, Mapping):
        return _in_order(cast("Mapping[object, object]", labels))
    if isinstance(labels, set | frozenset | bytes) or not isinstance(labels, Iterable):
        raise RequestError(f"expected labels in class order, got a {type(labels).__name__}; pass a list of names")
    return tuple(str(name) for name in labels)


def _from_file(path: Path) -> list[object] | Mapping[str, str]:
    """Read a JSON file, or a UTF-8 text file with one name per line; trailing blank lines are ignored."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        read = (
            json.loads(text)
            if path.suffix.lower() == ".json"
            else [line.strip() for line in text.rstrip().splitlines()]
        )
    except (OSError, ValueError) as error:
        raise RequestError(
            f"expected a file of labels, one per line or as JSON, got {path}: {error}; check the path"
        ) from error
    names = read.values() if isinstance(read, dict) else read if isinstance(read, list) else [None]
    if not all(isinstance(name, str | int) for name in names):
        raise RequestError(f"expected a list of names or a dict index → name in {path}, got {type(read).__name__}")
    return read


def _in_order(labels: Mapping[object, object]) -> tuple[str, ...]:
    """Order the names of a dict index → name, or name → index."""
    count, inverse = len(labels), all(isinstance(key, str) and isinstance(value, int) for key, value in labels.items())
    pairs = ((value, key) for key, value in labels.items()) if inverse else labels.items()
    numbered = {_number(index): str(name) for index, name in pairs}
    if set(numbered) != set(range(count)):
        shown = ", ".join(map(str, list(labels)[:3])) + (", …" if count > 3 else "")
        raise RequestError(
            f"expected labels for classes 0 to {count - 1}, one each, got a dict with {shown}; number the classes from 0"
        )
    return tuple(numbered[index] for index in range(count))


def _number(value: object) -> int | None:
    """Return a class index that is given as a whole number or as its text; None for anything else."""
    text = str(value)
    return int(text) if text.isdecimal() else None


def own_labels(module: nn.Module) -> tuple[str, ...] | None:
    """Return the class names in a module's own configuration, ``module.config.id2label`` as in transformers, if it has any."""
    names = getattr(getattr(module, "config", None), "id2label", None)
    if not isinstance(names, Mapping) or not names:
        return None
    labels = _in_order(names)
    return None if all(label.startswith("LABEL_") for label in labels) else labels  # transformers' placeholders


def declared_labels(metadata: Mapping[str, str]) -> tuple[str, ...] | None:
    """Return the class names in an ONNX file's metadata, a dict or a list under ``names`` or ``id2label``, if it has any."""
    text = metadata.get("names") or metadata.get("id2label")
    try:
        names = ast.literal_eval(text) if text else None
    except (ValueError, SyntaxError):
        return None
    return read_labels(names) if isinstance(names, list | dict) and names else None
