"""A classifier that has learned nothing: a copy with shuffled weights."""

from copy import deepcopy
from dataclasses import replace

import torch

from seewhy.classifiers.module import TorchClassifier
from seewhy.core.classifier import Classifier
from seewhy.core.errors import RequestError


@torch.no_grad()
def randomised(classifier: Classifier, seed: int) -> TorchClassifier:
    """Copy a classifier and shuffle the numbers within each of its parameters, so that their scale stays.

    Adebayo et al., NeurIPS 2018, draw new weights of the initialisation, which a trained network no longer knows. Buffers, such as
    a batch norm's running mean, are left alone.

    Args:
        classifier: a torch module behind the door; it is left as it is.
        seed: another seed shuffles otherwise.

    Raises:
        RequestError: it is no torch module, so that its weights are out of reach.

    Example:
        >>> from seewhy.classifiers.module import from_module
        >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 3)).eval()
        >>> shuffled = randomised(from_module(net, size=2), 0).module.state_dict()["1.weight"]
        >>> torch.equal(shuffled.flatten().sort().values, net[1].weight.flatten().sort().values)
        True
    """
    if not isinstance(classifier, TorchClassifier):
        raise RequestError(
            f"expected a torch module, whose weights can be shuffled, got {classifier.name}; leave this metric out"
        )
    module, generator = deepcopy(classifier.module), torch.Generator().manual_seed(seed % 2**63)
    for weights in module.parameters():
        shuffled = torch.randperm(weights.numel(), generator=generator).to(weights.device)
        weights.copy_(weights.flatten()[shuffled].view_as(weights))
    return replace(
        classifier, module=module, spec=None, fingerprint=f"{classifier.fingerprint}, shuffled with seed {seed}"
    )
