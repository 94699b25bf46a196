"""How far the maps of several in-fills agree, and the folder that says so."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool
from safetensors.numpy import save as write_tensors

from seewhy.core.attribution import Map
from seewhy.explaining.explanation import Explanation, read_explanation
from seewhy.results.codec import JsonObject, json_bytes, to_json
from seewhy.results.command import compare_infills_command
from seewhy.results.folder import read_record, read_tensors, write_files
from seewhy.results.infill_comparison import FILE, InfillComparisonRecord

_TENSORS = "disagreement.safetensors"
_SPREAD, _CONFLICT = "disagreement/", "sign_conflict/"


@dataclass(frozen=True, eq=False)
class InfillComparison:
    """How far the maps of several in-fills agree.

    Args:
        explanations: in-fill → its explanation; all were asked about the same windows.
        disagreement: target → how far the in-fills are apart at each pixel, ``(h, w)`` from 0; see
            `seewhy.explaining.diagnostics.agreement.disagreement`.
        sign_conflict: target → where one in-fill says *supports* and another *opposes*, ``(h, w)``; not for the information.
            See `seewhy.explaining.diagnostics.agreement.sign_conflict`.
        record: all that is written to ``comparison.json``.
    """

    explanations: Mapping[str, Explanation]
    disagreement: Mapping[str, Map]
    sign_conflict: Mapping[str, Bool[np.ndarray, "h w"]]
    record: InfillComparisonRecord

    @property
    def correlation(self) -> dict[str, float | None]:
        """Target → the mean rank correlation over all pairs of in-fills; None where a map has one value everywhere."""
        return {target.key: target.correlation for target in self.record.targets}

    def overview(self) -> bytes:
        """Draw the maps of all in-fills, where they disagree, and the correlations; PNG."""
        from seewhy.plots.comparison import comparison_png  # noqa: PLC0415 - matplotlib is loaded when something is drawn

        data = [explanation.report_data() for explanation in self.explanations.values()]
        return comparison_png(self.record, data, self.disagreement, self.sign_conflict)

    def save(self, folder: str | Path) -> Path:
        """Write the comparison's folder, with a folder for each in-fill's explanation in it, over an earlier one.

        Raises:
            RequestError: the folder cannot be written.
        """
        for name, explanation in self.explanations.items():
            explanation.save(Path(folder) / name)
        spread = {_SPREAD + key: values for key, values in self.disagreement.items()}
        conflict = {_CONFLICT + key: values for key, values in self.sign_conflict.items()}
        files = {
            _TENSORS: write_tensors({**spread, **conflict}),
            "comparison.png": self.overview(),
            FILE: json_bytes(self.to_json()),
        }
        return write_files(Path(folder), files)

    def to_json(self) -> JsonObject:
        """Return the record as plain data, with the command that repeats the comparison."""
        return {**to_json(self.record), "command": compare_infills_command(self.record)}


def read_comparison(folder: Path) -> InfillComparison:
    """Read a comparison's folder back, with the explanations in it."""
    record = read_record(InfillComparisonRecord, folder / FILE)
    tensors = read_tensors(folder / _TENSORS)
    spread, conflict = (
        {target.key: tensors[kind + target.key] for target in record.targets if kind + target.key in tensors}
        for kind in (_SPREAD, _CONFLICT)
    )
    explanations = {infill.name: read_explanation(folder / infill.name) for infill in record.infills}
    return InfillComparison(explanations, spread, conflict, record)
