"""Checkpoints: a folder with a safetensors file and a JSON card, for tensors learned or measured for one classifier."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from seewhy.core.errors import RequestError

CARD = "card.json"

Card = dict[str, Any]
"""The content of a card: whatever JSON can hold."""

Net = TypeVar("Net", bound=nn.Module)


def write_checkpoint(folder: Path, name: str, tensors: Mapping[str, Tensor], facts: Mapping[str, object]) -> None:
    """Write tensors and card; the card is written last, so that a folder with a card is complete.

    Args:
        folder: output folder, created if missing.
        name: name of the tensor file.
        tensors: tensors to write, by name.
        facts: entries of the card: at least ``fingerprint`` and ``classifier``.
    """
    raw = save({key: value.cpu().contiguous() for key, value in tensors.items()})
    card = {**facts, "sha256": hashlib.sha256(raw).hexdigest()}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CARD).unlink(missing_ok=True)
    (folder / name).write_bytes(raw)
    fresh = folder / "card.tmp"
    fresh.write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    fresh.replace(folder / CARD)


def read_checkpoint(folder: Path, name: str, *, what: str, fingerprint: str | None, remedy: str) -> tuple[bytes, Card]:
    """Read a checkpoint written by `write_checkpoint`.

    Args:
        folder: folder with the tensor file and its card.
        name: name of the tensor file.
        what: plural noun for the tensors, used in error messages.
        fingerprint: fingerprint of the classifier to explain; None accepts any.
        remedy: how to create the checkpoint, used in error messages.

    Returns:
        The bytes of the tensor file, and the card.

    Raises:
        RequestError: a file is missing, does not match its card, or belongs to another classifier.
    """
    for part in (CARD, name):
        if not (folder / part).is_file():
            raise RequestError(f"expected {part} in {folder}, got no such file; {remedy}")
    raw = (folder / name).read_bytes()
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    except ValueError as error:
        raise RequestError(f"expected JSON in {folder / CARD}, got {error}; {remedy}") from error
    if fingerprint is not None and card.get("fingerprint") != fingerprint:
        raise RequestError(f"expected {what} of this classifier, got those of {card.get('classifier')}; {remedy}")
    if hashlib.sha256(raw).hexdigest() != card.get("sha256"):
        raise RequestError(f"expected {name} to match the SHA-256 in its card, got other bytes in {folder}; {remedy}")
    return raw, card


def load_weights(net: Net, raw: bytes, *, what: str, folder: Path, remedy: str) -> Net:
    """Load weights into a network and return it in evaluation mode, with frozen weights.

    Args:
        net: network built with the settings of the card.
        raw: bytes of the tensor file.
        what: noun for the expected content of the folder, used in error messages.
        folder: folder that the weights were read from, used in error messages.
        remedy: how to create the checkpoint, used in error messages.

    Raises:
        RequestError: the tensors are damaged, or do not fit the network.
    """
    try:
        net.load_state_dict(load(raw))
    except (RuntimeError, SafetensorError) as error:
        raise RequestError(f"expected {what} in {folder}, got {error}; {remedy}") from error
    return net.eval().requires_grad_(requires_grad=False)
