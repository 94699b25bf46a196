"""The answer of a comparison, and the folder it is kept in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool
from safetensors.numpy import save as write_tensors

from seewhy.core.maps import Map
from seewhy.draw import words
from seewhy.draw.comparison import Section, comparison_png
from seewhy.draw.scene import Scene
from seewhy.runs.explanation import Explanation, as_record, write_files
from seewhy.runs.scene import scene

SCHEMA_VERSION = 1
RECORD = "comparison.json"


@dataclass(frozen=True, eq=False)
class Comparison:
    """How far the maps of several in-fills agree.

    Args:
        explanations: in-fill → its explanation; all were asked about the same windows.
        disagreement: target → how far the in-fills are apart about each pixel, ``(h, w)`` from 0 on; see
            `seewhy.runs.agreement.disagreement`.
        sign_conflict: target → where one in-fill says *supports* and another *opposes*, ``(h, w)``; not for the information.
            See `seewhy.runs.agreement.sign_conflict`.
        manifest: all that is written to ``comparison.json``.
    """

    explanations: Mapping[str, Explanation]
    disagreement: Mapping[str, Map]
    sign_conflict: Mapping[str, Bool[np.ndarray, "h w"]]
    manifest: Mapping[str, Any]

    @property
    def correlation(self) -> dict[str, float | None]:
        """Target → the mean rank correlation over all pairs of in-fills; None where a map has one value everywhere."""
        return {target["key"]: target["correlation"] for target in self.manifest["targets"]}

    def overview(self) -> bytes:
        """Draw the maps of all in-fills, where they disagree, and the correlations; PNG."""
        scenes = [scene(e.maps, e.stderr, e.manifest, e.frame, e.evidence) for e in self.explanations.values()]
        titles = [f"{number} {infill['title']}" for number, infill in enumerate(self.manifest["infills"], 1)]
        sections = [self._section(target, scenes, titles) for target in self.manifest["targets"]]
        return comparison_png(scenes[0].picture, scenes[0].frame, sections, self.manifest)

    def _section(self, target: Mapping[str, Any], scenes: Sequence[Scene], titles: Sequence[str]) -> Section:
        """One target for drawing; panels carry the in-fills' names."""
        key = target["key"]
        panels = [next(panel for panel in each.panels if panel.key == key) for each in scenes]
        nothing = np.zeros_like(self.disagreement[key], dtype=bool)
        return Section(
            title=f"{target['label']}: mean rank correlation {words.correlation(target['correlation'])}",
            verdict=f"{target['words'][:1].upper()}{target['words'][1:]}.",
            panels=tuple(replace(panel, title=title, subtitle="") for panel, title in zip(panels, titles, strict=True)),
            disagreement=self.disagreement[key],
            conflict=self.sign_conflict.get(key, nothing),
            correlations=target["correlations"],
            reliability=target["reliability"],
        )

    def save(self, folder: str | Path) -> Path:
        """Write the comparison's folder, with a folder for each in-fill's explanation in it; the record last.

        Args:
            folder: made if it is missing; the files of an earlier comparison in it are replaced.

        Returns:
            The folder.

        Raises:
            RequestError: the folder cannot be written.
        """
        for name, explanation in self.explanations.items():
            explanation.save(Path(folder) / name)
        spread = {f"disagreement/{key}": values for key, values in self.disagreement.items()}
        conflict = {f"sign_conflict/{key}": values for key, values in self.sign_conflict.items()}
        files = {
            "disagreement.safetensors": write_tensors({**spread, **conflict}),
            "comparison.png": self.overview(),
            RECORD: as_record(self.manifest),
        }
        return write_files(Path(folder), files)
