"""Turn an image into one of another class with trained generators, and say what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.core.arrays import Image
from seewhy.core.attribution import GeneratedPixels
from seewhy.core.errors import RequestError
from seewhy.core.probe import Probe
from seewhy.core.target import ClassEvidence, Contrast, Target
from seewhy.methods._shared import quoted_class
from seewhy.nets.checkpoints import Card
from seewhy.nets.counterfactual_generators import REMEDY, load_generators


@dataclass(frozen=True, eq=False)
class Translated:
    """The images that the generators made from one image, and findings about the generators.

    The adversarial image should be classified as ``other``; ``cycle`` is its translation back, if the generators make
    one. The stable image is the input image itself if ``plain``.
    """

    other: int
    adversarial: Image
    stable: Image
    cycle: Image | None
    plain: bool
    notes: tuple[str, ...]

    @property
    def generated(self) -> dict[str, GeneratedPixels]:
        """The generated images that are saved with the maps, by name."""
        shown = {"adversarial": self.adversarial, "stable": None if self.plain else self.stable, "cycle": self.cycle}
        return {name: image.cpu().contiguous().numpy() for name, image in shown.items() if image is not None}


def translate(probe: Probe, targets: Sequence[Target], weights: str | None) -> Translated:
    """Generate the adversarial and the stable image with the generators in a folder; costs the query for the prediction."""
    if weights is None:
        raise RequestError(f"expected weights=FOLDER of trained generators, got none; {REMEDY}")
    generators, card = load_generators(Path(weights), fingerprint=probe.classifier.fingerprint)
    if generators.size != probe.size:
        trained, got = ("{} x {} pixels".format(*size) for size in (generators.size, probe.size))
        raise RequestError(
            f"expected an image of {trained}, the size that {weights} was trained on, got {got}; {REMEDY}"
        )
    source = int(probe.prediction.argmax())
    if source not in generators.classes:
        raise RequestError(
            f"expected an image classified as {_list_classes(probe, generators.classes)}, the classes that {weights} was trained for, "
            f"got {quoted_class(probe, source)}; choose another image, or train with --classes for this class"
        )
    other = _other(probe, targets, source, generators.classes)
    with torch.no_grad():
        made = generators.to(probe.image.device)(probe.image[None], source, other)
    notes = (*_measured(card), *_lost_colour(probe, generators.channels))
    cycle = None if made.cycle is None else made.cycle[0]
    return Translated(other, made.adversarial[0], made.stable[0], cycle, generators.arm == "cyce", notes)


def flip_finding(probe: Probe, other: int | None, answer: Float[Tensor, " k"]) -> str:
    """State whether the probabilities for a counterfactual are those of the other class, or of any if that is None."""
    source, predicted = int(probe.prediction.argmax()), int(answer.argmax())
    wanted = predicted if other is None else other
    after, before = float(answer[wanted]), float(probe.prediction[wanted])
    name, compared = quoted_class(probe, predicted), f"{after:.2f}, against {before:.2f} for the image"
    if predicted == wanted != source:
        return f"The counterfactual is classified as {name}, with p = {compared}."
    failed = f"is still classified as {name}, with p = {compared}"
    if other is not None:
        aim = quoted_class(probe, other)
        failed = (
            f"did not flip the prediction to {aim}: the classifier predicts {name}, and p of {aim} is only {compared}"
        )
    return f"The counterfactual {failed}. The map does not show what would change the prediction."


def _list_classes(probe: Probe, classes: Sequence[int]) -> str:
    """List several classes by name."""
    return " or ".join(quoted_class(probe, index) for index in classes)


def _other(probe: Probe, targets: Sequence[Target], source: int, classes: Sequence[int]) -> int:
    """Return the class that the image should be turned into; reject targets that the generators do not support."""
    requested = {target.other for target in targets if isinstance(target, Contrast)}
    for target in targets:
        if not isinstance(target, ClassEvidence | Contrast) or target.index != source:
            raise RequestError(
                f"expected class:{source}, the predicted class, or contrast:{source}/OTHER, got {target.key}; "
                "the generators can only turn the predicted class into another one"
            )
    if len(requested) > 1:
        raise RequestError(
            f"expected one other class, got {_list_classes(probe, sorted(requested))}; request one at a time"
        )
    rivals = [index for index in classes if index != source]
    other = next(iter(requested), max(rivals, key=lambda index: float(probe.prediction[index])))
    if other not in rivals:
        raise RequestError(
            f"expected {_list_classes(probe, rivals)} as the other class, as the generators were trained for it, got "
            f"{quoted_class(probe, other)}; request contrast:{source}/{rivals[0]}, or train with --classes for this class"
        )
    return other


def _lost_colour(probe: Probe, channels: int) -> list[str]:
    """Warn if generators trained on grayscale images are given a colour image."""
    if channels == 3 or torch.equal(probe.image, probe.image[:1].expand_as(probe.image)):
        return []
    return ["The generators were trained on grayscale images: the images generated from this colour image are gray."]


def _measured(card: Card) -> list[str]:
    """Report the flip rates measured on held-out images, and a failed training if there was one."""
    rates = {
        "flip": "of the adversarial images were classified as the other class",
        "stable": "of the stable images kept their class",
    }
    measured = card.get("validation", {})
    found = [f"{measured[rate]:.0%} {meaning}" for rate, meaning in rates.items() if rate in measured]
    notes = [f"On images held out from training, {' and '.join(found)}."] if found else []
    return [*notes, *([f"Do not trust this map: {card['collapsed']}."] if card.get("collapsed") else [])]
