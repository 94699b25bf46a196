"""What a reader needs to check a map: the image, the part that was seen, and some of the queries behind the map."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped, UInt8
from PIL import Image as PillowImage

from seewhy.core.attribution import SampledQueries

Array = Shaped[np.ndarray, "..."]

DISPLAY_SIDE = 1600
"""The image is kept at no more pixels per side than this; maps are drawn on that copy."""


@dataclass(frozen=True, eq=False)
class QuerySamples:
    """The image, the classifier's input, and some windows with their in-fills and the classifier's answers.

    Args:
        photo: the user's image, at most `DISPLAY_SIDE` pixels per side, ``(H, W, 3)``.
        sampled: windows, the seeds of their samples and the probabilities, where the method has windows.
        patches: the in-fill of each sample of each window, ``(m, s, size, size, 3)``.
    """

    photo: UInt8[np.ndarray, "H W 3"]
    image: Float[np.ndarray, "3 h w"]
    sampled: SampledQueries | None
    patches: UInt8[np.ndarray, "m s a a 3"] | None

    def tensors(self) -> dict[str, Array]:
        """Name every array, for a file."""
        named: dict[str, Array] = {"photo": self.photo, "image": self.image}
        if self.sampled is not None and self.patches is not None:
            named |= {
                "windows/positions": self.sampled.positions,
                "windows/seeds": self.sampled.seeds,
                "windows/probabilities": self.sampled.probabilities,
                "windows/classes": np.array(self.sampled.classes),
                "windows/patches": self.patches,
            }
        return {name: np.ascontiguousarray(values) for name, values in named.items()}

    @classmethod
    def from_tensors(cls, named: Mapping[str, Array]) -> "QuerySamples":
        """Undo `tensors`."""
        patches = named.get("windows/patches")
        if patches is None:
            return cls(named["photo"], named["image"], None, None)
        sampled = SampledQueries(
            patches.shape[2],
            named["windows/positions"],
            named["windows/seeds"],
            named["windows/probabilities"],
            tuple(named["windows/classes"].tolist()),
        )
        return cls(named["photo"], named["image"], sampled, patches)


def display_copy(photo: UInt8[np.ndarray, "H W 3"], side: int = DISPLAY_SIDE) -> UInt8[np.ndarray, "a b 3"]:
    """Shrink an image for display to at most ``side`` pixels per side; a small one is returned unchanged."""
    factor = side / max(photo.shape[:2])
    if factor >= 1:
        return photo
    height, width = (max(1, round(length * factor)) for length in photo.shape[:2])
    return np.asarray(PillowImage.fromarray(photo).resize((width, height), PillowImage.Resampling.LANCZOS))
