"""What of the picture the classifier never saw, in words: most of it, or what lies beside the strongest evidence."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from seewhy.core.attribution import Map
from seewhy.core.view import Frame
from seewhy.results.record import TargetInfo
from seewhy.results.wording import percent

MOST = 0.5
"""Below this share of the picture that is seen there is a warning."""

_BAND = 1 / 28  # of the input's side: 8 pixels of 224
_DENSER = 3.0  # times the mean: evidence in the band, of a map that has no reason to avoid or to prefer it


def framing_warnings(frame: Frame, rule: str) -> tuple[str, ...]:
    """Warn where more than half of the picture is cropped away."""
    if frame.shown >= MOST:
        return ()
    seen = f"The classifier sees only {percent(frame.shown)} of the picture ({rule})"
    return (f"{seen}; if it was made for whole pictures, set size=, fit= or resize= as in its own preprocessing.",)


def framing_findings(frame: Frame, maps: Mapping[str, Map], targets: Sequence[TargetInfo]) -> list[str]:
    """Say where the strongest evidence touches an edge that was cropped, and how much of the input is a margin."""
    findings = []
    if frame.padding > 0:
        findings.append(f"{percent(frame.padding)} of the input is a margin around the picture, not part of it.")
    classes = [target for target in targets if target.kind == "class"] or list(targets)
    top = max(classes, key=lambda target: target.probability or 0.0)
    edges = cropped_edges(frame)
    touched = [side for side in edges if touches(maps[top.key], side)]
    if touched:
        findings.append(
            f"The strongest evidence for {top.label} touches the {' and the '.join(touched)} edge of what the classifier "
            "sees: it may continue in the part of the picture that was cropped away."
        )
    return findings


def cropped_edges(frame: Frame) -> list[str]:
    """List the sides at which at least a pixel of the resized picture was cut off."""
    (top, bottom), (left, right) = frame.visible
    rows, columns = frame.resized
    cut = {"top": top > 0, "bottom": bottom < rows, "left": left > 0, "right": right < columns}
    return [side for side, is_cut in cut.items() if is_cut]


def touches(values: Map, side: str) -> bool:
    """Return whether the evidence for a class touches a side of a map.

    In a band along that side, of 1/28 of the map (8 pixels of 224), is the highest value, or the mean of what is positive
    is three times that of the whole map.
    """
    positive = np.nan_to_num(np.clip(values, 0, None))
    peak, strip = float(positive.max()), _strip(positive, side)
    if peak <= 0 or float(positive.min()) == peak:
        return False
    return float(strip.max()) == peak or float(strip.mean()) >= _DENSER * float(positive.mean())


def _strip(values: Map, side: str) -> Float[np.ndarray, "a b"]:
    """Return the part of a map along a side."""
    tall, wide = (max(1, round(length * _BAND)) for length in values.shape)
    strips = {"top": values[:tall], "bottom": values[-tall:], "left": values[:, :wide], "right": values[:, -wide:]}
    return strips[side]
