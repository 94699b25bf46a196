"""IBA with a readout: a trained network predicts the bottleneck in one pass (Schulz et al., ICLR 2020)."""

import math
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from torch import Tensor

from seewhy.core.arrays import Images
from seewhy.core.attribution import Attribution
from seewhy.core.errors import RequestError
from seewhy.core.layers import Change
from seewhy.core.probe import Probe
from seewhy.core.target import Target, weight_matrix
from seewhy.methods._shared import enlarge, name_maps, reserve
from seewhy.methods.layers._feature_maps import layout
from seewhy.nets.bottleneck import bits_per_pixel
from seewhy.nets.checkpoints import Card
from seewhy.nets.readout import REMEDY, Source, load_readout

ADVISED = 1000
"""A finding reports a readout trained on fewer photos than this: the authors train on all of ImageNet."""


def iba_readout(probe: Probe, targets: Sequence[Target], *, weights: str | None = None) -> Attribution:
    """Predict with a trained network how much of each feature of a layer the decision needs, and map the information.

    The network receives the features of several layers and outputs the logits alpha of the fractions ``lam =
    sigmoid(alpha)`` that pass. The map is the KL of `seewhy.methods.layers.iba.iba`, summed over channels. Because the KL
    does not depend on the noise, no noise is drawn: this map equals the authors' mean over draws. The authors average
    over channels and rescale to the range from 0 to 1; here the map stays in bits.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together; the in-fill is not used.
        targets: the predicted class only: the network was trained for the classifier's own predictions.
        weights: folder written by ``seewhy train readout`` for this classifier.

    Returns:
        One map in bits per pixel, 0 or more: where it is near 0, the decision does not need the layer's features.

    Raises:
        RequestError: no weights are given, they belong to another classifier or are damaged, a target is not the
            predicted class, or the budget is too small.

    Cost: 2 queries, none of them backward.
    """
    if weights is None:
        raise RequestError(f"expected weights=FOLDER of a trained readout, got none; {REMEDY}")
    reserve(probe, 2, hint="another method")
    net, card = load_readout(Path(weights), fingerprint=probe.classifier.fingerprint)
    _check_targets(probe, targets)
    net = net.to(probe.image.device)
    sources = gather(probe, card["layers"], probe.image[None])
    if tuple(tuple(source.shape[1:]) for source in sources) != net.shapes:
        got = [tuple(source.shape[1:]) for source in sources]
        raise RequestError(f"expected layers of shapes {list(net.shapes)}, got {got}; {REMEDY}")
    nats = net.nats(sources[0], net.removed(sources))[0]
    bits = enlarge(bits_per_pixel(nats, probe.size)[None], probe.size)
    values = name_maps(targets, bits.expand(len(targets), -1, -1))
    findings = _findings(card, len(probe.prediction))
    return Attribution(values, {}, "bits per pixel", {"weights": weights}, "complete", findings=findings)


def gather(probe: Probe, layers: Sequence[str], images: Images) -> list[Source]:
    """Show images to the classifier and collect the inputs of a readout: the features of each layer, then the scores.

    The first layer is the one with the bottleneck. Of a later one that runs several times, the last run counts.
    """
    seen: dict[str, list[Tensor]] = {layer: [] for layer in layers}

    def note(layer: str) -> Change:
        def keep(output: Tensor) -> Tensor:
            seen[layer].append(output.detach().float())
            return output.clone()  # the next layer may modify its input in place

        return keep

    with ExitStack() as stack:
        for layer in layers:
            stack.enter_context(probe.watching(layer, note(layer)))
        scores = probe.scores(images).detach()
    if len(seen[layers[0]]) != 1:
        raise RequestError(
            f"expected a layer that runs once per image, got {layers[0]}, which ran {len(seen[layers[0]])} times"
        )
    size = (images.shape[2], images.shape[3])
    return [*(_lay_out(layer, outputs, size) for layer, outputs in seen.items()), scores[:, :, None, None]]


def _lay_out(layer: str, outputs: Sequence[Tensor], size: tuple[int, int]) -> Source:
    """Arrange a layer's last output as a map; a vector becomes a single position, which is broadcast later."""
    shape = tuple(outputs[-1].shape) if outputs else ()
    if (found := layout(layer, shape, size)) is not None:
        return found.features(outputs[-1])
    if len(shape) == 4:
        return outputs[-1]
    if len(shape) == 2:
        return outputs[-1][:, :, None, None]
    got = f"output shape {shape}" if outputs else "no output, as it did not run"
    raise RequestError(f"expected a layer that outputs a map or a vector, got {layer} with {got}; leave it out")


def _check_targets(probe: Probe, targets: Sequence[Target]) -> None:
    """Reject all targets but the predicted class."""
    predicted = int(probe.prediction.argmax())
    for target, column in zip(targets, weight_matrix(targets, probe.prediction).T, strict=True):
        if column.nonzero().flatten().tolist() != [predicted] or column[predicted] != 1:
            raise RequestError(
                f"expected the predicted class, class:{predicted}, as iba-readout was trained for the classifier's own "
                f"predictions, got {target.key}; omit the target, or use iba"
            )


def _findings(card: Card, classes: int) -> tuple[str, ...]:
    """Report the training of the readout, and whether it did better than chance."""
    report = (
        f"The readout at layer {card['layers'][0]} was trained on {card['photos']} photos for {card['steps']} steps; "
        f"the cross-entropy of the class was {card['cross_entropy']:.2f} nats at the end"
    )
    report += "; the authors train on all of ImageNet for 20 epochs." if card["photos"] < ADVISED else "."
    if card["cross_entropy"] < math.log(classes):
        return (report,)
    return (
        report,
        "That is no better than chance: the readout blocks the layer everywhere; train longer or with a lower --rate.",
    )
