"""What a reader needs to check a map: the picture, what was seen of it, and some of the questions behind it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Shaped, UInt8
from PIL import Image as PillowImage

from seewhy.core.features import Windows
from seewhy.core.maps import Witnesses
from seewhy.core.probe import Probe

Array = Shaped[np.ndarray, "..."]

DISPLAY_SIDE = 1600
"""The picture is kept at no more pixels a side than this; maps are drawn on that copy."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """The picture, the classifier's input, and some windows with what was put there and what the classifier then said.

    Args:
        picture: the user's picture, at most `DISPLAY_SIDE` pixels a side, ``(H, W, 3)``.
        image: the classifier's input, ``(3, h, w)`` in [0, 1].
        witnesses: windows, the seeds of their samples and the probabilities, where the method has windows.
        patches: the in-fill of each sample of each window, ``(m, s, size, size, 3)``.
    """

    picture: UInt8[np.ndarray, "H W 3"]
    image: Float[np.ndarray, "3 h w"]
    witnesses: Witnesses | None
    patches: UInt8[np.ndarray, "m s a a 3"] | None

    @classmethod
    def of(cls, picture: UInt8[np.ndarray, "H W 3"], probe: Probe, witnesses: Witnesses | None) -> "Evidence":
        """Gather the evidence after a run; in-fills are drawn again from their seeds, at no query."""
        patches = None if witnesses is None else _patches(probe, witnesses)
        return cls(display_copy(picture), probe.image.cpu().numpy(), witnesses, patches)

    def tensors(self) -> dict[str, Array]:
        """Name every array, for a file."""
        named: dict[str, Array] = {"picture": self.picture, "image": self.image}
        if self.witnesses is not None and self.patches is not None:
            named |= {
                "windows/positions": self.witnesses.positions,
                "windows/seeds": self.witnesses.seeds,
                "windows/probabilities": self.witnesses.probabilities,
                "windows/classes": np.array(self.witnesses.classes),
                "windows/patches": self.patches,
            }
        return {name: np.ascontiguousarray(values) for name, values in named.items()}

    @classmethod
    def from_tensors(cls, named: Mapping[str, Array]) -> "Evidence":
        """Undo `tensors`."""
        patches = named.get("windows/patches")
        if patches is None:
            return cls(named["picture"], named["image"], None, None)
        witnesses = Witnesses(
            patches.shape[2],
            named["windows/positions"],
            named["windows/seeds"],
            named["windows/probabilities"],
            tuple(named["windows/classes"].tolist()),
        )
        return cls(named["picture"], named["image"], witnesses, patches)


def display_copy(picture: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "a b 3"]:
    """Shrink a large picture for showing; a small one is returned as it is."""
    factor = DISPLAY_SIDE / max(picture.shape[:2])
    if factor >= 1:
        return picture
    height, width = (max(1, round(side * factor)) for side in picture.shape[:2])
    return np.asarray(PillowImage.fromarray(picture).resize((width, height), PillowImage.Resampling.LANCZOS))


def _patches(probe: Probe, witnesses: Witnesses) -> UInt8[np.ndarray, "m s a a 3"]:
    """Draw the in-fills of the witnessed windows again, a few windows at a time."""
    size, samples = witnesses.size, witnesses.seeds.shape[1]
    positions = torch.from_numpy(witnesses.positions).to(probe.image.device)
    seeds = torch.from_numpy(witnesses.seeds).to(positions.device)
    reach = torch.arange(size, device=positions.device)
    drawn = []
    for part in torch.split(torch.arange(len(positions)), max(1, probe.rows // samples)):
        where = positions[part].repeat_interleave(samples, dim=0)
        filled = probe.infill(probe.image, Windows(size, size).keep(where, *probe.size), seeds[part].flatten())
        each = torch.arange(len(where), device=where.device)[:, None, None]
        down, across = where[:, :1, None] + reach[:, None], where[:, 1:, None] + reach
        drawn.append((filled[each, :, down, across] * 255).round().to(torch.uint8).cpu())
    return torch.cat(drawn).view(len(positions), samples, size, size, 3).numpy()
