"""Explain a Python function: how red is the image?

Usage: python examples/own_function.py [FOLDER]. The function receives ``(n, h, w, 3)`` uint8 images and returns ``(n,
k)`` probabilities; nothing else about it is used.
"""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import seewhy

PHOTO = Path(__file__).parent / "photos" / "coffee.jpg"


def redness(pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the fraction of pixels in which red dominates, and the fraction of the others."""
    levels = pictures.astype(np.int16)
    red = (levels[..., 0] > levels[..., 1:].max(-1) + 60).mean((1, 2))
    return np.stack([red, 1 - red], axis=1)


def main(folder: str = "seewhy-out/function") -> None:
    """Explain the function's output in nats of evidence, and write the results to a folder."""
    classifier = seewhy.classifier(redness, labels=["red", "not red"], size=64)
    explanation = seewhy.explain(classifier, PHOTO, targets=["red", "information"])
    evidence, error = explanation.maps["class:0"], explanation.stderr["class:0"]
    print(f"p(red) = {explanation.predicted[0].probability:.3f}")
    print(f"evidence for red: {evidence.min():+.4f} to {evidence.max():+.4f} {explanation.unit}")
    print(f"pixels further than two standard errors from zero: {(abs(evidence) > 2 * error).mean():.0%}")
    print(f"{explanation.queries.forward_images} queries; open {explanation.save(folder) / 'report.html'}")


if __name__ == "__main__":
    main(*sys.argv[1:])
