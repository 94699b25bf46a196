"""An explanation as the thing that is drawn: panels in reading order, with titles."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from seewhy.core.maps import BoolMap, Map
from seewhy.core.view import Frame
from seewhy.draw.overlay import resize_frame
from seewhy.draw.scene import Exhibits, Panel, Scene
from seewhy.runs.evidence import Evidence


def scene(
    maps: Mapping[str, Map],
    stderr: Mapping[str, Map],
    manifest: Mapping[str, Any],
    frame: Frame,
    evidence: Evidence,
    *,
    outlines: Mapping[str, BoolMap] = MappingProxyType({}),
) -> Scene:
    """Arrange an explanation for drawing; the frame is brought to the size of the picture that is shown."""
    diverging = manifest["signed"]
    panels = tuple(
        Panel(
            key=target["key"],
            title=target["label"],
            subtitle=_subtitle(target),
            values=maps[target["key"]],
            stderr=stderr.get(target["key"]),
            diverging=target["key"] != "information" and (diverging or target["key"].startswith("contrast")),
            unit=manifest["unit"],
            outlines=_outlines(target["key"], outlines),
        )
        for target in manifest["targets"]
    )
    shown = resize_frame(frame, *evidence.picture.shape[:2])
    return Scene(evidence.picture, shown, panels, manifest, _exhibits(manifest, evidence))


def _outlines(key: str, outlines: Mapping[str, BoolMap]) -> dict[str, BoolMap]:
    """The regions of one target, by their own names."""
    return {name.removeprefix(f"{key}/"): where for name, where in outlines.items() if name.startswith(f"{key}/")}


def _subtitle(target: Mapping[str, Any]) -> str:
    """Say what the map is about, under its title."""
    if "probability" in target:
        return f"p = {target['probability']:.3f}"
    return "any class" if target["key"] == "information" else "difference of evidence"


def _exhibits(manifest: Mapping[str, Any], evidence: Evidence) -> Exhibits | None:
    """Put hidden patch, in-fills and answers of each witnessed window side by side."""
    seen = evidence.witnesses
    if seen is None or evidence.patches is None:
        return None
    pixels = (evidence.image.transpose(1, 2, 0) * 255).round().astype(np.uint8)
    cuts = [pixels[top : top + seen.size, left : left + seen.size] for top, left in seen.positions.tolist()]
    watched = {target["index"]: target for target in manifest["watched"]}
    return Exhibits(
        size=seen.size,
        positions=seen.positions,
        patches=evidence.patches,
        originals=np.stack(cuts),
        probabilities=seen.probabilities,
        labels=tuple(watched[index]["label"] for index in seen.classes),
        baseline=np.array([watched[index]["probability"] for index in seen.classes], np.float32),
    )
