"""A map on trial: does removing what it marks change the answer more than removing a random part, or the middle?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from seewhy import registry
from seewhy.core.arrays import Image, Keep
from seewhy.core.classifier import Classifier
from seewhy.core.features import Grids
from seewhy.core.maps import Map, Maps
from seewhy.core.probe import Answers, Probe, no_progress
from seewhy.core.seeds import derive, mix, uniforms

TAKEN, LEFT = 0.1, 0.3
"""So much of what the classifier sees is removed; so much is kept alone. (Of 10 % alone hardly any class is recognised.)"""

DRAWS = 20
"""Random regions that a map is held against: 95 % of them say what chance does."""

FINE = 256
"""Regions are made of at most so many squares a side, so that large pictures take no more memory than their batches."""

CELLS = 7
"""Cells a side of a random region's map, as in RISE: spots of a few dozen pixels, as maps have them."""

REMOVED, KEPT = "gray", "blur"
"""In-fills of the trial: what stands where something was removed, and around what is kept alone (as RISE's metrics have it)."""


@dataclass(frozen=True, eq=False)
class _Side:
    """The probability of the class with one thing done to each region.

    Args:
        map: to what the map marks.
        center: to the middle of the picture.
        random: to random regions.
    """

    map: float
    center: float
    random: Float[np.ndarray, " n"]

    def beats(self, *, low: bool) -> int:
        """Count the random regions that the map does better than; ``low``: a lower probability is better."""
        return int((self.random > self.map).sum() if low else (self.random < self.map).sum())

    def facts(self, *, low: bool) -> dict[str, Any]:
        """Write it down."""
        ends = np.quantile(self.random, [0.025, 0.975])
        chance = {"mean": float(self.random.mean()), "low": float(ends[0]), "high": float(ends[1])}
        return {"map": self.map, "center": self.center, "random": chance, "beaten": self.beats(low=low)}


def trial(
    classifier: Classifier,
    image: Image,
    maps: Maps,
    targets: Sequence[dict[str, Any]],
    predicted: int,
    *,
    seed: int,
    batch_size: int,
) -> dict[str, Any]:
    """Remove what a map marks, keep only what it marks, and do the same to random regions and to the middle.

    The map is that of the likeliest class that was explained; where no class was, the first map, held to the class that the
    classifier predicts. Its highest pixels are the marked region: `TAKEN` of all are removed, `LEFT` of all kept alone. Random regions are the highest pixels of
    smooth random maps, the middle is a disc (an ellipse where the picture is not square).

    Args:
        classifier: as it is run now.
        image: the picture in its view.
        maps: of the run.
        targets: ``key`` and ``label`` of each, as in the manifest.
        predicted: the class that the classifier predicts.
        seed: of the run.
        batch_size: pictures shown at once.

    Returns:
        The manifest's ``verdict.trial``; probabilities of the class, 0 to 1.

    Cost: ``1 + 2 x (2 + DRAWS)`` queries, 45, beyond the budget of the run.
    """
    judged, index = _judged(targets, predicted)
    values = maps.values[judged["key"]]
    probes = {name: _probe(classifier, name, image, seed, batch_size) for name in (REMOVED, KEPT)}
    before = float(probes[REMOVED].prediction[index])
    removed = _side(_ask(probes[REMOVED], 1 - regions(values, TAKEN, seed))[:, index])
    kept = _side(_ask(probes[KEPT], regions(values, LEFT, seed))[:, index])
    found = {
        "key": judged["key"],
        "class": index,
        "draws": DRAWS,
        "before": before,
        "removed": {"infill": REMOVED, "share": TAKEN, **removed.facts(low=True)},
        "kept": {"infill": KEPT, "share": LEFT, **kept.facts(low=False)},
        "queries": sum(probe.queries.forward_images for probe in probes.values()),
    }
    return {**found, "sentence": _sentence(found, judged["label"])}


