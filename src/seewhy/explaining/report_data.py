"""Arrange an explanation for drawing: panels in reading order, with titles."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from jaxtyping import Float, UInt8

from seewhy.core.attribution import BoolMap, GeneratedPixels, Map
from seewhy.results.record import ClassProbability, Record, TargetInfo
from seewhy.results.report_data import INTENSITY, ImagePanel, MapPanel, ReportData, SampleTable
from seewhy.results.samples import QuerySamples


def report_data(
    maps: Mapping[str, Map],
    stderr: Mapping[str, Map],
    record: Record,
    samples: QuerySamples,
    *,
    outlines: Mapping[str, BoolMap] = MappingProxyType({}),
    generated: Mapping[str, GeneratedPixels] = MappingProxyType({}),
) -> ReportData:
    """Arrange an explanation for drawing.

    Args:
        maps: target → map.
        stderr: target → standard errors, for the targets that have them.
        record: record of the explanation.
        samples: the image and some of the queries.
        outlines: ``TARGET/NAME`` → a region to draw on the target's map.
        generated: name → an image that the method made.
    """
    panels = tuple(
        MapPanel(
            key=target.key,
            title=target.label,
            subtitle=_subtitle(target, record.unit),
            values=maps[target.key],
            stderr=stderr.get(target.key),
            diverging=target.kind == "contrast" or (record.method.signed and target.kind != "information"),
            unit=record.unit,
            outlines=_outlines(target.key, outlines),
        )
        for target in record.targets
    )
    shown = replace(record.frame, picture=samples.photo.shape[:2], box=_box(record, samples))
    images = _images(record, samples, generated) if generated else ()
    return ReportData(samples.photo, shown, panels, record, _sample_table(record, samples), images)


def _box(record: Record, samples: QuerySamples) -> tuple[float, float, float, float]:
    """Bring the box that the classifier saw to the size of the photo that is shown."""
    down, across = (
        side / whole
        for side, whole in zip(samples.photo.shape[:2], (record.image.height, record.image.width), strict=True)
    )
    left, top, right, bottom = record.view.box
    return left * across, top * down, right * across, bottom * down


def _subtitle(target: TargetInfo, unit: str) -> str:
    """Say what the map is about, under its title."""
    if target.probability is not None:
        return f"p = {target.probability:.3f}"
    if target.kind == "information":
        return "any class"
    return "what changes" if unit == INTENSITY else "difference of evidence"


def _outlines(key: str, outlines: Mapping[str, BoolMap]) -> dict[str, BoolMap]:
    """Return the regions of one target, by their own names."""
    return {name.removeprefix(f"{key}/"): where for name, where in outlines.items() if name.startswith(f"{key}/")}


def _images(record: Record, samples: QuerySamples, generated: Mapping[str, GeneratedPixels]) -> tuple[ImagePanel, ...]:
    """Return the image as the classifier sees it, then those that the method made."""
    first = record.predicted[0]
    own = ImagePanel("input", _pixels(samples.image), first, None, record.generated.input)
    return own, *(
        ImagePanel(
            each.name,
            _pixels(generated[each.name]),
            each.predicted,
            _flipped(each.predicted, first),
            each.probabilities,
        )
        for each in record.generated.images
    )


def _flipped(predicted: ClassProbability, first: ClassProbability) -> bool:
    """Whether a generated image is given another class than the image itself."""
    return predicted.index != first.index


def _pixels(image: Float[np.ndarray, "3 h w"]) -> UInt8[np.ndarray, "h w 3"]:
    """Bring an image in [0, 1] to 8 bits."""
    return np.ascontiguousarray((image.transpose(1, 2, 0) * 255).round().astype(np.uint8))


def _sample_table(record: Record, samples: QuerySamples) -> SampleTable | None:
    """Put the hidden patch, the in-fills and the answers of each sampled window side by side."""
    seen = samples.sampled
    if seen is None or samples.patches is None:
        return None
    pixels = _pixels(samples.image)
    cuts = [pixels[top : top + seen.size, left : left + seen.size] for top, left in seen.positions.tolist()]
    return SampleTable(
        size=seen.size,
        positions=seen.positions,
        patches=samples.patches,
        originals=np.stack(cuts),
        probabilities=seen.probabilities,
        labels=tuple(each.label for each in record.sampled),
        baseline=np.array([each.probability for each in record.sampled], np.float32),
    )
