"""The report: one HTML file that opens from disk, needs no network, and lets a reader check the maps; and the notebook view.

The maps are embedded as numbers rather than as images, so that the pointer finds values. Their colours come from the same
table as those of the overview.
"""

from collections.abc import Sequence

import numpy as np

from seewhy.core.attribution import BoolMap
from seewhy.pages._embed import base64_text, pack, packed_size, png_as_jpeg_uri, sprite_columns, thin
from seewhy.pages._environment import render
from seewhy.plots.outlines import COLOURS, label
from seewhy.plots.overview import overview_png
from seewhy.plots.scales import Scale, scale_of
from seewhy.results import wording
from seewhy.results.codec import to_json
from seewhy.results.command import explain_command
from seewhy.results.recipe import recipe
from seewhy.results.record import Record
from seewhy.results.report_data import MapPanel, ReportData, SampleTable

Segment = tuple[int, int, int, int]
"""Row and column where a straight piece of a border begins, then where it ends; borders run between pixels."""


def report_html(data: ReportData, overview: bytes | None = None) -> str:
    """Return the report as a complete HTML document without a reference to anything outside it.

    Args:
        data: everything that the report shows.
        overview: the PNG file of `overview_png`, for readers without scripts; None: it is drawn.
    """
    record = data.record
    warnings, notes = wording.notices(record)
    scales = [scale_of(panel) for panel in data.maps]
    return render(
        "report.html",
        data=data,
        record=record,
        headline=wording.headline(record),
        footer=wording.footer(record),
        warnings=warnings,
        notes=notes,
        overview=png_as_jpeg_uri(overview_png(data) if overview is None else overview, widest=1400),
        scales=list(dict.fromkeys(scales)),
        has_samples=data.samples is not None,
        sample_count=0 if data.samples is None else data.samples.patches.shape[1],
        meaning=_meaning(record),
        titles={panel.key: panel.title for panel in data.maps},
        reading=wording.reading(data.maps),
        command=explain_command(record),
        recipe=recipe(record),
        script_data=to_json(_script_data(data, scales)),
    )


def notebook_html(overview: bytes, findings: Sequence[str]) -> str:
    """Return the overview, a PNG file, and the findings as a fragment of HTML, small enough to keep in a notebook."""
    return render("notebook.html", overview=png_as_jpeg_uri(overview, widest=1000), findings=findings)


def _meaning(record: Record) -> str:
    """Return the conclusion of the faithfulness check, which is the first finding where there was a check."""
    diagnostics = record.diagnostics
    return diagnostics.findings[0] if diagnostics.faithfulness is not None and diagnostics.findings else ""


def _script_data(data: ReportData, scales: Sequence[Scale]) -> dict[str, object]:
    """Collect what ``viewer.js`` needs, given the scale of each map.

    `grid` is the size of the embedded maps. A map's `scale` is an index of the page's scales, each of which it has once.
    """
    unique = list(dict.fromkeys(scales))
    return {
        "frame": {
            "box": data.frame.box,
            "size": data.frame.size,
            "grid": packed_size(data.frame.size),
            "photo": data.photo.shape[:2],
        },
        "scales": [{"low": each.low, "high": each.high, "colours": base64_text(each.colours)} for each in unique],
        "maps": [_map_data(panel, unique.index(scale)) for panel, scale in zip(data.maps, scales, strict=True)],
        "samples": None if data.samples is None else _samples_data(data.samples),
    }


def _map_data(panel: MapPanel, scale: int) -> dict[str, object]:
    """Encode a map and its outlines."""
    return {
        "key": panel.key,
        "title": panel.title,
        "unit": panel.unit,
        "diverging": panel.diverging,
        "scale": scale,
        "values": pack(thin(panel.values)),
        "stderr": None if panel.stderr is None else pack(thin(panel.stderr)),
        "outlines": [
            {"label": label(name, region), "colour": colour, "lines": borders(region)}
            for (name, region), colour in zip(panel.outlines.items(), COLOURS, strict=False)
        ],
    }


def _samples_data(samples: SampleTable) -> dict[str, object]:
    """Encode the positions and answers of the sampled queries; their pixels are in the sprite."""
    return {
        "size": samples.size,
        "columns": sprite_columns(samples),
        "positions": samples.positions.tolist(),
        "labels": samples.labels,
        "baseline": np.round(samples.baseline.astype(np.float64), 6).tolist(),
        "probabilities": np.round(samples.probabilities.astype(np.float64), 6).tolist(),
    }


def borders(region: BoolMap) -> list[Segment]:
    """Return the straight lines between the pixels of a region and the other pixels, including the edge of the map.

    Args:
        region: in the classifier's view.

    Example:
        >>> borders(np.array([[True]]))
        [(0, 0, 0, 1), (1, 0, 1, 1), (0, 0, 1, 0), (0, 1, 1, 1)]
    """
    across = [(row, start, row, stop) for row, start, stop in _runs(region)]
    down = [(start, column, stop, column) for column, start, stop in _runs(region.T)]
    return across + down


def _runs(region: BoolMap) -> list[tuple[int, int, int]]:
    """Find where a row of pixels differs from the one above it: the line, its first and its last column."""
    edge = np.diff(np.pad(region, ((1, 1), (0, 0))).astype(np.int8), axis=0) != 0
    ends = np.diff(np.pad(edge, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    lines, starts = np.nonzero(ends == 1)
    return list(zip(lines.tolist(), starts.tolist(), np.nonzero(ends == -1)[1].tolist(), strict=True))
