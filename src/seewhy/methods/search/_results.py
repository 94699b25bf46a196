"""What a search found, as a map, regions, outlines, curves and sentences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from seewhy.core.attribution import BoolMap, Map, Region
from seewhy.core.probe import Probe
from seewhy.core.target import Information, Target
from seewhy.images.partition_tree import Labels
from seewhy.methods._shared import requested_class
from seewhy.methods.search._chain import Chain, evidence

_TINY = 0.01
"""A target whose worth in the whole image is smaller has little to explain, and a smaller relative change is none."""

_ORDER = 1e-3
"""Share of a map's range by which equal values differ, in the order of the regions and of the pixels within them."""

Set = Bool[Tensor, " r"]
"""Which regions belong to a set."""


@dataclass(frozen=True, eq=False)
class Found:
    """The result of a search for one target."""

    key: str
    values: Map
    regions: tuple[Region, ...]
    outlines: Mapping[str, BoolMap]
    curves: Mapping[str, Sequence[float]]
    findings: tuple[str, ...]
    stopped: str | None


def found(probe: Probe, target: Target, chain: Chain, labels: Labels, first: Map) -> Found:
    """Describe the result of a search; asks one more query where two disjoint sets may suffice."""
    second = _second_set(chain)
    sets = {"sufficient": chain.sufficient and chain.sufficient[1], "necessary": chain.necessary and chain.necessary[1]}
    outlines = {
        name: draw(some, labels) for name, some in (sets | {"also sufficient": second}).items() if some is not None
    }
    shown, hidden = (chain.worth(torch.stack(answers)).tolist() for answers in (chain.shown, chain.hidden))
    nats = evidence(target, torch.stack(chain.shown), chain.whole).tolist()
    enough = chain.share(chain.shown)[1:] >= chain.enough
    steps = zip(chain.order, nats, shown[1:], hidden[1:], enough.tolist(), strict=True)
    return Found(
        target.key,
        missing_map(chain, labels, first),
        tuple(Region(target.key, *step) for step in steps),
        outlines,
        {"shown": shown, "hidden": hidden},
        tuple(_findings(probe, target, chain, second)),
        chain.stopped,
    )


def named(probe: Probe, target: Target) -> str:
    """Name a target in a sentence."""
    return "the prediction" if isinstance(target, Information) else requested_class(probe, target)


def draw(regions: Set, labels: Labels) -> BoolMap:
    """Return the pixels of a set of regions."""
    return regions[labels.cpu()].numpy()


def missing_map(chain: Chain, labels: Labels, first: Map) -> Map:
    """Return the share of the evidence still missing when each region was shown, with ties in the order of the regions and pixels."""
    values, ranked = region_values(chain), [*chain.order, *chain.left]
    place = torch.empty(len(ranked), dtype=torch.float64)
    place[torch.tensor(ranked)] = torch.arange(len(ranked), 0, -1, dtype=torch.float64) - 1
    numbers = labels.cpu()
    within = np.empty(first.size)
    within[np.argsort(first, axis=None, kind="stable")] = np.arange(first.size) / first.size
    order = (place[numbers] + torch.from_numpy(within).view(first.shape)) / len(ranked)
    small = _ORDER * float(values.max() - values.min())
    return ((1 - _ORDER) * values[numbers] + _ORDER * values.min() + small * order).float().numpy()


def region_values(chain: Chain) -> Float[Tensor, " r"]:
    """Return the value of each region: the squared mean of what was missing and what was left when it was shown."""
    shares = ((chain.missing + chain.remaining) / 2).square()
    values = torch.full((len(chain.areas),), float(shares[-1]), dtype=torch.float64)
    values[chain.order] = shares[:-1]
    return values


def _second_set(chain: Chain) -> Set | None:
    """Return a set that suffices too and shares no region with the first one of the order, where there is one."""
    shown, hidden = chain.share(chain.shown), chain.share(chain.hidden)
    enough = (shown >= chain.enough).nonzero()
    if not len(enough) or float(hidden[int(enough[0])]) < chain.enough or not chain.ask.affords(1):
        return None
    begin = int(enough[0])
    gone = (hidden <= 1 - chain.enough).nonzero()
    end = int(gone[0]) if len(gone) else len(chain.order)
    second = torch.zeros(len(chain.areas), dtype=torch.bool)
    second[chain.order[begin:end]] = True
    return second if float(chain.share(list(chain.ask(second[None])))[0]) >= chain.enough else None


def _findings(probe: Probe, target: Target, chain: Chain, second: Set | None) -> list[str]:
    """Say which sets suffice and which are needed, or why there is nothing to find."""
    name = named(probe, target)
    shown, hidden = chain.share(chain.shown), chain.share(chain.hidden)
    whole = float(chain.worth(chain.whole[None])[0])
    doubts = _no_answer(name, whole, nothing=float(shown[0]))
    if not doubts and float(torch.cat([shown - shown[0], hidden - 1]).abs().max()) < _TINY:
        doubts = [f"No region changes {name} by more than {_TINY:.0%}, shown or hidden: the map means nothing."]
    if doubts:
        return doubts
    kept = name if isinstance(target, Information) else f"the probability of {name}"
    sentences = []
    if chain.sufficient is not None:
        share = chain.sufficient[0] / float(chain.areas.sum())
        sentences.append(
            f"{share:.0%} of the image alone keeps {chain.enough:.0%} or more of {kept} ({_count(chain.sufficient[1])})."
        )
    else:
        sentences.append(
            f"No set of regions that was tried keeps {chain.enough:.0%} of {kept} alone; at best {float(shown.max()):.0%}."
        )
    if chain.necessary is not None:
        share = chain.necessary[0] / float(chain.areas.sum())
        sentences.append(
            f"With {share:.0%} of the image hidden ({_count(chain.necessary[1])}), {1 - chain.enough:.0%} or less of {kept} is left."
        )
    if second is not None:
        area = float(chain.areas[second].sum() / chain.areas.sum())
        sentences.append(
            f"Two parts without a common pixel suffice for {name}, each alone; the second is {area:.0%} of the image."
        )
    return sentences


def _no_answer(name: str, whole: float, nothing: float) -> list[str]:
    """Say why there is nothing to explain: the in-fill alone gives as much, or the classifier gives next to nothing."""
    if nothing >= 1:
        answers = f"{nothing * whole:.2g}, no less than the image ({whole:.2g})"
        return [
            f"The in-fill alone gives {name} {answers}: no part is needed for it. Try another in-fill, or a contrast."
        ]
    if whole < _TINY:
        return [
            f"The classifier gives {name} {whole:.2g}: there is next to nothing to explain. Ask for the predicted class, or a contrast."
        ]
    return []


def _count(some: Set) -> str:
    """Write the number of regions."""
    number = int(some.sum())
    return "1 region" if number == 1 else f"{number} regions"
