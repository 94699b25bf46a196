"""What a trained generator changes so that the classifier gives another answer (Charachon et al., FGCS 132, 2022)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.core.arrays import Image
from seewhy.core.errors import RequestError
from seewhy.core.maps import Companion, Maps, as_map
from seewhy.core.probe import Probe
from seewhy.core.target import ClassEvidence, Contrast, Target
from seewhy.nets.carded import CARD
from seewhy.nets.counterfactual_generators import REMEDY, load_generators

_VISIBLE = 0.1
"""A pixel that changes by more than this part of full brightness is counted as changed."""


def counterfactual(
    probe: Probe,
    targets: Sequence[Target],
    *,
    weights: str | None = None,
    definition: Literal["stable", "input"] = "stable",
) -> Maps:
    """Show what separates a picture that the classifier answers alike from one that it answers otherwise.

    Generators trained for the classifier turn the picture x into an adversarial twin ``x_a``, which is to be answered as the
    other class t and to look like a real picture of it, and into a stable twin ``x_s``, which is to be answered as x is. The
    map of a class is ``|x_s - x_a|``, that of a contrast ``x_s - x_a``, each the mean over the colours (Charachon, Cournède,
    Hudelot, Ardon, *Leveraging Conditional Generative Models in a General Explanation Framework of Classifier Decisions*,
    Future Generation Computer Systems 132, 2022). What the generators cannot draw is missing in both twins and cancels. With
    CyCE the stable twin is the picture itself. Classifier and generators are asked as they are: the same map every time.

    Args:
        probe: the bound question.
        targets: the predicted class c, or ``contrast:c/t``; t is else the runner-up of the classes that were trained.
        weights: folder written by ``seewhy train counterfactual`` for this classifier.
        definition: ``stable``; or ``input``, which holds the picture itself against ``x_a``.

    Returns:
        Maps of intensity, full brightness being 1: 0 to 1 for a class, -1 to 1 for a contrast, where positive is brighter in the
        stable twin. The twins are companions. Findings say whether the answer changed, and what the training measured.

    Raises:
        RequestError: there are no weights, they are of another classifier, other classes or another size, a target is not the
            predicted class, or the budget is too small.

    Cost: 3 queries (2 with CyCE), none backward, and up to three passes of a generator.
    """
    twins = translate(probe, targets, weights)
    own = [twins.adversarial] if twins.plain else [twins.adversarial, twins.stable]
    probe.affordable(1 + len(own), smallest=1 + len(own), hint="another method")
    probe.plan(1 + len(own))
    change = (probe.image if definition == "input" else twins.stable) - twins.adversarial
    extent, signed = change.abs().mean(0), change.mean(0)
    maps = {target.key: as_map(signed if isinstance(target, Contrast) else extent) for target in targets}
    answers = probe.show(torch.stack(own))
    findings = [flip_finding(probe, twins.other, answers[0]), *_unsettled(probe, answers[1:]), _extent(extent)]
    return Maps(
        maps,
        {},
        "intensity",
        {"weights": weights, "definition": definition},
        "complete",
        findings=(*findings, *twins.told),
        companions=twins.companions,
    )


def trained_classes(settings: Mapping[str, object]) -> tuple[int, ...] | None:
    """Return the classes that the folder in ``weights`` was trained for; None where it does not say, which the method refuses.

    Args:
        settings: of the method.
    """
    card = Path(str(settings.get("weights"))) / CARD
    if not card.is_file():
        return None
    return tuple(json.loads(card.read_text(encoding="utf-8")).get("networks", {}).get("classes", ())) or None


@dataclass(frozen=True, eq=False)
class Translated:
    """The twins of one picture.

    Args:
        other: the class that the adversarial twin was to have.
        adversarial: that twin.
        stable: the other one.
        cycle: the adversarial twin brought back; None where there is none.
        plain: whether the stable twin is the picture itself.
        told: what is to be said of the generators, sentence by sentence.
    """

    other: int
    adversarial: Image
    stable: Image
    cycle: Image | None
    plain: bool
    told: tuple[str, ...]

    @property
    def companions(self) -> dict[str, Companion]:
        """The pictures that belong to the answer, by name."""
        shown = {"adversarial": self.adversarial, "stable": None if self.plain else self.stable, "cycle": self.cycle}
        return {name: picture.cpu().contiguous().numpy() for name, picture in shown.items() if picture is not None}


def translate(probe: Probe, targets: Sequence[Target], weights: str | None) -> Translated:
    """Have the generators of a folder make the twins of the picture.

    Args:
        probe: the bound question; costs the prediction.
        targets: as in `counterfactual`.
        weights: the folder.

    Raises:
        RequestError: as in `counterfactual`.
    """
    if weights is None:
        raise RequestError(f"expected weights=FOLDER of trained generators, got none; {REMEDY}")
    twins, card = load_generators(Path(weights), fingerprint=probe.classifier.fingerprint)
    if twins.size != probe.size:
        trained, got = ("{} x {} pixels".format(*size) for size in (twins.size, probe.size))
        raise RequestError(f"expected a picture of {trained}, as {weights} was trained on, got {got}; {REMEDY}")
    source = int(probe.prediction.argmax())
    if source not in twins.classes:
        raise RequestError(
            f"expected a picture that is answered {_among(probe, twins.classes)}, for which {weights} was trained, "
            f"got {name(probe, source)}; give another picture, or train with --classes for this class"
        )
    other = _other(probe, targets, source, twins.classes)
    with torch.no_grad():
        made = twins.to(probe.image.device)(probe.image[None], source, other)
    told = (*_measured(card), *_colour_lost(probe, twins.channels))
    cycle = None if made.cycle is None else made.cycle[0]
    return Translated(other, made.adversarial[0], made.stable[0], cycle, twins.arm == "cyce", told)


def flip_finding(probe: Probe, other: int | None, answer: Float[Tensor, " k"]) -> str:
    """Say whether the classifier gives another answer to a counterfactual.

    Args:
        probe: the bound question.
        other: the class that it was to have; None: any but the picture's.
        answer: what the classifier said of it.
    """
    source, found = int(probe.prediction.argmax()), int(answer.argmax())
    wanted = found if other is None else other
    after, before = float(answer[wanted]), float(probe.prediction[wanted])
    if found == wanted != source:
        return f"The counterfactual is answered {name(probe, found)}, with p = {after:.2f} after {before:.2f} for the picture."
    failed = (
        f"is answered {name(probe, found)}, as the picture is, with p = {after:.2f} after {before:.2f}"
        if other is None
        else f"did not flip the answer to {name(probe, other)}: it is {name(probe, found)}, and p of {name(probe, other)} is only "
        f"{after:.2f} after {before:.2f} for the picture"
    )
    return f"The counterfactual {failed}. Do not read the map as what would change the answer."


def name(probe: Probe, index: int) -> str:
    """The name of a class, or its number."""
    labels = probe.classifier.labels
    return f"'{labels[index]}'" if labels else f"class {index}"


def _among(probe: Probe, classes: Sequence[int]) -> str:
    """Name several classes."""
    return " or ".join(name(probe, index) for index in classes)


def _other(probe: Probe, targets: Sequence[Target], source: int, classes: Sequence[int]) -> int:
    """Find the one class that the picture is to be turned into, and refuse what the generators cannot do."""
    asked = {target.other for target in targets if isinstance(target, Contrast)}
    for target in targets:
        if not isinstance(target, ClassEvidence | Contrast) or target.index != source:
            raise RequestError(
                f"expected class:{source}, which is what the picture is answered, or contrast:{source}/OTHER, got {target.key}; "
                "the generators turn a picture into something else than the answer to it"
            )
    if len(asked) > 1:
        raise RequestError(f"expected one other class, got {_among(probe, sorted(asked))}; ask about one at a time")
    rivals = [index for index in classes if index != source]
    other = next(iter(asked), max(rivals, key=lambda index: float(probe.prediction[index])))
    if other not in rivals:
        raise RequestError(
            f"expected {_among(probe, rivals)} as the other class, for which the generators were trained, got "
            f"{name(probe, other)}; ask for contrast:{source}/{rivals[0]}, or train with --classes for it"
        )
    return other


def _unsettled(probe: Probe, answers: Float[Tensor, "n k"]) -> list[str]:
    """Say so where the stable twin is answered otherwise than the picture."""
    source = int(probe.prediction.argmax())
    return [
        f"The stable twin is answered {name(probe, int(answer.argmax()))}, not {name(probe, source)}: the map also shows what the "
        "generators broke."
        for answer in answers
        if int(answer.argmax()) != source
    ]


def _extent(change: Float[Tensor, "h w"]) -> str:
    """Say how much changes."""
    share = float((change > _VISIBLE).float().mean())
    return (
        f"The change is {float(change.mean()):.3f} of full brightness on average and {float(change.max()):.2f} at most; "
        f"{share:.0%} of the pixels change by more than {_VISIBLE}."
    )


def _colour_lost(probe: Probe, channels: int) -> list[str]:
    """Say so where generators for gray pictures are given colour."""
    if channels == 3 or torch.equal(probe.image, probe.image[:1].expand_as(probe.image)):
        return []
    return ["The generators were trained on gray pictures, and this one has colours: its twins do not."]


def _measured(card: Mapping[str, Any]) -> list[str]:
    """Say what the training measured on pictures that were held out, and what is wrong with the generators, if anything."""
    rates = {"flip": "of the adversarial twins had the other class", "stable": "of the stable ones kept theirs"}
    measured = card.get("validation", {})
    found = [f"{measured[rate]:.0%} {meaning}" for rate, meaning in rates.items() if rate in measured]
    told = [f"On pictures held out of the training {' and '.join(found)}."] if found else []
    return [*told, *([f"Do not trust the map: {card['collapsed']}."] if card.get("collapsed") else [])]
