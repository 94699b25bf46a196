"""A small scene with maps whose values are known."""

from collections.abc import Callable

import numpy as np
import pytest
from jaxtyping import Float32
from seewhy.draw.scene import Exhibits, Panel, Scene

from seewhy.core.view import View

SIZE = 24


def _wave(scale: float, shift: float) -> Float32[np.ndarray, "h w"]:
    """A smooth map between -scale and +scale."""
    rows, columns = np.mgrid[:SIZE, :SIZE] / SIZE
    wave: Float32[np.ndarray, "h w"] = (scale * np.sin(6 * rows + shift) * np.cos(5 * columns)).astype(np.float32)
    return wave


def _panels() -> tuple[Panel, ...]:
    """Information, two classes of very different strength, and their contrast."""
    strong, weak = _wave(2.0, 0.0), _wave(0.5, 1.0)
    error = np.full((SIZE, SIZE), 0.05, np.float32)
    return (
        Panel("information", "Information", "all classes", np.abs(strong) / 3, error, diverging=False, unit="nats"),
        Panel("class:7", "espresso", "p = 0.700", strong, error, diverging=True, unit="nats"),
        Panel("class:8", "cup", "p = 0.200", weak, error, diverging=True, unit="nats"),
        Panel("contrast:7/8", "espresso, not cup", "", strong - weak, None, diverging=True, unit="nats"),
    )


def _exhibits() -> Exhibits:
    """Nine windows of eight pixels, two samples each, two classes."""
    rng = np.random.default_rng(0)
    positions = np.array([(top, left) for top in (0, 8, 16) for left in (0, 8, 16)])
    patches = rng.integers(0, 256, (9, 2, 8, 8, 3), dtype=np.uint8)
    originals = rng.integers(0, 256, (9, 8, 8, 3), dtype=np.uint8)
    said = rng.uniform(0.1, 0.6, (9, 2, 2))
    return Exhibits(8, positions, patches, originals, said, ("espresso", "cup"), np.array([0.7, 0.2]))


def _manifest(height: int, width: int) -> dict[str, object]:
    """What ``explanation.json`` would say."""
    return {
        "image": {"name": "photo.jpg", "width": width, "height": height, "notes": ["turned upright"]},
        "classifier": {"spec": "tiny-net", "fingerprint": "abc123"},
        "predicted": [{"index": 7, "label": "espresso", "probability": 0.7}, {"index": 8, "label": "cup"}],
        "method": {"spec": "pmi:window=8", "settings": {"window": 8}},
        "infill": {"spec": "mean"},
        "seed": 3,
        "queries": {"forward_images": 1234, "forward_calls": 20, "backward_images": 0},
        "seconds": 4.25,
        "stopped_because": "complete",
        "command": "seewhy explain photo.jpg --seed 3",
        "warnings": ["the photo is dark"],
    }


SceneMaker = Callable[..., Scene]


@pytest.fixture
def make_scene() -> SceneMaker:
    """Build a scene on a picture of any size; keyword arguments replace its parts."""

    def make(height: int = 60, width: int = 80, **parts: object) -> Scene:
        rng = np.random.default_rng(1)
        picture = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        frame = View((SIZE, SIZE), short_side=28).frame(height, width)
        filled = {"panels": _panels(), "manifest": _manifest(height, width), "exhibits": _exhibits(), **parts}
        return Scene(picture, frame, **filled)  # type: ignore[arg-type]

    return make
