"""The smallest regions behind any saved map: what alone keeps the answer, and what the answer cannot do without."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from seewhy import registry
from seewhy.core.budget import Budget
from seewhy.core.errors import RequestError
from seewhy.core.probe import Probe, Progress, no_progress
from seewhy.methods.minimal_region import minimal_region_of
from seewhy.runs.explanation import SCHEMA_VERSION, Explanation, as_record, write_files
from seewhy.runs.manifest import Facts
from seewhy.runs.targets import Asked, read_targets

RECORD = "region.json"


@dataclass(frozen=True, eq=False)
class RegionReport:
    """What was found.

    Args:
        explanation: the explanation with the regions as outlines.
        record: all that is written to ``region.json``.
    """

    explanation: Explanation
    record: Facts

    def save(self, folder: str | Path) -> Path:
        """Write ``region.png`` and ``region.json`` into the explanation's folder, beside its own files.

        Raises:
            RequestError: the folder cannot be written.
        """
        return write_files(Path(folder), {"region.png": self.explanation.overview(), RECORD: as_record(self.record)})


def region(
    classifier: object,
    explanation: Explanation,
    targets: Sequence[Asked] | None = None,
    *,
    infill: str = "gray",
    budget: int | None = None,
    tile: int = 16,
    samples: int | None = None,
    seed: int = 0,
    batch_size: int = 4,
    trust: bool = True,
    progress: Progress = no_progress,
) -> RegionReport:
    """Find the smallest regions in the order of a saved map; see `seewhy.methods.minimal_region.minimal_region`.

    Args:
        classifier: the one that was explained; it is run as it came.
        explanation: from `seewhy.explain` or `seewhy.load`.
        targets: of its maps; None: the likeliest class.
        infill: Spec of what stands where something is removed; the regions are large, so it must fill holes of any shape.
        budget: queries at most.
        tile: side of the tiles that are left out, pixels.
        samples: in-fills a question; None: 1 where the in-fill is the same every time, else 3.
        seed: of the in-fills.
        batch_size: pictures shown at once.
        trust: allow Specs that run code from a file.
        progress: called with (queries done, queries planned).

    Raises:
        RequestError: the classifier is another one, there is no map of a target, or the budget is too small.

    Cost: 22 queries a target, and at most two for each tile.
    """
    said = explanation.manifest
    asked = registry.classifier(classifier, trust=trust)
    if asked.fingerprint != said["classifier"]["fingerprint"]:
        raise RequestError(
            f"expected the classifier that was explained, {said['classifier']['spec']}, got {asked.name} with another "
            "fingerprint; give the same weights and settings, or explain again"
        )
    spec, filler = registry.infill(infill, asked, trust=trust)
    image = torch.from_numpy(explanation.evidence.image)
    probe = Probe(asked, filler, image, seed=seed, budget=Budget(budget), batch_size=batch_size, progress=progress)
    chosen = read_targets(targets, probe.prediction, asked.labels, information=False, classes=1)
    for target in chosen:
        if target.key not in explanation.maps:
            raise RequestError(
                f"expected a target with a map, got {target.key}; there are {', '.join(explanation.maps)}"
            )
    maps = minimal_region_of(probe, chosen, explanation.maps, tile=tile, samples=samples)
    record = {
        "schema_version": SCHEMA_VERSION,
        "findings": list(maps.findings),
        "areas": {name: float(where.mean()) for name, where in maps.outlines.items()},
        "traces": {name: list(steps) for name, steps in maps.traces.items()},
        "infill": str(spec),
        "settings": dict(maps.settings),
        "seed": seed,
        "queries": asdict(probe.queries),
        "stopped_because": maps.stopped_because,
    }
    return RegionReport(replace(explanation, outlines=maps.outlines), record)
