"""Everything that the overview and the report show, as plain values: drawing needs neither a classifier nor a method."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Float32, Int, UInt8

from seewhy.core.attribution import BoolMap, GeneratedPixels, Map
from seewhy.core.view import Frame
from seewhy.results.record import ClassProbability, Record, TargetInfo
from seewhy.results.samples import DISPLAY_SIDE, QuerySamples, display_copy

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
    """Everything that the overview and the report show; the ``images`` are the input and those that the method made, if any.

    The photo includes the margin of a padded input.
    """

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
            subtitle=_subtitle(target, record.unit_of(target)),
            values=maps[target.key],
            stderr=stderr.get(target.key),
            diverging=record.diverging(target),
            unit=record.unit_of(target),
            outlines=_outlines(target.key, outlines),
        )
        for target in record.targets
    )
    photo, shown = with_margin(samples.photo, record.frame, record.view.pad_color)
    images = _images(record, samples, generated) if generated else ()
    return ReportData(photo, shown, panels, record, _sample_table(record, samples), images)


def with_margin(
    photo: Photo, frame: Frame, color: Sequence[float] | None
) -> tuple[UInt8[np.ndarray, "tall wide 3"], Frame]:
    """Add the margin that a padded input shows around an image to a photo of it, and return the frame on the larger photo.

    Args:
        photo: the image or a smaller copy of it; it is reduced further where the margin is much larger than the image.
        frame: what the classifier saw of the image.
        color: of the margin, RGB in [0, 1]; None for black.
    """
    larger = max(_margins(frame)[1]) * max(photo.shape[:2]) / max(frame.image_size)
    if larger > DISPLAY_SIDE:
        photo = display_copy(photo, round(max(photo.shape[:2]) * DISPLAY_SIDE / larger))
    fitted = frame.scaled(*photo.shape[:2])
    (above, before), (tall, wide) = _margins(fitted)
    if (tall, wide) == photo.shape[:2]:
        return photo, fitted
    canvas = np.empty((tall, wide, 3), np.uint8)
    canvas[:] = 0 if color is None else np.rint(np.multiply(color, 255))
    canvas[above : above + photo.shape[0], before : before + photo.shape[1]] = photo
    left, top, right, bottom = fitted.box
    box = (left + before, top + above, right + before, bottom + above)
    return canvas, Frame(box, frame.size, (tall, wide))


def _margins(frame: Frame) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the margins above and at the left of an image, and height and width with all margins, in whole pixels."""
    left, top, right, bottom = frame.box
    height, width = frame.image_size
    above, before = round(max(0.0, -top)), round(max(0.0, -left))
    return (above, before), (
        above + height + round(max(0.0, bottom - height)),
        before + width + round(max(0.0, right - width)),
    )


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
