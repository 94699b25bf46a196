"""Single windows: where they may lie, what the classifier says when they are filled in, and what that is worth."""

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
from seewhy.images.open import open_picture
from seewhy.images.view import apply_view
from seewhy.methods.pmi import evidence
from seewhy.methods.windows import Answers

BATCH = 8
"""Pictures shown at once."""

KINDS = ("pmi", "information")
"""What `scores` works out of each window."""


def object_share(alpha: Float[np.ndarray, "h w"], size: int) -> Float[np.ndarray, "a b"]:
    """Say for each place of a window how much of it is the object; exactly 0 where it touches none of it."""
    share: Float[np.ndarray, "a b"] = sliding_window_view(alpha, (size, size)).mean((2, 3))
    return share


def draw(allowed: Bool[np.ndarray, "a b"], count: int, seed: int) -> Positions | None:
    """Draw different places, uniformly from those that are allowed; None if there are too few."""
    places = np.argwhere(allowed)
    if len(places) < count:
        return None
    return torch.from_numpy(places[np.random.default_rng(seed).choice(len(places), count, replace=False)])


def probes(classifier: seewhy.Classifier, scene: Scene, infills: Mapping[str, Infill]) -> dict[str, Probe]:
    """Bind a picture to each in-fill."""
    image, _ = apply_view(open_picture(scene.pixels), classifier.view)
    return {name: Probe(classifier, infill, image, batch_size=BATCH) for name, infill in infills.items()}


def removed(
    positions: Positions, samples: int, size: int, picture: tuple[int, int], seed: int = 0
) -> tuple[Keep, Seeds]:
    """Turn windows into questions, sample by sample, with the very seeds that `pmi` gives a window at this place."""
    place = positions[:, :1] * (1 << 24) + positions[:, 1:]
    seeds = derive(seed, place, torch.arange(samples, device=positions.device)[None]).flatten()
    return Windows(size, size).keep(positions, *picture).repeat_interleave(samples, dim=0), seeds


def ask(probe: Probe, size: int, positions: Positions, samples: int) -> Answers:
    """Fill in each window and ask.

    Returns:
        ``(m, s, k)`` probabilities; one sample where the in-fill is the same every time.
    """
    samples = samples if probe.infill.stochastic else 1
    answers = []
    for part in torch.split(positions.to(probe.image.device), BATCH):
        found = probe(*removed(part, samples, size, probe.size, probe.seed))
        answers.append(found.reshape(len(part), samples, -1))
    return torch.cat(answers)


def scores(probe: Probe, size: int, positions: Positions, samples: int) -> Float[np.ndarray, "m 2"]:
    """Ask about windows; return PMI of the top class and IG of each as `pmi` corrects them, nats, in the order of `KINDS`."""
    targets = (ClassEvidence(int(probe.prediction.argmax())), Information())
    return evidence(probe.prediction, targets, "jackknife")(ask(probe, size, positions, samples))[0]
