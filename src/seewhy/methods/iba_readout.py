"""IBA with a read-out: a trained network says at once what a decision needs of a layer (Schulz et al., ICLR 2020)."""

import math
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from torch import Tensor

from seewhy.core.arrays import Images
from seewhy.core.errors import RequestError
from seewhy.core.layers import Change
from seewhy.core.maps import Maps
from seewhy.core.probe import Probe
from seewhy.core.target import Target, weight_matrix
from seewhy.methods.inside import enlarge, layout
from seewhy.nets.bottleneck import bits_per_pixel
from seewhy.nets.readout import REMEDY, Source, load_readout

ADVISED = 1000
"""A read-out of fewer photos than this is mentioned: the authors train on all of ImageNet."""


def iba_readout(probe: Probe, targets: Sequence[Target], *, weights: str | None = None) -> Maps:
    """Let a trained network say how much of each feature of a layer the decision needs, and measure what that tells.

    The network sees what several layers make of the picture and gives the logits alpha of the shares ``lam = sigmoid(alpha)``
    that are let through; the map is the KL of `seewhy.methods.iba.iba`, summed over channels. KL is the same for every draw of
    the noise, so that none is drawn: the authors' mean over draws is this very map. They take the mean over channels and
    stretch it from 0 to 1; here it stays in bits.

    Args:
        probe: the bound question.
        targets: the likeliest class and no other: the network was trained for the classifier's own answers.
        weights: folder written by ``seewhy train readout`` for this classifier.

    Returns:
        One map in bits for each pixel, 0 or more: where it is near 0, the decision does not need the layer's features.

    Raises:
        RequestError: there are no weights, they are of another classifier or damaged, another class is asked for, or the
            budget is too small.

    Cost: 2 queries; none backward.
    """
    if weights is None:
        raise RequestError(f"expected weights=FOLDER of a trained read-out, got none; {REMEDY}")
    probe.affordable(2, smallest=2, hint="another method")
    probe.plan(2)
    _check_targets(probe, targets)
    net, card = load_readout(Path(weights), fingerprint=probe.classifier.fingerprint)
    net = net.to(probe.image.device)
    sources = gather(probe, card["layers"], probe.image[None])
    if tuple(tuple(source.shape[1:]) for source in sources) != net.shapes:
        got = [tuple(source.shape[1:]) for source in sources]
        raise RequestError(f"expected layers of shapes {list(net.shapes)}, got {got}; {REMEDY}")
    nats = net.nats(sources[0], net.removed(sources))[0]
    values = enlarge(bits_per_pixel(nats, probe.size), probe.size)
    maps = {target.key: values for target in targets}
    return Maps(
        maps, {}, "bits per pixel", {"weights": weights}, "complete", findings=_findings(card, len(probe.prediction))
    )


def gather(probe: Probe, layers: Sequence[str], pictures: Images) -> list[Source]:
    """Show pictures and collect what a read-out sees of them.

    Args:
        probe: the bound question; its own picture is not looked at.
        layers: names, none twice; the first is the one with the bottleneck. Of another that runs several times the last run counts.
        pictures: ``(n, 3, h, w)`` in [0, 1], shown in one call.

    Returns:
        The features of each layer and, as the last source, the scores; none has a graph.

    Raises:
        RequestError: there is no such layer, the first runs more than once, or an output cannot be laid out.

    Cost: n queries.
    """
    seen: dict[str, list[Tensor]] = {layer: [] for layer in layers}

    def note(layer: str) -> Change:
        def keep(output: Tensor) -> Tensor:
            seen[layer].append(output.detach().float())
            return output.clone()  # the next layer may write over what it gets

        return keep

    with ExitStack() as stack:
        for layer in layers:
            stack.enter_context(probe.watching(layer, note(layer)))
        scores = probe.scores(pictures).detach()
    if len(seen[layers[0]]) != 1:
        raise RequestError(
            f"expected a layer that runs once a picture, got {layers[0]}, which ran {len(seen[layers[0]])} times"
        )
    size = (pictures.shape[2], pictures.shape[3])
    return [*(_lay_out(layer, outputs, size) for layer, outputs in seen.items()), scores[:, :, None, None]]


def _lay_out(layer: str, outputs: Sequence[Tensor], size: tuple[int, int]) -> Source:
    """Lay out what a layer put out last; an output without places gets a single one, which is later spread over all."""
    shape = tuple(outputs[-1].shape) if outputs else ()
    if len(shape) == 4:
        return outputs[-1]
    if len(shape) == 2:
        return outputs[-1][:, :, None, None]
    found = layout(layer, shape, size)
    if found is None:
        got = f"shape {shape}" if outputs else "none, as it did not run"
        raise RequestError(f"expected a layer that puts out a map or a vector, got {layer} with {got}; leave it out")
    return found.features(outputs[-1])


def _check_targets(probe: Probe, targets: Sequence[Target]) -> None:
    """Refuse all but the likeliest class."""
    likeliest = int(probe.prediction.argmax())
    for target, column in zip(targets, weight_matrix(targets, probe.prediction).T, strict=True):
        if column.nonzero().flatten().tolist() != [likeliest] or column[likeliest] != 1:
            raise RequestError(
                f"expected the likeliest class, class:{likeliest}, as iba-readout was trained for the classifier's own answers, "
                f"got {target.key}; leave the target out, or take iba"
            )


def _findings(card: dict[str, Any], classes: int) -> tuple[str, ...]:
    """Say where the map comes from, and whether the training went far enough."""
    told = (
        f"Read out at layer {card['layers'][0]} by a network trained on {card['photos']} photos for {card['steps']} steps, "
        f"at the end of which the class kept a cross-entropy of {card['cross_entropy']:.2f} nats"
    )
    told += "; the authors train on all of ImageNet for 20 epochs." if card["photos"] < ADVISED else "."
    if card["cross_entropy"] < math.log(classes):
        return (told,)
    return (
        told,
        "That is no better than chance: the network closes the layer everywhere; train longer or with a lower --rate.",
    )
