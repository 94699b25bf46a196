"""Explain a photo with a custom in-painter, a membrane. Usage: python examples/own_inpainter.py [FOLDER]."""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import seewhy

PHOTO = Path(__file__).parent / "photos" / "coffee.jpg"


def membrane(pictures: NDArray[np.uint8], keep: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Fill holes so that each pixel is about the mean of its neighbours; opposite sides of the image are adjacent."""
    filled = pictures.astype(np.float64)
    for _ in range(200):  # removed pixels start black
        means = sum(np.roll(filled, step, axis) for step in (-1, 1) for axis in (1, 2)) / 4
        filled = np.where(keep[..., None], pictures, means)
    return filled.round().astype(np.uint8)


def darkness(pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the fraction of dark pixels, and of the others."""
    light = (pictures.mean(3) >= 60).mean((1, 2))
    return np.stack([1 - light, light], axis=1)


def main(folder: str = "seewhy-out/inpainter") -> None:
    """Explain with the membrane as in-fill, and write the results to a folder."""
    classifier = seewhy.classifier(darkness, labels=["dark", "light"], size=64)
    explanation = seewhy.explain(classifier, PHOTO, method="occlusion:size=16", infill=seewhy.inpainter(membrane))
    fall, queries = explanation.maps["class:0"].max(), explanation.queries.forward_images
    print(f"p(dark) falls by at most {fall:.3f}; {queries} queries; open {explanation.save(folder) / 'report.html'}")


if __name__ == "__main__":
    main(*sys.argv[1:])
