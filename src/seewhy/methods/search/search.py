"""Search: the best order of an image's regions, and the evidence that each adds to those before it."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.core.access import Access
from seewhy.core.attribution import SHARE, Attribution, Map
from seewhy.core.errors import RequestError
from seewhy.core.probe import Probe
from seewhy.core.target import Target
from seewhy.images.partition_tree import Labels
from seewhy.images.regions import Shape, read_regions, split
from seewhy.methods._shared import at_least
from seewhy.methods.search._chain import Asker, Chain, worth_of
from seewhy.methods.search._results import Found, found

Explain = Callable[[str, Probe, Sequence[Target]], Attribution]
"""Runs another method, given its Spec."""

_SURE = 4
"""In-fills drawn for each set by default where a random in-fill is all that varies, because the classifier gives labels only."""

_EXPECTED = 0.8
"""Share of the longest possible search that one is expected to take."""


def search(
    probe: Probe,
    targets: Sequence[Target],
    explain: Explain,
    *,
    regions: int | str = 50,
    shape: Shape = "tree",
    first: str = "additive",
    queries: int = 300,
    window: int = 8,
    enough: float = 0.97,
    samples: int | None = None,
) -> Attribution:
    """Find the best order of the image's regions, shown one after the other and hidden one after the other.

    The point-wise mutual information of a set of regions is a sum over its regions, each given those before it (the
    chain rule): ``log p(y|x) - log p(y|nothing) = Σ_t log p(y|S_t) - log p(y|S_{t-1})``, with the in-fill for what is not
    shown. In each step the region is chosen that gives the most of ``p(S + r) + 1 - p(image without S + r)`` (greedy search:
    Chen et al., ICLR 2024, arXiv 2402.09164). Only the next few regions in the order of a cheap first map are tried (MDA,
    ICLR 2025), and the search ends once enough is shown and enough is hidden; the other regions follow in the first map's
    order. A search finds *one* good order where several exist, and what it optimises is nearly what deletion and insertion
    measure, so compare it with other methods by other metrics too.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together.
        targets: each is searched for on its own: a class by its probability ``p``, a contrast by the share of its first class
            in the probability of the two, the information by ``exp(-KL(p(.|x) || p))``.
        explain: runs the method of the first map.
        regions: approximate number of regions, 2 or more; or the path of an image in which each colour is a region, of the
            size of the explained image or of the classifier's view.
        shape: parts of a ``tree`` grown from the picture, ``slic`` superpixels (needs scikit-image), or cells of a ``grid``.
        first: Spec of the method whose map orders the regions at first, with ``;`` between its settings.
        queries: the most queries of that method, 2 or more; a third of the budget at most.
        window: regions tried in each step, 1 or more; reduced if the budget is too small for it.
        enough: share of the target that suffices, above 0.5 and below 1: the search ends once regions that keep it alone are
            shown, and once at most the rest of it is left without them.
        samples: in-fills drawn for each set, the same ones for all sets, 1 or more; auto: 1, and 4 where the classifier gives
            labels only and the in-fill is random, so that a set scores the fraction of them that keeps the label.

    Returns:
        Maps of the share of the evidence that was still missing when a pixel's region was shown, 0 to 1: the mean of what was
        missing of the target from the regions shown before and of what was left without them, squared. Regions that share a
        value differ by a thousandth of the range, in their order; so do the pixels of a region, in the order of the first map.
        ``regions`` holds the regions that were chosen, in order, with the evidence of each in nats; ``outlines`` the smallest
        sufficient and the smallest necessary set of regions that were met; ``traces`` what was shown and what was hidden so far.

    Raises:
        RequestError: a setting is out of range, the regions cannot be read, scikit-image is missing for ``slic``, the first
            method cannot be run, or the budget is too small.

    Cost: 1 query, up to ``queries`` for the first map, and for each target ``1 + Σ_t 2 min(window, regions - t)`` at most, times
    ``samples``; about three quarters of that where the search ends early.
    """
    at_least(queries=(queries, 2), window=(window, 1), samples=(1 if samples is None else samples, 1))
    check_enough(enough)
    labels = regions_of(probe, regions, shape)
    count, drawn = int(labels.max()) + 1, draws(probe, samples)
    each = drawn * longest(count, window)
    limit = probe.affordable(
        1 + queries + len(targets) * each, smallest=2 + 3 * drawn * len(targets), hint="another method"
    )
    begin = min(queries, max(2, (limit - 1) // 3))
    try:
        with probe.limited(1 + begin, share=1 / 3):
            maps = explain(first, probe, targets)
    except RequestError as problem:
        raise RequestError(f"expected a first map from {first}: {problem}") from problem
    room = (limit - probe.queries.forward_images) // len(targets)
    probe.plan(limit)
    width = fitting(window, count, room // drawn)
    chains = [
        chain_of(
            probe,
            target,
            labels,
            maps.values[target.key],
            Asker(probe, labels, drawn, room),
            window=width,
            enough=enough,
        )
        for target in targets
    ]
    results = [found(probe, *each, labels, maps.values[each[0].key]) for each in zip(targets, chains, strict=True)]
    settings = {"regions": regions, "shape": shape, "first": first, "queries": begin, "window": width}
    return together(results, labels, {**settings, "enough": enough, "samples": drawn}, maps.stopped_because)


def together(results: Sequence[Found], labels: Labels, settings: dict[str, object], first: str) -> Attribution:
    """Put the results of several targets into one; ``first`` is why the method of the first map ended."""
    stopped = next((each.stopped for each in results if each.stopped), "seconds" if first == "seconds" else "complete")
    return Attribution(
        {each.key: each.values for each in results},
        {},
        SHARE,
        settings,
        stopped,
        findings=tuple(text for each in results for text in each.findings),
        traces={f"{each.key}/{name}": curve for each in results for name, curve in each.curves.items()},
        outlines={f"{each.key}/{name}": where for each in results for name, where in each.outlines.items()},
        regions=tuple(region for each in results for region in each.regions),
        region_map=labels.cpu().numpy(),
    )


def check_enough(enough: float) -> None:
    """Reject a share that does not separate enough from too little."""
    if not 0.5 < enough < 1:
        raise RequestError(f"expected enough between 0.5 and 1, got {enough}; leave it out for the default")


def regions_of(probe: Probe, regions: int | str, shape: Shape) -> Labels:
    """Split the image, or read regions that a user drew."""
    if isinstance(regions, str):
        drawn = read_regions(regions, probe.frame or probe.classifier.view)
        if drawn.shape != probe.size:
            expected, got = (f"{width} x {height}" for height, width in (probe.size, drawn.shape))
            raise RequestError(f"expected regions of {expected} pixels, as the image, got {got} in {regions}")
        return drawn.to(probe.image.device)
    at_least(regions=(regions, 2))
    return split(probe.image, regions, shape)


def draws(probe: Probe, samples: int | None) -> int:
    """Return the number of in-fills drawn for each set."""
    usual = _SURE if probe.classifier.access == Access.LABEL else 1
    return (samples or usual) if probe.infill.stochastic else 1


def longest(count: int, window: int) -> int:
    """Return the most sets of regions that a search asks about: nothing, two for each region tried, and one at the end."""
    return 2 + sum(2 * min(window, left) for left in range(1, count + 1))


def fitting(window: int, count: int, sets: int) -> int:
    """Return the largest window with which a search is expected to end within a number of sets."""
    return next((width for width in range(window, 1, -1) if _EXPECTED * longest(count, width) <= sets), 1)


def chain_of(
    probe: Probe, target: Target, labels: Labels, first: Map, ask: Asker, *, window: int, enough: float
) -> Chain:
    """Search for the order of regions for one target, given the first map."""
    areas, means = region_means(labels, first)
    ranked = sorted(range(len(areas)), key=lambda region: -means[region])
    whole = probe.prediction.cpu()
    return Chain(ask, worth_of(target, whole), window, enough, areas, whole).run(ranked)


def region_means(labels: Labels, values: Map) -> tuple[Float[Tensor, " r"], list[float]]:
    """Return the area of each region in pixels, and the mean of a map over it."""
    if not np.isfinite(values).all():
        raise RequestError(
            "expected a finite first map, got NaN or infinity; choose another method as first, or more queries"
        )
    flat = labels.flatten().cpu()
    areas = torch.bincount(flat).double()
    sums = torch.zeros_like(areas).index_add_(0, flat, torch.from_numpy(values).double().flatten())
    return areas, (sums / areas).tolist()
