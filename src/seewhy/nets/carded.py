"""Tensors in a folder, with a card that says what they are of: what is learned or measured of one classifier."""

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

Net = TypeVar("Net", bound=nn.Module)


def write_carded(folder: Path, name: str, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write tensors and card; the card comes last, so that a folder with a card is whole.

    Args:
        folder: it is created.
        name: of the file of tensors.
        tensors: what was learned or measured.
        facts: for the card: at least ``fingerprint`` and ``classifier``.
    """
    raw = save({key: value.cpu().contiguous() for key, value in tensors.items()})
    card = {**facts, "sha256": hashlib.sha256(raw).hexdigest()}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CARD).unlink(missing_ok=True)
    (folder / name).write_bytes(raw)
    fresh = folder / "card.tmp"
    fresh.write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    fresh.replace(folder / CARD)


def read_carded(
    folder: Path, name: str, *, what: str, fingerprint: str | None, remedy: str
) -> tuple[bytes, dict[str, Any]]:
    """Read what `write_carded` wrote.

    Args:
        folder: where it lies.
        name: of the file of tensors.
        what: it is, in the plural, for messages.
        fingerprint: of the classifier that is explained; None for any.
        remedy: how to make another, for messages.

    Returns:
        The file of tensors and the card.

    Raises:
        RequestError: a file is missing or not as its card says, or belongs to another classifier.
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
        raise RequestError(f"expected {name} as its card describes it, got other bytes in {folder}; {remedy}")
    return raw, card


def fill(net: Net, raw: bytes, *, what: str, folder: Path, remedy: str) -> Net:
    """Give a network the weights that were read, ready to answer: no training mode, no gradients of the weights.

    Args:
        net: built as its card says.
        raw: the file of tensors.
        what: the folder ought to hold, for messages.
        folder: it was read from.
        remedy: how to make another, for messages.

    Raises:
        RequestError: the tensors are damaged, or not those of the network.
    """
    try:
        net.load_state_dict(load(raw))
    except (RuntimeError, SafetensorError) as error:
        raise RequestError(f"expected {what} in {folder}, got {error}; {remedy}") from error
    return net.eval().requires_grad_(requires_grad=False)
