"""The smallest regions behind a saved map: what suffices for the prediction, and what it cannot do without."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from seewhy import registry
from seewhy.core.budget import Budget
from seewhy.core.classifier import Classifier
from seewhy.core.context import plain_torch
from seewhy.core.errors import RequestError
from seewhy.core.probe import Probe
from seewhy.core.target import ClassEvidence, Target
from seewhy.explaining.announcement import announce
from seewhy.explaining.explanation import Explanation
from seewhy.explaining.progress import ProgressLike, showing
from seewhy.explaining.rehearsal import rehearsing, until_first_query
from seewhy.explaining.reopen import reopen
from seewhy.explaining.targets import TargetLike, default_targets, parse_targets
from seewhy.methods.search.minimal_region import minimal_region_of, most_queries
from seewhy.registry import ClassifierLike
from seewhy.results.codec import as_settings, json_bytes
from seewhy.results.folder import write_files
from seewhy.results.region import FILE, RegionRecord


@dataclass(frozen=True, eq=False)
class RegionReport:
    """The smallest regions behind a saved map.

    Args:
        explanation: the explanation, with the regions as outlines.
        record: all that is written to ``region.json``.
    """

    explanation: Explanation
    record: RegionRecord

    def save(self, folder: str | Path) -> Path:
        """Write ``region.png`` and ``region.json`` into the explanation's folder, beside its own files.

        Raises:
            RequestError: the folder cannot be written.
        """
        return write_files(Path(folder), {"region.png": self.explanation.overview(), FILE: json_bytes(self.record)})


@plain_torch()
def region(
    classifier: ClassifierLike | None,
    explanation: Explanation | str | Path,
    targets: TargetLike | Sequence[TargetLike] | None = None,
    *,
    infill: str = "gray",
    budget: int | None = None,
    tile: int = 16,
    samples: int | None = None,
    seed: int = 0,
    batch_size: int = 4,
    trust: bool = True,
    device: str | None = None,
    progress: ProgressLike = False,
) -> RegionReport:
    """Find the smallest sufficient and the smallest necessary region in the order of a saved map.

    See `seewhy.methods.search.minimal_region.minimal_region`.

    Args:
        classifier: the one that was explained, run unchanged; None: opened as the record says.
        explanation: from `seewhy.explain` or `seewhy.load`, or its folder.
        targets: targets of its maps; None: the predicted class.
        infill: Spec of what stands where something is removed; the regions are large, so it must fill holes of any shape.
        budget: queries at most.
        tile: side of the tiles that are left out, pixels.
        samples: in-fills per question; None: 1 where the in-fill is deterministic, else 3.
        seed: seed of the in-fills.
        batch_size: images per call.
        trust: allow Specs that run code from a file.
        device: where torch computes; None: where the classifier is.
        progress: True shows a bar on stderr; or a function that is called with (queries done, queries planned).

    Raises:
        RequestError: the classifier is another one, there is no map of a target, or the budget is too small.

    Cost: 22 queries per target, and at most two for each tile.
    """
    opened = reopen(explanation, classifier, trust=trust, device=device)
    saved, original = opened.explanation, opened.classifier
    spec, filler = registry.infill(infill, original, trust=trust)
    chosen = None if targets is None else _parsed(targets, original, saved)
    limits, likely = Budget(budget), ClassEvidence(0)  # any target will do for the checks
    maps_of = {likely.key: next(iter(saved.maps.values())), **saved.maps}
    trial = rehearsing(original, filler, opened.image, budget=limits)
    until_first_query(lambda: minimal_region_of(trial, chosen or [likely], maps_of, tile=tile, samples=samples))
    drawn = (samples or 3) if filler.stochastic else 1
    most = len(chosen or [likely]) * most_queries(trial.size, tile, drawn)
    announce("region", opened.image, queries=min(budget or most, most), pace=opened.pace, batch=batch_size)
    with showing(progress, "region") as tick:
        probe = Probe(original, filler, opened.image, seed=seed, budget=limits, batch_size=batch_size, progress=tick)
        maps = minimal_region_of(probe, chosen or _predicted(probe, saved), saved.maps, tile=tile, samples=samples)
    record = RegionRecord(
        findings=tuple(maps.findings),
        areas={name: float(where.mean()) for name, where in maps.outlines.items()},
        traces={name: tuple(steps) for name, steps in maps.traces.items()},
        infill=str(spec),
        settings=as_settings(maps.settings),
        seed=seed,
        queries=probe.queries,
        stopped_because=maps.stopped_because,
    )
    return RegionReport(replace(saved, outlines=maps.outlines), record)


def _parsed(
    targets: TargetLike | Sequence[TargetLike], classifier: Classifier, explanation: Explanation
) -> tuple[Target, ...]:
    """Read the targets, and make sure that each has a map."""
    chosen = parse_targets(targets, classifier.labels, information=False)
    _check_maps(chosen, explanation)
    return chosen


def _predicted(probe: Probe, explanation: Explanation) -> tuple[Target, ...]:
    """Return the predicted class as the target."""
    chosen = default_targets(probe.prediction, information=False, classes=1)
    _check_maps(chosen, explanation)
    return chosen


def _check_maps(targets: Sequence[Target], explanation: Explanation) -> None:
    """Refuse a target without a map."""
    for target in targets:
        if target.key not in explanation.maps:
            raise RequestError(
                f"expected a target with a map, got {target.key}; there are {', '.join(explanation.maps)}"
            )
