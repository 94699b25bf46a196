"""The report: one HTML file that opens from disk, needs no network, and lets a reader check the maps.

The maps are embedded as numbers rather than as images, so that the pointer finds values. Their colours come from the same
table as those of the overview.
"""

import io
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from PIL import Image

from seewhy.core.view import Frame
from seewhy.pages._borders import Segment, borders
from seewhy.pages._embed import Packed, base64_text, jpeg_uri, pack, packed_size, sprite_columns, thin
from seewhy.pages._environment import render
from seewhy.plots.outlines import COLOURS, label
from seewhy.plots.overview import overview_png
from seewhy.plots.scales import Scale, distinct, scales_of
from seewhy.results import wording
from seewhy.results.command import explain_command
from seewhy.results.recipe import recipe
from seewhy.results.record import Record
from seewhy.results.report_data import MapPanel, ReportData, SampleTable

_SMALL = 160
"""Photos of at most this many pixels per side are shown with square pixels."""


def report_html(data: ReportData, overview: bytes | None = None) -> str:
    """Return the report as a complete HTML document without a reference to anything outside it.

    Args:
        data: everything that the report shows.
        overview: the PNG file of `overview_png`, for readers without scripts; None: it is drawn.
    """
    record = data.record
    warnings, notes = wording.notices(record)
    samples = _shown_samples(data)
    return render(
        "report.html",
        data=data,
        record=record,
        headline=wording.headline(record),
        footer=wording.footer(record),
        warnings=warnings,
        notes=notes,
        overview=_overview(overview_png(data) if overview is None else overview),
        stage=_stage(data),
        legends=[_legend(scale) for scale in _scales(data)],
        has_samples=samples is not None,
        sample_count=0 if samples is None else samples.patches.shape[1],
        meaning=_meaning(record),
        titles={panel.key: panel.title for panel in data.maps},
        reading=wording.reading(data.maps),
        command=explain_command(record),
        recipe=recipe(record),
        script_data=_script_data(data),
    )


@dataclass(frozen=True)
class _Stage:
    """How the photo is shown.

    Args:
        aspect: width over height.
        seen: the place of the classifier's view on the photo, as CSS.
        small: whether its pixels are shown as squares.
    """

    aspect: str
    seen: str
    small: bool


@dataclass(frozen=True)
class _Legend:
    """A colour bar.

    Args:
        title: name and unit of the scale.
        statement: its limits.
        stops: its colours, as CSS.
        ends: the meaning of both ends; empty for an unsigned scale.
        ticks: position, 0 to 1, and text of each tick.
    """

    title: str
    statement: str
    stops: str
    ends: tuple[str, ...]
    ticks: tuple[tuple[float, str], ...]


def _overview(overview: bytes) -> str:
    """Return the overview as a data URI, for readers without scripts."""
    image = Image.open(io.BytesIO(overview)).convert("RGB")
    image.thumbnail((1400, 1400))
    return jpeg_uri(image, quality=80)


def _meaning(record: Record) -> str:
    """Return the conclusion of the faithfulness check, which is the first finding where there was a check."""
    diagnostics = record.diagnostics
    return diagnostics.findings[0] if diagnostics.faithfulness is not None and diagnostics.findings else ""


def _scales(data: ReportData) -> list[Scale]:
    """Return the scales in the order in which the page numbers them."""
    return distinct(scales_of(data.maps).values())


def _shown_samples(data: ReportData) -> SampleTable | None:
    """Return the sampled queries, or None where there are none to show."""
    return data.samples if data.samples is not None and len(data.samples.positions) else None


def _stage(data: ReportData) -> _Stage:
    """Place the classifier's view on the photo."""
    height, width = data.photo.shape[:2]
    left, top, right, bottom = data.frame.box
    sides = {
        "left": left / width,
        "top": top / height,
        "width": (right - left) / width,
        "height": (bottom - top) / height,
    }
    seen = ";".join(f"{side}:{share:.4%}" for side, share in sides.items())
    return _Stage(f"{width / height:.6g}", seen, small=max(height, width) <= _SMALL)


def _legend(scale: Scale) -> _Legend:
    """Describe a colour bar."""
    title = f"{scale.name} ({scale.unit})" if scale.unit else scale.name
    stops = ", ".join(f"rgb({red} {green} {blue})" for red, green, blue in scale.bar(65).tolist())
    ticks = tuple(((value - scale.low) / (scale.high - scale.low), text) for value, text in scale.ticks())
    return _Legend(title[:1].upper() + title[1:], scale.statement, stops, scale.ends or (), ticks)


class _FrameData(TypedDict):
    """Sizes in pixels, and the box of the view on the photo; `grid` is the size of the embedded maps."""

    box: tuple[float, float, float, float]
    size: tuple[int, int]
    grid: tuple[int, int]
    photo: tuple[int, int]


class _ScaleData(TypedDict):
    """A scale with its colour table."""

    low: float
    high: float
    colours: str


class _OutlineData(TypedDict):
    """A region as the lines around it."""

    label: str
    colour: str
    lines: list[Segment]


class _MapData(TypedDict):
    """A map as numbers; `scale` is an index into the scales."""

    key: str
    title: str
    unit: str
    diverging: bool
    scale: int
    values: Packed
    stderr: Packed | None
    outlines: list[_OutlineData]


class _SamplesData(TypedDict):
    """The windows and the classifier's answers; their pixels are in the sprite."""

    size: int
    columns: int
    positions: list[list[int]]
    labels: tuple[str, ...]
    baseline: list[float]
    probabilities: list[list[list[float]]]


class _ScriptData(TypedDict):
    """Everything that the script of the page needs."""

    frame: _FrameData
    scales: list[_ScaleData]
    maps: list[_MapData]
    samples: _SamplesData | None


def _script_data(data: ReportData) -> _ScriptData:
    """Collect what the script of the page needs."""
    scales, shared, samples = _scales(data), scales_of(data.maps), _shown_samples(data)
    return {
        "frame": _frame_data(data.frame, (data.photo.shape[0], data.photo.shape[1])),
        "scales": [{"low": each.low, "high": each.high, "colours": base64_text(each.colours)} for each in scales],
        "maps": [_map_data(panel, scales.index(shared[panel.key])) for panel in data.maps],
        "samples": None if samples is None else _samples_data(samples),
    }


def _frame_data(frame: Frame, photo: tuple[int, int]) -> _FrameData:
    """Describe where the maps lie on the photo."""
    return {"box": frame.box, "size": frame.size, "grid": packed_size(frame.size), "photo": photo}


def _map_data(panel: MapPanel, scale: int) -> _MapData:
    """Encode a map."""
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


def _samples_data(samples: SampleTable) -> _SamplesData:
    """Encode the positions and answers of the sampled queries."""
    return {
        "size": samples.size,
        "columns": sprite_columns(samples),
        "positions": samples.positions.tolist(),
        "labels": samples.labels,
        "baseline": np.round(samples.baseline.astype(np.float64), 6).tolist(),
        "probabilities": np.round(samples.probabilities.astype(np.float64), 6).tolist(),
    }
