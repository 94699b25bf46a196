"""Everything that the overview and the report show, as plain values: drawing needs neither a classifier nor a method."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float, Float32, Int, UInt8

from seewhy.core.attribution import BoolMap, GeneratedPixels, Map
from seewhy.core.view import Frame
from seewhy.results.record import ClassProbability, Record, TargetInfo
from seewhy.results.samples import QuerySamples

Photo = UInt8[np.ndarray, "height width 3"]
"""RGB, 0 to 255."""

INTENSITY = "intensity"
"""The unit of maps that show how far a pixel changes, from 0 (black) to 1 (white)."""


@dataclass(frozen=True, eq=False)
class MapPanel:
    """One map and what a reader needs to know about it.

    Args:
        diverging: whether the values have a sign (for and against) or only a strength.
        outlines: name → a region in the classifier's view that is drawn as a line around it.
    """

    key: str
    title: str
    subtitle: str
    values: Float32[np.ndarray, "h w"]
    stderr: Float32[np.ndarray, "h w"] | None
    diverging: bool
    unit: str
    outlines: Mapping[str, BoolMap] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class SampleTable:
    """Some of the queries behind the maps, ready to be shown: window by window, sample by sample.

    Args:
        positions: top and left of each window in the view.
        labels: the names of the ``c`` classes.
        baseline: its answer to the full image.
    """

    size: int
    positions: Int[np.ndarray, "m 2"]
    patches: UInt8[np.ndarray, "m s side side 3"]
    originals: UInt8[np.ndarray, "m side side 3"]
    probabilities: Float[np.ndarray, "m s c"]
    labels: tuple[str, ...]
    baseline: Float[np.ndarray, " c"]


@dataclass(frozen=True, eq=False)
class ImagePanel:
    """An image as the classifier sees it: the one that was explained, or one that the method made.

    Args:
        name: ``input``, or as the method calls it.
        flipped: whether that is another class than that of the image itself; None for the image itself.
    """

    name: str
    pixels: Photo
    answer: ClassProbability
    flipped: bool | None
    probabilities: tuple[ClassProbability, ...]


@dataclass(frozen=True, eq=False)
class ReportData:
    """Everything that the overview and the report show; the ``images`` are the input and those that the method made, if any."""

    photo: Photo
    frame: Frame
    maps: tuple[MapPanel, ...]
    record: Record
    samples: SampleTable | None = None
    images: tuple[ImagePanel, ...] = ()


def report_data(
    maps: Mapping[str, Map],
    stderr: Mapping[str, Map],
    record: Record,
    samples: QuerySamples,
    *,
    outlines: Mapping[str, BoolMap],
    generated: Mapping[str, GeneratedPixels],
) -> ReportData:
    """Arrange the parts of a `seewhy.Explanation` for drawing."""
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
    shown = replace(record.frame, image_size=samples.photo.shape[:2], box=_box(record, samples))
    images = _images(record, samples, generated) if generated else ()
    return ReportData(samples.photo, shown, panels, record, _sample_table(record, samples), images)


def _box(record: Record, samples: QuerySamples) -> tuple[float, float, float, float]:
    """Bring the box that the classifier saw to the size of the photo that is shown."""
    height, width = samples.photo.shape[:2]
    down, across = height / record.image.height, width / record.image.width
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
    made = (
        ImagePanel(
            image.name,
            _pixels(generated[image.name]),
            image.predicted,
            image.predicted.index != first.index,
            image.probabilities,
        )
        for image in record.generated.images
    )
    return own, *made


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
        labels=tuple(sampled.label for sampled in record.sampled),
        baseline=np.array([sampled.probability for sampled in record.sampled], np.float32),
    )
