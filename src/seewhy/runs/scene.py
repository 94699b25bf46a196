"""An explanation as the thing that is drawn: panels in reading order, with titles."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from seewhy.core.maps import BoolMap, Companion, Map
from seewhy.core.view import Frame
from seewhy.draw import words
from seewhy.plots.overlay import resize_frame
from seewhy.draw.page import as_pixels
from seewhy.plots.scales import INTENSITY
from seewhy.draw.scene import Exhibits, Panel, Plate, Scene
from seewhy.runs.evidence import Evidence


def scene(
    maps: Mapping[str, Map],
    stderr: Mapping[str, Map],
    manifest: Mapping[str, Any],
    frame: Frame,
    evidence: Evidence,
    *,
    outlines: Mapping[str, BoolMap] = MappingProxyType({}),
    companions: Mapping[str, Companion] = MappingProxyType({}),
) -> Scene:
    """Arrange an explanation for drawing; the frame is brought to the size of the picture that is shown."""
    panels = tuple(
        Panel(
            key=target["key"],
            title=target["label"],
            subtitle=_subtitle(target, manifest["unit"]),
            values=maps[target["key"]],
            stderr=stderr.get(target["key"]),
            diverging=_diverging(target["key"], manifest),
            unit=manifest["unit"],
            outlines=_outlines(target["key"], outlines),
        )
        for target in manifest["targets"]
    )
    shown = resize_frame(frame, *evidence.picture.shape[:2])
    plates = _plates(manifest, evidence, companions) if companions else ()
    return Scene(evidence.picture, shown, panels, manifest, _exhibits(manifest, evidence), plates)


def _plates(manifest: Mapping[str, Any], evidence: Evidence, companions: Mapping[str, Companion]) -> tuple[Plate, ...]:
    """The picture itself as the classifier sees it, then its companions, each with what the classifier says of it."""
    said, first = manifest["companions"], manifest["predicted"][0]
    told = {"input": (first, said["input"])}
    told |= {picture["name"]: (picture["predicted"], picture["probabilities"]) for picture in said["pictures"]}
    pictures = {"input": evidence.image, **companions}
    return tuple(
        Plate(
            name=name,
            pixels=as_pixels(pictures[name]),
            said=words.answered(predicted, None if name == "input" else first["index"]),
            chances=tuple((each["label"], each["probability"]) for each in probabilities),
        )
        for name, (predicted, probabilities) in told.items()
    )


def _outlines(key: str, outlines: Mapping[str, BoolMap]) -> dict[str, BoolMap]:
    """The regions of one target, by their own names."""
    return {name.removeprefix(f"{key}/"): where for name, where in outlines.items() if name.startswith(f"{key}/")}


def _diverging(key: str, manifest: Mapping[str, Any]) -> bool:
    """Whether a map has a sign: a contrast always has, information never."""
    return key.startswith("contrast") or (manifest["signed"] and key != "information")


def _subtitle(target: Mapping[str, Any], unit: str) -> str:
    """Say what the map is about, under its title."""
    if "probability" in target:
        return f"p = {target['probability']:.3f}"
    if target["key"] == "information":
        return "any class"
    return "what changes" if unit == INTENSITY else "difference of evidence"


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
