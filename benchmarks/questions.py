"""Single windows: their allowed positions, the classifier's answers when they are filled in, and their scores."""

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.lib.stride_tricks import sliding_window_view
from scenes import Scene

import seewhy
from seewhy.core.arrays import Keep, Seeds
from seewhy.core.features import Positions, Windows
from seewhy.core.infill import Infill
from seewhy.core.probe import Probe
from seewhy.core.seeds import derive
from seewhy.core.target import ClassEvidence, Information
from seewhy.images.open import open_image
from seewhy.images.view import apply_view
from seewhy.methods.windows import _windows
from seewhy.methods.windows.pmi import evidence

BATCH = 8
"""Windows per batch."""

KINDS = ("pmi", "information")
"""The scores that `scores` computes for each window."""


def object_share(alpha: Float[np.ndarray, "h w"], size: int) -> Float[np.ndarray, "a b"]:
    """Return for each window position the fraction covered by the object; exactly 0 where they do not touch."""
    share: Float[np.ndarray, "a b"] = sliding_window_view(alpha, (size, size)).mean((2, 3))
    return share


def draw(allowed: Bool[np.ndarray, "a b"], count: int, seed: int) -> Positions | None:
    """Draw distinct positions uniformly from the allowed ones; None if there are too few."""
    places = np.argwhere(allowed)
    if len(places) < count:
        return None
    return torch.from_numpy(places[np.random.default_rng(seed).choice(len(places), count, replace=False)])


def probes(classifier: seewhy.Classifier, scene: Scene, infills: Mapping[str, Infill]) -> dict[str, Probe]:
    """Bind an image to each in-fill."""
    image, _ = apply_view(open_image(scene.pixels), classifier.view)
    return {name: Probe(classifier, infill, image, batch_size=BATCH) for name, infill in infills.items()}


def removed(
    positions: Positions, samples: int, size: int, picture: tuple[int, int], seed: int = 0
) -> tuple[Keep, Seeds]:
    """Convert windows to `keep` arrays, one per sample, with the same seeds that `pmi` uses at this position."""
    place = positions[:, :1] * (1 << 24) + positions[:, 1:]
    seeds = derive(seed, place, torch.arange(samples, device=positions.device)[None]).flatten()
    return Windows(size, size).keep(positions, *picture).repeat_interleave(samples, dim=0), seeds


def ask(probe: Probe, size: int, positions: Positions, samples: int) -> _windows.Answers:
    """Fill in each window and query the classifier.

    Returns:
        ``(m, s, k)`` probabilities; one sample if the in-fill is deterministic.
    """
    samples, windows = samples if probe.infill.stochastic else 1, Windows(size, size)
    parts = torch.split(positions, BATCH)
    return torch.cat([_windows.ask(probe, windows, samples, part)[1] for part in parts])


def scores(probe: Probe, size: int, positions: Positions, samples: int) -> Float[np.ndarray, "m 2"]:
    """Query windows and return the corrected PMI of the top class and IG of each, in nats, in the order of `KINDS`."""
    targets = (ClassEvidence(int(probe.prediction.argmax())), Information())
    return evidence(probe.prediction, targets, "jackknife")(ask(probe, size, positions, samples))[0]
