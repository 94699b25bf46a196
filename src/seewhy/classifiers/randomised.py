"""An untrained counterpart of a classifier: a copy with shuffled weights."""

from copy import deepcopy
from dataclasses import replace

import torch

from seewhy.classifiers.module import TorchClassifier
from seewhy.core.classifier import Classifier
from seewhy.core.errors import RequestError


@torch.no_grad()
def randomised(classifier: Classifier, seed: int) -> TorchClassifier:
    """Copy a classifier and shuffle the values within each of its parameters, which preserves their scale.

    Adebayo et al., NeurIPS 2018, draw new weights from the initialisation distribution, which is unknown for a trained
    network. Buffers, such as the running mean of a batch norm, are left unchanged.

    Args:
        classifier: a classifier that wraps a torch module; it is not modified.
        seed: seed of the shuffle.

    Raises:
        RequestError: the classifier is not a torch module, so its weights are not accessible.

    Example:
        >>> from seewhy.classifiers.module import from_module
        >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 3)).eval()
        >>> shuffled = randomised(from_module(net, size=2), 0).module.state_dict()["1.weight"]
        >>> torch.equal(shuffled.flatten().sort().values, net[1].weight.flatten().sort().values)
        True
    """
    if not isinstance(classifier, TorchClassifier):
        raise RequestError(
            f"expected a torch module, whose weights can be shuffled, got {classifier.name}; omit this metric"
        )
    module, generator = deepcopy(classifier.module), torch.Generator().manual_seed(seed % 2**63)
    for weights in module.parameters():
        shuffled = torch.randperm(weights.numel(), generator=generator).to(weights.device)
        weights.copy_(weights.flatten()[shuffled].view_as(weights))
    return replace(
        classifier, module=module, spec=None, fingerprint=f"{classifier.fingerprint}, shuffled with seed {seed}"
    )
