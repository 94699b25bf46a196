"""Leave one out: what the probability loses when one segment is removed and all others stay."""

from collections.abc import Sequence

import torch

from seewhy.core.attribution import Attribution
from seewhy.core.probe import Probe
from seewhy.core.target import Target, weight_matrix
from seewhy.images.regions import Shape, split
from seewhy.methods._shared import name_maps, reserve
from seewhy.methods.sampling._sampling_designs import ask_design


def leave_one_out(probe: Probe, targets: Sequence[Target], *, segments: int = 50, shape: Shape = "slic") -> Attribution:
    """Remove each segment alone and map how far the probability falls.

    The ablation of Robnik-Šikonja and Kononenko (IEEE TKDE 2008) on superpixels: the cheapest map of segments, and a baseline for
    `lime` and `kernel_shap`. It misses evidence that is present twice, since either copy can be removed without a loss.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together.
        targets: classes and contrasts.
        segments: approximate number of segments, 1 or more.
        shape: ``slic`` superpixels (needs scikit-image), parts of a ``tree`` grown from the picture, or cells of a ``grid``.

    Returns:
        Maps of probability: each pixel has the drop of its segment, undivided; positive supports the class.

    Raises:
        RequestError: a setting is out of range, scikit-image is missing for ``slic``, or the budget is less than one query per
            segment.

    Cost: 1 query for the image and 1 per segment.
    """
    labels = split(probe.image, segments, shape)
    count = int(labels.max()) + 1
    reserve(probe, 1 + count, hint="fewer segments")
    weights = weight_matrix(targets, probe.prediction)
    others = 1 - torch.eye(count, device=labels.device)
    answers, _ = ask_design(probe, others, lambda rows: rows[:, labels], weights, fewest=count)
    drops = probe.prediction[None] @ weights - answers
    settings = {"segments": segments, "shape": shape}
    return Attribution(name_maps(targets, drops.T[:, labels]), {}, "probability", settings, "complete")
