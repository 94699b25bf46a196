"""Load a classifier trained by ``seewhy train classifier``."""

from pathlib import Path

import torch

from seewhy.classifiers.module import TorchClassifier, from_module
from seewhy.classifiers.views import ViewSettings
from seewhy.core.errors import RequestError
from seewhy.nets.checkpoints import Card
from seewhy.nets.small_classifier import REMEDY, SmallClassifier, load_small


def trained(*, folder: str, device: str | torch.device | None = None) -> TorchClassifier:
    """Return a classifier trained by the user.

    Args:
        folder: folder written by ``seewhy train classifier``.
        device: device to run on; None for the CPU.

    Raises:
        RequestError: a file is missing or damaged, or the device is not available.

    Example:
        ``trained(folder="my-digits").labels == ("3", "8")``
    """
    net, card = load_small(Path(folder))
    try:
        return as_classifier(net, card, device=device)
    except (KeyError, TypeError) as error:
        raise RequestError(f"expected the card of a classifier in {folder}, got {error!r}; {REMEDY}") from error


def as_classifier(net: SmallClassifier, card: Card, *, device: str | torch.device | None = None) -> TorchClassifier:
    """Wrap a network in evaluation mode as a classifier; the card has its labels, view, mean colour and name."""
    return from_module(
        net,
        labels=card["labels"],
        **_view(card),
        device=device,
        name=card["classifier"],
        mean_color=card["mean_color"],
    )


def _view(card: Card) -> ViewSettings:
    """Return the view of a card; earlier versions, whose cards have fewer settings, cropped more of an oblong input."""
    view: ViewSettings = {"size": card["size"], "fit": card["fit"], "short_side": card["short_side"]}
    if "interpolation" not in card:
        view["short_side"] = card["short_side"] or (max(card["size"]) if card["fit"] == "crop" else None)
        return view
    return view | {name: card[name] for name in ViewSettings.__annotations__}  # type: ignore[return-value]