def regions(values: Map, share: float, seed: int) -> Float[Tensor, "n rows columns"]:
    """Return the regions of a trial, 1 inside: what the map marks, the middle, random ones; each that share of all pixels.

    A map of more than `FINE` pixels a side is brought to that.

    Example:
        >>> regions(np.eye(10, dtype=np.float32), 0.1, 0).sum((1, 2)).unique().tolist()
        [10.0]
    """
    height, width = (min(side, FINE) for side in values.shape)
    coarse = functional.interpolate(torch.from_numpy(values)[None, None], size=(height, width), mode="area")[0]
    down, across = torch.linspace(-1, 1, height), torch.linspace(-1, 1, width)
    middle = -(down[:, None] ** 2 + across[None] ** 2)
    seeds = derive(seed, torch.arange(DRAWS))
    chance = Grids(uniforms(seeds, CELLS**2).view(-1, CELLS, CELLS), uniforms(seeds, 2, stream=1)).keep(height, width)
    every = torch.cat([coarse, middle[None], chance]).flatten(1)
    shuffled = mix(torch.arange(height * width)).argsort()  # equal pixels in no order: the first rows are no better
    ranked = shuffled[every[:, shuffled].argsort(dim=1, descending=True, stable=True)]
    marked = ranked[:, : max(1, round(share * height * width))]
    return torch.zeros_like(every).scatter_(1, marked, 1.0).view(-1, height, width)


def _judged(targets: Sequence[dict[str, Any]], predicted: int) -> tuple[dict[str, Any], int]:
    """Choose the map that is judged, and the class that it is held to."""
    classes = [target for target in targets if "probability" in target]
    if not classes:
        return targets[0], predicted
    likeliest = max(classes, key=lambda target: target["probability"])
    return likeliest, likeliest["index"]


def _probe(classifier: Classifier, infill: str, image: Image, seed: int, batch_size: int) -> Probe:
    """Bind an in-fill to the picture."""
    return Probe(
        classifier, registry.infill(infill, classifier)[1], image, seed, batch_size=batch_size, progress=no_progress
    )


def _ask(probe: Probe, keep: Keep) -> Answers:
    """Ask about each region, with no more of them in one call than the probe takes."""
    numbers = torch.arange(len(keep), device=probe.image.device)
    batches = zip(torch.split(keep.to(probe.image), probe.rows), torch.split(numbers, probe.rows), strict=True)
    return torch.cat([probe(functional.interpolate(some[:, None], probe.size)[:, 0], seeds) for some, seeds in batches])


def _side(probabilities: Float[Tensor, " n"]) -> _Side:
    """Sort the answers."""
    values = probabilities.cpu().numpy()
    return _Side(float(values[0]), float(values[1]), values[2:])


def _sentence(found: dict[str, Any], label: str) -> str:
    """Say what was found in one sentence, and what it means in another."""
    removed, kept = found["removed"], found["kept"]
    taken, left = (f"{side['share']:.0%}".replace("%", " %") for side in (removed, kept))
    return (
        f"Removing the marked {taken} changes the probability of {label} from {_p(found['before'])} to {_p(removed['map'])}; "
        f"removing a random {taken}, to {_chance(removed)}; the middle, to {_p(removed['center'])}. "
        f"The marked {left} alone keep {_p(kept['map'])}; a random {left} {_chance(kept)}; the middle {_p(kept['center'])}. "
        f"{_meaning(found)}"
    )


def _meaning(found: dict[str, Any]) -> str:
    """Say whether the map does better than chance, and than the middle."""
    removed, kept, enough = found["removed"], found["kept"], round(0.95 * found["draws"])
    necessary, sufficient = removed["beaten"] >= enough, kept["beaten"] >= enough
    if not (necessary or sufficient):
        return "By this measure the map is no better than chance: do not rely on it."
    if removed["map"] >= removed["center"] and kept["map"] <= kept["center"]:
        return "The map is better than chance, but not better than the middle of the picture."
    if necessary and sufficient:
        return "What the map marks is both needed and enough more than chance would have it."
    return f"What the map marks is {'needed' if necessary else 'enough'} more than chance would have it, but not {'enough' if necessary else 'needed'}."


def _chance(side: dict[str, Any]) -> str:
    """Write what random regions do."""
    chance = side["random"]
    return f"{_p(chance['mean'])} (95 %: {_p(chance['low'])} to {_p(chance['high'])})"


def _p(value: float) -> str:
    """Write a probability with two digits."""
    return f"{value:.2f}" if value >= 0.005 or value == 0 else "<0.01"
