"""Networks with reproducible initial weights, and the folders they are kept in: a safetensors file and a JSON card."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from seewhy.core.errors import RequestError

CARD = "card.json"

Card = dict[str, Any]
"""The content of a card: whatever JSON can hold."""

Net = TypeVar("Net", bound=nn.Module)


@contextmanager
def fixed_seed(seed: int) -> Iterator[None]:
    """Draw the initial weights of networks from a seed; torch's global random state does not change."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def write_whole(path: Path, content: bytes) -> None:
    """Write a file atomically: after a failure or an interruption, an earlier file is still whole."""
    fresh = path.with_name(f".{path.name}.partial")
    try:
        fresh.write_bytes(content)
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


def write_checkpoint(folder: Path, name: str, tensors: Mapping[str, Tensor], facts: Mapping[str, object]) -> None:
    """Write tensors and then their card, to which the SHA-256 of the tensor file is added."""
    raw = save({key: value.cpu().contiguous() for key, value in tensors.items()})
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / name, raw)
    _write_card(folder, {**facts, "sha256": hashlib.sha256(raw).hexdigest()})


def update_card(folder: Path, facts: Mapping[str, object]) -> None:
    """Change some entries of the card in a folder."""
    _write_card(folder, json.loads((folder / CARD).read_text(encoding="utf-8")) | facts)


def _write_card(folder: Path, card: Mapping[str, object]) -> None:
    """Write the card of a folder."""
    write_whole(folder / CARD, (json.dumps(card, indent=2, ensure_ascii=False) + "\n").encode())


def read_card(folder: Path, name: str, *, remedy: str) -> Card:
    """Read the card of a checkpoint without its tensors; RequestError names what is missing, and the remedy."""
    for part in (CARD, name):
        if not (folder / part).is_file():
            raise RequestError(f"expected {part} in {folder}, got no such file; {remedy}")
    try:
        card: Card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    except ValueError as error:
        raise RequestError(f"expected JSON in {folder / CARD}, got {error}; {remedy}") from error
    return card


def read_checkpoint(folder: Path, name: str, *, what: str, fingerprint: str | None, remedy: str) -> tuple[bytes, Card]:
    """Read the bytes of a tensor file, and its card.

    ``what`` is a plural noun for the tensors and ``remedy`` says how to create them, for error messages. Without a
    ``fingerprint``, those of any classifier are accepted.

    Raises:
        RequestError: a file is missing, does not match its card, or belongs to another classifier.
    """
    card = read_card(folder, name, remedy=remedy)
    raw = (folder / name).read_bytes()
    if fingerprint is not None and card.get("fingerprint") != fingerprint:
        raise RequestError(f"expected {what} of this classifier, got those of {card.get('classifier')}; {remedy}")
    if hashlib.sha256(raw).hexdigest() != card.get("sha256"):
        raise RequestError(f"expected {name} to match the SHA-256 in its card, got other bytes in {folder}; {remedy}")
    return raw, card


def load_network(
    folder: Path, name: str, build: Callable[[Card], Net], *, what: str, fingerprint: str | None = None, remedy: str
) -> tuple[Net, Card]:
    """Build a network from its card and load its weights, for evaluation; see `read_checkpoint`.

    Raises:
        RequestError: as there, or the card or the tensors do not fit the network.
    """
    raw, card = read_checkpoint(folder, name, what=what, fingerprint=fingerprint, remedy=remedy)
    try:
        net = build(card)
        net.load_state_dict(load(raw))
    except KeyError as error:
        raise RequestError(f"expected {what} in {folder}, got a card without {error}; {remedy}") from error
    except (TypeError, RuntimeError, SafetensorError) as error:
        raise RequestError(f"expected {what} in {folder}, got {error}; {remedy}") from error
    return net.eval().requires_grad_(requires_grad=False), card
