"""The faithfulness check: does removing the highlighted region change the answer more than removing random regions?"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from seewhy import registry
from seewhy.core.arrays import Keep
from seewhy.core.attribution import Attribution, Map
from seewhy.core.features import Grids
from seewhy.core.probe import Answers, Probe
from seewhy.core.seeds import derive, mix, uniforms
from seewhy.explaining.facts import label
from seewhy.results.diagnostics import Chance, FaithfulnessCheck, RegionEffect
from seewhy.results.record import TargetInfo

TAKEN, LEFT = 0.1, 0.3
"""The share of the view that is removed, and the share that is kept alone. (With 10 % alone hardly any class is recognised.)"""

DRAWS = 20
QUERIES = 1 + 2 * (2 + DRAWS)
"""The number of random regions; their 2.5 % and 97.5 % quantiles show what chance does."""

FINE = 256
"""Regions are made of at most this many squares per side, so that large images take no more memory than their batches."""

CELLS = 7
"""Cells per side of a random region's map, as in RISE: spots of a few dozen pixels, like those of real maps."""

REMOVED, KEPT = "gray", "blur"
"""In-fills of the check: for a removed region, and around a region that is kept alone (as in RISE's metrics)."""


def check_faithfulness(probe: Probe, maps: Attribution, targets: Sequence[TargetInfo]) -> FaithfulnessCheck:
    """Remove the highlighted region, keep only that region, and do the same to random regions and to the middle of the image.

    The map is that of the most probable class that was explained; without any, the first map, with the predicted class. Its
    highest pixels are the highlighted region: `TAKEN` of all are removed, `LEFT` of all kept alone. Random regions are the
    highest pixels of smooth random maps; the middle is a disc (an ellipse where the image is not square).

    Cost: ``1 + 2 x (2 + DRAWS)`` queries, 45, of probes like the one that was asked, beyond its budget.
    """
    target = _checked_target(targets)
    values, removing, keeping = maps.values[target.key], _like(probe, REMOVED), _like(probe, KEPT)
    watched = target.index if target.probability is not None else None
    index = int(probe.prediction.argmax()) if watched is None else watched
    removed = _ask(removing, 1 - regions(values, TAKEN, probe.seed))[:, index]
    kept = _ask(keeping, regions(values, LEFT, probe.seed))[:, index]
    return FaithfulnessCheck(
        key=target.key,
        index=index,
        label=label(index, probe.classifier) if watched is None else target.label,
        draws=DRAWS,
        before=float(removing.prediction[index]),
        removed=_effect(removed, REMOVED, TAKEN, low=True),
        kept=_effect(kept, KEPT, LEFT, low=False),
        queries=removing.queries.forward_images + keeping.queries.forward_images,
    )


def _like(probe: Probe, infill: str) -> Probe:
    """Ask about the same image with another in-fill, without a budget."""
    filler = registry.infill(infill, probe.classifier)[1]
    return Probe(probe.classifier, filler, probe.image, seed=probe.seed, batch_size=probe.batch_size)


def regions(values: Map, share: float, seed: int) -> Float[Tensor, "n rows columns"]:
    """Return the regions of the check, 1 inside: the highlighted one, the middle, random ones; each covers that share of all pixels.

    A map of more than `FINE` pixels per side is reduced to that.
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


def _checked_target(targets: Sequence[TargetInfo]) -> TargetInfo:
    """Choose the map that is checked: that of the most probable class, or the first."""
    likely = {target.probability: target for target in targets if target.probability is not None}
    return likely[max(likely)] if likely else targets[0]


def _ask(probe: Probe, keep: Keep) -> Answers:
    """Ask about each region, with no more of them in one call than the probe takes."""
    numbers = torch.arange(len(keep), device=probe.image.device)
    batches = zip(torch.split(keep.to(probe.image), probe.rows), torch.split(numbers, probe.rows), strict=True)
    return torch.cat([probe(functional.interpolate(some[:, None], probe.size)[:, 0], seeds) for some, seeds in batches])


def _effect(probabilities: Float[Tensor, " n"], infill: str, share: float, *, low: bool) -> RegionEffect:
    """Describe what a change does; ``low``: a lower probability is better."""
    values = probabilities.cpu().numpy()
    own, center, random = float(values[0]), float(values[1]), values[2:]
    ends = np.quantile(random, [0.025, 0.975])
    beaten = int((random > own).sum() if low else (random < own).sum())
    chance = Chance(float(random.mean()), float(ends[0]), float(ends[1]))
    return RegionEffect(infill, share, own, center, chance, beaten)


def meaning(check: FaithfulnessCheck) -> str:
    """Say whether the highlighted region does better than random regions, and than the middle of the image."""
    removed, kept, enough = check.removed, check.kept, round(0.95 * check.draws)
    necessary, sufficient = removed.beaten >= enough, kept.beaten >= enough
    than = f"{enough} of {check.draws} random regions"
    if not (necessary or sufficient):
        return f"The highlighted region does no better than random regions: do not rely on the map of {check.label}."
    if removed.map >= removed.center and kept.map <= kept.center:
        return "The highlighted region does better than random regions, but no better than the middle of the image."
    if necessary and sufficient:
        return f"The highlighted region is necessary and sufficient, each more than {than}."
    if necessary:
        return f"The highlighted region is necessary (removing it hurts more than {than}) but not sufficient."
    return f"The highlighted region is sufficient (kept alone it does better than {than}) but not necessary."
