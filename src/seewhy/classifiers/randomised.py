"""An untrained counterpart of a classifier: a copy with shuffled weights."""

from dataclasses import replace

import torch

from seewhy.classifiers.module import TorchClassifier
from seewhy.core.classifier import Classifier
from seewhy.core.errors import RequestError
from seewhy.core.layers import copied


def with_weights(classifier: Classifier) -> TorchClassifier:
    """Return a classifier whose weights can be shuffled, or raise `RequestError`."""
    if not isinstance(classifier, TorchClassifier):
        raise RequestError(
            f"expected a torch module, whose weights can be shuffled, got {classifier.name}; omit this metric"
        )
    return classifier


@torch.no_grad()
def randomised(classifier: Classifier, seed: int) -> TorchClassifier:
    """Copy a classifier and shuffle the values within each of its parameters, which preserves their scale.

    Adebayo et al., NeurIPS 2018, draw new weights from the initialisation distribution, which is unknown for a trained
    network. Buffers, such as the running mean of a batch norm, are left unchanged.

    Raises:
        RequestError: the classifier is not a torch module, so its weights are not accessible.
    """
    classifier = with_weights(classifier)
    module, generator = copied(classifier.module), torch.Generator().manual_seed(seed % 2**63)
    for weights in module.parameters():
        shuffled = torch.randperm(weights.numel(), generator=generator).to(weights.device)
        weights.copy_(weights.flatten()[shuffled].view_as(weights))
    return replace(
        classifier, module=module, spec=None, fingerprint=f"{classifier.fingerprint}, shuffled with seed {seed}"
    )
